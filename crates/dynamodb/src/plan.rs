//! Which shards to read now. Pure.
//!
//! A shard is read once everything before it is safe: its parent is done, or DynamoDB has forgotten
//! it. So changes to one item arrive in order, across splits and rolls.

use std::collections::{BTreeMap, BTreeSet};

use coordination::Lease;

use crate::{Progress, Start};

/// When a shard is old that DynamoDB no longer lists. It closes one after some four hours, and keeps
/// it for a day.
const OLD_MS: u64 = 36 * 60 * 60 * 1000;

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
    /// The greatest version that was given in the stream before this one.
    pub floor: u64,
    /// When this pipeline first read this stream, in milliseconds since the epoch.
    pub started_ms: u64,
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
        let listed = self.listed();
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
                let version = self.parent_version(shard, &listed)?;
                let start = Start::After(Progress { after: None, version });
                Some((shard.id.as_str(), Todo::Read(start)))
            })
            .collect()
    }

    /// The last version given in the parent, once that is done. A parent that DynamoDB no longer
    /// lists is more than a day old.
    fn parent_version(&self, shard: &Described, listed: &BTreeSet<&str>) -> Option<u64> {
        let Some(parent) = &shard.parent else { return Some(self.floor) };
        if listed.contains(parent.as_str()) && !self.is_done(parent) {
            return None;
        }
        let progress = self.leases.get(parent).and_then(|it| it.checkpoint.as_deref());
        let version =
            progress.and_then(|it| it.parse::<Progress>().ok()).map_or(0, |it| it.version);
        Some(version.max(self.floor))
    }

    /// The shards that DynamoDB has forgotten before all of their changes were safe. Some that we had
    /// begun to read; and some that came and went while nobody looked, of which we know by their
    /// children.
    pub fn lost(&self) -> BTreeSet<&str> {
        let listed = self.listed();
        let begun = self.leases.iter().filter(|(id, lease)| {
            !lease.done
                && !self.reading.contains(*id)
                && is_shard(id)
                && !listed.contains(id.as_str())
        });
        let unseen = self.shards.iter().filter_map(|shard| {
            let parent = shard.parent.as_deref()?;
            let is_known = listed.contains(parent) || self.leases.contains_key(parent);
            // A parent ends when its child begins. One that ended before we started was never ours.
            let was_ours = created_ms(&shard.id).is_some_and(|it| self.started_ms < it);
            (!is_known && was_ours && !self.leases.contains_key(&shard.id)).then_some(parent)
        });
        begun.map(|(id, _)| id.as_str()).chain(unseen).collect()
    }

    /// The leases of shards that nobody will ask for again: done, forgotten by DynamoDB, and so old
    /// that this is no gap in a list. Every look at the leases costs as much as there are of them.
    pub fn old(&self, now_ms: u64) -> impl Iterator<Item = (&str, &Lease)> {
        let listed = self.listed();
        // A child that was not begun goes on above the version of its parent.
        let parents: BTreeSet<&str> = self
            .shards
            .iter()
            .filter(|it| !self.leases.contains_key(&it.id))
            .filter_map(|it| it.parent.as_deref())
            .collect();
        self.leases.iter().map(|(id, lease)| (id.as_str(), lease)).filter(move |(id, lease)| {
            let is_old = created_ms(id).is_some_and(|it| it.saturating_add(OLD_MS) < now_ms);
            lease.done && is_old && !listed.contains(id) && !parents.contains(id)
        })
    }

    /// Whether all of the stream is safe.
    pub fn is_drained(&self) -> bool {
        self.reading.is_empty() && self.shards.iter().all(|it| it.closed && self.is_done(&it.id))
    }

    /// The greatest version given so far.
    pub fn last_version(&self) -> u64 {
        let progress = self.leases.values().filter_map(|it| it.checkpoint.as_deref());
        let versions = progress.filter_map(|it| it.parse::<Progress>().ok()).map(|it| it.version);
        versions.max().unwrap_or(0).max(self.floor)
    }

    fn listed(&self) -> BTreeSet<&str> {
        self.shards.iter().map(|it| it.id.as_str()).collect()
    }

    fn is_done(&self, shard: &str) -> bool {
        self.leases.get(shard).is_some_and(|it| it.done)
    }
}

fn is_shard(partition: &str) -> bool {
    partition.starts_with("shardId-")
}

