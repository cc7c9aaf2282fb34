//! The load of what the table held before the stream, beside the stream: what `dynamodb::load` says is
//! done as `loader`, `reading` and `part` do it, by whoever has its leases. Deletes that are read
//! meanwhile are kept, and sent again at the end, because the index may have forgotten them when the
//! last row comes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use coordination::{Lease, LeaseError, LeaseStore, acquire_again};
use dynamodb::{
    ExportFormat, Rows,
    load::{Action, Input, Known, Load, Method, Pace, Parts, Record, Remedy, Stage, WAIT_MAX},
};
use futures::FutureExt;
use pipeline::{Table, Timestamp};

use crate::{
    Shared,
    exports::{End, Row},
    part::Part,
};

const RECORD: &str = ".tables/books/load/";
const PARTS: &str = ".tables/books/part/";
pub(crate) const PACE: Pace = Pace { poll: Duration::from_secs(20), look: Duration::from_secs(5) };
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How many parts a worker reads at a time.
const PARALLEL: usize = 2;

/// One worker's part in it.
#[derive(Default)]
pub(crate) struct Loader {
    known: Known,
    look_at: Timestamp,
    /// Whether it has looked before: only a start tries again what was given up.
    has_looked: bool,
    doing: Doing,
    reading: BTreeMap<u32, Part>,
    /// What was read is of this load.
    reading_of: Option<Record>,
}

#[derive(Default)]
enum Doing {
    #[default]
    Nothing,
    Leading(Box<Lead>),
    Helping(Record, Parts),
}

struct Lead {
    lease: Lease,
    load: Load,
    todo: VecDeque<Action>,
    /// Until when it waits, in time that passes evenly.
    waits: Option<Timestamp>,
    renew_at: Timestamp,
}

/// How an effort ended that is not through.
pub(crate) enum Broken {
    /// Somebody else goes on.
    Lost,
    /// The store or the pipeline failed. What is held stays held, and is taken up again.
    Failed,
}

impl From<LeaseError> for Broken {
    fn from(error: LeaseError) -> Broken {
        if error.is_lost() { Broken::Lost } else { Broken::Failed }
    }
}

pub(crate) fn at_once<T>(done: impl Future<Output = T>) -> T {
    done.now_or_never().expect("a store in memory")
}

fn record(store: &dyn LeaseStore) -> Result<Option<Record>, LeaseError> {
    let lease = at_once(store.list(RECORD))?.into_iter().next();
    Ok(lease.and_then(|it| it.checkpoint).map(|it| serde_json::from_str(&it).unwrap()))
}

fn text(record: &Record) -> Option<String> {
    Some(serde_json::to_string(record).unwrap())
}

/// How far the load is, for whoever looks from outside.
pub(crate) fn stage(shared: &Shared) -> Option<Stage> {
    record(&shared.leases).unwrap().map(|it| it.stage)
}

impl Loader {
    /// Announces the load before a change is read.
    pub(crate) fn start(
        store: &dyn LeaseStore,
        owner: &str,
        now: Timestamp,
        shared: &mut Shared,
    ) -> Loader {
        let mut loader = Loader { look_at: shared.now, ..Loader::default() };
        let Some(loads) = &shared.loads else { return loader };
        if record(store).unwrap().is_none() {
            let mut lease = at_once(store.acquire(RECORD, owner, now)).unwrap().unwrap();
            let wanted = Record::wanted(1, loads.method, now, Duration::ZERO);
            lease.checkpoint = text(&wanted);
            at_once(store.release(lease)).unwrap();
        }
        let known = record(store).unwrap().filter(|it| it.stage != Stage::Done);
        loader.known = Known::at(now, known.map_or(0, |it| it.generation));
        loader
    }

