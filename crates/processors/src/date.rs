//! `date`: reads a time from a field, or takes the time it is, and writes it in another form.
//!
//! Differs from Data Prepper: the zones are UTC unless set, not those of the machine; a number in
//! exponent form, as DynamoDB may send it, is read, and so is the fraction of an epoch; a text that no
//! pattern reads is a failure, marked or set aside; `from_time_received` is the time of processing.

use expression::DatePattern;
use jiff::{Zoned, tz::TimeZone};
use pipeline::{
    Clock, ConfigError, Configured, Event, Factory, Flow, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use crate::parts::{
    Condition, Digits, Key, Tags, all,
    date::{DateReader, DateWriter, Epoch, Zone, utc},
    describe, failed, open,
};

pub(crate) const FACTORY: Factory = Factory::of::<Date>();

/// The metadata that `origination_timestamp_to_metadata` sets: milliseconds since 1970.
const ORIGINATION: &str = "external_origination_time";

/// Settings of `date`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The field to read, and what it may look like. Either this or `from_time_received`.
    #[serde(rename = "match")]
    from: Option<Vec<Match>>,
    /// Takes the time at which the event is processed.
    #[serde(default)]
    from_time_received: bool,
    /// The field to write.
    #[serde(default = "timestamp")]
    destination: Key,
    /// A pattern of `java.time`, or `epoch_second`, `epoch_milli`, `epoch_micro`, `epoch_nano`.
    #[serde(default = "iso")]
    output_format: DateWriter,
    /// The zone of a time that does not name one.
    #[serde(default)]
    source_timezone: Zone,
    /// The zone to write it in.
    #[serde(default)]
    destination_timezone: Zone,
    /// The language of names in the pattern. Only English is known.
    locale: Option<String>,
    /// Keeps the time as metadata, too: `external_origination_time`, in milliseconds since 1970.
    #[serde(default, alias = "to_origination_metadata")]
    origination_timestamp_to_metadata: bool,
    /// What an event is marked with if its time cannot be read.
    #[serde(default)]
    tags_on_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    date_when: Condition,
}

/// A field, and what it may look like.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Match {
    /// The field. If it is missing, nothing happens.
    key: Key,
    /// Patterns of `java.time`, or `epoch_second`, `epoch_milli`, `epoch_micro`, `epoch_nano`.
    patterns: Vec<String>,
}

fn timestamp() -> Key {
    Key::top("@timestamp")
}

fn iso() -> DateWriter {
    let pattern = DatePattern::parse("yyyy-MM-dd'T'HH:mm:ss.SSSXXX");
    DateWriter::Pattern(pattern.expect("the default is a pattern"))
}

struct Date {
    from: Option<From>,
    destination: Key,
    output: DateWriter,
    zone: TimeZone,
    to_metadata: bool,
    tags: Tags,
    when: Condition,
    clock: Clock,
}

struct From {
    key: Key,
    epochs: Vec<Epoch>,
    readers: Vec<DateReader>,
    zone: TimeZone,
}

impl Configured for Date {
    const NAME: &'static str = "date";
    const EXAMPLE: &'static str = r#"
- settings: { match: [{ key: ttl, patterns: [epoch_second] }], destination: expires_at }
  before:   { ttl: 1749096182 }
  after:    [{ ttl: 1749096182, expires_at: "2025-06-05T04:03:02.000Z" }]
- settings:
    match: [{ key: day, patterns: ["d MMM yyyy", "yyyy-MM-dd HH:mm[:ss]"] }]
    source_timezone: Europe/London
    destination: day
    output_format: epoch_milli
  before:   { day: 2025-06-05 05:03 }
  after:    [{ day: "1749096180000" }]
"#;
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        const ONE: &str =
            "match can have a minimum and maximum of 1 entry and at least one pattern.";
        if let Some(locale) = &config.locale
            && !["ROOT", "", "en", "US", "UK"].contains(&locale.as_str())
            && !locale.starts_with("en")
        {
            let problem = format!("`{locale}` is not known");
            return Err(settings
                .problem("locale", problem)
                .with_help("write `en`, or leave it away"));
        }
        let from = match (config.from, config.from_time_received) {
            (Some(_), true) => {
                return Err(
                    settings.problem("from_time_received", "it is true together with `match`")
                );
            }
            (None, true) => None,
            (None, false) => {
                return Err(
                    settings.problem("", "neither `match` nor `from_time_received` is there")
                );
            }
            (Some(matches), false) => match <[Match; 1]>::try_from(matches) {
                Ok([one]) if !one.patterns.is_empty() => {
                    Some(From::build(one, config.source_timezone.0, settings)?)
                }
                _ => return Err(settings.problem("match", ONE)),
            },
        };
        Ok(Date {
            from,
            destination: config.destination,
            output: config.output_format,
            zone: config.destination_timezone.0,
            to_metadata: config.origination_timestamp_to_metadata,
            tags: config.tags_on_failure,
            when: config.date_when,
            clock: Clock::real(),
        })
    }
}

impl From {
    fn build(config: Match, zone: TimeZone, settings: &Settings) -> Result<From, ConfigError> {
        let epochs = config.patterns.iter().filter_map(|it| Epoch::named(it)).collect();
        let texts = config.patterns.iter().enumerate();
        let texts = texts.filter(|(_, pattern)| Epoch::named(pattern).is_none());
        let readers = all(texts.map(|(n, pattern)| {
            DateReader::parse(pattern)
                .map_err(|problem| settings.problem(&format!("match[0].patterns[{n}]"), problem))
        }))?;
        Ok(From { key: config.key, epochs, readers, zone })
    }

