//! `streamdex lambda`: the Lambda function on this machine, on one event or behind an address.

use std::{io::Read, path::Path, sync::Arc, time::Duration};

use ::lambda::{Context, Function, gateway};
use aws::Environment;
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    response::Response,
};
use pipeline::Clock;
use tracing::{info, warn};

use crate::{
    cli::{Invoke, Lambda, LambdaCommand, Serve},
    failure::Failure,
    process::{listen, stop_on_signal},
};

/// API Gateway takes no larger request.
const REQUEST_BYTES_MAX: usize = 10 << 20;
/// The timeout of a function behind an API.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(29);

pub(super) async fn run(args: Lambda) -> Result<(), Failure> {
    match args.command {
        LambdaCommand::Invoke(args) => invoke(&args).await,
        LambdaCommand::Serve(args) => serve(&args).await,
    }
}

/// The function that the variables of this process describe.
async fn function(clock: &Clock) -> Result<Function, Failure> {
    let function = Function::new(&Environment::of_process(), clock).await;
    function.map_err(|error| Failure::wrong(error.to_string()))
}

#[expect(clippy::print_stdout, reason = "the answer is what the command is asked for")]
async fn invoke(args: &Invoke) -> Result<(), Failure> {
    let clock = Clock::real();
    let payload = read(&args.event)?;
    let function = function(&clock).await?;
    let deadline = clock.now().after(Duration::from_secs(args.timeout));
    let context = Context { request_id: "local".to_owned(), deadline };
    let handled = function.handle(payload, &context).await;
    let metrics = match &handled {
        Ok(handled) => &handled.metrics,
        Err(failure) => &failure.metrics,
    };
    for (name, unit, value) in metrics {
        info!(name, unit, value, "counted");
    }
    let handled = handled.map_err(|it| Failure::failed(format!("{}: {it}", it.kind)))?;
    println!("{}", handled.answer);
    Ok(())
}

/// The event; `-` stands for the standard input.
fn read(path: &Path) -> Result<Bytes, Failure> {
    let failed =
        |error: std::io::Error| Failure::wrong(format!("cannot read {}: {error}", path.display()));
    if path != Path::new("-") {
        return std::fs::read(path).map(Bytes::from).map_err(failed);
    }
    let mut payload = Vec::new();
    std::io::stdin().lock().read_to_end(&mut payload).map_err(failed)?;
    Ok(payload.into())
}

/// The function behind an address, as behind a stage of API Gateway.
struct Stage {
    function: Function,
    name: String,
    clock: Clock,
}

async fn serve(args: &Serve) -> Result<(), Failure> {
    let clock = Clock::real();
    let name = Environment::of_process().get("API_STAGE").unwrap_or_else(|| "dev".to_owned());
    let stage = Stage { function: function(&clock).await?, name, clock };
    let failed = |error: std::io::Error| Failure::failed(error.to_string());
    let listener = listen("--listen", args.listen, false).await?;
    let address = listener.local_addr().map_err(failed)?;
    super::write_addresses(args.addresses.as_deref(), &[("api", format!("http://{address}"))])?;
    info!("http://{address}/{}/_dashboards/app/dev_tools", stage.name);
    let app = Router::new().fallback(answer).with_state(Arc::new(stage));
    axum::serve(listener, app).with_graceful_shutdown(stop_on_signal()).await.map_err(failed)
}

async fn answer(State(stage): State<Arc<Stage>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_BYTES_MAX).await else {
        return plain(413, r#"{"message":"Request Too Long"}"#);
    };
    let text = |value: &'_ http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers: Vec<(&str, String)> =
        head.headers.iter().map(|(name, it)| (name.as_str(), text(it))).collect();
    let asked = gateway::Asked {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: headers.iter().map(|(name, it)| (*name, it.as_str())).collect(),
        body: &body,
    };
    let Some(event) = gateway::event(&asked, &stage.name, "local") else {
        // What API Gateway says where there is nothing.
        return plain(403, r#"{"message":"Missing Authentication Token"}"#);
    };
    let deadline = stage.clock.now().after(REQUEST_TIMEOUT);
    let context = Context { request_id: "local".to_owned(), deadline };
    match stage.function.handle(event.into(), &context).await {
        Ok(handled) => match gateway::response(&handled.answer) {
            Some(answer) => {
                let mut response = Response::builder().status(answer.status);
                for (name, value) in answer.headers {
                    response = response.header(name, value);
                }
                let response = response.body(Body::from(answer.body));
                response.unwrap_or_else(|_| plain(502, r#"{"message":"Internal server error"}"#))
            }
            None => plain(502, r#"{"message":"Internal server error"}"#),
        },
        Err(failure) => {
            warn!(kind = failure.kind, problem = failure.message, "the request was not handled");
            plain(502, r#"{"message":"Internal server error"}"#)
        }
    }
}

fn plain(status: u16, body: &'static str) -> Response {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::from(body)).expect("these are headers")
}