    /// Makes a delete durable before it is sent, if a load is under way.
    pub(crate) fn keep(
        &mut self,
        deletes: &[(usize, u64)],
        store: &dyn LeaseStore,
        now: Timestamp,
        shared: &mut Shared,
    ) -> Result<(), LeaseError> {
        if deletes.is_empty() || shared.loads.is_none() {
            return Ok(());
        }
        let load = match self.known.load(now, PACE) {
            Some(load) => load,
            None => {
                let under_way = record(store)?.filter(Record::is_under_way);
                let load = under_way.map_or(0, |it| it.generation);
                self.known = Known::at(now, load);
                load
            }
        };
        if load != 0 {
            // It is a write like any other.
            at_once(store.list(RECORD))?;
            let kept = &mut shared.loads.as_mut().unwrap().kept;
            kept.entry(load).or_default().extend(deletes);
        }
        Ok(())
    }

    /// What it sent and has heard nothing of, each with the version of its rows.
    pub(crate) fn in_flight(&self) -> Vec<(u64, Vec<Row>)> {
        let version = self.reading_of.as_ref().map_or(0, version);
        let pieces = self.reading.values().flat_map(|it| &it.in_flight);
        pieces.map(|(_, rows)| (version, rows.clone())).collect()
    }

    /// Does one thing, if there is one to do.
    pub(crate) fn step(
        &mut self,
        store: &dyn LeaseStore,
        owner: &str,
        now: Timestamp,
        shared: &mut Shared,
    ) {
        let done = match std::mem::take(&mut self.doing) {
            Doing::Leading(lead) => self.lead(*lead, store, owner, now, shared),
            _ if self.look_at <= shared.now => {
                self.look_at = shared.now.after(PACE.look);
                self.look(store, owner, now, shared)
            }
            Doing::Helping(record, parts) => {
                let read = self.read_parts(&record, &parts, store, owner, now, shared);
                if let Ok(None) = read {
                    self.doing = Doing::Helping(record, parts);
                }
                read.map(drop)
            }
            Doing::Nothing => Ok(()),
        };
        if done.is_err() {
            self.drop_parts(shared);
        }
    }

    /// As a turn of `Loader::run`.
    fn look(
        &mut self,
        store: &dyn LeaseStore,
        owner: &str,
        now: Timestamp,
        shared: &mut Shared,
    ) -> Result<(), Broken> {
        let seen = record(store)?;
        if self.reading_of.is_some() && self.reading_of != seen {
            self.drop_parts(shared);
        }
        let Some(seen) = seen else { return Ok(()) };
        let is_retried = !self.has_looked && matches!(seen.stage, Stage::Failed(_));
        let is_wanted = seen.is_under_way() || is_retried;
        self.known = Known::at(now, if is_wanted { seen.generation } else { 0 });
        self.has_looked = true;
        if is_wanted && let Some(lease) = at_once(acquire_again(store, RECORD, owner, now))? {
            // Others may have gone on since.
            let held = serde_json::from_str(lease.checkpoint.as_deref().unwrap()).unwrap();
            let (load, actions) = Load::resume(held, PACE, now);
            let (todo, renew_at) = (actions.into(), shared.now.after(RENEW_EVERY));
            self.doing =
                Doing::Leading(Box::new(Lead { lease, load, todo, waits: None, renew_at }));
        } else if let Stage::Loading(parts) = &seen.stage {
            self.doing = Doing::Helping(seen.clone(), parts.clone());
        } else if !is_wanted && shared.loads.as_ref().is_some_and(|it| it.again_wanted) {
            let Some(mut lease) = at_once(acquire_again(store, RECORD, owner, now))? else {
                return Ok(());
            };
            let (generation, wait) = (seen.generation + 1, PACE.announcement());
            let wanted = Record::wanted(generation, seen.method, now, wait);
            lease.checkpoint = text(&wanted);
            self.known = Known::at(now, generation);
            at_once(store.release(lease))?;
            shared.loads.as_mut().unwrap().again_wanted = false;
        }
        Ok(())
    }

