//! Which version of each document is the current one, and which write may replace it. Pure.
//!
//! A document takes 32 bytes here, whatever the length of its id: ids are kept as fingerprints of
//! 128 bits under a random key, so that nobody can make two of them meet.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState},
};

use crate::error::{Failure, Result};

/// How the version of a write is compared with the current one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VersionType {
    /// Counted by the index.
    #[default]
    Internal,
    /// Given by the client, and must be higher.
    External,
    /// Given by the client, and must not be lower.
    ExternalGte,
}

/// Under which conditions a write is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// How to read `version`.
    pub version_type: VersionType,
    /// The version that comes with the write.
    pub version: Option<u64>,
    /// Only if this is the last write of the document: sequence number and primary term.
    pub if_seq_no: Option<(u64, u64)>,
    /// Only if there is no such document.
    pub create: bool,
}

/// What is known of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Current {
    /// It was never there, or so long ago that it is forgotten.
    Missing,
    /// It is there.
    Live(Stamp),
    /// It was deleted not long ago.
    Deleted(Stamp),
}

/// The last write of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The version it got.
    pub version: u64,
    /// Its place among all writes of the index.
    pub seq_no: u64,
}

/// The primary term. There is one copy of every index, so it never changes.
pub const PRIMARY_TERM: u64 = 1;

/// The version that a write gets, if it may happen.
///
/// # Errors
///
/// With a conflict, if it may not.
pub(crate) fn decide(id: &str, current: Current, condition: &Condition) -> Result<u64> {
    let conflict = |reason: String| {
        Err(Failure::new(
            409,
            "version_conflict_engine_exception",
            format!("[{id}]: version conflict, {reason}"),
        ))
    };
    if let Some((seq_no, term)) = condition.if_seq_no {
        match current {
            Current::Live(stamp) if (stamp.seq_no, PRIMARY_TERM) == (seq_no, term) => {}
            Current::Live(stamp) => {
                return conflict(format!(
                    "required seqNo [{seq_no}], primary term [{term}]. current document has seqNo [{}] and primary term [{PRIMARY_TERM}]",
                    stamp.seq_no
                ));
            }
            Current::Missing | Current::Deleted(_) => {
                return conflict(format!(
                    "required seqNo [{seq_no}], primary term [{term}]. but no document was found"
                ));
            }
        }
    }
    if let (true, Current::Live(stamp)) = (condition.create, current) {
        return conflict(format!("document already exists (current version [{}])", stamp.version));
    }
    let last = match current {
        Current::Missing => None,
        Current::Live(stamp) | Current::Deleted(stamp) => Some(stamp.version),
    };
    let given = condition.version.unwrap_or_default();
    match (condition.version_type, last) {
        (VersionType::Internal, None) => Ok(1),
        (VersionType::Internal, Some(last)) => Ok(last.saturating_add(1)),
        (VersionType::External, Some(last)) if given <= last => conflict(format!(
            "current version [{last}] is higher or equal to the one provided [{given}]"
        )),
        (VersionType::ExternalGte, Some(last)) if given < last => {
            conflict(format!("current version [{last}] is higher than the one provided [{given}]"))
        }
        (VersionType::External | VersionType::ExternalGte, _) => Ok(given),
    }
}

/// A deleted document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tombstone {
    pub id: Box<str>,
    pub stamp: Stamp,
    pub deleted_at_ms: u64,
}

/// The id of a document, as we remember it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u64; 2]);

impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0[0]);
    }
}

/// The current version of every document of an index.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    keys: [RandomState; 2],
    live: HashMap<Fingerprint, Stamp, BuildHasherDefault<Taken>>,
    deleted: HashMap<Fingerprint, Tombstone>,
    /// Tombstones in the order they were made; one that was replaced since is passed over.
    order: VecDeque<(u64, Fingerprint)>,
}

impl Versions {
    pub(crate) fn fingerprint(&self, id: &str) -> Fingerprint {
        Fingerprint([self.keys[0].hash_one(id), self.keys[1].hash_one(id)])
    }

    /// What is known of a document, if deletes before `forget_ms` are forgotten.
    pub(crate) fn current(&self, key: Fingerprint, forget_ms: u64) -> Current {
        if let Some(stamp) = self.live.get(&key) {
            return Current::Live(*stamp);
        }
        match self.deleted.get(&key) {
            Some(it) if forget_ms <= it.deleted_at_ms => Current::Deleted(it.stamp),
            _ => Current::Missing,
        }
    }

    pub(crate) fn put(&mut self, key: Fingerprint, stamp: Stamp) {
        self.live.insert(key, stamp);
        self.deleted.remove(&key);
    }

    pub(crate) fn bury(&mut self, key: Fingerprint, tombstone: Tombstone) {
        self.live.remove(&key);
        self.order.push_back((tombstone.deleted_at_ms, key));
        self.deleted.insert(key, tombstone);
    }

    /// Forgets the deletes before `forget_ms`.
    pub(crate) fn forget(&mut self, forget_ms: u64) {
        while let Some((deleted_at_ms, key)) = self.order.front().copied() {
            if forget_ms <= deleted_at_ms {
                break;
            }
            self.order.pop_front();
            if self.deleted.get(&key).is_some_and(|it| it.deleted_at_ms < forget_ms) {
                self.deleted.remove(&key);
            }
        }
    }

    /// The deletes that are remembered, oldest first.
    pub(crate) fn tombstones(&self) -> Vec<Tombstone> {
        let mut all: Vec<Tombstone> = self.deleted.values().cloned().collect();
        all.sort_by_key(|it| (it.deleted_at_ms, it.stamp.seq_no));
        all
    }

