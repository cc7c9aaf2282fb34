//! Where the sink writes down what became of each record of the batch under way.
//!
//! A pipeline says of a batch only whether all of it was delivered, and its sinks live as long as the
//! function. So the ledger of an invocation is reached through its task: whatever the task of an
//! invocation delivers is written into its own ledger, however many run side by side.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use opensearch::Fate;
use pipeline::Event;
use tokio::time::Instant;

tokio::task_local! {
    static CURRENT: Arc<Ledger>;
}

/// The ledger of one invocation.
#[derive(Debug)]
pub(super) struct Ledger {
    write_by: Instant,
    /// By where in the payload the record is.
    fates: Mutex<HashMap<usize, Fate>>,
    fault: Mutex<Option<String>>,
}

impl Ledger {
    pub(super) fn new(write_by: Instant) -> Ledger {
        Ledger { write_by, fates: Mutex::default(), fault: Mutex::default() }
    }

    /// Does `work`, whose writes are noted here.
    pub(super) async fn during<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// The ledger of the invocation that this task is for.
    pub(super) fn current() -> Option<Arc<Ledger>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Until when may be written.
    pub(super) fn write_by(&self) -> Instant {
        self.write_by
    }

    /// Notes what became of `event`. A record that became several events has the worst of their
    /// fates.
    pub(super) fn note(&self, event: &Event, fate: Fate) {
        let Some(place) = place(event) else {
            if matches!(fate, Fate::Rejected(_) | Fate::Unsettled(_)) {
                self.note_fault("an event that belongs to no record was not written".to_owned());
            }
            return;
        };
        let mut fates = self.fates.lock().expect("no panics while locked");
        let known = fates.entry(place).or_insert(Fate::Superseded);
        if badness(known) <= badness(&fate) {
            *known = fate;
        }
    }

    /// Notes that nothing can be written, whatever it is.
    pub(super) fn note_fault(&self, fault: String) {
        *self.fault.lock().expect("no panics while locked") = Some(fault);
    }

    /// Why nothing could be written.
    pub(super) fn fault(&self) -> Option<String> {
        self.fault.lock().expect("no panics while locked").clone()
    }

    /// What became of the record at this place; `None` if it reached no sink.
    pub(super) fn fate(&self, place: usize) -> Option<Fate> {
        self.fates.lock().expect("no panics while locked").get(&place).cloned()
    }
}

/// Where in the payload the record of `event` is.
pub(super) fn place(event: &Event) -> Option<usize> {
    event.origin.as_ref().map(|it| it.record.whole.start)
}

fn badness(fate: &Fate) -> u8 {
    match fate {
        Fate::Superseded => 0,
        Fate::Written(_) => 1,
        Fate::SetAside => 2,
        Fate::Rejected(_) => 3,
        Fate::Unsettled(_) => 4,
    }
}
