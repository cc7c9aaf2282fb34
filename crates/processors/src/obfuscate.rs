//! `obfuscate`: hides a field, or what matches a pattern in it, behind a mask or a hash.
//!
//! Differs from Data Prepper: a hash needs `salt` or `salt_key`; a salt made at random at every
//! start would give the same text another hash each time. Numbers and the elements of lists are
//! hidden, too; what cannot be hidden is a failure, so that it is not indexed by mistake.

use base64::{Engine, engine::general_purpose::STANDARD};
use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;
use sha2::{Digest, Sha512};

use crate::parts::{Condition, Key, Pattern, Tags, all, describe, failed, open, text_of};

pub(crate) const FACTORY: Factory = Factory::of::<Obfuscate>();

/// Patterns that have a name.
const COMMON: [(&str, &str); 6] = [
    ("%{EMAIL_ADDRESS}", r"[A-Za-z0-9+_.-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}"),
    ("%{IP_ADDRESS_V4}", r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"),
    ("%{BASE_NUMBER}", r"\d*\.\d+|\d+"),
    ("%{CREDIT_CARD_NUMBER}", r"\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}"),
    ("%{US_PHONE_NUMBER}", r"(?:\+?1[ -]?)?(?:\(\d{3}\)|\d{3})[ -]?\d{3}[ -]?\d{4}"),
    ("%{US_SSN_NUMBER}", r"\d{3}-\d{2}-\d{4}"),
];

/// Settings of `obfuscate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The field. If it is missing, nothing happens.
    source: Key,
    /// Where the result goes; without it, to where the value was.
    target: Option<Key>,
    /// What to hide in it; without it, all of it. Also `%{EMAIL_ADDRESS}`, `%{IP_ADDRESS_V4}`,
    /// `%{BASE_NUMBER}`, `%{CREDIT_CARD_NUMBER}`, `%{US_PHONE_NUMBER}`, `%{US_SSN_NUMBER}`.
    #[serde(default)]
    patterns: Vec<String>,
    /// How to hide it.
    #[serde(default)]
    action: ActionConfig,
    /// A pattern matches whole words only.
    #[serde(default)]
    single_word_only: bool,
    /// Only for these events.
    #[serde(default)]
    obfuscate_when: Condition,
    /// What an event is marked with if no pattern matches.
    #[serde(default)]
    tags_on_match_failure: Tags,
    /// What an event is marked with if something goes wrong; without it, such an event is set aside.
    #[serde(default)]
    tags_on_failure: Tags,
}

/// How to hide something: one of the two.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionConfig {
    /// Puts some characters in its place.
    mask: Option<MaskConfig>,
    /// Puts its hash in its place.
    hash: Option<HashConfig>,
}

/// What a mask looks like.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MaskConfig {
    /// One of `*`, `#`, `!`, `%`, `&`, `@`, `$`.
    #[serde(default = "star")]
    mask_character: char,
    /// How many of them; 1 to 10.
    #[serde(default = "three")]
    mask_character_length: usize,
}

fn star() -> char {
    '*'
}

fn three() -> usize {
    3
}

impl Default for MaskConfig {
    fn default() -> MaskConfig {
        MaskConfig { mask_character: star(), mask_character_length: three() }
    }
}

/// How a hash is made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HashConfig {
    /// What is hashed before the text; 16 to 64 characters.
    salt: Option<String>,
    /// The field that holds the salt.
    salt_key: Option<Key>,
    /// Which hash.
    #[serde(default)]
    format: HashFormat,
}

/// Which hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum HashFormat {
    /// In base64.
    #[default]
    #[serde(rename = "SHA-512")]
    Sha512,
}

struct Obfuscate {
    source: Key,
    target: Option<Key>,
    patterns: Vec<Pattern>,
    action: Action,
    when: Condition,
    on_no_match: Tags,
    on_failure: Tags,
}

enum Action {
    Mask(String),
    Hash(Salt),
}

enum Salt {
    Fixed(String),
    Field(Key),
}

