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
        let earliest = (created_ms / 1000).saturating_mul(PER_SECOND);
        self.last = earliest.max(self.last + 1);
        self.last
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
}
