//! Dates relative to others: `now-1d/d`, `2024-01-01||+1M`. Pure.

use super::{Civil, DAY_MS, Date, Formats, Unit, days_in_month};

/// Which end of a unit is meant when a date names a whole unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// Its first millisecond: for `gte` and `lt`.
    Down,
    /// Its last millisecond: for `lte` and `gt`.
    Up,
}

/// The moment that `text` names, by `formats` or relative to `now`.
pub(crate) fn resolve(text: &str, formats: &Formats, now: i64, rounding: Rounding) -> Option<i64> {
    let (anchor, math) = match (text.strip_prefix("now"), text.split_once("||")) {
        (Some(math), _) => (now, math),
        (None, Some((date, math))) => (formats.parse(date)?, math),
        (None, None) => {
            let Date { millis, unit } = formats.parse_with_unit(text)?;
            return match rounding {
                Rounding::Down => Some(millis),
                Rounding::Up => Some(add(millis, 1, unit)? - 1),
            };
        }
    };
    apply(anchor, math, rounding)
}

fn apply(mut millis: i64, math: &str, rounding: Rounding) -> Option<i64> {
    let mut rest = math;
    while let Some(operator) = rest.chars().next() {
        rest = &rest[operator.len_utf8()..];
        let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, tail) = rest.split_at(n_digits);
        let n: i64 = if digits.is_empty() { 1 } else { digits.parse().ok()? };
        let unit = unit(tail.chars().next()?)?;
        rest = &tail[1..];
        millis = match operator {
            '+' => add(millis, n, unit)?,
            '-' => add(millis, -n, unit)?,
            '/' if digits.is_empty() => {
                let floor = floor(millis, unit)?;
                match rounding {
                    Rounding::Down => floor,
                    Rounding::Up => add(floor, 1, unit)? - 1,
                }
            }
            _ => return None,
        };
    }
    Some(millis)
}

fn unit(letter: char) -> Option<Unit> {
    Some(match letter {
        'y' => Unit::Year,
        'M' => Unit::Month,
        'w' => Unit::Week,
        'd' => Unit::Day,
        'h' | 'H' => Unit::Hour,
        'm' => Unit::Minute,
        's' => Unit::Second,
        _ => return None,
    })
}

fn add(millis: i64, n: i64, unit: Unit) -> Option<i64> {
    let length = match unit {
        Unit::Year => return add_months(millis, n.checked_mul(12)?),
        Unit::Month => return add_months(millis, n),
        Unit::Week => 7 * DAY_MS,
        Unit::Day => DAY_MS,
        Unit::Hour => 3_600_000,
        Unit::Minute => 60_000,
        Unit::Second => 1000,
        Unit::Milli => 1,
    };
    millis.checked_add(n.checked_mul(length)?)
}

/// The same day some months later, or the last day of a month that is too short for it.
fn add_months(millis: i64, n: i64) -> Option<i64> {
    let civil = Civil::at(millis);
    let months = civil.year.checked_mul(12)?.checked_add(civil.month - 1)?.checked_add(n)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let day = civil.day.min(days_in_month(year, month));
    Civil { year, month, day, ..civil }.millis()
}

fn floor(millis: i64, unit: Unit) -> Option<i64> {
    let day = |civil: Civil| Civil { hour: 0, minute: 0, second: 0, milli: 0, ..civil };
    let civil = Civil::at(millis);
    match unit {
        Unit::Year => day(Civil { month: 1, day: 1, ..civil }).millis(),
        Unit::Month => day(Civil { day: 1, ..civil }).millis(),
        // The first of January 1970 was a Thursday; weeks begin on Monday.
        Unit::Week => {
            let days = millis.div_euclid(DAY_MS);
            Some((days - (days + 3).rem_euclid(7)) * DAY_MS)
        }
        Unit::Day => Some(millis.div_euclid(DAY_MS) * DAY_MS),
        Unit::Hour => Some(millis.div_euclid(3_600_000) * 3_600_000),
        Unit::Minute => Some(millis.div_euclid(60_000) * 60_000),
        Unit::Second => Some(millis.div_euclid(1000) * 1000),
        Unit::Milli => Some(millis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_reckoned() {
        let formats = Formats::default();
        let now = formats.parse("2024-03-31T10:20:30.456Z").unwrap();
        for (text, rounding, date) in [
            ("now", Rounding::Down, "2024-03-31T10:20:30.456Z"),
            ("now-1d", Rounding::Down, "2024-03-30T10:20:30.456Z"),
            ("now-1M", Rounding::Down, "2024-02-29T10:20:30.456Z"),
            ("now/d", Rounding::Down, "2024-03-31T00:00:00.000Z"),
            ("now/d", Rounding::Up, "2024-03-31T23:59:59.999Z"),
            ("now/w", Rounding::Down, "2024-03-25T00:00:00.000Z"),
            ("now+1y/y", Rounding::Down, "2025-01-01T00:00:00.000Z"),
            ("2024-01-01||+1M/d", Rounding::Down, "2024-02-01T00:00:00.000Z"),
            ("2024", Rounding::Up, "2024-12-31T23:59:59.999Z"),
            ("2024-02", Rounding::Up, "2024-02-29T23:59:59.999Z"),
        ] {
            let moment = resolve(text, &formats, now, rounding).map(|it| formats.format(it));
            assert_eq!(moment.as_deref(), Some(date), "{text} {rounding:?}");
        }
        for text in ["now*1d", "now-1", "now-1q", "soon", "now-999999999999999999y", "now/2d"] {
            assert_eq!(resolve(text, &formats, now, Rounding::Down), None, "{text}");
        }
    }
}
