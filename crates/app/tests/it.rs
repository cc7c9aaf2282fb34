//! The program, from outside: real processes, real HTTP, the AWS SDK, and real faults.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test may panic, and say why"
)]

#[path = "it/api.rs"]
mod api;
#[path = "it/changes.rs"]
mod changes;
#[path = "it/chaos.rs"]
mod chaos;
#[path = "it/cluster.rs"]
mod cluster;
#[path = "it/endurance.rs"]
mod endurance;
#[path = "it/files.rs"]
mod files;
#[path = "it/lambda.rs"]
mod lambda;
#[path = "it/letters.rs"]
mod letters;
#[path = "it/load.rs"]
mod load;
#[path = "it/mistakes.rs"]
mod mistakes;
#[path = "it/pipelines.rs"]
mod pipelines;
#[path = "it/plan.rs"]
mod plan;
#[path = "it/program.rs"]
mod program;
#[path = "it/table.rs"]
mod table;
#[path = "it/verify.rs"]
mod verify;
#[path = "it/walkthrough.rs"]
mod walkthrough;
