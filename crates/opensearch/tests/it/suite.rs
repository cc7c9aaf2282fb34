//! The same story on every server that speaks like OpenSearch.

use std::time::Duration;

use aws::Http;
use bytes::Bytes;
use http::{Method, Request};
use local::{clock::Clock, opensearch::OpenSearch};
use pipeline::{Event, Sink, Tally};
use serde_json::Value;

use crate::{
    rig::{USUAL, change, items, try_sink},
    server::{Fault, Server},
};

/// Where a real cluster is, if there is one.
const REFERENCE: &str = "STREAMDEX_TEST_OPENSEARCH_URL";

/// The embedded endpoint on a free port.
pub(crate) async fn embedded() -> String {
    let indices = OpenSearch::open(None, Clock::default()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, indices.router()).await });
    address
}

async fn ask(host: &str, method: Method, path: &str) -> (u16, Value) {
    let request =
        Request::builder().method(method).uri(format!("{host}{path}")).body(Bytes::new()).unwrap();
    let answer = Http::plain().send(request, Duration::from_secs(10)).await.unwrap();
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn tally(indexed: u64, superseded: u64, dead_lettered: u64) -> Tally {
    Tally { indexed, superseded, dead_lettered }
}

/// Writes, changes, deletes, comes late, and finds all of it as it should be: on every server, also
/// while it fails. `exact` says that no answer is lost, so that each document is counted as one
/// expects.
async fn check_writes(host: &str, exact: bool) {
    let index = format!("sink-{}", std::process::id());
    ask(host, Method::DELETE, &format!("/{index}")).await;
    let settings = USUAL.replace("index: books", &format!("index: {index}"));
    let (sink, kept, _) = try_sink(&[host], &format!("{settings}number_of_replicas: 0")).unwrap();
    sink.check().await.unwrap();
    let read = async |id: &str| ask(host, Method::GET, &format!("/{index}/_doc/{id}")).await.1;
    let write = async |events: Vec<Event>, expected: Tally, why: &str| {
        let tally = sink.write(events).await.unwrap();
        assert_eq!(tally.total(), expected.total(), "{why}");
        if exact {
            assert_eq!(tally, expected, "{why}");
        }
    };
    write(items(1_000, 200), tally(1_000, 0, 0), "new").await;
    assert_eq!(read("id-7").await["_source"]["n"], 7);
    write(items(1_000, 200), tally(0, 1_000, 0), "once more").await;
    let newer = vec![
        change("id-7", 12, Some(r#"{"n":70}"#)),
        change("id-7", 11, Some(r#"{"n":71}"#)),
        change("id-8", 12, None),
        change("never", 12, None),
    ];
    write(newer, tally(3, 1, 0), "a late one is superseded").await;
    assert_eq!(read("id-7").await["_source"]["n"], 70);
    assert_eq!(read("id-8").await["found"], false);
    let late = vec![change("id-8", 11, Some(r#"{"n":8}"#))];
    write(late, tally(0, 1, 0), "a delete is not undone").await;
    assert_eq!(read("id-8").await["found"], false);
    assert_eq!(kept.all().len(), 0);

    let with = |action: &str| {
        format!(
            "index: {index}\ndocument_id: '${{getMetadata(\"primary_key\")}}'\naction: {action}"
        )
    };
    let (creating, kept, _) = try_sink(&[host], &with("create")).unwrap();
    let twice = vec![change("c", 1, Some(r#"{"n":1}"#)), change("c", 2, Some(r#"{"n":2}"#))];
    assert_eq!(creating.write(twice).await.unwrap().total(), 2);
    assert_eq!(read("c").await["_source"]["n"], 1, "the first stays");
    let letters = kept.all();
    assert!(letters.iter().all(|it| it.cause == "version_conflict_engine_exception"));
    assert!(if exact { letters.len() == 1 } else { !letters.is_empty() }, "{letters:?}");
    let (updating, ..) = try_sink(&[host], &with("upsert")).unwrap();
    let both = vec![change("u", 1, Some(r#"{"a":1}"#)), change("u", 2, Some(r#"{"b":2}"#))];
    assert_eq!(updating.write(both).await.unwrap(), tally(2, 0, 0));
    assert_eq!(read("u").await["_source"], serde_json::json!({"a": 1, "b": 2}));
    ask(host, Method::DELETE, &format!("/{index}")).await;
}

/// What only an index does: it has a template, settings and mappings, and can be deleted.
async fn check_index(host: &str) {
    let index = format!("sink-index-{}", std::process::id());
    ask(host, Method::DELETE, &format!("/{index}")).await;
    let settings = USUAL.replace("index: books", &format!("index: {index}"));
    let template = r#"{"version":1,"mappings":{"properties":{"n":{"type":"long"}}}}"#;
    let more = format!(
        "{settings}number_of_shards: 2\nnumber_of_replicas: 0\ntemplate_content: '{template}'"
    );
    let (sink, kept, _) = try_sink(&[host], &more).unwrap();
    sink.check().await.unwrap();

    let bad =
        vec![change("bad", 1, Some(r#"{"n":"many"}"#)), change("good", 1, Some(r#"{"n":1}"#))];
    assert_eq!(sink.write(bad).await.unwrap(), tally(1, 0, 1));
    let letters = kept.all();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].index.as_str(), letters[0].status), (index.as_str(), 400));
    assert!(letters[0].reason.contains("failed to parse"), "{}", letters[0].reason);

    let (_, settings) =
        ask(host, Method::GET, &format!("/{index}/_settings?flat_settings=true")).await;
    let settings = &settings[&index]["settings"];
    assert_eq!(settings["index.number_of_shards"], "2", "{settings}");
    assert_eq!(settings["index.number_of_replicas"], "0");
    assert_eq!(settings["index.gc_deletes"], "1h");

    ask(host, Method::DELETE, &format!("/{index}")).await;
    let again = vec![change("id-1", 20, Some(r#"{"n":1}"#))];
    assert_eq!(sink.write(again).await.unwrap(), tally(1, 0, 0), "someone deleted the index");

    ask(host, Method::DELETE, &format!("/{index}")).await;
    ask(host, Method::DELETE, &format!("/_template/{index}-index-template")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_endpoint() {
    let host = embedded().await;
    check_writes(&host, true).await;
    check_index(&host).await;
}

#[tokio::test]
async fn a_server_that_fails() {
    let exact = [
        Fault::Items(3, 429, "rejected_execution_exception"),
        Fault::Items(2, 503, "unavailable_shards_exception"),
        Fault::Answer(429, "", "{}"),
        Fault::Answer(503, "", "<html>"),
        Fault::TooLarge(10_000),
        Fault::Slow(Duration::from_millis(20)),
    ];
    let lost = [Fault::ResetAfter, Fault::CutShort, Fault::Malformed("<html>")];
    let faults = exact.into_iter().map(|it| (it, true)).chain(lost.map(|it| (it, false)));
    for (fault, exact) in faults {
        let server = Server::start().await;
        // Before every request that is carried out.
        server.every_other(fault);
        check_writes(&server.address, exact).await;
    }
}

/// Passes where there is no such cluster; `cargo xtask test --reference` starts one.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_cluster() {
    if let Ok(host) = std::env::var(REFERENCE) {
        check_writes(&host, true).await;
        check_index(&host).await;
    }
}
