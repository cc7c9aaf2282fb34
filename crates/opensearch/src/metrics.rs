//! What a sink counts and times: under Data Prepper's names where it has one, and beyond them.

use std::time::Duration;

use pipeline::{Counter, Gauge, Histogram, Meters, Metric, Summary};

use crate::{bulk::Rejected, shape::Unwritable};

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
}

/// Each under Data Prepper's name where it has one.
static COUNTS: [(Count, Metric); 18] = [
    (Count::RecordsIn, Metric::counter("recordsIn", "Documents that came to the sink.")),
    (
        Count::DocumentsSuccess,
        Metric::counter("documentsSuccess", "Documents that are safe in the index."),
    ),
    (
        Count::DocumentsSuccessFirstAttempt,
        Metric::counter(
            "documentsSuccessFirstAttempt",
            "Documents that were taken at the first attempt.",
        ),
    ),
    (
        Count::DocumentErrors,
        Metric::counter("documentErrors", "Documents that the index will never take."),
    ),
    (
        Count::DocumentsVersionConflictErrors,
        Metric::counter(
            "documentsVersionConflictErrors",
            "Documents that were not newer than what the index has.",
        ),
    ),
    (
        Count::BulkRequestErrors,
        Metric::counter("bulkRequestErrors", "Requests that were not taken."),
    ),
    (
        Count::BulkRequestFailed,
        Metric::counter("bulkRequestFailed", "Requests that were given up."),
    ),
    (
        Count::BulkRequestNumberOfRetries,
        Metric::counter(
            "bulkRequestNumberOfRetries",
            "How often a request, or what was left of it, was sent again.",
        ),
    ),
    (
        Count::BulkRequestNotAllowedErrors,
        Metric::counter(
            "bulkRequestNotAllowedErrors",
            "Requests answered by 401, 402, 403, 405, 407, 423 or 429.",
        ),
    ),
    (
        Count::BulkRequestInvalidInputErrors,
        Metric::counter("bulkRequestInvalidInputErrors", "Requests answered by 409 or 411 to 416."),
    ),
    (
        Count::BulkRequestNotFoundErrors,
        Metric::counter("bulkRequestNotFoundErrors", "Requests answered by 404 or 410."),
    ),
    (
        Count::BulkRequestTimeoutErrors,
        Metric::counter("bulkRequestTimeoutErrors", "Requests answered by 408."),
    ),
    (
        Count::BulkRequestServerErrors,
        Metric::counter("bulkRequestServerErrors", "Requests answered by 5xx."),
    ),
    (
        Count::BulkBadRequestErrors,
        Metric::counter("bulkBadRequestErrors", "Requests answered by another error."),
    ),
    (
        Count::DynamicIndexDroppedEvents,
        Metric::counter("dynamicIndexDroppedEvents", "Documents whose index could not be told."),
    ),
    (
        Count::DynamicDocumentVersionDroppedEvents,
        Metric::counter(
            "dynamicDocumentVersionDroppedEvents",
            "Documents whose version could not be told.",
        ),
    ),
    (
        Count::InvalidActionErrors,
        Metric::counter("invalidActionErrors", "Documents whose action could not be told."),
    ),
    (
        Count::BulkRequestBytes,
        Metric::counter("bulkRequestBytes", "Bytes of requests, before compression."),
    ),
];

/// Something that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// From the change in the table until it was safe.
    EndToEnd,
    /// From when the sink got it until it was safe.
    Pipeline,
    /// From when the sink got it until it was sent.
    Sent,
    /// From when a request was sent until its answer.
    Answer,
}

static TIMES: [(Time, Metric); 4] = [
    (
        Time::EndToEnd,
        Metric::histogram("EndToEndLatency", "From the change in the table until it was safe."),
    ),
    (
        Time::Pipeline,
        Metric::histogram("PipelineLatency", "From when the sink got it until it was safe."),
    ),
    (
        Time::Sent,
        Metric::histogram("sentLatency", "From when the sink got it until it was sent at first."),
    ),
    (
        Time::Answer,
        Metric::histogram("bulkRequestLatency", "From when a request was sent until its answer."),
    ),
];

static SIZE: Metric =
    Metric::summary("bulkRequestSizeBytes", "Sizes of requests, before compression.");
static BY_CAUSE: Metric =
    Metric::counter("documentErrorsByCause", "Documents that the index will never take.")
        .by("cause");
static BY_STATUS: Metric =
    Metric::counter("documentStatuses", "Answers to documents, by status.").by("status");
static LAG: Metric = Metric::gauge(
    "lagMilliseconds",
    "How old the change was that became safe last; `lag_seconds` says it in seconds.",
);
static LIMIT: Metric =
    Metric::gauge("concurrencyLimit", "How many requests may be under way at once.");
static UNDER_WAY: Metric = Metric::gauge("requestsUnderWay", "How many requests are under way.");
static AWAY: Metric = Metric::gauge("hostsAway", "How many hosts do not answer.");

/// Every metric of this plugin, for the reference.
pub fn documented() -> impl Iterator<Item = &'static Metric> {
    let counts = COUNTS.iter().map(|(_, it)| it);
    let times = TIMES.iter().map(|(_, it)| it);
    counts.chain(times).chain([&SIZE, &BY_CAUSE, &BY_STATUS, &LAG, &LIMIT, &UNDER_WAY, &AWAY])
}

/// What one sink counts and times.
#[derive(Debug)]
pub struct Metrics {
    meters: Meters,
    counts: Vec<Counter>,
    times: Vec<Histogram>,
    size: Summary,
    lag: Gauge,
    limit: Gauge,
    under_way: Gauge,
    away: Gauge,
}

