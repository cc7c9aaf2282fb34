//! What people get wrong, and what they are told.

use crate::{
    rig::{USUAL, change, sink, try_sink},
    server::Server,
};
use pipeline::Sink;

/// What the check at the start says.
async fn told(host: &str, more: &str) -> String {
    let (sink, ..) = match try_sink(&[host], &format!("{USUAL}{more}")) {
        Ok(it) => it,
        Err(error) => return error.to_string(),
    };
    sink.check().await.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
}

#[tokio::test]
async fn each_mistake_is_told_at_the_start() {
    let server = Server::start().await;
    let at = server.address.as_str();
    assert_eq!(told(at, "").await, "fine");
    let nobody = told("http://127.0.0.1:9", "").await;
    assert!(nobody.contains("refused") && nobody.contains("check `hosts`"), "{nobody}");
    let nowhere = told("http://cluster.invalid:9200", "").await;
    assert!(nowhere.contains("no such host"), "{nowhere}");
    let tls = told(&at.replace("http:", "https:"), "insecure: true").await;
    assert!(tls.contains("write `http://`"), "{tls}");

    let closed = Server::start().await;
    closed.page("GET / ", 401, "Unauthorized");
    let password = told(&closed.address, "username: u\npassword: wrong").await;
    assert!(password.contains("check `username` and `password`"), "{password}");

    let other = Server::start().await;
    other.page("GET / ", 200, "<html>It works!</html>");
    let web = told(&other.address, "").await;
    assert!(web.contains("does not look like OpenSearch") && web.contains("It works"), "{web}");

    let picky = Server::start().await;
    picky.page("HEAD /books", 404, "");
    picky.page("PUT /books", 400, r#"{"error":{"type":"t","reason":"no shards, please"}}"#);
    let refused = told(&picky.address, "").await;
    assert!(
        refused.contains("cannot create the index `books`") && refused.contains("no shards"),
        "{refused}"
    );

    let template = told(at, "template_content: '{'").await;
    assert!(template.contains("template_content") && template.contains("not JSON"), "{template}");
    let missing = told(at, "template_file: /nowhere/t.json").await;
    assert!(missing.contains("cannot read `/nowhere/t.json`"), "{missing}");
    let cert = told("https://127.0.0.1:9", "cert: /nowhere/ca.pem").await;
    assert!(cert.contains("/nowhere/ca.pem"), "{cert}");
    let capital =
        try_sink(&[at], "index: Books\ndocument_id: x").map(|_| ()).unwrap_err().to_string();
    assert!(capital.contains("write `books`"), "{capital}");
}

#[tokio::test]
async fn a_monitor_right_is_not_needed_to_write() {
    let server = Server::start().await;
    let reason = r#"{"error":{"type":"security_exception","reason":"no permissions for [cluster:monitor/main]"},"status":403}"#;
    server.page("GET / ", 403, reason);
    assert_eq!(told(&server.address, "").await, "fine");
}

#[tokio::test]
async fn what_is_found_out_later_is_a_dead_letter_with_the_reason() {
    let server = Server::start().await;
    let (sink, kept, _) = sink(&server.address, "");
    let long = "k".repeat(513);
    let events =
        vec![change("a", 1, Some("{}")), change(&long, 1, Some("{}")), change("b", 1, Some("{}"))];
    let tally = sink.write(events).await.unwrap();
    assert_eq!((tally.indexed, tally.dead_lettered), (2, 1));
    let letter = &kept.all()[0];
    assert_eq!(letter.cause, "invalid_id");
    assert!(letter.reason.contains("513 bytes long") && letter.reason.contains("at most 512"));
}
