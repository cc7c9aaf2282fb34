//! Point-in-time exports, as whoever reads their files sees them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    sync::Arc,
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use local::{clock::Clock, objects::MemoryObjects, s3::S3};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::{Client, Server, book, create_books, text};

const ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/books";

fn with_backups(client: &mut Client) {
    create_books(client);
    client.call(
        "UpdateContinuousBackups",
        &json!({ "TableName": "books", "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true } }),
    );
}

fn put(client: &mut Client, title: &str, n: u64) {
    let mut item = book("a", title);
    item["n"] = json!({ "N": n.to_string() });
    client.call("PutItem", &json!({ "TableName": "books", "Item": item }));
}

fn now_ms(client: &mut Client) -> u64 {
    client.local("GET", "/_local/clock", &Value::Null)["now_ms"].as_u64().unwrap()
}

fn advance(client: &mut Client, seconds: u64) {
    client.local("POST", "/_local/clock", &json!({ "advance_seconds": seconds }));
}

fn seconds(ms: u64) -> Value {
    json!(
        f64::from(u32::try_from(ms / 1000).unwrap())
            + f64::from(u32::try_from(ms % 1000).unwrap()) / 1000.0
    )
}

/// Starts an export and waits for its end.
fn export(client: &mut Client, more: &Value) -> Value {
    let mut request = json!({ "TableArn": ARN, "S3Bucket": "bucket" });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    let started = client.call("ExportTableToPointInTime", &request);
    assert_eq!(started["ExportDescription"]["ExportStatus"], "IN_PROGRESS");
    let arn = &started["ExportDescription"]["ExportArn"];
    for _ in 0..2000 {
        let described = client.call("DescribeExport", &json!({ "ExportArn": arn }));
        let description = described["ExportDescription"].clone();
        if description["ExportStatus"] != "IN_PROGRESS" {
            return description;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("it does not end");
}

/// The lines of all data files, after everything that manifests say was checked.
fn lines(objects: &MemoryObjects, description: &Value) -> Vec<String> {
    let objects = objects.objects("bucket");
    let summary_key = text(&description["ExportManifest"]);
    let folder = summary_key.strip_suffix("/manifest-summary.json").unwrap();
    let md5 = |bytes: &[u8]| STANDARD.encode(Md5::digest(bytes));
    for name in ["manifest-summary", "manifest-files"] {
        let checksum = &objects[&format!("{folder}/{name}.md5")];
        assert_eq!(md5(&objects[&format!("{folder}/{name}.json")]), *checksum);
    }
    assert!(objects[&format!("{folder}/_started")].is_empty());
    let summary: Value = serde_json::from_slice(&objects[&summary_key]).unwrap();
    assert_eq!(summary["exportArn"], description["ExportArn"]);
    assert_eq!(summary["itemCount"], description["ItemCount"]);
    assert_eq!(summary["manifestFilesS3Key"], format!("{folder}/manifest-files.json"));
    let list = &objects[&format!("{folder}/manifest-files.json")];
    let mut lines = Vec::new();
    for file in String::from_utf8(list.to_vec()).unwrap().lines() {
        let file: Value = serde_json::from_str(file).unwrap();
        let body = &objects[&text(&file["dataFileS3Key"])];
        assert_eq!(file["md5Checksum"], md5(body));
        let hash: [u8; 16] = Md5::digest(body).into();
        assert_eq!(file["etag"], format!("{:032x}", u128::from_be_bytes(hash)));
        let mut plain = String::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut plain).unwrap();
        assert_eq!(file["itemCount"], plain.lines().count());
        lines.extend(plain.lines().map(str::to_owned));
    }
    assert_eq!(summary["itemCount"], lines.len());
    lines
}

fn start() -> (Server, Arc<MemoryObjects>) {
    let server = Server::start(None);
    let objects = Arc::new(MemoryObjects::with_buckets(&["bucket"]));
    server.db.export_to(objects.clone());
    (server, objects)
}

/// What `{"Item":…}` lines say of each title.
fn numbers(lines: &[String]) -> BTreeMap<String, u64> {
    let items = lines.iter().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let item = &line["Item"];
        (text(&item["bookTitle"]["S"]), text(&item["n"]["N"]).parse().unwrap())
    });
    items.collect()
}

#[test]
fn an_export_shows_one_moment_while_writers_go_on() {
    let (server, objects) = start();
    let mut client = server.client();
    with_backups(&mut client);
    for n in 0..300 {
        put(&mut client, &format!("{n:03}"), 0);
    }
    // The next second, so that nothing that follows was in the one that is exported.
    advance(&mut client, 2);
    let at = now_ms(&mut client);
    advance(&mut client, 2);
    let seen = thread::scope(|scope| {
        let mut writer = server.client();
        scope.spawn(move || {
            for n in 0..600u64 {
                put(&mut writer, &format!("{:03}", n % 400), n + 1);
                if n % 7 == 0 {
                    let key = book("a", &format!("{:03}", n % 300));
                    writer.call("DeleteItem", &json!({ "TableName": "books", "Key": key }));
                }
            }
        });
        (0..4)
            .map(|_| {
                export(&mut client, &json!({ "ExportTime": seconds(at), "S3Prefix": "some/where" }))
            })
            .collect::<Vec<_>>()
    });
    for description in seen {
        assert_eq!(description["ExportStatus"], "COMPLETED", "{description}");
        let folder = text(&description["ExportManifest"]);
        assert!(folder.starts_with("some/where/AWSDynamoDB/"), "{folder}");
        let numbers = numbers(&lines(&objects, &description));
        assert_eq!(numbers.len(), 300);
        assert!(numbers.values().all(|it| *it == 0));
    }
    // Without a time it is now.
    let description = export(&mut client, &json!({}));
    let scanned = client.call("Scan", &json!({ "TableName": "books", "Select": "COUNT" }));
    assert_eq!(lines(&objects, &description).len(), scanned["Count"]);
    let listed = client.call("ListExports", &json!({ "TableArn": ARN, "MaxResults": 3 }));
    assert_eq!(listed["ExportSummaries"].as_array().unwrap().len(), 3);
    let rest =
        client.call("ListExports", &json!({ "TableArn": ARN, "NextToken": listed["NextToken"] }));
    assert_eq!(rest["ExportSummaries"].as_array().unwrap().len(), 2);
    assert_eq!(rest["ExportSummaries"][0]["ExportType"], "FULL_EXPORT");
}

#[test]
fn an_incremental_export_shows_what_has_changed() {
    let (server, objects) = start();
    let mut client = server.client();
    with_backups(&mut client);
    put(&mut client, "stays", 1);
    put(&mut client, "changes", 1);
    put(&mut client, "goes", 1);
    advance(&mut client, 10);
    let from = now_ms(&mut client);
    advance(&mut client, 10);
    put(&mut client, "changes", 2);
    put(&mut client, "comes", 1);
    put(&mut client, "changes", 3);
    client.call("DeleteItem", &json!({ "TableName": "books", "Key": book("a", "goes") }));
    advance(&mut client, 1000);
    let to = now_ms(&mut client);
    advance(&mut client, 10);
    put(&mut client, "changes", 4);

    let specification = |view: &str| json!({ "ExportFromTime": seconds(from), "ExportToTime": seconds(to), "ExportViewType": view });
    let description = export(
        &mut client,
        &json!({ "ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": specification("NEW_AND_OLD_IMAGES") }),
    );
    assert_eq!(description["ExportStatus"], "COMPLETED", "{description}");
    assert_eq!(
        description["IncrementalExportSpecification"]["ExportViewType"],
        "NEW_AND_OLD_IMAGES"
    );
    let mut seen = BTreeSet::new();
    for line in lines(&objects, &description) {
        let line: Value = serde_json::from_str(&line).unwrap();
        assert!(line["Metadata"]["WriteTimestampMicros"]["N"].is_string());
        let n = |image: &str| line[image]["n"]["N"].as_str().unwrap_or("-").to_owned();
        seen.insert(format!(
            "{} {} {}",
            text(&line["Keys"]["bookTitle"]["S"]),
            n("OldImage"),
            n("NewImage")
        ));
    }
    let expected = ["changes 1 3", "comes - 1", "goes 1 -"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    // Data files of changes share a folder.
    let keys = objects.objects("bucket");
    assert!(keys.keys().any(|it| it.starts_with("AWSDynamoDB/data/") && it.ends_with(".json.gz")));

    let ion = export(
        &mut client,
        &json!({ "ExportType": "INCREMENTAL_EXPORT", "ExportFormat": "ION", "IncrementalExportSpecification": specification("NEW_IMAGE") }),
    );
    let ion = lines(&objects, &ion);
    assert_eq!(ion.len(), 3);
    assert!(ion.iter().all(|it| it.starts_with("$ion_1_0 {Record:{") && !it.contains("OldImage")));
}

#[test]
fn many_items_make_several_files_and_none_make_a_manifest() {
    let (server, objects) = start();
    let mut client = server.client();
    with_backups(&mut client);
    let description = export(&mut client, &json!({ "ExportFormat": "ION" }));
    assert_eq!(description["ItemCount"], 0);
    assert!(lines(&objects, &description).is_empty());
    // 80 items of 390 KB are 32 MB: more than one file.
    let long = "x".repeat(390_000);
    for n in 0..90 {
        let mut item = book("a", &format!("{n:03}"));
        item["n"] = json!({ "N": n.to_string() });
        item["long"] = json!({ "S": long });
        client.call("PutItem", &json!({ "TableName": "books", "Item": item }));
    }
    let description = export(&mut client, &json!({}));
    let numbers = numbers(&lines(&objects, &description));
    assert_eq!(numbers.len(), 90);
    let id = text(&description["ExportArn"]).rsplit('/').next().unwrap().to_owned();
    let keys = objects.objects("bucket");
    let n_files =
        keys.keys().filter(|it| it.starts_with(&format!("AWSDynamoDB/{id}/data/"))).count();
    assert_eq!(n_files, 2);
    assert!(35_000_000 < description["BilledSizeBytes"].as_u64().unwrap());
}

#[test]
fn exports_that_cannot_be_are_refused_or_fail() {
    let (server, _) = start();
    let mut client = server.client();
    create_books(&mut client);
    let call = |more: Value| {
        let mut request = json!({ "TableArn": ARN, "S3Bucket": "bucket" });
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        request
    };
    let error =
        |client: &mut Client, more: Value| client.error("ExportTableToPointInTime", &call(more));
    assert_eq!(error(&mut client, json!({})), "PointInTimeRecoveryUnavailableException");
    let on = |is_on: bool| json!({ "TableName": "books", "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": is_on } });
    client.call("UpdateContinuousBackups", &on(true));
    let now = now_ms(&mut client);
    for (more, expected) in [
        (json!({ "ExportTime": seconds(now + 60_000) }), "InvalidExportTimeException"),
        (json!({ "ExportTime": seconds(now - 60_000) }), "InvalidExportTimeException"),
        (json!({ "ExportType": "INCREMENTAL_EXPORT" }), "ValidationException"),
        (json!({ "ExportFormat": "CSV" }), "ValidationException"),
        (
            json!({ "ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": { "ExportFromTime": seconds(now), "ExportToTime": seconds(now + 1) } }),
            "ValidationException",
        ),
        (
            json!({ "TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/none" }),
            "TableNotFoundException",
        ),
    ] {
        assert_eq!(error(&mut client, more.clone()), expected, "{more}");
    }
    let failed = export(&mut client, &json!({ "S3Bucket": "none", "ClientToken": "token" }));
    assert_eq!(failed["ExportStatus"], "FAILED");
    assert_eq!(failed["FailureCode"], "S3NoSuchBucket");
    assert_eq!(failed["FailureMessage"], "The specified bucket does not exist");
    let again = client.call(
        "ExportTableToPointInTime",
        &call(json!({ "S3Bucket": "none", "ClientToken": "token" })),
    );
    assert_eq!(again["ExportDescription"], failed, "the same token is the same export");
    assert_eq!(error(&mut client, json!({ "ClientToken": "token" })), "ExportConflictException");
    assert_eq!(
        client.error("DescribeExport", &json!({ "ExportArn": format!("{ARN}/export/none") })),
        "ExportNotFoundException"
    );

    // A day is what can be turned back, and no more is promised.
    advance(&mut client, 2 * 86_400);
    let backups = client.call("DescribeContinuousBackups", &json!({ "TableName": "books" }));
    let point = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    let span = point["LatestRestorableDateTime"].as_f64().unwrap()
        - point["EarliestRestorableDateTime"].as_f64().unwrap();
    assert!((span - 86_400.0).abs() < 1.0, "{span}");
    client.call("UpdateContinuousBackups", &on(false));
    assert_eq!(error(&mut client, json!({})), "PointInTimeRecoveryUnavailableException");
}

#[test]
fn backups_and_exports_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Some(dir.path()));
    let objects = Arc::new(MemoryObjects::with_buckets(&["bucket"]));
    server.db.export_to(objects.clone());
    let mut client = server.client();
    with_backups(&mut client);
    put(&mut client, "a", 1);
    thread::sleep(Duration::from_millis(20));
    let at = now_ms(&mut client);
    thread::sleep(Duration::from_millis(20));
    put(&mut client, "a", 2);
    put(&mut client, "b", 2);
    let before = export(&mut client, &json!({}));
    drop(server);

    let server = Server::start(Some(dir.path()));
    server.db.export_to(objects.clone());
    let mut client = server.client();
    let after = client.call("DescribeExport", &json!({ "ExportArn": before["ExportArn"] }));
    assert_eq!(after["ExportDescription"], before);
    let then = export(&mut client, &json!({ "ExportTime": seconds(at) }));
    assert_eq!(then["ExportStatus"], "COMPLETED", "{then}");
    assert_eq!(numbers(&lines(&objects, &then)), [("a".to_owned(), 1)].into());
}

