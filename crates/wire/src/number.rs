//! Numbers as DynamoDB keeps them: up to 38 significant digits, exact, ordered by value. Pure.

use std::{cmp::Ordering, fmt};

/// How many significant digits a number may have.
pub const DIGITS_MAX: u32 = 38;
/// The power of ten of the first digit of the largest number.
const MAGNITUDE_MAX: i32 = 125;
/// The power of ten of the first digit of the smallest number above zero.
const MAGNITUDE_MIN: i32 = -130;

/// A decimal number: `digits × 10^exponent`, without trailing zeros in `digits`, so that equal
/// numbers are equal field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    is_negative: bool,
    digits: u128,
    exponent: i32,
}

/// Why a text is no number that DynamoDB keeps. The messages are DynamoDB's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// It is not a number at all.
    #[error("The parameter cannot be converted to a numeric value{}", after_colon(.0))]
    NotANumber(String),
    /// It has more than 38 significant digits.
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooManyDigits,
    /// It is too far from zero.
    #[error(
        "Number overflow. Attempting to store a number with magnitude larger than supported range"
    )]
    Overflow,
    /// It is too close to zero.
    #[error(
        "Number underflow. Attempting to store a number with magnitude smaller than supported range"
    )]
    Underflow,
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

impl Number {
    /// Zero.
    pub const ZERO: Number = Number { is_negative: false, digits: 0, exponent: 0 };

    /// Reads a number: `12`, `-0.50`, `1.2E+3`.
    ///
    /// # Errors
    ///
    /// When it is none, or none that DynamoDB can keep.
    pub fn parse(text: &str) -> Result<Number, NumberError> {
        let not_a_number = || NumberError::NotANumber(text.to_owned());
        let (is_negative, rest) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let mut digits = Digits::default();
        let mut point_seen = false;
        let mut at = 0;
        while let Some(byte) = rest.get(at) {
            match byte {
                b'0'..=b'9' => digits.push(byte - b'0', point_seen),
                b'.' if !point_seen => point_seen = true,
                b'e' | b'E' => break,
                _ => return Err(not_a_number()),
            }
            at += 1;
        }
        if !digits.any {
            return Err(not_a_number());
        }
        let shift = match rest.get(at + 1..) {
            None => 0,
            Some(exponent) => exponent_of(exponent).ok_or_else(not_a_number)?,
        };
        if digits.is_too_long {
            return Err(NumberError::TooManyDigits);
        }
        Number::ranged(is_negative, digits.value, digits.exponent().saturating_add(shift))
    }

    /// Builds a number from digits that may end in zeros.
    fn rounded_never(
        is_negative: bool,
        mut digits: u128,
        mut exponent: i32,
    ) -> Result<Number, NumberError> {
        while digits != 0 && digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        if DIGITS_MAX < n_digits(digits) {
            return Err(NumberError::TooManyDigits);
        }
        Number::ranged(is_negative, digits, exponent)
    }

    fn ranged(is_negative: bool, digits: u128, exponent: i32) -> Result<Number, NumberError> {
        if digits == 0 {
            return Ok(Number::ZERO);
        }
        let number = Number { is_negative, digits, exponent };
        match number.magnitude() {
            magnitude if MAGNITUDE_MAX < magnitude => Err(NumberError::Overflow),
            magnitude if magnitude < MAGNITUDE_MIN => Err(NumberError::Underflow),
            _ => Ok(number),
        }
    }

    /// The sum, exactly.
    ///
    /// # Errors
    ///
    /// When it has more digits than a number may have, or is out of range.
    pub fn checked_add(self, other: Number) -> Result<Number, NumberError> {
        if self.digits == 0 {
            return Ok(other);
        }
        if other.digits == 0 {
            return Ok(self);
        }
        let (high, low) =
            if self.exponent < other.exponent { (other, self) } else { (self, other) };
        // The last digit of `low` is not zero and stays the last digit of the sum. So a `high` that
        // does not fit after shifting has too many digits in front of it, whatever its sign.
        let shifted = u32::try_from(high.exponent - low.exponent)
            .ok()
            .and_then(|places| 10u128.checked_pow(places))
            .and_then(|factor| high.digits.checked_mul(factor))
            .ok_or(NumberError::TooManyDigits)?;
        if high.is_negative == low.is_negative {
            let sum = shifted.checked_add(low.digits).ok_or(NumberError::TooManyDigits)?;
            Number::rounded_never(high.is_negative, sum, low.exponent)
        } else {
            let is_negative = if low.digits < shifted { high } else { low }.is_negative;
            Number::rounded_never(is_negative, shifted.abs_diff(low.digits), low.exponent)
        }
    }

    /// The difference, exactly.
    ///
    /// # Errors
    ///
    /// As [`Number::checked_add`].
    pub fn checked_sub(self, other: Number) -> Result<Number, NumberError> {
        let is_negative = other.digits != 0 && !other.is_negative;
        self.checked_add(Number { is_negative, ..other })
    }

