//! One value as another type, with all its digits. Pure.

use pipeline::Value;
use serde::Deserialize;

use super::{
    describe,
    digits::{Digits, number},
    text_of,
};

/// What a value can be converted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Type {
    /// A whole number of up to 32 bits.
    #[default]
    Integer,
    /// A whole number of up to 64 bits.
    Long,
    /// A number with a fraction.
    Double,
    /// True or false.
    Boolean,
    /// A text.
    String,
    /// A number with all its digits.
    BigDecimal,
}

/// Converts a value, the elements of a list one by one. `scale` is for [`Type::BigDecimal`].
pub(crate) fn convert(value: &Value, to: Type, scale: i32) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::List(values) => values
            .iter()
            .map(|it| convert(it, to, scale))
            .collect::<Result<_, _>>()
            .map(Value::List),
        Value::Map(_) => Err(format!("a map cannot be made {}", to.describe())),
        _ => match to {
            Type::String => Ok(Value::String(text_of(value))),
            Type::Boolean => Ok(Value::Bool(match value {
                Value::Bool(value) => *value,
                Value::Number(number) => !Digits::of(number).is_zero(),
                other => text_of(other).eq_ignore_ascii_case("true"),
            })),
            Type::Integer => whole(value, to, i64::from(i32::MIN), i64::from(i32::MAX)),
            Type::Long => whole(value, to, i64::MIN, i64::MAX),
            Type::Double | Type::BigDecimal => {
                let digits = match value {
                    Value::Bool(value) => Digits::parse(if *value { "1" } else { "0" }),
                    Value::Number(number) => Some(Digits::of(number)),
                    Value::String(text) => Digits::parse(text.trim()),
                    _ => None,
                };
                let written = digits.map(|digits| match to {
                    Type::Double => digits.fractional(),
                    _ if scale != 0 => digits.rounded(scale),
                    _ => digits.plain(),
                });
                written.and_then(|it| number(&it)).ok_or_else(|| cannot(value, to))
            }
        },
    }
}

fn whole(value: &Value, to: Type, min: i64, max: i64) -> Result<Value, String> {
    let whole: Option<i64> = match value {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Number(number) => number
            .as_i64()
            .or_else(|| Digits::of(number).truncated().and_then(|it| it.parse().ok())),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    match whole {
        Some(whole) if (min..=max).contains(&whole) => Ok(whole.into()),
        _ => Err(cannot(value, to)),
    }
}

fn cannot(value: &Value, to: Type) -> String {
    const SHOWN_MAX: usize = 40;
    let shown: String = text_of(value).chars().take(SHOWN_MAX).collect();
    format!("{} `{shown}` cannot be made {}", describe(value), to.describe())
}

impl Type {
    fn describe(self) -> &'static str {
        match self {
            Type::Integer => "an integer (of 32 bits)",
            Type::Long => "a long (of 64 bits)",
            Type::Double => "a double",
            Type::Boolean => "a boolean",
            Type::String => "a string",
            Type::BigDecimal => "a big_decimal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_reached_exactly_or_not_at_all() {
        const MANY: &str = "12345678901234567890.123456789012345678";
        for (from, to, expected) in [
            ("\"42\"", Type::Integer, Some("42")),
            ("\"+7\"", Type::Integer, Some("7")),
            ("\"12.5\"", Type::Integer, None),
            ("\" 1\"", Type::Integer, None),
            ("\"\"", Type::Integer, None),
            ("12.9", Type::Integer, Some("12")),
            ("-12.9", Type::Integer, Some("-12")),
            ("1.5E3", Type::Integer, Some("1500")),
            ("2147483647", Type::Integer, Some("2147483647")),
            ("2147483648", Type::Integer, None),
            ("2147483648", Type::Long, Some("2147483648")),
            ("9223372036854775808", Type::Long, None),
            ("1.797E308", Type::Integer, None),
            ("true", Type::Long, Some("1")),
            ("null", Type::Long, Some("null")),
            ("[\"1\",2]", Type::Integer, Some("[1,2]")),
            ("[\"1\",\"x\"]", Type::Integer, None),
            ("{}", Type::String, None),
            ("5", Type::Double, Some("5.0")),
            ("\"1e2\"", Type::Double, Some("100.0")),
            ("\"NaN\"", Type::Double, None),
            (MANY, Type::Double, Some(MANY)),
            (MANY, Type::BigDecimal, Some(MANY)),
            ("\"0E-23\"", Type::BigDecimal, Some("0.00000000000000000000000")),
            ("1E-3", Type::String, Some("\"0.001\"")),
            ("false", Type::String, Some("\"false\"")),
            ("\"TRUE\"", Type::Boolean, Some("true")),
            ("\"yes\"", Type::Boolean, Some("false")),
            ("0.0", Type::Boolean, Some("false")),
            ("0.1", Type::Boolean, Some("true")),
        ] {
            let value = Value::from_json(from.as_bytes()).unwrap();
            let found = convert(&value, to, 0).ok().map(|it| it.to_string());
            assert_eq!(found.as_deref(), expected, "{from} to {to:?}");
        }
        let rounded = convert(&"2.345".into(), Type::BigDecimal, 2).unwrap();
        assert_eq!(rounded.to_string(), "2.34");
    }
}
