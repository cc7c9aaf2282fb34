//! Pipelines that write nothing: what they would have written is noted.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use engine::Noting;
use opensearch::{Config, Op, Shape};
use pipeline::{
    DeadLetter, DeadLetterQueue, Event, Failure, Sink, SinkError, Tally, Timestamp, Value,
};

/// What pipelines would have written or set aside since somebody last asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rehearsal {
    noted: Arc<Mutex<Noted>>,
    sinks: Arc<Mutex<Vec<Config>>>,
}

/// What was noted.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// What sinks would have written.
    pub(crate) writes: Vec<Write>,
    /// What would have been set aside.
    pub(crate) dead_letters: Vec<Refused>,
}

/// What would have been set aside, and why.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What was put on the event to know it by: [`MARK`].
    pub(crate) mark: Option<u64>,
    /// Why.
    pub(crate) reason: String,
}

/// The metadata by which whoever rehearses knows an event again.
pub(crate) const MARK: &str = "streamdex_rehearsed";

/// What was put on an event to know it by.
pub(crate) fn mark_of(event: &Event) -> Option<u64> {
    match event.metadata.get(MARK) {
        Some(Value::Number(it)) => it.as_str().parse().ok(),
        _ => None,
    }
}

/// What one sink would have done with one event.
#[derive(Debug)]
pub(crate) struct Write {
    /// Which sink, counted as they were built.
    pub(crate) sink: usize,
    /// The event, as it came to the sink.
    pub(crate) event: Event,
    /// What would stand in the request behind the operation.
    pub(crate) document: Vec<u8>,
    /// Index, id, version and routing, as the request says them.
    pub(crate) target: Value,
    /// The operation.
    pub(crate) action: &'static str,
}

impl Rehearsal {
    /// What was noted since the last time.
    pub(crate) fn take(&self) -> Noted {
        std::mem::take(&mut *self.noted.lock().expect("no panics while locked"))
    }

    /// The settings of the sinks, in the order in which they were built.
    pub(crate) fn sinks(&self) -> Vec<Config> {
        self.sinks.lock().expect("no panics while locked").clone()
    }

    fn add_sink(&self, config: Config) -> usize {
        let mut sinks = self.sinks.lock().expect("no panics while locked");
        sinks.push(config);
        sinks.len() - 1
    }

    fn note(&self, note: impl FnOnce(&mut Noted)) {
        note(&mut self.noted.lock().expect("no panics while locked"));
    }
}

#[async_trait]
impl DeadLetterQueue for Rehearsal {
    async fn add(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        let refused = letters.into_iter().map(|it| Refused {
            mark: mark_of(&it.event),
            reason: format!("{}: {}", it.plugin, it.reason),
        });
        self.note(|noted| noted.dead_letters.extend(refused));
        Ok(())
    }

    fn place(&self) -> String {
        "nowhere".to_owned()
    }
}

/// An `opensearch` sink that notes what it would write.
#[derive(Debug)]
pub(crate) struct RehearsedSink {
    number: usize,
    shape: Shape,
    letters: Arc<Noting>,
    rehearsal: Rehearsal,
}

impl RehearsedSink {
    /// One of this shape.
    pub(crate) fn new(
        config: Config,
        shape: Shape,
        letters: Arc<Noting>,
        rehearsal: &Rehearsal,
    ) -> RehearsedSink {
        let number = rehearsal.add_sink(config);
        RehearsedSink { number, shape, letters, rehearsal: rehearsal.clone() }
    }

    /// What the sink would send.
    fn shaped(&self, event: &Event) -> Result<(Op, Value, Vec<u8>), String> {
        let mut lines = Vec::new();
        let op = self.shape.write(event, &mut lines).map_err(|it| it.reason)?.op;
        let n = lines.iter().position(|it| *it == b'\n').unwrap_or(lines.len());
        let document = lines[n..].trim_ascii().to_vec();
        let line = &lines[..n];
        match Value::from_json(line) {
            Ok(Value::Map(operation)) => {
                let target = operation.into_iter().next().map_or(Value::Null, |(_, it)| it);
                Ok((op, target, document))
            }
            _ => Err("the request would not be JSON".to_owned()),
        }
    }
}

#[async_trait]
impl Sink for RehearsedSink {
    async fn write(&self, events: Vec<Event>) -> Result<Tally, SinkError> {
        let mut tally = Tally::default();
        for mut event in events {
            if self.shape.uses_fields() {
                // As in the sink: one that cannot be opened is found out when it is written.
                let _ = event.open();
            }
            match self.shaped(&event) {
                Ok((op, target, document)) => {
                    tally.indexed += 1;
                    let (sink, action) = (self.number, op.name());
                    let write = Write { sink, event, document, target, action };
                    self.rehearsal.note(|noted| noted.writes.push(write));
                }
                Err(reason) => {
                    tally.dead_lettered += 1;
                    let failure = Failure { plugin: "opensearch".to_owned(), reason };
                    let letter = DeadLetter::of_failed(event, failure, Timestamp(0));
                    self.letters.add(vec![letter]).await?;
                }
            }
        }
        Ok(tally)
    }
}
