//! Functions about dates. Pure.

use std::borrow::Cow;

use jiff::{Timestamp, Zoned, civil::DateTime, tz::TimeZone};

use super::{Call, Function};
use crate::{
    date::{self, DatePattern},
    error::EvalError,
    operand::{Digits, Operand, View},
};

pub(super) const ALL: &[Function] = &[Function {
    name: "formatDateTime",
    arguments: "/field, pattern[, zone[, source zone]]",
    n_arguments: (2, 4),
    about: "A time, given in milliseconds since 1970 or as ISO 8601, in the pattern of java.time; zones are UTC unless given.",
    example: (
        r#"formatDateTime(/at, "yyyy-MM-dd HH:mm", "Europe/London")"#,
        r#"{"at":1755691200000}"#,
        r#""2025-08-20 13:00""#,
    ),
    uses_fields: false,
    call: format_date_time,
}];

fn format_date_time<'a>(call: &Call<'a, '_>) -> Result<Operand<'a>, EvalError> {
    let operand = call.field(0)?;
    let pattern = call.needed_text(1)?;
    let pattern = DatePattern::parse(&pattern).map_err(|error| call.wrong(error.to_string()))?;
    let (to, from) = (zone(call, 2)?, zone(call, 3)?);
    let at = match operand.view() {
        View::Null => return Ok(Operand::Null),
        View::Number(Digits::Decimal(number)) => {
            number.to_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok())
        }
        View::Text(text) => read(text, from),
        _ => None,
    };
    let Some(at) = at else {
        return Err(call.wrong("the field is no time, neither milliseconds nor ISO 8601"));
    };
    let mut text = String::new();
    pattern.format(&at.to_zoned(to), &mut text);
    Ok(Operand::Text(Cow::Owned(text)))
}

fn zone(call: &Call<'_, '_>, n: usize) -> Result<TimeZone, EvalError> {
    if call.arguments.len() <= n {
        return Ok(TimeZone::UTC);
    }
    let name = call.needed_text(n)?;
    date::zone(&name).ok_or_else(|| call.wrong(format!("there is no time zone `{name}`")))
}

/// An ISO 8601 time; one without a zone is in `zone`.
fn read(text: &str, zone: TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(at) = text.parse::<Zoned>() {
        return Some(at.timestamp());
    }
    let at: DateTime = text.parse().ok()?;
    Some(at.to_zoned(zone).ok()?.timestamp())
}
