//! From a request on the wire to a call, and from its answer back.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Router,
    body::{Body as WireBody, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use search::Failure;

use super::{
    Server,
    answer::{Answer, Body},
    call::{self, Call},
    faults::{self, Effect},
    routes,
};

/// The largest body of a request, as OpenSearch has it.
const BODY_BYTES_MAX: usize = 100 << 20;
/// What a body counts that does not say how long it is.
const UNANNOUNCED_BYTES: usize = 1 << 20;
/// How much all requests together may take before more are refused.
const IN_FLIGHT_BYTES_MAX: usize = 512 << 20;

/// The endpoint as a service.
pub(super) fn router(server: Arc<Server>) -> Router {
    Router::new().fallback(serve).with_state(server)
}

async fn serve(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let opaque_id = head.headers.get("x-opaque-id").cloned();
    let path = head.uri.path().to_owned();
    let target = faults::target(&path);
    let arriving = async {
        // What is announced counts from the start, so that many large bodies cannot arrive at once.
        let announced = announced(&head.headers)?;
        let admitted = admit(&server, announced.unwrap_or(UNANNOUNCED_BYTES))?;
        Ok::<_, Failure>((admitted, read(&head.headers, body).await?))
    };
    let (admitted, body) = match arriving.await {
        Ok(read) => read,
        // Its body was not read, so nothing can follow on this connection.
        Err(failure) => return respond(Answer::from(failure), false, opaque_id, true),
    };
    match server.faults.strike(target, server.clock.now_ms()) {
        Some(Effect::Answer(answer)) => return respond(answer, false, opaque_id, false),
        Some(Effect::Reset) => return reset(),
        Some(Effect::Delay(delay_ms)) => {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        None => {}
    }
    let is_head = head.method.as_str() == "HEAD";
    let host = head.headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let call = Call {
        method: head.method.as_str().to_owned(),
        path,
        vars: Vec::new(),
        params: call::params(head.uri.query().unwrap_or_default()),
        body,
        host: host.unwrap_or("127.0.0.1:9200").to_owned(),
        now_ms: server.clock.now_ms(),
    };
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if let Err(failure) = check_content_type(content_type, &call.body) {
        return respond(failure.into(), is_head, opaque_id, false);
    }
    let run = move || {
        let answer = routes::answer(&admitted.server, call);
        drop(admitted);
        answer
    };
    let answer = tokio::task::spawn_blocking(run).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request failed");
        Failure::internal("the request failed; the log says why").into()
    });
    respond(answer, is_head, opaque_id, false)
}

/// A request that is being worked on.
struct Admitted {
    server: Arc<Server>,
    n_bytes: usize,
}

fn admit(server: &Arc<Server>, n_bytes: usize) -> Result<Admitted, Failure> {
    let before = server.in_flight_bytes.fetch_add(n_bytes, Ordering::AcqRel);
    let admitted = Admitted { server: Arc::clone(server), n_bytes };
    if 0 < n_bytes && IN_FLIGHT_BYTES_MAX < before + n_bytes {
        return Err(faults::rejected(format!(
            "rejected execution of a request of [{n_bytes}] bytes: requests of [{before}] bytes are being worked on, and [{IN_FLIGHT_BYTES_MAX}] are the limit"
        )));
    }
    Ok(admitted)
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.server.in_flight_bytes.fetch_sub(self.n_bytes, Ordering::AcqRel);
    }
}

fn too_large() -> Failure {
    Failure::new(
        413,
        "content_too_long_exception",
        format!("entity content is too long for the configured buffer limit [{BODY_BYTES_MAX}]"),
    )
}

/// How long the body is, if the client says so.
fn announced(headers: &HeaderMap) -> Result<Option<usize>, Failure> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok());
    match length.and_then(|it| it.parse().ok()) {
        Some(length) if BODY_BYTES_MAX < length => Err(too_large()),
        // Without a body there is still a request, whatever it finds.
        None if !headers.contains_key(header::TRANSFER_ENCODING) => Ok(Some(0)),
        length => Ok(length),
    }
}

async fn read(headers: &HeaderMap, body: WireBody) -> Result<Bytes, Failure> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        return Err(Failure::plain(
            415,
            "Content-Encoding is not supported by this endpoint yet; send the body as it is",
        ));
    }
    // The only way this fails is a body over the limit, or a client that went away.
    to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| too_large())
}

fn check_content_type(content_type: Option<&str>, body: &Bytes) -> Result<(), Failure> {
    if body.is_empty() {
        return Ok(());
    }
    let Some(content_type) = content_type else {
        return Err(Failure::plain(406, "Content-Type header is missing"));
    };
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    match media_type.to_ascii_lowercase().as_str() {
        "application/json" | "application/x-ndjson" | "application/vnd.opensearch+json" => Ok(()),
        "application/vnd.elasticsearch+json" | "application/vnd.elasticsearch+x-ndjson" => Ok(()),
        _ => Err(Failure::plain(
            406,
            format!("Content-Type header [{content_type}] is not supported"),
        )),
    }
}

fn respond(answer: Answer, is_head: bool, opaque_id: Option<HeaderValue>, close: bool) -> Response {
    let (content_type, body) = match answer.body {
        Body::Empty => ("text/plain; charset=UTF-8", String::new()),
        Body::Json(text) => ("application/json; charset=UTF-8", text),
        Body::Text(text) => ("text/plain; charset=UTF-8", text),
    };
    let mut response =
        Response::builder().status(answer.status).header(header::CONTENT_TYPE, content_type);
    if let Some(id) = opaque_id {
        response = response.header("X-Opaque-Id", id);
    }
    if close {
        response = response.header(header::CONNECTION, "close");
    }
    if is_head {
        response = response.header(header::CONTENT_LENGTH, body.len());
    }
    let body = if is_head { WireBody::empty() } else { WireBody::from(body) };
    response.body(body).expect("status and headers are sound")
}

/// An answer that breaks off, so that the connection is closed in the middle.
fn reset() -> Response {
    let broken =
        futures::stream::once(async { Err::<Bytes, _>(io::Error::other("reset on request")) });
    let response = Response::builder().header(header::CONTENT_LENGTH, 1);
    response.body(WireBody::from_stream(broken)).expect("status and headers are sound")
}
