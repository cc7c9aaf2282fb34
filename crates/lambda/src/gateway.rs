//! A REST API of one's own machine: makes an event of a request, and a response of the answer. Pure.
//!
//! So that the address `/dev/_dashboards/app/dev_tools` works without API Gateway, and through the
//! same code.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::proxy::path;

/// A request as it comes to a stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// `GET`.
    pub method: &'a str,
    /// With the stage, as the client wrote it.
    pub path: &'a str,
    /// Without the question mark.
    pub query: &'a str,
    /// Each value by itself.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body.
    pub body: &'a [u8],
}

/// What to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Each value by itself.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The event that a REST API makes of a request to its stage; `None` if the path is not below it.
pub fn event(asked: &Asked<'_>, stage: &str, request_id: &str) -> Option<String> {
    let own = asked.path.strip_prefix('/')?.strip_prefix(stage)?;
    let own = match own {
        "" => "/",
        own => Some(own).filter(|it| it.starts_with('/'))?,
    };
    let mut headers = Map::new();
    for (name, value) in &asked.headers {
        push(&mut headers, name, value);
    }
    let mut parameters = Map::new();
    for (name, value) in path::pairs(asked.query) {
        push(&mut parameters, &name, &value);
    }
    let or_null = |map: Map<String, Value>| if map.is_empty() { Value::Null } else { map.into() };
    let event = json!({
        "resource": "/{proxy+}",
        "path": own,
        "httpMethod": asked.method,
        "headers": null,
        "multiValueHeaders": or_null(headers),
        "queryStringParameters": null,
        "multiValueQueryStringParameters": or_null(parameters),
        "pathParameters": { "proxy": own.trim_start_matches('/') },
        "stageVariables": null,
        "requestContext": {
            "stage": stage,
            "path": asked.path,
            "httpMethod": asked.method,
            "requestId": request_id,
        },
        "body": (!asked.body.is_empty()).then(|| STANDARD.encode(asked.body)),
        "isBase64Encoded": !asked.body.is_empty(),
    });
    Some(event.to_string())
}

/// The response that a REST API makes of an answer; `None` if it would make none of it, and say 502.
pub fn response(answer: &str) -> Option<Response> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let status = u16::try_from(answer.get("statusCode")?.as_u64()?).ok()?;
    let text = answer["body"].as_str().unwrap_or_default();
    let body = match answer["isBase64Encoded"].as_bool() {
        Some(true) => STANDARD.decode(text).ok()?,
        _ => text.as_bytes().to_vec(),
    };
    let lists = answer["multiValueHeaders"].as_object().into_iter().flatten();
    let headers = lists.flat_map(|(name, values)| {
        let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        values.map(|it| (name.clone(), it.to_owned()))
    });
    Some(Response { status, headers: headers.collect(), body })
}

fn push(map: &mut Map<String, Value>, name: &str, value: &str) {
    let values = map.entry(name).or_insert_with(|| json!([]));
    if let Value::Array(values) = values {
        values.push(value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(path: &str, query: &str) -> Option<Value> {
        let asked = Asked { method: "GET", path, query, ..Asked::default() };
        event(&asked, "dev", "r").map(|it| serde_json::from_str(&it).unwrap())
    }

    #[test]
    fn a_request_below_the_stage_becomes_an_event() {
        let event = made("/dev/books/_doc/a%2Fb", "q=a%20b&q=c").unwrap();
        assert_eq!(event["path"], "/books/_doc/a%2Fb");
        assert_eq!(event["requestContext"]["path"], "/dev/books/_doc/a%2Fb");
        assert_eq!(event["multiValueQueryStringParameters"], json!({ "q": ["a b", "c"] }));
        assert_eq!(made("/dev", "").unwrap()["path"], "/");
        for path in ["/", "/prod/x", "/develop", "x"] {
            assert_eq!(made(path, ""), None, "{path}");
        }
    }

    #[test]
    fn an_answer_becomes_a_response() {
        let answer = r#"{"statusCode":201,"multiValueHeaders":{"set-cookie":["a","b"]},"body":"AP8=","isBase64Encoded":true}"#;
        let response = response(answer).unwrap();
        assert_eq!((response.status, response.body), (201, vec![0, 255]));
        assert_eq!(response.headers.len(), 2);
        for answer in ["", "{}", r#"{"batchItemFailures":[]}"#] {
            assert_eq!(super::response(answer), None, "{answer}");
        }
    }
}