    /// Appends bytes whose order is the order of the numbers, and of which none is the beginning of another.
    ///
    /// A sign; the power of ten of the first digit; the digits, two in a byte; an end. Below zero
    /// all of it is inverted.
    pub fn encode(self, out: &mut Vec<u8>) {
        if self.digits == 0 {
            out.push(SIGN_ZERO);
            return;
        }
        out.push(if self.is_negative { SIGN_NEGATIVE } else { SIGN_POSITIVE });
        let start = out.len();
        out.push(u8::try_from(self.magnitude() - MAGNITUDE_MIN).expect("256 powers of ten"));
        let digits = self.digits.to_string();
        for pair in digits.as_bytes().chunks(2) {
            let ones = pair.get(1).map_or(0, |it| it - b'0');
            out.push((pair[0] - b'0') * 10 + ones + 1);
        }
        out.push(0);
        if self.is_negative {
            out[start..].iter_mut().for_each(|it| *it = !*it);
        }
    }

    /// How many bytes it counts towards the size of an item: two digits a byte, one for the rest.
    pub fn size_bytes(self) -> usize {
        n_digits(self.digits).div_ceil(2) as usize + 1 + usize::from(self.is_negative)
    }

    /// It, as a count or an index, if it is one.
    pub fn to_usize(self) -> Option<usize> {
        let factor = 10u128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        let value = usize::try_from(self.digits.checked_mul(factor)?).ok()?;
        (!self.is_negative || value == 0).then_some(value)
    }

    /// The power of ten of the first digit.
    fn magnitude(self) -> i32 {
        self.exponent.saturating_add(n_digits(self.digits).cast_signed() - 1)
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number::rounded_never(false, value.into(), 0).expect("twenty digits at most")
    }
}

/// In full, as DynamoDB prints it: `1E3` becomes `1000`, `1.50` becomes `1.5`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative {
            f.write_str("-")?;
        }
        let digits = self.digits.to_string();
        if 0 <= self.exponent {
            let n_zeros = usize::try_from(self.exponent).unwrap_or_default();
            return write!(f, "{digits}{:0<n_zeros$}", "");
        }
        let n_fraction = self.exponent.unsigned_abs() as usize;
        match digits.len().checked_sub(n_fraction) {
            Some(point @ 1..) => write!(f, "{}.{}", &digits[..point], &digits[point..]),
            _ => write!(f, "0.{digits:0>n_fraction$}"),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        let sign = |it: &Number| match it {
            it if it.digits == 0 => 0,
            it if it.is_negative => -1,
            _ => 1,
        };
        let by_size = || {
            let full = |it: &Number| it.digits * 10u128.pow(DIGITS_MAX - n_digits(it.digits));
            self.magnitude().cmp(&other.magnitude()).then_with(|| full(self).cmp(&full(other)))
        };
        match (sign(self), sign(other)) {
            (1, 1) => by_size(),
            (-1, -1) => by_size().reverse(),
            (a, b) => a.cmp(&b),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

const SIGN_NEGATIVE: u8 = 1;
const SIGN_ZERO: u8 = 2;
const SIGN_POSITIVE: u8 = 3;

/// Digits as they are read, without the zeros at either end.
#[derive(Default)]
struct Digits {
    value: u128,
    /// Zeros that may turn out to be trailing.
    n_zeros: u32,
    /// Digits behind the decimal point, up to the last that counts.
    n_fraction: i32,
    /// Digits before the point, from the last that counts.
    n_fraction_zeros: i32,
    any: bool,
    is_too_long: bool,
}

impl Digits {
    fn push(&mut self, digit: u8, is_fraction: bool) {
        self.any = true;
        self.n_fraction_zeros = self.n_fraction_zeros.saturating_add(i32::from(is_fraction));
        if digit == 0 {
            if self.value != 0 {
                self.n_zeros = self.n_zeros.saturating_add(1);
            }
            return;
        }
        self.n_fraction = self.n_fraction_zeros;
        let longer = 10u128
            .checked_pow(self.n_zeros + 1)
            .and_then(|factor| self.value.checked_mul(factor))
            .and_then(|value| value.checked_add(digit.into()))
            .filter(|value| n_digits(*value) <= DIGITS_MAX);
        match longer {
            Some(value) => self.value = value,
            None => self.is_too_long = true,
        }
        self.n_zeros = 0;
    }

    fn exponent(&self) -> i32 {
        let whole_zeros = self.n_zeros.saturating_sub(
            (self.n_fraction_zeros - self.n_fraction).unsigned_abs().min(self.n_zeros),
        );
        i32::try_from(whole_zeros).unwrap_or(i32::MAX).saturating_sub(self.n_fraction)
    }
}

/// What stands behind the `E`. What is out of range stays out of range.
fn exponent_of(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits
        .iter()
        .fold(0i32, |value, it| value.saturating_mul(10).saturating_add(i32::from(it - b'0')));
    Some(sign * value.min(1_000_000_000))
}

fn n_digits(value: u128) -> u32 {
    value.checked_ilog10().map_or(1, |it| it + 1)
}

#[cfg(test)]
mod tests;
