//! Every metric, documented, in the text format of Prometheus.
//!
//! Two kinds: the accounts, under our own names; and what plugins count in their [`Meters`], under
//! the names that Data Prepper gives them, such as `books_opensearch_documentErrors_total`.

use std::{collections::BTreeMap, fmt::Write};

use pipeline::{BUCKETS, Meters, MetricKind, Reading, ReadingValue, Spread, Timestamp};

use crate::{Account, Pipeline};

/// Name, kind, what it says, and how to read it.
type Metric = (&'static str, &'static str, &'static str, fn(&Account, Timestamp) -> f64);

const METRICS: [Metric; 12] = [
    ("records_read_total", "counter", "Events taken from the source.", |it, _| float(it.read)),
    (
        "records_added_total",
        "counter",
        "Events made out of others by processors, or sent to further sinks.",
        |it, _| float(it.added),
    ),
    (
        "records_filtered_total",
        "counter",
        "Events ended by a processor, or wanted by no sink.",
        |it, _| float(it.filtered),
    ),
    (
        "records_indexed_total",
        "counter",
        "Documents written, changed or deleted in the index.",
        |it, _| float(it.indexed),
    ),
    (
        "records_superseded_total",
        "counter",
        "Documents not written because the index had something newer or the same.",
        |it, _| float(it.superseded),
    ),
    ("records_dead_lettered_total", "counter", "Documents set aside with the reason.", |it, _| {
        float(it.dead_lettered)
    }),
    (
        "records_passed_total",
        "counter",
        "Events handed on to another pipeline, which counts them from there.",
        |it, _| float(it.passed),
    ),
    (
        "records_returned_total",
        "counter",
        "Events given back to the source, which reads them again.",
        |it, _| float(it.returned),
    ),
    ("records_in_flight", "gauge", "Events on their way.", |it, _| float(it.in_flight)),
    ("unaccounted_records", "gauge", "Events in no account; anything but 0 is a bug.", |it, _| {
        signed(it.unaccounted())
    }),
    ("lag_seconds", "gauge", "How old the change delivered last was when it was safe.", |it, _| {
        float(it.lag_ms) / 1000.0
    }),
    (
        "idle_seconds",
        "gauge",
        "How long ago something was last delivered; -1 before the first.",
        |it, now| it.delivered_at.map_or(-1.0, |at| float(now.0.saturating_sub(at.0)) / 1000.0),
    ),
];

/// The metrics of the accounts by name, with what each says. For the reference.
pub fn documented() -> impl Iterator<Item = (&'static str, &'static str)> {
    METRICS.iter().map(|(name, _, help, _)| (*name, *help))
}

/// The metrics of `pipelines`, and what plugins counted, at the moment `now`. `tags` are added to
/// all of them.
pub fn render(
    pipelines: &[Pipeline],
    meters: &Meters,
    tags: &[(String, String)],
    now: Timestamp,
) -> String {
    let accounts: Vec<(&str, Account)> =
        pipelines.iter().map(|it| (it.name(), it.accounts().now())).collect();
    let mut text = String::new();
    for (name, kind, help, read) in METRICS {
        write_head(&mut text, name, kind, help);
        for (pipeline, account) in &accounts {
            let labels = labels(&[("pipeline", pipeline)], tags);
            let _ = writeln!(text, "{name}{labels} {}", read(account, now));
        }
    }
    // All readings of one name must stand together, whatever pipelines are called.
    let mut by_name: BTreeMap<String, Vec<Reading>> = BTreeMap::new();
    for reading in meters.read() {
        by_name.entry(name_of(&reading)).or_default().push(reading);
    }
    for (name, readings) in &by_name {
        write_readings(&mut text, name, readings, tags);
    }
    text
}

/// `books_opensearch_documentErrors`, as Data Prepper names it for Prometheus.
fn name_of(reading: &Reading) -> String {
    let parts = [&*reading.pipeline, &*reading.plugin, reading.metric.name];
    let parts: Vec<&str> = parts.into_iter().filter(|it| !it.is_empty()).collect();
    let is_allowed = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
    let name = parts.join("_").replace(|it| !is_allowed(it), "_");
    if name.starts_with(|it: char| it.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn write_readings(text: &mut String, name: &str, readings: &[Reading], tags: &[(String, String)]) {
    let Some(Reading { metric, .. }) = readings.first() else { return };
    let help = metric.about;
    let (name, kind) = match metric.kind {
        MetricKind::Counter => (format!("{name}_total"), "counter"),
        MetricKind::Gauge => (name.to_owned(), "gauge"),
        MetricKind::Summary => (name.to_owned(), "summary"),
        MetricKind::Timer => (format!("{name}_seconds"), "summary"),
        MetricKind::Histogram => (format!("{name}_seconds"), "histogram"),
    };
    write_head(text, &name, kind, help);
    let labelled_by = |reading: &Reading, more: Option<(&str, &str)>| {
        let mut own = vec![("pipeline", &*reading.pipeline)];
        own.extend(reading.metric.label.map(|label| (label, reading.label.as_str())));
        own.extend(more);
        own.retain(|(_, value)| !value.is_empty());
        labels(&own, tags)
    };
    let mut largest = String::new();
    for reading in readings {
        let labels = labelled_by(reading, None);
        if let ReadingValue::Spread(Spread { sum, up_to }) = &reading.value {
            for ((_, end), n) in BUCKETS.iter().zip(up_to) {
                let labels = labelled_by(reading, Some(("le", *end)));
                let _ = writeln!(text, "{name}_bucket{labels} {n}");
            }
            let labels = labelled_by(reading, Some(("le", "+Inf")));
            let _ = writeln!(text, "{name}_bucket{labels} {}", sum.count);
        }
        let _ = match reading.value {
            ReadingValue::Count(n) => writeln!(text, "{name}{labels} {n}"),
            ReadingValue::Level(n) => writeln!(text, "{name}{labels} {n}"),
            ReadingValue::Sum(it) | ReadingValue::Spread(Spread { sum: it, .. }) => {
                let _ = writeln!(largest, "{name}_max{labels} {}", it.max);
                let _ = writeln!(text, "{name}_count{labels} {}", it.count);
                writeln!(text, "{name}_sum{labels} {}", it.sum)
            }
        };
    }
    if !largest.is_empty() {
        write_head(text, &format!("{name}_max"), "gauge", help);
        text.push_str(&largest);
    }
}

fn write_head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// `{pipeline="books"}`, or nothing if there are none.
fn labels(own: &[(&str, &str)], tags: &[(String, String)]) -> String {
    let tags = tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let labels: Vec<String> = own
        .iter()
        .copied()
        .chain(tags)
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        })
        .collect();
    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has floating-point numbers only")]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has floating-point numbers only")]
