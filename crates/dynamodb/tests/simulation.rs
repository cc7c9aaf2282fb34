//! Two workers, one shard, and what can go wrong between them: crashes, stalls long enough to
//! lose the lease, failed writes, expired iterators, deliveries out of order.
//!
//! Everything random comes from one seed. A failure prints it; `cargo xtask sim SEED` replays it, and
//! `cargo xtask sim` tries many more of them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeMap, env, ops::Range, time::Duration};

use coordination::{Lease, LeaseStore, MemoryLeases};
use dynamodb::{Action, Input, Pace, Progress, Shard, ShardIterator, Start, Versions};
use futures::FutureExt;
use pipeline::{Outcome, SequenceNumber, Timestamp};

/// How many worlds to run when nobody says.
const N_SEEDS: u64 = 500;
const N_RECORDS: u64 = 40;
const STEPS_MAX: usize = 100_000;
/// Several records a second, so that their versions are told apart by rank.
const RECORDS_PER_SECOND: u64 = 7;

#[test]
fn every_record_reaches_the_index() {
    for seed in seeds() {
        World::new(seed).run();
    }
}

/// The one seed, or how many, that the environment asks for.
fn seeds() -> Range<u64> {
    let number = |name| {
        let text = env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is `{text}`, not a number")))
    };
    match number("STREAMDEX_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("STREAMDEX_SIM_SEEDS").unwrap_or(N_SEEDS),
    }
}

struct World {
    seed: u64,
    rng: fastrand::Rng,
    now: Timestamp,
    leases: MemoryLeases,
    /// Which version each record was written with, the first time and ever after.
    index: BTreeMap<u64, u64>,
    checkpoint: Option<Progress>,
    workers: [Option<Worker>; 2],
    finished: bool,
}

struct Worker {
    lease: Lease,
    shard: Shard,
    todo: Vec<Action>,
    /// Each with where it ends, and its records with their versions.
    in_flight: Vec<(Progress, Vec<(u64, u64)>)>,
    page: Vec<(u64, u64)>,
    read_to: u64,
    versions: Versions,
}

impl World {
    fn new(seed: u64) -> World {
        World {
            seed,
            rng: fastrand::Rng::with_seed(seed),
            now: Timestamp(0),
            leases: MemoryLeases::default(),
            index: BTreeMap::new(),
            checkpoint: None,
            workers: [None, None],
            finished: false,
        }
    }

    fn run(mut self) {
        for _ in 0..STEPS_MAX {
            let worker = self.rng.usize(0..2);
            self.now = self.now.after(Duration::from_millis(self.rng.u64(0..2_000)));
            self.step(worker);
            if self.finished {
                assert!(self.index.keys().copied().eq(1..=N_RECORDS), "seed {}", self.seed);
                let versions: Vec<_> = self.index.values().collect();
                assert!(versions.is_sorted_by(|a, b| a < b), "seed {}: {versions:?}", self.seed);
                return;
            }
        }
        panic!("seed {}: still going after {STEPS_MAX} steps", self.seed);
    }

    fn step(&mut self, i: usize) {
        let Some(mut worker) = self.workers[i].take() else {
            self.workers[i] = self.start_worker(i);
            return;
        };
        if self.happens(1, 100) {
            return; // A crash: the worker is not put back.
        }
        let input =
            if !worker.in_flight.is_empty() && (worker.todo.is_empty() || self.happens(1, 2)) {
                Some(self.settle(&mut worker))
            } else if worker.todo.is_empty() {
                None
            } else {
                let action = worker.todo.remove(0);
                if action == Action::Release {
                    self.leases.release(worker.lease).now_or_never().unwrap().ok();
                    return;
                }
                self.perform(&mut worker, &action)
            };
        if let Some(input) = input {
            let actions = worker.shard.handle(self.now, input);
            worker.todo.extend(actions);
        }
        self.workers[i] = Some(worker);
    }

    fn start_worker(&self, i: usize) -> Option<Worker> {
        let acquired = self.leases.acquire("shard", ["ada", "bob"][i], self.now);
        let lease = acquired.now_or_never().unwrap().unwrap()?;
        let progress = match &lease.checkpoint {
            Some(text) => text.parse().unwrap(),
            None => Progress { after: None, version: 0 },
        };
        let (shard, todo) = Shard::new(Start::After(progress), Pace::LOCAL);
        let (in_flight, page, versions) = (Vec::new(), Vec::new(), Versions::default());
        Some(Worker { lease, shard, todo, in_flight, page, read_to: 0, versions })
    }

    fn settle(&mut self, worker: &mut Worker) -> Input {
        let (last, page) = worker.in_flight.swap_remove(self.rng.usize(0..worker.in_flight.len()));
        if self.happens(1, 50) {
            return Input::Settled(last, Outcome::Failed);
        }
        for (record, version) in page {
            let before = self.index.insert(record, version);
            assert!(
                before.is_none_or(|it| it == version),
                "seed {}: record {record} came again with another version",
                self.seed
            );
        }
        Input::Settled(last, Outcome::Delivered)
    }

    fn perform(&mut self, worker: &mut Worker, action: &Action) -> Option<Input> {
        match *action {
            Action::Seek(Start::After(progress)) => {
                worker.read_to = progress.after.map_or(0, number);
                worker.versions = Versions::after(progress.version);
                Some(Input::Iterator(iterator()))
            }
            Action::Seek(Start::Latest { .. }) => unreachable!("nobody starts there"),
            Action::Read(..) if self.happens(1, 20) => Some(Input::IteratorExpired),
            Action::Read(..) => {
                let before = worker.read_to;
                worker.read_to = (before + self.rng.u64(0..4)).min(N_RECORDS);
                worker.page = (before + 1..=worker.read_to)
                    .map(|n| (n, worker.versions.next(n / RECORDS_PER_SECOND * 1000)))
                    .collect();
                let last = worker.page.last().map(|(n, version)| at(*n, *version));
                let next = (worker.read_to < N_RECORDS).then(iterator);
                Some(Input::Page { last, full: self.happens(1, 2), next })
            }
            Action::Emit(last) => {
                worker.in_flight.push((last, std::mem::take(&mut worker.page)));
                None
            }
            Action::Save(to) => {
                worker.lease.checkpoint = Some(to.to_string());
                let saved = self.leases.save(&mut worker.lease, self.now).now_or_never().unwrap();
                if saved.is_err() {
                    return Some(Input::LeaseLost);
                }
                let missing = (1..=N_RECORDS).find(|n| !self.index.contains_key(n));
                let to_number = to.after.map_or(0, number);
                assert!(
                    missing.is_none_or(|n| to_number < n),
                    "seed {}: saved too much",
                    self.seed
                );
                assert!(self.checkpoint < Some(to), "seed {}: checkpoint went back", self.seed);
                self.checkpoint = Some(to);
                None
            }
            Action::Finish(_) => {
                self.finished = true;
                None
            }
            Action::Release => unreachable!("handled by the caller"),
        }
    }

    fn happens(&mut self, times: u32, out_of: u32) -> bool {
        self.rng.u32(0..out_of) < times
    }
}

fn at(n: u64, version: u64) -> Progress {
    Progress { after: Some(n.to_string().parse().unwrap()), version }
}

fn number(it: SequenceNumber) -> u64 {
    it.to_string().parse().unwrap()
}

fn iterator() -> ShardIterator {
    ShardIterator("iterator".to_owned())
}
