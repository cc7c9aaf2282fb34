//! Which shards to read now. Pure.
//!
//! A shard is read once everything before it is safe: its parent is done, or DynamoDB has forgotten
//! it. So changes to one item arrive in order, across splits and rolls.

use std::collections::{BTreeMap, BTreeSet};

use coordination::Lease;

use crate::{Progress, Start};

/// A shard, as `DescribeStream` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub id: String,
    /// The shard it continues, if any.
    pub parent: Option<String>,
    /// Whether nothing will be added to it.
    pub closed: bool,
}

/// What is known about the shards of one stream.
#[derive(Debug)]
pub struct Plan<'a> {
    /// As DynamoDB lists them.
    pub shards: &'a [Described],
    /// Their leases, by shard. A shard nobody has read yet has none.
    pub leases: &'a BTreeMap<String, Lease>,
    /// Those this worker is reading.
    pub reading: &'a BTreeSet<String>,
    /// Whether this pipeline has never read this stream before, and is to start with the next
    /// change to come.
    pub first_at_latest: bool,
}

/// What to do with a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Read it from here, unless its lease has a checkpoint.
    Read(Start),
    /// Mark it done unread: all of it lies before the start.
    Skip,
}

impl Plan<'_> {
    /// The shards to take up now, each with what to do.
    pub fn todo(&self) -> Vec<(&str, Todo)> {
        self.shards
            .iter()
            .filter(|shard| !self.reading.contains(&shard.id) && !self.is_done(&shard.id))
            .filter_map(|shard| {
                if self.first_at_latest {
                    let start = Todo::Read(Start::Latest { version: 0 });
                    return Some((
                        shard.id.as_str(),
                        if shard.closed { Todo::Skip } else { start },
                    ));
                }
                let version = self.parent_version(shard)?;
                let start = Start::After(Progress { after: None, version });
                Some((shard.id.as_str(), Todo::Read(start)))
            })
            .collect()
    }

    /// The last version given in the parent, once that is done. A parent that DynamoDB no longer
    /// lists is more than a day old.
    fn parent_version(&self, shard: &Described) -> Option<u64> {
        let Some(parent) = &shard.parent else { return Some(0) };
        let is_listed = self.shards.iter().any(|it| it.id == *parent);
        if is_listed && !self.is_done(parent) {
            return None;
        }
        let progress = self.leases.get(parent).and_then(|it| it.checkpoint.as_deref());
        Some(progress.and_then(|it| it.parse::<Progress>().ok()).map_or(0, |it| it.version))
    }

    fn is_done(&self, shard: &str) -> bool {
        self.leases.get(shard).is_some_and(|it| it.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(shard, parent, closed)` and `(done shard, version)`; expects `(shard, version)` to be read.
    #[track_caller]
    fn check(
        shards: &[(&str, &str, bool)],
        done: &[(&str, u64)],
        reading: &[&str],
        expected: &[(&str, u64)],
    ) {
        let todo = |first| plan(shards, done, reading, first);
        let expected: Vec<_> = expected
            .iter()
            .map(|(id, version)| {
                let progress = Progress { after: None, version: *version };
                ((*id).to_owned(), Todo::Read(Start::After(progress)))
            })
            .collect();
        assert_eq!(todo(false), expected);
    }

    fn plan(
        shards: &[(&str, &str, bool)],
        done: &[(&str, u64)],
        reading: &[&str],
        first_at_latest: bool,
    ) -> Vec<(String, Todo)> {
        let shards: Vec<_> = shards
            .iter()
            .map(|(id, parent, closed)| Described {
                id: (*id).to_owned(),
                parent: (!parent.is_empty()).then(|| (*parent).to_owned()),
                closed: *closed,
            })
            .collect();
        let leases = done
            .iter()
            .map(|(id, version)| {
                let checkpoint = Progress { after: None, version: *version }.to_string();
                let lease = Lease {
                    partition: (*id).to_owned(),
                    token: 1,
                    checkpoint: Some(checkpoint),
                    done: true,
                    ..Lease::default()
                };
                ((*id).to_owned(), lease)
            })
            .collect();
        let reading = reading.iter().map(|it| (*it).to_owned()).collect();
        let plan = Plan { shards: &shards, leases: &leases, reading: &reading, first_at_latest };
        plan.todo().into_iter().map(|(id, todo)| (id.to_owned(), todo)).collect()
    }

    #[test]
    fn children_wait_for_their_parent() {
        let shards = [("a", "", true), ("b", "a", false), ("c", "a", false)];
        check(&shards, &[], &[], &[("a", 0)]);
        check(&shards, &[], &["a"], &[]);
        check(&shards, &[("a", 9)], &[], &[("b", 9), ("c", 9)]);
        check(&shards, &[("a", 9)], &["b"], &[("c", 9)]);
    }

    #[test]
    fn a_parent_that_is_forgotten_holds_nobody_up() {
        check(&[("b", "a", false)], &[], &[], &[("b", 0)]);
        check(&[("b", "a", false)], &[("a", 9)], &[], &[("b", 9)]);
    }

    #[test]
    fn a_first_start_at_the_end_passes_what_is_closed() {
        let shards = [("a", "", true), ("b", "a", false), ("c", "", false)];
        let latest = Todo::Read(Start::Latest { version: 0 });
        let expected = [("a", Todo::Skip), ("b", latest.clone()), ("c", latest)];
        let expected = expected.map(|(id, todo)| (id.to_owned(), todo));
        assert_eq!(plan(&shards, &[], &[], true), expected);
    }
}
