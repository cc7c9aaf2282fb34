//! A worker: does what `Member`, `Plan` and `Shard` say, as `source` and `stream` do, and fails.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use coordination::{Lease, LeaseError, LeaseStore, Member, MemoryLeases, Seen};
use dynamodb::{
    Action, Described, Input, Pace, Plan, Progress, Shard, ShardIterator, Start, Todo, Versions,
};
use futures::FutureExt;
use pipeline::{Outcome, Timestamp};

use crate::{
    Shared,
    ends::{places, progress, shard_number},
    load::Loader,
};

pub(crate) const PREFIX: &str = "books/stream/";
const DISCOVERY_MS: u64 = 60_000;
const SAVE_EVERY_MS: u64 = 5_000;
const PAGE_MAX: usize = 4;
const PACE: Pace = Pace::AWS;

pub(crate) struct Worker {
    name: String,
    store: Arc<Flaky>,
    member: Member,
    /// How wrong its clock is.
    clock_ms: u64,
    shards: Vec<Described>,
    pub(crate) readers: BTreeMap<String, Reader>,
    asleep_until: Timestamp,
    offline_until: Timestamp,
    round_at: Timestamp,
    discovery_at: Timestamp,
    pub(crate) loader: Loader,
}

pub(crate) struct Reader {
    lease: Lease,
    shard: Shard,
    todo: VecDeque<Action>,
    /// Each with where it ends, and its changes with their versions.
    in_flight: Vec<(Progress, Vec<(usize, u64)>)>,
    page: Vec<(usize, u64)>,
    /// How many changes of the shard were read.
    n_read: usize,
    versions: Versions,
    stopping: bool,
    unsaved: bool,
    save_at: Timestamp,
}

/// What came of a step of a reader.
enum End {
    Finished,
    LetGo,
    Failed,
}

impl Worker {
    pub(crate) fn start(n: u64, shared: &mut Shared) -> Worker {
        let name = format!("books/worker-{n}");
        let store =
            Arc::new(Flaky { leases: shared.leases.for_another_worker(), fault: AtomicU8::new(0) });
        let member = Member::new(Arc::<Flaky>::clone(&store), "books", &name);
        let clock_ms = shared.rng.u64(0..86_400_000);
        let now = shared.now.after(Duration::from_millis(clock_ms));
        let loader = Loader::start(&*store, &name, now, shared);
        Worker {
            name,
            store,
            member,
            clock_ms,
            shards: shared.table.describe(),
            readers: BTreeMap::new(),
            asleep_until: shared.now,
            offline_until: shared.now,
            round_at: shared.now,
            discovery_at: shared.now.after(Duration::from_millis(DISCOVERY_MS)),
            loader,
        }
    }

