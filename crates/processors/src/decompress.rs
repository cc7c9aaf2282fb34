//! `decompress`: unpacks fields that hold packed text in base64.

use std::io::Read;

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::MultiGzDecoder;
use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{Condition, Key, Tags, describe, failed, open};

pub(crate) const FACTORY: Factory = Factory::of::<Decompress>();

/// How large a text may become; a document in OpenSearch cannot be larger.
const UNPACKED_BYTES_MAX: u64 = 100 << 20;

/// Settings of `decompress`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The fields. One that is missing is no mistake.
    keys: Vec<Key>,
    /// How they were packed.
    #[serde(rename = "type")]
    kind: Kind,
    /// What an event is marked with if a field cannot be unpacked.
    #[serde(default = "failure_tag")]
    tags_on_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    decompress_when: Condition,
}

/// How a field was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// By gzip.
    Gzip,
}

fn failure_tag() -> Tags {
    Tags::of("_decompression_failure")
}

struct Decompress(Config);

impl Configured for Decompress {
    const NAME: &'static str = "decompress";
    const EXAMPLE: &'static str = r"
- settings: { keys: [body], type: gzip }
  before:   { body: H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA== }
  after:    [{ body: hello }]
- settings: { keys: [body], type: gzip }
  before:   { body: not packed }
  after:    [{ body: not packed }]
  tags:     [_decompression_failure]
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.keys.is_empty() {
            return Err(settings.problem("keys", "it is empty").with_help("name a field"));
        }
        Ok(Decompress(config))
    }
}

impl Processor for Decompress {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.0.decompress_when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = self.unpack_all(open(event)?);
        self.0.tags_on_failure.settle(event, result)
    }
}

impl Decompress {
    /// All of them, or none.
    fn unpack_all(&self, fields: &mut Map) -> Result<(), ProcessError> {
        let Config { kind: Kind::Gzip, keys, .. } = &self.0;
        let mut unpacked = Vec::new();
        for key in keys {
            match key.get(fields) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => match gunzip(text) {
                    Ok(text) => unpacked.push((key, Value::String(text))),
                    Err(problem) => return failed(format!("`{key}`: {problem}")),
                },
                Some(other) => return failed(format!("`{key}` is {}", describe(other))),
            }
        }
        unpacked.into_iter().try_for_each(|(key, text)| key.put(fields, text))
    }
}

fn gunzip(base64: &str) -> Result<String, String> {
    let packed = STANDARD.decode(base64).map_err(|error| format!("not base64: {error}"))?;
    let mut text = String::new();
    let mut unpacked = MultiGzDecoder::new(packed.as_slice()).take(UNPACKED_BYTES_MAX + 1);
    unpacked.read_to_string(&mut text).map_err(|error| format!("not gzip text: {error}"))?;
    if UNPACKED_BYTES_MAX < text.len() as u64 {
        return Err(format!("more than {UNPACKED_BYTES_MAX} bytes when unpacked"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run, tags};

    #[test]
    fn all_fields_are_unpacked_or_none() {
        const HELLO: &str = "H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==";
        let settings = "{keys: [a, b, c], type: gzip}";
        let both = run(&FACTORY, settings, &format!(r#"{{"a":"{HELLO}","b":"{HELLO}"}}"#)).unwrap();
        assert_eq!(both, r#"{"a":"hello","b":"hello"}"#);
        for bad in ["aGVsbG8=", "%%%", ""] {
            let before = format!(r#"{{"a":"{HELLO}","b":"{bad}"}}"#);
            assert_eq!(tags(&FACTORY, settings, &before), ["_decompression_failure"], "{bad}");
            let untagged = "{keys: [a, b], type: gzip, tags_on_failure: []}";
            assert!(run(&FACTORY, untagged, &before).is_err());
        }
        assert_eq!(problem(&FACTORY, "{keys: [a], type: zip}").at, "type");
    }
}
