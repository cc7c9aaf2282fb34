//! Times and sizes as pipeline files write them. Pure.

use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer};

/// A time as Data Prepper writes it, `PT1H30M`, `60s`, `100ms`; and beyond that `5m`, `2h`, `1d`.
/// Whitespace is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Period(pub Duration);

/// Not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a duration; write `60s`, `100ms`, `5m`, `2h`, `1d`, or ISO 8601 as in `PT1H30M`"
)]
pub struct NotAPeriod(String);

/// For a field of type [`Duration`]: `#[serde(deserialize_with = "pipeline::duration")]`.
///
/// # Errors
///
/// When it is not a [`Period`].
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Period::deserialize(deserializer).map(|Period(duration)| duration)
}

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Period, NotAPeriod> {
        let written: String = text.chars().filter(|it| !it.is_whitespace()).collect();
        let duration = match written.strip_prefix(['P', 'p']) {
            Some(iso) => iso_8601(iso),
            None => simple(&written),
        };
        duration.map(Period).ok_or_else(|| NotAPeriod(text.to_owned()))
    }
}

impl TryFrom<String> for Period {
    type Error = NotAPeriod;

    fn try_from(text: String) -> Result<Period, NotAPeriod> {
        text.parse()
    }
}

/// `60s`: a whole number without leading zeros, and a unit.
fn simple(text: &str) -> Option<Duration> {
    let (digits, unit) = split_unit(text);
    let number: u64 = digits.parse().ok()?;
    if 1 < digits.len() && digits.starts_with('0') {
        return None;
    }
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(60 * 60),
        "d" => seconds(24 * 60 * 60),
        _ => None,
    }
}

/// What follows the `P`: days, then after a `T` hours, minutes, seconds; each at most once, in
/// this order, at least one of them, and one after a `T`.
fn iso_8601(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let (days, times) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((days, times)) => (days, times),
        None => (text.as_str(), ""),
    };
    let mut total = Duration::ZERO;
    let mut n_parts = 0;
    for (mut rest, units) in [(days, &[('D', 86_400)][..]), (times, &TIME_UNITS)] {
        for &(unit, seconds) in units {
            let Some((number, after)) = rest.split_once(unit) else { continue };
            total = total.checked_add(part(number, seconds, unit == 'S')?)?;
            n_parts += 1;
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (0 < n_parts).then_some(total)
}

const TIME_UNITS: [(char, u64); 3] = [('H', 3_600), ('M', 60), ('S', 1)];

fn part(number: &str, seconds: u64, may_have_fraction: bool) -> Option<Duration> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if may_have_fraction && fraction.len() <= 9 => (whole, fraction),
        Some(_) => return None,
        None => (number, ""),
    };
    let is_digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}").parse().ok()?;
    let seconds = whole.parse::<u64>().ok()?.checked_mul(seconds)?;
    Some(Duration::new(seconds, nanos))
}

/// A number of bytes with its unit, as in `5mb`. Units are 1024-based.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct ByteCount(pub u64);

/// Not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAByteCount {
    /// It is only a number.
    #[error("`{0}` has no unit; write `b`, `kb`, `mb` or `gb` behind it, as in `5mb`")]
    NoUnit(String),
    /// Its unit is none of ours.
    #[error("`{unit}` is not a unit of size; write `b`, `kb`, `mb` or `gb`, as in `5mb`")]
    Unit {
        /// What stands there instead.
        unit: String,
    },
    /// It would end within a byte.
    #[error("`{0}` is a part of a byte; write a whole number of bytes")]
    Fraction(String),
    /// It is nothing like a size.
    #[error("`{0}` is not a size; write a number and its unit, as in `5mb`")]
    Other(String),
}

impl FromStr for ByteCount {
    type Err = NotAByteCount;