    /// What it sent and has heard nothing of.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = Vec<(usize, u64)>> {
        let batches = self.readers.values().flat_map(|it| &it.in_flight);
        let pages = self.readers.values().map(|it| &it.page);
        batches.map(|it| it.1.clone()).chain(pages.cloned()).collect::<Vec<_>>().into_iter()
    }

    /// Its own idea of the time.
    fn now(&self, shared: &Shared) -> Timestamp {
        shared.now.after(Duration::from_millis(self.clock_ms))
    }

    pub(crate) fn step(&mut self, shared: &mut Shared) {
        if shared.is_calm {
            (self.asleep_until, self.offline_until) = (shared.now, shared.now);
        }
        let seconds = Duration::from_secs(shared.rng.u64(1..90));
        match shared.rng.u32(0..1_500) {
            _ if shared.is_calm => {}
            0..5 => self.asleep_until = shared.now.after(seconds),
            5..10 => self.offline_until = shared.now.after(seconds),
            10..13 => self.clock_ms = shared.rng.u64(0..86_400_000),
            _ => {}
        }
        if shared.now < self.asleep_until {
            return;
        }
        let is_offline = shared.now < self.offline_until;
        // So slow that much happens meanwhile.
        let load_pace = if shared.is_calm { 3 } else { 8 };
        let fault = if is_offline || shared.happens(1, 50) {
            1
        } else {
            u8::from(shared.happens(1, 50)) * 2
        };
        self.store.fault.store(fault, Ordering::Relaxed);
        if self.discovery_at <= shared.now && !is_offline {
            self.discovery_at = shared.now.after(Duration::from_millis(DISCOVERY_MS));
            self.shards = shared.table.describe();
            self.take_share(shared);
        } else if self.round_at <= shared.now {
            self.round_at = shared.now.after(self.member.every());
            self.take_share(shared);
        } else if !is_offline && shared.loads.is_some() && shared.rng.u32(0..load_pace) == 0 {
            let now = self.now(shared);
            self.loader.step(&*self.store, &self.name, now, shared);
        } else if !is_offline && !self.readers.is_empty() {
            let n = shared.rng.usize(0..self.readers.len());
            let id = self.readers.keys().nth(n).unwrap().clone();
            self.step_reader(&id, shared);
        }
    }

    /// As `take_share` of the source.
    fn take_share(&mut self, shared: &mut Shared) {
        let now = self.now(shared);
        let Ok(survey) = self.member.look_around(now).now_or_never().unwrap() else { return };
        if survey.finished_some {
            self.shards = shared.table.describe();
        }
        let leases: BTreeMap<String, Lease> = survey
            .seen
            .iter()
            .filter_map(|it| {
                let id = it.lease.partition.strip_prefix(PREFIX)?;
                Some((id.to_owned(), it.lease.clone()))
            })
            .collect();
        let reading: BTreeSet<String> = self.readers.keys().cloned().collect();
        let plan = Plan {
            shards: &self.shards,
            leases: &leases,
            reading: &reading,
            first_at_latest: false,
            floor: 0,
            started_ms: 0,
        };
        let todo: BTreeMap<String, Todo> = plan
            .todo()
            .into_iter()
            .map(|(shard, todo)| (format!("{PREFIX}{shard}"), todo))
            .collect();
        let ready: Vec<String> = todo.keys().cloned().collect();
        let reading = reading.iter().map(|it| format!("{PREFIX}{it}")).collect();
        let moves = self.member.moves(&survey, &ready, &reading);
        for partition in moves.let_go.iter().chain(&moves.lost) {
            self.stop_reader(&partition[PREFIX.len()..], shared);
        }
        for partition in moves.take {
            let acquired = self.store.acquire(&partition, &self.name, now).now_or_never().unwrap();
            let Ok(Some(lease)) = acquired else { continue };
            shared.ledger.note_token(&partition, lease.token);
            let Todo::Read(start) = todo[&partition] else { unreachable!("nothing is skipped") };
            let id = partition[PREFIX.len()..].to_owned();
            self.readers.insert(id, Reader::new(lease, start, shared.now));
        }
    }

    fn stop_reader(&mut self, id: &str, shared: &mut Shared) {
        let now = self.now(shared);
        let Some(reader) = self.readers.get_mut(id).filter(|it| !it.stopping) else { return };
        reader.stopping = true;
        let actions = reader.shard.handle(now, Input::StopAsked);
        reader.todo.extend(actions);
    }

    fn step_reader(&mut self, id: &str, shared: &mut Shared) {
        let now = self.now(shared);
        let reader = self.readers.get_mut(id).unwrap();
        match reader.step(id, &self.store, &mut self.loader, now, shared) {
            None => return,
            // Its children may start.
            Some(End::Finished) => self.discovery_at = shared.now,
            Some(End::LetGo | End::Failed) => {}
        }
        let ended = self.readers.remove(id).unwrap();
        let batches = ended.in_flight.into_iter().map(|it| it.1).chain([ended.page]);
        shared.ledger.dropped += batches.map(|it| it.len()).sum::<usize>();
    }
}

impl Reader {
    fn new(lease: Lease, start: Start, now: Timestamp) -> Reader {
        let start = match &lease.checkpoint {
            Some(text) => Start::After(text.parse().unwrap()),
            None => start,
        };
        let (shard, first) = Shard::new(start, PACE);
        Reader {
            lease,
            shard,
            todo: first.into(),
            in_flight: Vec::new(),
            page: Vec::new(),
            n_read: 0,
            versions: Versions::default(),
            stopping: false,
            unsaved: false,
            save_at: now,
        }
    }

