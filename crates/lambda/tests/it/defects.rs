//! The defects of the usual handler, each a test: the number is that of the list they come from.
//!
//! 29 and 30 are about route tables and subnets: nothing here makes any.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    domain::{Canned, Domain, Fault, Recorded, event, failures, handle, json_event, metric},
    trigger::{batch, record},
};

fn text(value: &str) -> Value {
    json!({ "S": value })
}

fn canned(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Canned {
    let headers = headers.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    Canned { status, headers, body: body.to_vec(), ..Canned::default() }
}

/// Passes event `name` on, changed by `change`; the domain answers with `canned`.
async fn pass(
    name: &str,
    change: impl FnOnce(&mut Value),
    canned: Canned,
) -> (Value, Vec<Recorded>) {
    let domain = Domain::start().await;
    domain.world().canned = canned;
    let mut event = json_event(name);
    change(&mut event);
    let function = domain.function(&[("PROXY_MODE", "admin")]);
    let handled = handle(&function, event.to_string().into()).await.unwrap();
    (serde_json::from_str(&handled.answer).unwrap(), domain.passed_on())
}

/// Makes a request of event 40 one for `path`.
fn path(path: &'static str) -> impl FnOnce(&mut Value) {
    move |event| {
        event["path"] = json!(path);
        event["requestContext"]["path"] = json!(format!("/dev{path}"));
    }
}

#[tokio::test]
async fn defect_01_an_error_is_never_answered_as_success() {
    let domain = Domain::start().await;
    domain.world().faults.extend(std::iter::repeat_n(Fault::Status(403), 9));
    let function = domain.function(&[]);
    let failure = handle(&function, event("01")).await.unwrap_err();
    assert!(!failure.message.contains("statusCode"));
    for payload in ["{", "[]", "{\"Records\":[{}]}"] {
        assert!(handle(&function, payload.into()).await.is_err(), "{payload}");
    }
}

#[tokio::test]
async fn defect_02_no_type_is_sent() {
    let domain = Domain::start().await;
    handle(&domain.function(&[]), event("01")).await.unwrap();
    let sent = domain.world().requests[0].body.clone();
    assert!(!String::from_utf8_lossy(&sent).contains("_type\":\"_doc"));
    assert_eq!(domain.index("books").len(), 1);
}

#[tokio::test]
async fn defect_03_nobody_is_asked_which_product_it_is() {
    let domain = Domain::start().await;
    handle(&domain.function(&[]), event("01")).await.unwrap();
    assert_eq!(domain.world().requests.len(), 1, "one request, and it is the bulk");
}

#[tokio::test]
async fn defect_04_a_delete_of_what_is_not_there_is_no_failure() {
    let domain = Domain::start().await;
    let handled = handle(&domain.function(&[]), event("03")).await.unwrap();
    assert_eq!((failures(&handled).len(), metric(&handled.metrics, "Deleted")), (0, 1));
}

#[tokio::test]
async fn defect_05_one_bad_document_keeps_no_other_out() {
    let domain = Domain::start().await;
    let mut records: Vec<Value> =
        (0..120).map(|n| record(n, 7, &format!("a{n}"), "x", &text("y"))).collect();
    records[3] = record(3, 7, "bad", "pages", &text("many"));
    let handled = handle(&domain.function(&[]), batch(&records)).await.unwrap();
    assert_eq!(domain.index("books").len(), 119);
    assert_eq!(failures(&handled), ["000000000000000000003"]);
}

#[tokio::test]
async fn defect_06_an_id_is_made_of_any_keys() {
    let domain = Domain::start().await;
    let keys = [("ES_INDEX", "nk"), ("DB_HASH_KEY", "pk"), ("DB_SORT_KEY", "sk")];
    assert!(handle(&domain.function(&keys), event("07")).await.is_ok(), "numbers and binary");
    handle(&domain.function(&[]), event("12")).await.unwrap();
    assert_eq!(domain.index("books").len(), 6, "no collisions");
    handle(&domain.function(&[]), event("13")).await.unwrap();
    assert!(domain.index("books").keys().all(|it| it.len() <= 512));
    // A table without a sort key.
    let mut single = record(1, 7, "only", "x", &text("y"));
    single["dynamodb"]["Keys"].as_object_mut().unwrap().remove("bookTitle");
    handle(&domain.function(&[("DB_SORT_KEY", "")]), batch(&[single])).await.unwrap();
    assert!(domain.document("books", "only").is_some());
}

#[tokio::test]
async fn defect_07_a_removal_needs_only_its_keys() {
    let domain = Domain::start().await;
    let handled = handle(&domain.function(&[]), event("09")).await.unwrap();
    assert_eq!((failures(&handled).len(), domain.index("books").len()), (0, 0));
}

#[tokio::test]
async fn defect_08_what_is_late_does_not_overwrite_what_is_newer() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    let change = |n, second, value| batch(&[record(n, second, "a", "x", &text(value))]);
    handle(&function, change(2, 20, "new")).await.unwrap();
    let late = handle(&function, change(1, 10, "old")).await.unwrap();
    assert_eq!(domain.document("books", "a|t").unwrap()["x"], "new");
    assert_eq!((failures(&late).len(), metric(&late.metrics, "Superseded")), (0, 1));
    // A delete is not undone by what came before it, either.
    handle(&function, batch(&[record(3, 30, "a", "x", &Value::Null)])).await.unwrap();
    handle(&function, change(2, 20, "new")).await.unwrap();
    assert!(domain.document("books", "a|t").is_none());
}

