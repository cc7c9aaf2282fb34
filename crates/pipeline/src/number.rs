//! Decimal numbers, compared and calculated without losing a digit. Pure.
//!
//! A [`Decimal`] holds the 38 digits of a DynamoDB number in one machine value, so comparing two
//! fields allocates nothing. What has more digits stays text, and [`compare_numbers`] handles that as well.

use std::{cmp::Ordering, fmt};

/// How many digits a [`Decimal`] may have: as many as a number in DynamoDB.
const DIGITS_MAX: usize = 38;
/// Exponents beyond this are none that DynamoDB or a double could have.
const EXPONENT_MAX: i64 = 100_000;

/// The powers of ten that fit a machine integer.
const POWERS: [i64; 19] = {
    let mut powers = [1; 19];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// A decimal number of up to 38 digits: `coefficient × 10^exponent`, without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    coefficient: i128,
    exponent: i32,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Decimal = Decimal { coefficient: 0, exponent: 0 };

    /// Reads a number as JSON writes it; `None` if it is none, or has more than 38 digits.
    pub fn parse(text: &str) -> Option<Decimal> {
        Decimal::parse_short(text.as_bytes()).or_else(|| Decimal::parse_any(text))
    }

    /// `-12.50` and the like: what nearly all numbers are. Half of every comparison is this.
    fn parse_short(text: &[u8]) -> Option<Decimal> {
        const SHORT_MAX: usize = 18;
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        if SHORT_MAX < digits.len() || !digits.first()?.is_ascii_digit() {
            return None;
        }
        let (mut coefficient, mut exponent, mut in_fraction) = (0i64, 0i32, false);
        for byte in digits {
            match byte {
                b'0'..=b'9' => {
                    coefficient = coefficient * 10 + i64::from(byte - b'0');
                    exponent -= i32::from(in_fraction);
                }
                b'.' if !in_fraction => in_fraction = true,
                _ => return None,
            }
        }
        if in_fraction && exponent == 0 {
            return None;
        }
        if coefficient == 0 {
            return Some(Decimal::ZERO);
        }
        while coefficient % 10 == 0 {
            coefficient /= 10;
            exponent += 1;
        }
        if negative {
            coefficient = -coefficient;
        }
        Some(Decimal { coefficient: i128::from(coefficient), exponent })
    }

    fn parse_any(text: &str) -> Option<Decimal> {
        let parts = Parts::of(text)?;
        let mut coefficient: i128 = 0;
        let mut n_digits = 0;
        for digit in parts.digits() {
            n_digits += 1;
            if DIGITS_MAX < n_digits {
                // Zeros at the end weigh nothing, however many there are.
                if digit != 0 {
                    return None;
                }
                continue;
            }
            coefficient = coefficient * 10 + i128::from(digit);
        }
        let n_dropped = i64::try_from(n_digits.saturating_sub(DIGITS_MAX)).ok()?;
        let n_fraction = i64::try_from(parts.fraction.len()).ok()?;
        let exponent = parts.exponent.checked_sub(n_fraction)?.checked_add(n_dropped)?;
        if parts.negative {
            coefficient = -coefficient;
        }
        Decimal::new(coefficient, exponent)
    }

    /// The whole number, if it is one and fits.
    pub fn to_i64(self) -> Option<i64> {
        let power = u32::try_from(self.exponent).ok()?;
        let whole = self.coefficient.checked_mul(10i128.checked_pow(power)?)?;
        i64::try_from(whole).ok()
    }

    /// The nearest floating-point number.
    pub fn to_f64(self) -> f64 {
        format!("{}e{}", self.coefficient, self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// The number as short as it can be written, read back exactly.
    pub fn from_f64(value: f64) -> Option<Decimal> {
        if value.is_finite() { Decimal::parse(&value.to_string()) } else { None }
    }

    /// The sum: exact, or the nearest floating-point number where 38 digits are too few.
    pub fn plus(self, other: Decimal) -> Option<Decimal> {
        self.exact_sum(other).or_else(|| Decimal::from_f64(self.to_f64() + other.to_f64()))
    }

    /// The difference, exact as [`Decimal::plus`].
    pub fn minus(self, other: Decimal) -> Option<Decimal> {
        self.plus(other.negated())
    }

    /// The product, exact as [`Decimal::plus`].
    pub fn times(self, other: Decimal) -> Option<Decimal> {
        let exponent = i64::from(self.exponent) + i64::from(other.exponent);
        let exact = self.coefficient.checked_mul(other.coefficient);
        let exact = exact.and_then(|coefficient| Decimal::new(coefficient, exponent));
        exact.or_else(|| Decimal::from_f64(self.to_f64() * other.to_f64()))
    }

    /// The quotient: exact if it ends, else the nearest floating-point number. `None` for `x / 0`.
    pub fn over(self, other: Decimal) -> Option<Decimal> {
        if other.coefficient == 0 {
            return None;
        }
        let (mut rest, mut exponent) = (self.coefficient, i64::from(self.exponent));
        loop {
            if rest % other.coefficient == 0 {
                let exponent = exponent - i64::from(other.exponent);
                return Decimal::new(rest / other.coefficient, exponent);
            }
            let Some(next) = rest.checked_mul(10) else {
                return Decimal::from_f64(self.to_f64() / other.to_f64());
            };
            (rest, exponent) = (next, exponent - 1);
        }
    }

    /// The same number on the other side of zero.
    #[must_use]
    pub fn negated(self) -> Decimal {
        Decimal { coefficient: -self.coefficient, ..self }
    }

    /// A number of at most 38 digits, in the one form it has here.
    fn new(mut coefficient: i128, mut exponent: i64) -> Option<Decimal> {
        if coefficient == 0 {
            return Some(Decimal::ZERO);
        }
        while coefficient % 10 == 0 {
            coefficient /= 10;
            exponent += 1;
        }
        let fits = n_digits(coefficient) <= DIGITS_MAX && exponent.abs() <= EXPONENT_MAX;
        let exponent = i32::try_from(exponent).ok()?;
        fits.then_some(Decimal { coefficient, exponent })
    }

    fn exact_sum(self, other: Decimal) -> Option<Decimal> {
        let exponent = self.exponent.min(other.exponent);
        let sum = self.scaled(exponent)?.checked_add(other.scaled(exponent)?)?;
        Decimal::new(sum, i64::from(exponent))
    }

    /// What the coefficient would be with a smaller exponent.
    fn scaled(self, exponent: i32) -> Option<i128> {
        let power = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        if self.coefficient == 0 {
            return Some(0);
        }
        self.coefficient.checked_mul(10i128.checked_pow(power)?)
    }

    /// The order of two numbers of usual size, without counting their digits.
    fn compare_small(self, other: Decimal) -> Option<Ordering> {
        let exponent = self.exponent.min(other.exponent);
        let scaled = |it: Decimal| {
            let coefficient = i128::from(i64::try_from(it.coefficient).ok()?);
            let power = usize::try_from(it.exponent.checked_sub(exponent)?).ok()?;
            // A machine integer times 10^18 fits.
            Some(coefficient * i128::from(*POWERS.get(power)?))
        };
        Some(scaled(self)?.cmp(&scaled(other)?))
    }

    /// The power of ten of its first digit.
    fn magnitude(self) -> i64 {
        i64::try_from(n_digits(self.coefficient)).unwrap_or(0) + i64::from(self.exponent)
    }
}

fn n_digits(coefficient: i128) -> usize {
    coefficient.unsigned_abs().checked_ilog10().map_or(0, |log| log as usize + 1)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        if self.exponent == other.exponent {
            return self.coefficient.cmp(&other.coefficient);
        }
        if let Some(order) = self.compare_small(*other) {
            return order;
        }
        let signs = self.coefficient.signum().cmp(&other.coefficient.signum());
        if signs.is_ne() || self.coefficient == 0 {
            return signs;
        }
        let sizes = match self.magnitude().cmp(&other.magnitude()) {
            // Equally many places: scaled alike, both have at most 38 digits.
            Ordering::Equal => {
                let exponent = self.exponent.min(other.exponent);
                let size = |it: Decimal| it.scaled(exponent).map(i128::unsigned_abs);
                size(*self).cmp(&size(*other))
            }
            unequal => unequal,
        };
        if self.coefficient < 0 { sizes.reverse() } else { sizes }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Decimal {
        // Nineteen digits fit.
        Decimal::new(i128::from(value), 0).unwrap_or(Decimal::ZERO)
    }
}

impl From<u64> for Decimal {
    fn from(value: u64) -> Decimal {
        // Twenty digits fit.
        Decimal::new(i128::from(value), 0).unwrap_or(Decimal::ZERO)
    }
}

/// Plainly where that is readable: `1500`, `0.0025`; else `15E+30`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ZEROS_MAX: i64 = 40;
        let (sign, digits) = (self.coefficient < 0, self.coefficient.unsigned_abs().to_string());
        if sign {
            f.write_str("-")?;
        }
        let n_zeros = i64::from(self.exponent);
        let places = i64::try_from(digits.len()).unwrap_or(0) + n_zeros;
        if ZEROS_MAX < places.abs() {
            return write!(f, "{digits}E{n_zeros:+}");
        }
        match (usize::try_from(n_zeros), usize::try_from(places)) {
            (Ok(n_zeros), _) => write!(f, "{digits}{}", "0".repeat(n_zeros)),
            (_, Ok(places @ 1..)) => write!(f, "{}.{}", &digits[..places], &digits[places..]),
            _ => {
                let n_zeros = usize::try_from(-places).unwrap_or(0);
                write!(f, "0.{}{digits}", "0".repeat(n_zeros))
            }
        }
    }
}

