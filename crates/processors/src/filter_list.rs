//! `filter_list`: keeps the elements of a list for which a condition is true.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, Key, Tags, describe, failed, open};

pub(crate) const FACTORY: Factory = Factory::of::<FilterList>();

/// Settings of `filter_list`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The list of objects.
    iterate_on: Key,
    /// Which of them stay; asked of the element.
    keep_element_when: Condition,
    /// Where the rest of the list goes; without it, to where the list was.
    target: Option<Key>,
    /// What an event is marked with if there is no list of objects.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    filter_list_when: Condition,
}

struct FilterList(Config);

impl Configured for FilterList {
    const NAME: &'static str = "filter_list";
    const EXAMPLE: &'static str = r"
settings: { iterate_on: lines, keep_element_when: /n > 0 }
before:   { lines: [{ sku: A, n: 0 }, { sku: B, n: 2 }] }
after:    [{ lines: [{ sku: B, n: 2 }] }]
";
    type Config = Config;

    fn build(config: Config, _: &Settings) -> Result<Self, ConfigError> {
        Ok(FilterList(config))
    }
}

impl Processor for FilterList {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.0.filter_list_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = self.filter(event);
        self.0.tags_on_failure.settle(event, result)
    }
}

impl FilterList {
    fn filter(&self, event: &mut Event) -> Result<(), ProcessError> {
        let Config { iterate_on, keep_element_when, target, .. } = &self.0;
        open(event)?;
        let list = match event.fields().and_then(|fields| iterate_on.get(fields)) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::List(values)) => values,
            Some(other) => {
                return failed(format!("`{iterate_on}` is {}, not a list", describe(other)));
            }
        };
        let mut kept = Vec::new();
        for value in list {
            let Value::Map(element) = value else {
                return failed(format!(
                    "`{iterate_on}` holds {}, not only objects",
                    describe(value)
                ));
            };
            if keep_element_when.holds_for(element, event) {
                kept.push(value.clone());
            }
        }
        target.as_ref().unwrap_or(iterate_on).put(open(event)?, Value::List(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::run;

    #[test]
    fn the_list_can_stay_as_it_was() {
        let settings = "{iterate_on: a, keep_element_when: '/x == 1', target: b}";
        let after = run(&FACTORY, settings, r#"{"a":[{"x":1},{"x":2}]}"#).unwrap();
        assert_eq!(after, r#"{"a":[{"x":1},{"x":2}],"b":[{"x":1}]}"#);
        assert!(run(&FACTORY, settings, r#"{"a":[1]}"#).is_err());
    }
}
