//! The head of a request, as far as every call looks at it. Pure.

use axum::http::{HeaderMap, Method, header, request::Parts, uri::Authority};

use super::{
    address::Address,
    error::{ApiError, Code},
    operation::Operation,
    query::Query,
};

/// A request that makes sense so far.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) operation: Operation,
    address: Address,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// Reads the head of a request.
    ///
    /// # Errors
    ///
    /// When it is not a call that this endpoint knows.
    pub(crate) fn of(parts: &Parts) -> Result<Head, ApiError> {
        let uri = &parts.uri;
        let host = text(&parts.headers, header::HOST.as_str())
            .or_else(|| uri.authority().map(Authority::as_str))
            .unwrap_or_default();
        let address = Address::of(host, uri.path())?;
        let query = Query::parse(uri.query().unwrap_or_default())?;
        let is_copy = parts.headers.contains_key("x-amz-copy-source");
        let operation = Operation::of(&parts.method, &address, &query, is_copy)?;
        Ok(Head { operation, address, query, headers: parts.headers.clone() })
    }

    /// The bucket. Every call but one has it.
    pub(crate) fn bucket(&self) -> &str {
        self.address.bucket.as_deref().unwrap_or_default()
    }

    /// The key. Every call about an object has it.
    pub(crate) fn key(&self) -> &str {
        self.address.key.as_deref().unwrap_or_default()
    }

    /// A header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }

    /// A parameter that the call does not exist without.
    pub(crate) fn parameter(&self, name: &'static str) -> Result<&str, ApiError> {
        self.query.filled(name).ok_or_else(|| {
            Code::InvalidArgument
                .because(format!("the parameter {name} has no value"))
                .with("ArgumentName", name)
        })
    }

    /// The region in the scope of a signature of version 4.
    pub(crate) fn region(&self) -> Option<&str> {
        let authorization = self.header(header::AUTHORIZATION.as_str());
        let credential = match self.query.get("X-Amz-Credential") {
            Some(credential) => credential,
            None => authorization?.split_once("Credential=")?.1.split(',').next()?,
        };
        credential.rsplit('/').nth(2)
    }
}

/// A header, if it is text. SDKs write UTF-8 where the standard would not have it.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    std::str::from_utf8(headers.get(name)?.as_bytes()).ok()
}

/// Whether this is a request about the endpoint itself, not one of S3.
pub(crate) fn is_about_faults(parts: &Parts) -> bool {
    // No bucket is called `_local`, but one named by its host may have such a key.
    let host = text(&parts.headers, header::HOST.as_str()).unwrap_or_default();
    let address = Address::of(host, "/");
    parts.uri.path() == "/_local/faults" && address.is_ok_and(|it| it.bucket.is_none())
}

/// Whether the answer may not have a body.
pub(crate) fn is_head(method: &Method) -> bool {
    method == Method::HEAD
}
