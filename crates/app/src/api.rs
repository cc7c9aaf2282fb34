//! The HTTP API on port 4900: health, metrics, what Data Prepper's core API has, and pipelines to
//! pause, resume and build anew.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::Engine;
use engine::{Pipeline, metrics};
use pipeline::{Clock, Meters, Period, Stopper};
use serde_json::{Value, json};

use crate::{
    process_file::Basic,
    service::{NotDone, Service},
};

/// What the API shows, and can change.
#[derive(Clone)]
pub(crate) struct Api {
    service: Option<Arc<Service>>,
    /// Added to every metric.
    tags: Arc<[(String, String)]>,
    /// Who may use it, if not everyone on this machine.
    basic: Option<Arc<Basic>>,
    shutdown: Arc<Mutex<Option<Stopper>>>,
}

impl Api {
    /// The API of a service; `/shutdown` drops `shutdown`.
    pub(crate) fn of(service: Arc<Service>, shutdown: Stopper) -> Api {
        Api { service: Some(service), ..Api::without_pipelines(shutdown) }
    }

    /// The API of a process that runs none.
    pub(crate) fn without_pipelines(shutdown: Stopper) -> Api {
        Api {
            service: None,
            tags: [].into(),
            basic: None,
            shutdown: Arc::new(Mutex::new(Some(shutdown))),
        }
    }

    /// The same, with tags for every metric.
    pub(crate) fn with_tags(self, tags: Vec<(String, String)>) -> Api {
        Api { tags: tags.into(), ..self }
    }

    /// The same for those only who know a name and password, if there is one.
    pub(crate) fn with_basic(self, basic: Option<Basic>) -> Api {
        Api { basic: basic.map(Arc::new), ..self }
    }

    /// Its paths.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/health/live", get(async || "live\n"))
            .route("/health/ready", get(ready))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics_text))
            .route("/metrics/prometheus", get(metrics_text).post(metrics_text))
            .route("/metrics/sys", get(metrics_text).post(metrics_text))
            .route("/list", get(list).post(list))
            .route("/pipelines", get(definitions))
            .route("/shutdown", post(shutdown))
            .route("/api/v1/pipelines", get(pipelines))
            .route("/api/v1/pipelines/{name}", get(one_pipeline))
            .route("/api/v1/pipelines/{name}/{change}", post(change))
            .layer(middleware::from_fn_with_state(self.clone(), let_in))
            .with_state(self)
    }

    fn pipelines(&self) -> Vec<Pipeline> {
        self.service.as_ref().map(|it| it.pipelines()).unwrap_or_default()
    }

    fn views(&self) -> Vec<Value> {
        let paused = self.service.as_ref().map(|it| it.paused()).unwrap_or_default();
        self.pipelines().iter().map(|it| view(it, paused.contains(it.name()))).collect()
    }
}

/// Lets in who knows the name and password, if one is needed. Whether we live, everyone may ask.
async fn let_in(State(api): State<Api>, request: Request, next: Next) -> Response {
    let is_open = api.basic.is_none() || request.uri().path() == "/health/live";
    let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let knows = |basic: &Arc<Basic>| given.is_some_and(|given| is_basic(given, basic));
    if is_open || api.basic.as_ref().is_some_and(knows) {
        return next.run(request).await;
    }
    let how = [(header::WWW_AUTHENTICATE, "Basic realm=\"streamdex\"")];
    (StatusCode::UNAUTHORIZED, how, "name and password, please\n").into_response()
}

/// Compares all of it whatever comes first, so that time tells nothing.
fn is_basic(given: &[u8], basic: &Basic) -> bool {
    let pair = format!("{}:{}", basic.username, basic.password);
    let expected = base64::engine::general_purpose::STANDARD.encode(pair);
    let expected = format!("Basic {expected}");
    let same = given.iter().zip(expected.as_bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == expected.len() && same == 0
}

/// Ready once every pipeline that is not paused runs, misses nothing and has no problem.
async fn ready(State(api): State<Api>) -> Response {
    let views = api.views();
    let waits = views.iter().find(|it| it["ready"] == false && it["paused"] == false);
    let reason = waits.map(|it| {
        let name = it["name"].as_str().unwrap_or_default();
        match it["problem"].as_str() {
            Some(problem) => format!("pipeline {name}: {problem}"),
            None => format!("pipeline {name} is starting"),
        }
    });
    let is_ready = reason.is_none();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = json!({ "ready": is_ready, "pipelines": views });
    if let Some(reason) = reason {
        body["reason"] = reason.into();
    }
    (status, Json(body)).into_response()
}

async fn metrics_text(State(api): State<Api>) -> Response {
    let (meters, clock) = match &api.service {
        Some(service) => (service.meters(), service.clock()),
        None => (Meters::default(), Clock::real()),
    };
    let text = metrics::render(&api.pipelines(), &meters, &api.tags, clock.now());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// As Data Prepper answers: `{"pipelines": [{"name": "books"}]}`.
async fn list(State(api): State<Api>) -> Json<Value> {
    let names: Vec<Value> = api.pipelines().iter().map(|it| json!({ "name": it.name() })).collect();
    Json(json!({ "pipelines": names }))
}

/// What the files say, pipeline by pipeline; what is secret is masked.
async fn definitions(State(api): State<Api>) -> Response {
    let definitions = api.service.as_ref().map(|it| it.definitions()).unwrap_or_default();
    let definitions = definitions.into_iter().map(|(name, definition)| {
        [("name".to_owned(), name.into()), ("definition".to_owned(), definition)]
            .into_iter()
            .collect()
    });
    let body = pipeline::Value::List(definitions.map(pipeline::Value::Map).collect());
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn pipelines(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "pipelines": api.views() }))
}

