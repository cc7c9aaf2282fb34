//! Talking to AWS and to clusters: one HTTP client, credentials, signatures, JSON calls.
//!
//! Credentials come from the SDK's own chain. The calls are made here, because the SDK's types cost
//! an order of magnitude on the way of the data, and the same few lines serve every service
//! (docs/decisions/0003).

mod access;
mod environment;
mod http;
mod json_service;
mod s3;
mod secrets;
mod sign;

pub use crate::{
    access::{Access, AccessError, AwsConfig},
    environment::Environment,
    http::{Connecting, Http, HttpError, Identity, Response, Tls},
    json_service::{CallError, JsonService},
    s3::{Object, ObjectPage, S3, S3Error},
    secrets::{KnownSecrets, SecretPlace},
    sign::Signer,
};
