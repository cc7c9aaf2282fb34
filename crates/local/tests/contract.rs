//! What a DynamoDB answers, whoever it is: one suite of requests and answers, and random requests
//! that ours and an independent DynamoDB must answer alike.
//!
//! The suite runs against ours in this process, and against the address in
//! `STREAMDEX_TEST_DYNAMODB_URL` as well if there is one. The independent one is dynalite, an
//! implementation in JavaScript that knows AWS's messages; `cargo xtask test` installs it and names
//! it in `STREAMDEX_ORACLE`. What the others answer differently, and why, is listed in
//! `contract/differences.json`, and from there in `docs/reference/dynamodb-compatibility.md`.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and say why")]

#[path = "contract/fuzz.rs"]
mod fuzz;
#[path = "contract/generate.rs"]
mod generate;
#[path = "contract/reference.rs"]
mod reference;
#[path = "contract/suite.rs"]
mod suite;
#[path = "contract/target.rs"]
mod target;

use target::Target;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ours_keeps_the_contract() {
    suite::check(&Target::ours().await).await;
}

#[tokio::test]
async fn dynalite_keeps_the_contract_but_for_what_is_listed() {
    if let Some(dynalite) = Target::dynalite() {
        suite::check(&dynalite).await;
    }
}

#[tokio::test]
async fn the_one_at_the_given_address_keeps_the_contract() {
    if let Some(given) = Target::given() {
        suite::check(&given).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_requests_are_answered_alike() {
    if let Some(dynalite) = Target::dynalite() {
        fuzz::compare(&Target::ours().await, &dynalite).await;
    }
}