/// Compares two numbers as JSON writes them by value, however many digits they have; `None` if one
/// of them is none.
pub fn compare_numbers(a: &str, b: &str) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (Decimal::parse(a), Decimal::parse(b)) {
        return Some(a.cmp(&b));
    }
    let (a, b) = (Parts::of(a)?, Parts::of(b)?);
    let signs = a.sign().cmp(&b.sign());
    if signs.is_ne() || a.sign() == 0 {
        return Some(signs);
    }
    let sizes = a.magnitude().cmp(&b.magnitude()).then_with(|| {
        let n_digits = a.digits().count().max(b.digits().count());
        let padded = |parts: &Parts<'_>| -> Vec<u8> {
            parts.digits().chain(std::iter::repeat(0)).take(n_digits).collect()
        };
        padded(&a).cmp(&padded(&b))
    });
    Some(if a.negative { sizes.reverse() } else { sizes })
}

/// The parts of a number as it was written.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Parts<'a>> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if fraction.is_empty() && digits.contains('.') {
            return None;
        }
        let is_digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
        let is_number = !whole.is_empty() && is_digits(whole) && is_digits(fraction);
        is_number.then_some(Parts { negative, whole, fraction, exponent })
    }

    /// From the first that is not zero.
    fn digits(&self) -> impl Iterator<Item = u8> {
        let digits = self.whole.bytes().chain(self.fraction.bytes()).map(|it| it - b'0');
        digits.skip_while(|digit| *digit == 0)
    }

    fn sign(&self) -> i8 {
        match (self.digits().next(), self.negative) {
            (None, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }

    /// The power of ten of the first digit that is not zero.
    fn magnitude(&self) -> i64 {
        let n_digits = i64::try_from(self.digits().count()).unwrap_or(i64::MAX);
        let n_fraction = i64::try_from(self.fraction.len()).unwrap_or(i64::MAX);
        n_digits.saturating_sub(n_fraction).saturating_add(self.exponent)
    }
}

/// An exponent; one with very many digits counts as very large.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let size: i64 = digits.parse().unwrap_or(i64::MAX / 4);
    let size = size.min(i64::MAX / 4);
    Some(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::TestCaseResult};

    use super::*;

    const NINES: &str = "99999999999999999999999999999999999999";

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text} is no decimal"))
    }

    #[test]
    fn numbers_compare_by_value_to_the_last_digit() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, expected) in [
            ("1", "1.0", Equal),
            ("100", "1E+2", Equal),
            ("-0", "0", Equal),
            ("0", "0e99999999999999999999", Equal),
            ("10.25", "10.250000000000000000000000000000000001", Less),
            ("2000000000.1", "2000000000", Greater),
            ("9007199254740993", "9007199254740992", Greater),
            ("-5", "3", Less),
            ("-5", "-3", Less),
            ("9.9E125", "1E126", Less),
            ("1E-130", "0", Greater),
            (NINES, "1E38", Less),
            (
                "123456789012345678901234567890123456789012",
                "123456789012345678901234567890123456789011",
                Greater,
            ),
            ("-123456789012345678901234567890123456789012", "-1", Less),
            ("1e999999999999999999999", "1e888888", Greater),
            ("1e-999999999999999999999", "0", Greater),
        ] {
            assert_eq!(compare_numbers(a, b), Some(expected), "{a} and {b}");
            assert_eq!(compare_numbers(b, a), Some(expected.reverse()), "{b} and {a}");
        }
        for text in ["", "-", ".5", "1.", "1.e5", "1.2.3", "1e", "x", "1e+", "NaN", "+1"] {
            assert_eq!(compare_numbers(text, "1"), None, "{text}");
        }
    }

    #[test]
    fn calculations_are_exact_as_far_as_38_digits_go() {
        let (plus, minus) = (Decimal::plus, Decimal::minus);
        let (times, over) = (Decimal::times, Decimal::over);
        for (a, calculate, b, expected) in [
            ("3", plus as fn(Decimal, Decimal) -> Option<Decimal>, "0.5", "3.5"),
            ("0.1", plus, "0.2", "0.3"),
            ("99999999999999999999999999999999999998", plus, "1", NINES),
            (NINES, plus, "0.5", "100000000000000000000000000000000000000"),
            ("1E40", plus, "1", "1E+40"),
            ("5000000000", minus, "1", "4999999999"),
            ("3", minus, "3.0", "0"),
            ("12345678901234567890", times, "10", "123456789012345678900"),
            ("1.5", times, "-2", "-3"),
            ("1E+50", times, "1E-50", "1"),
            ("7", over, "2", "3.5"),
            ("10", over, "5000000000", "0.000000002"),
            ("10", over, "3", "3.3333333333333335"),
            ("1", over, "-8", "-0.125"),
            ("1E-60", times, "3", "3E-60"),
            ("1E+60", times, "3", "3E+60"),
        ] {
            let found = calculate(decimal(a), decimal(b)).map(|it| it.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{a} and {b}");
        }
        assert_eq!(decimal("1").over(Decimal::ZERO), None);
        assert_eq!(decimal("1E+90000").times(decimal("1E+90000")), None, "beyond a double");
    }

    #[test]
    fn whole_numbers_are_told_from_others() {
        for (text, whole) in [
            ("1E+2", Some(100)),
            ("1.0", Some(1)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("1.5", None),
            ("1E+99", None),
        ] {
            assert_eq!(decimal(text).to_i64(), whole, "{text}");
        }
    }

    proptest! {
        /// A decimal is written such that it is read back, and compares as it does as text.
        #[test]
        fn a_decimal_survives_being_written(a in any_number(), b in any_number()) {
            check_survives_being_written(&a, &b)?;
        }

        /// Small numbers are compared and added as machine integers are.
        #[test]
        fn small_numbers_behave_like_integers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000) {
            let (x, y) = (Decimal::from(a), Decimal::from(b));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.plus(y), Some(Decimal::from(a + b)));
            prop_assert_eq!(x.times(y), Some(Decimal::from(a * b)));
        }
    }

    fn any_number() -> impl Strategy<Value = String> {
        "-?(0|[1-9][0-9]{0,37})(\\.[0-9]{1,5})?(E-?[1-9][0-9]?)?"
    }

    fn check_survives_being_written(a: &str, b: &str) -> TestCaseResult {
        if let Some(decimal) = Decimal::parse(a) {
            prop_assert_eq!(Decimal::parse(&decimal.to_string()), Some(decimal));
            prop_assert_eq!(Decimal::parse_any(a), Some(decimal), "short or long, it is the same");
            prop_assert_eq!(compare_numbers(a, &decimal.to_string()), Some(Ordering::Equal));
        }
        let forth = compare_numbers(a, b).map(Ordering::reverse);
        prop_assert_eq!(compare_numbers(b, a), forth);
        let (x, y): (f64, f64) = (a.parse().unwrap(), b.parse().unwrap());
        let nearly = x.partial_cmp(&y);
        // Doubles have fewer digits: where they see no difference there may be one.
        if nearly != Some(Ordering::Equal) {
            prop_assert_eq!(compare_numbers(a, b), nearly);
        }
        Ok(())
    }
}
