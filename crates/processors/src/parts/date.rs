//! Times as settings and as values: zones, patterns to read and to write. Pure.

mod fields;
mod reader;

use expression::DatePattern;
use jiff::{Timestamp, Zoned, tz::TimeZone};
use serde::Deserialize;

pub(crate) use self::reader::DateReader;

/// A time zone by the names Java knows; UTC by default.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Zone(pub(crate) TimeZone);

impl Default for Zone {
    fn default() -> Zone {
        Zone(TimeZone::UTC)
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Zone, String> {
        let zone = expression::zone(&name).map(Zone);
        zone.ok_or_else(|| {
            format!(
                "`{name}` is not a time zone; write one such as `UTC`, `Europe/London` or `+02:00`"
            )
        })
    }
}

/// A number that counts since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epoch {
    Second,
    Milli,
    Micro,
    Nano,
}

impl Epoch {
    /// By the name a pipeline file has for it.
    pub(crate) fn named(name: &str) -> Option<Epoch> {
        Some(match name {
            "epoch_second" => Epoch::Second,
            "epoch_milli" => Epoch::Milli,
            "epoch_micro" => Epoch::Micro,
            "epoch_nano" => Epoch::Nano,
            _ => return None,
        })
    }

    /// What a number with so many digits before the point is taken for.
    pub(crate) fn by_length(n_digits: usize) -> Epoch {
        match n_digits {
            0..=10 => Epoch::Second,
            11..=13 => Epoch::Milli,
            14..=16 => Epoch::Micro,
            _ => Epoch::Nano,
        }
    }

    fn nanos(self) -> i128 {
        match self {
            Epoch::Second => 1_000_000_000,
            Epoch::Milli => 1_000_000,
            Epoch::Micro => 1_000,
            Epoch::Nano => 1,
        }
    }

    /// The time of so many units since 1970.
    pub(crate) fn time(self, count: i128) -> Option<Timestamp> {
        Timestamp::from_nanosecond(count.checked_mul(self.nanos())?).ok()
    }

    /// How many units since 1970 it was then.
    pub(crate) fn count(self, time: Timestamp) -> i128 {
        time.as_nanosecond().div_euclid(self.nanos())
    }
}

/// How a time is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum DateWriter {
    Epoch(Epoch),
    Pattern(DatePattern),
}

impl TryFrom<String> for DateWriter {
    type Error = String;

    fn try_from(text: String) -> Result<DateWriter, String> {
        if let Some(epoch) = Epoch::named(&text) {
            return Ok(DateWriter::Epoch(epoch));
        }
        DatePattern::parse(&text).map(DateWriter::Pattern).map_err(|error| error.to_string())
    }
}

impl DateWriter {
    pub(crate) fn write(&self, at: &Zoned) -> String {
        match self {
            DateWriter::Epoch(epoch) => epoch.count(at.timestamp()).to_string(),
            DateWriter::Pattern(pattern) => {
                let mut out = String::with_capacity(32);
                pattern.format(at, &mut out);
                out
            }
        }
    }
}

/// A time in UTC.
pub(crate) fn utc(at: pipeline::Timestamp) -> Zoned {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC)
}
