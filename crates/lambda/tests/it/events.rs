//! Every event of `tests/events`, with what is expected of it.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::domain::{Domain, event, failures, handle, json_event, metric};

const QUEUE: (&str, &str) = ("DLQ_URL", "http://127.0.0.1/111122223333/dead");
const BY_ID: [(&str, &str); 3] =
    [("ES_INDEX", "items"), ("DB_HASH_KEY", "id"), ("DB_SORT_KEY", "timestamp")];
const DAN: &str = "Dan Brown|The DaVinci code";

/// Handles events one after the other; none of their records may fail.
async fn all_safe(
    domain: &Domain,
    more: &[(&str, &str)],
    names: &[&str],
) -> Vec<(&'static str, i64)> {
    let function = domain.function(more);
    let mut metrics = Vec::new();
    for name in names {
        let handled = handle(&function, event(name)).await.unwrap();
        assert_eq!(failures(&handled), [""; 0], "{name}");
        assert_eq!(metric(&handled.metrics, "Unaccounted"), 0, "{name}");
        metrics = handled.metrics.into_iter().map(|(name, _, value)| (name, value)).collect();
    }
    metrics
}

fn count(metrics: &[(&'static str, i64)], name: &str) -> i64 {
    metrics.iter().find(|(it, _)| *it == name).unwrap().1
}

#[tokio::test]
async fn events_01_to_03_walk_through_the_seed() {
    let domain = Domain::start().await;
    all_safe(&domain, &[], &["01"]).await;
    let first = json!({ "author": "Dan Brown", "bookTitle": "The DaVinci code" });
    assert_eq!(domain.document("books", DAN), Some(first));
    all_safe(&domain, &[], &["02"]).await;
    assert_eq!(domain.document("books", DAN).unwrap()["subTitle"], "Volume-1");
    assert_eq!(domain.index("books").len(), 1, "the same document");
    all_safe(&domain, &[], &["03"]).await;
    assert_eq!(domain.index("books").len(), 0);
    all_safe(&domain, &[], &["03"]).await;
}

#[tokio::test]
async fn event_04_ends_by_time_to_live_and_is_counted_apart() {
    let domain = Domain::start().await;
    let metrics = all_safe(&domain, &[], &["01", "04"]).await;
    assert_eq!((count(&metrics, "TtlDeleted"), count(&metrics, "Deleted")), (1, 0));
    assert_eq!(domain.index("books").len(), 0);
    let metrics = all_safe(&domain, &[("TTL_DELETE", "keep")], &["01", "04"]).await;
    assert_eq!(count(&metrics, "TtlKept"), 1);
    assert_eq!(domain.index("books").len(), 1);
}

#[tokio::test]
async fn event_05_has_all_types_and_06_every_digit() {
    let domain = Domain::start().await;
    all_safe(&domain, &BY_ID, &["05", "06"]).await;
    let document = domain.document("items", "all-types|1768469400").unwrap();
    for (field, expected) in [
        ("str", json!("text")),
        ("num", json!(42)),
        ("bin", json!("AP8Q")),
        ("t", json!(true)),
        ("f", json!(false)),
        ("nul", Value::Null),
        ("ss", json!(["x", "y"])),
        ("ns", json!([1, 2.5, -3])),
        ("bs", json!(["YQ==", "/g=="])),
    ] {
        assert_eq!(document[field], expected, "{field}");
    }
    let numbers = domain.index("items").remove("numbers|1").unwrap();
    for digits in [
        "\"digits38\":12345678901234567890123456789012345678,",
        "\"frac38\":0.12345678901234567890123456789012345678,",
        "\"max\":9.9999999999999999999999999999999999999E+125,",
        "\"min\":1E-130,",
        "\"neg\":-9007199254740993,",
        "\"i64plus\":9223372036854775808,",
        "\"ns\":[12345678901234567890123456789012345678,0.1]",
    ] {
        assert!(numbers.contains(digits), "{digits} in {numbers}");
    }
}

#[tokio::test]
async fn event_07_has_one_id_for_one_number() {
    let domain = Domain::start().await;
    let keys = [("ES_INDEX", "nk"), ("DB_HASH_KEY", "pk"), ("DB_SORT_KEY", "sk")];
    let metrics = all_safe(&domain, &keys, &["07"]).await;
    let ids: Vec<String> = domain.index("nk").into_keys().collect();
    assert_eq!(ids, ["1.5|AAF8"]);
    assert_eq!((count(&metrics, "Indexed"), count(&metrics, "Superseded")), (1, 1));
    assert_eq!(count(&metrics, "Deleted"), 1);
}

#[tokio::test]
async fn events_08_to_10_have_views_of_which_two_are_of_no_use() {
    let domain = Domain::start().await;
    for name in ["08", "10"] {
        let failure = handle(&domain.function(&[QUEUE]), event(name)).await.unwrap_err();
        assert_eq!(failure.kind, "Streamdex.Configuration");
        assert!(failure.message.contains("NEW_AND_OLD_IMAGES"), "{failure}");
        assert!(domain.world().queue.is_empty() && domain.n_bulks() == 0);
        // Removals need no image.
        let mut removes = json_event(name);
        removes["Records"].as_array_mut().unwrap().retain(|it| it["eventName"] == "REMOVE");
        let removes = removes.to_string().into();
        assert_eq!(failures(&handle(&domain.function(&[]), removes).await.unwrap()), [""; 0]);
        domain.world().requests.clear();
    }
    let metrics = all_safe(&domain, &[], &["09"]).await;
    assert_eq!(count(&metrics, "RecordsRead"), 2);
    assert_eq!(domain.index("books").len(), 0, "changed, then removed, by its keys");
}

#[tokio::test]
async fn event_11_changes_one_item_five_times_and_is_one_operation() {
    let domain = Domain::start().await;
    let metrics = all_safe(&domain, &[], &["11"]).await;
    assert_eq!(domain.document("books", DAN).unwrap()["rev"], 4);
    assert_eq!((count(&metrics, "Indexed"), count(&metrics, "Superseded")), (1, 4));
    let sent = domain.world().requests[0].body.clone();
    assert_eq!(String::from_utf8_lossy(&sent).lines().count(), 2);
}

#[tokio::test]
async fn event_12_has_six_items_and_six_ids() {
    let domain = Domain::start().await;
    all_safe(&domain, &[], &["12"]).await;
    assert_eq!(domain.index("books").len(), 6);
}

#[tokio::test]
async fn event_13_has_an_id_that_fits() {
    let domain = Domain::start().await;
    let metrics = all_safe(&domain, &[], &["13"]).await;
    assert_eq!(domain.index("books").len(), 0, "the removal found what was inserted");
    assert_eq!((count(&metrics, "Deleted"), count(&metrics, "Superseded")), (1, 1));
}

#[tokio::test]
async fn event_14_keeps_every_character() {
    let domain = Domain::start().await;
    all_safe(&domain, &[], &["14"]).await;
    let image = &json_event("14")["Records"][0]["dynamodb"]["NewImage"];
    let (id, source) = domain.index("books").into_iter().next().unwrap();
    let document: Value = serde_json::from_str(&source).unwrap();
    for (name, value) in image.as_object().unwrap() {
        assert_eq!(document[name], value["S"], "{name}");
    }
    assert_eq!(
        id,
        format!(
            "{}|{}",
            document["author"].as_str().unwrap(),
            document["bookTitle"].as_str().unwrap()
        )
    );
    assert!(source.contains("it's"));
}

#[tokio::test]
async fn event_15_is_too_deep_and_event_16_has_names_that_are_none() {
    let domain = Domain::start().await;
    // Of its 31 levels 16 are objects, and lists do not count: it is taken.
    let metrics = all_safe(&domain, &[QUEUE], &["15"]).await;
    assert_eq!(count(&metrics, "Indexed"), 1);
    let mut deeper = json_event("15");
    lists_to_maps(&mut deeper);
    let handled = handle(&domain.function(&[QUEUE]), deeper.to_string().into()).await.unwrap();
    assert_eq!(metric(&handled.metrics, "DeadLettered"), 1);
    let metrics = all_safe(&domain, &[QUEUE], &["16"]).await;
    assert_eq!(count(&metrics, "DeadLettered"), 1);
    let metrics = all_safe(&domain, &[("RENAME_FIELDS", "true")], &["16"]).await;
    assert_eq!(count(&metrics, "Indexed"), 1);
    let document = domain.document("books", DAN).unwrap();
    let image = &json_event("16")["Records"][0]["dynamodb"]["NewImage"];
    let n_fields = image.as_object().unwrap().len();
    assert_eq!(document.as_object().unwrap().len(), n_fields, "none was lost: {document}");
    assert_eq!(
        (&document["attr_id"], &document["a"]["b"]),
        (&json!("metadata-like"), &json!("nested twin of a.b"))
    );
    assert_eq!((&document["emptyString"], &document["emptyList"]), (&json!(""), &json!([])));
}

/// Makes a map of every list in DynamoDB JSON.
fn lists_to_maps(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(values)) = map.get("L") {
                let values = values.iter().enumerate();
                let inside = values.map(|(n, it)| (n.to_string(), it.clone())).collect();
                *map = serde_json::Map::from_iter([("M".to_owned(), Value::Object(inside))]);
            }
            map.values_mut().for_each(lists_to_maps);
        }
        Value::Array(values) => values.iter_mut().for_each(lists_to_maps),
        _ => {}
    }
}

