//! One value made to fit its field. Pure.

use std::{borrow::Cow, net::IpAddr};

use crate::{
    error::{Failure, Result},
    fields::Leaf,
    mapping::{Bits, Field, Kind},
    raw,
};

/// A value as text: strings without quotes, all else as it is written.
pub(crate) fn text(value: &str) -> Result<Cow<'_, str>> {
    if value.starts_with('"') {
        raw::string(value).map_err(|it| Failure::new(400, "json_parse_exception", it.to_string()))
    } else {
        Ok(Cow::Borrowed(value))
    }
}

/// The value as it is indexed; nothing if it is to be left out.
///
/// # Errors
///
/// When it does not fit the field.
pub(crate) fn leaf(field: &Field, value: &str) -> Result<Option<Leaf>> {
    let is_string = value.starts_with('"');
    let text = text(value)?;
    let is_number = matches!(value.as_bytes().first(), Some(b'-' | b'0'..=b'9'));
    if is_string
        && !field.coerce
        && !matches!(field.kind, Kind::Keyword | Kind::Ip | Kind::Boolean)
        && !field.kind.is_date()
    {
        let reason = format!("{} value passed as String", field.kind.name());
        return Err(Failure::illegal_argument(reason));
    }
    Ok(Some(match &field.kind {
        Kind::Text | Kind::Keyword => {
            if field.ignore_above.is_some_and(|max| is_longer(&text, max)) {
                return Ok(None);
            }
            Leaf::Str(normalize(field, &text).as_ref().into())
        }
        Kind::Integer(bits) => Leaf::I64(integer(*bits, &text, field)?),
        Kind::UnsignedLong => Leaf::U64(unsigned(&text)?),
        Kind::Double => Leaf::F64(decimal(&text)?),
        Kind::Float => Leaf::F64(f64::from(single(&text)?)),
        Kind::HalfFloat => Leaf::F64(half(single(&text)?)),
        Kind::ScaledFloat(factor) => Leaf::F64((decimal(&text)? * factor).round() / factor),
        Kind::Boolean => match (&*text, is_string) {
            ("true", _) => Leaf::Bool(true),
            ("false", _) | ("", true) => Leaf::Bool(false),
            _ => {
                return Err(Failure::illegal_argument(format!(
                    "Failed to parse value [{text}] as only [true] or [false] are allowed."
                )));
            }
        },
        Kind::Date | Kind::DateNanos => {
            // A number may be written with a fraction or an exponent.
            let millis = field.formats.parse(&text).or_else(|| match decimal(&text) {
                Ok(it) if is_number && it.abs() < 9e18 => Some(truncate(it)),
                _ => None,
            });
            Leaf::I64(millis.ok_or_else(|| {
                Failure::illegal_argument(format!(
                    "failed to parse date field [{text}] with format [{}]",
                    field.formats.as_str()
                ))
            })?)
        }
        Kind::Ip => {
            let address: IpAddr = text.parse().map_err(|_| {
                Failure::illegal_argument(format!("'{text}' is not an IP string literal."))
            })?;
            Leaf::Str(address_key(address).into())
        }
        Kind::Binary | Kind::Alias(_) | Kind::Opaque(_) => return Ok(None),
    }))
}

/// A keyword as its normalizer leaves it.
pub(crate) fn normalize<'a>(field: &Field, text: &'a str) -> Cow<'a, str> {
    if field.lowercase { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) }
}

/// An address as text that sorts as addresses do.
pub(crate) fn address_key(address: IpAddr) -> String {
    let address = match address {
        IpAddr::V4(it) => it.to_ipv6_mapped(),
        IpAddr::V6(it) => it,
    };
    format!("{:032x}", u128::from(address))
}

fn is_longer(text: &str, chars_max: usize) -> bool {
    chars_max < text.len() && chars_max < text.encode_utf16().count()
}

fn integer(bits: Bits, text: &str, field: &Field) -> Result<i64> {
    let (min, max) = bits.range();
    let number = if let Ok(number) = text.parse::<i64>() {
        number
    } else {
        let number = decimal(text)?;
        if !field.coerce && number.fract() != 0.0 {
            return Err(Failure::illegal_argument(format!(
                "{text} cannot be converted to {} without data loss",
                name(bits)
            )));
        }
        if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
            return Err(out_of_range(text, bits));
        }
        truncate(number)
    };
    if (min..=max).contains(&number) { Ok(number) } else { Err(out_of_range(text, bits)) }
}

fn name(bits: Bits) -> &'static str {
    match bits {
        Bits::Byte => "Byte",
        Bits::Short => "Short",
        Bits::Integer => "Integer",
        Bits::Long => "Long",
    }
}

fn out_of_range(text: &str, bits: Bits) -> Failure {
    match bits {
        Bits::Long => Failure::new(
            400,
            "input_coercion_exception",
            format!(
                "Numeric value ({text}) out of range of long (-9223372036854775808 - 9223372036854775807)"
            ),
        ),
        Bits::Integer => Failure::new(
            400,
            "input_coercion_exception",
            format!("Numeric value ({text}) out of range of int (-2147483648 - 2147483647)"),
        ),
        _ => Failure::illegal_argument(format!(
            "Value [{text}] is out of range for a {}",
            Kind::Integer(bits).name()
        )),
    }
}

fn unsigned(text: &str) -> Result<u64> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let number = decimal(text)?;
    if (0.0..18_446_744_073_709_551_616.0).contains(&number) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is in range"
        )]
        return Ok(number as u64);
    }
    Err(Failure::illegal_argument(format!("Value [{text}] is out of range for an unsigned long")))
}

fn decimal(text: &str) -> Result<f64> {
    let number: f64 = text
        .trim()
        .parse()
        .map_err(|_| Failure::illegal_argument(format!("For input string: \"{text}\"")))?;
    if number.is_finite() {
        Ok(number)
    } else {
        Err(Failure::illegal_argument(format!(
            "[double] supports only finite values, but got [{text}]"
        )))
    }
}

fn single(text: &str) -> Result<f32> {
    let number: f32 = text
        .trim()
        .parse()
        .map_err(|_| Failure::illegal_argument(format!("For input string: \"{text}\"")))?;
    if number.is_finite() {
        Ok(number)
    } else {
        let reason = format!("[float] supports only finite values, but got [{text}]");
        Err(Failure::illegal_argument(reason))
    }
}

/// The nearest number that has eleven bits of precision.
fn half(number: f32) -> f64 {
    let bits = number.to_bits();
    let rounded = bits.wrapping_add(0x0FFF + ((bits >> 13) & 1)) & !0x1FFF;
    f64::from(f32::from_bits(rounded))
}

#[expect(clippy::cast_possible_truncation, reason = "the fraction is what is dropped")]
fn truncate(number: f64) -> i64 {
    number as i64
}
