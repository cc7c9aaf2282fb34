//! An answer as the gateway wants it. Pure.

use std::{collections::BTreeMap, io::Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value, json};

use super::{headers, request::Asked, rewrite};

/// Lambda takes no larger answer.
pub(super) const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;
/// What we unpacked to rewrite it is packed again from here on.
const PACKED_FROM_BYTES: usize = 64 * 1024;

/// The two forms of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// REST APIs: headers as lists.
    V1,
    /// HTTP APIs and function URLs: cookies apart.
    V2,
}

/// An answer, not yet in either form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers, in small letters, each value by itself.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer of our own, in the form of OpenSearch's errors.
    pub(super) fn problem(status: u16, kind: &str, reason: &str, request_id: &str) -> Reply {
        let body = json!({
            "error": { "type": kind, "reason": reason },
            "status": status,
            "request_id": request_id,
        });
        let headers = [("content-type", "application/json"), ("cache-control", "no-store")];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Reply { status, headers: headers.map(owned).to_vec(), body: body.to_string().into_bytes() }
    }

    /// What the domain at `host` answered, as whoever asked must see it.
    #[must_use]
    pub(super) fn for_client(mut self, asked: &Asked, host: &str) -> Reply {
        let is_encoded = headers::value(&self.headers, "content-encoding")
            .is_some_and(|it| !it.eq_ignore_ascii_case("identity"));
        let kind = headers::value(&self.headers, "content-type").unwrap_or_default();
        let rewrites = rewrite::may_concern(&asked.path, &asked.prefix)
            && rewrite::has_paths(kind, &asked.path)
            && !is_encoded;
        self.headers = headers::to_pass_back(&self.headers);
        for (name, value) in &mut self.headers {
            match name.as_str() {
                "location" => *value = rewrite::location(value, host, &asked.prefix),
                "set-cookie" => *value = rewrite::cookie(value, &asked.prefix),
                _ => {}
            }
        }
        if rewrites {
            self.body = rewrite::body(&self.body, &asked.prefix);
            if PACKED_FROM_BYTES <= self.body.len() && headers::takes_gzip(asked) {
                self.pack();
            }
        }
        let is_page = asked.path.starts_with("/_dashboards");
        self.add("x-content-type-options", "nosniff");
        self.add("strict-transport-security", "max-age=31536000");
        if !is_page || asked.path.starts_with("/_dashboards/api/") {
            self.add("cache-control", "no-store");
        }
        self
    }

    fn pack(&mut self) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let packed = encoder.write_all(&self.body).and_then(|()| encoder.finish());
        if let Ok(packed) = packed {
            self.body = packed;
            self.headers.retain(|(name, _)| name != "content-encoding");
            self.add("content-encoding", "gzip");
            self.add("vary", "accept-encoding");
        }
    }

    /// Adds a header unless there is one.
    fn add(&mut self, name: &str, value: &str) {
        if headers::value(&self.headers, name).is_none() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The answer in the form of the event it is for.
    pub(super) fn write(&self, format: Format) -> String {
        let is_packed = headers::value(&self.headers, "content-encoding")
            .is_some_and(|it| !it.eq_ignore_ascii_case("identity"));
        let text = std::str::from_utf8(&self.body).ok().filter(|_| !is_packed);
        let mut answer = json!({
            "statusCode": self.status,
            "body": text.map_or_else(|| STANDARD.encode(&self.body), str::to_owned),
            "isBase64Encoded": text.is_none(),
        });
        let mut lists: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in &self.headers {
            lists.entry(name).or_default().push(value);
        }
        match format {
            Format::V1 => answer["multiValueHeaders"] = json!(lists),
            Format::V2 => {
                let cookies = lists.remove("set-cookie").unwrap_or_default();
                let joined =
                    lists.into_iter().map(|(name, it)| (name.to_owned(), it.join(", ").into()));
                answer["headers"] = Value::Object(joined.collect::<Map<_, _>>());
                answer["cookies"] = json!(cookies);
            }
        }
        answer.to_string()
    }

    /// The answer in the form of the event it is for, or that it is too large.
    pub(super) fn write_within_limit(&self, format: Format, request_id: &str) -> String {
        let answer = self.write(format);
        if answer.len() <= ANSWER_BYTES_MAX {
            return answer;
        }
        let reason = format!(
            "the answer is {} bytes long on its way, and Lambda takes {ANSWER_BYTES_MAX}; ask for less \
             with `size`, `_source` or `filter_path`, or for gzip with `Accept-Encoding: gzip`",
            answer.len()
        );
        Reply::problem(502, "answer_too_large", &reason, request_id).write(format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let headers = headers.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Reply { status: 200, headers, body: body.to_vec() }
    }

    fn written(reply: &Reply, format: Format) -> Value {
        serde_json::from_str(&reply.write(format)).unwrap()
    }

    fn asked(path: &str, encoding: &str) -> Asked {
        Asked {
            path: path.to_owned(),
            prefix: "/dev".to_owned(),
            headers: vec![("accept-encoding".to_owned(), encoding.to_owned())],
            ..Asked::default()
        }
    }

    #[test]
    fn cookies_are_kept_apart_in_both_forms() {
        let reply = reply(
            &[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("vary", "x"), ("vary", "y")],
            b"{}",
        );
        let v1 = written(&reply, Format::V1);
        assert_eq!(v1["multiValueHeaders"]["set-cookie"], json!(["a=1", "b=2"]));
        assert!(v1.get("headers").is_none(), "both maps would be merged, and values doubled");
        let v2 = written(&reply, Format::V2);
        assert_eq!(v2["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(v2["headers"], json!({ "vary": "x, y" }));
        assert!(v2.get("multiValueHeaders").is_none());
    }

    #[test]
    fn bytes_travel_as_base64_and_text_as_text() {
        let text = written(&reply(&[], "O'Brien é".as_bytes()), Format::V1);
        assert_eq!(
            (text["body"].as_str(), text["isBase64Encoded"].as_bool()),
            (Some("O'Brien é"), Some(false))
        );
        let bytes = written(&reply(&[], &[0, 0xff]), Format::V1);
        assert_eq!(
            (bytes["body"].as_str(), bytes["isBase64Encoded"].as_bool()),
            (Some("AP8="), Some(true))
        );
        let packed = written(&reply(&[("content-encoding", "gzip")], b"abc"), Format::V2);
        assert_eq!(packed["isBase64Encoded"], true);
    }

    #[test]
    fn data_is_never_rewritten() {
        let body = br#"{"path":"/_dashboards/x","name":"O'Brien"}"#;
        for path in ["/books/_search", "/_dashboards/api/saved_objects/_find"] {
            let reply = reply(&[("content-type", "text/html")], body);
            let reply = reply.for_client(&asked(path, ""), "https://x");
            assert_eq!(reply.body, body, "{path}");
            assert_eq!(headers::value(&reply.headers, "cache-control"), Some("no-store"));
        }
    }

    #[test]
    fn a_large_page_is_packed_after_it_was_rewritten() {
        let page = r#"<a href="/_dashboards/x">"#.repeat(10_000);
        let plain = reply(&[("content-type", "text/html")], page.as_bytes());
        let packed = plain.clone().for_client(&asked("/_dashboards/app", "gzip"), "https://x");
        assert_eq!(headers::value(&packed.headers, "content-encoding"), Some("gzip"));
        let mut unpacked = String::new();
        std::io::Read::read_to_string(
            &mut flate2::read::GzDecoder::new(packed.body.as_slice()),
            &mut unpacked,
        )
        .unwrap();
        assert_eq!(unpacked, page.replace("/_dash", "/dev/_dash"));
        let unpacked = plain.for_client(&asked("/_dashboards/app", ""), "https://x");
        assert_eq!(headers::value(&unpacked.headers, "content-encoding"), None);
    }

    #[test]
    fn what_is_too_large_is_answered_with_what_to_do() {
        let large = reply(&[], &vec![b'a'; ANSWER_BYTES_MAX]);
        let answer: Value =
            serde_json::from_str(&large.write_within_limit(Format::V1, "r")).unwrap();
        assert_eq!(answer["statusCode"], 502);
        assert!(answer["body"].as_str().unwrap().contains("filter_path"));
    }

    #[test]
    fn an_answer_without_a_type_or_body_is_one_too() {
        let reply = Reply { status: 304, ..Reply::default() };
        let reply = reply.for_client(&asked("/_dashboards/app", ""), "https://x");
        let answer = written(&reply, Format::V1);
        assert_eq!((answer["statusCode"].as_u64(), answer["body"].as_str()), (Some(304), Some("")));
    }
}