    fn read(&self, value: &Value, clock: &Clock) -> Result<Zoned, ProcessError> {
        let plain;
        let text = match value {
            Value::String(text) => text.as_str(),
            Value::Number(number) => {
                plain = Digits::of(number).plain();
                plain.as_str()
            }
            other => return failed(format!("`{}` is {}, not a time", self.key, describe(other))),
        };
        if !self.epochs.is_empty()
            && let Some(time) = self.read_epoch(text)
        {
            return Ok(time);
        }
        let today = utc(clock.now()).with_time_zone(self.zone.clone());
        let found = self.readers.iter().find_map(|it| it.read(text, &today, &self.zone));
        found.ok_or_else(|| {
            let shown: String = text.chars().take(60).collect();
            ProcessError(format!("`{}`: no pattern reads `{shown}`", self.key))
        })
    }

    fn read_epoch(&self, text: &str) -> Option<Zoned> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let is_digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
        if digits.is_empty() || !is_digits(digits) || !is_digits(fraction) {
            return None;
        }
        let epoch = Epoch::by_length(digits.len());
        if !self.epochs.contains(&epoch) {
            return None;
        }
        let nanos = Epoch::Nano.count(epoch.time(whole.parse().ok()?)?);
        let part = format!("{fraction:0<9}").get(..9)?.parse::<i128>().ok()?;
        let part = part * epoch.time(1).map_or(0, jiff::Timestamp::as_nanosecond) / 1_000_000_000;
        let nanos = if whole.starts_with('-') { nanos - part } else { nanos + part };
        Some(Epoch::Nano.time(nanos)?.to_zoned(TimeZone::UTC))
    }
}

impl Processor for Date {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let result = self.set(event);
        self.tags.settle(event, result)
    }
}

impl Date {
    fn set(&self, event: &mut Event) -> Result<(), ProcessError> {
        let fields = open(event)?;
        let time = match &self.from {
            None => utc(self.clock.now()),
            Some(from) => match from.key.get(fields) {
                None | Some(Value::Null) => return Ok(()),
                Some(value) => from.read(value, &self.clock)?,
            },
        };
        let text = self.output.write(&time.with_time_zone(self.zone.clone()));
        self.destination.put(fields, Value::String(text))?;
        if self.to_metadata {
            let ms = time.timestamp().as_millisecond();
            event.metadata.insert(ORIGINATION.to_owned(), ms.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{event, problem, run};

    #[test]
    fn an_epoch_is_known_by_its_length() {
        const ALL: &str = "epoch_second, epoch_milli, epoch_micro, epoch_nano";
        for (patterns, value, expected) in [
            (ALL, "0", "1970-01-01T00:00:00.000000000Z"),
            (ALL, "1749096182", "2025-06-05T04:03:02.000000000Z"),
            (ALL, "1749096182123", "2025-06-05T04:03:02.123000000Z"),
            (ALL, "1749096182123456", "2025-06-05T04:03:02.123456000Z"),
            (ALL, "1749096182123456789", "2025-06-05T04:03:02.123456789Z"),
            (ALL, "1.749096182E+9", "2025-06-05T04:03:02.000000000Z"),
            (ALL, "1749096182.25", "2025-06-05T04:03:02.250000000Z"),
            (ALL, "-1.5", "1969-12-31T23:59:58.500000000Z"),
            (ALL, "\"1749096182\"", "2025-06-05T04:03:02.000000000Z"),
            ("epoch_milli", "1749096182", ""),
            ("epoch_second", "1749096182123", ""),
            (ALL, "\"today\"", ""),
            (ALL, "99999999999999999999999", ""),
            (ALL, "true", ""),
            ("yyyy", "2025", "2025"),
        ] {
            let format = "yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSSXXX";
            let settings = format!(
                "{{match: [{{key: t, patterns: [{patterns}]}}], destination: at, output_format: \"{format}\"}}"
            );
            let found = run(&FACTORY, &settings, &format!("{{\"t\":{value}}}"));
            match expected {
                "" => assert!(found.is_err(), "{value}"),
                _ => assert!(found.as_ref().unwrap().contains(expected), "{value}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_is_missing_is_left_alone() {
        let settings = "{match: [{key: t, patterns: [yyyy]}]}";
        assert_eq!(run(&FACTORY, settings, "{}").unwrap(), "{}");
        assert_eq!(run(&FACTORY, settings, r#"{"t":null}"#).unwrap(), r#"{"t":null}"#);
    }

    #[test]
    fn the_time_can_become_metadata() {
        let settings =
            "{match: [{key: t, patterns: [epoch_second]}], to_origination_metadata: true}";
        let processor = (FACTORY.build)(&Settings::from_yaml(settings).unwrap()).unwrap();
        let mut event = event(r#"{"t":7}"#);
        processor.process(&mut event).unwrap();
        assert_eq!(event.metadata[ORIGINATION], 7000i64.into());
        let received = "{from_time_received: true}";
        assert!(run(&FACTORY, received, "{}").unwrap().starts_with(r#"{"@timestamp":"20"#));
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        for (settings, at) in [
            ("{}", ""),
            (
                "{match: [{key: a, patterns: [yyyy]}], from_time_received: true}",
                "from_time_received",
            ),
            ("{match: [{key: a, patterns: [yyyy]}, {key: b, patterns: [yyyy]}]}", "match"),
            ("{match: [{key: a, patterns: []}]}", "match"),
            ("{match: [{key: a, patterns: [yyyy, bb]}]}", "match[0].patterns[1]"),
            ("{match: [{key: a, patterns: [yyyy]}], output_format: b}", "output_format"),
            ("{match: [{key: a, patterns: [yyyy]}], source_timezone: Mars}", "source_timezone"),
            ("{match: [{key: a, patterns: [yyyy]}], locale: de}", "locale"),
        ] {
            assert_eq!(problem(&FACTORY, settings).at, at, "{settings}");
        }
    }
}