impl Configured for Obfuscate {
    const NAME: &'static str = "obfuscate";
    const EXAMPLE: &'static str = r##"
- settings: { source: phone }
  before:   { phone: 555 555 5555 }
  after:    [{ phone: "***" }]
- settings:
    source: log
    target: log_safe
    patterns: ["%{EMAIL_ADDRESS}"]
    action: { mask: { mask_character: "#", mask_character_length: 6 } }
  before:   { log: mail bob@example.com now }
  after:    [{ log: mail bob@example.com now, log_safe: "mail ###### now" }]
"##;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        let pattern = |(n, text): (usize, &String)| {
            let at = format!("patterns[{n}]");
            let source = match COMMON.iter().find(|(name, _)| name == text) {
                Some((_, source)) => *source,
                None if text.starts_with("%{") => {
                    let names: Vec<_> = COMMON.iter().map(|(name, _)| *name).collect();
                    return Err(settings
                        .problem(&at, format!("there is no pattern `{text}`"))
                        .with_help(format!("there are {}", names.join(", "))));
                }
                None => text.as_str(),
            };
            let word = format!("\\b(?:{source})\\b");
            let source = if config.single_word_only { &word } else { source };
            Pattern::new(source).map_err(|error| settings.problem(&at, error))
        };
        let patterns = all(config.patterns.iter().enumerate().map(pattern))?;
        let action = match (config.action.mask, config.action.hash) {
            (Some(_), Some(_)) => {
                let problem = "exactly one of `mask` and `hash` must be there";
                return Err(settings.problem("action", problem));
            }
            (mask, None) => mask.unwrap_or_default().build(settings)?,
            (None, Some(hash)) => hash.build(settings)?,
        };
        Ok(Obfuscate {
            source: config.source,
            target: config.target,
            patterns,
            action,
            when: config.obfuscate_when,
            on_no_match: config.tags_on_match_failure,
            on_failure: config.tags_on_failure,
        })
    }
}

impl MaskConfig {
    fn build(self, settings: &Settings) -> Result<Action, ConfigError> {
        if !"*#!%&@$".contains(self.mask_character) {
            let problem = format!("`{}` is not allowed", self.mask_character);
            return Err(settings
                .problem("action.mask.mask_character", problem)
                .with_help("write one of * # ! % & @ $"));
        }
        if !(1..=10).contains(&self.mask_character_length) {
            let problem = "it must be from 1 to 10";
            return Err(settings.problem("action.mask.mask_character_length", problem));
        }
        Ok(Action::Mask(String::from(self.mask_character).repeat(self.mask_character_length)))
    }
}

impl HashConfig {
    fn build(self, settings: &Settings) -> Result<Action, ConfigError> {
        let HashFormat::Sha512 = self.format;
        match (self.salt, self.salt_key) {
            (Some(salt), None) if (16..=64).contains(&salt.chars().count()) => {
                Ok(Action::Hash(Salt::Fixed(salt)))
            }
            (Some(_), None) => {
                Err(settings.problem("action.hash.salt", "it must have 16 to 64 characters"))
            }
            (None, Some(key)) => Ok(Action::Hash(Salt::Field(key))),
            _ => {
                let problem = "exactly one of `salt` and `salt_key` must be there";
                Err(settings.problem("action.hash", problem))
            }
        }
    }
}

impl Processor for Obfuscate {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.when.holds(event)? {
            return Ok(Flow::Keep);
        }
        match self.obfuscate(open(event)?) {
            Ok(true) => {}
            Ok(false) => self.on_no_match.mark(event),
            Err(error) => return self.on_failure.settle(event, Err(error)),
        }
        Ok(Flow::Keep)
    }
}

impl Obfuscate {
    /// Hides what is to be hidden; says whether there was anything.
    fn obfuscate(&self, fields: &mut Map) -> Result<bool, ProcessError> {
        let value = match self.source.get(fields) {
            None | Some(Value::Null) => return Ok(true),
            Some(value) => value,
        };
        let salt = self.salt(fields)?;
        let mut any = self.patterns.is_empty();
        let hidden = self.hide(value, &salt, &mut any)?;
        self.target.as_ref().unwrap_or(&self.source).put(fields, hidden)?;
        Ok(any)
    }

    fn salt(&self, fields: &Map) -> Result<String, ProcessError> {
        match &self.action {
            Action::Mask(_) => Ok(String::new()),
            Action::Hash(Salt::Fixed(salt)) => Ok(salt.clone()),
            Action::Hash(Salt::Field(key)) => match key.get(fields).map(text_of) {
                Some(salt) if !salt.is_empty() => Ok(salt),
                _ => failed(format!("`{key}` holds no salt")),
            },
        }
    }

