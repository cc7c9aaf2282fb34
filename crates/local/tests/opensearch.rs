//! The OpenSearch endpoint over HTTP, as any client sees it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "opensearch/bulk.rs"]
mod bulk;
#[path = "opensearch/crash.rs"]
mod crash;
#[path = "opensearch/documents.rs"]
mod documents;
#[path = "opensearch/endpoint.rs"]
mod endpoint;
#[path = "opensearch/faults.rs"]
mod faults;
#[path = "opensearch/indices.rs"]
mod indices;
#[path = "opensearch/search.rs"]
mod search;
#[path = "opensearch/walkthrough.rs"]
mod walkthrough;
