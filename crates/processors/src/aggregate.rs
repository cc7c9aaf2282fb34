//! `aggregate`: keeps events for a while in groups, and gives one for many, or some of many.
//!
//! | Action | Events | After `group_duration` |
//! |---|---|---|
//! | `remove_duplicates` | the first of a group goes on, the others end | nothing |
//! | `put_all` | are kept | their fields in one event; the last wins |
//! | `append` | are kept | the first, with the others' values of its fields appended |
//! | `count` | are kept | how many there were |
//! | `sum` | are kept | the sum of a field |
//! | `histogram` | are kept | how the values of a field are distributed |
//! | `percent_sampler` | so many of a hundred go on, the others end | nothing |
//! | `rate_limiter` | so many a second go on, the others end or wait | nothing |
//! | `tail_sampler` | are kept until none came for `wait_period` | all of them, or none |
//!
//! What is kept keeps its batch unacknowledged: after a crash it is read again.
//!
//! Differs from Data Prepper: an event for which `aggregate_when` is not true goes on, as with every
//! other processor. Sums are exact. Groups are those of this process, whatever `local_mode` says.
//! Events are always acknowledged when their group was written, so `acknowledge_on_conclude` changes
//! nothing. `tail_sampler` decides by the group's keys, so that a group read again is decided alike.
//! What `put_all` and `append` give has the id and version of the last event; what `count`, `sum` and
//! `histogram` give is new, so set `document_id`.

mod action;
mod config;
mod groups;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pipeline::{
    Ack, Clock, ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Released,
    Settings, Stateful, Taken, Timestamp, Value,
};
use serde::Deserialize;

use self::{
    action::Action,
    groups::{Groups, Step},
};
use crate::parts::{Condition, Key, Tags, alone};

pub(crate) const FACTORY: Factory = Factory::of::<Aggregate>();

/// Settings of `aggregate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are settings")]
pub(crate) struct Config {
    /// Events with the same values of these fields are a group.
    identification_keys: Vec<Key>,
    /// What becomes of a group: one of the actions above, with its settings.
    #[expect(dead_code, reason = "it is read by its name, with its place")]
    action: Value,
    /// How long a group lasts, from its first event.
    #[serde(default = "three_minutes", deserialize_with = "pipeline::duration")]
    group_duration: Duration,
    /// Has no effect: groups are those of this process.
    #[expect(dead_code, reason = "accepted, and of no effect, as the documents say")]
    #[serde(default)]
    local_mode: bool,
    /// Only for these events; others go on.
    #[serde(default)]
    aggregate_when: Condition,
    /// Lets the events that are kept go on, too. Needs `aggregated_events_tag`.
    #[serde(default)]
    output_unaggregated_events: bool,
    /// What the events that a group gives are marked with.
    aggregated_events_tag: Option<String>,
    /// Has no effect: events are acknowledged when their group is written.
    #[expect(dead_code, reason = "accepted, and of no effect, as the documents say")]
    #[serde(default)]
    acknowledge_on_conclude: bool,
    /// Acknowledges events when they are kept: the source reads on, but a crash loses the groups.
    #[serde(default)]
    disable_group_acknowledgments: bool,
}

fn three_minutes() -> Duration {
    Duration::from_mins(3)
}

struct Aggregate {
    keys: Vec<Key>,
    action: Action,
    when: Condition,
    passes: bool,
    tag: Option<Tags>,
    acknowledges_at_once: bool,
    groups: Mutex<Groups>,
}

impl Configured for Aggregate {
    const NAME: &'static str = "aggregate";
    const EXAMPLE: &'static str = r"
- settings: { identification_keys: [order], action: { put_all: {} }, group_duration: 10s }
  before:   [{ order: 7, status: new, total: 5 }, { order: 8 }, { order: 7, status: paid }]
  after:    [{ order: 7, status: paid, total: 5 }, { order: 8 }]
- settings: { identification_keys: [user], action: { remove_duplicates: null } }
  before:   [{ user: ada, n: 1 }, { user: ada, n: 2 }, { user: bob, n: 3 }]
  after:    [{ user: ada, n: 1 }, { user: bob, n: 3 }]
- settings: { identification_keys: [user], action: { append: { keys_to_append: [page] } } }
  before:   [{ user: ada, page: a, n: 1 }, { user: ada, page: b, n: 2 }]
  after:    [{ user: ada, page: [a, b], n: 1 }]
- settings: { identification_keys: [user], action: { count: { output_format: raw } } }
  before:   [{ user: ada }, { user: ada }]
  after:
    - user: ada
      aggr._count: 2
      aggr._start_time: 1970-01-01T00:00:00.000Z
      aggr._end_time: 1970-01-01T00:00:00.000Z
- settings: { identification_keys: [user], action: { percent_sampler: { percent: 50 } } }
  before:   [{ user: ada, n: 1 }, { user: ada, n: 2 }, { user: ada, n: 3 }, { user: ada, n: 4 }]
  after:    [{ user: ada, n: 2 }, { user: ada, n: 4 }]
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.identification_keys.is_empty() {
            return Err(settings
                .problem("identification_keys", "there are none")
                .with_help("name the fields that events of a group have in common"));
        }
        if config.output_unaggregated_events && config.aggregated_events_tag.is_none() {
            let problem = "it needs `aggregated_events_tag`, to tell the events apart";
            return Err(settings.problem("output_unaggregated_events", problem));
        }
        if config.group_duration.is_zero() {
            return Err(settings.problem("group_duration", "it is 0"));
        }
        let action = Action::read(settings)?;
        let lasts = action.wait_period().unwrap_or(config.group_duration);
        Ok(Aggregate {
            keys: config.identification_keys,
            groups: Mutex::new(Groups::new(lasts, action.wait_period().is_some())),
            action,
            when: config.aggregate_when,
            passes: config.output_unaggregated_events,
            tag: config.aggregated_events_tag.as_deref().map(Tags::of),
            acknowledges_at_once: config.disable_group_acknowledgments,
        })
    }
}

impl Processor for Aggregate {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        alone(self, event, Clock::real().now())
    }

    fn stateful(&self) -> Option<&dyn Stateful> {
        Some(self)
    }
}

impl Stateful for Aggregate {
    fn take(&self, events: Vec<Event>, acks: &[Ack], now: Timestamp) -> Taken {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let acks = if self.acknowledges_at_once { &[] } else { acks };
        let mut taken = Taken::default();
        for mut event in events {
            match self.when.holds(&mut event) {
                Ok(true) => {}
                Ok(false) => {
                    taken.events.push(event);
                    continue;
                }
                Err(error) => {
                    taken.failed.push((event, error));
                    continue;
                }
            }
            let copy = (self.passes && self.action.keeps()).then(|| event.clone());
            // A copy that goes on stands for the event; what the group gives is one more.
            let counts = copy.is_none() && !self.acknowledges_at_once;
            match groups.take(event, &self.keys, &self.action, acks, counts, now) {
                Step::GoesOn(event, wait) => {
                    taken.wait = taken.wait.max(wait);
                    taken.events.push(event);
                }
                Step::Ends => {}
                Step::Kept => {
                    taken.kept += u64::from(counts);
                    taken.events.extend(copy);
                }
                Step::Failed(event, error) => taken.failed.push((event, error)),
            }
        }
        taken
    }

    fn release(&self, now: Timestamp, all: bool) -> Vec<Released> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let mut released = groups.release(&self.action, now, all);
        if let Some(tag) = &self.tag {
            released.iter_mut().flat_map(|it| &mut it.events).for_each(|event| tag.mark(event));
        }
        released
    }
}

#[cfg(test)]
mod tests;
