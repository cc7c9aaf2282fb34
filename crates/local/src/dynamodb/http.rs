//! Requests in, answers out: what is HTTP about it.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header},
    routing::{get, post},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{
    endpoint::Endpoint,
    error::ApiError,
    faults::{Failure, Fault},
    local_api, operations,
    request::{Caller, target},
    sts,
};

/// The longest request.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Everything that the endpoint answers.
pub(crate) fn router(endpoint: Arc<Endpoint>) -> Router {
    Router::new()
        .route("/_local/clock", get(local_api::read_clock).post(local_api::move_clock))
        .route("/_local/shards", post(local_api::reshard))
        .route(
            "/_local/faults",
            get(local_api::list_faults)
                .post(local_api::order_faults)
                .delete(local_api::clear_faults),
        )
        .fallback(serve)
        .with_state(endpoint)
}

async fn serve(State(endpoint): State<Arc<Endpoint>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = match whole(body).await {
        Ok(body) => body,
        Err(error) => return failed(&error),
    };
    let Some((service, operation)) = target(&head.headers) else {
        return without_target(&endpoint, &head.method, head.uri.query(), &head.headers, &body);
    };
    let now_ms = endpoint.clock.now_ms();
    let fault = endpoint.faults.take(operation, &body, now_ms).unwrap_or_default();
    let Fault { delay, performed, failure } = fault;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if failure == Some(Failure::Broken) {
        let answer = perform(&endpoint, service, operation, &head.headers, &body);
        return halved(answer);
    }
    if let Some(failure) = failure {
        if performed {
            let _ = perform(&endpoint, service, operation, &head.headers, &body);
        }
        return fail(failure);
    }
    match perform(&endpoint, service, operation, &head.headers, &body) {
        Ok(answer) => answered(StatusCode::OK, answer),
        Err(error) => failed(&error),
    }
}

/// The body of a request, if it is not too long.
pub(crate) async fn whole(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::Ordered {
            status: 413,
            name: "RequestEntityTooLargeException".to_owned(),
            message: format!("Request size exceeded {BODY_BYTES_MAX} bytes"),
        }),
        Err(error) => Err(ApiError::Serialization(error.to_string())),
    }
}

/// Carries an operation out. Whatever it changed or shows is safe when this returns.
fn perform(
    endpoint: &Arc<Endpoint>,
    service: &str,
    operation: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let caller = Caller::of(headers)?;
    let Some(operation) = operations::named(service, operation) else {
        return Err(ApiError::UnknownOperation(format!(
            "this endpoint does not know {service}.{operation}"
        )));
    };
    let answer = operation(endpoint, &caller, body);
    // Even a refusal may show what another request has written a moment ago.
    endpoint.settle()?;
    answer
}

/// A request that names no operation: STS, a health check, or a mistake.
fn without_target(
    endpoint: &Endpoint,
    method: &Method,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Response<Body> {
    let caller = match Caller::of(headers) {
        Ok(caller) => caller,
        Err(error) => return failed(&error),
    };
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|it| it.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let query = query.unwrap_or_default();
    if query.contains("Action=") || (is_form && method == Method::POST) {
        let form = if query.contains("Action=") { query.as_bytes() } else { body };
        let id = request_id();
        let answer = sts::answer(form, &caller, endpoint.clock.now_ms(), &id);
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
        return respond(status, "text/xml", answer.xml.into_bytes());
    }
    if method == Method::GET {
        let text = format!("healthy: dynamodb.{}.amazonaws.com \n", caller.region);
        return respond(StatusCode::OK, "text/plain", text.into_bytes());
    }
    failed(&ApiError::UnknownOperation(
        "the header X-Amz-Target is missing: it names the operation, DynamoDB_20120810.ListTables for one".to_owned(),
    ))
}

fn fail(failure: Failure) -> Response<Body> {
    if let Some(error) = failure.into_error() {
        return failed(&error);
    }
    let cut = std::io::Error::other("ordered at /_local/faults");
    let parts = [Ok(Bytes::from_static(b"{\"")), Err(cut)];
    Response::new(Body::from_stream(futures::stream::iter(parts)))
}

/// An answer of which half is missing; its checksum is that of the whole.
fn halved(answer: Result<Vec<u8>, ApiError>) -> Response<Body> {
    let (status, whole) = match answer {
        Ok(answer) => (StatusCode::OK, answer),
        Err(error) => (StatusCode::BAD_REQUEST, error.body()),
    };
    let half = whole[..whole.len() / 2].to_vec();
    let mut response = answered(status, whole);
    *response.body_mut() = Body::from(half);
    response
}

/// The answer to a request that failed.
pub(crate) fn failed(error: &ApiError) -> Response<Body> {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answered(status, error.body())
}

fn answered(status: StatusCode, json: Vec<u8>) -> Response<Body> {
    respond(status, "application/x-amz-json-1.0", json)
}

fn respond(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Body> {
    let checksum = crc32fast::hash(&body);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(HeaderName::from_static("x-amz-crc32"), HeaderValue::from(checksum));
    if let Ok(id) = HeaderValue::from_str(&request_id()) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

/// 52 capital letters and digits, different for each answer.
fn request_id() -> String {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static N_REQUESTS: AtomicU64 = AtomicU64::new(0);
    let n = N_REQUESTS.fetch_add(1, Ordering::Relaxed);
    let (a, b) = (SEED.hash_one(n), SEED.hash_one(!n));
    format!("{a:016X}{b:016X}{n:016X}AEML")
}