/// Into the endpoint beside it, as a person finds it in the folder; and what is Ion there is what it
/// would be as JSON.
#[test]
fn an_export_lands_in_the_s3_endpoint() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = S3::open(dir.path(), Clock::default()).unwrap();
    s3.create_bucket("bucket").unwrap();
    let server = Server::start(None);
    server.db.export_to(Arc::new(s3.clone()));
    let mut client = server.client();
    with_backups(&mut client);
    let mut item = book("a", "b");
    item["many"] = json!({ "L": [
        { "N": "-1.5" }, { "N": "1E+30" }, { "N": "0.000001" }, { "B": "AAE=" }, { "NS": ["1", "2"] }, { "SS": ["a'b"] },
        { "BS": ["AA=="] }, { "NULL": true }, { "BOOL": false }, { "M": { "a b": { "S": "\"\n\u{1}é" }, "null": { "N": "7" } } },
    ] });
    client.call("PutItem", &json!({ "TableName": "books", "Item": item }));
    let stored = client.call("Scan", &json!({ "TableName": "books" }))["Items"][0].clone();
    for format in ["DYNAMODB_JSON", "ION"] {
        let description = export(&mut client, &json!({ "ExportFormat": format }));
        assert_eq!(description["ExportStatus"], "COMPLETED", "{description}");
        let id = text(&description["ExportArn"]).rsplit('/').next().unwrap().to_owned();
        let folder = format!("AWSDynamoDB/{id}");
        let keys = s3.list_keys("bucket", &folder, 100).unwrap();
        assert_eq!(keys.len(), 6, "{keys:?}");
        let list = s3.get_object("bucket", &format!("{folder}/manifest-files.json")).unwrap();
        let file: Value = serde_json::from_slice(&list).unwrap();
        let path = dir.path().join("bucket").join(text(&file["dataFileS3Key"]));
        let mut line = Vec::new();
        let body = std::fs::read(path).unwrap();
        flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut line).unwrap();
        if format == "ION" {
            let ion = std::mem::take(&mut line);
            wire::ion::line_to_dynamodb_json(&ion, &mut line).unwrap();
        }
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["Item"], stored, "{format}");
    }
}
