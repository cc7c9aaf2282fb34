//! How far a shard has come, and which version the next change gets. Pure.
//!
//! A version is the second of the change times a million, or one more than the version before it,
//! whichever is greater: the magnitude Data Prepper uses, but it never goes back. It is part of the
//! checkpoint and handed to child shards, so what is read again gets the same versions, and a later
//! change of an item always a higher one.

use std::{fmt, str::FromStr};

use pipeline::SequenceNumber;

/// How many changes of one second have room before its versions run into those of the next. They
/// may; the order stays right.
const PER_SECOND: u64 = 1_000_000;

/// A place in a shard, with what must be known to go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Progress {
    /// The last record so far; `None` before the first.
    pub after: Option<SequenceNumber>,
    /// The version given last.
    pub version: u64,
}

/// Numbers the changes of one shard, in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    last: u64,
}

impl Versions {
    /// Goes on after the version given last.
    pub fn after(last: u64) -> Versions {
        Versions { last }
    }

    /// The version of the next change, made at `created_ms`.
    pub fn next(&mut self, created_ms: u64) -> u64 {
        self.last = self.peek(created_ms);
        self.last
    }

    /// The version that the next change would get. For one that goes to the dead letters: sent again,
    /// it gives way to the change behind it.
    pub fn peek(&self, created_ms: u64) -> u64 {
        (created_ms / 1000).saturating_mul(PER_SECOND).max(self.last + 1)
    }

    /// The version given last.
    pub fn last(&self) -> u64 {
        self.last
    }
}

/// Not a checkpoint of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a checkpoint of a shard")]
pub struct NotProgress(String);

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "{after} version {}", self.version),
            None => write!(f, "start version {}", self.version),
        }
    }
}

impl FromStr for Progress {
    type Err = NotProgress;

    fn from_str(text: &str) -> Result<Progress, NotProgress> {
        let read = || {
            let (after, version) = text.split_once(" version ")?;
            let after = if after == "start" { None } else { Some(after.parse().ok()?) };
            Some(Progress { after, version: version.parse().ok()? })
        };
        read().ok_or_else(|| NotProgress(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_one_second_are_counted() {
        let mut versions = Versions::default();
        let given = [7_000, 7_000, 7_999, 6_000, 8_500].map(|ms| versions.next(ms));
        assert_eq!(given, [7_000_000, 7_000_001, 7_000_002, 7_000_003, 8_000_000]);
    }

    #[test]
    fn a_child_goes_on_above_its_parent() {
        let mut parent = Versions::default();
        parent.next(7_000);
        let last = parent.next(7_000);
        assert_eq!(Versions::after(last).next(7_000), last + 1);
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        for after in [None, Some("000000000000000000179".parse().unwrap())] {
            let progress = Progress { after, version: 1_764_000_001_000_002 };
            assert_eq!(progress.to_string().parse(), Ok(progress));
        }
        for text in ["", "start", "x version 1", "12 version x", "version 1"] {
            assert!(text.parse::<Progress>().is_err(), "{text}");
        }
    }

    use proptest::{prelude::*, test_runner::TestCaseResult};

    /// A change of an item, a split of its shard, or a crash of its reader.
    #[derive(Clone, Debug)]
    enum Step {
        /// Of one of the items, this long after (or before) the change before it.
        Change { item: u8, later_ms: i64 },
        /// What was read is safe, and the checkpoint written.
        Save,
        /// The shard ends; what follows comes from its children.
        Split,
        /// Another worker reads on from the checkpoint.
        Move,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0u8..4, -1_500i64..2_500).prop_map(|(item, later_ms)| Step::Change { item, later_ms }),
            2 => Just(Step::Save),
            1 => Just(Step::Split),
            2 => Just(Step::Move),
        ]
    }

    proptest! {
        /// Whoever reads, however often: a change has one version, and later changes of its item have
        /// higher ones.
        #[test]
        fn versions_grow_with_every_change_of_an_item(
            steps in prop::collection::vec(any_step(), 1..120)
        ) {
            check_versions_grow_with_every_change_of_an_item(&steps)?;
        }
    }

    fn check_versions_grow_with_every_change_of_an_item(steps: &[Step]) -> TestCaseResult {
        // Where the items of each shard are read on: the even ones and the odd ones part at the first
        // split. Then the changes that were read since, to be read again by the next worker.
        let mut saved = [Progress { after: None, version: 0 }; 2];
        let mut versions = [Versions::default(); 2];
        let mut unsaved: [Vec<(u8, u64, u64)>; 2] = [Vec::new(), Vec::new()];
        let mut last = [0u64; 4];
        let (mut now_ms, mut is_split) = (1_764_000_000_000i64, false);
        for step in steps {
            match *step {
                Step::Change { item, later_ms } => {
                    now_ms += later_ms;
                    let shard = usize::from(is_split && item % 2 == 1);
                    let created_ms = now_ms.unsigned_abs();
                    let version = versions[shard].next(created_ms);
                    prop_assert!(last[usize::from(item)] < version);
                    last[usize::from(item)] = version;
                    unsaved[shard].push((item, created_ms, version));
                }
                Step::Save => {
                    for shard in 0..2 {
                        let text =
                            Progress { after: None, version: versions[shard].last() }.to_string();
                        saved[shard] =
                            text.parse().map_err(|_| TestCaseError::fail("unreadable"))?;
                        unsaved[shard].clear();
                    }
                }
                // A parent is done when all of it is safe; children go on above it.
                Step::Split => {
                    unsaved.iter_mut().for_each(Vec::clear);
                    if !std::mem::replace(&mut is_split, true) {
                        versions[1] = versions[0];
                    }
                    for shard in 0..2 {
                        saved[shard].version = versions[shard].last();
                        versions[shard] = Versions::after(saved[shard].version);
                    }
                }
                Step::Move => {
                    for shard in 0..2 {
                        versions[shard] = Versions::after(saved[shard].version);
                        for (_, created_ms, version) in &unsaved[shard] {
                            prop_assert_eq!(versions[shard].next(*created_ms), *version);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
