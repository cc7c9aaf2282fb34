//! A source's way into the pipeline: ordered lanes of batches.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{SinkExt, channel::mpsc};

use crate::{Ack, Budget, Clock, Delivery, Event, weight};

/// Events that travel together and are acknowledged together.
#[derive(Debug)]
pub struct Batch {
    /// In the order the source read them.
    pub events: Vec<Event>,
    /// This batch's share of the promise made to the source.
    pub ack: Ack,
}

/// Where a source gets its lanes from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outlet {
    lanes: mpsc::UnboundedSender<mpsc::Receiver<Batch>>,
    room: usize,
    budget: Budget,
    clock: Clock,
    ready: Arc<AtomicBool>,
    problems: Arc<Mutex<BTreeMap<String, String>>>,
}

/// First in, first out. One per shard or export file.
#[derive(Debug)]
pub struct Lane {
    batches: mpsc::Sender<Batch>,
    budget: Budget,
    clock: Clock,
}

impl Outlet {
    /// An outlet, and the queues of the lanes opened through it. `room` is how many batches may
    /// wait in one.
    pub fn with_room(room: usize) -> (Outlet, mpsc::UnboundedReceiver<mpsc::Receiver<Batch>>) {
        Outlet::within(Budget::default(), Clock::real(), room)
    }

    /// The same; what is under way in all lanes together stays within `budget`, and batches note
    /// the time of `clock` when they are handed over.
    pub fn within(
        budget: Budget,
        clock: Clock,
        room: usize,
    ) -> (Outlet, mpsc::UnboundedReceiver<mpsc::Receiver<Batch>>) {
        let (lanes, queues) = mpsc::unbounded();
        let (ready, problems) = (Arc::default(), Arc::default());
        (Outlet { lanes, room, budget, clock, ready, problems }, queues)
    }

    /// Says that from here on nothing that happens is missed. Until a source says so, its pipeline
    /// counts as starting.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether the source said that it is ready.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Says what keeps a part of a source, such as its stream, from going on for now, although it tries
    /// again and again; `None` once it goes on.
    pub fn set_problem(&self, part: &str, problem: Option<String>) {
        let mut problems = self.problems.lock().expect("no panics while locked");
        match problem {
            Some(problem) => drop(problems.insert(part.to_owned(), problem)),
            None => drop(problems.remove(part)),
        }
    }

    /// What keeps the source from going on.
    pub fn problem(&self) -> Option<String> {
        let problems = self.problems.lock().expect("no panics while locked");
        problems.first_key_value().map(|(part, it)| format!("{part}: {it}"))
    }

    /// Opens a lane. What is sent down it arrives in order; lanes do not wait for each other.
    ///
    /// # Errors
    ///
    /// When the pipeline has stopped.
    pub fn lane(&self) -> Result<Lane, PipelineClosed> {
        let (sender, queue) = mpsc::channel(self.room);
        self.lanes.unbounded_send(queue).map_err(|_| PipelineClosed)?;
        let (budget, clock) = (self.budget.clone(), self.clock.clone());
        Ok(Lane { batches: sender, budget, clock })
    }
}

impl Lane {
    /// Hands `events` over, waiting for room and for memory. The delivery resolves when they are safe.
    ///
    /// # Errors
    ///
    /// When the pipeline has stopped.
    pub async fn send(&mut self, events: Vec<Event>) -> Result<Delivery, PipelineClosed> {
        let at = self.clock.now();
        let room = self.budget.take(weight(&events)).await;
        let (ack, delivery) = Ack::promise_in(room, at);
        self.batches.send(Batch { events, ack }).await.map_err(|_| PipelineClosed)?;
        Ok(delivery)
    }
}

/// The pipeline stopped while a source was still sending.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the pipeline is closed")]
pub struct PipelineClosed;
