//! The source against a small DynamoDB and S3 of the test's own, and an index that forgets deletes
//! at once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "it/fake.rs"]
mod fake;
#[path = "it/leases.rs"]
mod leases;
#[path = "it/loads.rs"]
mod loads;
#[path = "it/mistakes.rs"]
mod mistakes;
#[path = "it/streams.rs"]
mod streams;
#[path = "it/vectors.rs"]
mod vectors;
#[path = "it/world.rs"]
mod world;
