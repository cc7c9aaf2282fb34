//! The API as an operator uses it: over TLS, with a password, and to shut the program down.

use std::{path::Path, time::Duration};

use aws::{Http, Tls};
use aws_sdk_dynamodb::types::StreamViewType;
use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;

use crate::{
    cluster::Cluster,
    endurance::write_pipeline,
    pipelines::{LOCAL, put},
    program::{Program, eventually},
    table::{client, create_books},
};

/// Certificates that the sink's tests use, too.
fn certificate(name: &str) -> String {
    format!("{}/../opensearch/tests/it/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The table, and a worker that follows it with this process file.
async fn start(dir: &Path, config: &str) -> (Program, Program) {
    let local = Program::start(dir, &LOCAL).await;
    create_books(&client(local.address("dynamodb")), Some(StreamViewType::NewImage)).await;
    let file = write_pipeline(dir, &local);
    let process = dir.join("process.yaml");
    std::fs::write(&process, config).unwrap();
    let (data, process) = (dir.join("worker"), process.to_str().unwrap().to_owned());
    let args = ["run", &file, "--api", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let worker = Program::start(dir, &[&args[..], &["--config", &process]].concat()).await;
    (local, worker)
}

#[tokio::test]
async fn the_api_speaks_tls_and_asks_for_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "ssl_certificate_file: {}\nssl_key_file: {}\n\
         authentication: {{http_basic: {{username: ada, password: secret}}}}\n",
        certificate("good.pem"),
        certificate("server.key")
    );
    let (_local, worker) = start(dir.path(), &config).await;
    let address = worker.address("api");
    assert!(address.starts_with("https://127.0.0.1:"), "{address}");
    let ask = async |http: &Http, address: &str, password: Option<&str>| {
        let request = Request::get(format!("{address}/list"));
        let request = match password {
            // ada:secret
            Some(basic) => request.header("authorization", format!("Basic {basic}")),
            None => request,
        };
        http.send(request.body(Bytes::new()).unwrap(), Duration::from_secs(10)).await
    };
    let http = Http::new(&Tls::Certificate(certificate("ca.pem").into())).unwrap();
    let answer = ask(&http, address, Some("YWRhOnNlY3JldA==")).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(&answer.body[..], br#"{"pipelines":[{"name":"books"}]}"#);
    assert_eq!(ask(&http, address, None).await.unwrap().status, 401);
    assert_eq!(ask(&http, address, Some("YWRhOndyb25n")).await.unwrap().status, 401);

    let in_the_open = address.replace("https:", "http:");
    assert!(ask(&http, &in_the_open, None).await.is_err(), "TLS and nothing else");
    // One who never greets keeps nobody waiting.
    let silent = std::net::TcpStream::connect(address.trim_start_matches("https://")).unwrap();
    assert_eq!(ask(&http, address, None).await.unwrap().status, 401);
    drop(silent);
    let (status, _) = worker.terminate().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn shutting_down_is_answered_when_all_is_safe() {
    let dir = tempfile::tempdir().unwrap();
    let (local, worker) = start(dir.path(), "ssl: false\n").await;
    let dynamodb = client(local.address("dynamodb"));
    let opensearch = Cluster::at(local.address("opensearch"));
    let api = Cluster::at(worker.address("api"));
    // It reads what is written from now on, and now begins when it is ready.
    eventually("the worker is ready", async || {
        (api.get("/health/ready").await.0 == 200).then_some(())
    })
    .await;
    put(&dynamodb, "Notes", 100).await;
    eventually("the book is written", async || {
        let (status, _) = opensearch.get("/books").await;
        (status == 200 && opensearch.all("books").await.len() == 1).then_some(())
    })
    .await;
    let shutdown =
        async |query: &str| api.ask(Method::POST, &format!("/shutdown{query}"), Value::Null).await;
    let (status, said) = shutdown("?timeout=1s").await;
    assert!(status == 400 && said.as_str().unwrap().contains("`bufferDrainTimeout`"), "{said}");
    let (status, said) = shutdown("?bufferReadTimeout=soon").await;
    assert!(status == 400 && said.as_str().unwrap().contains("is not a duration"), "{said}");
    assert_eq!(api.get("/shutdown").await.0, 405, "only who means it");
    assert_eq!(api.get("/list").await.0, 200, "nothing has ended yet");

    let (status, said) = shutdown("?bufferReadTimeout=5s&bufferDrainTimeout=PT10S").await;
    assert_eq!((status, said.as_str()), (200, Some("shut down\n")));
    let status = worker.ended().await;
    assert!(status.success(), "{status}");
}
