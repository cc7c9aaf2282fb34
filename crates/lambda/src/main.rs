//! `bootstrap`: what AWS Lambda starts.

use std::process::ExitCode;

use aws::Environment;
use lambda::{
    Function,
    runtime::{Runtime, RuntimeError},
};
use pipeline::Clock;
use tracing::{Level, error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    let level = environment.get("AWS_LAMBDA_LOG_LEVEL").and_then(|it| it.parse().ok());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level.unwrap_or(Level::INFO))
        .init();
    match run(&environment).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            error!(%problem, "the function ends");
            ExitCode::FAILURE
        }
    }
}

async fn run(environment: &Environment) -> Result<(), RuntimeError> {
    let clock = Clock::real();
    let runtime = Runtime::new(environment, &clock)?;
    match Function::new(environment, &clock) {
        Ok(function) => runtime.run(&function).await,
        Err(problem) => {
            error!(%problem, "the function cannot be set up");
            runtime.init_error(&problem).await?;
            std::process::exit(1)
        }
    }
}
