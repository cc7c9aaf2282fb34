//! The sink itself: writes until every document is in the index, superseded, or a dead letter.

use std::time::Duration;

use async_trait::async_trait;
use aws::{Environment, Response};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use pipeline::{Clock, ConfigError, Event, Settings, Sink, SinkError, Tally};
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::{
    Bulk, Config, DeadLetter, DeadLetters, Rejected, Shape,
    client::{Client, RequestError},
    config::{IndexType, VersionType},
};

/// How long to wait before sending again, at first and at most.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(50);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);
/// The longest wait that we let the cluster ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);
/// How long the index remembers deletes, where we create it: longer than anything is sent late.
const GC_DELETES: &str = "1h";
/// Only what we read of the answer; it is a hundred bytes shorter per document.
const BULK_PATH: &str = "/_bulk?filter_path=errors,items.*.status,items.*.error";

/// Writes to one OpenSearch cluster.
#[derive(Debug)]
pub struct OpenSearchSink {
    config: Config,
    shape: Shape,
    client: Client,
    dead_letters: DeadLetters,
    clock: Clock,
    opens_documents: bool,
}

impl OpenSearchSink {
    /// The sink that the settings describe. Nothing is asked of the cluster yet.
    ///
    /// # Errors
    ///
    /// When an expression is none, or the certificate file is of no use.
    pub fn new(
        config: Config,
        settings: &Settings,
        environment: Environment,
        dead_letters: DeadLetters,
        clock: Clock,
    ) -> Result<OpenSearchSink, ConfigError> {
        let shape = Shape::new(&config, settings)?.with_clock(&clock);
        let client = Client::new(&config, environment)
            .map_err(|error| settings.problem("cert", error.to_string()))?;
        let opens_documents = shape.uses_fields();
        Ok(OpenSearchSink { config, shape, client, dead_letters, clock, opens_documents })
    }

    /// Makes sure that the cluster is there and lets us in, and that the index exists, so that a
    /// mistake is known before anything runs. A cluster that is only starting is waited for later.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, or says that we may not.
    pub async fn check(&self) -> Result<(), SinkError> {
        let answer = self.ask(Method::GET, "/", Bytes::new()).await.map_err(|error| {
            SinkError(format!("{error}; check `hosts`, and that OpenSearch is running there"))
        })?;
        self.check_allowed(&answer)?;
        match self.shape.same_index() {
            Some(index) if self.config.index_type == IndexType::Custom => self.ensure(&index).await,
            _ => Ok(()),
        }
    }

    /// Creates the index unless it, or an alias of its name, is there.
    async fn ensure(&self, index: &str) -> Result<(), SinkError> {
        let path = format!("/{index}");
        let failed = |error: RequestError| SinkError(error.to_string());
        let answer = self.ask(Method::HEAD, &path, Bytes::new()).await.map_err(failed)?;
        if answer.status != StatusCode::NOT_FOUND {
            return self.check_allowed(&answer);
        }
        let mut settings = json!({ "index.gc_deletes": GC_DELETES });
        if let Some(n) = self.config.number_of_shards {
            settings["index.number_of_shards"] = n.into();
        }
        if let Some(n) = self.config.number_of_replicas {
            settings["index.number_of_replicas"] = n.into();
        }
        let body = json!({ "settings": settings }).to_string();
        let answer = self.ask(Method::PUT, &path, body.into()).await.map_err(failed)?;
        self.check_allowed(&answer)?;
        let reason = error_reason(&answer.body);
        match answer.status.as_u16() {
            200..=299 => {
                info!(index, "created the index");
                Ok(())
            }
            // Someone else was quicker.
            400 if reason.contains("already exists") => Ok(()),
            // Not now; the first document will create it, or say why not.
            429 | 500..=599 => Ok(()),
            status => {
                Err(SinkError(format!("cannot create the index `{index}`: {status}: {reason}")))
            }
        }
    }

