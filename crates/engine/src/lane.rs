//! Takes batches from their queue through the processors to the sinks. The only place where acks are
//! settled.

use std::{
    slice,
    sync::{Arc, Mutex},
    time::Duration,
};

use expression::Expression;
use futures::{StreamExt, channel::mpsc, future::join_all};
use pipeline::{
    Ack, Batch, Clock, Event, Flow, Outcome, Outlet, ProcessError, Processor, Released, Sink,
    SinkError, Source, SourceError, Stateful, Stop, Taken, Tally, Timestamp,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::warn;

use crate::{
    Accounts, Target, Wants,
    route::{Spread, spread},
};

/// How many batches may wait between the source and the processors of a lane.
const QUEUE_ROOM: usize = 16;
/// How often we ask processors with a memory what they kept back long enough.
const RELEASE_EVERY: Duration = Duration::from_millis(200);

/// One pipeline, built and ready to run. Cheap to clone; clones are the same pipeline.
#[derive(Clone)]
pub struct Pipeline(Arc<Inner>);

struct Inner {
    name: String,
    processors: Vec<Box<dyn Processor>>,
    routes: Vec<Expression>,
    targets: Vec<Target>,
    clock: Clock,
    accounts: Accounts,
    outlet: Mutex<Option<Outlet>>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pipeline({})", self.0.name)
    }
}

