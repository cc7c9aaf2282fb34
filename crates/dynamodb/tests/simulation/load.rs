//! The load of what the table held before the stream, beside the stream: slow, interrupted, done by
//! whoever has its lease. Deletes that are read meanwhile are kept, and sent again at the end, because
//! the index may have forgotten them when the last row comes.

use std::{collections::BTreeMap, time::Duration};

use coordination::{Lease, LeaseStore};
use futures::FutureExt;
use pipeline::Timestamp;

use crate::Shared;

const PARTITION: &str = "books/load";
/// Rows are older than every change that was made after the table was read, whatever the clocks say.
const OLDER_BY_MS: u64 = 5 * 60 * 1000;
const ROWS_MAX: usize = 2;

/// A load, and what must outlive every worker.
#[derive(Debug)]
pub(crate) struct Load {
    rows: Vec<(u8, u32)>,
    version: u64,
    /// Deletes, each with its version.
    pub(crate) kept: Vec<(usize, u64)>,
    pub(crate) done: bool,
}

impl Load {
    /// The load of `items` as they are now.
    pub(crate) fn begin(items: &BTreeMap<u8, u32>, now: Timestamp) -> Load {
        let rows = items.iter().map(|(key, value)| (*key, *value)).collect();
        let version = (now.0 - OLDER_BY_MS) * 1000;
        Load { rows, version, kept: Vec::new(), done: false }
    }
}

/// One worker's part in it.
pub(crate) struct Loader {
    lease: Lease,
    n_rows: usize,
}

impl Loader {
    /// Takes it up, if it is to be had.
    pub(crate) fn acquire(
        store: &dyn LeaseStore,
        owner: &str,
        now: Timestamp,
        shared: &mut Shared,
    ) -> Option<Loader> {
        shared.load.as_ref().filter(|it| !it.done)?;
        let acquired = store.acquire(PARTITION, owner, now).now_or_never().unwrap();
        let lease = acquired.ok()??;
        shared.ledger.note_token(PARTITION, lease.token);
        let n_rows = lease.checkpoint.as_ref().map_or(0, |it| it.parse().unwrap());
        Some(Loader { lease, n_rows })
    }

    /// What is left to let go of.
    pub(crate) fn into_lease(self) -> Option<Lease> {
        (!self.lease.done).then_some(self.lease)
    }

    /// Loads some rows, or sends the deletes again. Says whether to go on.
    pub(crate) fn step(
        &mut self,
        store: &dyn LeaseStore,
        now: Timestamp,
        shared: &mut Shared,
    ) -> bool {
        let Some(load) = &shared.load else { return false };
        let rows: Vec<(u8, u32)> =
            load.rows.iter().skip(self.n_rows).take(ROWS_MAX).copied().collect();
        let (version, kept) = (load.version, load.kept.clone());
        if rows.is_empty() {
            shared.apply(&kept);
            self.lease.done = true;
            match store.release(self.lease.clone()).now_or_never().unwrap() {
                Ok(()) => shared.load.iter_mut().for_each(|it| it.done = true),
                // Somebody else goes on, or this worker does.
                Err(_) => self.lease.done = false,
            }
            return false;
        }
        // A part of it may not arrive, or arrive late.
        if shared.happens(1, 20) {
            let at = shared.now.after(Duration::from_millis(shared.rng.u64(0..crate::LATE_MAX_MS)));
            shared.late_rows.push((at, version, rows));
            return false;
        }
        shared.apply_rows(version, &rows);
        self.n_rows += rows.len();
        self.lease.checkpoint = Some(self.n_rows.to_string());
        store.save(&mut self.lease, now).now_or_never().unwrap().is_ok()
    }
}

/// Whether there is nothing to load, or no longer.
pub(crate) fn is_done(shared: &Shared) -> bool {
    shared.load.as_ref().is_none_or(|it| it.done)
}