#[tokio::test]
async fn event_17_has_two_tables_for_two_indices() {
    let domain = Domain::start().await;
    let failure = handle(&domain.function(&[]), event("17")).await.unwrap_err();
    assert!(failure.message.contains("{table}"), "{failure}");
    let by_table = [("ES_INDEX", "{table}"), ("DB_HASH_KEY", ""), ("DB_SORT_KEY", "")];
    all_safe(&domain, &by_table, &["17"]).await;
    assert!(domain.document("books", DAN).is_some());
    assert!(domain.document("opensearch-ingestion-table", "i1|1768469400").is_some());
}

#[tokio::test]
async fn event_18_has_two_good_records_and_five_of_poison() {
    let domain = Domain::start().await;
    let metrics = all_safe(&domain, &[QUEUE], &["18"]).await;
    assert_eq!((count(&metrics, "Indexed"), count(&metrics, "DeadLettered")), (2, 5));
    let ids: Vec<String> = domain.index("books").into_keys().collect();
    assert_eq!(ids, ["good|one", "good|two"]);
}

#[tokio::test]
async fn events_19_and_20_say_when_in_many_forms_or_not_at_all() {
    let domain = Domain::start().await;
    all_safe(&domain, &[], &["19", "20"]).await;
    assert_eq!(domain.index("books").len(), 6 + 2);
    let sent = String::from_utf8(domain.world().requests[0].body.to_vec()).unwrap();
    assert_eq!(sent.matches("\"version\":1768469400000000,").count(), 6, "{sent}");
}

