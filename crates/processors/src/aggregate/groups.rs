//! Which groups there are, what hangs on them, and when each ends. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    time::Duration,
};

use pipeline::{Ack, Event, Map, ProcessError, Released, Timestamp, Value};

use super::action::{Action, Memory, Verdict};
use crate::parts::{Key, open};

/// How many groups there may be. One more ends the oldest early.
const GROUPS_MAX: usize = 100_000;
/// How many shares are looked through for one in the same batch: batches follow each other.
const RECENT_ACKS: usize = 8;

/// The groups of one processor.
pub(super) struct Groups {
    lasts: Duration,
    /// Each event has its group last anew.
    renews: bool,
    by_name: HashMap<String, Group>,
    /// When each ends, the next one first.
    ends: BTreeMap<(Timestamp, u64), String>,
    n_slots: u64,
    ended: Vec<Released>,
}

struct Group {
    started: Timestamp,
    slot: (Timestamp, u64),
    keys: Map,
    memory: Memory,
    kept: u64,
    acks: Vec<Ack>,
}

/// What becomes of one event.
pub(super) enum Step {
    /// It goes on, after a while.
    GoesOn(Event, Duration),
    /// It ends here.
    Ends,
    /// It is part of its group now.
    Kept,
    /// It could not be processed.
    Failed(Event, ProcessError),
}

impl Groups {
    pub(super) fn new(lasts: Duration, renews: bool) -> Groups {
        let (by_name, ends) = (HashMap::new(), BTreeMap::new());
        Groups { lasts, renews, by_name, ends, n_slots: 0, ended: Vec::new() }
    }

    /// Shows an event to its group. One that is kept takes shares of `acks`; `counts` says whether
    /// the group stands for it.
    pub(super) fn take(
        &mut self,
        mut event: Event,
        keys: &[Key],
        action: &Action,
        acks: &[Ack],
        counts: bool,
        now: Timestamp,
    ) -> Step {
        let keys = match open(&mut event) {
            Ok(fields) => values(keys, fields),
            Err(error) => return Step::Failed(event, error),
        };
        let name = Value::Map(keys.clone()).to_string();
        // One that has a failed batch in it is read again; it must not meet what is new.
        let is_over = |it: &Group| it.slot.0 <= now || it.acks.iter().any(Ack::has_failed);
        if self.by_name.get(&name).is_some_and(is_over) {
            self.end(&name, action, now);
        }
        if !self.by_name.contains_key(&name) && GROUPS_MAX <= self.by_name.len() {
            self.end_next(action, now);
        }
        let (lasts, renews) = (self.lasts, self.renews);
        let (ends, n_slots) = (&mut self.ends, &mut self.n_slots);
        let mut next_slot = || {
            *n_slots += 1;
            (now.after(lasts), *n_slots)
        };
        let group = self.by_name.entry(name.clone()).or_insert_with(|| {
            let slot = next_slot();
            ends.insert(slot, name.clone());
            let (memory, acks) = (Memory::default(), Vec::new());
            Group { started: now, slot, keys, memory, kept: 0, acks }
        });
        match action.take(event, &mut group.memory, now) {
            Verdict::GoesOn(event, wait) => Step::GoesOn(event, wait),
            Verdict::Ends => Step::Ends,
            Verdict::Failed(event, error) => Step::Failed(event, error),
            Verdict::Kept => {
                group.kept += u64::from(counts);
                for ack in acks {
                    let mut recent = group.acks.iter().rev().take(RECENT_ACKS);
                    if !recent.any(|it| it.is_of_same(ack)) {
                        group.acks.push(ack.clone());
                    }
                }
                if renews {
                    let slot = next_slot();
                    ends.remove(&group.slot);
                    ends.insert(slot, name);
                    group.slot = slot;
                }
                Step::Kept
            }
        }
    }

    /// Ends the groups that lasted long enough, or all.
    pub(super) fn release(&mut self, action: &Action, now: Timestamp, all: bool) -> Vec<Released> {
        while let Some((end, _)) = self.ends.keys().next()
            && (all || *end <= now)
        {
            self.end_next(action, now);
        }
        mem::take(&mut self.ended)
    }

    fn end_next(&mut self, action: &Action, now: Timestamp) {
        if let Some(name) = self.ends.values().next().cloned() {
            self.end(&name, action, now);
        }
    }

    fn end(&mut self, name: &str, action: &Action, now: Timestamp) {
        let Some(group) = self.by_name.remove(name) else { return };
        self.ends.remove(&group.slot);
        let Group { started, keys, memory, kept, acks, .. } = group;
        let events = action.conclude(name, keys, memory, started, now);
        if !events.is_empty() || kept != 0 || !acks.is_empty() {
            self.ended.push(Released { events, kept, acks });
        }
    }
}

/// What the group's events have in common; a field that is missing is left away.
fn values(keys: &[Key], fields: &Map) -> Map {
    let mut values = Map::default();
    for key in keys {
        if let Some(value) = key.get(fields) {
            // There is nothing in the way in a map that holds nothing else.
            let _ = key.put(&mut values, value.clone());
        }
    }
    values
}
