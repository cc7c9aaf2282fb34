//! The sink itself: writes until every document is in the index, superseded, or a dead letter.

mod by_deadline;
mod deliver;
mod redrive;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

pub use self::redrive::Redriven;
use async_trait::async_trait;
use aws::Environment;
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use http::{Method, StatusCode};
use pipeline::{
    Clock, ConfigError, DeadLetter, DeadLetterQueue, Event, Meters, Settings, Sink, SinkError,
    Tally, Timestamp, Turn,
};
use serde_json::Value;
use tracing::{info, warn};

use crate::{
    Bulk, Config, Rejected, Shape,
    answer::{Policy, Refusal, forbidden, missing_right},
    bulk::Room,
    client::{Client, access_of},
    config::{IndexType, OnFailure},
    gate::Gate,
    index::{Files, Indices},
    metrics::{Count, Gauges, Metrics},
    template::{Plan, read_json},
    under_way::UnderWay,
};

/// A write is cut into requests that go side by side, but not into smaller ones.
const BULK_BYTES_MIN: usize = 512 << 10;

/// Writes to one OpenSearch cluster.
#[derive(Debug)]
pub struct OpenSearchSink {
    config: Config,
    policy: Policy,
    shape: Shape,
    client: Client,
    gate: Gate,
    under_way: UnderWay,
    indices: Indices,
    dead_letters: Arc<dyn DeadLetterQueue>,
    metrics: Metrics,
    clock: Clock,
    opens_documents: bool,
    /// How many bytes a document has, of late.
    document_bytes: AtomicUsize,
}

impl OpenSearchSink {
    /// The sink that the settings describe. Nothing is asked of the cluster yet.
    ///
    /// # Errors
    ///
    /// When an expression is none, or a file is of no use.
    pub fn new(
        config: Config,
        settings: &Settings,
        environment: Environment,
        dead_letters: Arc<dyn DeadLetterQueue>,
        clock: Clock,
    ) -> Result<OpenSearchSink, ConfigError> {
        let shape = Shape::new(&config, settings)?.with_clock(&clock);
        let files = files(&config, &environment);
        let client = Client::new(&config, environment, clock.clone()).map_err(|error| {
            let place = match error {
                aws::HttpError::Identity(_) => "authentication",
                _ => "cert",
            };
            settings.problem(place, error.to_string())
        })?;
        let creates_index = config.index_type() == IndexType::Custom;
        let indices = Indices::new(plan(&config, settings)?, files, creates_index);
        let policy = Policy {
            external: config.has_external_versions(),
            drops_conflicts: config.drop_version_conflicts,
            creates_index,
        };
        Ok(OpenSearchSink {
            policy,
            opens_documents: shape.uses_fields(),
            shape,
            client,
            gate: Gate::new(clock.clone()),
            under_way: UnderWay::default(),
            indices,
            dead_letters,
            metrics: Metrics::new(&Meters::default()),
            config,
            clock,
            document_bytes: AtomicUsize::new(1 << 10),
        })
    }

    /// Makes sure that the cluster is there and lets us in, and that the index exists, so that a
    /// mistake is known before anything runs.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, is none, or says that we may not.
    pub async fn check(&self) -> Result<(), SinkError> {
        // A collection has no such page.
        if !self.config.aws.as_ref().is_some_and(|it| it.serverless) {
            self.check_cluster().await?;
        }
        let Some(index) = self.shape.index_now() else { return Ok(()) };
        let names = self.shape.names(&index);
        let ensured = self.indices.ensure(&self.client, &names).await;
        ensured.map(|_| ()).map_err(|error| SinkError(error.to_string()))
    }

