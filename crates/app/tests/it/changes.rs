//! What changes while the program runs: its files, and the secrets they name.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::StreamViewType;
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    pipelines::{LOCAL, PIPELINES, put, titles, write},
    program::{Program, eventually},
    table::{client, create_books},
};

/// What the one secret holds.
type Secret = Arc<Mutex<Value>>;

const INDEXED: &str = r#"
books:
  source:
    dynamodb:
      tables:
        - table_arn: "arn:aws:dynamodb:us-east-1:123456789012:table/books"
          stream: {start_position: TRIM_HORIZON}
      aws: {region: us-east-1, endpoint: "{dynamodb}"}
  sink:
    - opensearch:
        hosts: ["{opensearch}"]
        index: INDEX
        document_id: '${getMetadata("primary_key")}'
"#;

async fn has(opensearch: &Cluster, index: &str, title: &str) {
    let id = format!("Ada|{title}");
    eventually(&format!("{title} is in {index}"), async || {
        titles(opensearch, index).await.contains(&id).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_hangup_has_the_files_read_again_and_a_mistake_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let local = Program::start(dir.path(), &LOCAL).await;
    let dynamodb = client(local.address("dynamodb"));
    let opensearch = Cluster::at(local.address("opensearch"));
    create_books(&dynamodb, Some(StreamViewType::NewAndOldImages)).await;
    let write = |index: &str| write(dir.path(), &local, &INDEXED.replace("INDEX", index));
    let file = write("one");
    let data = dir.path().join("worker");
    let args = ["run", &file, "--api", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let worker = Program::start(dir.path(), &args).await;
    let api = Cluster::at(worker.address("api"));
    let logged = async |what: &str| {
        eventually(what, async || worker.log().contains(what).then_some(())).await;
    };

    put(&dynamodb, "First", 1).await;
    has(&opensearch, "one", "First").await;
    worker.signal("HUP");
    logged("nothing has changed in the files").await;

    write("one\n        action: destroy");
    worker.signal("HUP");
    logged("everything goes on as before").await;
    logged("pipelines.yaml:13:17: error: ").await;
    put(&dynamodb, "Second", 1).await;
    has(&opensearch, "one", "Second").await;

    write("two");
    worker.signal("HUP");
    logged("built anew from their files pipelines=\"books\"").await;
    put(&dynamodb, "Third", 1).await;
    has(&opensearch, "two", "Third").await;
    assert_eq!(titles(&opensearch, "two").await, ["Ada|Third"], "what was safe is not read again");
    assert_eq!(api.metric("records_read_total", "books").await, Some(3.0), "counted on");
    assert_eq!(api.metric("unaccounted_records", "books").await, Some(0.0));
    let (status, _) = worker.terminate().await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_is_noticed_when_its_time_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let secret: Secret = Arc::new(Mutex::new(json!({ "index": "one" })));
    let address = start_secrets_manager(Arc::clone(&secret)).await;
    let local = Program::start(dir.path(), &LOCAL).await;
    let dynamodb = client(local.address("dynamodb"));
    let opensearch = Cluster::at(local.address("opensearch"));
    create_books(&dynamodb, Some(StreamViewType::NewAndOldImages)).await;
    let yaml = INDEXED.replace("INDEX", "'${{aws_secrets:search:index}}'")
        + "extension:\n  aws:\n    secrets:\n      \
           search: {secret_id: prod/search, region: eu-west-1, refresh_interval: 1s}\n";
    let file = write(dir.path(), &local, &yaml);
    let data = dir.path().join("worker");
    let args = ["run", &file, "--api", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let environment = [("AWS_ENDPOINT_URL_SECRETS_MANAGER", address.as_str())];
    let worker = Program::start_in(dir.path(), &args, &environment).await;

    put(&dynamodb, "First", 1).await;
    has(&opensearch, "one", "First").await;
    // One that cannot be read again stops nothing.
    *secret.lock().unwrap() = json!({ "other": "two" });
    eventually("the missing key is told", async || {
        worker.log().contains("secrets cannot be read again").then_some(())
    })
    .await;
    put(&dynamodb, "Second", 1).await;
    has(&opensearch, "one", "Second").await;
    *secret.lock().unwrap() = json!({ "index": "two" });
    eventually("the pipeline is built anew", async || {
        worker.log().contains("built anew from their files").then_some(())
    })
    .await;
    put(&dynamodb, "Third", 1).await;
    has(&opensearch, "two", "Third").await;
    assert_eq!(titles(&opensearch, "two").await, ["Ada|Third"], "what was safe is not read again");
    let (status, _) = worker.terminate().await;
    assert!(status.success(), "{status}");
}

/// Answers as Secrets Manager does: one secret, and no other.
async fn secrets_manager(
    secret: Secret,
    request: axum::extract::Request,
) -> (http::StatusCode, String) {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers[name].to_str().unwrap().to_owned();
    let signed = header("authorization");
    assert!(signed.contains("/eu-west-1/secretsmanager/aws4_request"), "{signed}");
    assert_eq!(header("x-amz-target"), "secretsmanager.GetSecretValue");
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let asked: Value = serde_json::from_slice(&body).unwrap();
    if asked["SecretId"] == "prod/search" {
        let secret = secret.lock().unwrap().to_string();
        return (http::StatusCode::OK, json!({ "SecretString": secret }).to_string());
    }
    let refusal = json!({ "__type": "ResourceNotFoundException", "Message": "no such secret" });
    (http::StatusCode::BAD_REQUEST, refusal.to_string())
}

/// Starts it; gives its address.
async fn start_secrets_manager(secret: Secret) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router =
        axum::Router::new().fallback(move |request| secrets_manager(Arc::clone(&secret), request));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_fetched_before_anything_runs_and_never_shown() {
    let secret = Arc::new(Mutex::new(json!({ "password": "hunter2" })));
    let address = start_secrets_manager(secret).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.yaml");
    let yaml = PIPELINES
        .replace("{dynamodb}", "http://127.0.0.1:9")
        .replace("{opensearch}", "http://127.0.0.1:9")
        .replace("password: secret-word", "password: '${{aws_secrets:search:pass}}'")
        .replace("username: ada", "username: '${{aws_secrets:other:user}}'")
        + "extension:\n  aws:\n    secrets:\n      \
           search: {secret_id: prod/search, region: eu-west-1}\n      \
           other: {secret_id: prod/other, region: eu-west-1}\n";
    std::fs::write(&file, yaml).unwrap();
    let command = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_streamdex"))
            .args(args)
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &address)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let file = file.to_str().unwrap();
    let (code, said) = command(&["validate", file]);
    assert_eq!(code, Some(0), "nobody is asked: {said}");
    let (code, said) = command(&["run", file, "--api", "127.0.0.1:0"]);
    assert_eq!(code, Some(2), "{said}");
    for says in ["p.yaml:30:", "the secret `search` has no key `pass`", "no such secret"] {
        assert!(said.contains(says), "{says}: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}
