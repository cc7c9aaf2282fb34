use proptest::{prelude::*, test_runner::TestCaseResult};

use super::*;

#[test]
fn every_spelling_has_one_meaning() {
    for (text, normal) in [
        ("0", "0"),
        ("-0", "0"),
        ("0.000", "0"),
        ("0E500", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("001.500", "1.5"),
        ("-.5", "-0.5"),
        ("5.", "5"),
        ("1E3", "1000"),
        ("1e+3", "1000"),
        ("1000", "1000"),
        ("100.0100", "100.01"),
        ("120.0E-1", "12"),
        ("1.2E-3", "0.0012"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("0.12345678901234567890123456789012345678", "0.12345678901234567890123456789012345678"),
        (
            "1234567890123456789012345678901234567800000",
            "1234567890123456789012345678901234567800000",
        ),
    ] {
        assert_eq!(Number::parse(text).unwrap().to_string(), normal, "{text}");
    }
    assert_eq!(Number::parse("9.9E125").unwrap().to_string(), format!("99{}", "0".repeat(124)));
    assert_eq!(Number::parse("1E-130").unwrap().to_string(), format!("0.{}1", "0".repeat(129)));
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let nan = |text: &str| NumberError::NotANumber(text.to_owned());
    for (text, why) in [
        ("", nan("")),
        ("-", nan("-")),
        (".", nan(".")),
        ("1x", nan("1x")),
        ("1E", nan("1E")),
        ("1E+", nan("1E+")),
        ("1.2.3", nan("1.2.3")),
        (" 1", nan(" 1")),
        ("NaN", nan("NaN")),
        ("123456789012345678901234567890123456789", NumberError::TooManyDigits),
        ("1.00000000000000000000000000000000000001", NumberError::TooManyDigits),
        ("1E126", NumberError::Overflow),
        ("-1E99999999999999", NumberError::Overflow),
        ("1E-131", NumberError::Underflow),
        ("0.1E-130", NumberError::Underflow),
    ] {
        assert_eq!(Number::parse(text), Err(why), "{text}");
    }
}

#[test]
fn sums_at_the_edge_of_precision() {
    let nines = "9".repeat(38);
    for (a, b, sum) in [
        ("0.1", "0.2", Ok("0.3")),
        ("-5", "5", Ok("0")),
        (nines.as_str(), "1", Ok("100000000000000000000000000000000000000")),
        ("1E38", "-1", Ok(nines.as_str())),
        ("1E38", "1", Err(NumberError::TooManyDigits)),
        ("1E100", "1E-100", Err(NumberError::TooManyDigits)),
        ("9E125", "1E125", Err(NumberError::Overflow)),
        ("1E-130", "-1E-130", Ok("0")),
    ] {
        let (x, y) = (Number::parse(a).unwrap(), Number::parse(b).unwrap());
        assert_eq!(x.checked_add(y).map(|it| it.to_string()), sum.map(str::to_owned), "{a} + {b}");
    }
}

proptest! {
    /// Sums and differences are what adding by hand, digit by digit, comes to.
    #[test]
    fn arithmetic_is_exact(a in any_number(), b in any_number()) {
        check_arithmetic_is_exact(a, b)?;
    }

    /// Numbers, and their encoded bytes, are in the order of the values.
    #[test]
    fn order_is_the_order_of_values(a in any_number(), b in any_number()) {
        check_order_is_the_order_of_values(a, b)?;
    }

    /// A number printed and read is the same number.
    #[test]
    fn a_number_comes_back(a in any_number()) {
        prop_assert_eq!(Number::parse(&a.to_string()), Ok(a));
    }

    /// No text at all makes it panic.
    #[test]
    fn any_text_is_read_or_refused(text in "[-+0-9.eE]{0,60}|.*") {
        let _ = Number::parse(&text);
    }
}

fn any_number() -> impl Strategy<Value = Number> {
    let digits = prop_oneof![0..1000u128, 0..10u128.pow(38)];
    let exponent = prop_oneof![-3..3i32, -130..100i32, Just(0)];
    (any::<bool>(), digits, exponent).prop_filter_map("out of range", |(sign, digits, exponent)| {
        Number::rounded_never(sign, digits, exponent).ok()
    })
}

fn check_arithmetic_is_exact(a: Number, b: Number) -> TestCaseResult {
    let exact = by_hand(a).plus(&by_hand(b));
    match a.checked_add(b) {
        Ok(sum) => prop_assert_eq!(by_hand(sum).0, exact.0),
        Err(NumberError::TooManyDigits) => prop_assert!(38 < exact.n_significant()),
        Err(error) => prop_assert!(matches!(error, NumberError::Overflow | NumberError::Underflow)),
    }
    prop_assert_eq!(a.checked_sub(b), a.checked_add(negated(b)));
    Ok(())
}

fn check_order_is_the_order_of_values(a: Number, b: Number) -> TestCaseResult {
    let encoded = |it: Number| {
        let mut out = Vec::new();
        it.encode(&mut out);
        out
    };
    let difference = by_hand(a).plus(&by_hand(negated(b)));
    prop_assert_eq!(a.cmp(&b), difference.sign());
    prop_assert_eq!(encoded(a).cmp(&encoded(b)), difference.sign());
    if a != b {
        prop_assert!(!encoded(a).starts_with(&encoded(b)));
    }
    Ok(())
}

fn negated(number: Number) -> Number {
    Number { is_negative: number.digits != 0 && !number.is_negative, ..number }
}

/// One signed digit per power of ten, lowest first, all of one sign.
struct ByHand(Vec<i8>);

const LOWEST_POWER: i32 = -170;

fn by_hand(number: Number) -> ByHand {
    let mut digits = vec![0i8; 320];
    let start = usize::try_from(number.exponent - LOWEST_POWER).unwrap();
    for (at, digit) in number.digits.to_string().bytes().rev().enumerate() {
        let digit = i8::try_from(digit - b'0').unwrap();
        digits[start + at] = if number.is_negative { -digit } else { digit };
    }
    ByHand(digits)
}

impl ByHand {
    fn plus(&self, other: &ByHand) -> ByHand {
        let mut sum: Vec<i8> = self.0.iter().zip(&other.0).map(|(a, b)| a + b).collect();
        let sign = sum.iter().rev().find(|it| **it != 0).map_or(1, |it| it.signum());
        let mut carry = 0;
        for digit in &mut sum {
            let total = *digit * sign + carry;
            *digit = total.rem_euclid(10) * sign;
            carry = total.div_euclid(10);
        }
        assert_eq!(carry, 0);
        ByHand(sum)
    }

    fn sign(&self) -> Ordering {
        self.0.iter().rev().find(|it| **it != 0).map_or(Ordering::Equal, |it| it.cmp(&0))
    }

    fn n_significant(&self) -> usize {
        let first = self.0.iter().position(|it| *it != 0).unwrap_or_default();
        let last = self.0.iter().rposition(|it| *it != 0).unwrap_or_default();
        last - first + 1
    }
}
