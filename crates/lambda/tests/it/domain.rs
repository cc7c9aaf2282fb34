//! A domain, a queue and a bucket at one address, with faults on demand.
//!
//! `_bulk` has OpenSearch's rules for external versions, refuses what it refuses (a text where a
//! number was mapped, names it keeps for itself, deep documents), and answers items in order.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws::Environment;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::HeaderValue,
    response::Response,
};
use futures::FutureExt;
use lambda::{Context, Failure, Function, Handled, settings::SettingsError};
use pipeline::Clock;
use serde_json::{Value, json};

/// How the function writes; what a client asks with the proxy looks different.
const OUR_BULK: &str = "/_bulk?filter_path=errors%2C";

/// What the next requests to `_bulk` meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing out of the ordinary.
    None,
    /// The whole request is answered with this status, and nothing is done.
    Status(u16),
    /// All is done, but nobody hears of it.
    Unheard,
    /// Every second item is answered 429.
    SomeBusy,
    /// Every item is answered with this status.
    Items(u16),
    /// The answer takes longer than anybody waits.
    Stuck,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// A document, or the memory of one.
#[derive(Clone, Debug)]
struct Stored {
    version: i64,
    source: Option<String>,
}

/// What the answer to anything but `_bulk` is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canned {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) after: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    documents: BTreeMap<(String, String), Stored>,
    pub(crate) faults: VecDeque<Fault>,
    /// Requests larger than this are answered 413.
    pub(crate) bytes_max: Option<usize>,
    pub(crate) requests: Vec<Recorded>,
    pub(crate) canned: Canned,
    pub(crate) queue: Vec<Value>,
    pub(crate) bucket: BTreeMap<String, Value>,
    pub(crate) queue_is_down: bool,
    pub(crate) bucket_is_down: bool,
}

/// All of it, while a test runs.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    world: Arc<Mutex<World>>,
    pub(crate) address: SocketAddr,
}

