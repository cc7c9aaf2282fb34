//! How long events take on their way through a pipeline.

use std::time::Duration;

use pipeline::{Ack, Histogram, Meters, Metric, Timestamp};

static WAITED: Metric = Metric::histogram(
    "bufferLatency",
    "From when the source had read it until its turn came: waiting for memory, and in its lane.",
);
static SETTLED: Metric = Metric::histogram(
    "acknowledgedLatency",
    "From when the source had read it until all that was written with it was acknowledged.",
);

/// What a pipeline times, for the reference.
pub static TIMES: [&Metric; 2] = [&WAITED, &SETTLED];

/// The histograms of one pipeline.
pub(super) struct Times {
    waited: Histogram,
    settled: Histogram,
}

impl Times {
    pub(super) fn new(meters: &Meters) -> Times {
        Times { waited: meters.histogram(&WAITED), settled: meters.histogram(&SETTLED) }
    }

    /// The turn of `n` events came. Gives what it takes to say when they are safe.
    pub(super) fn begin(&self, ack: &Ack, n: usize, now: Timestamp) -> Option<(Timestamp, u64)> {
        let (at, n) = (ack.at()?, n as u64);
        self.waited.record_times(since(at, now), n);
        Some((at, n))
    }

    /// They are safe.
    pub(super) fn end(&self, begun: &[(Timestamp, u64)], now: Timestamp) {
        for (at, n) in begun {
            self.settled.record_times(since(*at, now), *n);
        }
    }
}

fn since(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(now.0.saturating_sub(at.0))
}
