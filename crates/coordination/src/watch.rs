//! Whether the owner of a lease is still alive, judged by what one worker has seen. Pure.
//!
//! Clocks of different machines are never compared. An owner is alive while any of its records
//! changes; it has fallen silent when none did for as long as a term, *by the time of whoever looks*.
//! A worker that was itself asleep has seen nothing, so time counts only in steps between two looks.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use pipeline::Timestamp;

use crate::Lease;

/// Which part of a term may at most pass unseen between two looks. Who slept longer, or whose clock
/// jumped, looks again before anybody is taken for dead.
const STEP_PARTS: u32 = 2;
/// For how many terms an owner is remembered that has no records left.
const MEMORY_TERMS: u32 = 100;

/// A lease, and whether it could be acquired now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The lease.
    pub lease: Lease,
    /// Whether it is free, or its owner silent, and something is left to read.
    pub available: bool,
}

/// What one worker has seen of the others' records.
#[derive(Clone, Debug)]
pub struct Watch {
    term: Duration,
    /// The last look at each record.
    records: BTreeMap<String, (u64, u64)>,
    owners: BTreeMap<String, Silence>,
}

/// For how long an owner was seen to do nothing.
#[derive(Clone, Copy, Debug)]
struct Silence {
    silent: Duration,
    looked: Timestamp,
}

impl Watch {
    /// One that has seen nothing yet.
    pub fn new(term: Duration) -> Watch {
        Watch { term, records: BTreeMap::new(), owners: BTreeMap::new() }
    }

    /// How long an owner may be silent.
    pub fn term(&self) -> Duration {
        self.term
    }

    /// Looks at one record.
    pub fn look(&mut self, lease: &Lease, now: Timestamp) -> Seen {
        self.note(lease, now);
        self.judge(lease)
    }

    /// Looks at every record whose partition begins with `prefix`.
    pub fn survey(&mut self, prefix: &str, leases: Vec<Lease>, now: Timestamp) -> Vec<Seen> {
        let there: BTreeSet<&str> = leases.iter().map(|it| it.partition.as_str()).collect();
        self.records.retain(|it, _| !it.starts_with(prefix) || there.contains(it.as_str()));
        let forgotten = self.term * MEMORY_TERMS;
        self.owners.retain(|_, it| now <= it.looked.after(forgotten));
        // All are noted before one is judged: the record that shows a sign of life may be the last.
        for lease in &leases {
            self.note(lease, now);
        }
        leases.into_iter().map(|lease| self.judge(&lease)).collect()
    }

    /// Whether anybody may take the partition now, as far as was seen.
    fn judge(&self, lease: &Lease) -> Seen {
        let silent = self.owners.get(&lease.owner).is_some_and(|it| self.term <= it.silent);
        Seen { lease: lease.clone(), available: !lease.done && (lease.free || silent) }
    }

    fn note(&mut self, lease: &Lease, now: Timestamp) {
        let mark = (lease.token, lease.renewals);
        let before = self.records.insert(lease.partition.clone(), mark);
        let owner = self.owners.get_mut(&lease.owner);
        match owner {
            Some(silence) if before == Some(mark) => {
                let passed = Duration::from_millis(now.0.saturating_sub(silence.looked.0));
                silence.silent += passed.min(self.term / STEP_PARTS);
                silence.looked = now;
            }
            // A change, or the first look: either way the owner was alive a moment ago, for all we
            // can know.
            _ => {
                let alive = Silence { silent: Duration::ZERO, looked: now };
                self.owners.insert(lease.owner.clone(), alive);
            }
        }
    }
}

#[cfg(test)]
mod tests;
