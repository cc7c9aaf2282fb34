//! How long the program takes from its start to its first question, and to its first answer.
//!
//! ```sh
//! cargo build -p lambda --profile lambda
//! cargo run -p lambda --example cold_start -- target/lambda/bootstrap 50
//! ```

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, not a program")]

#[path = "../tests/it/domain.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod domain;
#[path = "../tests/it/runtime_api.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod runtime_api;

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use domain::{Domain, event};
use runtime_api::RuntimeApi;
use tokio::process::Command;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().expect("the path of `bootstrap`");
    let n_runs: usize = arguments.next().map_or(20, |it| it.parse().unwrap());
    let domain = Domain::start().await;
    let (mut asked, mut answered, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n_runs {
        let (first_question, first_answer, resident_kib) = run(&program, &domain).await;
        asked.push(first_question);
        answered.push(first_answer);
        memory.push(resident_kib);
    }
    for (what, mut times) in [("first question", asked), ("first answer", answered)] {
        times.sort_unstable();
        println!("{what}: median {:?}, fastest {:?}", times[n_runs / 2], times[0]);
    }
    memory.sort_unstable();
    println!("resident after one batch of 100: {} KiB", memory[n_runs / 2]);
}

/// One cold start: the time to the first question and to the first answer, and memory in KiB.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
async fn run(program: &str, domain: &Domain) -> (Duration, Duration, u64) {
    let api = RuntimeApi::start().await;
    let host = format!("http://{}", domain.address);
    let began = Instant::now();
    let mut child = Command::new(program)
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", api.address.to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "books-to-search"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "example"),
            ("HOST", &host),
            ("ES_INDEX", "books"),
            ("DB_HASH_KEY", "author"),
            ("DB_SORT_KEY", "bookTitle"),
        ])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    api.wait_for(|desk| (desk.n_asking == 1).then_some(())).await;
    let first_question = began.elapsed();
    let id = api.invoke(event("24"), Duration::from_secs(60));
    api.outcome(&id).await;
    let first_answer = began.elapsed();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let resident = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap();
    let resident = resident.trim().trim_end_matches(" kB").parse().unwrap();
    child.kill().await.unwrap();
    (first_question, first_answer, resident)
}
