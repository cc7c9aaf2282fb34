//! Takes batches from their queue through the processors to the sinks. The only place where acks are
//! settled.

mod pace;
mod step;
mod times;

use std::{
    num::NonZeroUsize,
    slice,
    sync::{Arc, Mutex},
    time::Duration,
};

use expression::Expression;
use futures::{
    StreamExt,
    channel::mpsc,
    future::{BoxFuture, join_all},
    stream::FuturesUnordered,
};
use pipeline::{
    Ack, Batch, Budget, Clock, Counter, DeadLetter, DeadLetterQueue, Event, Failure, Meters,
    Metric, Origin, Outcome, Outlet, Path, Processor, Released, SinkError, Source, SourceError,
    Stop, Tally, Timestamp, Turn,
};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::warn;

pub use self::{
    pace::Pace,
    step::{RECORDS_FAILED, RECORDS_IN, RECORDS_OUT, Step, TIME_ELAPSED},
    times::TIMES,
};
use self::{pace::QUEUE_ROOM, step::Change, times::Times};
use crate::{
    Accounts, Target, Wants,
    route::{Destination, Spread, spread},
};

/// How many writes of a lane may be under way; each has all that waited when its turn came.
const WRITES_MAX: usize = 4;
/// How often we ask processors with a memory what they kept back long enough.
const RELEASE_EVERY: Duration = Duration::from_millis(200);

/// How many events make a batch that need not wait for more, where a pipeline has a `delay`.
const BATCH_EVENTS: usize = 200;

/// Events that no sink wants.
pub static UNROUTED_EVENTS: Metric =
    Metric::counter("unroutedEvents", "Events that no route leads to a sink; they end here.");

/// One pipeline, built and ready to run. Cheap to clone; clones are the same pipeline.
#[derive(Clone)]
pub struct Pipeline(Arc<Inner>);

/// What a pipeline is made of. [`Parts::named`] gives one that has nothing yet.
#[derive(Debug)]
pub struct Parts {
    /// What it is called.
    pub name: String,
    /// Processors, in the order they apply.
    pub steps: Vec<Step>,
    /// Conditions; [`Wants`] name them by their place.
    pub routes: Vec<Expression>,
    /// Where events go.
    pub targets: Vec<Target>,
    /// Who keeps what a processor or source gave up on. Without it such events fail their batch.
    pub dead_letters: Option<Arc<dyn DeadLetterQueue>>,
    /// What time it is.
    pub clock: Clock,
    /// Where it is counted what happens.
    pub meters: Meters,
    /// What became of events before, where the pipeline was built anew.
    pub accounts: Arc<Accounts>,
    /// How fast it goes.
    pub pace: Pace,
    /// How much memory may be taken by what is under way; shared by all pipelines of a process.
    pub budget: Budget,
}

impl Parts {
    /// A pipeline that has nothing but a name and a clock.
    pub fn named(name: &str, clock: Clock) -> Parts {
        Parts {
            name: name.to_owned(),
            steps: Vec::new(),
            routes: Vec::new(),
            targets: Vec::new(),
            dead_letters: None,
            clock,
            meters: Meters::default(),
            accounts: Arc::default(),
            pace: Pace::default(),
            budget: Budget::default(),
        }
    }
}

struct Inner {
    parts: Parts,
    unrouted: Counter,
    times: Times,
    workers: Option<Semaphore>,
    outlet: Mutex<Option<Outlet>>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pipeline({})", self.name())
    }
}

impl From<Parts> for Pipeline {
    fn from(parts: Parts) -> Pipeline {
        let workers = parts.pace.workers.map(|n| Semaphore::new(n.get()));
        let meters = parts.meters.of(&parts.name, "pipeline");
        let (unrouted, times) = (meters.counter(&UNROUTED_EVENTS), Times::new(&meters));
        Pipeline(Arc::new(Inner { parts, unrouted, times, workers, outlet: Mutex::default() }))
    }
}

impl Pipeline {
    /// A pipeline whose processors have no names, and which keeps no dead letters: for tests and
    /// measurements.
    pub fn new(
        name: &str,
        processors: Vec<Box<dyn Processor>>,
        routes: Vec<Expression>,
        targets: Vec<Target>,
        clock: Clock,
    ) -> Pipeline {
        let mut parts = Parts { routes, targets, ..Parts::named(name, clock) };
        let meters = parts.meters.of(name, "processor");
        parts.steps =
            processors.into_iter().map(|it| Step::new("processor", it, &meters)).collect();
        Pipeline::from(parts)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.0.parts.name
    }