#[tokio::test]
async fn defect_09_no_digit_is_lost() {
    let domain = Domain::start().await;
    let digits = "12345678901234567890123456789012345678";
    let records = [record(1, 7, "a", "x", &json!({ "N": digits }))];
    handle(&domain.function(&[]), batch(&records)).await.unwrap();
    assert!(domain.index("books")["a|t"].contains(&format!("\"x\":{digits}")));
}

#[tokio::test]
async fn defect_10_documents_are_plain_json_not_dynamodbs() {
    let domain = Domain::start().await;
    handle(&domain.function(&[]), event("02")).await.unwrap();
    let document = domain.document("books", "Dan Brown|The DaVinci code").unwrap();
    assert_eq!(document["subTitle"], "Volume-1");
}

#[tokio::test]
async fn defect_11_a_request_is_cut_by_its_size() {
    let domain = Domain::start().await;
    let records: Vec<Value> =
        (0..15).map(|n| record(n, 7, &format!("a{n}"), "x", &text(&"x".repeat(390_000)))).collect();
    handle(&domain.function(&[]), batch(&records)).await.unwrap();
    assert!(domain.world().requests.iter().all(|it| it.body.len() <= 5 << 20));
    assert_eq!(domain.n_bulks(), 2);
}

#[tokio::test]
async fn defect_12_a_batch_is_one_request_not_one_per_record() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    handle(&function, event("24")).await.unwrap();
    assert_eq!(domain.n_bulks(), 1);
}

#[tokio::test]
async fn defect_13_nobody_deletes_an_index_through_an_open_address() {
    let domain = Domain::start().await;
    let handled = handle(&domain.function(&[]), event("47")).await.unwrap();
    let answer: Value = serde_json::from_str(&handled.answer).unwrap();
    assert_eq!(answer["statusCode"], 403);
    // Nor by asking the console to.
    let mut inside = json_event("41");
    inside["path"] = json!("/_dashboards/api/console/proxy");
    inside["requestContext"]["path"] = json!("/dev/_dashboards/api/console/proxy");
    inside["multiValueQueryStringParameters"] = json!({ "path": ["books"], "method": ["DELETE"] });
    let handled = handle(&domain.function(&[]), inside.to_string().into()).await.unwrap();
    let answer: Value = serde_json::from_str(&handled.answer).unwrap();
    assert_eq!(answer["statusCode"], 403);
    assert!(answer["body"].as_str().unwrap().contains("needs `admin`"), "{answer}");
    assert!(domain.passed_on().is_empty());
}

