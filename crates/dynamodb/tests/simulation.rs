//! Workers that share the stream of a table, and what can go wrong between them: crashes, stalls long
//! enough to lose every lease, lost networks, clocks that differ and jump, shards that split and roll
//! while they are read, throttled and failing calls, writes that arrive late, answers that never do,
//! an outage long enough for the index to forget its tombstones, and a load of the table beside it all.
//!
//! Everything random comes from one seed. A failure prints it; `cargo xtask sim SEED` replays it, and
//! `cargo xtask sim` tries many more of them.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and say why")]

#[path = "simulation/ends.rs"]
mod ends;
#[path = "simulation/exports.rs"]
mod exports;
#[path = "simulation/load.rs"]
mod load;
#[path = "simulation/part.rs"]
mod part;
#[path = "simulation/worker.rs"]
mod worker;

use std::{
    env,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use coordination::{LeaseStore, MemoryLeases};
use dynamodb::load::{Method, Stage};
use futures::FutureExt;
use pipeline::Timestamp;

use crate::{
    ends::{Index, Ledger, Table},
    exports::{Loads, Row},
    worker::{PREFIX, Worker},
};

/// How many worlds to run when nobody says.
const N_SEEDS: u64 = 800;
const N_WORKERS: usize = 3;
const N_CHANGES: usize = 60;
/// After how many changes everybody is away for hours: so late that many an item is deleted for good
/// while its row is still to come.
const OUTAGE_AT: usize = N_CHANGES - 6;
/// How long exports take at most: for those that are over soon, and for those that take longer than
/// the stream keeps changes.
const EXPORT_MAX: Duration = Duration::from_mins(4);
const SLOW_EXPORT_MAX: Duration = Duration::from_hours(60);
/// While such an export is made, time passes in leaps.
const LEAP_MAX_MS: u64 = 90 * 60 * 1000;
/// How long the stream keeps changes. That they are read long before is somebody else's worry.
const KEPT: Duration = Duration::from_hours(24);
const READ_BY: Duration = Duration::from_hours(12);
const SHARDS_MAX: usize = 12;
const STEPS_MAX: usize = 200_000;
/// How often to look whether everything was read.
const STEPS_BETWEEN_LOOKS: usize = 50;
/// How far time goes on in a step, at most.
const STEP_MS: u64 = 600;
/// How long everybody is left in peace before shares are compared: long enough to notice who is
/// gone, to let go and to take.
const PEACE: Duration = Duration::from_mins(5);
/// A request on its way for longer than this has failed, for good.
const LATE_MAX_MS: u64 = 60_000;

#[test]
fn table_and_index_are_equal_in_the_end() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let one_after_the_other = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seeds.end <= seed {
                return;
            }
            let told = Told(seed);
            World::new(seed).run();
            std::mem::forget(told);
        }
    };
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(one_after_the_other);
        }
    });
}

/// Says which seed it was, if the world ends badly.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("seed {}: replay it with `cargo xtask sim {}`", self.0, self.0);
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

/// Rows of a load, when they arrive, and the version of all of them.
type LateRows = (Timestamp, u64, Vec<Row>);

/// What all workers have in common.
struct Shared {
    rng: fastrand::Rng,
    /// The time, which nobody knows.
    now: Timestamp,
    leases: MemoryLeases,
    table: Table,
    index: Index,
    ledger: Ledger,
    /// Whether anything still goes wrong.
    is_calm: bool,
    /// Writes of workers that are gone, still on their way: when they arrive, and what.
    late: Vec<(Timestamp, Vec<(usize, u64)>)>,
    late_rows: Vec<LateRows>,
    loads: Option<Loads>,
}

struct World {
    shared: Shared,
    workers: Vec<Option<Worker>>,
    n_started: u64,
}

impl Shared {
    fn happens(&mut self, times: u32, out_of: u32) -> bool {
        !self.is_calm && self.rng.u32(0..out_of) < times
    }

    /// Changes arrive at the index, each with its version.
    fn apply(&mut self, batch: &[(usize, u64)]) {
        for (n, version) in batch {
            let change = &self.table.changes[*n];
            self.index.write(self.now, change.key, *version, change.value);
            self.ledger.applied[*n] = true;
        }
    }

    /// What nobody waits for any more may arrive all the same, and late.
    fn maybe_late(&mut self, version: u64, rows: Vec<Row>) {
        if self.rng.bool() {
            let at = self.now.after(Duration::from_millis(self.rng.u64(0..LATE_MAX_MS)));
            self.late_rows.push((at, version, rows));
        }
    }