impl Pipeline {
    /// A pipeline of processors, in the order they apply, and sinks that each get what they want:
    /// their [`crate::Wants`] name `routes` by their place.
    pub fn new(
        name: &str,
        processors: Vec<Box<dyn Processor>>,
        routes: Vec<Expression>,
        targets: Vec<Target>,
        clock: Clock,
    ) -> Pipeline {
        let (accounts, outlet) = (Accounts::default(), Mutex::default());
        let name = name.to_owned();
        Pipeline(Arc::new(Inner { name, processors, routes, targets, clock, accounts, outlet }))
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What became of every event.
    pub fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    /// Whether its source runs and misses nothing from here on.
    pub fn is_ready(&self) -> bool {
        let outlet = self.0.outlet.lock().expect("no panics while locked");
        outlet.as_ref().is_some_and(Outlet::is_ready)
    }

    /// Runs until the source has nothing more to read, or was asked to stop, and everything it sent
    /// is settled.
    ///
    /// # Errors
    ///
    /// When the source cannot go on.
    pub async fn run(&self, source: Box<dyn Source>, stop: Stop) -> Result<(), SourceError> {
        let (outlet, mut queues) = Outlet::with_room(QUEUE_ROOM);
        self.set_outlet(Some(outlet.clone()));
        let mut lanes = JoinSet::new();
        let (at_end, ended) = Stop::pair();
        if self.0.processors.iter().any(|it| it.stateful().is_some()) {
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

    /// Takes one lane's batches to the sinks, in order. While a write is under way the queue fills,
    /// and the next write takes all of it: the busier we are, the larger the batches.
    async fn deliver_all(&self, queue: mpsc::Receiver<Batch>) {
        let mut waiting = queue.ready_chunks(QUEUE_ROOM);
        while let Some(batches) = waiting.next().await {
            self.deliver(batches).await;
        }
    }

    /// Delivers `events` while the caller waits; nothing is kept back. For Lambda, which keeps its
    /// own checkpoints.
    pub async fn deliver_now(&self, events: Vec<Event>) -> Outcome {
        let (ack, delivery) = Ack::promise();
        self.deliver(vec![Batch { events, ack }]).await;
        self.release(true).await;
        delivery.await
    }

    /// Takes batches through the processors and to the sinks.
    async fn deliver(&self, batches: Vec<Batch>) {
        let n_read: usize = batches.iter().map(|it| it.events.len()).sum();
        self.0.accounts.take(n_read as u64);
        let (mut events, mut acks) = (Vec::new(), Vec::new());
        for Batch { events: read, ack } in batches {
            let processed = self.process(0, read, slice::from_ref(&ack)).await;
            append(&mut events, processed);
            acks.push(ack);
        }
        self.write(events, acks).await;
    }

    /// Gives every sink the events it wants. A failed write drops the acks, and so fails the batches.
    async fn write(&self, events: Vec<Event>, acks: Vec<Ack>) {
        let Inner { routes, targets, accounts, clock, .. } = &*self.0;
        let created =
            events.last().and_then(|it| it.origin.as_ref()).map(|it| it.record.created_ms);
        let wants: Vec<&Wants> = targets.iter().map(|it| &it.wants).collect();
        let Spread { events, unwanted, added } = spread(events, routes, &wants);
        accounts.sort(unwanted, added);
        let n_sent = events.iter().map(Vec::len).sum::<usize>() as u64;
        let writes = targets.iter().zip(events).map(|(it, events)| write(it.sink.as_ref(), events));
        let mut tally = Tally::default();
        for written in join_all(writes).await {
            match written {
                Ok(it) => tally += it,
                Err(error) => {
                    warn!(pipeline = self.name(), %error, n = n_sent, "batch failed, to be read again");
                    accounts.give_back(n_sent, error.to_string());
                    return;
                }
            }
        }
        accounts.settle(n_sent, tally, clock.now(), created.map(Timestamp));
        acks.into_iter().for_each(Ack::delivered);
    }

    /// Runs events through the processors from one of them on. What is kept back takes shares of
    /// `acks`.
    async fn process(&self, from: usize, events: Vec<Event>, acks: &[Ack]) -> Vec<Event> {
        let (mut events, mut from) = (events, from);
        loop {
            let rest = self.0.processors.get(from..).unwrap_or_default();
            if rest.is_empty() {
                return events;
            }
            let n_plain = rest.iter().take_while(|it| it.stateful().is_none()).count();
            if n_plain == 0
                && let Some(stateful) = rest.first().and_then(|it| it.stateful())
            {
                events = self.take(stateful, events, acks).await;
            } else {
                events = self.change(&rest[..n_plain], events);
            }
            from += n_plain.max(1);
        }
    }

    /// Runs events through processors that have no memory.
    fn change(&self, processors: &[Box<dyn Processor>], events: Vec<Event>) -> Vec<Event> {
        let (mut filtered, mut added) = (0, 0);
        let mut changed = Vec::with_capacity(events.len());
        for event in events {
            let n_before = changed.len();
            apply(processors, event, &mut changed);
            match changed.len() - n_before {
                0 => filtered += 1,
                n => added += n as u64 - 1,
            }
        }
        self.count(filtered, added);
        changed
    }

    /// Shows events to a processor that has a memory, and waits if it says so.
    async fn take(&self, stateful: &dyn Stateful, events: Vec<Event>, acks: &[Ack]) -> Vec<Event> {
        let n_before = events.len() as u64;
        let Taken { mut events, kept, failed, wait } =
            stateful.take(events, acks, self.0.clock.now());
        events.extend(failed.into_iter().map(|(event, error)| set_aside(event, &error)));
        let n_left = n_before.saturating_sub(kept);
        self.count(n_left.saturating_sub(events.len() as u64), 0);
        if !wait.is_zero() {
            sleep(wait).await;
        }
        events
    }

    fn count(&self, filtered: u64, added: u64) {
        if filtered != 0 || added != 0 {
            self.0.accounts.sort(filtered, added);
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
        for (place, processor) in self.0.processors.iter().enumerate() {
            let Some(stateful) = processor.stateful() else { continue };
            for Released { events, kept, acks } in stateful.release(self.0.clock.now(), all) {
                if acks.iter().any(Ack::has_failed) {
                    let problem = "part of a batch failed; what was kept of it is read again";
                    self.0.accounts.give_back(kept, problem.to_owned());
                    continue;
                }
                let n = events.len() as u64;
                self.count(kept.saturating_sub(n), n.saturating_sub(kept));
                let events = self.process(place + 1, events, &acks).await;
                self.write(events, acks).await;
            }
        }
    }

    pub(crate) fn set_problem(&self, problem: String) {
        self.0.accounts.set_problem(problem);
    }
}

/// A first batch is passed on as it is; nothing is moved.
fn append(events: &mut Vec<Event>, mut more: Vec<Event>) {
    if events.is_empty() {
        *events = more;
    } else {
        events.append(&mut more);
    }
}

async fn write(sink: &dyn Sink, events: Vec<Event>) -> Result<Tally, SinkError> {
    if events.is_empty() { Ok(Tally::default()) } else { sink.write(events).await }
}

/// Runs one event through processors that have no memory. What becomes of it is appended to `out`.
fn apply(processors: &[Box<dyn Processor>], mut event: Event, out: &mut Vec<Event>) {
    for (n, processor) in processors.iter().enumerate() {
        match processor.process(&mut event) {
            Ok(Flow::Keep) => {}
            Ok(Flow::Drop) => return,
            Ok(Flow::Replace(events)) => {
                for event in events {
                    apply(&processors[n + 1..], event, out);
                }
                return;
            }
            Err(error) => event = set_aside(event, &error),
        }
    }
    out.push(event);
}

/// What becomes of an event that could not be processed.
fn set_aside(mut event: Event, error: &ProcessError) -> Event {
    event.tags.push(error.to_string());
    event
}

#[cfg(test)]
mod tests;
