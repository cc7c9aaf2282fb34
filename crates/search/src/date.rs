//! Dates as OpenSearch reads and writes them, in milliseconds since 1970. Pure.

mod math;
mod pattern;

pub(crate) use math::{Rounding, resolve};
use pattern::Pattern;

/// The formats of one date field, tried in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Formats {
    text: String,
    each: Vec<Format>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Format {
    /// Year, month, day, time, fraction and offset, each of which may be missing from the right.
    Iso,
    EpochMillis,
    EpochSecond,
    Pattern(Pattern),
}

/// The default format of a date field.
pub(crate) const DEFAULT_FORMAT: &str = "strict_date_optional_time||epoch_millis";

impl Default for Formats {
    fn default() -> Formats {
        Formats::new(DEFAULT_FORMAT).expect("it is one we know")
    }
}

impl Formats {
    /// Reads a `format`: names or patterns, separated by `||`.
    ///
    /// # Errors
    ///
    /// When one of them is neither; it is returned.
    pub(crate) fn new(text: &str) -> Result<Formats, String> {
        let each = text.split("||").map(Format::new).collect::<Result<_, _>>()?;
        Ok(Formats { text: text.to_owned(), each })
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads a date. What is missing from the right is filled with its least value.
    pub(crate) fn parse(&self, text: &str) -> Option<i64> {
        self.each.iter().find_map(|it| it.parse(text)).map(|date| date.millis)
    }

    /// As [`Formats::parse`], with how long the unit is that was written last: `2024` is a year.
    pub(crate) fn parse_with_unit(&self, text: &str) -> Option<Date> {
        self.each.iter().find_map(|it| it.parse(text))
    }

    /// Writes a date, by the first of the formats.
    #[cfg_attr(not(test), expect(dead_code, reason = "aggregations will show dates with it"))]
    pub(crate) fn format(&self, millis: i64) -> String {
        match self.each.first() {
            Some(Format::EpochMillis) => millis.to_string(),
            Some(Format::EpochSecond) => millis.div_euclid(1000).to_string(),
            Some(Format::Pattern(pattern)) => pattern.format(Civil::at(millis)),
            Some(Format::Iso) | None => iso(millis),
        }
    }
}

/// A date and the smallest unit that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub millis: i64,
    pub unit: Unit,
}

/// The units of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Milli,
}

impl Format {
    fn new(text: &str) -> Result<Format, String> {
        Ok(match text.trim() {
            "strict_date_optional_time"
            | "date_optional_time"
            | "strict_date_optional_time_nanos"
            | "strict_date"
            | "date"
            | "strict_date_time"
            | "date_time"
            | "iso8601"
            | "strict_date_time_no_millis"
            | "date_time_no_millis"
            | "strict_date_hour_minute_second"
            | "date_hour_minute_second"
            | "strict_year"
            | "strict_year_month"
            | "year"
            | "year_month"
            | "strict_year_month_day"
            | "year_month_day" => Format::Iso,
            "epoch_millis" => Format::EpochMillis,
            "epoch_second" => Format::EpochSecond,
            "basic_date" => Format::Pattern(Pattern::new("yyyyMMdd").expect("it is sound")),
            pattern => Format::Pattern(Pattern::new(pattern).ok_or_else(|| pattern.to_owned())?),
        })
    }

    fn parse(&self, text: &str) -> Option<Date> {
        let milli = |millis| Date { millis, unit: Unit::Milli };
        match self {
            Format::Iso => parse_iso(text),
            Format::EpochMillis => text.parse().ok().map(milli),
            Format::EpochSecond => {
                let seconds: i64 = text.parse().ok()?;
                seconds.checked_mul(1000).map(milli)
            }
            Format::Pattern(pattern) => pattern.parse(text),
        }
    }
}

/// Whether a string in a document of its own accord looks like a date; the format to give the field.
pub(crate) fn detect(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    // Nearly every string fails here. A bare year is a number, not a date, to date detection.
    if bytes.len() < 7 || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    match bytes[4] {
        b'-' => parse_iso(text).map(|_| DEFAULT_FORMAT),
        b'/' => {
            let slashes = "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis";
            Formats::new(slashes).ok()?.parse(text).map(|_| slashes)
        }
        _ => None,
    }
}

/// A date on the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub milli: i64,
}

pub(crate) const DAY_MS: i64 = 86_400_000;

impl Civil {
    pub(crate) const EPOCH: Civil =
        Civil { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, milli: 0 };

