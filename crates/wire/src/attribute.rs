//! DynamoDB's typed values and the plain JSON they stand for. Pure.
//!
//! | DynamoDB | plain |
//! | --- | --- |
//! | `{"S":"x"}` | `"x"` |
//! | `{"N":"1.50"}` | `1.50`, every digit kept |
//! | `{"B":"AQI="}` | `"AQI="` |
//! | `{"BOOL":true}`, `{"NULL":true}` | `true`, `null` |
//! | `{"M":{…}}`, `{"L":[…]}` | an object, an array |
//! | `{"SS":[…]}`, `{"NS":[…]}`, `{"BS":[…]}` | an array, in the order received |

use crate::json::{Cursor, DEPTH_MAX, Malformed};

/// Passes a map of attributes, `{"name":{"S":"x"},…}`, and writes `{"name":"x",…}`.
///
/// # Errors
///
/// When it is not one. What has been written by then is of no use.
pub fn map_to_plain(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    map(cursor, out, 0)
}

/// Passes one attribute value, `{"S":"x"}`, and writes `"x"`.
///
/// # Errors
///
/// When it is not one. What has been written by then is of no use.
pub fn value_to_plain(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    value(cursor, out, 0)
}

/// Whether `text` is a number as JSON writes one. DynamoDB sends no other, but what arrives from a
/// file or a user might be.
pub fn is_json_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|it| it.is_ascii_digit()).count();
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let n_whole = digits(rest);
    if n_whole == 0 || (1 < n_whole && rest[0] == b'0') {
        return false;
    }
    rest = &rest[n_whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let n_fraction = digits(fraction);
        if n_fraction == 0 {
            return false;
        }
        rest = &fraction[n_fraction..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', exponent @ ..] => exponent,
            _ => exponent,
        };
        let n_exponent = digits(exponent);
        if n_exponent == 0 {
            return false;
        }
        rest = &exponent[n_exponent..];
    }
    rest.is_empty()
}

fn map(cursor: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Malformed> {
    cursor.expect(b'{')?;
    out.push(b'{');
    if cursor.peek()? == b'}' {
        cursor.expect(b'}')?;
        out.push(b'}');
        return Ok(());
    }
    loop {
        out.extend_from_slice(cursor.quoted()?);
        cursor.expect(b':')?;
        out.push(b':');
        value(cursor, out, depth)?;
        if !cursor.comma_or(b'}')? {
            out.push(b'}');
            return Ok(());
        }
        out.push(b',');
    }
}

#[inline]
fn value(cursor: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Malformed> {
    if DEPTH_MAX < depth {
        return Err(cursor.malformed());
    }
    cursor.expect(b'{')?;
    let kind = cursor.string()?;
    cursor.expect(b':')?;
    match kind {
        b"S" | b"B" => out.extend_from_slice(cursor.quoted()?),
        b"N" => number(cursor, out)?,
        b"BOOL" => {
            let value: &[u8] = if cursor.boolean()? { b"true" } else { b"false" };
            out.extend_from_slice(value);
        }
        b"NULL" => {
            cursor.boolean()?;
            out.extend_from_slice(b"null");
        }
        b"M" => map(cursor, out, depth + 1)?,
        b"L" => list(cursor, out, |cursor, out| value(cursor, out, depth + 1))?,
        b"SS" | b"BS" => list(cursor, out, |cursor, out| {
            out.extend_from_slice(cursor.quoted()?);
            Ok(())
        })?,
        b"NS" => list(cursor, out, number)?,
        _ => return Err(cursor.malformed()),
    }
    cursor.expect(b'}')
}

#[inline]
fn number(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let text = cursor.string()?;
    if !is_json_number(text) {
        return Err(cursor.malformed());
    }
    out.extend_from_slice(text);
    Ok(())
}

#[inline]
fn list(
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    mut element: impl FnMut(&mut Cursor<'_>, &mut Vec<u8>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    out.push(b'[');
    let mut is_first = true;
    cursor.array(|cursor| {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        element(cursor, out)
    })?;
    out.push(b']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Option<String> {
        let mut out = Vec::new();
        let mut cursor = Cursor::new(text.as_bytes());
        map_to_plain(&mut cursor, &mut out).ok()?;
        cursor.end().ok()?;
        String::from_utf8(out).ok()
    }

    #[test]
    fn every_type_becomes_plain() {
        for (typed, expected) in [
            (r"{}", r"{}"),
            (r#"{"a":{"S":""}}"#, r#"{"a":""}"#),
            (r#"{"a":{"S":"é\n\"q\" \ud83d\ude00"}}"#, r#"{"a":"é\n\"q\" \ud83d\ude00"}"#),
            (r#"{ "a" : { "N" : "1.10" } }"#, r#"{"a":1.10}"#),
            (
                r#"{"a":{"N":"12345678901234567890123456789012345678"}}"#,
                r#"{"a":12345678901234567890123456789012345678}"#,
            ),
            (r#"{"a":{"N":"-1E-130"}}"#, r#"{"a":-1E-130}"#),
            (r#"{"a":{"B":"AQI="}}"#, r#"{"a":"AQI="}"#),
            (
                r#"{"a":{"BOOL":false},"b":{"BOOL":true},"c":{"NULL":true}}"#,
                r#"{"a":false,"b":true,"c":null}"#,
            ),
            (
                r#"{"a":{"SS":["x","y"]},"b":{"NS":["1","2.5"]},"c":{"BS":["AQ=="]}}"#,
                r#"{"a":["x","y"],"b":[1,2.5],"c":["AQ=="]}"#,
            ),
            (r#"{"a":{"L":[{"M":{"x":{"L":[]}}},{"NULL":true}]}}"#, r#"{"a":[{"x":[]},null]}"#),
        ] {
            assert_eq!(plain(typed).as_deref(), Some(expected), "{typed}");
        }
    }

    #[test]
    fn what_is_not_dynamodb_json_is_refused() {
        for text in [
            r#"{"a":{"X":"1"}}"#,
            r#"{"a":{}}"#,
            r#"{"a":{"N":"NaN"}}"#,
            r#"{"a":{"N":"1,2"}}"#,
            r#"{"a":{"N":"01"}}"#,
            r#"{"a":{"S":1}}"#,
            r#"{"a":{"BOOL":"true"}}"#,
            r#"{"a":{"S":"x","N":"1"}}"#,
            r#"{"a":"x"}"#,
            r"[]",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
        let deep = r#"{"a":{"L":["#.repeat(1000);
        assert_eq!(plain(&deep), None);
    }

    #[test]
    fn numbers_are_told_from_what_is_none() {
        for text in ["0", "-0", "10", "0.5", "1e5", "1E+5", "-1.25e-130"] {
            assert!(is_json_number(text.as_bytes()), "{text}");
        }
        for text in ["", "-", ".5", "1.", "+1", "1e", "1e+", "00", "0x1", "1 ", "Infinity"] {
            assert!(!is_json_number(text.as_bytes()), "{text}");
        }
    }
}