    fn apply_rows(&mut self, version: u64, rows: &[Row]) {
        for (key, value) in rows {
            self.index.write(self.now, *key, version, Some(*value));
        }
    }

    fn late_writes_arrive(&mut self) {
        let now = self.now;
        for (_, batch) in self.late.extract_if(.., |it| it.0 <= now).collect::<Vec<_>>() {
            self.apply(&batch);
        }
        for (_, version, rows) in
            self.late_rows.extract_if(.., |it| it.0 <= now).collect::<Vec<_>>()
        {
            self.apply_rows(version, &rows);
        }
    }
}

impl World {
    fn new(seed: u64) -> World {
        let shared = Shared {
            rng: fastrand::Rng::with_seed(seed),
            now: Timestamp(1_000_000),
            leases: MemoryLeases::default(),
            table: Table::default(),
            index: Index::default(),
            ledger: Ledger::default(),
            is_calm: false,
            late: Vec::new(),
            late_rows: Vec::new(),
            loads: None,
        };
        World { shared, workers: (0..N_WORKERS).map(|_| None).collect(), n_started: 0 }
    }

    fn run(mut self) {
        let with_outage = self.shared.rng.u32(0..4) == 0;
        let with_load = self.shared.rng.u32(0..2) == 0;
        if with_load {
            let Shared { rng, table, .. } = &mut self.shared;
            table.fill(rng);
            let method = if rng.u32(0..4) == 0 { Method::Scan } else { Method::Export };
            let takes = if rng.u32(0..3) == 0 { SLOW_EXPORT_MAX } else { EXPORT_MAX };
            self.shared.loads = Some(Loads::new(method, takes));
        }
        let mut n_steps = 0;
        while self.shared.table.changes.len() < N_CHANGES {
            self.step(&mut n_steps);
            self.shared.write();
            self.shared.reshard();
            let n_changes = self.shared.table.changes.len();
            self.shared.want_again();
            self.leap();
            if with_outage && n_changes == OUTAGE_AT {
                self.outage();
            }
        }
        self.shared.is_calm = true;
        let peace = self.shared.now.after(PEACE);
        while self.shared.now < peace {
            self.step(&mut n_steps);
        }
        self.check_shares();
        // Now every shard has an end, and so has the world.
        self.shared.table.close_all();
        while !self.is_finished() {
            for _ in 0..STEPS_BETWEEN_LOOKS {
                self.step(&mut n_steps);
                self.leap();
            }
            // What was given up is tried again by the next start.
            if matches!(load::stage(&self.shared), Some(Stage::Failed(_))) {
                let i = self.shared.rng.usize(0..self.workers.len());
                self.crash(i);
            }
        }
        self.check_end();
    }

    fn step(&mut self, n_steps: &mut usize) {
        *n_steps += 1;
        if STEPS_MAX <= *n_steps {
            let Shared { leases, loads, now, .. } = &self.shared;
            let leases = leases.list("").now_or_never().unwrap().unwrap();
            let open: Vec<_> = leases.iter().filter(|it| !it.done).collect();
            panic!("still going after {STEPS_MAX} steps, at {now:?}: {open:#?} {loads:?}");
        }
        let shared = &mut self.shared;
        shared.now = shared.now.after(Duration::from_millis(shared.rng.u64(0..STEP_MS)));
        shared.late_writes_arrive();
        let i = shared.rng.usize(0..self.workers.len());
        if self.workers[i].is_some() && shared.happens(1, 400) {
            self.crash(i);
        } else if let Some(worker) = &mut self.workers[i] {
            worker.step(shared);
        } else if shared.is_calm || shared.happens(1, 3) {
            self.n_started += 1;
            self.workers[i] = Some(Worker::start(self.n_started, shared));
        }
    }

    /// Hours pass while an export is being made, and all is read meanwhile.
    fn leap(&mut self) {
        let Shared { loads, table, leases, now, rng, .. } = &mut self.shared;
        if !loads.as_ref().is_some_and(|it| it.is_slow(*now)) || rng.u32(0..10) != 0 {
            return;
        }
        let leases = leases.list(PREFIX).now_or_never().unwrap().unwrap();
        if ends::is_saved(table, &leases, |it| *now < it.created.after(READ_BY)) {
            *now = now.after(Duration::from_millis(rng.u64(0..LEAP_MAX_MS)));
        }
    }

