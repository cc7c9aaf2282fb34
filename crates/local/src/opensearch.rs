//! The embedded OpenSearch endpoint.
