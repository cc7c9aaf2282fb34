//! What a sink counts and times: under Data Prepper's names where it has one, and beyond them.

use std::{
    fmt::Write,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::bulk::Rejected;

/// At most so many different causes are counted; the rest under `other`.
const CAUSES_MAX: usize = 100;
const OTHER: &str = "other";
/// The upper ends of the buckets of a histogram, in milliseconds.
const BUCKETS_MS: [u64; 14] =
    [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 600_000];

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Documents that came.
    RecordsIn,
    /// Documents that are safe in the index.
    DocumentsSuccess,
    /// … at the first attempt.
    DocumentsSuccessFirstAttempt,
    /// Documents that the index will never take.
    DocumentErrors,
    /// Documents that lost against what the index has.
    DocumentsVersionConflictErrors,
    /// Requests that were answered by an error, or not at all.
    BulkRequestErrors,
    /// Requests given up.
    BulkRequestFailed,
    /// How often something was sent again.
    BulkRequestNumberOfRetries,
    /// 401, 402, 403, 405, 407, 423, 429.
    BulkRequestNotAllowedErrors,
    /// 409, 411 to 416.
    BulkRequestInvalidInputErrors,
    /// 404, 410.
    BulkRequestNotFoundErrors,
    /// 408.
    BulkRequestTimeoutErrors,
    /// 500 and above.
    BulkRequestServerErrors,
    /// Any other.
    BulkBadRequestErrors,
    /// Documents whose index could not be told.
    DynamicIndexDroppedEvents,
    /// Documents whose version could not be told.
    DynamicDocumentVersionDroppedEvents,
    /// Documents whose action could not be told.
    InvalidActionErrors,
    /// Bytes of requests, before compression.
    BulkRequestBytes,
    /// Documents passed over because a search found them.
    EventsDroppedAfterQuery,
}

/// Data Prepper's name of each, what it says, and its place.
const COUNTS: [(Count, &str, &str); 19] = [
    (Count::RecordsIn, "recordsIn", "Documents that came to the sink."),
    (Count::DocumentsSuccess, "documentsSuccess", "Documents that are safe in the index."),
    (
        Count::DocumentsSuccessFirstAttempt,
        "documentsSuccessFirstAttempt",
        "Documents that were taken at the first attempt.",
    ),
    (Count::DocumentErrors, "documentErrors", "Documents that the index will never take."),
    (
        Count::DocumentsVersionConflictErrors,
        "documentsVersionConflictErrors",
        "Documents that were not newer than what the index has.",
    ),
    (Count::BulkRequestErrors, "bulkRequestErrors", "Requests that were not taken."),
    (Count::BulkRequestFailed, "bulkRequestFailed", "Requests that were given up."),
    (
        Count::BulkRequestNumberOfRetries,
        "bulkRequestNumberOfRetries",
        "How often a request, or what was left of it, was sent again.",
    ),
    (
        Count::BulkRequestNotAllowedErrors,
        "bulkRequestNotAllowedErrors",
        "Requests answered by 401, 402, 403, 405, 407, 423 or 429.",
    ),
    (
        Count::BulkRequestInvalidInputErrors,
        "bulkRequestInvalidInputErrors",
        "Requests answered by 409 or 411 to 416.",
    ),
    (
        Count::BulkRequestNotFoundErrors,
        "bulkRequestNotFoundErrors",
        "Requests answered by 404 or 410.",
    ),
    (Count::BulkRequestTimeoutErrors, "bulkRequestTimeoutErrors", "Requests answered by 408."),
    (Count::BulkRequestServerErrors, "bulkRequestServerErrors", "Requests answered by 5xx."),
    (Count::BulkBadRequestErrors, "bulkBadRequestErrors", "Requests answered by another error."),
    (
        Count::DynamicIndexDroppedEvents,
        "dynamicIndexDroppedEvents",
        "Documents whose index could not be told.",
    ),
    (
        Count::DynamicDocumentVersionDroppedEvents,
        "dynamicDocumentVersionDroppedEvents",
        "Documents whose version could not be told.",
    ),
    (
        Count::InvalidActionErrors,
        "invalidActionErrors",
        "Documents whose action could not be told.",
    ),
    (Count::BulkRequestBytes, "bulkRequestBytes", "Bytes of requests, before compression."),
    (
        Count::EventsDroppedAfterQuery,
        "eventsDroppedAndReleasedAfterQuery",
        "Documents passed over because a search found them.",
    ),
];

/// Something that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// From the change in the table until it was safe.
    EndToEnd,
    /// From when the sink got it until it was safe.
    Pipeline,
    /// From when the sink got it until it was sent.
    Sent,
    /// From when a request was sent until its answer.
    Answer,
}