    fn step(
        &mut self,
        id: &str,
        store: &Flaky,
        loader: &mut Loader,
        now: Timestamp,
        shared: &mut Shared,
    ) -> Option<End> {
        if self.unsaved && self.save_at <= shared.now {
            self.save_at = shared.now.after(Duration::from_millis(SAVE_EVERY_MS));
            return self.save(id, store, now, shared);
        }
        let may_settle = !self.in_flight.is_empty();
        let is_waiting = self.todo.iter().all(|it| matches!(it, Action::Read(_, at) if now < *at));
        let input = if may_settle && (is_waiting || shared.rng.bool()) {
            Some(self.settle(shared))
        } else {
            let action = self.todo.pop_front()?;
            match self.perform(id, action, store, loader, now, shared) {
                Ok(input) => input,
                Err(end) => return Some(end),
            }
        };
        if let Some(input) = input {
            self.todo.extend(self.shard.handle(now, input));
        }
        None
    }

    fn settle(&mut self, shared: &mut Shared) -> Input {
        let n = shared.rng.usize(0..self.in_flight.len());
        let (last, batch) = self.in_flight.swap_remove(n);
        let failed = shared.happens(1, 60);
        // What failed may have arrived all the same.
        if !failed || shared.rng.bool() {
            shared.apply(&batch);
        }
        if failed {
            shared.ledger.returned += batch.len();
            return Input::Settled(last, Outcome::Failed);
        }
        shared.ledger.delivered += batch.len();
        Input::Settled(last, Outcome::Delivered)
    }

    fn save(
        &mut self,
        id: &str,
        store: &Flaky,
        now: Timestamp,
        shared: &mut Shared,
    ) -> Option<End> {
        match store.save(&mut self.lease, now).now_or_never().unwrap() {
            Ok(()) => {
                self.unsaved = false;
                self.note_checkpoint(id, shared);
                None
            }
            Err(error) if error.is_lost() => {
                self.shard.handle(now, Input::LeaseLost);
                Some(End::LetGo)
            }
            // It gives up after a while.
            Err(_) if shared.happens(1, 5) => Some(End::Failed),
            Err(_) => None,
        }
    }

    fn note_checkpoint(&self, id: &str, shared: &mut Shared) {
        if let Some(text) = &self.lease.checkpoint {
            shared.ledger.note_checkpoint(&shared.table, id, text.parse().unwrap());
        }
    }

    fn perform(
        &mut self,
        id: &str,
        action: Action,
        store: &Flaky,
        loader: &mut Loader,
        now: Timestamp,
        shared: &mut Shared,
    ) -> Result<Option<Input>, End> {
        let number = shard_number(id);
        match action {
            Action::Seek(start) => {
                let Start::After(after) = start else { unreachable!("nobody starts there") };
                let changes = &shared.table.shards[number].changes;
                self.n_read = changes.partition_point(|it| *it < places(after));
                self.versions = Versions::after(after.version);
                Ok(Some(Input::Iterator(iterator())))
            }
            Action::Read(iterator, at) if now < at || shared.happens(1, 15) => {
                // Too early, or throttled; or a clock that was set back.
                let late = now.after(PACE.idle_wait_max * 2);
                self.todo.push_front(Action::Read(iterator, at.min(late)));
                Ok(None)
            }
            Action::Read(..) if shared.happens(1, 30) => Ok(Some(Input::IteratorExpired)),
            Action::Read(..) => Ok(Some(self.read(number, shared))),
            Action::Emit(last) => {
                let is_delete = |it: &&(usize, u64)| shared.table.changes[it.0].value.is_none();
                let deletes: Vec<_> = self.page.iter().filter(is_delete).copied().collect();
                // It cannot be sent unless that is durable.
                loader.keep(&deletes, store, now, shared).map_err(|_| End::Failed)?;
                self.in_flight.push((last, std::mem::take(&mut self.page)));
                Ok(None)
            }
            Action::Save(to) => {
                self.lease.checkpoint = Some(to.to_string());
                self.unsaved = true;
                Ok(None)
            }
            Action::Finish(to) => {
                self.lease.checkpoint = Some(to.to_string());
                self.lease.done = true;
                self.let_go(id, store, shared)?;
                Err(End::Finished)
            }
            Action::Release => {
                self.let_go(id, store, shared)?;
                Err(End::LetGo)
            }
        }
    }

