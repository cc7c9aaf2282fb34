//! Lets requests go at the pace that `pace` says, whichever lane they come from.

use std::sync::{Mutex, MutexGuard};

use pipeline::{Clock, Timestamp};
use tokio::sync::Notify;

use crate::pace::{Load, Pace};

/// Where requests wait for their turn.
#[derive(Debug)]
pub(crate) struct Gate {
    pace: Mutex<Pace>,
    /// Wakes one of those who wait when a place is free.
    freed: Notify,
    clock: Clock,
}

/// The place of one request, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    gate: &'a Gate,
    n_bytes: usize,
    /// When the request left.
    pub(crate) sent: Timestamp,
    load: Option<Load>,
}

impl Gate {
    pub(crate) fn new(clock: Clock) -> Gate {
        Gate { pace: Mutex::default(), freed: Notify::new(), clock }
    }

    /// Waits for a place for about `n_bytes`.
    pub(crate) async fn enter(&self, n_bytes: usize) -> Place<'_> {
        loop {
            let freed = self.freed.notified();
            let now = self.clock.now();
            let started = self.pace().start(now, n_bytes);
            match started {
                Ok(()) => return Place { gate: self, n_bytes, sent: now, load: None },
                Err(Some(wait)) => tokio::time::sleep(wait).await,
                Err(None) => freed.await,
            }
        }
    }

    /// How many requests may be under way, and how many are.
    pub(crate) fn places(&self) -> (usize, usize) {
        let pace = self.pace();
        (pace.limit(), pace.under_way())
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().expect("no panics while locked")
    }
}

impl Place<'_> {
    /// The request leaves now, and has so many bytes.
    pub(crate) fn leave(&mut self, n_bytes: usize) {
        self.sent = self.gate.clock.now();
        self.gate.pace().resize(self.n_bytes, n_bytes);
        self.n_bytes = n_bytes;
    }

    /// The request was answered.
    pub(crate) fn end(mut self, load: Load) {
        self.load = Some(load);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Gate { clock, freed, .. } = self.gate;
        match self.load {
            Some(load) => self.gate.pace().end(self.sent, clock.now(), self.n_bytes, load),
            // Nobody waited for the answer.
            None => self.gate.pace().give_back(self.n_bytes),
        }
        // A limit that grew has room for one more.
        freed.notify_one();
        freed.notify_one();
    }
}
