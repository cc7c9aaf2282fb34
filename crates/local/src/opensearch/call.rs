//! A request, taken apart: what was called, with which parameters and which body. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use search::{Failure, Options, Result};
use serde_json::Value;

/// A request.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    pub method: String,
    /// As it came, without the query.
    pub path: String,
    /// What stands where the route has a name in braces.
    pub vars: Vec<(&'static str, String)>,
    pub params: BTreeMap<String, String>,
    pub body: Bytes,
    /// The address the client used.
    pub host: String,
    pub now_ms: u64,
}

impl Call {
    /// What stands in the path for `name`; empty if the path has no such part.
    pub(super) fn var(&self, name: &str) -> &str {
        self.vars.iter().find(|(it, _)| *it == name).map_or("", |(_, value)| value)
    }

    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// A parameter that is on or off; `?v` alone is on.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.param(name) {
            None => Ok(default),
            Some("" | "true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(Failure::illegal_argument(format!(
                "Failed to parse value [{other}] as only [true] or [false] are allowed."
            ))),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.param(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            Failure::illegal_argument(format!(
                "Failed to parse int parameter [{name}] with value [{text}]"
            ))
        })
    }

    /// The body as JSON; null if there is none.
    pub(super) fn json(&self) -> Result<Value> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body)
            .map_err(|it| Failure::new(400, "json_parse_exception", it.to_string()))
    }

    /// The body as JSON, which must be there.
    pub(super) fn required_json(&self) -> Result<Value> {
        match self.json()? {
            Value::Null => Err(Failure::new(400, "parse_exception", "request body is required")),
            body => Ok(body),
        }
    }

    /// What the parameters say of names that stand for nothing.
    pub(super) fn options(&self) -> Result<Options> {
        let expand = self.param("expand_wildcards").unwrap_or("open");
        Ok(Options {
            ignore_unavailable: self.flag("ignore_unavailable", false)?,
            allow_no_indices: self.flag("allow_no_indices", true)?,
            hidden: expand.split(',').any(|it| matches!(it, "all" | "hidden")),
        })
    }

    /// When searches are to see a write.
    pub(super) fn refresh(&self) -> Result<Refresh> {
        match self.param("refresh") {
            None | Some("false") => Ok(Refresh::Later),
            Some("" | "true") => Ok(Refresh::Now),
            Some("wait_for") => Ok(Refresh::Wait),
            Some(other) => {
                Err(Failure::illegal_argument(format!("Unknown value for refresh: [{other}].")))
            }
        }
    }
}

/// When searches are to see a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    /// When the interval says so.
    Later,
    /// At once.
    Now,
    /// Before the answer; we need not wait for the interval to keep that promise.
    Wait,
}

/// Reads `a=1&b=2`, with escapes resolved.
pub(super) fn params(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter(|it| !it.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name, true), decoded(value, true))
    });
    pairs.collect()
}

/// Resolves `%20` and, where it stands for a space, `+`.
pub(super) fn decoded(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let hex = tail.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        let escaped = hex.filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
        match (first, escaped.and_then(|it| u8::from_str_radix(it, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) if plus_is_space => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved() {
        for (text, decoded_text) in [
            ("a%7Cb", "a|b"),
            ("%E2%82%AC", "€"),
            ("a+b", "a+b"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%+1", "%+1"),
        ] {
            assert_eq!(decoded(text, false), decoded_text, "{text}");
        }
        let params = params("q=a+b%26c&v&&x=");
        assert_eq!(params["q"], "a b&c");
        assert_eq!((params["v"].as_str(), params["x"].as_str()), ("", ""));
    }
}
