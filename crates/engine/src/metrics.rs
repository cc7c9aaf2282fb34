//! Every metric of a pipeline, documented, in the text format of Prometheus.
//!
//! The accounts are the only state; this file reads them and writes text.

use std::fmt::Write;

use pipeline::Timestamp;

use crate::{Account, Pipeline};

/// Name, kind, what it says, and how to read it.
type Metric = (&'static str, &'static str, &'static str, fn(&Account, Timestamp) -> f64);

const METRICS: [Metric; 11] = [
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

/// The metrics of `pipelines` at the moment `now`.
pub fn render(pipelines: &[Pipeline], now: Timestamp) -> String {
    let accounts: Vec<(&str, Account)> =
        pipelines.iter().map(|it| (it.name(), it.accounts().now())).collect();
    let mut text = String::new();
    for (name, kind, help, read) in METRICS {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (pipeline, account) in &accounts {
            let _ = writeln!(text, "{name}{{pipeline=\"{pipeline}\"}} {}", read(account, now));
        }
    }
    text
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
    use pipeline::{Clock, Event};

    use super::*;

    #[tokio::test]
    async fn a_pipeline_is_seen_in_every_metric() {
        let pipeline =
            Pipeline::new("books", Vec::new(), Vec::new(), Vec::new(), Clock::at(Timestamp(0)));
        pipeline.deliver_now(vec![Event::default()]).await;
        let text = render(&[pipeline], Timestamp(0));
        for (name, ..) in METRICS {
            assert!(text.contains(&format!("\n{name}{{pipeline=\"books\"}} ")), "{name}: {text}");
        }
        assert!(text.contains("records_read_total{pipeline=\"books\"} 1\n"), "{text}");
    }
}
