//! `rate_limiter`: lets so many events a second go on.
//!
//! Differs from Data Prepper: there is one counter for the pipeline, so `counter_retention` has
//! nothing to forget and no effect.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pipeline::{
    Ack, ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings,
    Stateful, Taken, Timestamp,
};
use serde::Deserialize;

use crate::parts::{Condition, Second, WhenExceeds};

pub(crate) const FACTORY: Factory = Factory::of::<RateLimiter>();

/// Settings of `rate_limiter`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// How many events may go on in a second.
    events_per_second: u64,
    /// What becomes of more: `drop` ends them here, `block` has them wait, and all behind them.
    #[serde(default = "drop")]
    when_exceeds: WhenExceeds,
    /// Only for these events; others go on, uncounted.
    #[serde(default)]
    limit_when: Condition,
    /// Has no effect.
    #[expect(dead_code, reason = "accepted, checked, and of no effect, as the documents say")]
    #[serde(default = "minute", deserialize_with = "pipeline::duration")]
    counter_retention: Duration,
}

fn drop() -> WhenExceeds {
    WhenExceeds::Drop
}

fn minute() -> Duration {
    Duration::from_mins(1)
}

struct RateLimiter {
    limit: u64,
    when_exceeds: WhenExceeds,
    when: Condition,
    second: Mutex<Second>,
}

impl Configured for RateLimiter {
    const NAME: &'static str = "rate_limiter";
    const EXAMPLE: &'static str = r#"
- settings: { events_per_second: 2 }
  before:   [{ n: 1 }, { n: 2 }, { n: 3 }]
  after:    [{ n: 1 }, { n: 2 }]
- settings: { events_per_second: 1, limit_when: '/kind == "view"' }
  before:   [{ kind: view }, { kind: view }, { kind: order }]
  after:    [{ kind: view }, { kind: order }]
- settings: { events_per_second: 1, when_exceeds: block }
  before:   [{ n: 1 }, { n: 2 }]
  after:    [{ n: 1 }, { n: 2 }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.events_per_second == 0 {
            return Err(settings
                .problem("events_per_second", "it is 0")
                .with_help("write 1 or more, or use `drop_events`"));
        }
        Ok(RateLimiter {
            limit: config.events_per_second,
            when_exceeds: config.when_exceeds,
            when: config.limit_when,
            second: Mutex::default(),
        })
    }
}

impl Processor for RateLimiter {
    fn process(&self, _: &mut Event) -> Result<Flow, ProcessError> {
        Ok(Flow::Keep)
    }

    fn stateful(&self) -> Option<&dyn Stateful> {
        Some(self)
    }
}

impl Stateful for RateLimiter {
    fn take(&self, events: Vec<Event>, _: &[Ack], now: Timestamp) -> Taken {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Taken::default();
        for mut event in events {
            match self.when.holds(&mut event) {
                Err(error) => taken.failed.push((event, error)),
                Ok(false) => taken.events.push(event),
                Ok(true) => {
                    if let Some(wait) = second.admit(self.limit, self.when_exceeds, now) {
                        taken.wait = taken.wait.max(wait);
                        taken.events.push(event);
                    }
                }
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{event, problem};

    #[test]
    fn too_many_wait_for_the_seconds_to_come() {
        let settings = Settings::from_yaml("{events_per_second: 2, when_exceeds: block}").unwrap();
        let limiter = (FACTORY.build)(&settings).unwrap();
        let take = |n: usize, now| {
            let taken = limiter.stateful().unwrap().take(vec![event("{}"); n], &[], Timestamp(now));
            assert_eq!(taken.events.len(), n);
            taken.wait.as_millis()
        };
        assert_eq!([take(2, 5000), take(3, 5000), take(1, 7500)], [0, 2000, 0]);
        for (settings, at) in [
            ("{}", ""),
            ("{events_per_second: 0}", "events_per_second"),
            ("{events_per_second: 1, when_exceeds: wait}", "when_exceeds"),
            ("{events_per_second: 1, counter_retention: x}", "counter_retention"),
        ] {
            assert_eq!(problem(&FACTORY, settings).at, at, "{settings}");
        }
    }
}
