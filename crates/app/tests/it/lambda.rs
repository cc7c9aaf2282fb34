//! `streamdex lambda`: the function on this machine, on an event and behind an address.

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use http::Method;
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    program::{Program, eventually},
};

const ANY: [&str; 7] =
    ["local", "--dynamodb", "127.0.0.1:0", "--opensearch", "127.0.0.1:0", "--api", "127.0.0.1:0"];
const DAN: &str = "/books/_doc/Dan%20Brown%7CThe%20DaVinci%20code";

/// The command with the seed's variables.
fn lambda(host: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamdex"));
    command
        .arg("lambda")
        .args(args)
        .env_remove("AWS_PROFILE")
        .envs([("HOST", host), ("AUTH", "none"), ("ES_INDEX", "books")])
        .envs([("DB_HASH_KEY", "author"), ("DB_SORT_KEY", "bookTitle")])
        .stdin(Stdio::null());
    command
}

fn invoke(host: &str, event: &str) -> Output {
    let event = format!("{}/../lambda/tests/events/{event}.json", env!("CARGO_MANIFEST_DIR"));
    lambda(host, &["invoke", &event]).output().unwrap()
}

/// A process that is ended with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn serve(host: &str, dir: &Path) -> (Ended, Cluster) {
    let addresses = dir.join("serve.addresses");
    let args = ["serve", "--listen", "127.0.0.1:0", "--addresses", addresses.to_str().unwrap()];
    let child = Ended(lambda(host, &args).env("PROXY_MODE", "console").spawn().unwrap());
    let written =
        eventually("it writes its address", async || std::fs::read_to_string(&addresses).ok())
            .await;
    let written: Value = serde_json::from_str(&written).unwrap();
    (child, Cluster::at(written["api"].as_str().unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_handled_and_its_document_is_found_below_the_stage() {
    let dir = tempfile::tempdir().unwrap();
    let local = Program::start(dir.path(), &ANY).await;
    let host = local.address("opensearch");
    let (_serving, api) = serve(host, dir.path()).await;
    let alias = json!({ "aliases": { "book1": {} } });
    assert_eq!(api.ask(Method::PUT, "/dev/books", alias).await.0, 200);

    let handled = invoke(host, "01-insert-book");
    assert!(handled.status.success(), "{handled:?}");
    assert_eq!(String::from_utf8_lossy(&handled.stdout), "{\"batchItemFailures\":[]}\n");
    let (status, found) = api.get(&format!("/dev{DAN}")).await;
    assert_eq!((status, &found["_source"]["author"]), (200, &json!("Dan Brown")));
    assert_eq!(api.get("/dev/book1/_count").await.0, 200);

    // Not below the stage, and not in this mode.
    assert_eq!(api.get(DAN).await.0, 403);
    let (status, said) = api.ask(Method::DELETE, "/dev/books", Value::Null).await;
    assert_eq!(status, 403);
    assert!(said["error"]["reason"].to_string().contains("PROXY_MODE"), "{said}");

    assert!(invoke(host, "03-remove-book").status.success());
    assert_eq!(api.get(&format!("/dev{DAN}")).await.0, 404);
}

#[test]
fn what_is_wrong_is_told_with_an_exit_code() {
    let foreign = invoke("http://127.0.0.1:9", "61-unsupported-sqs-event");
    assert!(!foreign.status.success());
    assert!(String::from_utf8_lossy(&foreign.stderr).contains("records of `aws:sqs`"));
    let unset = lambda("", &["invoke", "nowhere.json"]).output().unwrap();
    assert!(String::from_utf8_lossy(&unset.stderr).contains("nowhere.json"), "{unset:?}");
    let event =
        format!("{}/../lambda/tests/events/23-empty-records.json", env!("CARGO_MANIFEST_DIR"));
    let unset = lambda("", &["invoke", &event]).output().unwrap();
    assert!(String::from_utf8_lossy(&unset.stderr).contains("HOST is not set"), "{unset:?}");
}
