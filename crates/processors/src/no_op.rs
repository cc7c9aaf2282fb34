//! `no-op`: does nothing.

use pipeline::{ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings};
use serde::Deserialize;

pub(crate) const FACTORY: Factory = Factory::of::<NoOp>();

/// Settings of `no-op`: none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {}

struct NoOp;

impl Configured for NoOp {
    const NAME: &'static str = "no-op";
    const EXAMPLE: &'static str = r"
settings: {}
before:   { a: 1 }
after:    [{ a: 1 }]
";
    type Config = Option<Config>;

    fn build(_: Option<Config>, _: &Settings) -> Result<Self, ConfigError> {
        Ok(NoOp)
    }
}

impl Processor for NoOp {
    fn process(&self, _: &mut Event) -> Result<Flow, ProcessError> {
        Ok(Flow::Keep)
    }
}
