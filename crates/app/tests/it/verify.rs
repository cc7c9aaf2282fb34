//! `streamdex verify` from one end to the other: an index that is right, what it says once somebody
//! has been at it, and how it is mended.

use aws_sdk_dynamodb::types::{AttributeValue, StreamViewType};
use http::Method;
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    endurance::{start_worker, write_pipeline},
    program::{Program, eventually, run},
    table::{all, client, create_books},
};

const ANY: [&str; 7] =
    ["local", "--dynamodb", "127.0.0.1:0", "--opensearch", "127.0.0.1:0", "--api", "127.0.0.1:0"];
const BOOKS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_is_told_mended_and_then_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let local = Program::start(dir.path(), &ANY).await;
    let dynamodb = client(local.address("dynamodb"));
    create_books(&dynamodb, Some(StreamViewType::NewAndOldImages)).await;
    let file = write_pipeline(dir.path(), &local);
    let _worker = start_worker(dir.path(), &file).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    for n in 0..BOOKS {
        let put = dynamodb.put_item().table_name("books").item("author", text("a"));
        let put = put.item("bookTitle", text(&format!("t{n:02}")));
        let tags = AttributeValue::Ss(vec!["y".to_owned(), "x".to_owned()]);
        let put = put.item("price", AttributeValue::N(format!("{n}.50"))).item("tags", tags);
        put.send().await.unwrap();
    }
    let opensearch = Cluster::at(local.address("opensearch"));
    let wanted = all(&dynamodb).await;
    eventually("table and index are equal", async || {
        (opensearch.all("books").await == wanted).then_some(())
    })
    .await;

    let verify = |more: &[&str]| {
        let (code, printed, complained) =
            run(&[&["verify", &file, "--lag", "3s", "--json"], more].concat());
        let report: Value =
            serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}{complained}"));
        (code, report)
    };
    let counts = |report: &Value| {
        ["equal", "missing", "different", "orphaned", "repaired"]
            .map(|it| report[it].as_u64().unwrap())
    };
    let (code, report) = verify(&[]);
    assert_eq!((code, counts(&report)), (0, [60, 0, 0, 0, 0]), "{report}");

    // Somebody else deletes one, changes one and adds one.
    for (method, path, body) in [
        (Method::DELETE, "/books/_doc/a%7Ct01", Value::Null),
        (
            Method::PUT,
            "/books/_doc/a%7Ct02",
            json!({ "author": "a", "bookTitle": "t02", "price": 99, "tags": ["x", "y"] }),
        ),
        (Method::PUT, "/books/_doc/stray", json!({ "author": "a", "bookTitle": "stray" })),
    ] {
        let (status, why) = opensearch.ask(method, path, body).await;
        assert!(status < 300, "{why}");
    }
    let (code, report) = verify(&[]);
    assert_eq!((code, counts(&report)), (3, [58, 1, 1, 1, 0]), "{report}");
    let told = report["findings"].as_array().unwrap().iter().find(|it| it["kind"] == "different");
    let difference = json!([{ "path": "/price", "expected": "2.5", "found": "99" }]);
    let told = told.unwrap();
    assert_eq!((&told["id"], &told["differences"]), (&json!("a|t02"), &difference), "{report}");
    let (code, report) = verify(&["--repair", "--dry-run"]);
    assert_eq!((code, counts(&report)), (3, [58, 1, 1, 1, 0]), "{report}");
    let key = r#"{"bookTitle":{"S":"t02"},"author":{"S":"a"}}"#;
    assert_eq!(verify(&["--key", key]).0, 3);
    let other = r#"{"author":{"S":"a"},"bookTitle":{"S":"t03"}}"#;
    assert_eq!(verify(&["--key", other]).0, 0);

    let (code, report) = verify(&["--repair"]);
    assert_eq!((code, counts(&report)), (0, [58, 1, 1, 1, 3]), "{report}");
    let (code, report) = verify(&[]);
    assert_eq!((code, counts(&report)), (0, [60, 0, 0, 0, 0]), "{report}");
    assert_eq!(opensearch.all("books").await, wanted);

    // What was mended changes again as it did before.
    let update = dynamodb.put_item().table_name("books").item("author", text("a"));
    update.item("bookTitle", text("t02")).send().await.unwrap();
    eventually("the change is there", async || {
        let documents = opensearch.all("books").await;
        documents["a|t02"].get("price").is_none().then_some(())
    })
    .await;

    let (code, _, complained) = run(&["verify", &file, "--key", r#"{"id":{"S":"x"}}"#]);
    assert!(code == 2 && complained.contains("no table has keys"), "{complained}");
}
