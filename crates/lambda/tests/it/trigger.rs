//! Batches: what is retried, what is answered, what is set aside, and in which time.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use lambda::Failure;
use serde_json::{Value, json};

use crate::domain::{Domain, Fault, context, event, failures, handle, metric};

const QUEUE: (&str, &str) = ("DLQ_URL", "http://127.0.0.1/111122223333/dead");
const BUCKET: (&str, &str) = ("DLQ_URL", "s3://letters/books");
const BOTH: (&str, &str) = ("DLQ_URL", "s3://letters/books,http://127.0.0.1/111122223333/dead");

/// A record of one field.
pub(crate) fn record(n: u64, second: u64, author: &str, field: &str, value: &Value) -> Value {
    let key = json!({ "author": { "S": author }, "bookTitle": { "S": "t" } });
    let mut image = key.clone();
    image[field] = value.clone();
    json!({
        "eventID": format!("{n:032x}"),
        "eventName": if value.is_null() { "REMOVE" } else { "MODIFY" },
        "eventSource": "aws:dynamodb",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:111122223333:table/books/stream/x",
        "dynamodb": {
            "ApproximateCreationDateTime": second,
            "Keys": key,
            "NewImage": if value.is_null() { Value::Null } else { image },
            "SequenceNumber": format!("{n:021}"),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    })
}

pub(crate) fn batch(records: &[Value]) -> Bytes {
    Bytes::from(json!({ "Records": records }).to_string())
}

fn number(n: u64) -> String {
    format!("{n:021}")
}

fn text(value: &str) -> Value {
    json!({ "S": value })
}

#[tokio::test]
async fn what_is_busy_is_sent_again_and_nothing_else() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    domain.world().faults.extend([Fault::Status(503), Fault::SomeBusy, Fault::Unheard]);
    let records: Vec<Value> =
        (1..=4).map(|n| record(n, 7, &format!("a{n}"), "x", &text("y"))).collect();
    let handled = handle(&function, batch(&records)).await.unwrap();
    assert_eq!(failures(&handled), [""; 0]);
    assert_eq!(domain.index("books").len(), 4);
    let n_lines: Vec<usize> = domain
        .world()
        .requests
        .iter()
        .map(|it| String::from_utf8_lossy(&it.body).lines().count())
        .collect();
    assert_eq!(n_lines, [8, 8, 4, 4], "all, all, two that were busy, again");
    assert_eq!(metric(&handled.metrics, "Unaccounted"), 0);
}

#[tokio::test]
async fn the_last_seconds_are_not_touched() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    domain.world().faults.extend(std::iter::repeat_n(Fault::Status(429), 1000));
    let records = [record(1, 7, "a", "x", &text("y")), record(2, 7, "b", "x", &text("y"))];
    let left = Duration::from_millis(3_500);
    // Of three, because a busy machine may hold up one.
    let mut took = Duration::MAX;
    for _ in 0..3 {
        let (began, n_before) = (Instant::now(), domain.n_bulks());
        let handled = function.handle(batch(&records), &context(left)).await.unwrap();
        let n_bulks = domain.n_bulks() - n_before;
        assert!(3 < n_bulks && n_bulks < 60, "no hot loop: {n_bulks}");
        took = took.min(began.elapsed());
        assert_eq!(failures(&handled), [number(1)]);
        assert_eq!(metric(&handled.metrics, "Returned"), 2);
        if took <= Duration::from_millis(1_700) {
            break;
        }
    }
    assert!(took <= Duration::from_millis(1_700), "took {took:?}, and 2 s must be left");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    domain.world().faults.push_back(Fault::Stuck);
    let began = Instant::now();
    let records = [record(1, 7, "a", "x", &text("y"))];
    let handled = function.handle(batch(&records), &context(Duration::from_secs(3))).await.unwrap();
    assert_eq!(failures(&handled), [number(1)]);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn the_lowest_number_counts_even_behind_better_ones() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    // Two changes of one item, one of another between them; every try finds the first item busy.
    domain.world().faults.extend(std::iter::repeat_n(Fault::SomeBusy, 1000));
    let records = [
        record(10, 7, "ok", "x", &text("1")),
        record(11, 7, "busy", "x", &text("1")),
        record(12, 7, "busy", "x", &text("2")),
    ];
    let left = Duration::from_millis(600);
    let handled = function.handle(batch(&records), &context(left)).await.unwrap();
    // Of two in a request the first is busy; then it is alone, and busy for good.
    assert_eq!(failures(&handled), [number(10)]);
    assert_eq!(domain.document("books", "busy|t").unwrap()["x"], "2");
}

