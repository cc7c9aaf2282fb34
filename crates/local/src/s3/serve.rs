//! A request from its first byte to the answer.

use std::{io, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderName, Method, StatusCode, header, request::Parts},
};

use super::{
    S3,
    answer::{self, Answer},
    calls,
    error::ApiError,
    faults::Fault,
    head::{self, Head},
    signature, transfer,
};

/// An order is a line of JSON.
const ORDER_BYTES_MAX: usize = 64 * 1024;

/// Answers a request, whatever it is.
pub(crate) async fn serve(State(s3): State<S3>, request: Request) -> Answer {
    let (parts, mut body) = request.into_parts();
    if head::is_about_faults(&parts) {
        return administer(&s3, &parts.method, &mut body).await;
    }
    let id = s3.store.id();
    let result = match Head::of(&parts) {
        Ok(head) => respond(&s3, &head, &mut body).await,
        Err(error) => Err(error),
    };
    let mut answer = match result {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(%error, method = %parts.method, path = parts.uri.path(), "s3 refuses");
            if !waits_for_continue(&parts) {
                transfer::drain(&mut body).await;
            }
            let is_head = head::is_head(&parts.method);
            answer::error(&error, parts.uri.path(), &id[..16].to_ascii_uppercase(), is_head)
        }
    };
    let request_id = id[..16].to_ascii_uppercase();
    answer::put(&mut answer, HeaderName::from_static("x-amz-request-id"), request_id);
    answer::put(&mut answer, HeaderName::from_static("x-amz-id-2"), id);
    answer::put(&mut answer, header::SERVER, "Streamdex");
    answer
}

async fn respond(s3: &S3, head: &Head, body: &mut Body) -> Result<Answer, ApiError> {
    let now_ms = s3.store.clock.now_ms();
    let fault = s3.faults().meet(head.operation, now_ms);
    if let Some(Fault { delay_ms, performed, reset, error }) = fault {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        if performed && (reset || error.is_some()) {
            // Whatever came of it, nobody is told.
            let _ = calls::call(&s3.store, head, body).await;
        }
        if reset {
            return Ok(broken());
        }
        error.map_or(Ok(()), Err)?;
    }
    signature::check(head, now_ms)?;
    calls::call(&s3.store, head, body).await
}

/// An answer that ends the connection before anything of it is sent.
fn broken() -> Answer {
    let reset = io::Error::new(io::ErrorKind::ConnectionReset, "ordered at /_local/faults");
    let body = futures::stream::once(async { Err::<bytes::Bytes, _>(reset) });
    Answer::new(Body::from_stream(body))
}

/// Whether the client sends its body only once it is asked to, and so need not be heard out.
fn waits_for_continue(parts: &Parts) -> bool {
    parts.headers.contains_key(header::EXPECT)
}

/// Takes, lists and takes back orders.
async fn administer(s3: &S3, method: &Method, body: &mut Body) -> Answer {
    let now_ms = s3.store.clock.now_ms();
    let result = match *method {
        Method::POST => match transfer::read_small(body, ORDER_BYTES_MAX).await {
            Ok(json) => s3.faults().order(&json, now_ms),
            Err(error) => Err(error.to_string()),
        },
        Method::DELETE => {
            s3.faults().clear();
            Ok(())
        }
        Method::GET => Ok(()),
        _ => Err("use POST to order, GET to list, DELETE to take back".to_owned()),
    };
    let (status, json) = match result {
        Ok(()) => (StatusCode::OK, s3.faults().list(now_ms)),
        Err(error) => (StatusCode::BAD_REQUEST, serde_json::json!({ "error": error })),
    };
    answer::text(status, "application/json", json.to_string())
}
