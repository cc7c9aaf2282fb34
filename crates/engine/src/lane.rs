//! Takes batches from their queue through the processors to the sinks. The only place where acks are
//! settled.

use std::sync::{Arc, Mutex};

use expression::Expression;
use futures::{StreamExt, channel::mpsc, future::join_all};
use pipeline::{
    Ack, Batch, Clock, Event, Flow, Outcome, Outlet, Processor, Sink, SinkError, Source,
    SourceError, Stop, Tally, Timestamp,
};
use tokio::task::JoinSet;
use tracing::warn;

use crate::{
    Accounts, Target, Wants,
    route::{Spread, spread},
};

/// How many batches may wait between the source and the processors of a lane.
const QUEUE_ROOM: usize = 16;

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
        while lanes.join_next().await.is_some() {}
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

    /// Delivers `events` while the caller waits. For Lambda, which keeps its own checkpoints.
    pub async fn deliver_now(&self, events: Vec<Event>) -> Outcome {
        let (ack, delivery) = Ack::promise();
        self.deliver(vec![Batch { events, ack }]).await;
        delivery.await
    }

    /// Takes batches all the way. A failed write drops their acks, and so fails them.
    async fn deliver(&self, batches: Vec<Batch>) {
        let Inner { routes, targets, accounts, clock, .. } = &*self.0;
        let (events, acks): (Vec<Vec<Event>>, Vec<Ack>) =
            batches.into_iter().map(|Batch { events, ack }| (events, ack)).unzip();
        let n_read: usize = events.iter().map(Vec::len).sum();
        accounts.take(n_read as u64);
        let events: Vec<Event> = if self.0.processors.is_empty() {
            flatten(events)
        } else {
            events.into_iter().flatten().flat_map(|event| self.process(event)).collect()
        };
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

    /// Runs one event through the processors.
    fn process(&self, event: Event) -> Vec<Event> {
        let mut events = vec![event];
        for processor in &self.0.processors {
            let n_before = events.len();
            let after: Vec<Event> =
                events.into_iter().flat_map(|event| apply(processor.as_ref(), event)).collect();
            self.count(n_before, after.len());
            events = after;
        }
        events
    }

    fn count(&self, n_before: usize, n_after: usize) {
        if n_before != n_after {
            let filtered = n_before.saturating_sub(n_after) as u64;
            let added = n_after.saturating_sub(n_before) as u64;
            self.0.accounts.sort(filtered, added);
        }
    }

    pub(crate) fn set_problem(&self, problem: String) {
        self.0.accounts.set_problem(problem);
    }
}

/// One batch is passed on as it is; nothing is moved.
fn flatten(mut batches: Vec<Vec<Event>>) -> Vec<Event> {
    if batches.len() == 1 {
        batches.swap_remove(0)
    } else {
        batches.into_iter().flatten().collect()
    }
}

async fn write(sink: &dyn Sink, events: Vec<Event>) -> Result<Tally, SinkError> {
    if events.is_empty() { Ok(Tally::default()) } else { sink.write(events).await }
}

fn apply(processor: &dyn Processor, mut event: Event) -> Vec<Event> {
    match processor.process(&mut event) {
        Ok(Flow::Keep) => vec![event],
        Ok(Flow::Drop) => Vec::new(),
        Ok(Flow::Replace(events)) => events,
        Err(error) => {
            event.tags.push(error.to_string());
            vec![event]
        }
    }
}

#[cfg(test)]
mod tests;
