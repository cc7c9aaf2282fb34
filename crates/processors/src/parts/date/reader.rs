//! Dates in the patterns of `java.time`, read from text. Pure.
//!
//! The pattern is taken apart once. Reading walks over the text with it; what is between `[` and `]`
//! may be missing.

use expression::DatePattern;
use jiff::{Zoned, civil::Weekday, tz::Offset, tz::TimeZone};

use super::fields::Fields;

/// A pattern that reads dates.
#[derive(Clone, Debug)]
pub(crate) struct DateReader(Vec<Item>);

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Literal(String),
    /// A letter, how often it stands there, and how many digits the numbers right behind it need.
    Field(char, usize, usize),
    Optional(Vec<Item>),
}

/// Letters that we can write but not read.
const NOT_READ: &str = "YwWecFQqO";

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl DateReader {
    /// Reads a pattern.
    pub(crate) fn parse(pattern: &str) -> Result<DateReader, String> {
        let checked = DatePattern::parse(pattern).map_err(|error| error.to_string())?;
        if let Some(letter) = checked.letters().find(|it| NOT_READ.contains(*it)) {
            return Err(format!("`{letter}` in `{pattern}` can be written, but not read"));
        }
        let mut letters = pattern.chars().peekable();
        Ok(DateReader(with_reserves(items(&mut letters))))
    }

    /// The time that `text` is, all of it.
    pub(crate) fn read(&self, text: &str, today: &Zoned, zone: &TimeZone) -> Option<Zoned> {
        let mut fields = Fields::default();
        let rest = walk(&self.0, text, &mut fields)?;
        if !rest.is_empty() {
            return None;
        }
        fields.resolve(today, zone)
    }
}

/// Takes apart a pattern that is known to be one, up to its end or a `]`.
fn items(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    while let Some(letter) = letters.next() {
        let mut literal = String::new();
        match letter {
            '[' => {
                let inner = with_reserves(self::items(letters));
                items.push(Item::Optional(inner));
                continue;
            }
            ']' => break,
            '\'' if letters.next_if_eq(&'\'').is_some() => literal.push('\''),
            '\'' => {
                while let Some(letter) = letters.next() {
                    if letter == '\'' && letters.next_if_eq(&'\'').is_none() {
                        break;
                    }
                    literal.push(letter);
                }
            }
            _ if letter.is_ascii_alphabetic() => {
                let mut n = 1;
                while letters.next_if_eq(&letter).is_some() {
                    n += 1;
                }
                items.push(Item::Field(letter, n, 0));
                continue;
            }
            _ => literal.push(letter),
        }
        items.push(Item::Literal(literal));
    }
    items
}

/// Notes for each number how many digits belong to the numbers right behind it, as in `yyyyMMdd`.
fn with_reserves(mut items: Vec<Item>) -> Vec<Item> {
    let mut reserve = 0;
    for item in items.iter_mut().rev() {
        match item {
            Item::Field(letter, n, behind) if is_number(*letter, *n) => {
                *behind = reserve;
                reserve += *n;
            }
            _ => reserve = 0,
        }
    }
    items
}

fn is_number(letter: char, n: usize) -> bool {
    match letter {
        'M' | 'L' => n <= 2,
        _ => "uyDdhKkHmsSAnN".contains(letter),
    }
}

/// What is left of the text behind the items; `None` if it does not begin with them.
fn walk<'a>(items: &[Item], text: &'a str, fields: &mut Fields) -> Option<&'a str> {
    let mut rest = text;
    for item in items {
        rest = match item {
            Item::Literal(literal) => rest.strip_prefix(literal.as_str())?,
            Item::Field(letter, n, behind) => read_field(*letter, *n, *behind, rest, fields)?,
            Item::Optional(items) => {
                let mut tried = fields.clone();
                match walk(items, rest, &mut tried) {
                    Some(after) => {
                        *fields = tried;
                        after
                    }
                    None => rest,
                }
            }
        };
    }
    Some(rest)
}

