//! What will never get through, and where it is kept instead.
//!
//! Three places give up on an event: a source that cannot decode a record, a processor that fails
//! on it, a sink whose index will not take it. The first two mark the event with a [`Failure`] and
//! let it travel on, so that it keeps its place and its ack; the engine takes it out. All of them
//! end in one [`DeadLetterQueue`].

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Event, SinkError, Timestamp};

/// Why an event goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Who gave up: `dynamodb`, `parse_json`.
    pub plugin: String,
    /// Why, for a person.
    pub reason: String,
}

/// One event that is set aside, with all that is needed to send it again.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The event, as it was when somebody gave up.
    pub event: Event,
    /// When.
    pub at: Timestamp,
    /// Who gave up: `opensearch`, `dynamodb`, `parse_json`.
    pub plugin: String,
    /// The index it was for; empty if that was not known yet.
    pub index: String,
    /// The document's id, if it was known.
    pub id: Option<String>,
    /// What was to be done: `index`, `create`, `update`, `upsert`, `delete`.
    pub action: String,
    /// The document version and its type, if there was one.
    pub version: Option<(u64, String)>,
    /// The routing, if there was one.
    pub routing: Option<String>,
    /// The document as it was to be sent, if it came so far; else it is that of the event.
    pub document: Option<Bytes>,
    /// OpenSearch's status; 0 if it was never asked.
    pub status: u16,
    /// One word to sort by: OpenSearch's type of error, or ours.
    pub cause: String,
    /// Why, for a person.
    pub reason: String,
}

impl DeadLetter {
    /// The cause of what never came as far as a sink.
    pub const FAILED: &'static str = "failed_on_the_way";

    /// The letter of an event that never came as far as a sink.
    pub fn of_failed(event: Event, failure: Failure, at: Timestamp) -> DeadLetter {
        let action = event.origin.as_ref().map_or("index", crate::Origin::action).to_owned();
        let version = event.origin.as_ref().map(|it| (it.version, "external".to_owned()));
        DeadLetter {
            event,
            at,
            plugin: failure.plugin,
            index: String::new(),
            id: None,
            action,
            version,
            routing: None,
            document: None,
            status: 0,
            cause: DeadLetter::FAILED.to_owned(),
            reason: failure.reason,
        }
    }
}

/// Keeps dead letters.
#[async_trait]
pub trait DeadLetterQueue: Send + Sync + std::fmt::Debug {
    /// Adds letters. They are durable when it returns.
    ///
    /// # Errors
    ///
    /// When they could not be written. Then they are not safe, and their batch must fail.
    async fn add(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError>;

    /// Where they are, for a person: a path, an `s3://` address.
    fn place(&self) -> String;
}
