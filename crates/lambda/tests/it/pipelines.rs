//! Whole pipeline files instead of variables.

use serde_json::{Value, json};

use crate::{
    domain::{Domain, Fault, event, failures, handle, metric},
    trigger::{batch, record},
};

const QUEUE: (&str, &str) = ("DLQ_URL", "http://127.0.0.1/111122223333/dead");
const DAN: &str = "Dan Brown|The DaVinci code";

/// A pipeline with these processors and sinks, each indented as in a list.
fn file(table: &str, processors: &str, sinks: &str) -> String {
    format!(
        "{table}:\n  source:\n    dynamodb:\n      tables:\n        \
         - table_arn: arn:aws:dynamodb:us-east-1:111122223333:table/{table}\n          \
         stream:\n            start_position: LATEST\n            view_on_remove: OLD_IMAGE\n      \
         aws:\n        region: us-east-1\n{processors}  sink:\n{sinks}"
    )
}

/// A sink as such files have it, with more settings.
fn sink(domain: &Domain, index: &str, more: &str) -> String {
    format!(
        "    - opensearch:\n        hosts: [\"http://{}\"]\n        index: {index}\n        \
         document_id: ${{getMetadata(\"primary_key\")}}\n        \
         action: ${{getMetadata(\"opensearch_action\")}}\n        \
         document_version: ${{getMetadata(\"document_version\")}}\n        \
         document_version_type: external\n        aws:\n          region: us-east-1\n{more}",
        domain.address
    )
}

const WITHOUT_INDEX: (&str, &str) = ("ES_INDEX", "");

#[tokio::test]
async fn processors_and_routes_work_as_in_the_service() {
    let domain = Domain::start().await;
    let processors = "  processor:\n    - add_entries:\n        entries:\n          - key: shelf\n            \
                      value: 7\n    - drop_events:\n        drop_when: '/pages == 0'\n  \
                      route:\n    - long: '/pages > 300'\n";
    let sinks = sink(&domain, "books", "") + &sink(&domain, "long", "        routes: [long]\n");
    let file = file("books", processors, &sinks);
    let function = domain.function_of(&file, &[WITHOUT_INDEX]).await.unwrap();
    let records = [
        record(1, 7, "a", "pages", &json!({ "N": "400" })),
        record(2, 7, "b", "pages", &json!({ "N": "100" })),
        record(3, 7, "c", "pages", &json!({ "N": "0" })),
    ];
    let handled = handle(&function, batch(&records)).await.unwrap();
    assert_eq!(failures(&handled), [""; 0]);
    let filtered = metric(&handled.metrics, "Filtered");
    assert_eq!((metric(&handled.metrics, "Indexed"), filtered), (2, 1));
    assert_eq!(domain.document("books", "a|t").unwrap()["shelf"], 7);
    assert_eq!(domain.index("books").len(), 2);
    assert_eq!(domain.index("long").into_keys().collect::<Vec<_>>(), ["a|t"]);
}

#[tokio::test]
async fn changes_of_one_second_in_several_batches_are_no_conflict() {
    let domain = Domain::start().await;
    let file = file("books", "", &sink(&domain, "books", ""));
    let function = domain.function_of(&file, &[WITHOUT_INDEX]).await.unwrap();
    for name in ["01", "02", "03"] {
        assert_eq!(failures(&handle(&function, event(name)).await.unwrap()), [""; 0]);
        let is_there = domain.document("books", DAN).is_some();
        assert_eq!(is_there, name != "03", "{name}");
    }
}

#[tokio::test]
async fn what_a_processor_gives_up_on_is_a_dead_letter() {
    let domain = Domain::start().await;
    let processors = "  processor:\n    - parse_json:\n        source: text\n";
    let file = file("books", processors, &sink(&domain, "books", ""));
    let function = domain.function_of(&file, &[WITHOUT_INDEX, QUEUE]).await.unwrap();
    let records = [
        record(1, 7, "a", "text", &json!({ "S": "{\"x\":1}" })),
        record(2, 7, "b", "text", &json!({ "S": "{" })),
    ];
    let handled = handle(&function, batch(&records)).await.unwrap();
    assert_eq!(failures(&handled), [""; 0]);
    assert_eq!(metric(&handled.metrics, "DeadLettered"), 1);
    assert_eq!(domain.document("books", "a|t").unwrap()["x"], 1);
    let message = domain.world().queue[0]["MessageBody"].as_str().unwrap().to_owned();
    let letter: Value = serde_json::from_str(&message).unwrap();
    assert!(letter["failedData"]["message"].as_str().unwrap().contains("parse_json"), "{letter}");
    assert!(letter["failedData"]["record"].as_str().unwrap().contains("\"b\""));
}