    fn hide(&self, value: &Value, salt: &str, any: &mut bool) -> Result<Value, ProcessError> {
        let text = match value {
            Value::Null => return Ok(Value::Null),
            Value::Map(_) => {
                return failed(format!(
                    "`{}` is {}; name its fields",
                    self.source,
                    describe(value)
                ));
            }
            Value::List(values) => {
                let hidden: Result<Vec<_>, _> =
                    values.iter().map(|it| self.hide(it, salt, any)).collect();
                return hidden.map(Value::List);
            }
            value => text_of(value),
        };
        if self.patterns.is_empty() {
            return Ok(Value::String(self.hidden(&text, salt)));
        }
        let mut changed = None;
        for pattern in &self.patterns {
            let text = changed.as_ref().unwrap_or(&text);
            let replaced = pattern.replace(text, |found, out| {
                out.push_str(&self.hidden(found.get(0).map_or("", |it| it.as_str()), salt));
            })?;
            changed = replaced.or(changed);
        }
        *any |= changed.is_some();
        Ok(changed.map_or_else(|| value.clone(), Value::String))
    }

    fn hidden(&self, text: &str, salt: &str) -> String {
        match &self.action {
            Action::Mask(mask) => mask.clone(),
            Action::Hash(_) => {
                let mut hash = Sha512::new();
                hash.update(salt.as_bytes());
                hash.update(text.as_bytes());
                STANDARD.encode(hash.finalize())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run, tags};

    #[test]
    fn the_named_patterns_find_what_they_should() {
        for (name, text, after) in [
            ("EMAIL_ADDRESS", "a-b.c@mail.example.com.cn!", "***!"),
            ("IP_ADDRESS_V4", "from 192.168.1.1.", "from ***."),
            ("BASE_NUMBER", "1.1 .1 2000 x", "*** *** *** x"),
            ("CREDIT_CARD_NUMBER", "5555555555554444, 1234-5678-9012-3456", "***, ***"),
            ("US_PHONE_NUMBER", "+1-555-555-5555 1(555) 555 5555 5555555555", "*** *** ***"),
            ("US_SSN_NUMBER", "123-11-1234", "***"),
        ] {
            let settings = format!("{{source: a, patterns: ['%{{{name}}}']}}");
            let found = run(&FACTORY, &settings, &format!(r#"{{"a":"{text}"}}"#)).unwrap();
            assert_eq!(found, format!(r#"{{"a":"{after}"}}"#), "{name}");
        }
    }

    #[test]
    fn whatever_the_value_is_it_is_hidden_or_refused() {
        for (settings, before, after) in [
            ("{source: a}", r#"{"a":12345}"#, r#"{"a":"***"}"#),
            ("{source: a}", r#"{"a":["x",1,null]}"#, r#"{"a":["***","***",null]}"#),
            ("{source: a, patterns: [x]}", r#"{"a":7}"#, r#"{"a":7}"#),
            ("{source: a, patterns: [b, c]}", r#"{"a":"abc"}"#, r#"{"a":"a******"}"#),
            (
                "{source: a, patterns: [b], single_word_only: true}",
                r#"{"a":"ab b"}"#,
                r#"{"a":"ab ***"}"#,
            ),
            ("{source: a}", "{}", "{}"),
        ] {
            assert_eq!(run(&FACTORY, settings, before).unwrap(), after, "{settings}");
        }
        assert!(run(&FACTORY, "{source: a}", r#"{"a":{}}"#).is_err());
        let marked = "{source: a, patterns: [x], tags_on_match_failure: [t]}";
        assert_eq!(tags(&FACTORY, marked, r#"{"a":"b"}"#), ["t"]);
    }

    #[test]
    fn a_hash_depends_on_its_salt() {
        let of = |salt: &str| {
            let settings = format!("{{source: a, action: {{hash: {{{salt}}}}}}}");
            run(&FACTORY, &settings, r#"{"a":"x","s":"pepper"}"#).unwrap()
        };
        let fixed = of("salt: 0123456789abcdef");
        assert_eq!(fixed, of("salt: 0123456789abcdef, format: SHA-512"));
        assert_ne!(fixed, of("salt_key: s"));
        let settings = "{source: a, action: {hash: {salt_key: s}}}";
        assert!(run(&FACTORY, settings, r#"{"a":"x"}"#).is_err());
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        for (settings, at) in [
            ("{source: a, patterns: ['%{NOPE}']}", "patterns[0]"),
            ("{source: a, patterns: [a, '(']}", "patterns[1]"),
            ("{source: a, action: {mask: {mask_character: x}}}", "action.mask.mask_character"),
            (
                "{source: a, action: {mask: {mask_character_length: 11}}}",
                "action.mask.mask_character_length",
            ),
            ("{source: a, action: {hash: {}}}", "action.hash"),
            ("{source: a, action: {hash: {salt: short}}}", "action.hash.salt"),
            ("{source: a, action: {mask: {}, hash: {}}}", "action"),
        ] {
            assert_eq!(problem(&FACTORY, settings).at, at, "{settings}");
        }
    }
}