    /// What became of every event.
    pub fn accounts(&self) -> &Accounts {
        &self.0.parts.accounts
    }

    /// Whether its source runs and misses nothing from here on.
    pub fn is_ready(&self) -> bool {
        let outlet = self.0.outlet.lock().expect("no panics while locked");
        outlet.as_ref().is_some_and(Outlet::is_ready)
    }

    /// What keeps its source from going on for now, although it tries.
    pub fn source_problem(&self) -> Option<String> {
        let outlet = self.0.outlet.lock().expect("no panics while locked");
        outlet.as_ref().and_then(Outlet::problem)
    }

    /// Runs until the source has nothing more to read, or was asked to stop, and everything it sent
    /// is settled.
    ///
    /// # Errors
    ///
    /// When the source cannot go on.
    pub async fn run(&self, source: Box<dyn Source>, stop: Stop) -> Result<(), SourceError> {
        let Parts { budget, pace, clock, .. } = &self.0.parts;
        let (outlet, mut queues) =
            Outlet::within(budget.clone(), clock.clone(), pace.batches_waiting_max());
        self.set_outlet(Some(outlet.clone()));
        let mut lanes = JoinSet::new();
        let (at_end, ended) = Stop::pair();
        if self.has_memory() {
            let (pipeline, stop) = (self.clone(), stop.clone());
            lanes.spawn(async move { pipeline.release_in_time(stop, ended).await });
        }
        let reading = source.run(outlet, stop);
        tokio::pin!(reading);
        let read = loop {
            tokio::select! {
                read = &mut reading => break read,
                Some(queue) = queues.next() => {
                    let pipeline = self.clone();
                    lanes.spawn(async move { pipeline.deliver_all(queue).await });
                }
                Some(_ended) = lanes.join_next() => {}
            }
        };
        self.set_outlet(None);
        at_end.stop();
        while lanes.join_next().await.is_some() {}
        self.release(true).await;
        read
    }

    fn set_outlet(&self, outlet: Option<Outlet>) {
        *self.0.outlet.lock().expect("no panics while locked") = outlet;
    }

    fn has_memory(&self) -> bool {
        self.0.parts.steps.iter().any(|it| it.processor.stateful().is_some())
    }

    /// Serves other pipelines, which feed it: delivers what processors keep back when its time has
    /// come, or at once after `stop` is asked.
    /// `ended` says that nobody feeds it any more.
    pub async fn serve(&self, stop: Stop, ended: Stop) {
        if self.has_memory() {
            self.release_in_time(stop, ended).await;
            self.release(true).await;
        } else {
            ended.await;
        }
    }

    /// Takes one lane's batches to the sinks, in order. While a write has its turn the queue fills,
    /// and the next write takes all of it: the busier we are, the larger the batches. A write whose
    /// turn is over may still be under way.
    async fn deliver_all(&self, queue: mpsc::Receiver<Batch>) {
        let mut waiting = queue.ready_chunks(QUEUE_ROOM);
        let Pace { delay, batch_events, .. } = self.0.parts.pace;
        let enough = batch_events.map_or(BATCH_EVENTS, NonZeroUsize::get);
        let mut under_way = FuturesUnordered::new();
        loop {
            let mut batches = tokio::select! {
                Some(()) = under_way.next() => continue,
                batches = waiting.next(), if under_way.len() < WRITES_MAX => match batches {
                    Some(batches) => batches,
                    None => break,
                },
            };
            if let Some(delay) = delay.filter(|it| !it.is_zero()) {
                let until = Instant::now() + delay;
                while n_events(&batches) < enough {
                    tokio::select! {
                        Some(()) = under_way.next() => {}
                        more = timeout_at(until, waiting.next()) => match more {
                            Ok(Some(more)) => batches.extend(more),
                            _ => break,
                        },
                    }
                }
            }
            let (turn, mut over) = Turn::begin();
            under_way.push(self.deliver(batches, turn));
            loop {
                tokio::select! {
                    () = &mut over => break,
                    Some(()) = under_way.next() => {}
                }
            }
        }
        while under_way.next().await.is_some() {}
    }

