//! The address of a field inside an expression: `/customer/name`, `/lines/0/sku`. Pure.

use std::fmt;

use pipeline::{Map, Value};

/// A way into a document, taken apart once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    steps: Vec<String>,
}

impl Pointer {
    /// Reads `/a/b`, or `a/b` for short. `~1` stands for `/` and `~0` for `~`, as in RFC 6901.
    pub(crate) fn parse(text: &str) -> Pointer {
        let text = text.strip_prefix('/').unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        Pointer {
            steps: text.split('/').map(|it| it.replace("~1", "/").replace("~0", "~")).collect(),
        }
    }

    /// The value there, if there is one.
    pub(crate) fn find<'a>(&self, fields: &'a Map) -> Option<&'a Value> {
        let (first, rest) = self.steps.split_first()?;
        rest.iter().try_fold(fields.get(first)?, |value, step| match value {
            Value::Map(map) => map.get(step),
            Value::List(values) => values.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

/// What a pointer outside quotes is made of.
pub(crate) fn is_bare_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'@')
}

/// What the name of a field is made of, for Data Prepper.
pub(crate) fn is_key(text: &str) -> bool {
    const LENGTH_MAX: usize = 2048;
    let is_key_byte = |byte: u8| {
        is_bare_byte(byte)
            || matches!(byte, b'-' | b'~' | b'/' | b'[' | b']' | b'(' | b')' | b'$' | b' ')
    };
    !text.is_empty() && text.len() <= LENGTH_MAX && text.bytes().all(is_key_byte)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps
            .iter()
            .try_for_each(|it| write!(f, "/{}", it.replace('~', "~0").replace('/', "~1")))
    }
}
