//! The sink against servers: one that does as it is told, the embedded endpoint, and a real cluster
//! where `STREAMDEX_TEST_OPENSEARCH_URL` names one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "it/faults.rs"]
mod faults;
#[path = "it/letters.rs"]
mod letters;
#[path = "it/mistakes.rs"]
mod mistakes;
#[path = "it/rig.rs"]
mod rig;
#[path = "it/server.rs"]
mod server;
#[path = "it/soak.rs"]
mod soak;
#[path = "it/streams.rs"]
mod streams;
#[path = "it/suite.rs"]
mod suite;
#[path = "it/tls.rs"]
mod tls;
