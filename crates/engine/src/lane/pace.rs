//! How much a pipeline does at a time. Pure.

use std::{num::NonZeroUsize, time::Duration};

/// How many batches may wait between the source and the processors of a lane.
pub(super) const QUEUE_ROOM: usize = 16;
/// How many events a batch of a source has at most; what `buffer_size` is divided by.
const EVENTS_PER_BATCH: usize = 1_000;

/// How much a pipeline does at a time, where its file says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// How many batches may be worked on at a time; by default one of each lane.
    pub workers: Option<NonZeroUsize>,
    /// How long to wait for a batch to fill up; by default not at all.
    pub delay: Option<Duration>,
    /// How many events fill a batch.
    pub batch_events: Option<NonZeroUsize>,
    /// How many events may wait in a lane.
    pub buffer_events: Option<NonZeroUsize>,
}

impl Pace {
    pub(super) fn batches_waiting_max(&self) -> usize {
        let fits = |n: NonZeroUsize| n.get().div_ceil(EVENTS_PER_BATCH);
        self.buffer_events.map_or(QUEUE_ROOM, fits).clamp(1, QUEUE_ROOM)
    }
}