    /// As `Loader::lead`: one action, or one step of one.
    fn lead(
        &mut self,
        mut lead: Lead,
        store: &dyn LeaseStore,
        owner: &str,
        now: Timestamp,
        shared: &mut Shared,
    ) -> Result<(), Broken> {
        if lead.renew_at <= shared.now {
            lead.renew_at = shared.now.after(RENEW_EVERY);
            match at_once(store.save(&mut lead.lease, now)) {
                Err(error) if error.is_lost() => return Err(Broken::Lost),
                // It is tried again.
                _ => {}
            }
        }
        let Some(action) = lead.todo.pop_front() else { unreachable!("one leads to another") };
        let input = match &action {
            Action::Save(record) => {
                lead.lease.checkpoint = text(record);
                at_once(store.save(&mut lead.lease, now))?;
                None
            }
            Action::End => {
                self.known = Known::at(now, 0);
                at_once(store.release(lead.lease))?;
                return Ok(());
            }
            Action::Wait(until) | Action::Describe(_, until) if lead.waits.is_none() => {
                let wait = Duration::from_millis(until.0.saturating_sub(now.0));
                lead.waits = Some(shared.now.after(wait.min(WAIT_MAX)));
                lead.todo.push_front(action);
                self.doing = Doing::Leading(Box::new(lead));
                return Ok(());
            }
            _ if lead.waits.is_some_and(|it| shared.now < it) => {
                lead.todo.push_front(action);
                self.doing = Doing::Leading(Box::new(lead));
                return Ok(());
            }
            action => {
                let record = lead.load.record().clone();
                self.act(action, &record, store, owner, now, shared)?
            }
        };
        lead.waits = None;
        match input {
            Some(input) => {
                // Clocks that differ by more than the slack of rows are refused by AWS.
                let now = if lead.load.record().method == Method::Scan { shared.now } else { now };
                lead.todo.extend(lead.load.handle(now, shared.rng.u32(1..4), input));
            }
            None if matches!(action, Action::Load(_)) => lead.todo.push_front(action),
            None => {}
        }
        self.doing = Doing::Leading(Box::new(lead));
        Ok(())
    }

    fn act(
        &mut self,
        action: &Action,
        record: &Record,
        store: &dyn LeaseStore,
        owner: &str,
        now: Timestamp,
        shared: &mut Shared,
    ) -> Result<Option<Input>, Broken> {
        if shared.happens(1, 15) && !matches!(action, Action::Wait(_) | Action::Load(_)) {
            // Throttled. What was asked for may have been begun.
            if let (Action::Request, true) = (action, shared.rng.bool()) {
                shared.export(&format!("{}-{}", record.wanted_ms, record.name()));
            }
            return match action {
                Action::Reapply => Err(Broken::Failed),
                _ => Ok(Some(Input::Refused("busy".to_owned(), Remedy::Wait))),
            };
        }
        Ok(Some(match action {
            Action::Wait(_) => Input::Waited,
            Action::Request => {
                let n = shared.export(&format!("{}-{}", record.wanted_ms, record.name()));
                Input::Requested(n.to_string())
            }
            Action::Describe(arn, _) => Input::Described(shared.described(arn)),
            Action::Plan(arn, _) => match shared.planned(arn) {
                Some(parts) => Input::Planned(parts),
                None => Input::Refused("it does not fit".to_owned(), Remedy::Anew),
            },
            Action::Load(parts) => {
                return self.read_parts(record, parts, store, owner, now, shared);
            }
            Action::Reapply => {
                let kept = &shared.loads.as_ref().unwrap().kept;
                let kept = kept.get(&record.generation).cloned().unwrap_or_default();
                // Those that are sent are forgotten one after the other, from the first to the last.
                let n_sent = if shared.happens(1, 4) {
                    shared.rng.usize(0..=kept.len())
                } else {
                    kept.len()
                };
                shared.apply(&kept[..n_sent]);
                let loads = shared.loads.as_mut().unwrap();
                if let Some(kept) = loads.kept.get_mut(&record.generation) {
                    kept.drain(..n_sent);
                }
                if n_sent < kept.len() {
                    return Err(Broken::Failed);
                }
                Input::Reapplied
            }
            Action::Save(_) | Action::End => unreachable!("done before"),
        }))
    }