    /// How many deletes are remembered.
    pub(crate) fn n_deleted(&self) -> usize {
        self.deleted.len()
    }

    /// How many documents there are.
    pub(crate) fn n_live(&self) -> usize {
        self.live.len()
    }

    /// The memory that documents take here, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        // A bucket and its control byte.
        self.live.capacity() * 8 / 7 * (size_of::<(Fingerprint, Stamp)>() + 1)
    }
}

/// A fingerprint is a hash already; half of it will do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken(u64);

impl Hasher for Taken {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a fingerprint is made of words");
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::TestCaseResult};

    use super::*;

    const STAMP: Stamp = Stamp { version: 10, seq_no: 5 };

    fn external(version: u64) -> Condition {
        Condition {
            version_type: VersionType::External,
            version: Some(version),
            ..Condition::default()
        }
    }

    fn external_gte(version: u64) -> Condition {
        Condition { version_type: VersionType::ExternalGte, ..external(version) }
    }

    #[test]
    fn a_write_gets_a_version_or_a_conflict() {
        let internal = Condition::default();
        let create = Condition { create: true, ..internal };
        let if_seq_no = |seq_no| Condition { if_seq_no: Some((seq_no, 1)), ..internal };
        let live = Current::Live(STAMP);
        let deleted = Current::Deleted(STAMP);
        for (current, condition, expected) in [
            (Current::Missing, internal, Ok(1)),
            (live, internal, Ok(11)),
            (deleted, internal, Ok(11)),
            (Current::Missing, external(0), Ok(0)),
            (live, external(11), Ok(11)),
            (
                live,
                external(10),
                Err("current version [10] is higher or equal to the one provided [10]"),
            ),
            (
                deleted,
                external(9),
                Err("current version [10] is higher or equal to the one provided [9]"),
            ),
            (live, external_gte(10), Ok(10)),
            (
                live,
                external_gte(9),
                Err("current version [10] is higher than the one provided [9]"),
            ),
            (Current::Missing, create, Ok(1)),
            (deleted, create, Ok(11)),
            (live, create, Err("document already exists (current version [10])")),
            (live, if_seq_no(5), Ok(11)),
            (
                live,
                if_seq_no(99),
                Err(
                    "required seqNo [99], primary term [1]. current document has seqNo [5] and primary term [1]",
                ),
            ),
            (
                deleted,
                if_seq_no(5),
                Err("required seqNo [5], primary term [1]. but no document was found"),
            ),
        ] {
            let seen = decide("1", current, &condition);
            let expected = expected.map_err(|it| format!("[1]: version conflict, {it}"));
            assert_eq!(seen.map_err(|it| it.reason), expected, "{current:?} {condition:?}");
        }
    }

    #[test]
    fn a_delete_is_remembered_until_it_is_forgotten() {
        let mut versions = Versions::default();
        let key = versions.fingerprint("a");
        let tombstone = Tombstone { id: "a".into(), stamp: STAMP, deleted_at_ms: 1000 };
        versions.bury(key, tombstone.clone());
        assert_eq!(versions.current(key, 1000), Current::Deleted(STAMP));
        assert_eq!(versions.current(key, 1001), Current::Missing);
        // Buried again later: the first entry of the queue must not dig it up.
        versions.bury(key, Tombstone { deleted_at_ms: 2000, ..tombstone });
        versions.forget(1500);
        assert_eq!(versions.tombstones().len(), 1);
        versions.forget(2001);
        assert_eq!(versions.tombstones(), []);
    }

    #[test]
    fn a_document_takes_about_fifty_bytes() {
        assert_eq!(size_of::<(Fingerprint, Stamp)>(), 32);
        let mut versions = Versions::default();
        for n in 0..100_000u64 {
            let key = versions.fingerprint(&n.to_string());
            versions.put(key, Stamp { version: n, seq_no: n });
        }
        assert!(versions.memory_bytes() / versions.n_live() < 66, "{}", versions.memory_bytes());
    }

    proptest! {
        /// Whatever the order in which external versions arrive, the highest one stays, and a
        /// delete counts as a version.
        #[test]
        fn the_highest_version_wins(writes in prop::collection::vec((0..3u8, 0..50u64, any::<bool>()), 1..60)) {
            check_the_highest_version_wins(&writes)?;
        }
    }

    fn check_the_highest_version_wins(writes: &[(u8, u64, bool)]) -> TestCaseResult {
        let mut versions = Versions::default();
        for (seq_no, (id, version, is_delete)) in (0..).zip(writes) {
            let id = id.to_string();
            let key = versions.fingerprint(&id);
            let Ok(version) = decide(&id, versions.current(key, 0), &external(*version)) else {
                continue;
            };
            let stamp = Stamp { version, seq_no };
            if *is_delete {
                versions.bury(key, Tombstone { id: id.into(), stamp, deleted_at_ms: 0 });
            } else {
                versions.put(key, stamp);
            }
        }
        for id in 0..3u8 {
            let of_id = writes.iter().filter(|it| it.0 == id);
            // The first of equals: the later one is a conflict.
            let highest = of_id.fold(None, |best: Option<&(u8, u64, bool)>, it| match best {
                Some(best) if it.1 <= best.1 => Some(best),
                _ => Some(it),
            });
            let current = versions.current(versions.fingerprint(&id.to_string()), 0);
            match (highest, current) {
                (None, Current::Missing) => {}
                (Some((_, version, false)), Current::Live(stamp))
                | (Some((_, version, true)), Current::Deleted(stamp)) => {
                    prop_assert_eq!(stamp.version, *version);
                }
                (highest, current) => prop_assert!(false, "{:?} became {:?}", highest, current),
            }
        }
        Ok(())
    }
}