#[tokio::test]
async fn all_numbers_of_a_document_stand_behind_its_last_change() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    domain.world().faults.extend(std::iter::repeat_n(Fault::Items(429), 1000));
    let records: Vec<Value> =
        (5..10).map(|n| record(n, 7, "a", "x", &text(&n.to_string()))).collect();
    let left = Duration::from_millis(600);
    let handled = function.handle(batch(&records), &context(left)).await.unwrap();
    assert_eq!(failures(&handled), [number(5)], "the first of the five, not the one that was sent");
}

#[tokio::test]
async fn a_mistake_in_the_setup_fails_the_batch_and_burns_nothing() {
    for (fault, says) in [
        (Fault::Status(403), "does not let us (403)"),
        (Fault::Status(401), "does not know us (401)"),
        (Fault::Status(404), "is it OpenSearch?"),
        (Fault::Items(403), "does not let us (403)"),
        (Fault::Items(404), "check that the index exists"),
    ] {
        let domain = Domain::start().await;
        let function = domain.function(&[QUEUE]);
        domain.world().faults.push_back(fault);
        let failure = handle(&function, event("18")).await.unwrap_err();
        assert_eq!(failure.kind, "Streamdex.Configuration", "{fault:?}");
        assert!(failure.message.contains(says), "{fault:?}: {failure}");
        assert!(domain.world().queue.is_empty(), "{fault:?}: something was burnt");
    }
}

#[tokio::test]
async fn an_unknown_host_fails_at_once() {
    let domain = Domain::start().await;
    let function = domain.function(&[("HOST", "http://no-such-host.invalid"), QUEUE]);
    let began = Instant::now();
    let failure: Failure = handle(&function, event("18")).await.unwrap_err();
    assert!(failure.message.contains("check the address of the domain"), "{failure}");
    assert!(began.elapsed() < Duration::from_secs(20) && domain.world().queue.is_empty());
}

