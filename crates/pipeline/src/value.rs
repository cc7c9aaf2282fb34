//! A document's fields as values, when somebody wants to look inside. Pure.

use std::fmt;

use wire::{
    attribute::is_json_number,
    json::{Cursor, DEPTH_MAX, Malformed, unescape, write_string},
};

/// The fields of a document, in the order they came.
///
/// Hashing names is a good part of reading and asking a document, so it is done by the hash that
/// hashbrown itself chooses, seeded at random; the standard library's costs five times as much.
pub type Map = indexmap::IndexMap<String, Value, foldhash::fast::RandomState>;

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Value {
    /// Nothing, said explicitly.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number, with all its digits.
    Number(Number),
    /// A text.
    String(String),
    /// Several values in order.
    List(Vec<Value>),
    /// Fields of its own.
    Map(Map),
}

/// A decimal number as it was written: DynamoDB has up to 38 digits, and none is lost here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

/// Not a number as JSON writes them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a number")]
pub struct NotANumber(String);

impl Number {
    /// Its digits, as they were written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its value, if it is a whole number that fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The nearest floating-point number.
    pub fn to_f64(&self) -> f64 {
        self.0.parse().expect("a JSON number is a Rust float literal")
    }
}

impl std::str::FromStr for Number {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Number, NotANumber> {
        if is_json_number(text.as_bytes()) {
            Ok(Number(text.into()))
        } else {
            Err(NotANumber(text.to_owned()))
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        Number(value.to_string().into())
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number(value.to_string().into())
    }
}

impl Value {
    /// Reads JSON text.
    ///
    /// # Errors
    ///
    /// When it is not JSON, or is nested deeper than [`DEPTH_MAX`].
    pub fn from_json(text: &[u8]) -> Result<Value, Malformed> {
        let mut cursor = Cursor::new(text);
        let value = read(&mut cursor, 0)?;
        cursor.end()?;
        Ok(value)
    }

    /// Writes JSON text.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Number(number) => out.extend_from_slice(number.0.as_bytes()),
            Value::String(text) => write_string(text, out),
            Value::List(values) => {
                out.push(b'[');
                for (n, value) in values.iter().enumerate() {
                    if 0 < n {
                        out.push(b',');
                    }
                    value.write_json(out);
                }
                out.push(b']');
            }
            Value::Map(map) => write_map(map, out),
        }
    }
}

/// Writes an object as JSON text.
pub(crate) fn write_map(map: &Map, out: &mut Vec<u8>) {
    out.push(b'{');
    for (n, (key, value)) in map.iter().enumerate() {
        if 0 < n {
            out.push(b',');
        }
        write_string(key, out);
        out.push(b':');
        value.write_json(out);
    }
    out.push(b'}');
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = Vec::new();
        self.write_json(&mut json);
        f.write_str(&String::from_utf8_lossy(&json))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Number(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Number(value.into())
    }
}

/// For how many fields to make room at first.
const FIELDS: usize = 7;

fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Malformed> {
    if DEPTH_MAX < depth {
        return Err(cursor.malformed());
    }
    Ok(match cursor.peek()? {
        b'n' => {
            cursor.null()?;
            Value::Null
        }
        b't' | b'f' => Value::Bool(cursor.boolean()?),
        b'"' => Value::String(unescape(cursor.string()?)?.into_owned()),
        b'[' => {
            let mut values = Vec::new();
            cursor.array(|cursor| {
                values.push(read(cursor, depth + 1)?);
                Ok::<(), Malformed>(())
            })?;
            Value::List(values)
        }
        b'{' => {
            let mut map =
                Map::with_capacity_and_hasher(FIELDS, foldhash::fast::RandomState::default());
            cursor.object(|cursor, key| {
                let key = unescape(key)?.into_owned();
                map.insert(key, read(cursor, depth + 1)?);
                Ok::<(), Malformed>(())
            })?;
            Value::Map(map)
        }
        _ => {
            let text = cursor.number()?;
            if !is_json_number(text) {
                return Err(cursor.malformed());
            }
            Value::Number(Number(String::from_utf8_lossy(text).into()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_comes_back_digit_by_digit() {
        for text in [
            "null",
            r#"{"a":[1.50,12345678901234567890123456789012345678,-1E-130],"b":{"c":"é\n\"x\""},"d":[]}"#,
        ] {
            assert_eq!(Value::from_json(text.as_bytes()).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "[1,]", "01", "1 2", "tru", "{\"a\" 1}", "\"\\ud800\"", "nul"] {
            assert!(Value::from_json(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Value::from_json("[".repeat(1000).as_bytes()).is_err());
    }
}
