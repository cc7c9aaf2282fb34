//! The safe document id: what `getMetadata("document_id")` gives. Pure.
//!
//! | Key value | In the id |
//! | --- | --- |
//! | text | as it is, but `%` is `%25` and `\|` is `%7C` |
//! | number | plain decimal digits, so that `1.5` and `150E-2` are the same |
//! | binary | base64 with the alphabet for addresses, without padding |
//!
//! Two values are joined by `|`. What is longer than OpenSearch takes is cut, and ends in `%~` and
//! the SHA-256 of the whole. Different keys have different ids: a bare `|` is in no value, and `%~`
//! is in no id that was not cut.

use std::fmt::Write;

use base64::{
    Engine,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD},
    },
};
use sha2::{Digest, Sha256};

/// OpenSearch takes no longer `_id`.
pub const ID_BYTES_MAX: usize = 512;
/// How much of a longer one is kept for people to read.
const KEPT_BYTES_MAX: usize = 400;
/// DynamoDB's numbers are between 1E-130 and 9.99E+125.
const EXPONENT_MAX: i64 = 200;

/// DynamoDB pads its base64; files written by hand may not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The value of one key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyValue<'a> {
    /// `S`.
    Text(&'a str),
    /// `N`, as DynamoDB wrote it.
    Number(&'a str),
    /// `B`, in base64.
    Binary(&'a str),
}

/// A key value that DynamoDB could not have sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoId {
    /// It is no number. Which text it is stays out of logs.
    #[error("a key that must be a number is none")]
    NotANumber,
    /// It is no base64.
    #[error("a binary key is not base64")]
    NotBase64,
}

/// The id of the item with these key values: partition key, and sort key if there is one.
///
/// # Errors
///
/// When a number is none, or binary is not base64.
pub fn document_id(partition: KeyValue<'_>, sort: Option<KeyValue<'_>>) -> Result<String, NoId> {
    let mut id = String::new();
    write_value(partition, &mut id)?;
    if let Some(sort) = sort {
        id.push('|');
        write_value(sort, &mut id)?;
    }
    Ok(if id.len() <= ID_BYTES_MAX { id } else { shortened(&id) })
}

fn write_value(value: KeyValue<'_>, id: &mut String) -> Result<(), NoId> {
    match value {
        KeyValue::Text(text) => {
            for char in text.chars() {
                match char {
                    '%' => id.push_str("%25"),
                    '|' => id.push_str("%7C"),
                    _ => id.push(char),
                }
            }
        }
        KeyValue::Number(text) => {
            let number = canonical(text).ok_or(NoId::NotANumber)?;
            id.push_str(&number);
        }
        KeyValue::Binary(text) => {
            let bytes = BASE64.decode(text).map_err(|_| NoId::NotBase64)?;
            URL_SAFE_NO_PAD.encode_string(bytes, id);
        }
    }
    Ok(())
}

fn shortened(id: &str) -> String {
    let end = (0..=KEPT_BYTES_MAX).rev().find(|at| id.is_char_boundary(*at)).unwrap_or(0);
    let mut short = format!("{}%~", &id[..end]);
    for byte in Sha256::digest(id.as_bytes()) {
        let _ = write!(short, "{byte:02x}");
    }
    short
}

/// A decimal number without exponent, without zeros that say nothing, and without a sign if it is 0.
fn canonical(text: &str) -> Option<String> {
    if !wire::attribute::is_json_number(text.as_bytes()) {
        return None;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if EXPONENT_MAX < exponent.abs() {
        return None;
    }
    let all = format!("{whole}{fraction}");
    // Where the point stands in `all`, which may be before its begin or behind its end.
    let point = i64::try_from(whole.len()).ok()? + exponent;
    let (whole, fraction) = if point <= 0 {
        let zeros = usize::try_from(-point).ok()?;
        (String::new(), "0".repeat(zeros) + &all)
    } else {
        let point = usize::try_from(point).ok()?;
        let zeros = point.saturating_sub(all.len());
        let all = all + &"0".repeat(zeros);
        (all[..point].to_owned(), all[point..].to_owned())
    };
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    Some(match (whole, fraction) {
        ("0", "") => "0".to_owned(),
        (_, "") => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::TestCaseResult};

    use super::*;

    #[test]
    fn plain_values_are_joined_as_they_are() {
        let id = document_id(KeyValue::Text("Dan Brown"), Some(KeyValue::Text("The DaVinci code")));
        assert_eq!(id.unwrap(), "Dan Brown|The DaVinci code");
        assert_eq!(document_id(KeyValue::Text("村上"), None).unwrap(), "村上");
    }

    #[test]
    fn what_would_be_ambiguous_is_escaped() {
        let id = |a, b| document_id(KeyValue::Text(a), Some(KeyValue::Text(b))).unwrap();
        assert_eq!(id("a|b", "c"), "a%7Cb|c");
        assert_eq!(id("a", "b|c"), "a|b%7Cc");
        assert_eq!(id("a%7Cb", "c"), "a%257Cb|c");
    }

    #[test]
    fn a_number_has_one_spelling() {
        for (text, expected) in [
            ("1.5", Some("1.5")),
            ("150E-2", Some("1.5")),
            ("1.50", Some("1.5")),
            ("100", Some("100")),
            ("1E+2", Some("100")),
            ("0.1e3", Some("100")),
            ("-0.000001", Some("-0.000001")),
            ("-1E-6", Some("-0.000001")),
            ("0", Some("0")),
            ("-0.00", Some("0")),
            ("0E5", Some("0")),
            ("1768469400", Some("1768469400")),
            (
                "12345678901234567890123456789012345678",
                Some("12345678901234567890123456789012345678"),
            ),
            ("not-a-number", None),
            ("1e999999999999", None),
            ("", None),
        ] {
            assert_eq!(canonical(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn binary_is_fit_for_an_address() {
        let id = |text| document_id(KeyValue::Binary(text), None);
        assert_eq!(id("+/8=").unwrap(), "-_8");
        assert_eq!(id("+/8").unwrap(), "-_8");
        assert_eq!(id("").unwrap(), "");
        assert_eq!(id("?"), Err(NoId::NotBase64));
    }

    #[test]
    fn a_long_id_keeps_its_beginning_and_differs_by_its_end() {
        let long = |end: &str| {
            let text = "é".repeat(1024) + end;
            document_id(KeyValue::Text(&text), None).unwrap()
        };
        let (a, b) = (long("a"), long("b"));
        assert!(a.starts_with("éé") && a.len() <= ID_BYTES_MAX, "{a}");
        assert_ne!(a, b);
        assert_eq!(a, long("a"));
        // Nobody can have a key that is the short form of another.
        assert_ne!(document_id(KeyValue::Text(&a), None).unwrap(), a);
    }

    proptest! {
        /// Different pairs of texts have different ids, none of them too long.
        #[test]
        fn ids_tell_items_apart(a in any_pair(), b in any_pair()) {
            check_ids_tell_items_apart(&a, &b)?;
        }

        /// A number has the same id however it is spelt, and no other number has it.
        #[test]
        fn numbers_are_known_by_their_value(digits in 1u64..1_000_000, exponent in -20i32..20, other in 1u64..1_000_000) {
            check_numbers_are_known_by_their_value(digits, exponent, other)?;
        }
    }

    fn any_pair() -> impl Strategy<Value = (String, Option<String>)> {
        let text = || prop_oneof!["[ab|%7C~]{1,6}", "[é|]{100,600}"];
        (text(), prop::option::of(text()))
    }

    fn check_ids_tell_items_apart(
        a: &(String, Option<String>),
        b: &(String, Option<String>),
    ) -> TestCaseResult {
        // A table has a sort key or it has none.
        prop_assume!(a.1.is_some() == b.1.is_some());
        let id = |it: &(String, Option<String>)| {
            document_id(KeyValue::Text(&it.0), it.1.as_deref().map(KeyValue::Text)).unwrap()
        };
        prop_assert_eq!(id(a) == id(b), a == b);
        prop_assert!(id(a).len() <= ID_BYTES_MAX);
        Ok(())
    }

    fn check_numbers_are_known_by_their_value(
        digits: u64,
        exponent: i32,
        other: u64,
    ) -> TestCaseResult {
        let spelt = canonical(&format!("{digits}E{exponent}")).unwrap();
        let shifted = canonical(&format!("{digits}00E{}", exponent - 2)).unwrap();
        prop_assert_eq!(&spelt, &shifted);
        prop_assert_eq!(canonical(&spelt).unwrap(), spelt.clone());
        let other_spelt = canonical(&format!("{other}E{exponent}")).unwrap();
        prop_assert_eq!(other_spelt == spelt, other == digits);
        Ok(())
    }
}
