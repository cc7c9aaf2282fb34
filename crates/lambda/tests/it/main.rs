//! The function against an OpenSearch, a queue and a bucket of our own, and the program against a
//! Runtime API of our own.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and say why")]
#![allow(clippy::disallowed_methods, reason = "deadlines of real programs are real time")]

mod binary;
mod cloud;
mod defects;
mod domain;
mod events;
mod pipelines;
mod proxied;
mod runtime_api;
mod simulation;
mod trigger;