    fn from_str(text: &str) -> Result<ByteCount, NotAByteCount> {
        let other = || NotAByteCount::Other(text.to_owned());
        let (number, unit) = split_unit(text);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole: u64 = whole.parse().map_err(|_| other())?;
        let each: u64 = match unit {
            "" => return Err(NotAByteCount::NoUnit(text.to_owned())),
            "b" if !fraction.is_empty() => return Err(NotAByteCount::Fraction(text.to_owned())),
            "b" => 1,
            "kb" => 1 << 10,
            "mb" => 1 << 20,
            "gb" => 1 << 30,
            _ => return Err(NotAByteCount::Unit { unit: unit.to_owned() }),
        };
        let part = fraction_of(fraction, each).ok_or_else(other)?;
        let bytes = whole.checked_mul(each).and_then(|bytes| bytes.checked_add(part));
        bytes.map(ByteCount).ok_or_else(other)
    }
}

impl TryFrom<String> for ByteCount {
    type Error = NotAByteCount;

    fn try_from(text: String) -> Result<ByteCount, NotAByteCount> {
        text.parse()
    }
}

/// The whole bytes in `0.fraction` of `each`. What is less than a byte is cut off.
fn fraction_of(fraction: &str, each: u64) -> Option<u64> {
    let digits = fraction.get(..fraction.len().min(9))?;
    if fraction.is_empty() {
        return Some(0);
    }
    let number: u64 = digits.parse().ok()?;
    Some(number * each / 10u64.pow(u32::try_from(digits.len()).ok()?))
}

/// The digits and points at the beginning, and what follows them.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_data_prepper_reads_them_and_a_little_more() {
        for (text, ms, written_by) in [
            ("60s", 60_000, "Data Prepper"),
            (" 1800 s ", 1_800_000, "whitespace is ignored"),
            ("100ms", 100, "Data Prepper"),
            ("0s", 0, "Data Prepper"),
            ("PT20S", 20_000, "java.time"),
            ("PT1.5S", 1_500, "java.time"),
            ("pt15m", 900_000, "java.time, in any case"),
            ("PT1H30M", 5_400_000, "java.time"),
            ("P1D", 86_400_000, "java.time"),
            ("P1DT2H", 93_600_000, "java.time"),
            ("5m", 300_000, "everybody else"),
            ("2h", 7_200_000, "everybody else"),
            ("1d", 86_400_000, "everybody else"),
        ] {
            assert_eq!(text.parse(), Ok(Period(Duration::from_millis(ms))), "{text}: {written_by}");
        }
    }

    #[test]
    fn what_is_no_duration_is_told_what_would_be_one() {
        for text in [
            "",
            "5",
            "01s",
            "1.5s",
            "-5s",
            "s",
            "5 minutes",
            "P",
            "PT",
            "P1DT",
            "PT-5S",
            "PT5",
            "P1H",
            "PT1S1M",
            "PT1.5M",
            "PT99999999999999999999S",
            "99999999999999999d",
            "P1M",
            "PTS",
        ] {
            let error = text.parse::<Period>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a duration; write")), "{error}");
        }
    }

    #[test]
    fn sizes_need_a_unit() {
        for (text, bytes) in [
            ("0b", 0),
            ("100b", 100),
            ("2kb", 2048),
            ("1.5kb", 1536),
            ("5.mb", 5 << 20),
            ("0.0005kb", 0),
            ("3gb", 3 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteCount(bytes)), "{text}");
        }
        for (text, because) in [
            ("6442450944", "has no unit"),
            ("5MB", "`MB` is not a unit"),
            ("5tb", "`tb` is not a unit"),
            ("1.5b", "part of a byte"),
            ("mb", "is not a size"),
            ("", "is not a size"),
            ("-1mb", "is not a size"),
            ("1.2.3mb", "is not a size"),
            ("99999999999gb", "is not a size"),
        ] {
            let error = text.parse::<ByteCount>().unwrap_err().to_string();
            assert!(error.contains(because), "{text}: {error}");
        }
    }
}