    /// Delivers `events` while the caller waits; nothing is kept back. For Lambda, which keeps its
    /// own checkpoints.
    pub async fn deliver_now(&self, events: Vec<Event>) -> Outcome {
        let (ack, delivery) = Ack::promise();
        self.deliver(vec![Batch { events, ack }], Turn::begin().0).await;
        self.release(true).await;
        delivery.await
    }

    /// Takes batches through the processors and to the sinks. Until `turn` is dropped nothing else of
    /// their lane goes on.
    async fn deliver(&self, batches: Vec<Batch>, turn: Turn) {
        // A semaphore that is never closed always gives a permit.
        let _working = match &self.0.workers {
            Some(workers) => workers.acquire().await.ok(),
            None => None,
        };
        self.accounts().take(n_events(&batches) as u64);
        let (times, clock) = (&self.0.times, &self.0.parts.clock);
        let now = clock.now();
        let (mut events, mut acks, mut begun) = (Vec::new(), Vec::new(), Vec::new());
        for Batch { events: read, ack } in batches {
            begun.extend(times.begin(&ack, read.len(), now));
            let processed = self.process(0, read, slice::from_ref(&ack)).await;
            append(&mut events, processed);
            acks.push(ack);
        }
        if self.write(events, &acks, turn).await.is_ok() {
            acks.into_iter().for_each(Ack::delivered);
            times.end(&begun, clock.now());
        }
    }

    /// Takes the events of a pipeline that feeds this one. They are safe when it returns, or kept
    /// back together with shares of `acks`.
    pub(crate) fn feed<'a>(
        &'a self,
        events: Vec<Event>,
        acks: &'a [Ack],
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            self.accounts().take(events.len() as u64);
            let events = self.process(0, events, acks).await;
            self.write(events, acks, Turn::begin().0).await
        })
    }

    /// Gives every sink the events it wants, and the dead letters what somebody gave up on.
    ///
    /// # Errors
    ///
    /// When a write failed. The batches must fail, too, and are read again.
    async fn write(
        &self,
        mut events: Vec<Event>,
        acks: &[Ack],
        turn: Turn,
    ) -> Result<(), SinkError> {
        let Inner { parts: Parts { routes, targets, accounts, clock, .. }, .. } = &*self.0;
        let created = events.last().and_then(changed).map(|it| it.record.created_ms);
        let given_up = step::given_up(&mut events);
        let wants: Vec<&Wants> = targets.iter().map(|it| &it.wants).collect();
        let Spread { events, unwanted, added } = spread(events, routes, &wants);
        accounts.sort(unwanted, added);
        self.0.unrouted.add(unwanted);
        let n_sent = (events.iter().map(Vec::len).sum::<usize>() + given_up.len()) as u64;
        let write = |(it, events)| write_to(it, events, acks, turn.clone());
        let writes: Vec<_> = targets.iter().zip(events).map(write).collect();
        drop(turn);
        let (letters, written) = futures::join!(self.set_aside(given_up), join_all(writes));
        let written: Result<Vec<Written>, SinkError> =
            [letters].into_iter().chain(written).collect();
        match written {
            Ok(written) => {
                let mut tally = Tally::default();
                for it in &written {
                    tally += it.tally;
                }
                let passed = written.iter().map(|it| it.passed).sum();
                accounts.settle(n_sent, tally, passed, clock.now(), created.map(Timestamp));
                Ok(())
            }
            Err(error) => {
                warn!(pipeline = self.name(), %error, n = n_sent, "batch failed, to be read again");
                accounts.give_back(n_sent, error.to_string());
                Err(error)
            }
        }
    }

    /// Keeps what a processor or the source gave up on.
    async fn set_aside(&self, given_up: Vec<(Event, Failure)>) -> Result<Written, SinkError> {
        let Some((_, first)) = given_up.first() else { return Ok(Written::default()) };
        let Parts { dead_letters, clock, .. } = &self.0.parts;
        let Some(queue) = dead_letters else {
            let Failure { plugin, reason } = first;
            return Err(SinkError(format!(
                "{plugin}: {reason}; there is no place for dead letters"
            )));
        };
        let (now, n) = (clock.now(), given_up.len() as u64);
        let Failure { plugin, reason } = first.clone();
        let letters = given_up
            .into_iter()
            .map(|(event, failure)| DeadLetter::of_failed(event, failure, now))
            .collect();
        queue.add(letters).await?;
        let place = queue.place();
        warn!(pipeline = self.name(), n, %plugin, %reason, %place, "events set aside as dead letters");
        Ok(Written { tally: Tally { dead_lettered: n, ..Tally::default() }, passed: 0 })
    }

    /// Runs events through the processors from one of them on. What is kept back takes shares of
    /// `acks`.
    async fn process(&self, from: usize, events: Vec<Event>, acks: &[Ack]) -> Vec<Event> {
        let (mut events, steps) = (events, &self.0.parts.steps);
        let (mut filtered, mut added) = (0, 0);
        for step in steps.get(from..).unwrap_or_default() {
            let (after, change, wait) = step.take(events, acks, self.0.parts.clock.now());
            let Change { filtered: fewer, added: more } = change;
            (filtered, added) = (filtered + fewer, added + more);
            events = after;
            if !wait.is_zero() {
                sleep(wait).await;
            }
        }
        self.count(filtered, added);
        events
    }

    fn count(&self, filtered: u64, added: u64) {
        if filtered != 0 || added != 0 {
            self.accounts().sort(filtered, added);
        }
    }

    /// Delivers what processors kept back long enough, until the source has ended; all of it, and at
    /// once, after the pipeline was asked to stop, because its source waits for what it has sent.
    async fn release_in_time(&self, stop: Stop, ended: Stop) {
        while timeout(RELEASE_EVERY, ended.clone()).await.is_err() {
            self.release(stop.is_asked()).await;
        }
    }

    /// Delivers what processors kept back long enough, or all that they kept.
    async fn release(&self, all: bool) {
        for (place, step) in self.0.parts.steps.iter().enumerate() {
            let Some(stateful) = step.processor.stateful() else { continue };
            for Released { events, kept, acks } in stateful.release(self.0.parts.clock.now(), all) {
                if acks.iter().any(Ack::has_failed) {
                    let problem = "part of a batch failed; what was kept of it is read again";
                    self.accounts().give_back(kept, problem.to_owned());
                    continue;
                }
                let n = events.len() as u64;
                self.count(kept.saturating_sub(n), n.saturating_sub(kept));
                let events = self.process(place + 1, events, &acks).await;
                if self.write(events, &acks, Turn::begin().0).await.is_ok() {
                    acks.into_iter().for_each(Ack::delivered);
                }
            }
        }
    }

    pub(crate) fn set_problem(&self, problem: String) {
        self.accounts().set_problem(problem);
    }
}