#[tokio::test]
async fn event_21_is_of_another_partition_and_an_old_global_table() {
    let domain = Domain::start().await;
    let more = [("ES_INDEX", "{table}"), ("DROP_ATTRIBUTES", "aws:rep:*")];
    all_safe(&domain, &more, &["21"]).await;
    let document = domain.document("books.v2_test-1", "legacy|global table");
    assert_eq!(document, Some(json!({ "author": "legacy", "bookTitle": "global table" })));
}

#[tokio::test]
async fn events_22_and_23_have_a_window_and_nothing_at_all() {
    let domain = Domain::start().await;
    all_safe(&domain, &[], &["22", "23"]).await;
    assert_eq!((domain.index("books").len(), domain.n_bulks()), (1, 1));
}

#[tokio::test]
async fn event_24_has_a_hundred_records_and_25_one_of_390_kb() {
    let domain = Domain::start().await;
    let metrics = all_safe(&domain, &[], &["24"]).await;
    assert_eq!(count(&metrics, "Indexed"), 100);
    assert_eq!(domain.n_bulks(), 1);
    all_safe(&domain, &[], &["25"]).await;
    assert_eq!(domain.index("books").len(), 101);
}

#[tokio::test]
async fn event_26_has_a_change_that_does_not_fit_between_two_that_do() {
    let domain = Domain::start().await;
    let metrics = all_safe(&domain, &[QUEUE], &["26"]).await;
    assert_eq!((count(&metrics, "Indexed"), count(&metrics, "DeadLettered")), (2, 1));
    assert_eq!(domain.document("books", DAN).unwrap()["pages"], 400);
    assert_eq!(domain.document("books", "after|conflict").unwrap()["pages"], 1);
}