    /// The calendar's name for a moment.
    pub(crate) fn at(millis: i64) -> Civil {
        let (days, ms) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
        // Count years from March, so that the leap day comes last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: ms / 3_600_000,
            minute: ms / 60_000 % 60,
            second: ms / 1000 % 60,
            milli: ms % 1000,
        }
    }

    /// The moment, if the calendar has this date.
    pub(crate) fn millis(self) -> Option<i64> {
        let in_range = (-292_000_000..=292_000_000).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day)
            && (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second);
        if !in_range {
            return None;
        }
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = (self.month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        let ms = ((self.hour * 60 + self.minute) * 60 + self.second) * 1000 + self.milli;
        days.checked_mul(DAY_MS)?.checked_add(ms)
    }
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `2024-02-29T12:00:00.000Z`.
fn iso(millis: i64) -> String {
    let Civil { year, month, day, hour, minute, second, milli } = Civil::at(millis);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

fn parse_iso(text: &str) -> Option<Date> {
    let mut rest = Digits(text);
    let mut civil = Civil { year: rest.take(4)?, ..Civil::EPOCH };
    let mut unit = Unit::Year;
    if rest.skip("-") {
        civil.month = rest.take(2)?;
        unit = Unit::Month;
        if rest.skip("-") {
            civil.day = rest.take(2)?;
            unit = Unit::Day;
        }
    }
    let mut offset_ms = 0;
    if unit == Unit::Day && rest.skip("T") && !rest.0.is_empty() {
        civil.hour = rest.take(2)?;
        unit = Unit::Hour;
        if rest.skip(":") {
            civil.minute = rest.take(2)?;
            unit = Unit::Minute;
            if rest.skip(":") {
                civil.second = rest.take(2)?;
                unit = Unit::Second;
                if rest.skip(".") || rest.skip(",") {
                    civil.milli = rest.fraction()?;
                    unit = Unit::Milli;
                }
            }
        }
        offset_ms = rest.offset()?;
    }
    (rest.0.is_empty()).then_some(())?;
    Some(Date { millis: civil.millis()? - offset_ms, unit })
}

/// What is left of a text made of digits and marks.
pub(crate) struct Digits<'a>(pub &'a str);

impl Digits<'_> {
    pub(crate) fn skip(&mut self, mark: &str) -> bool {
        self.0.strip_prefix(mark).map(|rest| self.0 = rest).is_some()
    }

    /// Exactly `n` digits.
    pub(crate) fn take(&mut self, n: usize) -> Option<i64> {
        let digits = self.0.get(..n).filter(|it| it.bytes().all(|it| it.is_ascii_digit()))?;
        self.0 = &self.0[n..];
        digits.parse().ok()
    }

    /// One to nine digits behind a point, as milliseconds.
    pub(crate) fn fraction(&mut self) -> Option<i64> {
        let n = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if n == 0 || 9 < n {
            return None;
        }
        let nanos = format!("{:0<9}", &self.0[..n]).parse::<i64>().ok()?;
        self.0 = &self.0[n..];
        Some(nanos / 1_000_000)
    }

    /// Nothing, `Z`, `+01`, `+0100` or `+01:00`, as milliseconds.
    pub(crate) fn offset(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.skip("Z") {
            return Some(0);
        }
        let sign = if self.skip("+") {
            1
        } else if self.skip("-") {
            -1
        } else {
            return None;
        };
        let hours = self.take(2)?;
        let minutes = if self.skip(":") || !self.0.is_empty() { self.take(2)? } else { 0 };
        (hours <= 18 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_read() {
        for (format, text, millis) in [
            (DEFAULT_FORMAT, "2024", Some(1_704_067_200_000)),
            (DEFAULT_FORMAT, "2024-02", Some(1_706_745_600_000)),
            (DEFAULT_FORMAT, "2024-02-29", Some(1_709_164_800_000)),
            (DEFAULT_FORMAT, "2023-02-29", None),
            (DEFAULT_FORMAT, "2024-02-29T12", Some(1_709_208_000_000)),
            (DEFAULT_FORMAT, "2024-02-29T12:00:00.123Z", Some(1_709_208_000_123)),
            (DEFAULT_FORMAT, "2024-02-29T12:00:00.123456+01:00", Some(1_709_204_400_123)),
            (DEFAULT_FORMAT, "2024-02-29T12:00+0100", Some(1_709_204_400_000)),
            (DEFAULT_FORMAT, "1709208000123", Some(1_709_208_000_123)),
            (DEFAULT_FORMAT, "-1", Some(-1)),
            (DEFAULT_FORMAT, "The DaVinci code", None),
            (DEFAULT_FORMAT, "2024-02-29 12:00", None),
            ("yyyy-MM-dd HH:mm:ss", "2024-02-29 12:00:00", Some(1_709_208_000_000)),
            ("yyyy/MM/dd||epoch_second", "2024/02/29", Some(1_709_164_800_000)),
            ("yyyy/MM/dd||epoch_second", "1", Some(1000)),
            ("basic_date", "20240229", Some(1_709_164_800_000)),
        ] {
            assert_eq!(Formats::new(format).unwrap().parse(text), millis, "{format} {text}");
        }
    }

    #[test]
    fn only_what_looks_like_a_date_is_one() {
        for (text, is_date) in [
            ("2024-01-01", true),
            ("2024-01", true),
            ("2024-01-01T00:00:00Z", true),
            ("2024/01/01", true),
            ("2024", false),
            ("2024-13-01", false),
            ("20240101", false),
            ("1709208000123", false),
            ("2024-01-01 or later", false),
        ] {
            assert_eq!(detect(text).is_some(), is_date, "{text}");
        }
    }

    #[test]
    fn dates_are_written_by_the_first_format() {
        for (format, text) in [
            (DEFAULT_FORMAT, "2024-02-29T12:00:00.123Z"),
            ("yyyy/MM/dd", "2024/02/29"),
            ("epoch_second", "1709208000"),
            ("epoch_millis", "1709208000123"),
        ] {
            assert_eq!(Formats::new(format).unwrap().format(1_709_208_000_123), text);
        }
    }

    proptest! {
        /// Every moment of ten thousand years has a name, and the name leads back to it.
        #[test]
        fn a_moment_comes_back(millis in -60_000_000_000_000_i64..250_000_000_000_000) {
            prop_assert_eq!(Formats::default().parse(&iso(millis)), Some(millis));
        }
    }
}