/// What became of the events of one write.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    tally: Tally,
    /// How many another pipeline took over.
    passed: u64,
}

fn n_events(batches: &[Batch]) -> usize {
    batches.iter().map(|it| it.events.len()).sum()
}

/// A first batch is passed on as it is; nothing is moved.
fn append(events: &mut Vec<Event>, mut more: Vec<Event>) {
    if events.is_empty() {
        *events = more;
    } else {
        events.append(&mut more);
    }
}

async fn write_to(
    target: &Target,
    mut events: Vec<Event>,
    acks: &[Ack],
    turn: Turn,
) -> Result<Written, SinkError> {
    if events.is_empty() {
        return Ok(Written::default());
    }
    let n = events.len() as u64;
    match &target.to {
        Destination::Sink(sink) => {
            let Some(forward) = &target.forward else {
                let tally = sink.write_in_turn(events, turn).await?;
                return Ok(Written { tally, passed: 0 });
            };
            let copies = forward.number(&mut events);
            let tally = sink.write(events).await?;
            forward.send(copies, acks).await?;
            drop(turn);
            Ok(Written { tally, passed: 0 })
        }
        Destination::Pipeline(pipeline) => {
            pipeline.feed(events, acks).await?;
            drop(turn);
            Ok(Written { tally: Tally::default(), passed: n })
        }
    }
}

/// The change an event is. Rows of a load are as old as the load: they say nothing of how late we are.
fn changed(event: &Event) -> Option<&Origin> {
    event.origin.as_ref().filter(|it| it.path == Path::Stream)
}

#[cfg(test)]
mod tests;