impl Domain {
    pub(crate) async fn start() -> Domain {
        let world = Arc::new(Mutex::new(World {
            canned: Canned { status: 200, ..Canned::default() },
            ..World::default()
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&world));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Domain { world, address }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The ids and documents of an index.
    pub(crate) fn index(&self, index: &str) -> BTreeMap<String, String> {
        let world = self.world();
        let found = world.documents.iter().filter(|((it, _), _)| it == index);
        found.filter_map(|((_, id), it)| Some((id.clone(), it.source.clone()?))).collect()
    }

    pub(crate) fn document(&self, index: &str, id: &str) -> Option<Value> {
        self.index(index).get(id).map(|it| serde_json::from_str(it).unwrap())
    }

    /// The requests that were passed on to something else than `_bulk`.
    pub(crate) fn passed_on(&self) -> Vec<Recorded> {
        let world = self.world();
        world.requests.iter().filter(|it| !it.target.starts_with(OUR_BULK)).cloned().collect()
    }

    /// How many requests to `_bulk` there were.
    pub(crate) fn n_bulks(&self) -> usize {
        self.world().requests.iter().filter(|it| it.target.starts_with(OUR_BULK)).count()
    }

    /// The seed's function, with more variables.
    pub(crate) fn function(&self, more: &[(&str, &str)]) -> Function {
        self.started(more).now_or_never().expect("nobody is asked anything").unwrap()
    }

    /// A function with a pipeline file.
    pub(crate) async fn function_of(
        &self,
        file: &str,
        more: &[(&str, &str)],
    ) -> Result<Function, SettingsError> {
        let more = [&[("STREAMDEX_PIPELINE", file)], more].concat();
        self.started(&more).await
    }

    async fn started(&self, more: &[(&str, &str)]) -> Result<Function, SettingsError> {
        let host = format!("http://{}/", self.address);
        let endpoint = host.trim_end_matches('/').to_owned();
        let mut variables: BTreeMap<&str, &str> = BTreeMap::from([
            ("HOST", host.as_str()),
            ("API_STAGE", "dev"),
            ("ES_INDEX", "books"),
            ("DB_HASH_KEY", "author"),
            ("DB_SORT_KEY", "bookTitle"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ]);
        variables.extend(more.iter().copied());
        let mut variables: Vec<(&str, &str)> = variables.into_iter().collect();
        variables.resize(24, ("UNUSED", ""));
        let variables: [(&str, &str); 24] = variables.try_into().unwrap();
        Function::new(&Environment::of(variables), &Clock::real()).await
    }
}

/// An event of `tests/events`, by the beginning of its name.
pub(crate) fn event(name: &str) -> Bytes {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/events");
    let mut files = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let begins = format!("{name}-");
    let file = files.find(|it| it.file_name().unwrap().to_str().unwrap().starts_with(&begins));
    Bytes::from(std::fs::read(file.unwrap()).unwrap())
}

pub(crate) fn json_event(name: &str) -> Value {
    serde_json::from_slice(&event(name)).unwrap()
}

/// An invocation that may take so long.
pub(crate) fn context(left: Duration) -> Context {
    let deadline = Clock::real().now().after(left);
    Context { request_id: "11111111-2222-3333-4444-555555555555".to_owned(), deadline }
}

/// Handles an event with a minute to go.
pub(crate) async fn handle(function: &Function, payload: Bytes) -> Result<Handled, Failure> {
    function.handle(payload, &context(Duration::from_mins(1))).await
}

/// The numbers of an answer to a batch.
pub(crate) fn failures(handled: &Handled) -> Vec<String> {
    let answer: Value = serde_json::from_str(&handled.answer).unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap();
    failures.iter().map(|it| it["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn metric(metrics: &[lambda::metrics::Metric], name: &str) -> i64 {
    metrics.iter().find(|(it, ..)| *it == name).map(|(.., value)| *value).unwrap()
}

async fn answer(State(world): State<Arc<Mutex<World>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let recorded = Recorded {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: head.headers.iter().map(|(name, it)| (name.to_string(), text(it))).collect(),
        body: body.clone(),
    };
    let (answer, after) = {
        let mut world = world.lock().unwrap();
        world.requests.push(recorded.clone());
        world.answer(&recorded)
    };
    tokio::time::sleep(after).await;
    answer
}

impl World {
    fn answer(&mut self, request: &Recorded) -> (Response, Duration) {
        if let Some(target) = request.header("x-amz-target") {
            assert_eq!(target, "AmazonSQS.SendMessage");
            if self.queue_is_down {
                return (plain(500, "{}"), Duration::ZERO);
            }
            self.queue.push(serde_json::from_slice(&request.body).unwrap());
            return (plain(200, r#"{"MessageId":"m"}"#), Duration::ZERO);
        }
        if request.method == "PUT" && request.header("x-amz-content-sha256").is_some() {
            if self.bucket_is_down {
                return (plain(403, "<Error><Code>AccessDenied</Code></Error>"), Duration::ZERO);
            }
            let body = serde_json::from_slice(&request.body).unwrap();
            self.bucket.insert(request.target.clone(), body);
            let taken = Response::builder().header("etag", "\"x\"");
            return (taken.body(Body::empty()).unwrap(), Duration::ZERO);
        }
        if request.target.starts_with(OUR_BULK) {
            return self.bulk(&request.body);
        }
        let mut response = Response::builder().status(self.canned.status);
        for (name, value) in &self.canned.headers {
            response = response.header(name, value);
        }
        (response.body(Body::from(self.canned.body.clone())).unwrap(), self.canned.after)
    }

    fn bulk(&mut self, body: &[u8]) -> (Response, Duration) {
        if self.bytes_max.is_some_and(|it| it < body.len()) {
            return (plain(413, ""), Duration::ZERO);
        }
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        let busy = json!({ "type": "es_rejected_execution_exception", "reason": "queue full" });
        match fault {
            Fault::Status(status) => {
                return (plain(status, r#"{"error":{"reason":"as told"}}"#), Duration::ZERO);
            }
            Fault::Items(status) => {
                let n = String::from_utf8_lossy(body).lines().filter(|it| is_action(it)).count();
                let kind = match status {
                    403 => "security_exception",
                    404 => "index_not_found_exception",
                    _ => "es_rejected_execution_exception",
                };
                let error = json!({ "type": kind, "reason": "as told" });
                let item = json!({ "index": { "status": status, "error": error } });
                let answer = json!({ "errors": true, "items": vec![item; n] });
                return (plain(200, &answer.to_string()), Duration::ZERO);
            }
            _ => {}
        }
        let mut items = Vec::new();
        let mut lines = body.split(|it| *it == b'\n').filter(|it| !it.is_empty());
        while let Some(line) = lines.next() {
            let action: Value = serde_json::from_slice(line).unwrap();
            let (op, meta) = action.as_object().unwrap().iter().next().unwrap();
            let source =
                (op != "delete").then(|| String::from_utf8(lines.next().unwrap().to_vec()));
            if meta.get("_type").is_some() {
                let reason = r#"{"error":{"reason":"unknown parameter [_type]"}}"#;
                return (plain(400, reason), Duration::ZERO);
            }
            let result = if fault == Fault::SomeBusy && items.len() % 2 == 0 {
                json!({ "status": 429, "error": busy })
            } else {
                self.apply(meta, source.map(Result::unwrap))
            };
            items.push(json!({ op: result }));
        }
        let answer = json!({ "errors": false, "items": items }).to_string();
        match fault {
            Fault::Unheard => (plain(502, "{}"), Duration::ZERO),
            Fault::Stuck => (plain(200, &answer), Duration::from_hours(1)),
            _ => (plain(200, &answer), Duration::ZERO),
        }
    }

    fn apply(&mut self, meta: &Value, source: Option<String>) -> Value {
        let text = |name: &str| meta[name].as_str().unwrap().to_owned();
        assert_eq!(text("version_type"), "external_gte");
        assert!(text("_id").len() <= 512);
        if let Some(problem) = source.as_deref().and_then(refusal) {
            let error = json!({ "type": "mapper_parsing_exception", "reason": problem });
            return json!({ "status": 400, "error": error });
        }
        let version = meta["version"].as_i64().unwrap();
        let key = (text("_index"), text("_id"));
        let known = self.documents.get(&key);
        if known.is_some_and(|it| version < it.version) {
            let error = json!({ "type": "version_conflict_engine_exception", "reason": "newer" });
            return json!({ "status": 409, "error": error });
        }
        let is_there = known.is_some_and(|it| it.source.is_some());
        let status = match &source {
            Some(_) => 201,
            None if is_there => 200,
            None => 404,
        };
        self.documents.insert(key, Stored { version, source });
        json!({ "status": status })
    }
}

fn is_action(line: &str) -> bool {
    line.starts_with("{\"index\":{\"_index\"") || line.starts_with("{\"delete\":{\"_index\"")
}

/// Why OpenSearch would not take a document.
fn refusal(source: &str) -> Option<String> {
    let document: Value = serde_json::from_str(source).unwrap();
    let fields = document.as_object().unwrap();
    if fields.get("pages").is_some_and(Value::is_string) {
        return Some(
            "failed to parse field [pages] of type [long] in document with id 'x'. Preview of \
             field's value: 'four hundred'"
                .to_owned(),
        );
    }
    for name in fields.keys() {
        let is_odd = name.trim().is_empty()
            || name.starts_with('.')
            || name.ends_with('.')
            || name.contains("..")
            || ["_id", "_source", "_version", "_routing"].contains(&name.as_str());
        if is_odd {
            return Some(format!("field name [{name}] is not allowed"));
        }
    }
    (20 < depth(&document)).then(|| "Limit of mapping depth [20] has been exceeded".to_owned())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        Value::Array(values) => values.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn plain(status: u16, body: &str) -> Response {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::from(body.to_owned())).unwrap()
}
