//! Which headers pass, and in which form. Pure.
//!
//! On the way in only those on a list pass: the client's host, its credentials and what gateways add
//! are none of OpenSearch's business. On the way out all but those of the connection do.

use super::request::Asked;

/// Headers of a request that are passed on, besides `osd-…` and `kbn-…`.
const PASSED: [&str; 13] = [
    "accept",
    "accept-language",
    "content-encoding",
    "content-type",
    "cookie",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "range",
    "securitytenant",
    "x-opaque-id",
    "x-request-id",
];

/// Headers that speak of one connection, not of the message.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers to send, in order. `rewrites` if the answer will be looked into: then it must not be
/// compressed.
pub(super) fn to_send(asked: &Asked, rewrites: bool) -> Vec<(String, String)> {
    // `Connection: keep-alive, x-secret` makes `x-secret` one of the connection, too.
    let of_connection = named_by_connection(&asked.headers);
    let mut headers: Vec<(String, String)> = asked
        .headers
        .iter()
        .filter(|(name, _)| {
            let listed = PASSED.contains(&name.as_str())
                || name.starts_with("osd-")
                || name.starts_with("kbn-");
            listed && !of_connection.contains(name)
        })
        .cloned()
        .collect();
    let encoding =
        if rewrites { Some("identity".to_owned()) } else { first(asked, "accept-encoding") };
    headers.extend(encoding.map(|it| ("accept-encoding".to_owned(), it)));
    headers
}

/// Whether the client takes gzip.
pub(super) fn takes_gzip(asked: &Asked) -> bool {
    let accepted = first(asked, "accept-encoding").unwrap_or_default();
    accepted.split(',').any(|it| {
        let (name, quality) = it.split_once(';').unwrap_or((it, ""));
        let refused = matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// The headers of an answer that are passed back.
pub(super) fn to_pass_back(headers: &[(String, String)]) -> Vec<(String, String)> {
    let of_connection = named_by_connection(headers);
    headers
        .iter()
        .filter(|(name, _)| !HOP_BY_HOP.contains(&name.as_str()) && !of_connection.contains(name))
        .cloned()
        .collect()
}

/// The value of the first header `name`.
pub(super) fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
}

fn first(asked: &Asked, name: &str) -> Option<String> {
    value(&asked.headers, name).map(str::to_owned)
}

fn named_by_connection(headers: &[(String, String)]) -> Vec<String> {
    let connection = headers.iter().filter(|(name, _)| name == "connection");
    connection
        .flat_map(|(_, value)| value.split(','))
        .map(|it| it.trim().to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn asked(headers: &[(&str, &str)]) -> Asked {
        Asked { headers: owned(headers), ..Asked::default() }
    }

    #[test]
    fn only_headers_on_the_list_are_passed_on() {
        let asked = asked(&[
            ("accept", "*/*"),
            ("accept-encoding", "gzip, br"),
            ("authorization", "Basic c2VjcmV0"),
            ("connection", "keep-alive, osd-secret"),
            ("content-type", "application/json"),
            ("cookie", "a=1"),
            ("host", "evil.example.com"),
            ("osd-secret", "x"),
            ("osd-xsrf", "true"),
            ("transfer-encoding", "chunked"),
            ("x-amz-date", "x"),
            ("x-forwarded-host", "evil.example.com"),
            ("x-multi", "a"),
        ]);
        let expected = [
            ("accept", "*/*"),
            ("content-type", "application/json"),
            ("cookie", "a=1"),
            ("osd-xsrf", "true"),
            ("accept-encoding", "gzip, br"),
        ];
        assert_eq!(to_send(&asked, false), owned(&expected));
        assert_eq!(value(&to_send(&asked, true), "accept-encoding"), Some("identity"));
    }

    #[test]
    fn all_cookies_come_back_and_nothing_of_the_connection() {
        let answer = owned(&[
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("etag", "x"),
            ("connection", "close, x-gone"),
            ("x-gone", "1"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
        ]);
        let expected = owned(&[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("etag", "x")]);
        assert_eq!(to_pass_back(&answer), expected);
        assert_eq!(to_pass_back(&[]), []);
    }

    #[test]
    fn gzip_is_taken_if_it_is_said() {
        for (accepted, expected) in
            [("gzip, deflate, br", true), ("GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false)]
        {
            assert_eq!(
                takes_gzip(&asked(&[("accept-encoding", accepted)])),
                expected,
                "{accepted}"
            );
        }
        assert!(!takes_gzip(&asked(&[])));
    }
}