const TIMES: [(Time, &str, &str); 4] = [
    (Time::EndToEnd, "EndToEndLatency", "From the change in the table until it was safe."),
    (Time::Pipeline, "PipelineLatency", "From when the sink got it until it was safe."),
    (Time::Sent, "sentLatency", "From when the sink got it until it was sent."),
    (Time::Answer, "bulkRequestLatency", "From when a request was sent until its answer."),
];

/// What one sink counts and times.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: [AtomicU64; COUNTS.len()],
    times: [Histogram; TIMES.len()],
    causes: Mutex<Vec<(String, u64)>>,
    statuses: Mutex<Vec<(u16, u64)>>,
    /// Milliseconds.
    lag: AtomicU64,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS_MS.len() + 1],
    sum_us: AtomicU64,
    max_us: AtomicU64,
}

/// What is true just now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// How many requests may be under way.
    pub limit: usize,
    /// How many are.
    pub under_way: usize,
    /// How many hosts do not answer.
    pub hosts_away: usize,
}

impl Metrics {
    /// Counts `n` more.
    pub fn add(&self, count: Count, n: u64) {
        self.counts[place(count)].fetch_add(n, Relaxed);
    }

    /// How many there were.
    pub fn count(&self, count: Count) -> u64 {
        self.counts[place(count)].load(Relaxed)
    }

    /// Notes that `n` things took so long.
    pub fn time(&self, time: Time, took: Duration, n: u64) {
        let place = TIMES.iter().position(|(it, ..)| *it == time).unwrap_or_default();
        self.times[place].add(took, n);
    }

    /// How old the change was that became safe last.
    pub fn set_lag(&self, lag_ms: u64) {
        self.lag.store(lag_ms, Relaxed);
    }

    /// Counts documents that the index will never take, by cause.
    pub fn reject(&self, rejected: &[Rejected]) {
        self.add(Count::DocumentErrors, rejected.len() as u64);
        let mut causes = self.causes.lock().expect("no panics while locked");
        for it in rejected {
            let counted = match it.cause.as_str() {
                "invalid_index" => Some(Count::DynamicIndexDroppedEvents),
                "invalid_version" => Some(Count::DynamicDocumentVersionDroppedEvents),
                "invalid_action" => Some(Count::InvalidActionErrors),
                _ => None,
            };
            if let Some(count) = counted {
                self.add(count, 1);
            }
            let known = causes.iter().position(|(cause, _)| *cause == it.cause);
            match known {
                Some(n) => causes[n].1 += 1,
                None if causes.len() < CAUSES_MAX => causes.push((it.cause.clone(), 1)),
                None => match causes.iter_mut().find(|(cause, _)| cause == OTHER) {
                    Some((_, n)) => *n += 1,
                    None => causes.push((OTHER.to_owned(), 1)),
                },
            }
        }
    }

    /// Counts the statuses of documents.
    pub fn statuses(&self, seen: &[(u16, u64)]) {
        let mut statuses = self.statuses.lock().expect("no panics while locked");
        for (status, n) in seen {
            match statuses.iter_mut().find(|(it, _)| it == status) {
                Some((_, sum)) => *sum += n,
                None => statuses.push((*status, *n)),
            }
        }
    }

    /// Counts a request that was not taken; `None` if there was no answer.
    pub fn refuse(&self, status: Option<u16>) {
        self.add(Count::BulkRequestErrors, 1);
        let count = match status {
            Some(401..=403 | 405 | 407 | 423 | 429) => Count::BulkRequestNotAllowedErrors,
            Some(409 | 411..=416) => Count::BulkRequestInvalidInputErrors,
            Some(404 | 410) => Count::BulkRequestNotFoundErrors,
            Some(408) | None => Count::BulkRequestTimeoutErrors,
            Some(500..) => Count::BulkRequestServerErrors,
            Some(_) => Count::BulkBadRequestErrors,
        };
        self.add(count, 1);
    }

