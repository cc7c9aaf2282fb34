//! `user_agent`: recognises browser, operating system and device from what a browser says of itself.
//!
//! Differs from Data Prepper: the rules are ours. They know the usual browsers, systems, programs and
//! robots, by the names `uap-core` gives them, but not the thousands of rare ones; what is not known
//! is `Other`. Nothing is cached, so `cache_size` has no effect.

mod rules;

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use self::rules::Rules;
use crate::parts::{Condition, Key, Tags, describe, failed, open};

pub(crate) const FACTORY: Factory = Factory::of::<UserAgent>();

/// Settings of `user_agent`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The field with the text. If it is missing, nothing happens.
    source: Key,
    /// Where the result goes.
    #[serde(default = "user_agent")]
    target: Key,
    /// Leaves the text itself out of the result.
    #[serde(default)]
    exclude_original: bool,
    /// Has no effect.
    cache_size: Option<u64>,
    /// What an event is marked with if the source is no text.
    #[serde(default)]
    tags_on_parse_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    user_agent_when: Condition,
}

fn user_agent() -> Key {
    Key::top("user_agent")
}

struct UserAgent {
    config: Config,
    rules: Rules,
}

impl Configured for UserAgent {
    const NAME: &'static str = "user_agent";
    const EXAMPLE: &'static str = r"
settings: { source: ua, exclude_original: true }
before:
  ua: Mozilla/5.0 (iPhone; CPU iPhone OS 13_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Mobile/15E148 Safari/604.1
after:
  - ua: Mozilla/5.0 (iPhone; CPU iPhone OS 13_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Mobile/15E148 Safari/604.1
    user_agent:
      name: Mobile Safari
      version: 13.1.1
      os: { name: iOS, version: 13.5.1, full: iOS 13.5.1 }
      device: { name: iPhone }
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.cache_size == Some(0) {
            return Err(settings.problem("cache_size", "it must be more than 0"));
        }
        let rules = Rules::new().map_err(|problem| settings.problem("", problem))?;
        Ok(UserAgent { config, rules })
    }
}

impl Processor for UserAgent {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.config.user_agent_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = self.recognise(open(event)?);
        self.config.tags_on_parse_failure.settle(event, result)
    }
}

impl UserAgent {
    fn recognise(&self, fields: &mut Map) -> Result<(), ProcessError> {
        let Config { source, target, exclude_original, .. } = &self.config;
        let text = match source.get(fields) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::String(text)) => text,
            Some(other) => return failed(format!("`{source}` is {}, not a text", describe(other))),
        };
        let agent = self.rules.recognise(text)?;
        let mut result = Map::default();
        let mut set = |name: &str, value: Value| {
            result.insert(name.to_owned(), value);
        };
        set("name", Value::from(agent.name.as_str()));
        if !agent.version.is_empty() {
            set("version", Value::from(agent.version.as_str()));
        }
        let mut os = Map::default();
        os.insert("name".to_owned(), Value::from(agent.os));
        if !agent.os_version.is_empty() {
            os.insert("version".to_owned(), Value::from(agent.os_version.as_str()));
        }
        let full = format!("{} {}", agent.os, agent.os_version);
        os.insert("full".to_owned(), Value::from(full.trim()));
        set("os", Value::Map(os));
        let device = Map::from_iter([("name".to_owned(), Value::String(agent.device))]);
        set("device", Value::Map(device));
        if !exclude_original {
            set("original", Value::from(text.as_str()));
        }
        target.put(fields, Value::Map(result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run, tags};

    #[test]
    fn only_texts_are_recognised() {
        assert_eq!(run(&FACTORY, "{source: a}", "{}").unwrap(), "{}");
        assert!(run(&FACTORY, "{source: a}", r#"{"a":7}"#).is_err());
        assert_eq!(tags(&FACTORY, "{source: a, tags_on_parse_failure: [t]}", r#"{"a":7}"#), ["t"]);
        let other = run(&FACTORY, "{source: a, target: b/c}", r#"{"a":"?"}"#).unwrap();
        let expected = r#"{"a":"?","b":{"c":{"name":"Other","os":{"name":"Other","full":"Other"},"device":{"name":"Other"},"original":"?"}}}"#;
        assert_eq!(other, expected);
        assert_eq!(problem(&FACTORY, "{source: a, cache_size: 0}").at, "cache_size");
    }
}