    async fn check_cluster(&self) -> Result<(), SinkError> {
        let sent = self.client.send(Method::GET, "/", "application/json", Bytes::new()).await;
        let answer = sent.map_err(|error| {
            SinkError(format!("{error}; check `hosts`, and that OpenSearch is running there"))
        })?;
        let host = self.client.host();
        let refusal = || Refusal::of_body(&answer.body);
        match answer.status {
            StatusCode::UNAUTHORIZED => {
                return Err(SinkError(forbidden(host, 401, &refusal().reason)));
            }
            StatusCode::FORBIDDEN => {
                let reason = refusal().reason;
                // Who may write need not be allowed to ask for the version.
                if !missing_right(&reason).is_some_and(|it| it.contains("monitor")) {
                    return Err(SinkError(forbidden(host, 403, &reason)));
                }
                warn!(host, reason, "the cluster does not tell its version");
                return Ok(());
            }
            _ => {}
        }
        let about: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match about.pointer("/version/number").and_then(Value::as_str) {
            Some(version) => {
                info!(host, version, "reached the cluster");
                Ok(())
            }
            None if answer.status.is_server_error() => Err(SinkError(format!(
                "{host} answers {}: {}; wait until the cluster is up",
                answer.status,
                refusal().reason
            ))),
            None => Err(SinkError(format!(
                "{host} answers {} and does not look like OpenSearch: {}; check `hosts` and `path_prefix`",
                answer.status,
                refusal().reason
            ))),
        }
    }

    /// The same sink, counting into `meters`.
    #[must_use]
    pub fn with_meters(self, meters: &Meters) -> OpenSearchSink {
        OpenSearchSink { metrics: Metrics::new(meters), ..self }
    }

    /// Notes how it goes just now.
    fn note_gauges(&self) {
        let (limit, under_way) = self.gate.places();
        self.metrics.set(Gauges { limit, under_way, hosts_away: self.client.n_away() });
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Up to where the next request may grow, which has a place already: what is left goes to it and
    /// all free places alike.
    fn room(&self, n_left: usize) -> Room {
        let (limit, under_way) = self.gate.places();
        let free = (limit + 1).saturating_sub(under_way).max(1);
        let left = self.bytes_left(n_left);
        let most = self.config.bulk_bytes_max();
        Room::of_bytes((left / free + left / 16).max(BULK_BYTES_MIN).min(most))
    }

    /// About how many bytes so many documents have.
    fn bytes_left(&self, n_left: usize) -> usize {
        self.document_bytes.load(Ordering::Relaxed).saturating_mul(n_left)
    }

    /// Writes events to the dead letters.
    async fn set_aside(&self, rejected: &[Rejected], events: &[Event]) -> Result<Tally, SinkError> {
        let Some(first) = rejected.first() else { return Ok(Tally::default()) };
        self.metrics.reject(rejected);
        if self.config.on_failure == OnFailure::Stop {
            return Err(SinkError(format!(
                "the index will not take a document ({}: {}), and `on_failure` is `stop`",
                first.cause, first.reason
            )));
        }
        let (n, at) = (rejected.len() as u64, self.clock.now());
        let of = |it: &Rejected| letter(it, events[it.event].clone(), at);
        self.dead_letters.add(rejected.iter().map(of).collect()).await?;
        let (cause, reason, place) = (&first.cause, &first.reason, self.dead_letters.place());
        warn!(n, place, cause, reason, "documents set aside as dead letters");
        Ok(Tally { dead_lettered: n, ..Tally::default() })
    }

    /// Cuts `events` into requests, and sends as many side by side as may go. Once the last one has
    /// left the turn is over: what comes next can no longer overtake.
    async fn write_all(
        &self,
        events: &[Event],
        came: Timestamp,
        turn: Option<Turn>,
    ) -> Result<Tally, SinkError> {
        let mut tally = Tally::default();
        let mut under_way = FuturesUnordered::new();
        let mut next = 0;
        while next < events.len() {
            // Only with a place at hand is it known how much has come by then, and what may go.
            let likely = self.bytes_left(events.len() - next).min(self.config.bulk_bytes_max());
            let entering = self.gate.enter(likely);
            tokio::pin!(entering);
            let place = loop {
                tokio::select! {
                    place = &mut entering => break place,
                    Some(delivered) = under_way.next() => tally += delivered?,
                }
            };
            let settled = self.under_way.settled();
            tokio::pin!(settled);
            settled.as_mut().enable();
            let mut rejected = Vec::new();
            let room = self.room(events.len() - next);
            let may_go = |document| self.under_way.may_go(document);
            let bulk =
                Bulk::fill_while(&self.shape, events, &mut next, room, &mut rejected, may_go);
            let documents = self.under_way.leave(bulk.documents());
            tally += self.set_aside(&rejected, events).await?;
            if !bulk.is_empty() {
                self.learn(&bulk);
                under_way.push(self.deliver(bulk, (place, documents), events, came));
                continue;
            }
            drop(place);
            if next < events.len() {
                // The next document waits for one that is under way, here or in another write.
                tokio::select! {
                    () = settled => {}
                    Some(delivered) = under_way.next() => tally += delivered?,
                }
            }
        }
        drop(turn);
        while let Some(delivered) = under_way.next().await {
            tally += delivered?;
        }
        Ok(tally)
    }

    async fn write_now(
        &self,
        mut events: Vec<Event>,
        turn: Option<Turn>,
    ) -> Result<Tally, SinkError> {
        let came = self.clock.now();
        self.metrics.add(Count::RecordsIn, events.len() as u64);
        if self.opens_documents {
            for event in &mut events {
                // One that cannot be opened is found out when it is written.
                let _ = event.open();
            }
        }
        self.write_all(&events, came, turn).await
    }

    fn learn(&self, bulk: &Bulk) {
        let each = bulk.body.len() / bulk.items.len().max(1);
        self.document_bytes.store(each.max(1), Ordering::Relaxed);
    }
}

#[async_trait]
impl Sink for OpenSearchSink {
    async fn write(&self, events: Vec<Event>) -> Result<Tally, SinkError> {
        self.write_now(events, None).await
    }

