//! What plugins count: each metric a documented constant, all of them in one registry.
//!
//! ```
//! use pipeline::{Meters, Metric};
//!
//! /// Also listed in the crate's `METRICS`, for the reference.
//! static DOCUMENT_ERRORS: Metric =
//!     Metric::counter("documentErrors", "Documents that the index will never take.");
//!
//! // The engine gives each plugin its own part of the registry …
//! let meters = Meters::default().of("books", "opensearch");
//! // … which the plugin asks for its metrics once, when it is made.
//! let errors = meters.counter(&DOCUMENT_ERRORS);
//! errors.add(1);
//! assert_eq!(errors.get(), 1);
//! ```
//!
//! Names are Data Prepper's where it has the metric: `books_opensearch_documentErrors_total` then
//! says the same there and here.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

/// How many values a label may have; what comes after that is counted as [`OTHER`].
const LABEL_VALUES_MAX: usize = 200;
/// The upper ends of the buckets of a histogram, in milliseconds, and in seconds as text. What took
/// longer than the last counts in none but the whole.
pub const BUCKETS: [(u64, &str); 14] = [
    (5, "0.005"),
    (10, "0.01"),
    (25, "0.025"),
    (50, "0.05"),
    (100, "0.1"),
    (250, "0.25"),
    (500, "0.5"),
    (1_000, "1"),
    (2_500, "2.5"),
    (5_000, "5"),
    (10_000, "10"),
    (30_000, "30"),
    (60_000, "60"),
    (600_000, "600"),
];
/// Stands for label values beyond the limit.
pub const OTHER: &str = "other";

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many, how much together, and the largest.
    Summary,
    /// The same of durations, in seconds.
    Timer,
    /// The same, and how many took up to each of [`BUCKETS`].
    Histogram,
}

/// A metric, as it is documented.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name without pipeline and plugin, in Data Prepper's spelling: `documentErrors`.
    pub name: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// What it says, in a sentence.
    pub about: &'static str,
    /// What it is divided by, if it is: `status`.
    pub label: Option<&'static str>,
}

impl Metric {
    /// One that only grows.
    pub const fn counter(name: &'static str, about: &'static str) -> Metric {
        Metric { name, kind: MetricKind::Counter, about, label: None }
    }

    /// One that goes up and down.
    pub const fn gauge(name: &'static str, about: &'static str) -> Metric {
        Metric { name, kind: MetricKind::Gauge, about, label: None }
    }

    /// The number, sum and maximum of sizes.
    pub const fn summary(name: &'static str, about: &'static str) -> Metric {
        Metric { name, kind: MetricKind::Summary, about, label: None }
    }

    /// The number, sum and maximum of durations.
    pub const fn timer(name: &'static str, about: &'static str) -> Metric {
        Metric { name, kind: MetricKind::Timer, about, label: None }
    }

    /// The number, sum and maximum of durations, and how they are spread.
    pub const fn histogram(name: &'static str, about: &'static str) -> Metric {
        Metric { name, kind: MetricKind::Histogram, about, label: None }
    }

    /// The same, divided by `label`, which must not have many values.
    #[must_use]
    pub const fn by(self, label: &'static str) -> Metric {
        Metric { label: Some(label), ..self }
    }
}

/// A part of the registry: that of one plugin of one pipeline. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    all: Arc<Mutex<BTreeMap<Id, Meter>>>,
    pipeline: Arc<str>,
    plugin: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    pipeline: Arc<str>,
    plugin: Arc<str>,
    metric: &'static str,
    label: String,
}

#[derive(Clone, Debug)]
struct Meter {
    metric: &'static Metric,
    value: Measured,
}

#[derive(Clone, Debug)]
enum Measured {
    Counter(Counter),
    Gauge(Gauge),
    Summary(Summary),
    Histogram(Histogram),
}

/// Only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

/// Goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

/// Number, sum and maximum; of sizes, or of seconds.
#[derive(Clone, Debug, Default)]
pub struct Summary(Arc<Mutex<Sum>>);

/// Number, sum and maximum of durations, and how they are spread.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Mutex<Spread>>);

/// What a [`Histogram`] knows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// All of them, in seconds.
    pub sum: Sum,
    /// How many took up to the end of each of [`BUCKETS`], those before it included.
    pub up_to: [u64; BUCKETS.len()],
}

