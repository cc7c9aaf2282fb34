//! The HTTP API on port 4900: health, metrics, and what Data Prepper's core API has.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use engine::{Pipeline, metrics};
use pipeline::{Clock, Meters, Stopper};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// What the API shows, and can end.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) pipelines: Arc<[Pipeline]>,
    pub(crate) meters: Meters,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Arc<Mutex<Option<Stopper>>>,
}

impl Api {
    /// The API of `pipelines`; `/shutdown` drops `shutdown`.
    pub(crate) fn new(
        pipelines: &[Pipeline],
        meters: Meters,
        clock: Clock,
        shutdown: Stopper,
    ) -> Api {
        let shutdown = Arc::new(Mutex::new(Some(shutdown)));
        Api { pipelines: pipelines.into(), meters, clock, shutdown }
    }

    /// Its paths.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/health/live", get(async || "live\n"))
            .route("/health/ready", get(ready))
            .route("/metrics", get(metrics_text))
            .route("/metrics/prometheus", get(metrics_text))
            .route("/metrics/sys", get(metrics_text))
            .route("/list", get(list))
            .route("/shutdown", post(shutdown))
            .route("/api/v1/pipelines", get(pipelines))
            .with_state(self)
    }
}

/// Ready once every pipeline runs, misses nothing and has no problem.
async fn ready(State(api): State<Api>) -> Response {
    let views: Vec<Value> = api.pipelines.iter().map(view).collect();
    let is_ready =
        api.pipelines.iter().all(|it| it.is_ready() && it.accounts().now().problem.is_none());
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": is_ready, "pipelines": views }))).into_response()
}

async fn metrics_text(State(api): State<Api>) -> Response {
    let text = metrics::render(&api.pipelines, &api.meters, &[], api.clock.now());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// As Data Prepper answers: `{"pipelines": [{"name": "books"}]}`.
async fn list(State(api): State<Api>) -> Json<Value> {
    let names: Vec<Value> = api.pipelines.iter().map(|it| json!({ "name": it.name() })).collect();
    Json(json!({ "pipelines": names }))
}

async fn pipelines(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "pipelines": api.pipelines.iter().map(view).collect::<Vec<_>>() }))
}

/// Ends the process in good order. A page in a browser must not be able to ask for it.
async fn shutdown(State(api): State<Api>, headers: HeaderMap) -> Response {
    if headers.contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, "not from a web page\n").into_response();
    }
    drop(api.shutdown.lock().expect("no panics while locked").take());
    "shutting down\n".into_response()
}

fn view(pipeline: &Pipeline) -> Value {
    let account = pipeline.accounts().now();
    json!({
        "name": pipeline.name(),
        "ready": pipeline.is_ready(),
        "problem": account.problem,
        "read": account.read,
        "added": account.added,
        "filtered": account.filtered,
        "indexed": account.indexed,
        "superseded": account.superseded,
        "dead_lettered": account.dead_lettered,
        "returned": account.returned,
        "in_flight": account.in_flight,
        "unaccounted": account.unaccounted(),
        "lag_ms": account.lag_ms,
    })
}