#[tokio::test]
async fn defect_14_an_apostrophe_stays_one() {
    let body = br#"{"hits":[{"name":"O'Brien"}]}"#;
    let answer = canned(200, &[("content-type", "application/json")], body);
    let (answer, _) = pass("41", |_| {}, answer).await;
    assert_eq!(answer["body"].as_str().unwrap().as_bytes(), body);
}

#[tokio::test]
async fn defect_15_fonts_and_pictures_come_through_byte_by_byte() {
    let bytes: Vec<u8> = (0..=255).collect();
    let font = canned(200, &[("content-type", "font/woff2")], &bytes);
    let (answer, _) = pass("40", path("/_dashboards/ui/font.woff2"), font).await;
    assert_eq!(answer["isBase64Encoded"], true);
    assert_eq!(STANDARD.decode(answer["body"].as_str().unwrap()).unwrap(), bytes);
}

#[tokio::test]
async fn defect_16_data_that_looks_like_a_path_is_left_alone() {
    let body = br#"{"url":"/_dashboards/app"}"#;
    for at in ["/books/_search", "/_dashboards/api/saved_objects/_find"] {
        let answer = canned(200, &[("content-type", "application/json")], body);
        let (answer, _) = pass("40", path(at), answer).await;
        assert_eq!(answer["body"].as_str().unwrap().as_bytes(), body, "{at}");
    }
    let page = canned(200, &[("content-type", "text/html")], br#"<a href="/_dashboards/app">"#);
    let (answer, _) = pass("40", |_| {}, page).await;
    assert_eq!(answer["body"], r#"<a href="/dev/_dashboards/app">"#);
}

#[tokio::test]
async fn defect_17_a_header_is_known_in_any_case() {
    let (_, asked) = pass("41", |_| {}, canned(200, &[], b"{}")).await;
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn defect_18_doubles_are_kept_and_base64_is_decoded() {
    let (_, asked) = pass("42", |_| {}, canned(200, &[], b"{}")).await;
    assert_eq!(asked[0].target, "/_bulk?filter_path=items.%2A.error&filter_path=errors");
    assert!(asked[0].body.starts_with(br#"{"index":{"_index":"books""#));
    assert!(String::from_utf8_lossy(&asked[0].body).contains("café"));
}

#[tokio::test]
async fn defect_19_an_answer_without_a_type_is_passed_back() {
    for status in [204, 304] {
        let (answer, _) = pass("40", |_| {}, canned(status, &[], b"")).await;
        assert_eq!(
            (answer["statusCode"].as_u64(), answer["body"].as_str()),
            (Some(status.into()), Some(""))
        );
    }
}

#[tokio::test]
async fn defect_20_redirects_are_passed_back_and_cookies_stay_apart() {
    let headers = [
        ("location", "/_dashboards/app/home"),
        ("set-cookie", "a=1; Path=/_dashboards"),
        ("set-cookie", "b=2"),
    ];
    let (answer, asked) = pass("40", |_| {}, canned(302, &headers, b"")).await;
    assert_eq!((answer["statusCode"].as_u64(), asked.len()), (Some(302), 1), "nobody followed it");
    let headers = &answer["multiValueHeaders"];
    assert_eq!(headers["location"], json!(["/dev/_dashboards/app/home"]));
    assert_eq!(headers["set-cookie"], json!(["a=1; Path=/dev/_dashboards", "b=2"]));
    // The test console sends no headers at all.
    let (answer, _) = pass("48", |_| {}, canned(200, &[], b"")).await;
    assert_eq!(answer["statusCode"], 200);
}

// 21, logs without events, is tested with the program itself: `binary.rs`.

#[tokio::test]
async fn defect_22_who_waits_is_told_before_the_gateway_gives_up() {
    let domain = Domain::start().await;
    domain.world().canned =
        Canned { after: std::time::Duration::from_mins(1), ..canned(200, &[], b"") };
    let function = domain.function(&[]);
    let began = std::time::Instant::now();
    let context = crate::domain::context(std::time::Duration::from_secs(3));
    let handled = function.handle(event("40"), &context).await.unwrap();
    let answer: Value = serde_json::from_str(&handled.answer).unwrap();
    assert_eq!(answer["statusCode"], 504);
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["request_id"], context.request_id);
    assert!(began.elapsed() < std::time::Duration::from_secs(3));
}

#[tokio::test]
async fn defect_23_the_root_of_the_stage_is_a_path_too() {
    let (answer, asked) = pass("43", |_| {}, canned(200, &[], b"{}")).await;
    assert_eq!((answer["statusCode"].as_u64(), asked[0].target.as_str()), (Some(200), "/"));
}

#[tokio::test]
async fn defect_24_a_batch_is_as_large_as_it_comes() {
    let domain = Domain::start().await;
    let function = domain.function(&[]);
    for n_records in [0, 1, 7, 100] {
        let records: Vec<Value> =
            (0..n_records).map(|n| record(n, 7, &format!("a{n}"), "x", &text("y"))).collect();
        let handled = handle(&function, batch(&records)).await.unwrap();
        assert_eq!(metric(&handled.metrics, "Indexed"), i64::try_from(n_records).unwrap());
    }
}

#[test]
fn defect_25_no_language_runtime_is_needed_that_somebody_could_retire() {
    assert!(env!("CARGO_BIN_EXE_bootstrap").ends_with("bootstrap"));
}

#[tokio::test]
async fn defect_26_the_region_is_the_functions_own() {
    let domain = Domain::start().await;
    let more = [("AWS_REGION", "eu-central-1"), ("PROXY_MODE", "read")];
    handle(&domain.function(&more), event("01")).await.unwrap();
    handle(&domain.function(&more), event("40")).await.unwrap();
    for request in &domain.world().requests {
        let signature = request.header("authorization").unwrap();
        assert!(signature.contains("/eu-central-1/es/aws4_request"), "{signature}");
    }
}

/// An index that the function itself brings about, in an OpenSearch endpoint of ours.
async fn created_by_the_function() -> Value {
    let address = crate::cloud::opensearch().await;
    let file = format!(
        "books:\n  source:\n    dynamodb:\n      tables:\n        - table_arn: \
         arn:aws:dynamodb:us-east-1:111122223333:table/books\n      aws: {{ region: us-east-1 }}\n  \
         sink:\n    - opensearch:\n        hosts: [\"{address}\"]\n        index: books\n        \
         number_of_replicas: 0\n        document_id: ${{getMetadata(\"document_id\")}}\n        \
         action: ${{getMetadata(\"opensearch_action\")}}\n"
    );
    let domain = Domain::start().await;
    let function = domain.function_of(&file, &[("ES_INDEX", "")]).await.unwrap();
    handle(&function, event("01")).await.unwrap();
    let request =
        http::Request::get(format!("{address}/books")).body(axum::body::Bytes::new()).unwrap();
    let answer = aws::Http::plain().send(request, std::time::Duration::from_secs(10)).await;
    serde_json::from_slice(&answer.unwrap().body).unwrap()
}

#[tokio::test]
async fn defect_27_texts_can_be_sorted_and_counted_by() {
    let index = created_by_the_function().await;
    let author = &index["books"]["mappings"]["properties"]["author"];
    assert_eq!(author["fields"]["keyword"]["type"], "keyword", "{index}");
}

#[tokio::test]
async fn defect_28_one_node_holds_the_whole_index() {
    let index = created_by_the_function().await;
    assert_eq!(index["books"]["settings"]["index"]["number_of_replicas"], "0", "{index}");
}

#[tokio::test]
async fn defect_31_a_batch_takes_nothing_but_the_domain() {
    let domain = Domain::start().await;
    handle(&domain.function(&[("DLQ_URL", "s3://letters")]), event("24")).await.unwrap();
    let n_requests = domain.world().requests.len();
    assert_eq!((n_requests, domain.n_bulks()), (1, 1));
}
