//! What is sent back, and how it may be dressed up: pretty, or thinned out by `filter_path`. Pure.

use search::{Failure, Filter};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

/// A status and a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Body,
}

/// What stands in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Empty,
    Json(String),
    Text(String),
}

impl Answer {
    /// The JSON of `value`, with status 200.
    pub(super) fn json(value: &impl Serialize) -> Answer {
        Answer::with_status(200, value)
    }

    pub(super) fn with_status(status: u16, value: &impl Serialize) -> Answer {
        let text = serde_json::to_string(value).expect("our answers can be written");
        Answer { status, body: Body::Json(text) }
    }

    pub(super) fn empty(status: u16) -> Answer {
        Answer { status, body: Body::Empty }
    }

    pub(super) fn text(text: String) -> Answer {
        Answer { status: 200, body: Body::Text(text) }
    }

    pub(super) fn acknowledged() -> Answer {
        Answer::json(&json!({ "acknowledged": true }))
    }

    /// Keeps only what `filter_path` names; patterns that begin with `-` say what to leave out.
    pub(super) fn filtered(self, paths: &str) -> Answer {
        let Body::Json(text) = self.body else { return self };
        let (excludes, includes): (Vec<&str>, Vec<&str>) =
            paths.split(',').filter(|it| !it.is_empty()).partition(|it| it.starts_with('-'));
        let filter = Filter {
            includes: includes.into_iter().map(str::to_owned).collect(),
            excludes: excludes.into_iter().map(|it| it[1..].to_owned()).collect(),
        };
        Answer { body: Body::Json(filter.apply(&text)), ..self }
    }

    /// With line breaks and indentation; every number as it was.
    pub(super) fn pretty(self) -> Answer {
        let Body::Json(text) = self.body else { return self };
        Answer { body: Body::Json(indented(&text)), ..self }
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Answer {
        Answer::with_status(failure.status, &failure.body())
    }
}

/// `_shards` of an answer.
pub(super) fn shards(n: u64) -> Value {
    json!({ "total": n, "successful": n, "failed": 0 })
}

/// JSON text that we have already checked, to be put into an answer as it is.
pub(super) fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text)
        .unwrap_or_else(|_| RawValue::from_string("null".to_owned()).expect("null is JSON"))
}

fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if in_string {
            out.push(c);
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while chars.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = chars.next_if(|it| matches!(it, '}' | ']')) {
                    out.push(' ');
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(" : "),
            _ if c.is_ascii_whitespace() => {}
            _ => out.push(c),
        }
    }
    out.push('\n');
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pretty_changes_nothing_but_white_space() {
        let text = r#"{"a":[1.10,{"b":"x: {,}\""}],"c":{},"d":[ ]}"#;
        let pretty = "{\n  \"a\" : [\n    1.10,\n    {\n      \"b\" : \"x: {,}\\\"\"\n    }\n  ],\n  \"c\" : { },\n  \"d\" : [ ]\n}\n";
        assert_eq!(indented(text), pretty);
    }

    #[test]
    fn filter_path_keeps_and_leaves_out() {
        let answer =
            Answer::json(&json!({ "took": 1, "hits": { "total": 2, "hits": [{ "_id": "1" }] } }));
        for (paths, kept) in [
            ("hits.total", r#"{"hits":{"total":2}}"#),
            ("hits.hits._id,took", r#"{"hits":{"hits":[{"_id":"1"}]},"took":1}"#),
            ("-hits.hits", r#"{"hits":{"total":2},"took":1}"#),
        ] {
            assert_eq!(answer.clone().filtered(paths).body, Body::Json(kept.to_owned()), "{paths}");
        }
    }
}
