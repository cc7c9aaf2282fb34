//! Lambda's Runtime API: asks for an event, answers it, asks for the next.

use std::{io::Write, time::Duration};

use aws::{Environment, Http, HttpError, Response};
use bytes::Bytes;
use futures::future::join_all;
use http::{Method, Request, StatusCode, header};
use pipeline::{Clock, Timestamp};
use serde_json::json;
use tracing::{Instrument, error, info_span};

use crate::{Context, Failure, Function, metrics, settings::SettingsError};

/// The next event may be days away; there is nothing else to do meanwhile.
const NEXT_TIMEOUT: Duration = Duration::from_hours(24 * 365);
/// How long to wait until Lambda has taken an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// What is less is no moment (it would be in 2001), but so many milliseconds from now.
const MOMENT_MIN: u64 = 1_000_000_000_000;
/// How often in a row Lambda may be out of reach.
const FAILURES_MAX: u32 = 3;

/// One Runtime API.
#[derive(Clone, Debug)]
pub struct Runtime {
    http: Http,
    base: String,
    function: String,
    /// How many events are handled at the same time.
    concurrency: usize,
    clock: Clock,
}

/// Why no more events can be handled. The process should end; Lambda starts another.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// We were not started by Lambda.
    #[error("AWS_LAMBDA_RUNTIME_API is not set: this program is started by AWS Lambda")]
    NotInLambda,
    /// Lambda is out of reach.
    #[error("the Runtime API cannot be reached: {0}")]
    Unreachable(#[from] HttpError),
    /// Lambda said something that we do not understand.
    #[error("the Runtime API answered {0}")]
    Answered(StatusCode),
}

impl Runtime {
    /// The Runtime API that the environment names.
    ///
    /// # Errors
    ///
    /// When it names none.
    pub fn new(environment: &Environment, clock: &Clock) -> Result<Runtime, RuntimeError> {
        let address = environment.get("AWS_LAMBDA_RUNTIME_API").ok_or(RuntimeError::NotInLambda)?;
        let concurrency = environment.get("AWS_LAMBDA_MAX_CONCURRENCY");
        let function = environment.get("AWS_LAMBDA_FUNCTION_NAME");
        Ok(Runtime {
            http: Http::plain(),
            base: format!("http://{address}/2018-06-01/runtime"),
            function: function.unwrap_or_else(|| "streamdex".to_owned()),
            concurrency: concurrency.and_then(|it| it.parse().ok()).unwrap_or(1).clamp(1, 64),
            clock: clock.clone(),
        })
    }

    /// Tells Lambda that the function cannot be set up.
    ///
    /// # Errors
    ///
    /// When Lambda cannot be told.
    pub async fn init_error(&self, problem: &SettingsError) -> Result<(), RuntimeError> {
        let failure = Failure::configuration(problem.to_string());
        self.post("/init/error", error_body(&failure), Some(failure.kind)).await.map(drop)
    }

    /// Handles events until Lambda ends us.
    ///
    /// # Errors
    ///
    /// When Lambda is out of reach, or says that it is broken.
    pub async fn run(&self, function: &Function) -> Result<(), RuntimeError> {
        let workers = (0..self.concurrency).map(|_| self.work(function));
        join_all(workers).await.into_iter().collect()
    }

    async fn work(&self, function: &Function) -> Result<(), RuntimeError> {
        let mut n_failures = 0;
        loop {
            match self.handle_next(function).await {
                Ok(()) => n_failures = 0,
                Err(RuntimeError::Unreachable(problem)) if n_failures < FAILURES_MAX => {
                    n_failures += 1;
                    error!(%problem, "the Runtime API is out of reach, trying again");
                    tokio::time::sleep(Duration::from_millis(50) * n_failures).await;
                }
                Err(problem) => return Err(problem),
            }
        }
    }

