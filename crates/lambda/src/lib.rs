//! One Lambda function: a DynamoDB stream into an OpenSearch index, and requests to both OpenSearch
//! and its Dashboards.
//!
//! [`Function`] handles one event, wherever it comes from; [`runtime`] asks Lambda for events and
//! answers them. What an event is, is decided in [`event`]; batches are handled in `stream`, requests
//! in `proxy`. [`settings`] has every environment variable, and [`gateway`] stands in for API Gateway.

mod dead_letters;
pub mod event;
pub mod gateway;
pub mod id;
pub mod metrics;
mod pipeline_file;
mod proxy;
pub mod runtime;
pub mod settings;
mod stream;

use std::time::Duration;

use aws::Environment;
use bytes::Bytes;
use pipeline::{Clock, Timestamp};

pub use crate::proxy::rules::ProxyMode;
use crate::{
    event::Trigger,
    metrics::Metric,
    proxy::Proxy,
    settings::{Settings, SettingsError},
    stream::{Report, Stream},
};

/// What Lambda says about one invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Its id.
    pub request_id: String,
    /// When it will be ended if it has not answered.
    pub deadline: Timestamp,
}

impl Context {
    /// How long it may still take.
    pub fn time_left(&self, now: Timestamp) -> Duration {
        Duration::from_millis(self.deadline.0.saturating_sub(now.0))
    }
}

/// An event, handled.
#[derive(Clone, Debug, PartialEq)]
pub struct Handled {
    /// The answer, in JSON.
    pub answer: String,
    /// What is to be counted.
    pub metrics: Vec<Metric>,
}

/// An event that was not handled. Lambda sends it again, if whoever sent it waits for that.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// A name for its kind, for alarms.
    pub kind: &'static str,
    /// What happened, and what to do about it.
    pub message: String,
    /// What is to be counted.
    pub metrics: Vec<Metric>,
}

impl Failure {
    fn new(kind: &'static str, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), metrics: Vec::new() }
    }

    /// Something is set up wrong: nothing was lost, and nothing set aside.
    fn configuration(message: impl Into<String>) -> Failure {
        Failure::new("Streamdex.Configuration", message)
    }

    fn with_report(mut self, report: &Report) -> Failure {
        self.metrics = report.metrics().into();
        self
    }
}

/// The function, set up. Handles any number of events, also at the same time.
#[derive(Debug)]
pub struct Function {
    stream: Option<Stream>,
    proxy: Option<Proxy>,
}

impl Function {
    /// The function that the environment describes. Nobody is asked anything yet, unless the
    /// pipeline file or its secrets are elsewhere.
    ///
    /// # Errors
    ///
    /// When a variable is missing or makes no sense.
    pub async fn new(environment: &Environment, clock: &Clock) -> Result<Function, SettingsError> {
        let settings = Settings::read(&|name| environment.get(name))?;
        let stream = match &settings.stream {
            Some(stream) => {
                let file = pipeline_file::load(environment).await?;
                Some(Stream::new(&settings, stream, file.as_ref(), environment, clock)?)
            }
            None => None,
        };
        let proxy = settings.proxy.as_ref().map(|it| Proxy::new(&settings, it, environment, clock));
        Ok(Function { stream, proxy })
    }

    /// Handles one event.
    ///
    /// # Errors
    ///
    /// When it is none that we handle, or a batch must come again as a whole.
    pub async fn handle(&self, payload: Bytes, context: &Context) -> Result<Handled, Failure> {
        let trigger = event::trigger(&payload)
            .map_err(|error| Failure::new("Streamdex.UnsupportedEvent", error.to_string()))?;
        match (&trigger, &self.stream, &self.proxy) {
            (Trigger::Stream(places), Some(stream), _) => {
                let (answer, report) = stream.handle(&payload, places, context).await?;
                Ok(Handled { answer, metrics: report.metrics().into() })
            }
            (Trigger::Stream(_), None, _) => Err(not_for("proxy", "a batch of a stream")),
            (_, _, Some(proxy)) => {
                let (answer, passed) = proxy.handle(&trigger, &payload, context).await;
                Ok(Handled { answer, metrics: passed.metrics().into() })
            }
            (_, _, None) => Err(not_for("stream", "a request")),
        }
    }
}

fn not_for(mode: &str, event: &str) -> Failure {
    let message = format!("MODE is `{mode}`, but the function was invoked with {event}");
    Failure::new("Streamdex.UnsupportedEvent", message)
}
