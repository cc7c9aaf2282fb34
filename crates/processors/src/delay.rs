//! `delay`: waits before events go on. For trying things out.
//!
//! Events that arrive together wait together, once, and what comes behind them in their lane waits
//! for them.

use std::time::Duration;

use pipeline::{
    Ack, ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings,
    Stateful, Taken, Timestamp,
};
use serde::Deserialize;

pub(crate) const FACTORY: Factory = Factory::of::<Delay>();

/// How long it may wait: a pipeline that is asked to stop waits for it.
const FOR_MAX: Duration = Duration::from_mins(1);

/// Settings of `delay`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// How long; at most a minute.
    #[serde(default = "second", rename = "for", deserialize_with = "pipeline::duration")]
    wait: Duration,
}

fn second() -> Duration {
    Duration::from_secs(1)
}

struct Delay(Duration);

impl Configured for Delay {
    const NAME: &'static str = "delay";
    const EXAMPLE: &'static str = r"
settings: { for: 2s }
before: { a: 1 }
after: [{ a: 1 }]
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if FOR_MAX < config.wait {
            return Err(settings
                .problem("for", "it is more than a minute")
                .with_help("write `60s` or less"));
        }
        Ok(Delay(config.wait))
    }
}

impl Processor for Delay {
    fn process(&self, _: &mut Event) -> Result<Flow, ProcessError> {
        Ok(Flow::Keep)
    }

    fn stateful(&self) -> Option<&dyn Stateful> {
        Some(self)
    }
}

impl Stateful for Delay {
    fn take(&self, events: Vec<Event>, _: &[Ack], _: Timestamp) -> Taken {
        Taken { events, wait: self.0, ..Taken::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{event, problem};

    #[test]
    fn events_wait_together() {
        let settings = Settings::from_yaml("{for: 1500ms}").unwrap();
        let delay = (FACTORY.build)(&settings).unwrap();
        let events = vec![event("{}"), event("{}")];
        let taken = delay.stateful().unwrap().take(events.clone(), &[], Timestamp(0));
        assert_eq!((taken.events, taken.wait), (events, Duration::from_millis(1500)));
        assert_eq!(problem(&FACTORY, "{for: 2h}").at, "for");
        assert_eq!(problem(&FACTORY, "{for: soon}").at, "for");
    }
}
