//! Answers, put together the same way everywhere. Pure.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};

use super::{checksum::Checksum, error::ApiError, xml::Writer};

/// What goes back to the client.
pub(crate) type Answer = Response<Body>;

/// An answer that has only a head so far.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

/// A document as an answer.
pub(crate) fn document(document: Writer) -> Answer {
    text(StatusCode::OK, "application/xml", document.finish())
}

/// Text of some type as an answer.
pub(crate) fn text(status: StatusCode, kind: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// An error as an answer.
pub(crate) fn error(error: &ApiError, resource: &str, request_id: &str, is_head: bool) -> Answer {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if is_head || status == StatusCode::NOT_MODIFIED {
        return empty(status);
    }
    text(status, "application/xml", error.document(resource, request_id))
}

/// Adds a header. What cannot stand in one is left out.
pub(crate) fn put(answer: &mut Answer, name: HeaderName, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_ref().as_bytes()) {
        answer.headers_mut().insert(name, value);
    }
}

/// Adds an etag, in its quotes.
pub(crate) fn put_etag(answer: &mut Answer, etag: &str) {
    put(answer, header::ETAG, quoted(etag));
}

/// Adds what is known of a checksum.
pub(crate) fn put_checksum(answer: &mut Answer, checksum: Option<&Checksum>) {
    if let Some(Checksum { algorithm, kind, value }) = checksum {
        put(answer, HeaderName::from_static(algorithm.header()), value);
        put(answer, HeaderName::from_static("x-amz-checksum-type"), kind.name());
    }
}

/// An etag as it stands in headers and documents.
pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