    /// Writes all of it in the text format of Prometheus, for the sink of `pipeline`.
    pub fn write(&self, pipeline: &str, gauges: Gauges, out: &mut String) {
        let prefix =
            format!("{}_opensearch", pipeline.replace(|it: char| !it.is_ascii_alphanumeric(), "_"));
        for (count, name, help) in COUNTS {
            let n = self.count(count);
            let name = format!("{prefix}_{name}_total");
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {n}");
        }
        let labelled =
            |name: &str, help: &str, label: &str, all: Vec<(String, u64)>, out: &mut String| {
                let name = format!("{prefix}_{name}_total");
                let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
                for (value, n) in all {
                    let value = value.replace(['"', '\\', '\n'], "_");
                    let _ = writeln!(out, "{name}{{{label}=\"{value}\"}} {n}");
                }
            };
        let causes = self.causes.lock().expect("no panics while locked").clone();
        labelled(
            "documentErrorsByCause",
            "Documents that the index will never take.",
            "cause",
            causes,
            out,
        );
        let statuses = self.statuses.lock().expect("no panics while locked").clone();
        let statuses = statuses.into_iter().map(|(status, n)| (status.to_string(), n)).collect();
        labelled("documentStatuses", "Answers to documents, by status.", "status", statuses, out);
        for ((_, name, help), histogram) in TIMES.iter().zip(&self.times) {
            histogram.write(&format!("{prefix}_{name}_seconds"), help, out);
        }
        let lag = self.lag.load(Relaxed);
        for (name, help, value) in [
            ("lag_seconds", "How old the change was that became safe last.", seconds(lag * 1_000)),
            (
                "concurrencyLimit",
                "How many requests may be under way at once.",
                gauges.limit.to_string(),
            ),
            ("requestsUnderWay", "How many requests are under way.", gauges.under_way.to_string()),
            ("hostsAway", "How many hosts do not answer.", gauges.hosts_away.to_string()),
        ] {
            let name = format!("{prefix}_{name}");
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
    }
}

impl Histogram {
    fn add(&self, took: Duration, n: u64) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_MS.iter().position(|it| us <= it * 1_000);
        self.buckets[bucket.unwrap_or(BUCKETS_MS.len())].fetch_add(n, Relaxed);
        self.sum_us.fetch_add(us.saturating_mul(n), Relaxed);
        self.max_us.fetch_max(us, Relaxed);
    }

    fn write(&self, name: &str, help: &str, out: &mut String) {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut n = 0;
        for (end, bucket) in BUCKETS_MS.iter().zip(&self.buckets) {
            n += bucket.load(Relaxed);
            let _ = writeln!(out, "{name}_bucket{{le=\"{}\"}} {n}", seconds(end * 1_000));
        }
        n += self.buckets[BUCKETS_MS.len()].load(Relaxed);
        let sum = seconds(self.sum_us.load(Relaxed));
        let _ =
            writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {n}\n{name}_sum {sum}\n{name}_count {n}");
        let max = seconds(self.max_us.load(Relaxed));
        let _ = writeln!(out, "# TYPE {name}_max gauge\n{name}_max {max}");
    }
}

fn place(count: Count) -> usize {
    COUNTS.iter().position(|(it, ..)| *it == count).unwrap_or_default()
}

/// Microseconds as seconds, without the noise of floating-point numbers.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_there_under_the_names_people_know() {
        let metrics = Metrics::default();
        metrics.add(Count::DocumentsSuccess, 3);
        metrics.time(Time::EndToEnd, Duration::from_millis(30), 2);
        metrics.time(Time::EndToEnd, Duration::from_secs(1_000), 1);
        metrics.refuse(Some(429));
        metrics.statuses(&[(201, 2), (429, 1)]);
        let cause = "mapper_parsing_exception".to_owned();
        metrics.reject(&[Rejected { cause, ..Rejected::default() }]);
        metrics.set_lag(1_250);
        let mut text = String::new();
        metrics.write("my-books", Gauges { limit: 4, ..Gauges::default() }, &mut text);
        for line in [
            "my_books_opensearch_documentsSuccess_total 3",
            "my_books_opensearch_bulkRequestNotAllowedErrors_total 1",
            "my_books_opensearch_documentErrors_total 1",
            "my_books_opensearch_documentErrorsByCause_total{cause=\"mapper_parsing_exception\"} 1",
            "my_books_opensearch_documentStatuses_total{status=\"201\"} 2",
            "my_books_opensearch_EndToEndLatency_seconds_bucket{le=\"0.025\"} 0",
            "my_books_opensearch_EndToEndLatency_seconds_bucket{le=\"0.05\"} 2",
            "my_books_opensearch_EndToEndLatency_seconds_bucket{le=\"+Inf\"} 3",
            "my_books_opensearch_EndToEndLatency_seconds_sum 1000.06",
            "my_books_opensearch_lag_seconds 1.25",
            "my_books_opensearch_concurrencyLimit 4",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn each_count_has_its_own_place() {
        for (n, (count, ..)) in COUNTS.iter().enumerate() {
            assert_eq!(place(*count), n);
        }
    }
}
