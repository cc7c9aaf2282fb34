//! `bootstrap`: what AWS Lambda starts.

use std::process::ExitCode;

use aws::Environment;
use lambda::{
    Function,
    runtime::{Runtime, RuntimeError},
};
use pipeline::Clock;
use tracing::{Level, error};
use tracing_subscriber::{filter::Targets, fmt, prelude::*};

/// Whose lines the user may ask for. Libraries write requests and signatures into theirs.
const OURS: [&str; 7] =
    ["aws", "bootstrap", "engine", "lambda", "opensearch", "pipeline", "processors"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    start_log(&environment);
    match run(&environment).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            error!(%problem, "the function ends");
            ExitCode::FAILURE
        }
    }
}

/// One line of JSON each, with the id of the invocation, for `CloudWatch` to read.
fn start_log(environment: &Environment) {
    let level = environment.get("AWS_LAMBDA_LOG_LEVEL").and_then(|it| it.parse().ok());
    let level: Level = level.unwrap_or(Level::INFO);
    let lines = fmt::layer().json().flatten_event(true).with_span_list(false).with_target(false);
    let ours = OURS.map(|name| (name, level));
    let filter = Targets::new().with_default(Level::WARN.min(level)).with_targets(ours);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

async fn run(environment: &Environment) -> Result<(), RuntimeError> {
    let clock = Clock::real();
    let runtime = Runtime::new(environment, &clock)?;
    match Function::new(environment, &clock).await {
        Ok(function) => runtime.run(&function).await,
        Err(problem) => {
            error!(%problem, "the function cannot be set up");
            runtime.init_error(&problem).await?;
            std::process::exit(1)
        }
    }
}