fn signed(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use pipeline::{Clock, Event, Metric};

    use super::*;

    #[tokio::test]
    async fn a_pipeline_is_seen_in_every_metric() {
        let pipeline =
            Pipeline::new("books", Vec::new(), Vec::new(), Vec::new(), Clock::at(Timestamp(0)));
        pipeline.deliver_now(vec![Event::default()]).await;
        let text = render(&[pipeline], &Meters::default(), &[], Timestamp(0));
        for (name, ..) in METRICS {
            assert!(text.contains(&format!("\n{name}{{pipeline=\"books\"}} ")), "{name}: {text}");
        }
        assert!(text.contains("records_read_total{pipeline=\"books\"} 1\n"), "{text}");
    }
    #[test]
    fn a_histogram_is_one_for_prometheus() {
        static TOOK: Metric = Metric::histogram("EndToEndLatency", "Took.");
        let meters = Meters::default();
        let histogram = meters.of("books", "opensearch").histogram(&TOOK);
        histogram.record_times(std::time::Duration::from_millis(500), 4);
        histogram.record_times(std::time::Duration::from_secs(700), 1);
        let text = render(&[], &meters, &[], Timestamp(0));
        for line in [
            "# TYPE books_opensearch_EndToEndLatency_seconds histogram",
            "books_opensearch_EndToEndLatency_seconds_bucket{pipeline=\"books\",le=\"0.25\"} 0",
            "books_opensearch_EndToEndLatency_seconds_bucket{pipeline=\"books\",le=\"0.5\"} 4",
            "books_opensearch_EndToEndLatency_seconds_bucket{pipeline=\"books\",le=\"600\"} 4",
            "books_opensearch_EndToEndLatency_seconds_bucket{pipeline=\"books\",le=\"+Inf\"} 5",
            "books_opensearch_EndToEndLatency_seconds_count{pipeline=\"books\"} 5",
            "books_opensearch_EndToEndLatency_seconds_sum{pipeline=\"books\"} 702",
            "books_opensearch_EndToEndLatency_seconds_max{pipeline=\"books\"} 700",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
    }

    #[test]
    fn what_plugins_count_has_the_names_of_data_prepper() {
        static ERRORS: Metric = Metric::counter("documentErrors", "Refused.");
        static STATUSES: Metric = Metric::counter("documentStatuses", "Answers.").by("status");
        static TOOK: Metric = Metric::timer("bulkRequestLatency", "Took.");
        static OPEN: Metric = Metric::gauge("open", "Open.");
        let meters = Meters::default();
        let sink = meters.of("my-books", "opensearch");
        sink.counter(&ERRORS).add(2);
        meters.of("my_books", "opensearch").counter(&ERRORS).add(1);
        sink.counter_of(&STATUSES, "429").add(3);
        sink.summary(&TOOK).record(0.5);
        meters.of("", "dynamodb").gauge(&OPEN).set(-4);
        let tags = [("stage".to_owned(), "a\"b".to_owned())];
        let text = render(&[], &meters, &tags, Timestamp(0));
        let lines: Vec<&str> =
            text.lines().filter(|it| !it.starts_with('#') || it.contains("TYPE my_")).collect();
        let expected = r#"dynamodb_open{stage="a\"b"} -4
# TYPE my_books_opensearch_bulkRequestLatency_seconds summary
my_books_opensearch_bulkRequestLatency_seconds_count{pipeline="my-books",stage="a\"b"} 1
my_books_opensearch_bulkRequestLatency_seconds_sum{pipeline="my-books",stage="a\"b"} 0.5
# TYPE my_books_opensearch_bulkRequestLatency_seconds_max gauge
my_books_opensearch_bulkRequestLatency_seconds_max{pipeline="my-books",stage="a\"b"} 0.5
# TYPE my_books_opensearch_documentErrors_total counter
my_books_opensearch_documentErrors_total{pipeline="my-books",stage="a\"b"} 2
my_books_opensearch_documentErrors_total{pipeline="my_books",stage="a\"b"} 1
# TYPE my_books_opensearch_documentStatuses_total counter
my_books_opensearch_documentStatuses_total{pipeline="my-books",status="429",stage="a\"b"} 3"#;
        assert_eq!(lines.join("\n"), expected);
    }
}