/// What a [`Summary`] knows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    /// How many there were.
    pub count: u64,
    /// How much they are together.
    pub sum: f64,
    /// The largest.
    pub max: f64,
}

/// A metric as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The pipeline; empty if it is about all of them.
    pub pipeline: Arc<str>,
    /// The plugin.
    pub plugin: Arc<str>,
    /// Which metric.
    pub metric: &'static Metric,
    /// The value of its label, if it has one.
    pub label: String,
    /// How it stands.
    pub value: ReadingValue,
}

/// How a metric stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReadingValue {
    /// Of a counter.
    Count(u64),
    /// Of a gauge.
    Level(i64),
    /// Of a summary or timer.
    Sum(Sum),
    /// Of a histogram.
    Spread(Spread),
}

impl Meters {
    /// The part of a plugin. Two plugins of the same name in one pipeline count together. An empty
    /// `pipeline` is for what concerns the whole process.
    #[must_use]
    pub fn of(&self, pipeline: &str, plugin: &str) -> Meters {
        Meters { all: Arc::clone(&self.all), pipeline: pipeline.into(), plugin: plugin.into() }
    }

    /// A counter. The same metric gives the same counter.
    pub fn counter(&self, metric: &'static Metric) -> Counter {
        self.counter_of(metric, "")
    }

    /// The counter for one value of the metric's label. For what is not known before it happens:
    /// it looks the value up, so it is not for every event.
    pub fn counter_of(&self, metric: &'static Metric, label: &str) -> Counter {
        match self.meter(metric, label, || Measured::Counter(Counter::default())) {
            Measured::Counter(counter) => counter,
            _ => Counter::default(),
        }
    }

    /// A gauge.
    pub fn gauge(&self, metric: &'static Metric) -> Gauge {
        match self.meter(metric, "", || Measured::Gauge(Gauge::default())) {
            Measured::Gauge(gauge) => gauge,
            _ => Gauge::default(),
        }
    }

    /// A summary or timer.
    pub fn summary(&self, metric: &'static Metric) -> Summary {
        match self.meter(metric, "", || Measured::Summary(Summary::default())) {
            Measured::Summary(summary) => summary,
            _ => Summary::default(),
        }
    }

    /// A histogram.
    pub fn histogram(&self, metric: &'static Metric) -> Histogram {
        match self.meter(metric, "", || Measured::Histogram(Histogram::default())) {
            Measured::Histogram(histogram) => histogram,
            _ => Histogram::default(),
        }
    }

    /// Everything in the registry, also of other plugins, in the order of names.
    pub fn read(&self) -> Vec<Reading> {
        let all = self.all.lock().expect("no panics while locked");
        all.iter()
            .map(|(id, meter)| Reading {
                pipeline: Arc::clone(&id.pipeline),
                plugin: Arc::clone(&id.plugin),
                metric: meter.metric,
                label: id.label.clone(),
                value: match &meter.value {
                    Measured::Counter(it) => ReadingValue::Count(it.get()),
                    Measured::Gauge(it) => ReadingValue::Level(it.get()),
                    Measured::Summary(it) => ReadingValue::Sum(it.get()),
                    Measured::Histogram(it) => ReadingValue::Spread(it.get()),
                },
            })
            .collect()
    }