    /// As `Reading::run`, and the parts it has under way. What is left to do, if nothing is said.
    fn read_parts(
        &mut self,
        record: &Record,
        parts: &Parts,
        store: &dyn LeaseStore,
        owner: &str,
        now: Timestamp,
        shared: &mut Shared,
    ) -> Result<Option<Input>, Broken> {
        self.reading_of = Some(record.clone());
        let prefix = format!("{PARTS}{}/", record.name());
        let leases = at_once(store.list(&prefix))?;
        let number = |it: &Lease| it.partition[prefix.len()..].parse::<u32>().unwrap();
        let done: BTreeSet<u32> = leases.iter().filter(|it| it.done).map(number).collect();
        if done.len() == parts.n as usize {
            if let Some(export) = shared.export_of(record) {
                let missing =
                    export.files.iter().zip(&export.arrived).flat_map(|(file, arrived)| {
                        file.iter().filter(|row| !arrived.contains(&row.0))
                    });
                assert_eq!(missing.count(), 0, "a load is done without its rows");
            }
            self.drop_parts(shared);
            return Ok(Some(Input::Loaded));
        }
        let free = (0..parts.n).find(|it| !done.contains(it) && !self.reading.contains_key(it));
        if self.reading.len() < PARALLEL
            && let Some(n) = free
            && shared.rng.bool()
        {
            if shared.export_of(record).is_some_and(|it| it.end == End::Incomplete && n == 0) {
                self.drop_parts(shared);
                return Ok(Some(Input::Refused("a file is missing".to_owned(), Remedy::Anew)));
            }
            let partition = format!("{prefix}{n}");
            let is_ours = |it: &&Lease| it.partition == partition && it.owner == owner && !it.free;
            let lease = match leases.iter().find(is_ours) {
                Some(lease) => Some(lease.clone()),
                None => at_once(store.acquire(&partition, owner, now))?,
            };
            if let Some(lease) = lease {
                self.reading.insert(n, Part::new(lease));
            }
            return Ok(None);
        }
        let Some(n) = pick(&self.reading, &mut shared.rng) else { return Ok(None) };
        let part = self.reading.get_mut(&n).unwrap();
        let is_over = part.step(n, record, parts, store, now, shared);
        if !matches!(is_over, Ok(false)) {
            let part = self.reading.remove(&n).unwrap();
            for (_, rows) in part.in_flight {
                shared.loads.as_mut().unwrap().rows.dropped += rows.len();
                shared.maybe_late(version(record), rows);
            }
        }
        is_over.map(|_| None)
    }

    /// Reads none any more. What it holds stays held.
    fn drop_parts(&mut self, shared: &mut Shared) {
        let in_flight = self.in_flight();
        if let Some(loads) = &mut shared.loads {
            loads.rows.dropped += in_flight.iter().map(|it| it.1.len()).sum::<usize>();
        }
        for (version, rows) in in_flight {
            shared.maybe_late(version, rows);
        }
        self.reading.clear();
        self.reading_of = None;
    }
}

fn pick(reading: &BTreeMap<u32, Part>, rng: &mut fastrand::Rng) -> Option<u32> {
    let at = (!reading.is_empty()).then(|| rng.usize(0..reading.len()))?;
    reading.keys().nth(at).copied()
}

/// The version of all rows of a load.
pub(crate) fn version(record: &Record) -> u64 {
    let Stage::Loading(Parts { read_ms, .. }) = &record.stage else { return 0 };
    let (name, partition_key) = ("books".to_owned(), "k".to_owned());
    let table = Arc::new(Table { name, partition_key, sort_key: None });
    Rows { table, read_ms: *read_ms, format: ExportFormat::DynamodbJson }.version()
}
