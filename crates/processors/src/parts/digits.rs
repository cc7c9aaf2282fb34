//! Numbers by their digits: rounded and written without losing one. Pure.

use pipeline::{Number, Value};

/// Beyond so many places a number is not written out; a double has 308.
const PLACES_MAX: i64 = 1100;

/// A number, taken apart: `0.digits × 10^point`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "a number is made of digits")]
pub(crate) struct Digits {
    negative: bool,
    digits: Vec<u8>,
    /// How many of the digits stand before the point; there may be more or fewer than there are.
    point: i64,
    /// As it was written, if it is too large to be written out.
    source: String,
}

impl Digits {
    /// The digits of a number.
    pub(crate) fn of(number: &Number) -> Digits {
        Digits::parse(number.as_str()).unwrap_or_else(|| Digits {
            negative: false,
            digits: Vec::new(),
            point: 0,
            source: number.to_string(),
        })
    }

    /// Reads a number as people write it: `-1.5`, `+.5`, `7.`, `1e5`.
    pub(crate) fn parse(text: &str) -> Option<Digits> {
        let source = text.to_owned();
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (text, exponent) = match text.split_once(['e', 'E']) {
            Some((text, exponent)) => (text, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let digits: Vec<u8> = [whole.as_bytes(), fraction.as_bytes()].concat();
        let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
        Some(Digits { negative, digits, point, source })
    }

    /// Written out without an exponent; fraction digits stay as they are.
    pub(crate) fn plain(&self) -> String {
        if PLACES_MAX < self.point.abs() || self.digits.is_empty() {
            return self.source.clone();
        }
        let (whole, fraction) = self.halves();
        let mut out = String::new();
        if self.negative && self.digits.iter().any(|it| *it != b'0') {
            out.push('-');
        }
        out.push_str(match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        });
        if !fraction.is_empty() {
            out.push('.');
            out.push_str(&fraction);
        }
        out
    }

    /// Written out with a fraction, if only `.0`.
    pub(crate) fn fractional(&self) -> String {
        let plain = self.plain();
        if plain.contains(['.', 'e', 'E']) { plain } else { plain + ".0" }
    }

    /// The whole number that is left without the fraction.
    pub(crate) fn truncated(&self) -> Option<String> {
        let plain = self.plain();
        if plain.contains(['e', 'E']) {
            return None;
        }
        let whole = plain.split('.').next().unwrap_or_default();
        Some(if whole == "-0" { "0".to_owned() } else { whole.to_owned() })
    }

    /// Rounded to `scale` places behind the point, a half to the even neighbour.
    pub(crate) fn rounded(&self, scale: i32) -> String {
        if PLACES_MAX < self.point.abs() || self.digits.is_empty() {
            return self.source.clone();
        }
        let kept = self.point + i64::from(scale);
        let Ok(n_kept) = usize::try_from(kept) else {
            return Digits { digits: vec![b'0'], point: 1 - i64::from(scale), ..self.clone() }
                .plain();
        };
        let mut digits = self.digits.clone();
        if digits.len() <= n_kept {
            digits.resize(n_kept, b'0');
            return Digits { digits, ..self.clone() }.plain();
        }
        let (next, beyond) = (digits[n_kept], &digits[n_kept + 1..]);
        let is_odd = n_kept.checked_sub(1).is_some_and(|last| digits[last] % 2 == 1);
        let is_more = beyond.iter().any(|it| *it != b'0');
        let up = b'5' < next || (next == b'5' && (is_more || is_odd));
        digits.truncate(n_kept);
        let mut point = self.point;
        if up && !increment(&mut digits) {
            digits.insert(0, b'1');
            point += 1;
        }
        if digits.is_empty() {
            (digits, point) = (vec![b'0'], point + 1);
        }
        Digits { digits, point, ..self.clone() }.plain()
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.digits.iter().all(|it| *it == b'0')
    }

    fn halves(&self) -> (String, String) {
        let text: String = self.digits.iter().map(|it| char::from(*it)).collect();
        match usize::try_from(self.point) {
            Ok(point) if text.len() <= point => (format!("{text:0<point$}"), String::new()),
            Ok(point) => (text[..point].to_owned(), text[point..].to_owned()),
            Err(_) => {
                let n_zeros = usize::try_from(-self.point).unwrap_or(0);
                (String::new(), "0".repeat(n_zeros) + &text)
            }
        }
    }
}

/// Adds one to the last digit; whether there was room for it.
fn increment(digits: &mut [u8]) -> bool {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return true;
        }
        *digit = b'0';
    }
    false
}

/// Digits that were written out, as a value.
pub(crate) fn number(text: &str) -> Option<Value> {
    text.parse().ok().map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_whatever_the_form() {
        for (text, plain, truncated, fractional) in [
            ("0", "0", "0", "0.0"),
            ("-0.0", "0.0", "0", "0.0"),
            ("-0.5", "-0.5", "0", "-0.5"),
            ("1.50", "1.50", "1", "1.50"),
            ("1.5E3", "1500", "1500", "1500.0"),
            ("15E-3", "0.015", "0", "0.015"),
            ("1E+2", "100", "100", "100.0"),
            ("+.5", "0.5", "0", "0.5"),
            ("007.", "7", "7", "7.0"),
            (
                "12345678901234567890123456789012345678.9",
                "12345678901234567890123456789012345678.9",
                "12345678901234567890123456789012345678",
                "12345678901234567890123456789012345678.9",
            ),
        ] {
            let digits = Digits::parse(text).unwrap();
            assert_eq!(digits.plain(), plain, "{text}");
            assert_eq!(digits.truncated().as_deref(), Some(truncated), "{text}");
            assert_eq!(digits.fractional(), fractional, "{text}");
        }
        for text in ["", ".", "-", "1e", "x", "1.2.3", "1 2", "0x1F"] {
            assert_eq!(Digits::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_half_is_rounded_to_the_even_neighbour() {
        for (text, scale, rounded) in [
            ("1.005", 2, "1.00"),
            ("1.015", 2, "1.02"),
            ("1.0151", 2, "1.02"),
            ("-2.5", 0, "-2"),
            ("3.5", 0, "4"),
            ("0.5", 0, "0"),
            ("0.51", 0, "1"),
            ("0.05", 0, "0"),
            ("9.99", 1, "10.0"),
            ("7", 3, "7.000"),
            ("1250", -2, "1200"),
            ("1E-7", 3, "0.000"),
            ("99", -3, "0"),
        ] {
            assert_eq!(Digits::parse(text).unwrap().rounded(scale), rounded, "{text} to {scale}");
        }
    }
}
