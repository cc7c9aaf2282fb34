//! `string_converter`: makes every text of the document upper or lower case. Better name the fields,
//! with `lowercase_string` or `uppercase_string`.

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, open};

pub(crate) const FACTORY: Factory = Factory::of::<StringConverter>();

/// Settings of `string_converter`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Makes them upper case; otherwise lower case.
    #[serde(default = "yes")]
    upper_case: bool,
    /// Only for these events.
    #[serde(default)]
    string_converter_when: Condition,
}

fn yes() -> bool {
    true
}

struct StringConverter(Config);

impl Configured for StringConverter {
    const NAME: &'static str = "string_converter";
    const EXAMPLE: &'static str = r"
settings: { upper_case: false }
before:   { name: ADA, tags: [A, { B: C }] }
after:    [{ name: ada, tags: [a, { B: c }] }]
";
    type Config = Config;

    fn build(config: Config, _: &Settings) -> Result<Self, ConfigError> {
        Ok(StringConverter(config))
    }
}

impl Processor for StringConverter {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.0.string_converter_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        open(event)?.values_mut().for_each(|value| self.convert(value));
        Ok(Flow::Keep)
    }
}

impl StringConverter {
    fn convert(&self, value: &mut Value) {
        match value {
            Value::String(text) if self.0.upper_case => *text = text.to_uppercase(),
            Value::String(text) => *text = text.to_lowercase(),
            Value::List(values) => values.iter_mut().for_each(|it| self.convert(it)),
            Value::Map(map) => map.values_mut().for_each(|it| self.convert(it)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
