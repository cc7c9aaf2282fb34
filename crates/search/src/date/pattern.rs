//! Date patterns with the usual letters, such as `yyyy/MM/dd HH:mm:ss`. Pure.

use super::{Civil, Date, Digits, Unit};

/// A pattern, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A letter and how often it stands there.
    Letter(char, usize),
}

impl Pattern {
    /// Reads a pattern, if we know all its letters.
    pub(crate) fn new(text: &str) -> Option<Pattern> {
        let mut parts: Vec<Part> = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' => {
                    let quoted: String = chars.by_ref().take_while(|it| *it != '\'').collect();
                    parts.push(Part::Literal(if quoted.is_empty() { "'".into() } else { quoted }));
                }
                'a'..='z' | 'A'..='Z' => {
                    let mut n = 1;
                    while chars.next_if_eq(&c).is_some() {
                        n += 1;
                    }
                    if !matches!(c, 'y' | 'u' | 'M' | 'd' | 'H' | 'm' | 's' | 'S' | 'X' | 'Z' | 'x')
                        || c == 'M' && 2 < n
                    {
                        return None;
                    }
                    parts.push(Part::Letter(c, n));
                }
                _ => parts.push(Part::Literal(c.into())),
            }
        }
        parts.iter().any(|it| matches!(it, Part::Letter(..))).then_some(Pattern(parts))
    }

    pub(crate) fn parse(&self, text: &str) -> Option<Date> {
        let mut rest = Digits(text);
        let mut civil = Civil::EPOCH;
        let (mut unit, mut offset_ms) = (Unit::Year, 0);
        for part in &self.0 {
            let (letter, n) = match part {
                Part::Literal(text) => {
                    rest.skip(text).then_some(())?;
                    continue;
                }
                Part::Letter(letter, n) => (*letter, *n),
            };
            if matches!(letter, 'X' | 'Z' | 'x') {
                offset_ms = rest.offset()?;
                continue;
            }
            if letter == 'S' {
                (civil.milli, unit) = (rest.fraction()?, Unit::Milli);
                continue;
            }
            // A single letter takes one digit or two.
            let n_digits = if n == 1 && letter != 'y' && letter != 'u' {
                rest.0.bytes().take(2).take_while(u8::is_ascii_digit).count()
            } else {
                n.max(if matches!(letter, 'y' | 'u') && n != 2 { 4 } else { 0 })
            };
            let number = rest.take(n_digits)?;
            match letter {
                'y' | 'u' => civil.year = if n == 2 { 2000 + number } else { number },
                'M' => (civil.month, unit) = (number, Unit::Month),
                'd' => (civil.day, unit) = (number, Unit::Day),
                'H' => (civil.hour, unit) = (number, Unit::Hour),
                'm' => (civil.minute, unit) = (number, Unit::Minute),
                _ => (civil.second, unit) = (number, Unit::Second),
            }
        }
        rest.0.is_empty().then_some(())?;
        Some(Date { millis: civil.millis()? - offset_ms, unit })
    }

    pub(crate) fn format(&self, civil: Civil) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Letter(letter, n) => {
                    let number = match letter {
                        'y' | 'u' if *n == 2 => civil.year % 100,
                        'y' | 'u' => civil.year,
                        'M' => civil.month,
                        'd' => civil.day,
                        'H' => civil.hour,
                        'm' => civil.minute,
                        's' => civil.second,
                        'S' => {
                            let nanos = format!("{:03}000000", civil.milli);
                            out.push_str(&nanos[..(*n).min(9)]);
                            continue;
                        }
                        _ => {
                            out.push_str(if *letter == 'X' { "Z" } else { "+0000" });
                            continue;
                        }
                    };
                    out.push_str(&format!("{number:0n$}"));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_reads_what_it_writes() {
        let noon =
            Civil { year: 2024, month: 2, day: 9, hour: 12, minute: 5, second: 7, milli: 89 };
        for (pattern, text) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2024-02-09T12:05:07.089Z"),
            ("d.M.yyyy H:m:s.SSS", "9.2.2024 12:5:7.089"),
            ("uuuuMMddHHmmss.SSS", "20240209120507.089"),
        ] {
            let pattern = Pattern::new(pattern).unwrap();
            assert_eq!(pattern.format(noon), text);
            assert_eq!(pattern.parse(text).map(|it| it.millis), noon.millis(), "{text}");
        }
    }

    #[test]
    fn what_we_cannot_read_is_no_pattern() {
        for text in ["", "EEE, dd MMM yyyy", "QQQ", "--"] {
            assert_eq!(Pattern::new(text), None, "{text}");
        }
    }
}