/// When a shard was made: `shardId-00000001414576573621-f55eea83`.
fn created_ms(shard: &str) -> Option<u64> {
    shard.strip_prefix("shardId-")?.split('-').next()?.parse().ok()
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
        let (floor, started_ms) = (0, 0);
        let (shards, leases, reading) = (&shards, &leases, &reading);
        let plan = Plan { shards, leases, reading, first_at_latest, floor, started_ms };
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

    fn described(id: &str, parent: &str, closed: bool) -> Described {
        let parent = (!parent.is_empty()).then(|| parent.to_owned());
        Described { id: id.to_owned(), parent, closed }
    }

    fn lease(id: &str, version: u64, done: bool) -> (String, Lease) {
        let checkpoint = Some(Progress { after: None, version }.to_string());
        let lease = Lease { partition: id.to_owned(), checkpoint, done, ..Lease::default() };
        (id.to_owned(), lease)
    }

    const OLD: &str = "shardId-00000000000000000500-a";
    const A: &str = "shardId-00000000000000001100-a";
    const B: &str = "shardId-00000000000000001200-b";
    const C: &str = "shardId-00000000000000001300-c";

    /// A stream first read at 1000.
    fn seen<T>(
        shards: &[Described],
        leases: &[(String, Lease)],
        reading: &[&str],
        look: impl FnOnce(Plan<'_>) -> T,
    ) -> T {
        let leases: BTreeMap<String, Lease> = leases.iter().cloned().collect();
        let reading = reading.iter().map(|it| (*it).to_owned()).collect();
        let (leases, reading, started_ms) = (&leases, &reading, 1_000);
        look(Plan { shards, leases, reading, first_at_latest: false, floor: 7, started_ms })
    }

    #[test]
    fn what_dynamodb_forgot_before_it_was_safe_is_lost() {
        let lost = |shards: &[Described], leases: &[(String, Lease)], reading: &[&str]| {
            seen(shards, leases, reading, |it| {
                it.lost().into_iter().map(str::to_owned).collect::<Vec<_>>()
            })
        };
        let start = ("start".to_owned(), lease("start", 0, false).1);
        assert_eq!(
            lost(&[described(OLD, "before", false)], std::slice::from_ref(&start), &[]),
            [""; 0]
        );
        assert_eq!(lost(&[described(B, A, false)], &[start, lease(A, 1, false)], &[]), [A]);
        assert_eq!(lost(&[described(B, A, false)], &[lease(A, 1, false)], &[A]), [""; 0]);
        assert_eq!(lost(&[described(B, A, false)], &[lease(A, 1, true)], &[]), [""; 0]);
        assert_eq!(lost(&[described(C, B, false)], &[lease(A, 1, true)], &[]), [B], "never seen");
        let known = [lease(A, 1, true), lease(C, 1, false)];
        assert_eq!(lost(&[described(C, B, false)], &known, &[]), [""; 0], "said before");
        assert_eq!(lost(&[], &[lease(A, 1, false), lease(B, 1, true)], &[]), [A]);
    }

    #[test]
    fn leases_of_old_shards_are_forgotten_when_nobody_needs_them() {
        let old = |shards: &[Described], leases: &[(String, Lease)], now_ms: u64| {
            seen(shards, leases, &[], |it| {
                it.old(now_ms).map(|(id, _)| id.to_owned()).collect::<Vec<_>>()
            })
        };
        let late = 1_100 + OLD_MS + 1;
        let done = [lease(A, 9, true), lease(B, 9, false)];
        let child = [described(B, A, false)];
        assert_eq!(old(&child, &done, late), [A]);
        assert_eq!(old(&child, &done, late - 1), [""; 0], "the list may have a gap");
        assert_eq!(old(&[described(A, "", true)], &done, late), [""; 0], "still listed");
        assert_eq!(old(&child, &[lease(A, 9, false)], late), [""; 0], "it is lost, not done");
        assert_eq!(old(&child, &done[..1], late), [""; 0], "its child will ask for its version");
        let start = [("start".to_owned(), lease("start", 0, true).1)];
        assert_eq!(old(&child, &start, u64::MAX), [""; 0], "not a shard");
        // With the parent forgotten, nothing is lost and versions go on.
        let rest = &done[1..];
        seen(&child, rest, &[B], |it| assert!(it.lost().is_empty() && it.last_version() == 9));
    }

    #[test]
    fn a_stream_is_drained_when_all_of_it_is_safe() {
        let drained = |shards: &[Described], leases: &[(String, Lease)], reading: &[&str]| {
            seen(shards, leases, reading, |it| it.is_drained())
        };
        assert!(drained(&[], &[], &[]));
        assert!(drained(&[described(A, "", true)], &[lease(A, 1, true)], &[]));
        assert!(!drained(&[described(A, "", true)], &[lease(A, 1, false)], &[]));
        assert!(!drained(&[described(A, "", false)], &[lease(A, 1, true)], &[]));
        assert!(!drained(&[], &[], &[A]));
    }

    #[test]
    fn a_stream_goes_on_above_the_one_before() {
        let first = |shards: &[Described], leases: &[(String, Lease)]| {
            seen(shards, leases, &[], |it| (it.todo()[0].1.clone(), it.last_version()))
        };
        let start = |version| Todo::Read(Start::After(Progress { after: None, version }));
        assert_eq!(first(&[described(A, "", false)], &[]), (start(7), 7));
        assert_eq!(first(&[described(B, A, false)], &[lease(A, 3, true)]), (start(7), 7));
        assert_eq!(first(&[described(B, A, false)], &[lease(A, 9, true)]), (start(9), 9));
    }
}
