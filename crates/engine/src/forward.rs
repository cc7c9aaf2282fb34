//! What goes on to other pipelines once a sink has written it.
//!
//! A sink says how many events became what, not which. So each event is numbered on its way into
//! the sink, in its metadata, and the dead letters are asked for the numbers they were given.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use pipeline::{Ack, DeadLetter, DeadLetterQueue, Event, Map, SinkError, Value};

use crate::Pipeline;

/// The metadata that holds the number.
const NUMBER: &str = "streamdex_forward";

/// Pipelines without a source that get what a sink has written.
#[derive(Debug)]
pub struct Forward {
    /// Who gets it.
    pub pipelines: Vec<Pipeline>,
    /// Fields to add.
    pub data: Map,
    /// Metadata to add.
    pub metadata: Map,
    /// Who keeps the dead letters of that sink.
    pub letters: Arc<Noting>,
}

/// Keeps dead letters elsewhere, and remembers which numbers they had.
#[derive(Debug)]
pub struct Noting {
    queue: Arc<dyn DeadLetterQueue>,
    noted: Mutex<HashSet<u64>>,
    next: AtomicU64,
}

impl Noting {
    /// Keeps them in `queue`.
    pub fn new(queue: Arc<dyn DeadLetterQueue>) -> Noting {
        Noting { queue, noted: Mutex::default(), next: AtomicU64::new(1) }
    }

    fn take(&self, number: u64) -> bool {
        self.noted.lock().expect("no panics while locked").remove(&number)
    }
}

#[async_trait]
impl DeadLetterQueue for Noting {
    async fn add(&self, mut letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        let numbers: Vec<u64> = letters
            .iter_mut()
            .filter_map(|it| match it.event.metadata.shift_remove(NUMBER)? {
                Value::Number(number) => number.as_str().parse().ok(),
                _ => None,
            })
            .collect();
        self.queue.add(letters).await?;
        self.noted.lock().expect("no panics while locked").extend(numbers);
        Ok(())
    }

    fn place(&self) -> String {
        self.queue.place()
    }
}

impl Forward {
    /// Numbers the events, and keeps a copy of each.
    pub(crate) fn number(&self, events: &mut [Event]) -> Vec<(u64, Event)> {
        let number = |event: &mut Event| {
            let copy = event.clone();
            let number = self.letters.next.fetch_add(1, Ordering::Relaxed);
            event.metadata.insert(NUMBER.to_owned(), number.into());
            (number, copy)
        };
        events.iter_mut().map(number).collect()
    }

    /// Sends on what did not become a dead letter.
    pub(crate) async fn send(
        &self,
        copies: Vec<(u64, Event)>,
        acks: &[Ack],
    ) -> Result<(), SinkError> {
        let written = copies.into_iter().filter(|(number, _)| !self.letters.take(*number));
        let events: Vec<Event> = written.map(|(_, event)| self.complete(event)).collect();
        if events.is_empty() {
            return Ok(());
        }
        for pipeline in &self.pipelines {
            pipeline.feed(events.clone(), acks).await?;
        }
        Ok(())
    }

    fn complete(&self, mut event: Event) -> Event {
        if !self.data.is_empty()
            && let Ok(fields) = event.open()
        {
            fields.extend(self.data.clone());
        }
        event.metadata.extend(self.metadata.clone());
        event
    }
}
