//! Pipelines that write nothing: what they would have written is noted.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use engine::Noting;
use opensearch::{Op, Shape};
use pipeline::{
    DeadLetter, DeadLetterQueue, Event, Failure, Sink, SinkError, Tally, Timestamp, Value,
};

/// What pipelines would have written or set aside since somebody last asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rehearsal(Arc<Mutex<Noted>>);

/// What was noted.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// What sinks would have written.
    pub(crate) writes: Vec<Write>,
    /// Why events would have been set aside.
    pub(crate) dead_letters: Vec<String>,
}

/// What one sink would have done with one event.
#[derive(Debug)]
pub(crate) struct Write {
    /// The event, as it came to the sink.
    pub(crate) event: Event,
    /// Index, id, version and routing, as the request says them.
    pub(crate) target: Value,
    /// The operation.
    pub(crate) action: &'static str,
}

impl Rehearsal {
    /// What was noted since the last time.
    pub(crate) fn take(&self) -> Noted {
        std::mem::take(&mut *self.0.lock().expect("no panics while locked"))
    }

    fn note(&self, note: impl FnOnce(&mut Noted)) {
        note(&mut self.0.lock().expect("no panics while locked"));
    }
}

#[async_trait]
impl DeadLetterQueue for Rehearsal {
    async fn add(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        let reasons = letters.into_iter().map(|it| format!("{}: {}", it.plugin, it.reason));
        self.note(|noted| noted.dead_letters.extend(reasons));
        Ok(())
    }

    fn place(&self) -> String {
        "nowhere".to_owned()
    }
}

/// An `opensearch` sink that notes what it would write.
#[derive(Debug)]
pub(crate) struct RehearsedSink {
    shape: Shape,
    letters: Arc<Noting>,
    rehearsal: Rehearsal,
}

impl RehearsedSink {
    /// One of this shape.
    pub(crate) fn new(shape: Shape, letters: Arc<Noting>, rehearsal: &Rehearsal) -> RehearsedSink {
        RehearsedSink { shape, letters, rehearsal: rehearsal.clone() }
    }

    /// What the sink would send.
    fn shaped(&self, event: &Event) -> Result<(Op, Value), String> {
        let mut lines = Vec::new();
        let op = self.shape.write(event, &mut lines).map_err(|it| it.reason)?.op;
        let line = lines.split(|it| *it == b'\n').next().unwrap_or_default();
        match Value::from_json(line) {
            Ok(Value::Map(operation)) => {
                let target = operation.into_iter().next().map_or(Value::Null, |(_, it)| it);
                Ok((op, target))
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
                Ok((op, target)) => {
                    tally.indexed += 1;
                    let write = Write { event, target, action: op.name() };
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