    async fn handle_next(&self, function: &Function) -> Result<(), RuntimeError> {
        let next = self.call(Method::GET, "/invocation/next", Bytes::new(), None, NEXT_TIMEOUT);
        let next = next.await?;
        if !next.status.is_success() {
            return Err(RuntimeError::Answered(next.status));
        }
        let Some(context) = context(&next, self.clock.now()) else {
            return Err(RuntimeError::Answered(next.status));
        };
        let trace = text(&next, "lambda-runtime-trace-id").unwrap_or_default();
        let span = info_span!("invocation", request_id = context.request_id, trace);
        self.handle(function, next.body, &context).instrument(span).await
    }

    async fn handle(
        &self,
        function: &Function,
        payload: Bytes,
        context: &Context,
    ) -> Result<(), RuntimeError> {
        let path = |end: &str| format!("/invocation/{}/{end}", context.request_id);
        let handled = function.handle(payload, context).await;
        let metrics = match &handled {
            Ok(handled) => &handled.metrics,
            Err(failure) => &failure.metrics,
        };
        if !metrics.is_empty() {
            let at = self.clock.now();
            print(&metrics::line(&self.function, &context.request_id, at, metrics));
        }
        let failure = match handled {
            Ok(handled) => {
                let answer = self.post(&path("response"), handled.answer.into(), None).await?;
                if answer.status != StatusCode::PAYLOAD_TOO_LARGE {
                    return told(&answer);
                }
                Failure::new("Streamdex.AnswerTooLarge", "Lambda takes no answer as large as this")
            }
            Err(failure) => failure,
        };
        error!(kind = failure.kind, problem = failure.message, "the event was not handled");
        let body = error_body(&failure);
        told(&self.post(&path("error"), body, Some(failure.kind)).await?)
    }

    async fn post(
        &self,
        path: &str,
        body: Bytes,
        kind: Option<&'static str>,
    ) -> Result<Response, RuntimeError> {
        self.call(Method::POST, path, body, kind, ANSWER_TIMEOUT).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        kind: Option<&'static str>,
        timeout: Duration,
    ) -> Result<Response, RuntimeError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(kind) = kind {
            request = request.header("lambda-runtime-function-error-type", kind);
        }
        let request = request.body(body).map_err(HttpError::from)?;
        Ok(self.http.send(request, timeout).await?)
    }
}

fn context(next: &Response, now: Timestamp) -> Option<Context> {
    let deadline = text(next, "lambda-runtime-deadline-ms")?.parse().ok()?;
    let request_id = text(next, "lambda-runtime-aws-request-id")?.to_owned();
    Some(Context { request_id, deadline: moment(deadline, now) })
}

/// When the function will be ended. The emulator of cargo-lambda says how long it has instead.
fn moment(said: u64, now: Timestamp) -> Timestamp {
    if MOMENT_MIN <= said { Timestamp(said) } else { now.after(Duration::from_millis(said)) }
}

fn text<'a>(next: &'a Response, name: &str) -> Option<&'a str> {
    next.headers.get(name)?.to_str().ok()
}

/// Whether Lambda is well after it was told. An answer that comes too late is refused, and that is
/// nothing to end for.
fn told(answer: &Response) -> Result<(), RuntimeError> {
    if answer.status.is_server_error() {
        return Err(RuntimeError::Answered(answer.status));
    }
    if !answer.status.is_success() {
        error!(status = answer.status.as_u16(), "Lambda did not take what it was told");
    }
    Ok(())
}

fn error_body(failure: &Failure) -> Bytes {
    let body = json!({
        "errorMessage": failure.message,
        "errorType": failure.kind,
        "stackTrace": [],
    });
    Bytes::from(body.to_string())
}

/// Metrics are lines of the log by themselves.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    // Without a log there is nobody to tell.
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_moment_or_how_long_it_is_until_then() {
        let now = Timestamp(1_768_469_400_000);
        assert_eq!(moment(1_768_469_460_000, now).0, 1_768_469_460_000, "Lambda");
        assert_eq!(moment(600_000, now).0, 1_768_470_000_000, "cargo-lambda");
    }
}