    async fn write_in_turn(&self, events: Vec<Event>, turn: Turn) -> Result<Tally, SinkError> {
        self.write_now(events, Some(turn)).await
    }
}

/// A letter with all it takes to send it again. What stood in a request is taken from there.
fn letter(rejected: &Rejected, event: Event, at: Timestamp) -> DeadLetter {
    let action = event.origin.as_ref().map_or("index", pipeline::Origin::action).to_owned();
    let version = event.origin.as_ref().map(|it| (it.version, "external".to_owned()));
    let mut letter = DeadLetter {
        event,
        at,
        plugin: "opensearch".to_owned(),
        index: String::new(),
        id: None,
        action,
        version,
        routing: None,
        document: None,
        status: rejected.status,
        cause: rejected.cause.clone(),
        reason: rejected.reason.clone(),
    };
    let mut lines = rejected.lines.splitn(2, |it| *it == b'\n');
    let about = lines.next().and_then(|it| serde_json::from_slice::<Value>(it).ok());
    let about = about.as_ref().and_then(Value::as_object).and_then(|it| it.iter().next());
    let Some((op, about)) = about else { return letter };
    let text = |name: &str| about.get(name).and_then(Value::as_str).map(str::to_owned);
    letter.index = text("_index").unwrap_or_default();
    letter.id = text("_id");
    letter.routing = text("routing");
    letter.action.clone_from(op);
    letter.version = about.get("version").and_then(Value::as_u64).zip(text("version_type"));
    let document = lines.next().map(<[u8]>::trim_ascii_end).filter(|it| !it.is_empty());
    // An update has more in its line than the document.
    letter.document = document.filter(|_| op != "update").map(|it| rejected.lines.slice_ref(it));
    letter
}

/// What stands in files at S3, which are read when the cluster is first asked.
fn files(config: &Config, environment: &Environment) -> Files {
    let at_s3 = |file: &Option<String>| file.clone().filter(|it| is_at_s3(it));
    Files {
        template: at_s3(&config.template_file),
        policy: at_s3(&config.ism_policy_file),
        access: access_of(&config.aws.clone().unwrap_or_default(), environment.clone()),
    }
}

fn is_at_s3(file: &str) -> bool {
    file.starts_with("s3://")
}

/// The plan for indices, with template and policy read from their files.
fn plan(config: &Config, settings: &Settings) -> Result<Plan, ConfigError> {
    let mut plan = Plan::new(config);
    let read = |name: &str, path: &str| -> Result<Value, ConfigError> {
        let text = std::fs::read_to_string(Path::new(path))
            .map_err(|error| settings.problem(name, format!("cannot read `{path}`: {error}")))?;
        read_json(&text).map_err(|problem| settings.problem(name, format!("`{path}`: {problem}")))
    };
    if let Some(text) = &config.template_content {
        let read = read_json(text);
        plan.template = Some(read.map_err(|it| settings.problem("template_content", it))?);
    } else if let Some(path) = config.template_file.as_ref().filter(|it| !is_at_s3(it)) {
        plan.template = Some(read("template_file", path)?);
    }
    if let Some(path) = config.ism_policy_file.as_ref().filter(|it| !is_at_s3(it)) {
        plan.policy = Some(read("ism_policy_file", path)?);
    }
    Ok(plan)
}
