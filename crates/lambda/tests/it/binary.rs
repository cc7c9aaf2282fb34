//! The program as Lambda starts it.

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};

use crate::{
    domain::{Canned, Domain, Fault, event},
    runtime_api::RuntimeApi,
};

const MINUTE: Duration = Duration::from_mins(1);

/// Starts the program with the seed's variables and more.
fn start(api: &RuntimeApi, domain: &Domain, more: &[(&str, &str)]) -> Child {
    let host = format!("http://{}", domain.address);
    Command::new(env!("CARGO_BIN_EXE_bootstrap"))
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", api.address.to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "books-to-search"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "top/secret/key"),
            ("AWS_SESSION_TOKEN", "session-token"),
            ("AWS_ENDPOINT_URL", &host),
            ("HOST", &host),
            ("API_STAGE", "dev"),
            ("ES_INDEX", "books"),
            ("DB_HASH_KEY", "author"),
            ("DB_SORT_KEY", "bookTitle"),
        ])
        .envs(more.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Ends the program and returns what it logged.
async fn log(mut child: Child) -> String {
    let _ = child.start_kill();
    let mut log = String::new();
    child.stdout.take().unwrap().read_to_string(&mut log).await.unwrap();
    child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
    log
}

#[tokio::test]
async fn it_answers_events_one_after_the_other() {
    let (api, domain) = (RuntimeApi::start().await, Domain::start().await);
    let child = start(&api, &domain, &[]);
    for name in ["01", "02"] {
        let id = api.invoke(event(name), MINUTE);
        let told = api.outcome(&id).await;
        assert_eq!(told.path, format!("/invocation/{id}/response"));
        assert_eq!(told.body, r#"{"batchItemFailures":[]}"#);
    }
    assert_eq!(domain.index("books").len(), 1);
    let signature = domain.world().requests[0].header("authorization").unwrap().to_owned();
    assert!(signature.contains("AKIAIOSFODNN7EXAMPLE"), "{signature}");
    assert_eq!(domain.world().requests[0].header("x-amz-security-token"), Some("session-token"));
    let id = api.invoke(event("40"), MINUTE);
    let answer: Value = serde_json::from_slice(&api.outcome(&id).await.body).unwrap();
    assert_eq!(answer["statusCode"], 200);
    drop(child);
}

#[tokio::test]
async fn what_fails_is_told_as_an_error_with_its_kind() {
    let (api, domain) = (RuntimeApi::start().await, Domain::start().await);
    let child = start(&api, &domain, &[]);
    domain.world().faults.push_back(Fault::Status(403));
    for (name, kind) in [("61", "Streamdex.UnsupportedEvent"), ("01", "Streamdex.Configuration")] {
        let id = api.invoke(event(name), MINUTE);
        let told = api.outcome(&id).await;
        assert_eq!(told.path, format!("/invocation/{id}/error"));
        assert_eq!(told.kind.as_deref(), Some(kind));
        let body: Value = serde_json::from_slice(&told.body).unwrap();
        assert_eq!(body["errorType"], kind);
        assert!(body["stackTrace"].as_array().unwrap().is_empty());
    }
    let log = log(child).await;
    assert!(log.contains("\"request_id\":\"r1\""), "{log}");
}

#[tokio::test]
async fn wrong_settings_are_told_before_the_first_event() {
    let (api, domain) = (RuntimeApi::start().await, Domain::start().await);
    let mut child = start(&api, &domain, &[("ES_INDEX", "Books"), ("DB_HASH_KEY", "")]);
    let told = api.wait_for(|desk| desk.told.first().cloned()).await;
    assert_eq!(
        (told.path.as_str(), told.kind.as_deref()),
        ("/init/error", Some("Streamdex.Configuration"))
    );
    let body: Value = serde_json::from_slice(&told.body).unwrap();
    let message = body["errorMessage"].as_str().unwrap();
    assert!(message.contains("ES_INDEX is `Books`") && message.contains("DB_HASH_KEY is not set"));
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
    assert_eq!(api.desk().n_asking, 0);
}

#[tokio::test]
async fn outside_of_lambda_it_says_so() {
    let program = Command::new(env!("CARGO_BIN_EXE_bootstrap")).env_clear().output().await.unwrap();
    assert_eq!(program.status.code(), Some(1));
    let log = String::from_utf8_lossy(&program.stdout).into_owned();
    assert!(log.contains("started by AWS Lambda"), "{log}");
}

#[tokio::test]
async fn it_keeps_to_the_deadline_it_is_given() {
    let (api, domain) = (RuntimeApi::start().await, Domain::start().await);
    let child = start(&api, &domain, &[]);
    domain.world().faults.extend(std::iter::repeat_n(Fault::Stuck, 3));
    let began = std::time::Instant::now();
    let id = api.invoke(event("01"), Duration::from_secs(3));
    let told = api.outcome(&id).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(told.body, r#"{"batchItemFailures":[{"itemIdentifier":"100000000000000000007"}]}"#);
    drop(child);
}

#[tokio::test]
async fn an_answer_that_lambda_refuses_becomes_an_error() {
    let (api, domain) = (RuntimeApi::start().await, Domain::start().await);
    api.desk().answer_bytes_max = Some(1_000);
    domain.world().canned = Canned { status: 200, body: vec![b'1'; 2_000], ..Canned::default() };
    let child = start(&api, &domain, &[]);
    let id = api.invoke(event("43"), MINUTE);
    let told = api.outcome(&id).await;
    assert_eq!(told.kind.as_deref(), Some("Streamdex.AnswerTooLarge"));
    // And it goes on.
    let id = api.invoke(event("01"), MINUTE);
    assert_eq!(api.outcome(&id).await.path, format!("/invocation/{id}/response"));
    drop(child);
}

#[tokio::test]
async fn where_lambda_allows_several_are_handled_at_the_same_time() {
    let (api, domain) = (RuntimeApi::start().await, Domain::start().await);
    let child = start(&api, &domain, &[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]);
    api.wait_for(|desk| (desk.n_asking == 4).then_some(())).await;
    domain.world().canned =
        Canned { status: 200, after: Duration::from_millis(300), ..Canned::default() };
    let began = std::time::Instant::now();
    let ids: Vec<String> = (0..4).map(|_| api.invoke(event("40"), MINUTE)).collect();
    for id in ids {
        api.outcome(&id).await;
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    drop(child);
}

#[tokio::test]
async fn a_broken_runtime_ends_it() {
    let (api, domain) = (RuntimeApi::start().await, Domain::start().await);
    api.desk().n_broken = 1;
    let mut child = start(&api, &domain, &[]);
    let ended = tokio::time::timeout(Duration::from_secs(10), child.wait()).await;
    assert_eq!(ended.unwrap().unwrap().code(), Some(1));
}

#[tokio::test]
async fn defect_21_logs_have_no_bodies_cookies_or_tokens() {
    let (api, domain) = (RuntimeApi::start().await, Domain::start().await);
    let more = [
        ("DLQ_URL", "http://127.0.0.1/111122223333/dead"),
        ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
        ("PROXY_MODE", "admin"),
    ];
    let child = start(&api, &domain, &more);
    domain.world().faults.extend([Fault::Status(503), Fault::SomeBusy]);
    for name in ["18", "26", "14", "40", "42", "53", "61", "60"] {
        let id = api.invoke(event(name), MINUTE);
        api.outcome(&id).await;
    }
    let log = log(child).await;
    for secret in [
        "Dan Brown",
        "four hundred",
        "not-a-number",
        "O'Reilly",
        "security_authentication",
        "match_all",
        "top/secret/key",
        "session-token",
        "café",
        "AWS4-HMAC-SHA256",
    ] {
        assert!(!log.contains(secret), "`{secret}` is in the log: {log}");
    }
    for line in log.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    }
    let metrics: Vec<Value> = log
        .lines()
        .filter(|it| it.contains("_aws"))
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(metrics.len(), 6);
    assert_eq!(metrics[0]["DeadLettered"], 5);
    assert_eq!(metrics[0]["FunctionName"], "books-to-search");
    assert_eq!(metrics[0]["RequestId"], "r1");
}