    fn read(&mut self, number: usize, shared: &mut Shared) -> Input {
        let stream = &shared.table.shards[number];
        let n = shared.rng.usize(0..=PAGE_MAX);
        let end = (self.n_read + n).min(stream.changes.len());
        self.page = stream.changes[self.n_read..end]
            .iter()
            .map(|place| (*place, self.versions.next(shared.table.changes[*place].created.0)))
            .collect();
        self.n_read = end;
        if let Some(parent) = stream.parent {
            let mut before = shared.table.shards[parent].changes.iter();
            assert!(before.all(|it| shared.ledger.applied[*it]), "a child before its parent");
        }
        let next = (!stream.closed || end < stream.changes.len()).then(iterator);
        for (place, version) in &self.page {
            shared.ledger.note_version(*place, *version);
            let forgotten = shared.table.changes[*place].created.after(crate::KEPT);
            assert!(shared.now < forgotten, "the stream forgot what nobody had read");
        }
        shared.ledger.read += self.page.len();
        let last = self.page.last().map(|(place, version)| progress(*place, *version));
        Input::Page { last, full: n == PAGE_MAX, next }
    }

    /// Writes the lease for the last time.
    fn let_go(&mut self, id: &str, store: &Flaky, shared: &mut Shared) -> Result<(), End> {
        match store.release(self.lease.clone()).now_or_never().unwrap() {
            Ok(()) => {
                self.note_checkpoint(id, shared);
                if self.lease.done {
                    shared.ledger.note_finished(&shared.table, id);
                }
                Ok(())
            }
            Err(error) if error.is_lost() => Err(End::LetGo),
            Err(_) => Err(End::Failed),
        }
    }
}

fn iterator() -> ShardIterator {
    ShardIterator("iterator".to_owned())
}

/// A store that cannot always be reached: 1 is before the call, 2 is after it was carried out.
struct Flaky {
    leases: MemoryLeases,
    fault: AtomicU8,
}

impl Flaky {
    fn check<T>(&self, after: bool, answer: Result<T, LeaseError>) -> Result<T, LeaseError> {
        if self.fault.load(Ordering::Relaxed) == 1 + u8::from(after) {
            let (store, reason) =
                ("the simulated one".to_owned(), "it cannot be reached".to_owned());
            return Err(LeaseError::Store { store, reason });
        }
        answer
    }
}

#[async_trait]
impl LeaseStore for Flaky {
    async fn acquire(
        &self,
        partition: &str,
        owner: &str,
        now: Timestamp,
    ) -> Result<Option<Lease>, LeaseError> {
        self.check(false, Ok(()))?;
        self.check(true, self.leases.acquire(partition, owner, now).await)
    }

    async fn save(&self, lease: &mut Lease, now: Timestamp) -> Result<(), LeaseError> {
        self.check(false, Ok(()))?;
        // The answer is lost, and with it how often the lease was renewed.
        let mut saved = lease.clone();
        self.leases.save(&mut saved, now).await?;
        self.check(true, Ok(()))?;
        *lease = saved;
        Ok(())
    }

    async fn release(&self, lease: Lease) -> Result<(), LeaseError> {
        self.check(false, Ok(()))?;
        self.check(true, self.leases.release(lease).await)
    }

    async fn remove(&self, lease: Lease) -> Result<(), LeaseError> {
        self.check(false, Ok(()))?;
        self.check(true, self.leases.remove(lease).await)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Lease>, LeaseError> {
        self.check(false, self.leases.list(prefix).await)
    }

    async fn survey(&self, prefix: &str, now: Timestamp) -> Result<Vec<Seen>, LeaseError> {
        self.check(false, self.leases.survey(prefix, now).await)
    }
}
