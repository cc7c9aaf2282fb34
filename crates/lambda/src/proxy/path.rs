//! Paths and queries, encoded and taken apart. Pure.
//!
//! Some events bring a path as the client sent it, some decode it first, and none says which. So what
//! may stand in an encoded path is left alone, and what may not is encoded: right for the first kind,
//! and as right as can be for the second.

use std::fmt::Write;

/// A path that is sent as it is: encoded where needed, with a slash before it.
pub(super) fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    if !path.starts_with('/') {
        out.push('/');
    }
    escape(path, false, &mut out);
    out
}

/// A query that was not decoded, with what cannot be sent encoded.
pub(super) fn encoded_query(query: &str) -> String {
    let mut out = String::with_capacity(query.len() + 8);
    escape(query, true, &mut out);
    out
}

/// One name or value of a query, encoded.
pub(super) fn encoded_component(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        let is_unreserved =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        push(byte, is_unreserved, &mut out);
    }
    out
}

/// A query made of names and values that were decoded on their way to us.
pub(super) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&encoded_component(name));
        out.push('=');
        out.push_str(&encoded_component(value));
    }
    out
}

/// The names and values of an encoded query, decoded.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|it| !it.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
        })
        .collect()
}

/// `text` with its escapes resolved. What is no escape is left alone.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let escape = escape.and_then(|it| std::str::from_utf8(it).ok());
        let value = escape
            .filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()))
            .and_then(|it| u8::from_str_radix(it, 16).ok());
        out.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The names a path is made of, decoded, without empty ones: OpenSearch does not see those either.
/// `None` if it tries to climb out of where it is, however often that is encoded.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    let mut all = path.to_owned();
    for _ in 0..4 {
        let climbs = all.split(['/', '\\']).any(|it| matches!(it.trim(), "." | ".."));
        if climbs || all.contains('\0') {
            return None;
        }
        all = decoded(&all);
    }
    Some(path.split('/').filter(|it| !it.is_empty()).map(decoded).collect())
}

fn escape(text: &str, is_query: bool, out: &mut String) {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let digits = bytes.get(at + 1..at + 3);
        let is_allowed = match byte {
            b'%' => digits.is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit)),
            b'?' => is_query,
            b'"' | b'<' | b'>' | b'|' | b'`' | b'{' | b'}' | b'#' | b'\\' | b'^' => false,
            0x21..0x7F => true,
            _ => false,
        };
        push(*byte, is_allowed, out);
    }
}

fn push(byte: u8, is_allowed: bool, out: &mut String) {
    if is_allowed {
        out.push(char::from(byte));
    } else {
        let _ = write!(out, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::TestCaseResult};

    use super::*;

    #[test]
    fn a_path_is_encoded_only_where_it_must_be() {
        for (path, expected) in [
            (
                "/books/_doc/Dan%20Brown%7CThe%20DaVinci%20code%2F1",
                "/books/_doc/Dan%20Brown%7CThe%20DaVinci%20code%2F1",
            ),
            (
                "/books/_doc/Dan Brown|The DaVinci code?x",
                "/books/_doc/Dan%20Brown%7CThe%20DaVinci%20code%3Fx",
            ),
            ("/a%", "/a%25"),
            ("/a%zz%2f", "/a%25zz%2f"),
            ("/é{}`\"<>#\\^", "/%C3%A9%7B%7D%60%22%3C%3E%23%5C%5E"),
            ("/a,b*c+d:e@f;g=h&i!$'()~", "/a,b*c+d:e@f;g=h&i!$'()~"),
            ("", "/"),
            ("books", "/books"),
        ] {
            assert_eq!(encoded(path), expected, "{path}");
        }
    }

    #[test]
    fn a_query_keeps_every_value() {
        assert_eq!(query([("q", "a b&c=d"), ("empty", "")]), "q=a%20b%26c%3Dd&empty=");
        assert_eq!(encoded_query("a=1&a=2&b=x|y z?"), "a=1&a=2&b=x%7Cy%20z?");
        assert_eq!(
            pairs("a=1&b=x+y%2B&c"),
            [("a", "1"), ("b", "x y+"), ("c", "")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
    }

    #[test]
    fn nobody_climbs_out() {
        for path in [
            "/..%2f..%2f_cluster//settings",
            "/books/../_cluster",
            "/%2e%2e/x",
            "/%252e%252e/x",
            "/a/..%5c..",
            "/./x",
            "/a%00b",
        ] {
            assert_eq!(segments(path), None, "{path}");
        }
        let expected = ["_cluster", "a/b", "..x"].map(str::to_owned).to_vec();
        assert_eq!(segments("//_cluster//a%2Fb/..x"), Some(expected));
    }

    proptest! {
        /// What is encoded stays so when it is encoded again, can be sent, and means the same.
        #[test]
        fn encoding_is_stable(text in "[ -~é|%]{0,40}") {
            check_encoding_is_stable(&text)?;
        }

        /// Names and values come back from a query.
        #[test]
        fn a_query_comes_back(all in prop::collection::vec(("[a-z &=%+é]{1,8}", "[ -~é]{0,8}"), 0..5)) {
            check_a_query_comes_back(&all)?;
        }
    }

    fn check_encoding_is_stable(text: &str) -> TestCaseResult {
        let once = encoded(text);
        prop_assert_eq!(&encoded(&once), &once);
        prop_assert!(once.parse::<http::uri::PathAndQuery>().is_ok(), "{}", once);
        prop_assert_eq!(decoded(&encoded_component(text)), text);
        Ok(())
    }

    fn check_a_query_comes_back(all: &[(String, String)]) -> TestCaseResult {
        let query = query(all.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        prop_assert_eq!(pairs(&query), all);
        prop_assert_eq!(&encoded_query(&query), &query);
        Ok(())
    }
}
