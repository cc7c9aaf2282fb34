//! Requests through all three kinds of gateways, and what comes back.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::domain::{Canned, Domain, handle, json_event};

fn canned(kind: &str, body: &[u8]) -> Canned {
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    Canned { status: 200, headers, body: body.to_vec(), ..Canned::default() }
}

async fn answer(domain: &Domain, more: &[(&str, &str)], event: &Value) -> Value {
    let handled = handle(&domain.function(more), event.to_string().into()).await.unwrap();
    serde_json::from_str(&handled.answer).unwrap()
}

#[tokio::test]
async fn a_page_is_rewritten_under_a_stage_and_only_there() {
    let page = br#"<link href="/_dashboards/x.css"><p data-x="&quot;/_dashboards&quot;">"#;
    for (event, more, expected) in [
        ("40", ("UNUSED", ""), "/dev/_dashboards"),
        ("45", ("BASE_PATH", "/search"), "/search/_dashboards"),
        ("50", ("UNUSED", ""), "/_dashboards"),
    ] {
        let domain = Domain::start().await;
        domain.world().canned = canned("text/html; charset=utf-8", page);
        let answer = answer(&domain, &[more], &json_event(event)).await;
        let body = answer["body"].as_str().unwrap();
        assert_eq!(body.matches(&format!("\"{expected}/x.css")).count(), 1, "{event}: {body}");
        assert_eq!(body.matches(&format!("&quot;{expected}&quot;")).count(), 1, "{event}: {body}");
        let encoding = domain.passed_on()[0].header("accept-encoding").map(str::to_owned);
        let expected = match event {
            "50" => None,
            _ => Some("identity".to_owned()),
        };
        assert_eq!(encoding, expected, "{event}");
    }
}

#[tokio::test]
async fn what_comes_packed_stays_packed() {
    let domain = Domain::start().await;
    let mut packed = canned("application/json", &[0x1f, 0x8b, 8, 0]);
    packed.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    domain.world().canned = packed;
    let mut event = json_event("40");
    event["path"] = json!("/books/_search");
    event["requestContext"]["path"] = json!("/dev/books/_search");
    let answer = answer(&domain, &[], &event).await;
    assert_eq!(answer["multiValueHeaders"]["content-encoding"], json!(["gzip"]));
    assert_eq!(STANDARD.decode(answer["body"].as_str().unwrap()).unwrap(), [0x1f, 0x8b, 8, 0]);
    let asked = domain.passed_on().remove(0);
    assert_eq!(asked.header("accept-encoding"), Some("gzip, deflate, br"));
}

#[tokio::test]
async fn an_answer_lambda_would_not_take_says_what_to_do() {
    let domain = Domain::start().await;
    domain.world().canned = canned("application/json", &vec![b'1'; 7 << 20]);
    let answer = answer(&domain, &[], &json_event("41")).await;
    assert_eq!(answer["statusCode"], 502);
    assert!(answer["body"].as_str().unwrap().contains("answer_too_large"));
}

#[tokio::test]
async fn a_domain_that_is_not_there_is_502_in_json() {
    let domain = Domain::start().await;
    for (event, headers) in [("40", "multiValueHeaders"), ("50", "headers")] {
        let answer = answer(&domain, &[("HOST", "http://127.0.0.1:9")], &json_event(event)).await;
        assert_eq!(answer["statusCode"], 502, "{event}");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["error"]["type"], "no_answer");
        assert!(answer[headers]["content-type"].to_string().contains("application/json"));
    }
}

#[tokio::test]
async fn credentials_of_the_client_go_no_further() {
    let domain = Domain::start().await;
    let mut event = json_event("40");
    event["multiValueHeaders"]["Authorization"] = json!(["Basic c2VjcmV0"]);
    event["multiValueHeaders"]["X-Amz-Security-Token"] = json!(["theirs"]);
    answer(&domain, &[], &event).await;
    let asked = domain.passed_on().remove(0);
    assert!(asked.header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256"));
    assert_ne!(asked.header("x-amz-security-token"), Some("theirs"));
    let more = [("OPENSEARCH_USERNAME", "me"), ("OPENSEARCH_PASSWORD", "secret")];
    answer(&domain, &more, &event).await;
    let asked = domain.passed_on().remove(1);
    assert_eq!(asked.header("authorization"), Some("Basic bWU6c2VjcmV0"));
    answer(&domain, &[("AUTH", "none")], &event).await;
    assert_eq!(domain.passed_on()[2].header("authorization"), None);
}

#[tokio::test]
async fn serverless_collections_get_the_hash_of_the_body_signed() {
    let domain = Domain::start().await;
    // Any name goes to this machine: only the way of signing is looked at.
    let host = format!("http://{}", domain.address);
    let variables = aws::Environment::of([
        ("HOST", "x.us-east-1.aoss.amazonaws.com"),
        ("ES_INDEX", "books"),
        ("DB_HASH_KEY", "author"),
    ]);
    let settings = lambda::settings::Settings::read(&|name| variables.get(name));
    assert_eq!(settings.unwrap().auth, lambda::settings::Auth::Aws { serverless: true });
    answer(&domain, &[("HOST", &host)], &json_event("40")).await;
    assert!(domain.passed_on()[0].header("authorization").unwrap().contains("/es/aws4_request"));
}

#[tokio::test]
async fn the_walk_through_needs_console_and_no_more() {
    let domain = Domain::start().await;
    for (method, path, in_read, in_console) in [
        ("PUT", "books", 403, 200),
        ("GET", "books", 200, 200),
        ("GET", "books/_search", 200, 200),
        ("GET", "book1/_search", 200, 200),
        ("DELETE", "books", 403, 403),
        ("PUT", "_plugins/_security/api/internalusers/me", 403, 403),
    ] {
        for (mode, expected) in [("read", in_read), ("console", in_console)] {
            let mut event = json_event("41");
            event["path"] = json!("/_dashboards/api/console/proxy");
            event["requestContext"]["path"] = json!("/dev/_dashboards/api/console/proxy");
            event["multiValueQueryStringParameters"] =
                json!({ "path": [path], "method": [method] });
            let answer = answer(&domain, &[("PROXY_MODE", mode)], &event).await;
            assert_eq!(answer["statusCode"], expected, "{mode}: {method} {path}");
        }
    }
}

#[tokio::test]
async fn a_function_for_one_purpose_refuses_the_other() {
    let domain = Domain::start().await;
    for (mode, event) in [("stream", "40"), ("proxy", "01")] {
        let function = domain.function(&[("MODE", mode)]);
        let failure = handle(&function, crate::domain::event(event)).await.unwrap_err();
        assert_eq!(failure.kind, "Streamdex.UnsupportedEvent", "{mode}");
        assert!(failure.message.contains(&format!("MODE is `{mode}`")), "{failure}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_it_says_is_the_clients_fault() {
    let domain = Domain::start().await;
    let mut event = json_event("42");
    event["body"] = json!("not base64!");
    let answer = answer(&domain, &[("PROXY_MODE", "admin")], &event).await;
    assert_eq!(answer["statusCode"], 400);
    assert!(domain.passed_on().is_empty());
}