/// What is true just now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauges {
    /// How many requests may be under way.
    pub(crate) limit: usize,
    /// How many are.
    pub(crate) under_way: usize,
    /// How many hosts do not answer.
    pub(crate) hosts_away: usize,
}

impl Metrics {
    /// Counts into `meters`.
    pub fn new(meters: &Meters) -> Metrics {
        Metrics {
            counts: COUNTS.iter().map(|(_, it)| meters.counter(it)).collect(),
            times: TIMES.iter().map(|(_, it)| meters.histogram(it)).collect(),
            size: meters.summary(&SIZE),
            lag: meters.gauge(&LAG),
            limit: meters.gauge(&LIMIT),
            under_way: meters.gauge(&UNDER_WAY),
            away: meters.gauge(&AWAY),
            meters: meters.clone(),
        }
    }

    /// Counts `n` more.
    pub(crate) fn add(&self, count: Count, n: u64) {
        self.counts[place(count)].add(n);
    }

    /// How many there were.
    pub fn count(&self, count: Count) -> u64 {
        self.counts[place(count)].get()
    }

    /// Notes that `n` things took so long.
    pub(crate) fn time(&self, time: Time, took: Duration, n: u64) {
        let place = TIMES.iter().position(|(it, _)| *it == time).unwrap_or_default();
        self.times[place].record_times(took, n);
    }

    /// Notes the size of a request.
    pub(crate) fn size(&self, n_bytes: usize) {
        self.add(Count::BulkRequestBytes, n_bytes as u64);
        #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
        self.size.record(n_bytes as f64);
    }

    /// How old the change was that became safe last.
    pub(crate) fn set_lag(&self, lag_ms: u64) {
        self.lag.set(i64::try_from(lag_ms).unwrap_or(i64::MAX));
    }

    /// How it goes just now.
    pub(crate) fn set(&self, gauges: Gauges) {
        let set = |gauge: &Gauge, n: usize| gauge.set(i64::try_from(n).unwrap_or(i64::MAX));
        set(&self.limit, gauges.limit);
        set(&self.under_way, gauges.under_way);
        set(&self.away, gauges.hosts_away);
    }

    /// Counts documents that the index will never take, by cause.
    pub(crate) fn reject(&self, rejected: &[Rejected]) {
        self.add(Count::DocumentErrors, rejected.len() as u64);
        for it in rejected {
            match it.cause.as_str() {
                Unwritable::INDEX => self.add(Count::DynamicIndexDroppedEvents, 1),
                Unwritable::VERSION => self.add(Count::DynamicDocumentVersionDroppedEvents, 1),
                Unwritable::ACTION => self.add(Count::InvalidActionErrors, 1),
                _ => {}
            }
            self.meters.counter_of(&BY_CAUSE, &it.cause).add(1);
        }
    }

    /// Counts the statuses of documents.
    pub(crate) fn statuses(&self, seen: &[(u16, u64)]) {
        for (status, n) in seen {
            self.meters.counter_of(&BY_STATUS, &status.to_string()).add(*n);
        }
    }

    /// Counts a request that was not taken; `None` if there was no answer.
    pub(crate) fn refuse(&self, status: Option<u16>) {
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
}

fn place(count: Count) -> usize {
    COUNTS.iter().position(|(it, _)| *it == count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pipeline::{Reading, ReadingValue};

    use super::*;

    #[test]
    fn everything_is_there_under_the_names_people_know() {
        let all = Meters::default();
        let metrics = Metrics::new(&all.of("books", "opensearch"));
        metrics.add(Count::DocumentsSuccess, 3);
        metrics.time(Time::EndToEnd, Duration::from_millis(30), 2);
        metrics.time(Time::EndToEnd, Duration::from_secs(1_000), 1);
        metrics.refuse(Some(429));
        metrics.statuses(&[(201, 2), (429, 1)]);
        let cause = "mapper_parsing_exception".to_owned();
        metrics.reject(&[Rejected { cause, ..Rejected::default() }]);
        metrics.set_lag(1_250);
        metrics.set(Gauges { limit: 4, ..Gauges::default() });
        let readings = all.read();
        for (name, label, value) in [
            ("documentsSuccess", "", 3),
            ("bulkRequestNotAllowedErrors", "", 1),
            ("documentErrors", "", 1),
            ("documentErrorsByCause", "mapper_parsing_exception", 1),
            ("documentStatuses", "201", 2),
            ("EndToEndLatency", "", 3),
            ("lagMilliseconds", "", 1_250),
            ("concurrencyLimit", "", 4),
        ] {
            let is_it = |it: &&Reading| it.metric.name == name && it.label == label;
            let found = readings.iter().find(is_it).map(|it| match it.value {
                ReadingValue::Count(n) => i64::try_from(n).unwrap(),
                ReadingValue::Level(n) => n,
                ReadingValue::Sum(sum) => i64::try_from(sum.count).unwrap(),
                ReadingValue::Spread(it) => i64::try_from(it.sum.count).unwrap(),
            });
            assert_eq!(found, Some(value), "{name} {label}");
        }
    }

    #[test]
    fn each_count_has_its_own_place_and_name() {
        for (n, (count, _)) in COUNTS.iter().enumerate() {
            assert_eq!(place(*count), n);
        }
        let mut names: Vec<&str> = documented().map(|it| it.name).collect();
        let n = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), n);
    }
}