#[tokio::test]
async fn event_27_comes_twice_and_28_out_of_order() {
    let domain = Domain::start().await;
    all_safe(&domain, &[], &["27", "27"]).await;
    assert_eq!(domain.index("books").len(), 1);
    all_safe(&domain, &[], &["28"]).await;
    assert_eq!(domain.document("books", DAN).unwrap()["rev"], 5, "in the order of arrival");
    // An older second is refused, and that is as it should be.
    let mut stale = json_event("28");
    stale["Records"][0]["dynamodb"]["ApproximateCreationDateTime"] = json!(1_768_469_300);
    stale["Records"].as_array_mut().unwrap().truncate(1);
    let handled = handle(&domain.function(&[]), stale.to_string().into()).await.unwrap();
    assert_eq!((failures(&handled).len(), metric(&handled.metrics, "Superseded")), (0, 1));
    assert_eq!(domain.document("books", DAN).unwrap()["rev"], 5);
}

/// Passes an event on in `admin` mode and returns what the domain was asked.
async fn passed_on(name: &str, more: &[(&str, &str)]) -> (String, Vec<(String, String)>, Vec<u8>) {
    let domain = Domain::start().await;
    let mut variables = vec![("PROXY_MODE", "admin")];
    variables.extend_from_slice(more);
    let handled = handle(&domain.function(&variables), event(name)).await.unwrap();
    let answer: Value = serde_json::from_str(&handled.answer).unwrap();
    assert_eq!(answer["statusCode"], 200, "{name}: {answer}");
    let recorded = domain.passed_on().remove(0);
    let line = format!("{} {}", recorded.method, recorded.target);
    (line, recorded.headers, recorded.body.to_vec())
}

#[tokio::test]
async fn events_40_to_55_ask_the_domain_for_this() {
    for (name, line) in [
        ("40", "GET /_dashboards/app/dev_tools"),
        ("41", "POST /books/_search?pretty=true"),
        ("42", "POST /_bulk?filter_path=items.%2A.error&filter_path=errors"),
        ("43", "GET /"),
        (
            "44",
            "GET /books/_doc/Dan%20Brown%7CThe%20DaVinci%20code%2F1?empty=&preference=_local&q=a%20b%26c%3Dd",
        ),
        ("46", "POST /_dashboards/api/saved_objects/_import?overwrite=true"),
        ("47", "DELETE /books"),
        ("48", "HEAD /"),
        ("50", "GET /_dashboards/app/dev_tools"),
        ("51", "GET /books/_search?q=author:Dan%20Brown&filter_path=hits.hits&filter_path=took"),
        ("52", "GET /books/_doc/Dan%20Brown%7CThe%20DaVinci%20code%3Fx"),
        ("53", "POST /books/_search"),
        ("54", "GET /books/_count?a=1&a=2&empty="),
        ("55", "POST /books/_doc/Dan%20Brown?refresh=wait_for"),
    ] {
        assert_eq!(passed_on(name, &[]).await.0, line, "{name}");
    }
}

