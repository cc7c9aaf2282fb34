//! Dates in the patterns of `java.time`: `yyyy-MM-dd'T'HH:mm:ssXXX`. Pure.

mod write;

use std::fmt;

use jiff::{
    Zoned,
    tz::{Offset, TimeZone},
};

/// A pattern, taken apart once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatePattern {
    items: Vec<Item>,
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Literal(String),
    /// A letter, and how often it stands there.
    Field(char, usize),
}

/// Not a pattern of dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotADatePattern {
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub help: Option<&'static str>,
}

impl fmt::Display for NotADatePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        self.help.map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

impl std::error::Error for NotADatePattern {}

/// The letters we know, and how often each may stand in a row.
const LETTERS: [(char, usize); 33] = [
    ('G', 5),
    ('u', 19),
    ('y', 19),
    ('Y', 19),
    ('D', 3),
    ('M', 5),
    ('L', 5),
    ('d', 2),
    ('Q', 5),
    ('q', 5),
    ('w', 2),
    ('W', 1),
    ('E', 5),
    ('e', 5),
    ('c', 5),
    ('F', 1),
    ('a', 1),
    ('h', 2),
    ('K', 2),
    ('k', 2),
    ('H', 2),
    ('m', 2),
    ('s', 2),
    ('S', 9),
    ('A', 19),
    ('n', 19),
    ('N', 19),
    ('V', 2),
    ('z', 4),
    ('O', 4),
    ('X', 5),
    ('x', 5),
    ('Z', 5),
];

impl DatePattern {
    /// Reads a pattern. `'…'` is text, `''` a quote, `[…]` may be missing when a date is read.
    ///
    /// # Errors
    ///
    /// When it has a letter we do not know, or too often, or something is not closed.
    pub fn parse(text: &str) -> Result<DatePattern, NotADatePattern> {
        let wrong = |problem: String, help| Err(NotADatePattern { problem, help });
        let mut items: Vec<Item> = Vec::new();
        let mut n_open = 0usize;
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            let mut literal = String::new();
            match letter {
                '\'' if letters.next_if_eq(&'\'').is_some() => literal.push('\''),
                '\'' => loop {
                    match letters.next() {
                        Some('\'') if letters.next_if_eq(&'\'').is_some() => literal.push('\''),
                        Some('\'') => break,
                        Some(other) => literal.push(other),
                        None => {
                            let problem = format!("a quoted text in `{text}` does not end");
                            return wrong(problem, Some("close it with `'`"));
                        }
                    }
                },
                '[' => n_open += 1,
                ']' if n_open == 0 => {
                    return wrong(format!("`]` in `{text}` closes nothing"), None);
                }
                ']' => n_open -= 1,
                '{' | '}' | '#' => {
                    let help = Some("put text in single quotes");
                    return wrong(format!("`{letter}` has no meaning in a date pattern"), help);
                }
                _ if letter.is_ascii_alphabetic() => {
                    let mut n = 1;
                    while letters.next_if_eq(&letter).is_some() {
                        n += 1;
                    }
                    let Some((_, n_max)) = LETTERS.iter().find(|(it, _)| *it == letter) else {
                        let help = Some("put text in single quotes");
                        return wrong(format!("`{letter}` has no meaning in a date pattern"), help);
                    };
                    if *n_max < n || (letter == 'V' && n != 2) {
                        return wrong(format!("`{letter}` cannot stand {n} times in a row"), None);
                    }
                    items.push(Item::Field(letter, n));
                    continue;
                }
                _ => literal.push(letter),
            }
            match items.last_mut() {
                Some(Item::Literal(last)) => last.push_str(&literal),
                _ if literal.is_empty() => {}
                _ => items.push(Item::Literal(literal)),
            }
        }
        if 0 < n_open {
            return wrong(format!("`[` in `{text}` is never closed"), None);
        }
        Ok(DatePattern { items })
    }

    /// Writes a time.
    pub fn format(&self, at: &Zoned, out: &mut String) {
        for item in &self.items {
            match item {
                Item::Literal(text) => out.push_str(text),
                Item::Field(letter, n) => write::field(*letter, *n, at, out),
            }
        }
    }

    /// The letters that stand for a part of a date.
    pub fn letters(&self) -> impl Iterator<Item = char> {
        self.items.iter().filter_map(|item| match item {
            Item::Field(letter, _) => Some(*letter),
            Item::Literal(_) => None,
        })
    }
}

/// A time zone by the names Java knows: `Europe/London`, `UTC`, `UTC+5`, `GMT-03:30`, `+02:00`, `Z`.
pub fn zone(name: &str) -> Option<TimeZone> {
    let after = ["UTC", "GMT", "UT"].into_iter().find_map(|it| name.strip_prefix(it));
    match after.unwrap_or(name) {
        "" if after.is_some() => Some(TimeZone::UTC),
        "Z" if after.is_none() => Some(TimeZone::UTC),
        text if text.starts_with(['+', '-']) => offset(text).map(TimeZone::fixed),
        _ if name.contains("..") || name.starts_with('/') => None,
        _ => TimeZone::get(name).ok(),
    }
}