    fn meter(
        &self,
        metric: &'static Metric,
        label: &str,
        new: impl FnOnce() -> Measured,
    ) -> Measured {
        let (pipeline, plugin) = (Arc::clone(&self.pipeline), Arc::clone(&self.plugin));
        let mut id = Id { pipeline, plugin, metric: metric.name, label: label.to_owned() };
        let mut all = self.all.lock().expect("no panics while locked");
        if !label.is_empty() && !all.contains_key(&id) {
            let is_same = |it: &&Id| {
                it.metric == id.metric && it.plugin == id.plugin && it.pipeline == id.pipeline
            };
            if LABEL_VALUES_MAX <= all.keys().filter(is_same).count() {
                OTHER.clone_into(&mut id.label);
            }
        }
        all.entry(id).or_insert_with(|| Meter { metric, value: new() }).value.clone()
    }
}

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// How far it is.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// Sets it.
    pub fn set(&self, level: i64) {
        self.0.store(level, Ordering::Relaxed);
    }

    /// Moves it by `n`, down if that is negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Where it stands.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Summary {
    /// Adds one value.
    pub fn record(&self, value: f64) {
        let mut sum = self.0.lock().expect("no panics while locked");
        sum.count += 1;
        sum.sum += value;
        sum.max = sum.max.max(value);
    }

    /// Adds one duration.
    pub fn record_time(&self, took: Duration) {
        self.record(took.as_secs_f64());
    }

    /// Adds the same duration `n` times.
    pub fn record_times(&self, took: Duration, n: u64) {
        self.0.lock().expect("no panics while locked").add(took, n);
    }

    /// How it stands.
    pub fn get(&self) -> Sum {
        *self.0.lock().expect("no panics while locked")
    }
}

impl Sum {
    fn add(&mut self, took: Duration, n: u64) {
        let seconds = took.as_secs_f64();
        self.count += n;
        #[expect(clippy::cast_precision_loss, reason = "as many as one request has documents")]
        let times = n as f64;
        self.sum += seconds * times;
        self.max = self.max.max(seconds);
    }
}

impl Histogram {
    /// Adds the same duration `n` times.
    pub fn record_times(&self, took: Duration, n: u64) {
        let ms = took.as_millis();
        let mut spread = self.0.lock().expect("no panics while locked");
        spread.sum.add(took, n);
        for (up_to, (end, _)) in spread.up_to.iter_mut().zip(BUCKETS) {
            if ms <= u128::from(end) {
                *up_to += n;
            }
        }
    }

    /// How it stands.
    pub fn get(&self) -> Spread {
        *self.0.lock().expect("no panics while locked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static WRITTEN: Metric = Metric::counter("written", "Documents written.");
    static STATUSES: Metric = Metric::counter("statuses", "Answers.").by("status");
    static TOOK: Metric = Metric::timer("took", "How long it took.");

    #[test]
    fn the_same_metric_of_a_plugin_is_one_counter() {
        let meters = Meters::default();
        meters.of("a", "opensearch").counter(&WRITTEN).add(2);
        meters.of("a", "opensearch").counter(&WRITTEN).add(3);
        meters.of("b", "opensearch").counter(&WRITTEN).add(7);
        let values: Vec<_> =
            meters.read().iter().map(|it| (it.pipeline.to_string(), it.value)).collect();
        let expected =
            [("a".to_owned(), ReadingValue::Count(5)), ("b".to_owned(), ReadingValue::Count(7))];
        assert_eq!(values, expected);
    }

    #[test]
    fn a_timer_knows_number_sum_and_maximum() {
        let timer = Meters::default().of("a", "x").summary(&TOOK);
        timer.record_time(Duration::from_millis(500));
        timer.record(0.25);
        assert_eq!(timer.get(), Sum { count: 2, sum: 0.75, max: 0.5 });
    }

    #[test]
    fn a_histogram_knows_how_many_took_up_to_each_end() {
        static SPREAD: Metric = Metric::histogram("spread", "How long it took.");
        let histogram = Meters::default().of("a", "x").histogram(&SPREAD);
        histogram.record_times(Duration::from_millis(30), 2);
        histogram.record_times(Duration::from_millis(50), 1);
        histogram.record_times(Duration::from_secs(1_000), 1);
        let Spread { sum, up_to } = histogram.get();
        assert_eq!((sum.count, sum.max), (4, 1_000.0));
        assert_eq!(up_to[..5], [0, 0, 0, 3, 3]);
        assert_eq!(up_to[BUCKETS.len() - 1], 3, "one took longer than all");
    }

    #[test]
    fn labels_are_bounded() {
        let meters = Meters::default().of("a", "x");
        for n in 0..LABEL_VALUES_MAX + 50 {
            meters.counter_of(&STATUSES, &n.to_string()).add(1);
        }
        let readings = meters.read();
        assert_eq!(readings.len(), LABEL_VALUES_MAX + 1);
        let other = readings.iter().find(|it| it.label == OTHER).unwrap();
        assert_eq!(other.value, ReadingValue::Count(50));
    }
}
