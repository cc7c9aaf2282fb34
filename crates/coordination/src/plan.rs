//! Who should read what, so that workers share a pipeline evenly. Pure.
//!
//! Every worker works this out by itself from what it sees, and all come to the same answer when they
//! see the same. When they do not, two may want one partition, and the store gives it to one of
//! them; the next round sets it right.
//!
//! Shares differ by at most one. Whoever holds most keeps the odd ones, so that nothing moves
//! without need. A worker lets go of what is too much only when it was too much in several rounds
//! running: a worker that comes and goes does not make the others drop what they hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Lease, Seen};

/// In how many rounds running a worker must have too much before it lets go of some.
const PATIENCE_ROUNDS: u32 = 2;

/// What one worker sees of a pipeline.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its own name.
    pub me: &'a str,
    /// Who is alive. That includes the worker itself, whether it is named or not.
    pub workers: &'a BTreeSet<String>,
    /// The leases of the pipeline's partitions.
    pub seen: &'a [Seen],
    /// Partitions whose turn has come, in an order that all workers agree on. Those that somebody
    /// holds count for nothing here.
    pub ready: &'a [String],
    /// What the worker is reading.
    pub reading: &'a BTreeSet<String>,
}

/// What one worker should do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Take these, if the store gives them.
    pub take: Vec<String>,
    /// Bring these to an end and let go of them, so that others can take them.
    pub let_go: Vec<String>,
    /// Stop reading these: somebody else has them.
    pub lost: Vec<String>,
    /// Let go of these at once: they are held, but not read. Reading them failed.
    pub abandoned: Vec<Lease>,
}

/// Plans the rounds of one worker.
#[derive(Clone, Debug, Default)]
pub struct Balance {
    /// For how many rounds it has had too much.
    n_rounds: u32,
}

impl Balance {
    /// What to do in this round.
    pub fn round(&mut self, view: &View<'_>) -> Moves {
        let held = view.held();
        let shares = view.shares(&held);
        let (me, n_mine) = (view.me, held.get(view.me).map_or(0, Vec::len));
        let share = shares.iter().find(|it| it.worker == me).map_or(0, |it| it.due);
        let take =
            view.free().into_iter().skip(before(&shares, me)).take(share.saturating_sub(n_mine));
        self.n_rounds = if share < n_mine { self.n_rounds + 1 } else { 0 };
        let too_much = if self.n_rounds < PATIENCE_ROUNDS { 0 } else { n_mine - share };
        let mine = held.get(me).into_iter().flatten().rev();
        let can_go = mine.filter(|it| view.reading.contains(**it));
        Moves {
            take: take.map(str::to_owned).collect(),
            let_go: can_go.take(too_much).map(|it| (*it).to_owned()).collect(),
            lost: view.lost(),
            abandoned: view.abandoned(),
        }
    }
}

/// How many partitions a worker has, and should have.
#[derive(Debug)]
struct Share<'a> {
    worker: &'a str,
    held: usize,
    due: usize,
}

/// How many of the free partitions are for workers that come before `me`.
fn before(shares: &[Share<'_>], me: &str) -> usize {
    let earlier = shares.iter().take_while(|it| it.worker != me);
    earlier.map(|it| it.due.saturating_sub(it.held)).sum()
}

impl<'a> View<'a> {
    /// What each live worker holds, in order.
    fn held(&self) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut held: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        held.insert(self.me, Vec::new());
        for worker in self.workers {
            held.insert(worker, Vec::new());
        }
        for Seen { lease, available } in self.seen {
            let is_held = !available && !lease.done;
            if let Some(partitions) = held.get_mut(lease.owner.as_str()).filter(|_| is_held) {
                partitions.push(&lease.partition);
            }
        }
        for partitions in held.values_mut() {
            partitions.sort_unstable();
        }
        held
    }

    /// What could be taken now: nobody's, or somebody's who is gone.
    fn free(&self) -> Vec<&'a str> {
        let taken: BTreeSet<&str> = self
            .seen
            .iter()
            .filter(|it| !it.available)
            .map(|it| it.lease.partition.as_str())
            .collect();
        let ready = self.ready.iter().map(String::as_str);
        ready.filter(|it| !taken.contains(it) && !self.reading.contains(*it)).collect()
    }

    /// Everyone's share: whoever holds most first, so that the odd ones stay where they are.
    fn shares(&self, held: &BTreeMap<&'a str, Vec<&'a str>>) -> Vec<Share<'a>> {
        let n_held: usize = held.values().map(Vec::len).sum();
        let n_all = n_held + self.free().len();
        let (each, odd) = (n_all / held.len(), n_all % held.len());
        let mut shares: Vec<Share<'_>> =
            held.iter().map(|(worker, it)| Share { worker, held: it.len(), due: each }).collect();
        shares.sort_by(|a, b| b.held.cmp(&a.held).then(a.worker.cmp(b.worker)));
        for lucky in shares.iter_mut().take(odd) {
            lucky.due += 1;
        }
        shares
    }

    /// What is held and should be read, and is not. As long as this worker shows signs of life, nobody
    /// else would take it.
    fn abandoned(&self) -> Vec<Lease> {
        let ready: BTreeSet<&str> = self.ready.iter().map(String::as_str).collect();
        let mine = self.seen.iter().filter(|it| it.lease.owner == self.me && !it.available);
        let open = mine.map(|it| &it.lease).filter(|it| !it.done);
        let to_read = open.filter(|it| ready.contains(it.partition.as_str()));
        to_read.filter(|it| !self.reading.contains(&it.partition)).cloned().collect()
    }

    /// What is being read although somebody else has it.
    fn lost(&self) -> Vec<String> {
        let others = self.seen.iter().map(|it| &it.lease).filter(|it| it.owner != self.me);
        let partitions = others.map(|it| &it.partition);
        partitions.filter(|it| self.reading.contains(*it)).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