/// `+5`, `+05`, `+0530`, `+05:30`, `+053015`, `+05:30:15`.
fn offset(text: &str) -> Option<Offset> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text.get(1..)?.split(':').collect();
    let digits = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits };
    if digits.is_empty() || 6 < digits.len() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let part = |n: usize| digits.get(2 * n..2 * n + 2).map_or(Ok(0), str::parse::<i32>);
    let (hours, minutes, seconds) = (part(0).ok()?, part(1).ok()?, part(2).ok()?);
    if 18 < hours || 59 < minutes || 59 < seconds {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60 + seconds)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(pattern: &str, at: &str) -> String {
        let mut out = String::new();
        DatePattern::parse(pattern).unwrap().format(&at.parse().unwrap(), &mut out);
        out
    }

    #[test]
    fn every_letter_is_written_as_java_writes_it() {
        const AT: &str = "2025-06-05T04:03:02.123456789-04:00[America/New_York]";
        for (pattern, expected) in [
            ("yyyy.MM.dd", "2025.06.05"),
            ("y yy yyy yyyyy u uuuu", "2025 25 2025 02025 2025 2025"),
            ("'year='yyyy'/month='MM'/day='dd", "year=2025/month=06/day=05"),
            ("h 'o''clock' ''", "4 o'clock '"),
            ("M L MMM MMMM MMMMM LLLL", "6 6 Jun June J June"),
            ("d D DDD", "5 156 156"),
            ("Q QQ QQQ QQQQ q", "2 02 Q2 2nd quarter 2"),
            ("E EEE EEEE EEEEE e ee eee c", "Thu Thu Thursday T 5 05 Thu 5"),
            ("Y YYYY YY w ww W F", "2025 2025 25 23 23 1 5"),
            ("H HH h hh K k a", "4 04 4 04 4 4 AM"),
            ("m mm s ss S SSS SSSSSSSSS", "3 03 2 02 1 123 123456789"),
            ("A n N", "14582123 123456789 14582123456789"),
            ("X XX XXX XXXX XXXXX", "-04 -0400 -04:00 -0400 -04:00"),
            ("x xx xxx Z ZZZZ ZZZZZ", "-04 -0400 -04:00 -0400 GMT-04:00 -04:00"),
            ("O OOOO z VV G GGGG GGGGG", "GMT-4 GMT-04:00 EDT America/New_York AD Anno Domini A"),
            ("yyyy[-MM][-dd]", "2025-06-05"),
        ] {
            assert_eq!(formatted(pattern, AT), expected, "{pattern}");
        }
        for (pattern, at, expected) in [
            ("h a K k", "2025-01-01T00:00:00+00:00[UTC]", "12 AM 0 24"),
            ("h a K k", "2025-01-01T12:00:00+00:00[UTC]", "12 PM 0 12"),
            ("X x XXX Z O", "2025-01-01T12:00:00+00:00[UTC]", "Z +00 Z +0000 GMT"),
            ("X x O", "2025-01-01T12:00:00+05:30[+05:30]", "+0530 +0530 GMT+5:30"),
            ("YYYY 'W'ww", "2024-12-29T12:00:00+00:00[UTC]", "2025 W01"),
            ("YYYY 'W'ww", "2025-01-04T12:00:00+00:00[UTC]", "2025 W01"),
            ("YYYY 'W'ww e", "2023-01-01T12:00:00+00:00[UTC]", "2023 W01 1"),
            ("YYYY 'W'ww", "2022-12-31T12:00:00+00:00[UTC]", "2022 W53"),
        ] {
            assert_eq!(formatted(pattern, at), expected, "{pattern} at {at}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (pattern, because) in [
            ("[bad", "`b` has no meaning"),
            ("yyyy'T", "does not end"),
            ("[yyyy", "never closed"),
            ("yyyy]", "closes nothing"),
            ("ddd", "`d` cannot stand 3 times"),
            ("V", "`V` cannot stand 1 times"),
            ("yyyy#", "`#` has no meaning"),
            ("J", "`J` has no meaning"),
        ] {
            let error = DatePattern::parse(pattern).unwrap_err().to_string();
            assert!(error.contains(because), "{pattern}: {error}");
        }
    }

    #[test]
    fn zones_have_the_names_java_knows() {
        for (name, seconds) in [
            ("UTC", Some(0)),
            ("Z", Some(0)),
            ("GMT", Some(0)),
            ("UTC-8", Some(-28_800)),
            ("UTC+05:30", Some(19_800)),
            ("GMT+0530", Some(19_800)),
            ("+02:00", Some(7_200)),
            ("-3", Some(-10_800)),
            ("Asia/Tokyo", Some(32_400)),
            ("UTC+25", None),
            ("UTC+1:75", None),
            ("Mars/Base", None),
            ("", None),
            ("../etc/passwd", None),
        ] {
            let zone = zone(name).map(|it| it.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds());
            assert_eq!(zone, seconds, "{name}");
        }
    }
}
