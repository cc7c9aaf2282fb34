//! Processors with a memory: what they keep back, and what they give in its place later.
//!
//! An event that is kept back keeps its batch unacknowledged: whoever keeps it keeps shares of the
//! batch's [`Ack`], too, and gives them back with what becomes of the event. A crash loses the memory
//! and the shares with it, so the events are read again.

use std::time::Duration;

use crate::{Ack, Event, ProcessError, Timestamp};

/// The side of a processor that the lane asks instead of [`crate::Processor::process`], if there is
/// one. All lanes of a pipeline ask the same. It is told what time it is, and does no I/O.
pub trait Stateful: Send + Sync {
    /// What becomes of events that arrive together. Whatever is kept back takes clones of `acks`.
    fn take(&self, events: Vec<Event>, acks: &[Ack], now: Timestamp) -> Taken;

    /// What was kept back long enough; all of it when the pipeline is about to stop. Asked before
    /// each [`Stateful::take`] and several times a second.
    fn release(&self, now: Timestamp, all: bool) -> Vec<Released> {
        let _ = (now, all);
        Vec::new()
    }
}

/// What became of events that arrived together.
#[derive(Debug, Default)]
pub struct Taken {
    /// These go on, in order.
    pub events: Vec<Event>,
    /// How many were kept back. All the others that do not go on end here.
    pub kept: u64,
    /// These could not be processed.
    pub failed: Vec<(Event, ProcessError)>,
    /// How long the lane has to wait before it goes on.
    pub wait: Duration,
}

/// What becomes of events that were kept back together.
#[derive(Debug, Default)]
pub struct Released {
    /// These go on in their place.
    pub events: Vec<Event>,
    /// How many were kept back.
    pub kept: u64,
    /// All the promises that hang on them.
    pub acks: Vec<Ack>,
}
