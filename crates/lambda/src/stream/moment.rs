//! When a change happened, in every form it has been seen in. Pure.
//!
//! Lambda writes whole seconds. Other ways of the same record write fractions, an exponent,
//! milliseconds, microseconds or ISO 8601 text.

/// Above this a number cannot be seconds (it would be the year 5138), so it is milliseconds.
const SECONDS_MAX: f64 = 1e11;
/// Above this it cannot be milliseconds either, so it is microseconds.
const MILLISECONDS_MAX: f64 = 1e14;

/// Reads the JSON value of `ApproximateCreationDateTime`, as milliseconds since the Unix epoch.
pub(super) fn read(json: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(json).ok()?;
    match text.strip_prefix('"') {
        Some(quoted) => {
            let text = quoted.strip_suffix('"')?;
            iso(text).or_else(|| number(text))
        }
        None => number(text),
    }
}

fn number(text: &str) -> Option<u64> {
    let number: f64 = text.parse().ok()?;
    let ms = if MILLISECONDS_MAX < number {
        number / 1000.0
    } else if SECONDS_MAX < number {
        number
    } else {
        number * 1000.0
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked: not negative, and far below 2^53"
    )]
    (0.0..9e15).contains(&ms).then_some(ms.round() as u64)
}

/// `2026-01-15T09:30:00.123Z`, or with `+01:00` at its end.
fn iso(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', ' '])?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let mut next = || date.next()?.ok();
    let (year, month, day) = (next()?, next()?, next()?);
    let zone_at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    let mut time = time.splitn(3, ':');
    let hour: i64 = time.next()?.parse().ok()?;
    let minute: i64 = time.next()?.parse().ok()?;
    let second: f64 = time.next().unwrap_or("0").parse().ok()?;
    let is_date = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0.0..61.0).contains(&second);
    if !is_date {
        return None;
    }
    let minutes = days_since_epoch(year, month, day) * 24 * 60 + hour * 60 + minute - offset(zone)?;
    #[expect(clippy::cast_possible_truncation, reason = "below 61,000")]
    let ms = minutes * 60_000 + (second * 1000.0).round() as i64;
    u64::try_from(ms).ok()
}

/// Minutes east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z" | "z") {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some(if zone.starts_with('-') { -minutes } else { minutes })
}

/// Counts a year from March, so that the leap day is its last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (month * 153 + 2) / 5 + day - 1;
    // 719,468 days lie between 1 March of the year 0 and the Unix epoch.
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_the_same_moment() {
        for (json, expected, seen_where) in [
            ("1768469400", Some(1_768_469_400_000), "Lambda"),
            ("1768469400.0", Some(1_768_469_400_000), "SDK for Python"),
            ("1768469400.123", Some(1_768_469_400_123), "emulators"),
            ("1.7684694E9", Some(1_768_469_400_000), "GetRecords"),
            ("1768469400123", Some(1_768_469_400_123), "Kinesis"),
            ("1768469400123456", Some(1_768_469_400_123), "Kinesis, microseconds"),
            ("\"2026-01-15T09:30:00Z\"", Some(1_768_469_400_000), "hand-made"),
            ("\"2026-01-15T10:30:00.123+01:00\"", Some(1_768_469_400_123), "hand-made"),
            ("\"2026-01-15T09:30:00\"", Some(1_768_469_400_000), "SDK for Java, printed"),
            ("\"1768469400\"", Some(1_768_469_400_000), "everything as text"),
            ("\"2024-02-29T00:00:00Z\"", Some(1_709_164_800_000), "a leap day"),
            ("\"1970-01-01T00:00:00Z\"", Some(0), "the beginning"),
            ("\"2026-13-01T00:00:00Z\"", None, "no month"),
            ("\"yesterday\"", None, "no time"),
            ("-1", None, "before the beginning"),
            ("null", None, "missing"),
            ("1e300", None, "out of bounds"),
        ] {
            assert_eq!(read(json.as_bytes()), expected, "{json}: {seen_where}");
        }
    }
}
