//! `convert_type` (once `convert_entry_type`): makes a field another type.
//!
//! Differs from Data Prepper: every number can become an `integer` or a `long`; the fraction is cut
//! off, and what does not fit is a failure, where Data Prepper takes the low bits. `double` and
//! `big_decimal` keep all digits, and `string` writes numbers without an exponent.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{
    Condition, Digits, Key, Tags, Type, all, convert, date::DateReader, date::Zone, each_element,
    open,
};

pub(crate) const FACTORY: Factory = Factory::of::<ConvertType>();

/// Settings of `convert_type`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The field to convert; in a list, every element. One that is missing or null is left alone.
    key: Option<Key>,
    /// Several fields to convert.
    keys: Option<Vec<Key>>,
    /// What they become.
    #[serde(default, rename = "type")]
    to: Type,
    /// How many places behind the point a `big_decimal` is rounded to, a half to the even
    /// neighbour; 0 for all there are.
    #[serde(default)]
    scale: i32,
    /// Texts that mean nothing: the field is removed.
    #[serde(default, alias = "null_values")]
    null_conversion_values: Vec<String>,
    /// In place of a key: converts every text in the document that looks like something else.
    coerce_strings: Option<CoerceConfig>,
    /// A list of objects; the fields are those of each of them.
    iterate_on: Option<Key>,
    /// What an event is marked with if a value cannot be converted.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    convert_when: Condition,
}

/// How texts are recognised.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CoerceConfig {
    /// Patterns of times, which become milliseconds since 1970; in UTC unless they say other.
    #[serde(default)]
    time_formats: Vec<String>,
}

struct ConvertType {
    what: What,
    list: Option<Key>,
    nulls: Vec<String>,
    tags: Tags,
    when: Condition,
}

enum What {
    Keys { keys: Vec<Key>, to: Type, scale: i32 },
    Texts { times: Vec<DateReader> },
}

impl Configured for ConvertType {
    const NAME: &'static str = "convert_type";
    const EXAMPLE: &'static str = r#"
- settings: { keys: [price, sizes], type: double }
  before:   { price: "10", sizes: [1, "2.50"] }
  after:    [{ price: 10.0, sizes: [1.0, 2.50] }]
- settings: { key: n, type: long, null_conversion_values: ["-"] }
  before:   { n: "-" }
  after:    [{}]
- settings: { key: n, tags_on_failure: [not_a_number] }
  before:   { n: "12.5" }
  after:    [{ n: "12.5" }]
  tags:     [not_a_number]
- settings: { coerce_strings: { time_formats: ["yyyy-MM-dd HH:mm"] } }
  before:   { a: "true", b: ["7", "1.5"], c: "1970-01-01 00:01", d: text }
  after:    [{ a: true, b: [7, 1.5], c: 60000, d: text }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        let what = match (config.key, config.keys, config.coerce_strings) {
            (Some(key), None, None) => {
                What::Keys { keys: vec![key], to: config.to, scale: config.scale }
            }
            (None, Some(keys), None) if !keys.is_empty() => {
                What::Keys { keys, to: config.to, scale: config.scale }
            }
            (None, None, Some(coerce)) => {
                let time = |(n, format): (usize, &String)| {
                    let at = format!("coerce_strings.time_formats[{n}]");
                    DateReader::parse(format).map_err(|error| settings.problem(&at, error))
                };
                What::Texts { times: all(coerce.time_formats.iter().enumerate().map(time))? }
            }
            _ => {
                return Err(settings.problem(
                    "",
                    "exactly one of `key`, `keys` and `coerce_strings` must name something",
                ));
            }
        };
        Ok(ConvertType {
            what,
            list: config.iterate_on,
            nulls: config.null_conversion_values,
            tags: config.tags_on_failure,
            when: config.convert_when,
        })
    }
}

impl Processor for ConvertType {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = match &self.list {
            None => self.convert_fields(open(event)?),
            Some(list) => each_element(event, list, |_, element| self.convert_fields(element)),
        };
        self.tags.settle(event, result)
    }
}

impl ConvertType {
    /// All of them, or none.
    fn convert_fields(&self, fields: &mut Map) -> Result<(), ProcessError> {
        let (keys, to, scale) = match &self.what {
            What::Texts { times } => {
                for value in fields.values_mut() {
                    coerce(value, times);
                }
                return Ok(());
            }
            What::Keys { keys, to, scale } => (keys, *to, *scale),
        };
        let converted = |key: &Key| -> Result<Option<Option<Value>>, ProcessError> {
            match key.get(fields) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) if self.nulls.contains(text) => Ok(Some(None)),
                Some(value) => convert(value, to, scale)
                    .map(|it| Some(Some(it)))
                    .map_err(|error| ProcessError(format!("`{key}`: {error}"))),
            }
        };
        let results: Vec<_> = keys.iter().map(converted).collect::<Result<_, _>>()?;
        for (key, result) in keys.iter().zip(results) {
            match result {
                None => {}
                Some(None) => {
                    key.remove(fields);
                }
                Some(Some(value)) => key.put(fields, value)?,
            }
        }
        Ok(())
    }
}

/// Converts a text that looks like something else, and every such text below.
fn coerce(value: &mut Value, times: &[DateReader]) {
    let text = match value {
        Value::Map(map) => return map.values_mut().for_each(|it| coerce(it, times)),
        Value::List(values) => return values.iter_mut().for_each(|it| coerce(it, times)),
        Value::String(text) => text.as_str(),
        _ => return,
    };
    let coerced = match text {
        "true" | "false" => Some(Value::Bool(text == "true")),
        _ if text.contains(':') => {
            let Zone(zone) = Zone::default();
            let today = jiff::Timestamp::UNIX_EPOCH.to_zoned(zone.clone());
            let time = times.iter().find_map(|it| it.read(text, &today, &zone));
            time.map(|it| it.timestamp().as_millisecond().into())
        }
        _ if text.contains(['.', 'e', 'E']) => {
            Digits::parse(text).and_then(|it| convert(&it.plain().into(), Type::BigDecimal, 0).ok())
        }
        _ => convert(value, Type::Long, 0).ok(),
    };
    if let Some(coerced) = coerced {
        *value = coerced;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run, tags};

    #[test]
    fn all_keys_are_converted_or_none() {
        let settings = "{keys: [a, b], type: long}";
        assert_eq!(run(&FACTORY, settings, r#"{"a":"1","c":"x"}"#).unwrap(), r#"{"a":1,"c":"x"}"#);
        assert!(run(&FACTORY, settings, r#"{"a":"1","b":"x"}"#).is_err());
        let marked = "{keys: [a, b], type: long, tags_on_failure: [t]}";
        assert_eq!(tags(&FACTORY, marked, r#"{"a":"1","b":{}}"#), ["t"]);
        let in_list = "{key: a, type: boolean, iterate_on: l}";
        assert_eq!(
            run(&FACTORY, in_list, r#"{"l":[{"a":0},{}]}"#).unwrap(),
            r#"{"l":[{"a":false},{}]}"#
        );
        let scaled = "{key: a, type: big_decimal, scale: 2}";
        assert_eq!(run(&FACTORY, scaled, r#"{"a":2.345}"#).unwrap(), r#"{"a":2.34}"#);
    }

    #[test]
    fn exactly_one_thing_is_to_be_converted() {
        for settings in ["{}", "{key: a, keys: [b]}", "{key: a, coerce_strings: {}}", "{keys: []}"]
        {
            assert_eq!(problem(&FACTORY, settings).at, "", "{settings}");
        }
        assert_eq!(problem(&FACTORY, "{key: a, type: int}").at, "type");
    }
}
