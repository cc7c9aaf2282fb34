//! Data streams, aliases that a policy rolls over, and templates that lie at S3.

use local::{clock::Clock, s3::S3};
use opensearch::Op;
use pipeline::{Sink, Tally};
use serde_json::Value;

use crate::{
    rig::{USUAL, at_s3, change, sink, try_sink},
    server::{Fault, Server},
};

const STREAM: &str = r#"{"data_streams":[{"name":"books"}]}"#;

#[tokio::test]
async fn a_data_stream_gets_additions_with_a_moment() {
    for more in ["", "index_type: management_disabled"] {
        let server = Server::start().await;
        server.page("GET /_data_stream/books", 200, STREAM);
        let (sink, kept, _) = sink(&server.address, more);
        let events = vec![
            change("a", 1, Some(r#"{"n":1}"#)),
            change("b", 1, Some(r#"{"@timestamp":"2026-01-01T00:00:00Z"}"#)),
            change("c", 1, Some(r#"{"in":{"@timestamp":1}}"#)),
            change("d", 1, None),
        ];
        let tally = sink.write(events).await.unwrap();
        assert_eq!(tally, Tally { indexed: 4, ..Tally::default() }, "{more}");
        assert_eq!(kept.all().len(), 0);
        assert_eq!(server.ops(), [Op::Create.name()], "whatever the action is");
        let read = |id: &str| -> Value {
            serde_json::from_str(&server.stored(id).unwrap().document.unwrap()).unwrap()
        };
        assert_eq!(read("a")["n"], 1);
        for id in ["a", "c", "d"] {
            let moment = read(id)["@timestamp"].as_str().unwrap().to_owned();
            assert!(moment.starts_with("20") && moment.ends_with('Z'), "{id}: {moment}");
        }
        assert_eq!(read("b")["@timestamp"], "2026-01-01T00:00:00Z");
    }
}

#[tokio::test]
async fn a_template_of_a_data_stream_makes_one() {
    let server = Server::start().await;
    server.page("HEAD /books", 404, "");
    server.page("GET /_index_template/", 404, "{}");
    let more = "template_type: index-template\ntemplate_content: '{\"data_stream\":{}}'";
    let (sink, ..) = sink(&server.address, more);
    sink.check().await.unwrap();
    let requests = server.requests();
    assert!(requests.iter().any(|it| it.starts_with("PUT /_data_stream/books ")), "{requests:?}");
    assert!(!requests.iter().any(|it| it.starts_with("PUT /books ")), "{requests:?}");
    sink.write(vec![change("a", 1, Some("{}"))]).await.unwrap();
    assert_eq!(server.ops(), ["create"]);
}

#[tokio::test]
async fn an_alias_that_is_gone_is_made_again_and_no_index_in_its_place() {
    let server = Server::start().await;
    server.page("GET /_alias/books", 200, r#"{"books-000001":{"aliases":{"books":{}}}}"#);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    std::fs::write(&file, r#"{"policy":{"states":[]}}"#).unwrap();
    let (sink, ..) = sink(&server.address, &format!("ism_policy_file: {}", file.display()));
    sink.check().await.unwrap();
    server.page("HEAD /books", 404, "");
    server.next([Fault::Items(1, 404, "index_not_found_exception")]);
    assert_eq!(sink.write(vec![change("a", 1, Some("{}"))]).await.unwrap().indexed, 1);
    let requests = server.requests();
    let bulks: Vec<&String> = requests.iter().filter(|it| it.contains("/_bulk?")).collect();
    assert_eq!(bulks.len(), 2);
    assert!(bulks.iter().all(|it| it.contains("&require_alias=true")), "{bulks:?}");
    assert!(requests.iter().any(|it| it.starts_with("PUT /books-000001 ")), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn template_and_policy_may_lie_at_s3() {
    let folder = tempfile::tempdir().unwrap();
    let s3 = S3::open(folder.path(), Clock::default()).unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(files.join("t.json"), r#"{"version":7,"mappings":{}}"#).unwrap();
    std::fs::write(files.join("p.json"), r#"{"policy":{"states":[]}}"#).unwrap();
    std::fs::write(files.join("bad.json"), "{").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, s3.router()).await });
    let told = async |server: &Server, files: &str| {
        let yaml = format!("{USUAL}aws: {{ region: eu-west-1 }}\n{files}");
        let (sink, ..) = at_s3(&server.address, &yaml, &endpoint);
        sink.check().await.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    };
    let server = Server::start().await;
    server.page("HEAD /books", 404, "");
    server.page("GET /_template/", 404, "{}");
    let both = "template_file: s3://files/t.json\nism_policy_file: s3://files/p.json";
    assert_eq!(told(&server, both).await, "fine");
    let requests = server.requests();
    let put = |path: &str, says: &str| {
        requests.iter().any(|it| it.starts_with(&format!("PUT {path}")) && it.contains(says))
    };
    assert!(put("/_template/books-index-template", "\"version\":7"), "{requests:?}");
    assert!(put("/_plugins/_ism/policies/books-policy", "states"), "{requests:?}");
    let missing = told(&server, "template_file: s3://files/none.json").await;
    assert!(missing.contains("NoSuchKey") && missing.contains("s3:GetObject"), "{missing}");
    let bad = told(&server, "template_file: s3://files/bad.json").await;
    assert!(bad.contains("s3://files/bad.json") && bad.contains("not JSON"), "{bad}");
    let yaml = format!("{USUAL}template_file: s3://files/t.json");
    let nobody = try_sink(&[&server.address], &yaml).unwrap_err().to_string();
    assert!(nobody.contains("needs an `aws` block"), "{nobody}");
}
