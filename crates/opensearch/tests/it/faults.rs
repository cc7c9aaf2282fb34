//! Whatever the cluster answers, every document is in the index, superseded or a dead letter.

use std::time::Duration;

use futures::{StreamExt, stream::FuturesUnordered};
use opensearch::Count;
use pipeline::{Sink, Tally, Turn};

use crate::{
    rig::{USUAL, change, items, sink, try_sink},
    server::{Fault, Server},
};

const N: usize = 40;

/// Writes some items while the server does this, and says what became of them.
async fn write(faults: Vec<Fault>, more: &str) -> (Server, Tally, crate::rig::Kept) {
    let server = Server::start().await;
    server.next(faults);
    let (sink, kept, _) = sink(&server.address, more);
    let tally = sink.write(items(N, 50)).await.unwrap();
    assert_eq!(tally.total(), N as u64, "each is counted once");
    (server, tally, kept)
}

#[tokio::test]
async fn nothing_is_lost_whatever_happens_to_a_request() {
    let n = N as u64;
    for (name, faults, n_indexed) in [
        ("well", vec![], n),
        ("429 per document", vec![Fault::Items(3, 429, "t"), Fault::Items(2, 429, "t")], n),
        ("503 per document", vec![Fault::Items(1, 503, "unavailable_shards_exception")], n),
        ("blocked", vec![Fault::Items(4, 403, "cluster_block_exception")], n),
        ("429", vec![Fault::Answer(429, "", "{}"), Fault::Answer(429, "", "{}")], n),
        ("503", vec![Fault::Answer(503, "", "<html>")], n),
        ("retry later", vec![Fault::Answer(503, "retry-after: 1\r\n", "")], n),
        ("not JSON", vec![Fault::Malformed("<html>")], 0),
        ("too few answers", vec![Fault::Malformed(r#"{"items":[]}"#)], 0),
        ("reset after it was carried out", vec![Fault::ResetAfter], 0),
        ("half an answer", vec![Fault::CutShort, Fault::CutShort], 0),
        ("slow", vec![Fault::Slow(Duration::from_millis(300))], n),
        ("413", vec![Fault::TooLarge(1_000); 8], n),
    ] {
        let (server, tally, kept) = write(faults, "").await;
        assert_eq!(server.n_alive(), N, "{name}");
        // What was carried out before the answer was lost is there already.
        assert_eq!(tally.superseded, n - n_indexed, "{name}: {tally:?}");
        assert_eq!(kept.all().len(), 0, "{name}");
        assert_eq!(server.n_writes("id-0"), 1, "{name}: versions keep it from being written twice");
    }
}

#[tokio::test]
async fn what_the_index_will_never_take_is_set_aside_alone() {
    let (server, tally, kept) =
        write(vec![Fault::Items(10, 400, "mapper_parsing_exception")], "").await;
    assert_eq!((tally.indexed, tally.dead_lettered), (36, 4));
    assert_eq!(server.n_alive(), 36);
    let letter = &kept.all()[0];
    assert_eq!(letter.index, "books");
    assert_eq!(letter.id.as_deref(), Some("id-9"));
    assert_eq!(letter.version, Some((10, "external".to_owned())));
    assert_eq!((letter.status, letter.cause.as_str()), (400, "mapper_parsing_exception"));
    assert!(letter.document.as_ref().unwrap().starts_with(b"{\"n\":9,"));
}

#[tokio::test]
async fn a_document_that_is_too_large_is_found_among_others() {
    let server = Server::start().await;
    server.always(Some(Fault::TooLarge(2_000)));
    let (sink, kept, _) = sink(&server.address, "");
    let mut events = items(20, 10);
    events.insert(7, change("large", 1, Some(&format!("{{\"t\":\"{}\"}}", "x".repeat(3_000)))));
    let tally = sink.write(events).await.unwrap();
    assert_eq!((tally.indexed, tally.dead_lettered), (20, 1));
    assert_eq!(kept.all()[0].id.as_deref(), Some("large"));
    assert_eq!(kept.all()[0].cause, "too_large");
}

#[tokio::test]
async fn without_rights_the_pipeline_stops_and_nothing_is_burnt() {
    let iam = r#"{"Message":"User: x is not authorized to perform: es:ESHttpPost because y"}"#;
    for (fault, named) in [
        (Fault::Answer(403, "", iam), "`es:ESHttpPost`"),
        (Fault::Answer(401, "", "Unauthorized"), "401"),
        (Fault::Items(1, 403, "indices:data/write/bulk"), "`indices:data/write/bulk`"),
    ] {
        let server = Server::start().await;
        server.next([fault]);
        let (sink, kept, _) = sink(&server.address, "max_retries: 1");
        let error = sink.write(items(3, 5)).await.unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
        assert_eq!(kept.all().len(), 0, "not one became a dead letter");
        let tally = sink.write(items(3, 5)).await.unwrap();
        assert_eq!(tally.indexed, 3, "and it goes on once someone grants it");
    }
}

#[tokio::test]
async fn retries_end_where_the_settings_say_and_the_last_word_is_kept() {
    let server = Server::start().await;
    server.always(Some(Fault::Items(2, 429, "rejected_execution")));
    let (sink, kept, meters) = sink(&server.address, "max_retries: 1");
    let tally = sink.write(items(4, 5)).await.unwrap();
    assert_eq!((tally.indexed, tally.dead_lettered), (3, 1), "each try takes half");
    let letter = &kept.all()[0];
    assert_eq!(letter.cause, "retries_exhausted");
    assert!(
        letter.reason.contains("429") && letter.reason.contains("rejected_execution"),
        "{letter:?}"
    );
    assert_eq!(sink.metrics().count(Count::BulkRequestFailed), 1);
    assert!(meters.read().iter().any(|it| it.metric.name == "documentErrorsByCause"));
}

#[tokio::test]
async fn on_failure_stop_keeps_everything() {
    let server = Server::start().await;
    server.next([Fault::Items(2, 400, "mapper_parsing_exception")]);
    let (sink, kept, _) = sink(&server.address, "on_failure: stop");
    let error = sink.write(items(4, 5)).await.unwrap_err().to_string();
    assert!(error.contains("`on_failure` is `stop`"), "{error}");
    assert_eq!(kept.all().len(), 0);
}

#[tokio::test]
async fn many_requests_go_at_once_and_no_document_overtakes_itself() {
    let server = Server::start().await;
    server.always(Some(Fault::Slow(Duration::from_millis(20))));
    // No versions: only the order keeps the last change last.
    let more = "index: books\ndocument_id: '${getMetadata(\"primary_key\")}'\nbulk_size: 0.01";
    let (sink, ..) = try_sink(&[&server.address], more).unwrap();
    let events: Vec<_> = (0..2_000u64)
        .map(|n| {
            change(
                &format!("id-{}", n % 500),
                n,
                Some(&format!("{{\"n\":{n},\"t\":\"some text\"}}")),
            )
        })
        .collect();
    let tally = sink.write(events).await.unwrap();
    assert_eq!(tally.indexed, 2_000);
    assert!(3 <= server.most_under_way(), "{} at once", server.most_under_way());
    for n in 0..500 {
        let last = server.stored(&format!("id-{n}")).unwrap().document.unwrap();
        assert!(last.starts_with(&format!("{{\"n\":{}", 1_500 + n)), "id-{n}: {last}");
    }
}

#[tokio::test]
async fn writes_of_a_lane_overlap_and_no_document_overtakes_itself() {
    let server = Server::start().await;
    server.always(Some(Fault::Slow(Duration::from_millis(20))));
    let more = "index: books\ndocument_id: '${getMetadata(\"primary_key\")}'";
    let (sink, ..) = try_sink(&[&server.address], more).unwrap();
    let mut writing = FuturesUnordered::new();
    for round in 0..20u64 {
        // The second half of the documents is in every write, the first in one of them.
        let events = (0..20)
            .map(|n| {
                let id = if n < 10 { format!("id-{n}-{round}") } else { format!("id-{n}") };
                change(&id, round, Some(&format!("{{\"n\":{round}}}")))
            })
            .collect();
        let (turn, mut over) = Turn::begin();
        writing.push(sink.write_in_turn(events, turn));
        loop {
            tokio::select! {
                () = &mut over => break,
                Some(written) = writing.next() => assert_eq!(written.unwrap().total(), 20),
            }
        }
    }
    while let Some(written) = writing.next().await {
        assert_eq!(written.unwrap().total(), 20);
    }
    assert!(2 <= server.most_under_way(), "{} at once", server.most_under_way());
    assert_eq!(server.n_alive(), 10 + 20 * 10);
    for n in 10..20 {
        let last = server.stored(&format!("id-{n}")).unwrap().document.unwrap();
        assert_eq!(last, "{\"n\":19}", "id-{n}");
    }
}

#[tokio::test]
async fn the_other_host_takes_over_also_with_signatures() {
    for more in ["", "aws: { region: eu-west-1 }", "username: u\npassword: p", "api_token: t"] {
        let server = Server::start().await;
        // Nobody listens on the first.
        let hosts = ["http://127.0.0.1:9", server.address.as_str()];
        let (sink, ..) = try_sink(&hosts, &format!("{USUAL}{more}")).unwrap();
        sink.check().await.unwrap();
        for _ in 0..3 {
            assert_eq!(sink.write(items(3, 5)).await.unwrap().total(), 3, "{more}");
        }
        let requests = server.requests();
        let last = requests.last().unwrap();
        let shown = match more.split(':').next().unwrap() {
            "aws" => "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/",
            "username" => "Basic dTpw",
            "api_token" => "Bearer t",
            _ => "POST /_bulk",
        };
        assert!(last.contains(shown), "{more}: {last}");
        if more.starts_with("aws") {
            assert!(
                last.contains("/eu-west-1/es/aws4_request")
                    && last.contains("x-amz-content-sha256")
            );
        }
    }
}

#[tokio::test]
async fn requests_are_compressed_prefixed_and_proxied_as_the_settings_say() {
    let server = Server::start().await;
    let more = "enable_request_compression: true\npath_prefix: /search/";
    let (first, ..) = sink(&server.address, more);
    assert_eq!(first.write(items(100, 50)).await.unwrap().indexed, 100);
    let request = server.requests().last().unwrap().to_lowercase();
    assert!(
        request.starts_with("post /search/_bulk?") && request.contains("content-encoding: gzip")
    );

    // The server as a proxy: it gets the whole address.
    let proxy = server.address.trim_start_matches("http://").to_owned();
    let more = format!("{USUAL}proxy: '{proxy}'");
    let (proxied, ..) = try_sink(&["http://cluster.invalid:9200"], &more).unwrap();
    let mut again = items(100, 50);
    again.truncate(1);
    assert_eq!(proxied.write(again).await.unwrap().superseded, 1);
    let request = server.requests().last().unwrap().clone();
    assert!(request.starts_with("POST http://cluster.invalid:9200/_bulk"), "{request}");
}

#[tokio::test]
async fn an_index_that_was_deleted_is_created_again_if_it_is_ours() {
    let server = Server::start().await;
    server.page("HEAD /books", 404, "");
    server.next([Fault::Items(1, 404, "index_not_found_exception")]);
    let (ours, kept, _) = sink(&server.address, "number_of_replicas: 0");
    assert_eq!(ours.write(items(3, 5)).await.unwrap().indexed, 3);
    assert_eq!(kept.all().len(), 0);
    let created = server.requests().iter().filter(|it| it.starts_with("PUT /books")).count();
    assert_eq!(created, 2, "at first, and again");
    assert!(server.requests().iter().any(|it| it.contains("\"index.number_of_replicas\":0")));

    server.next([Fault::Items(1, 404, "index_not_found_exception")]);
    let (theirs, kept, _) = sink(&server.address, "index_type: management_disabled");
    assert_eq!(theirs.write(items(1, 5)).await.unwrap().dead_lettered, 1);
    assert_eq!(kept.all()[0].cause, "index_not_found_exception");
}

#[tokio::test]
async fn templates_and_policies_are_written_before_the_index() {
    let server = Server::start().await;
    server.page("HEAD /books-", 404, "");
    server.page("GET /_template/", 200, r#"{"books-index-template":{"version":2}}"#);
    server.page(
        "PUT /_plugins/_ism",
        400,
        r#"{"error":{"type":"x","reason":"Invalid field: [ism_template]"}}"#,
    );
    server.page("PUT /_opendistro/_ism", 201, "{}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    std::fs::write(&file, r#"{"policy":{"states":[],"ism_template":[]}}"#).unwrap();
    let settings = |version: u32| {
        format!(
            "index: 'books-%{{yyyy}}'\ndocument_id: x\ntemplate_content: '{{\"version\":{version}}}'\nism_policy_file: {}",
            file.display()
        )
    };
    for (version, written) in [(2, false), (3, true)] {
        let (sink, ..) = try_sink(&[&server.address], &settings(version)).unwrap();
        sink.check().await.unwrap();
        let requests = server.requests();
        let is_there = |part: &str| requests.iter().any(|it| it.starts_with(part));
        assert_eq!(is_there("PUT /_template/books-index-template"), written, "version {version}");
        assert!(
            is_there("PUT /_opendistro/_ism/policies/books-policy"),
            "the old path is tried, too"
        );
        assert!(
            requests
                .iter()
                .any(|it| it.starts_with("PUT /books-2") && it.contains("is_write_index"))
        );
    }
}