#[tokio::test]
async fn events_40_and_50_bring_cookies_and_the_types_that_are_taken() {
    for name in ["40", "50"] {
        let (_, headers, _) = passed_on(name, &[]).await;
        let value = |name: &str| headers.iter().find(|(it, _)| it == name).map(|it| it.1.as_str());
        assert_eq!(value("cookie"), Some("security_authentication=abc; other=1"), "{name}");
        assert!(value("accept").unwrap().starts_with("text/html"), "{name}");
        assert!(value("authorization").unwrap().contains("/us-east-1/es/aws4_request"), "{name}");
    }
    let (_, headers, _) = passed_on("41", &[]).await;
    let named = |name: &str| headers.iter().any(|(it, _)| it == name);
    assert!(named("content-type") && named("accept") && named("osd-xsrf"));
}

#[tokio::test]
async fn events_42_46_and_53_bring_bytes() {
    for name in ["42", "46", "53"] {
        let (_, _, body) = passed_on(name, &[]).await;
        let sent = json_event(name)["body"].as_str().unwrap().to_owned();
        assert_eq!(body, STANDARD.decode(sent).unwrap(), "{name}");
    }
}

#[tokio::test]
async fn event_45_has_a_base_path_that_is_ours_to_take_off() {
    let (line, ..) = passed_on("45", &[("BASE_PATH", "search")]).await;
    assert_eq!(line, "GET /_dashboards/app/home");
}

#[tokio::test]
async fn event_47_is_refused_unless_the_mode_is_admin() {
    let domain = Domain::start().await;
    for mode in ["", "read", "console", "off"] {
        let handled = handle(&domain.function(&[("PROXY_MODE", mode)]), event("47")).await.unwrap();
        let answer: Value = serde_json::from_str(&handled.answer).unwrap();
        assert_eq!(answer["statusCode"], 403, "{mode}");
        assert_eq!(metric(&handled.metrics, "RequestsRefused"), 1);
    }
    assert!(domain.passed_on().is_empty());
}

#[tokio::test]
async fn event_49_reaches_neither_another_host_nor_another_path() {
    let domain = Domain::start().await;
    for mode in ["read", "admin"] {
        let handled = handle(&domain.function(&[("PROXY_MODE", mode)]), event("49")).await.unwrap();
        let answer: Value = serde_json::from_str(&handled.answer).unwrap();
        assert_eq!(answer["statusCode"], 400, "{mode}");
    }
    assert!(domain.passed_on().is_empty());
    // With a path that may pass, its headers still go nowhere.
    let mut harmless = json_event("49");
    harmless["path"] = json!("/books");
    harmless["requestContext"]["path"] = json!("/dev/books");
    handle(&domain.function(&[]), harmless.to_string().into()).await.unwrap();
    let asked = domain.passed_on().remove(0);
    assert_eq!(asked.header("host"), Some(domain.address.to_string().as_str()));
    for name in ["x-forwarded-host", "transfer-encoding", "x-forwarded-for"] {
        assert_eq!(asked.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn events_60_to_62_are_none_of_ours_and_fail() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    let shapes = json_event("62");
    let shapes = shapes.as_array().unwrap().iter().map(|it| it.to_string().into());
    for payload in [event("60"), event("61"), event("62")].into_iter().chain(shapes) {
        let failure = handle(&function, payload).await.unwrap_err();
        assert_eq!(failure.kind, "Streamdex.UnsupportedEvent");
        assert!(failure.message.contains("remove that trigger"), "{failure}");
    }
    assert!(domain.world().requests.is_empty());
}
