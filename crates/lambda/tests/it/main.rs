//! The function against an OpenSearch, a queue and a bucket of our own, and the program against a
//! Runtime API of our own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod binary;
mod defects;
mod domain;
mod events;
mod proxied;
mod runtime_api;
mod simulation;
mod trigger;