#[tokio::test]
async fn poison_goes_to_the_queue_with_its_full_content() {
    let domain = Domain::start().await;
    let function = domain.function(&[QUEUE]);
    let handled = handle(&function, event("18")).await.unwrap();
    assert_eq!(failures(&handled), [""; 0], "the shard moves on");
    let world = domain.world();
    assert_eq!(world.queue.len(), 5);
    let payload: Value = serde_json::from_slice(&event("18")).unwrap();
    for message in &world.queue {
        let letter: Value = serde_json::from_str(message["MessageBody"].as_str().unwrap()).unwrap();
        let record: Value =
            serde_json::from_str(letter["failedData"]["record"].as_str().unwrap()).unwrap();
        assert!(payload["Records"].as_array().unwrap().contains(&record), "as it came: {record}");
        assert!(!letter["failedData"]["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(metric(&handled.metrics, "DeadLettered"), 5);
    assert_eq!(metric(&handled.metrics, "Indexed"), 2);
}

#[tokio::test]
async fn poison_goes_to_the_bucket_once_however_often_it_comes() {
    let domain = Domain::start().await;
    let function = domain.function(&[BUCKET]);
    for _ in 0..2 {
        let handled = handle(&function, event("26")).await.unwrap();
        assert_eq!(failures(&handled), [""; 0]);
    }
    let world = domain.world();
    let keys: Vec<&String> = world.bucket.keys().collect();
    assert_eq!(keys, ["/letters/books/books/100000000000000001078.json"]);
    assert!(
        world.bucket[keys[0]]["failedData"]["record"].as_str().unwrap().contains("four hundred")
    );
}

#[tokio::test]
async fn a_letter_can_be_sent_again_with_what_the_service_has() {
    let domain = Domain::start().await;
    let function = domain.function(&[BUCKET]);
    handle(&function, event("26")).await.unwrap();
    handle(&function, event("18")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (n, letter) in domain.world().bucket.values().enumerate() {
        std::fs::write(folder.path().join(format!("{n}.json")), letter.to_string()).unwrap();
    }
    let store = opensearch::Store::at(folder.path()).unwrap();
    let mut letters = Vec::new();
    for place in store.places().await.unwrap() {
        let stored = store.read(&place).await.unwrap();
        assert_eq!(stored.n_unreadable, 0, "{place}");
        letters.extend(stored.letters);
    }
    assert_eq!(letters.len(), 1 + 5);
    let refused = letters.iter().find(|it| it.status == 400 && it.document.is_some()).unwrap();
    assert_eq!(
        (refused.index.as_str(), refused.cause.as_str()),
        ("books", "mapper_parsing_exception")
    );
    assert!(refused.record.as_ref().is_some_and(|it| it.table == "books"));
    let opensearch::Redrive::Lines { lines, .. } = opensearch::plan(refused) else {
        panic!("{refused:?}")
    };
    let lines = String::from_utf8(lines).unwrap();
    assert!(lines.contains("four hundred") && lines.contains("\"version\":"), "{lines}");
}

#[tokio::test]
async fn one_place_with_all_of_it_is_enough() {
    for (queue_is_down, bucket_is_down, is_safe) in
        [(false, false, true), (true, false, true), (false, true, true), (true, true, false)]
    {
        let domain = Domain::start().await;
        let function = domain.function(&[BOTH]);
        domain.world().queue_is_down = queue_is_down;
        domain.world().bucket_is_down = bucket_is_down;
        let handled = handle(&function, event("26")).await.unwrap();
        let failed = failures(&handled);
        assert_eq!(failed.is_empty(), is_safe, "{queue_is_down} {bucket_is_down}: {failed:?}");
    }
}

#[tokio::test]
async fn what_no_message_holds_is_in_the_bucket_and_the_message_says_where() {
    let domain = Domain::start().await;
    let function = domain.function(&[BOTH]);
    let large = json!({ "L": [{ "S": "x".repeat(300_000) }] });
    let mut poison = record(1, 7, "a", "x", &large);
    poison["dynamodb"]["NewImage"]["pages"] = text("many");
    let handled = handle(&function, batch(&[poison])).await.unwrap();
    assert_eq!(failures(&handled), [""; 0]);
    let world = domain.world();
    let message = world.queue[0]["MessageBody"].as_str().unwrap();
    let summary: Value = serde_json::from_str(message).unwrap();
    assert_eq!(
        summary["failedData"]["recordAt"],
        format!("s3://letters/books/books/{}.json", number(1))
    );
    assert!(message.len() < 2_000 && world.bucket.len() == 1);
}

#[tokio::test]
async fn without_a_place_for_it_poison_is_reported_as_failed() {
    let domain = Domain::start().await;
    let handled = handle(&domain.function(&[]), event("26")).await.unwrap();
    assert_eq!(failures(&handled), ["100000000000000001078"]);
    assert_eq!(domain.index("books").len(), 2, "its neighbours are there");
    assert_eq!(domain.document("books", "Dan Brown|The DaVinci code").unwrap()["pages"], 400);
}

#[tokio::test]
async fn where_partial_answers_are_not_understood_the_invocation_fails() {
    let domain = Domain::start().await;
    let function = domain.function(&[("PARTIAL_BATCH_RESPONSE", "false")]);
    let failure = handle(&function, event("26")).await.unwrap_err();
    assert_eq!(failure.kind, "Streamdex.BatchFailed");
    assert_eq!(metric(&failure.metrics, "Returned"), 1);
    assert!(handle(&function, event("01")).await.is_ok());
}

#[tokio::test]
async fn a_request_that_is_too_large_is_halved() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    domain.world().bytes_max = Some(2_000);
    let handled = handle(&function, event("24")).await.unwrap();
    assert_eq!(failures(&handled), [""; 0]);
    assert_eq!(domain.index("books").len(), 100);
}

#[tokio::test]
async fn requests_are_cut_by_bytes_and_by_count() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    let large: Vec<Value> =
        (0..20).map(|n| record(n, 7, &format!("l{n}"), "x", &text(&"x".repeat(390_000)))).collect();
    handle(&function, batch(&large)).await.unwrap();
    let small: Vec<Value> =
        (0..2_500).map(|n| record(n, 7, &format!("s{n}"), "x", &text("y"))).collect();
    handle(&function, batch(&small)).await.unwrap();
    assert_eq!(domain.index("books").len(), 2_520);
    let sizes: Vec<usize> = domain.world().requests.iter().map(|it| it.body.len()).collect();
    assert_eq!(sizes.len(), 2 + 3, "{sizes:?}");
    assert!(sizes.iter().all(|it| *it <= 5 << 20), "{sizes:?}");
}

#[tokio::test]
async fn two_invocations_at_the_same_time_keep_their_own_books() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    let good: Vec<Value> =
        (0..50).map(|n| record(n, 7, &format!("g{n}"), "x", &text("y"))).collect();
    let bad = [record(99, 7, "b", "pages", &text("many"))];
    let (good, bad) = tokio::join!(handle(&function, batch(&good)), handle(&function, batch(&bad)));
    assert_eq!(failures(&good.unwrap()), [""; 0]);
    assert_eq!(failures(&bad.unwrap()), [number(99)]);
}
