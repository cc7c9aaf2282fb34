//! A Runtime API of our own: hands out events, and keeps what it is told.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use pipeline::Clock;
use tokio::sync::Notify;

/// What a function told Lambda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// `/invocation/r1/response`.
    pub(crate) path: String,
    pub(crate) kind: Option<String>,
    pub(crate) body: Bytes,
}

#[derive(Debug, Default)]
pub(crate) struct Desk {
    waiting: VecDeque<(String, Bytes, Duration)>,
    pub(crate) told: Vec<Told>,
    /// How many asked for an event and have none yet.
    pub(crate) n_asking: usize,
    /// How many `next` calls are answered 500.
    pub(crate) n_broken: usize,
    /// Answers to events larger than this are refused.
    pub(crate) answer_bytes_max: Option<usize>,
    n_events: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct RuntimeApi {
    desk: Arc<Mutex<Desk>>,
    changed: Arc<Notify>,
    pub(crate) address: SocketAddr,
}

impl RuntimeApi {
    pub(crate) async fn start() -> RuntimeApi {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let api = RuntimeApi { desk: Arc::default(), changed: Arc::default(), address };
        let app = Router::new().fallback(answer).with_state(api.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        api
    }

    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap()
    }

    /// Hands in an event, and returns the id of its invocation.
    pub(crate) fn invoke(&self, payload: Bytes, left: Duration) -> String {
        let mut desk = self.desk();
        desk.n_events += 1;
        let id = format!("r{}", desk.n_events);
        desk.waiting.push_back((id.clone(), payload, left));
        drop(desk);
        self.changed.notify_waiters();
        id
    }

    /// Waits until `seen` finds what it looks for.
    pub(crate) async fn wait_for<T>(&self, mut seen: impl FnMut(&Desk) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if let Some(found) = seen(&self.desk()) {
                    return found;
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), changed).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it happens in time")
    }

    /// Waits for what the function says of invocation `id`.
    pub(crate) async fn outcome(&self, id: &str) -> Told {
        let path = format!("/invocation/{id}/");
        self.wait_for(|desk| {
            let said = desk.told.iter().filter(|it| it.path.starts_with(&path));
            said.clone().last().filter(|it| !is_refused(desk, it)).cloned()
        })
        .await
    }
}

fn is_refused(desk: &Desk, told: &Told) -> bool {
    told.path.ends_with("/response") && desk.answer_bytes_max.is_some_and(|it| it < told.body.len())
}

async fn answer(State(api): State<RuntimeApi>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix("/2018-06-01/runtime").unwrap().to_owned();
    if path == "/invocation/next" {
        return next(&api).await;
    }
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    let kind = head.headers.get("lambda-runtime-function-error-type");
    let kind = kind.map(|it| it.to_str().unwrap().to_owned());
    let told = Told { path, kind, body };
    let status = {
        let mut desk = api.desk();
        let status = if is_refused(&desk, &told) { 413 } else { 202 };
        desk.told.push(told);
        status
    };
    api.changed.notify_waiters();
    Response::builder().status(status).body(Body::from("{}")).unwrap()
}

async fn next(api: &RuntimeApi) -> Response {
    {
        let mut desk = api.desk();
        if 0 < desk.n_broken {
            desk.n_broken -= 1;
            return Response::builder().status(500).body(Body::empty()).unwrap();
        }
        desk.n_asking += 1;
    }
    api.changed.notify_waiters();
    let (id, payload, left) = loop {
        let changed = api.changed.notified();
        if let Some(event) = api.desk().waiting.pop_front() {
            break event;
        }
        let _ = tokio::time::timeout(Duration::from_millis(50), changed).await;
    };
    api.desk().n_asking -= 1;
    let deadline = Clock::real().now().after(left).0;
    Response::builder()
        .header("lambda-runtime-aws-request-id", id)
        .header("lambda-runtime-deadline-ms", deadline.to_string())
        .header("lambda-runtime-trace-id", "Root=1-2-3")
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:1:function:f")
        .body(Body::from(payload))
        .unwrap()
}