fn read_field<'a>(
    letter: char,
    n: usize,
    behind: usize,
    text: &'a str,
    fields: &mut Fields,
) -> Option<&'a str> {
    let digits = |min: usize, max: usize| number(text, min, max, behind);
    let pair = || if n == 1 { digits(1, 2) } else { digits(n, n) };
    let rest = match letter {
        'u' | 'y' => {
            let (year, rest) = match (n, text.strip_prefix('-')) {
                (2, _) => number(text, 2, 2, behind).map(|(year, rest)| (2000 + year, rest))?,
                (_, Some(text)) => {
                    let (year, rest) = number(text, n, 9, behind)?;
                    (-year, rest)
                }
                (4, None) if behind == 0 => digits(4, 9)?,
                _ => digits(n, 9)?,
            };
            fields.year = Some(year);
            rest
        }
        'M' | 'L' if 3 <= n => {
            let (index, rest) = name(text, &MONTHS, n)?;
            fields.month = Some(index + 1);
            rest
        }
        'M' | 'L' => set(&mut fields.month, pair()?),
        'd' => set(&mut fields.day, pair()?),
        'D' => set(&mut fields.day_of_year, digits(n, 3)?),
        'E' => {
            let (index, rest) = name(text, &DAYS, n.max(3))?;
            fields.weekday = Weekday::from_monday_zero_offset(i8::try_from(index).ok()?).ok();
            rest
        }
        'H' => set(&mut fields.hour, pair()?),
        'k' => {
            let (hour, rest) = pair()?;
            fields.hour = Some(hour % 24);
            rest
        }
        'h' | 'K' => {
            let (hour, rest) = pair()?;
            let range = if letter == 'h' { 1..=12 } else { 0..=11 };
            fields.hour_of_half = Some(Some(hour).filter(|it| range.contains(it))?);
            rest
        }
        'a' => {
            let half = text.get(..2)?.to_ascii_uppercase();
            fields.afternoon = Some(match half.as_str() {
                "AM" => false,
                "PM" => true,
                _ => return None,
            });
            &text[2..]
        }
        'm' => set(&mut fields.minute, pair()?),
        's' => set(&mut fields.second, pair()?),
        'S' => {
            let (fraction, rest) = digits(n, n)?;
            fields.nano = Some(fraction * 10i64.pow(u32::try_from(9 - n).ok()?));
            rest
        }
        'n' => set(&mut fields.nano, digits(n, 9)?),
        'N' => set(&mut fields.nano_of_day, digits(n, 18)?),
        'A' => {
            let (milli, rest) = digits(n, 15)?;
            fields.nano_of_day = Some(milli.checked_mul(1_000_000)?);
            rest
        }
        'G' => {
            let (before, rest) = era(text)?;
            fields.before_christ = before;
            rest
        }
        'X' | 'x' | 'Z' => {
            let (offset, rest) = offset(text)?;
            fields.offset = Some(offset);
            rest
        }
        'V' | 'z' => {
            let end = text.find(|it: char| !(it.is_ascii_alphanumeric() || "/_+-:".contains(it)));
            let (name, rest) = text.split_at(end.unwrap_or(text.len()));
            fields.zone = Some(expression::zone(name).or_else(|| abbreviated(name))?);
            rest
        }
        _ => return None,
    };
    Some(rest)
}

fn set<'a>(part: &mut Option<i64>, (value, rest): (i64, &'a str)) -> &'a str {
    *part = Some(value);
    rest
}

/// A number of `min` to `max` digits, which leaves `behind` digits to the numbers behind it.
fn number(text: &str, min: usize, max: usize, behind: usize) -> Option<(i64, &str)> {
    let n_digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let n = n_digits.saturating_sub(behind).min(max);
    if n < min || n == 0 {
        return None;
    }
    let (digits, rest) = text.split_at(n);
    Some((digits.parse().ok()?, rest))
}

/// One of some names: its first three letters, or all of it with four.
fn name<'a>(text: &'a str, names: &[&str], n: usize) -> Option<(i64, &'a str)> {
    for (index, name) in names.iter().enumerate() {
        let wanted = match n {
            4 => name,
            5 => &name[..1],
            _ => &name[..3],
        };
        let found = text.get(..wanted.len()).is_some_and(|it| it.eq_ignore_ascii_case(wanted));
        if found {
            return Some((i64::try_from(index).ok()?, &text[wanted.len()..]));
        }
    }
    None
}

fn era(text: &str) -> Option<(bool, &str)> {
    [
        ("Anno Domini", false),
        ("Before Christ", true),
        ("AD", false),
        ("BC", true),
        ("A", false),
        ("B", true),
    ]
    .into_iter()
    .find_map(|(name, before)| text.strip_prefix(name).map(|rest| (before, rest)))
}

/// `Z`, `+5`, `+05`, `+0530`, `+05:30`, with seconds behind if need be, and after `GMT`.
fn offset(text: &str) -> Option<(Offset, &str)> {
    let text = text.strip_prefix("GMT").unwrap_or(text);
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((Offset::UTC, rest));
    }
    let sign = match text.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut rest = &text[1..];
    let mut seconds = 0;
    for (n, unit) in [3600, 60, 1].into_iter().enumerate() {
        let after = if 0 < n { rest.strip_prefix(':').unwrap_or(rest) } else { rest };
        let Some((part, after)) = number(after, 2, 2, 0) else {
            if n == 0 {
                return None;
            }
            break;
        };
        seconds += part * unit;
        rest = after;
    }
    Some((Offset::from_seconds(i32::try_from(sign * seconds).ok()?).ok()?, rest))
}