#[tokio::test]
async fn the_dead_letters_of_a_sink_go_where_it_says() {
    let domain = Domain::start().await;
    let more = "        dlq:\n          s3:\n            bucket: letters\n            \
                key_path_prefix: books\n            region: us-east-1\n";
    let file = file("books", "", &sink(&domain, "books", more));
    let function = domain.function_of(&file, &[WITHOUT_INDEX]).await.unwrap();
    let handled = handle(&function, event("26")).await.unwrap();
    assert_eq!(failures(&handled), [""; 0]);
    assert_eq!(metric(&handled.metrics, "DeadLettered"), 1);
    let world = domain.world();
    let keys: Vec<&String> = world.bucket.keys().collect();
    assert!(keys[0].starts_with("/letters/books/dlq-v2-books-opensearch-"), "{keys:?}");
}

#[tokio::test]
async fn what_one_sink_has_not_taken_fails_the_record() {
    let domain = Domain::start().await;
    let sinks = sink(&domain, "books", "") + &sink(&domain, "copies", "");
    let function = domain.function_of(&file("books", "", &sinks), &[WITHOUT_INDEX]).await.unwrap();
    domain.world().faults.extend([Fault::None].into_iter().chain(vec![Fault::Items(429); 1_000]));
    let left = std::time::Duration::from_millis(500);
    let handled = function.handle(event("01"), &crate::domain::context(left)).await.unwrap();
    assert_eq!(failures(&handled), ["100000000000000000007"]);
    assert_eq!(metric(&handled.metrics, "Returned"), 1);
}

#[tokio::test]
async fn each_table_has_its_pipeline() {
    let domain = Domain::start().await;
    let both = ["books", "opensearch-ingestion-table"]
        .map(|table| file(table, "", &sink(&domain, &format!("of-{table}"), "")));
    let function = domain
        .function_of(&both.concat(), &[WITHOUT_INDEX, ("DB_HASH_KEY", ""), ("DB_SORT_KEY", "")])
        .await
        .unwrap();
    assert_eq!(failures(&handle(&function, event("17")).await.unwrap()), [""; 0]);
    assert!(domain.document("of-books", DAN).is_some());
    assert!(domain.document("of-opensearch-ingestion-table", "i1|1768469400").is_some());
    // A third table is a mistake in the setup.
    let failure = handle(&function, event("21")).await.unwrap_err();
    assert_eq!(failure.kind, "Streamdex.Configuration");
    assert!(failure.message.contains("no source for the table"), "{failure}");
}

#[tokio::test]
async fn a_file_is_read_from_a_bucket() {
    let domain = Domain::start().await;
    let text = file("books", "", &sink(&domain, "books", ""));
    domain.world().canned.body = text.into_bytes();
    let place = "s3://pipelines/books.yaml";
    let function = domain.function_of(place, &[WITHOUT_INDEX]).await.unwrap();
    assert_eq!(domain.passed_on()[0].target, "/pipelines/books.yaml");
    assert_eq!(failures(&handle(&function, event("01")).await.unwrap()), [""; 0]);
    assert_eq!(domain.index("books").len(), 1);
}

#[tokio::test]
async fn mistakes_in_a_file_are_told_with_their_place() {
    let domain = Domain::start().await;
    let good = sink(&domain, "books", "");
    for (text, says) in [
        ("books:".to_owned(), "STREAMDEX_PIPELINE"),
        (file("books", "  processor:\n    - add_entrys: {}\n", &good), "`add_entrys`"),
        (file("books", "", "    - stdout:\n"), "there is no sink `stdout`"),
        (file("books", "", &sink(&domain, "books", "        bulk_siz: 5\n")), "bulk_siz"),
        (file("books", "", &sink(&domain, "books", "        dlq_file: x.jsonl\n")), "dlq_file"),
        (file("books", "", &good).replace("dynamodb:\n", "kafka:\n"), "`kafka`"),
    ] {
        let error = domain.function_of(&text, &[WITHOUT_INDEX]).await.unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
    let error = domain.function_of(&file("books", "", &good), &[]).await.unwrap_err().to_string();
    assert!(error.contains("ES_INDEX has no effect with STREAMDEX_PIPELINE"), "{error}");
}