    /// The worker is gone; what it sent may still arrive.
    fn crash(&mut self, i: usize) {
        let Some(worker) = self.workers[i].take() else { return };
        for batch in worker.in_flight() {
            self.shared.ledger.dropped += batch.len();
            if self.shared.rng.bool() {
                let ms = self.shared.rng.u64(0..LATE_MAX_MS);
                let at = self.shared.now.after(Duration::from_millis(ms));
                self.shared.late.push((at, batch));
            }
        }
        for (version, rows) in worker.loader.in_flight() {
            self.shared.loads.as_mut().unwrap().rows.dropped += rows.len();
            self.shared.maybe_late(version, rows);
        }
    }

    /// Nobody reads for longer than the index remembers what was deleted.
    fn outage(&mut self) {
        (0..self.workers.len()).for_each(|i| self.crash(i));
        self.shared.now = self.shared.now.after(Duration::from_millis(LATE_MAX_MS));
        self.shared.late_writes_arrive();
        let hours = self.shared.rng.u64(1..4);
        self.shared.now = self.shared.now.after(Duration::from_hours(hours));
        // One more, so that this happens once.
        self.shared.table.change(self.shared.now, 0, None);
        self.shared.ledger.applied.push(false);
    }

    fn check_shares(&self) {
        let mut shares: Vec<usize> =
            self.workers.iter().flatten().map(|it| it.readers.len()).collect();
        shares.sort_unstable();
        assert_eq!(shares.len(), N_WORKERS, "everybody is there");
        assert_eq!(shares.iter().sum::<usize>(), self.shared.table.n_open(), "each shard has one");
        assert!(shares[N_WORKERS - 1] - shares[0] <= 1, "{shares:?}");
    }

    fn is_finished(&self) -> bool {
        let leases = self.shared.leases.list(PREFIX).now_or_never().unwrap().unwrap();
        let n_done = leases.iter().filter(|it| it.done).count();
        n_done == self.shared.table.shards.len()
            && load::stage(&self.shared).is_none_or(|it| it == Stage::Done)
            && self.shared.loads.as_ref().is_none_or(|it| !it.again_wanted)
    }

    fn check_end(&self) {
        let Shared { table, index, ledger, .. } = &self.shared;
        assert_eq!(index.documents(), table.items, "the index differs from the table");
        assert!(ledger.applied.iter().all(|it| *it));
        for key in 0..ends::N_KEYS {
            let of_key = table.changes.iter().enumerate().filter(|(_, it)| it.key == key);
            let versions: Vec<u64> = of_key.map(|(n, _)| ledger.versions[&n]).collect();
            assert!(versions.is_sorted_by(|a, b| a < b), "key {key}: {versions:?}");
        }
        let in_flight: usize =
            self.workers.iter().flatten().flat_map(Worker::in_flight).map(|it| it.len()).sum();
        let known = ledger.delivered + ledger.returned + ledger.dropped + in_flight;
        assert_eq!(ledger.read, known, "{ledger:?}");
        let Some(Loads { rows, .. }) = &self.shared.loads else { return };
        let loaders = self.workers.iter().flatten().flat_map(|it| it.loader.in_flight());
        let in_flight: usize = loaders.map(|it| it.1.len()).sum();
        let known = rows.delivered + rows.returned + rows.dropped + in_flight;
        assert_eq!(rows.read, known, "{rows:?}");
    }
}

impl Shared {
    fn write(&mut self) {
        if self.happens(1, 12) {
            let key = self.rng.u8(0..ends::N_KEYS);
            let value = (self.rng.u32(0..3) != 0).then(|| self.rng.u32(..));
            self.table.change(self.now, key, value);
            self.ledger.applied.push(false);
        }
    }

    /// An operator has the table loaded once more, whatever the first load is at.
    fn want_again(&mut self) {
        if self.happens(1, 400)
            && let Some(loads) = &mut self.loads
            && loads.n_again == 0
        {
            (loads.again_wanted, loads.n_again) = (true, 1);
        }
    }

    fn reshard(&mut self) {
        if self.happens(1, 120) && self.table.shards.len() < SHARDS_MAX {
            let open = self.table.open();
            let at = open[self.rng.usize(0..open.len())];
            let split = self.rng.bool();
            self.table.reshard(at, split);
        }
    }
}