/// The abbreviations that Java reads in American English and that mean one zone to most people.
fn abbreviated(name: &str) -> Option<TimeZone> {
    let place = match name {
        "EST" | "EDT" => "America/New_York",
        "CST" | "CDT" => "America/Chicago",
        "MST" | "MDT" => "America/Denver",
        "PST" | "PDT" => "America/Los_Angeles",
        "CET" | "CEST" => "Europe/Paris",
        "EET" | "EEST" => "Europe/Athens",
        "BST" => "Europe/London",
        "IST" => "Asia/Kolkata",
        "JST" => "Asia/Tokyo",
        _ => return None,
    };
    expression::zone(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_java_reads_them() {
        let today: Zoned = "2024-02-29T10:00:00+00:00[UTC]".parse().unwrap();
        let zone = expression::zone("America/New_York").unwrap();
        for (pattern, text, expected) in [
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
                "2025-06-05T04:03:02.120Z",
                "2025-06-05T04:03:02.12+00:00",
            ),
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
                "2025-06-05T04:03:02.120+02:00",
                "2025-06-05T04:03:02.12+02:00",
            ),
            ("yyyy-MM-dd", "2025-06-05", "2025-06-05T00:00:00-04:00"),
            ("yyyyMMddHHmmss", "20250605040302", "2025-06-05T04:03:02-04:00"),
            ("yyyy-MM-dd HH:mm", "2025-01-05 04:03", "2025-01-05T04:03:00-05:00"),
            ("dd/MMM/yyyy:HH:mm:ss Z", "10/Oct/2000:13:55:36 -0700", "2000-10-10T13:55:36-07:00"),
            ("EEE, d MMM yy h:mm a", "Thu, 5 Jun 25 4:03 pm", "2025-06-05T16:03:00-04:00"),
            ("MMMM d, u", "February 3, 2025", "2025-02-03T00:00:00-05:00"),
            ("HH:mm", "12:30", "2024-02-29T12:30:00-05:00"),
            ("yyyy", "2023", "2023-02-28T00:00:00-05:00"),
            ("yyyy-DDD", "2025-156", "2025-06-05T00:00:00-04:00"),
            ("yyyy-MM-dd[ HH:mm[:ss]]", "2025-06-05", "2025-06-05T00:00:00-04:00"),
            ("yyyy-MM-dd[ HH:mm[:ss]]", "2025-06-05 01:02", "2025-06-05T01:02:00-04:00"),
            ("yyyy-MM-dd[ HH:mm[:ss]]", "2025-06-05 01:02:03", "2025-06-05T01:02:03-04:00"),
            ("yyyy-MM-dd HH:mm VV", "2025-06-05 01:02 Asia/Tokyo", "2025-06-05T01:02:00+09:00"),
            ("yyyy-MM-dd HH:mm z", "2025-06-05 01:02 PST", "2025-06-05T01:02:00-07:00"),
            ("yyyy-MM-dd h a", "2025-06-05 12 AM", "2025-06-05T00:00:00-04:00"),
            ("yyyy-MM-dd kk", "2025-06-05 24", "2025-06-05T00:00:00-04:00"),
            ("yyyy-MM-dd A", "2025-06-05 14582123", "2025-06-05T04:03:02.123-04:00"),
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSS",
                "2025-06-05T04:03:02.123456789",
                "2025-06-05T04:03:02.123456789-04:00",
            ),
            ("yyyy-M-d", "2025-6-5", "2025-06-05T00:00:00-04:00"),
            ("yyyy-MM-dd", "2025-6-5", ""),
            ("yyyy-MM-dd", "2025-02-30", ""),
            ("yyyy-MM-dd", "2025-06-05T", ""),
            ("yyyy-MM-dd", "", ""),
            ("EEE d MMM yyyy", "Fri 5 Jun 2025", ""),
            ("HH", "25", ""),
            ("hh a", "13 AM", ""),
            ("yyyy-MM-ddX", "2025-06-05+1", ""),
        ] {
            let found = DateReader::parse(pattern).unwrap().read(text, &today, &zone);
            let found = found.map(|it| {
                let offset = it.offset().seconds() / 60;
                format!("{}{:+03}:{:02}", it.datetime(), offset / 60, offset % 60)
            });
            assert_eq!(found.as_deref().unwrap_or_default(), expected, "{text} by {pattern}");
        }
        assert!(DateReader::parse("YYYY-ww").is_err());
        assert!(DateReader::parse("yyyy-bb").is_err());
    }
}
