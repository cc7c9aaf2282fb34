//! DynamoDB, OpenSearch and S3 on your machine: endpoints that any SDK or client can talk to.
//!
//! It cannot see how Streamdex uses it: all it shares with the rest is the wire protocol.

pub mod clock;
pub mod dynamodb;
pub mod objects;
pub mod opensearch;
pub mod s3;