    fn check_allowed(&self, answer: &Response) -> Result<(), SinkError> {
        let host = self.client.host();
        match answer.status {
            StatusCode::UNAUTHORIZED => Err(SinkError(format!(
                "{host} does not know us (401); check `username` and `password`, or sign with `aws`"
            ))),
            StatusCode::FORBIDDEN => Err(SinkError(format!(
                "{host} does not let us (403): {}; grant the role or user `es:ESHttp*` or index rights",
                error_reason(&answer.body)
            ))),
            _ => Ok(()),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Response, RequestError> {
        self.client.send(method, path, "application/json", body).await
    }

    /// Sends one request until everything in it is settled.
    async fn deliver(&self, bulk: Bulk, events: &[Event]) -> Result<Tally, SinkError> {
        let mut tally = Tally::default();
        let mut todo = vec![bulk];
        while let Some(bulk) = todo.pop() {
            self.send(bulk, events, &mut tally, &mut todo).await?;
        }
        Ok(tally)
    }

    /// Sends `bulk` again and again, until nothing of it is left; when it is too large, its halves
    /// are added to `todo`.
    async fn send(
        &self,
        mut bulk: Bulk,
        events: &[Event],
        tally: &mut Tally,
        todo: &mut Vec<Bulk>,
    ) -> Result<(), SinkError> {
        let external = self.config.document_version.is_some()
            && self.config.document_version_type != VersionType::Internal;
        let mut n_tries = 0;
        let mut wait = RETRY_WAIT_MIN;
        let mut body = bulk.take_body();
        loop {
            let sent = self
                .client
                .send(Method::POST, BULK_PATH, "application/x-ndjson", body.clone())
                .await;
            let answer = match sent {
                Ok(answer) => Some(answer),
                Err(error) if error.is_transient() => {
                    warn!(%error, wait_ms = wait.as_millis(), "OpenSearch is away, sending again");
                    None
                }
                Err(error) => return Err(SinkError(error.to_string())),
            };
            let mut asked_wait = None;
            if let Some(answer) = answer {
                self.check_allowed(&answer)?;
                match answer.status.as_u16() {
                    200..=299 => {
                        let rest = bulk
                            .settle(&body, &answer.body, external)
                            .map_err(|error| SinkError(error.to_string()))?;
                        *tally += rest.tally;
                        *tally += self.set_aside(&rest.rejected, events).await?;
                        if rest.retry.is_empty() {
                            return Ok(());
                        }
                        if rest.retry.items.len() < bulk.items.len() {
                            wait = RETRY_WAIT_MIN;
                        }
                        bulk = rest.retry;
                        body = bulk.take_body();
                    }
                    // Too large for them, or spoilt by one of its documents: find out which.
                    400 | 413 if 1 < bulk.items.len() => {
                        let half = bulk.items.len() / 2;
                        todo.push(bulk.part(&body, |n| half <= n));
                        todo.push(bulk.part(&body, |n| n < half));
                        return Ok(());
                    }
                    status @ (400 | 413) => {
                        let reason = error_reason(&answer.body);
                        let rejected = Rejected { event: bulk.items[0].event, status, reason };
                        *tally += self.set_aside(&[rejected], events).await?;
                        return Ok(());
                    }
                    status @ (408 | 429 | 500..=599) => {
                        asked_wait = retry_after(&answer);
                        let reason = error_reason(&answer.body);
                        warn!(status, reason, "OpenSearch cannot take the request, sending again");
                    }
                    status => {
                        let host = self.client.host();
                        let reason = error_reason(&answer.body);
                        return Err(SinkError(format!(
                            "{host}/_bulk answered {status}: {reason}; is it OpenSearch?"
                        )));
                    }
                }
            }
            n_tries += 1;
            if self.config.max_retries.is_some_and(|it| it < n_tries) {
                let reason = format!("still not taken after {n_tries} tries; see `max_retries`");
                let rejected: Vec<Rejected> = bulk
                    .items
                    .iter()
                    .map(|it| Rejected { event: it.event, status: 0, reason: reason.clone() })
                    .collect();
                *tally += self.set_aside(&rejected, events).await?;
                return Ok(());
            }
            tokio::time::sleep(asked_wait.unwrap_or(wait)).await;
            wait = (wait * 2).min(RETRY_WAIT_MAX);
        }
    }

    /// Writes events to the dead letters.
    async fn set_aside(&self, rejected: &[Rejected], events: &[Event]) -> Result<Tally, SinkError> {
        if rejected.is_empty() {
            return Ok(Tally::default());
        }
        let at = self.clock.now();
        let rejected = rejected.to_vec();
        let events: Vec<Event> = rejected.iter().map(|it| events[it.event].clone()).collect();
        let index = self.shape.same_index().unwrap_or_default();
        let dead_letters = self.dead_letters.clone();
        let n = rejected.len() as u64;
        let first = rejected[0].reason.clone();
        let added = tokio::task::spawn_blocking(move || {
            let letters: Vec<DeadLetter<'_>> = rejected
                .iter()
                .zip(&events)
                .map(|(rejected, event)| DeadLetter {
                    event,
                    at,
                    index: &index,
                    action: event.origin.as_ref().map_or("index", pipeline::Origin::action),
                    status: rejected.status,
                    reason: &rejected.reason,
                })
                .collect();
            dead_letters.add(&letters)
        });
        let path = self.dead_letters.path().display();
        match added.await {
            Ok(Ok(())) => {
                warn!(n, %path, reason = first, "documents set aside as dead letters");
                Ok(Tally { dead_lettered: n, ..Tally::default() })
            }
            Ok(Err(error)) => {
                Err(SinkError(format!("cannot write dead letters to {path}: {error}")))
            }
            Err(error) => Err(SinkError(error.to_string())),
        }
    }
}

#[async_trait]
impl Sink for OpenSearchSink {
    async fn write(&self, mut events: Vec<Event>) -> Result<Tally, SinkError> {
        if self.opens_documents {
            for event in &mut events {
                // One that cannot be opened is found out when it is written.
                let _ = event.open();
            }
        }
        let mut tally = Tally::default();
        let mut next = 0;
        while next < events.len() {
            let mut rejected = Vec::new();
            let bytes_max = self.config.bulk_bytes_max();
            let bulk = Bulk::fill(&self.shape, &events, &mut next, bytes_max, &mut rejected);
            tally += self.set_aside(&rejected, &events).await?;
            if !bulk.is_empty() {
                tally += self.deliver(bulk, &events).await?;
            }
        }
        Ok(tally)
    }
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// What an error body says, shortened.
fn error_reason(body: &[u8]) -> String {
    let reason = serde_json::from_slice::<Value>(body).ok().and_then(|body| {
        let error = body.get("error")?;
        let reason = error.get("reason").unwrap_or(error);
        reason.as_str().map(str::to_owned)
    });
    let text = reason.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    text.chars().take(300).collect()
}