async fn one_pipeline(State(api): State<Api>, Path(name): Path<String>) -> Response {
    match api.views().into_iter().find(|it| it["name"] == name) {
        Some(view) => Json(view).into_response(),
        None => not_done(&name, NotDone::Unknown),
    }
}

/// `pause`, `resume` or `reload` a pipeline; or `load` its tables once more.
async fn change(
    State(api): State<Api>,
    Path((name, change)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refused_to_pages(&headers) {
        return refusal;
    }
    let Some(service) = &api.service else { return not_done(&name, NotDone::Unknown) };
    let done = match change.as_str() {
        "pause" => service.pause(&name).await.map(|()| json!({ "paused": name })),
        "resume" => service.resume(&name).await.map(|()| json!({ "resumed": name })),
        "load" => service.load_again(&name).await.map(|all| json!({ "loading": all })),
        "reload" => service.reload(Some(&name)).await.map(|all| json!({ "reloaded": all })),
        _ => {
            let problem =
                format!("there is no `{change}`; there are pause, resume, reload and load");
            return (StatusCode::NOT_FOUND, Json(json!({ "error": problem }))).into_response();
        }
    };
    done.map_or_else(|it| not_done(&name, it), |done| Json(done).into_response())
}

fn not_done(name: &str, why: NotDone) -> Response {
    let (status, problem) = match why {
        NotDone::Unknown => (StatusCode::NOT_FOUND, format!("there is no pipeline `{name}`")),
        NotDone::Refused(problem) => (StatusCode::CONFLICT, problem),
    };
    (status, Json(json!({ "error": problem }))).into_response()
}

/// Ends the process in good order, and answers when all is safe, as Data Prepper does.
async fn shutdown(State(api): State<Api>, uri: Uri, headers: HeaderMap) -> Response {
    if let Some(refusal) = refused_to_pages(&headers) {
        return refusal;
    }
    let drain_max = match drain_max(uri.query().unwrap_or_default()) {
        Ok(it) => it,
        Err(problem) => return (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response(),
    };
    if let (Some(service), Some(drain_max)) = (&api.service, drain_max) {
        service.set_drain_max(drain_max);
    }
    drop(api.shutdown.lock().expect("no panics while locked").take());
    match &api.service {
        Some(service) => {
            service.stopped().await;
            "shut down\n".into_response()
        }
        None => "shutting down\n".into_response(),
    }
}

/// How long what is on its way may take: the longer of `bufferReadTimeout` and `bufferDrainTimeout`.
fn drain_max(query: &str) -> Result<Option<Duration>, String> {
    let mut longest = None;
    for parameter in query.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !["bufferReadTimeout", "bufferDrainTimeout"].contains(&name) {
            return Err(format!(
                "there is no parameter `{name}`; there are `bufferReadTimeout` and `bufferDrainTimeout`"
            ));
        }
        // A space can be written so, and has no meaning in a time.
        let value = value.replace("%20", " ").replace('+', " ");
        let Period(time) = value.parse().map_err(|error| format!("{name}: {error}"))?;
        longest = longest.max(Some(time));
    }
    Ok(longest)
}

/// A page in a browser must not be able to change anything.
fn refused_to_pages(headers: &HeaderMap) -> Option<Response> {
    let from_page = headers.contains_key(header::ORIGIN);
    from_page.then(|| (StatusCode::FORBIDDEN, "not from a web page\n").into_response())
}

fn view(pipeline: &Pipeline, is_paused: bool) -> Value {
    let account = pipeline.accounts().now();
    let problem = account.problem.clone().or_else(|| pipeline.source_problem());
    json!({
        "name": pipeline.name(),
        "ready": pipeline.is_ready() && problem.is_none(),
        "paused": is_paused,
        "problem": problem,
        "read": account.read,
        "added": account.added,
        "filtered": account.filtered,
        "indexed": account.indexed,
        "superseded": account.superseded,
        "dead_lettered": account.dead_lettered,
        "passed": account.passed,
        "returned": account.returned,
        "in_flight": account.in_flight,
        "unaccounted": account.unaccounted(),
        "lag_ms": account.lag_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_name_and_password_are_let_in() {
        let basic = Basic { username: "ada".to_owned(), password: "x:y".to_owned() };
        // ada:x:y
        assert!(is_basic(b"Basic YWRhOng6eQ==", &basic));
        for wrong in
            ["", "Basic ", "Basic YWRhOng6eR==", "Basic YWRhOng6eQ=", "Bearer YWRhOng6eQ=="]
        {
            assert!(!is_basic(wrong.as_bytes(), &basic), "{wrong}");
        }
    }

    #[test]
    fn shutting_down_may_take_as_long_as_it_is_said() {
        for (query, expected) in [
            ("", Ok(None)),
            ("bufferDrainTimeout=PT20S", Ok(Some(20))),
            ("bufferReadTimeout=5s&bufferDrainTimeout=10s", Ok(Some(10))),
            ("bufferReadTimeout=15%20s&bufferDrainTimeout=10s", Ok(Some(15))),
            ("bufferDrainTimeout=10", Err("bufferDrainTimeout: `10` is not a duration")),
            ("drain=10s", Err("there is no parameter `drain`; there are `bufferReadTimeout`")),
        ] {
            match (drain_max(query), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected.map(Duration::from_secs)),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{query}: {found:?}"),
            }
        }
    }
}
