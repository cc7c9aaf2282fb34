//! When a source is ready: once everything that was there at its start is being read.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use pipeline::Outlet;

/// Makes the source ready once the last one has begun. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ready {
    not_begun: Arc<AtomicUsize>,
    outlet: Outlet,
}

impl Ready {
    /// Waits for one.
    pub(crate) fn new(outlet: &Outlet) -> Ready {
        Ready { not_begun: Arc::new(AtomicUsize::new(1)), outlet: outlet.clone() }
    }

    pub(crate) fn wait_for_one_more(&self) {
        self.not_begun.fetch_add(1, Ordering::AcqRel);
    }

    /// One has begun.
    pub(crate) fn note(&self) {
        if self.not_begun.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.outlet.set_ready();
        }
    }
}
