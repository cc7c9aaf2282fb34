use std::{fs, path::Path};

use proptest::{prelude::*, test_runner::TestCaseResult};
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    dynamodb::{
        DynamoDb, OpenError, endpoint::Endpoint, operations, request::Caller, store::codec,
    },
};

/// What can happen to an endpoint.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    Batch(u8),
    /// In both tables, or in none.
    Transact(u8, u8),
    Backups(bool),
    Expire(bool),
    Index(bool),
    Roll,
    SwitchStream,
    Create(u8),
    DeleteTable(u8),
    Compact,
    Reopen,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever has happened, compaction and restarts in between: what is read from disk is what was
    /// there, items and stream records alike.
    #[test]
    fn what_is_reopened_is_what_was_there(steps in prop::collection::vec(any_step(), 1..60)) {
        check_what_is_reopened_is_what_was_there(&steps)?;
    }

    /// Killed at any byte of the journal, an endpoint has every request that was answered before, and
    /// no half of another.
    #[test]
    fn a_crash_costs_nothing_that_was_answered(
        steps in prop::collection::vec(any_step(), 1..40), cut in any::<prop::sample::Index>(),
    ) {
        check_a_crash_costs_nothing_that_was_answered(&steps, cut)?;
    }

    /// No bytes at all make reading a record panic.
    #[test]
    fn any_bytes_are_a_record_or_none(kind in prop::sample::select(b"DWIRMKX".to_vec()), bytes in any::<Vec<u8>>()) {
        let _ = codec::read(&[vec![kind], bytes].concat());
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..12u8, 0..4u8).prop_map(|(key, value)| Step::Put(key, value)),
        4 => (0..12u8).prop_map(Step::Delete),
        3 => any::<u8>().prop_map(Step::Batch),
        3 => (0..12u8, 0..4u8).prop_map(|(key, value)| Step::Transact(key, value)),
        1 => any::<bool>().prop_map(Step::Backups),
        1 => any::<bool>().prop_map(Step::Expire),
        1 => any::<bool>().prop_map(Step::Index),
        1 => Just(Step::Roll),
        1 => Just(Step::SwitchStream),
        1 => (0..2u8).prop_map(Step::Create),
        1 => (0..2u8).prop_map(Step::DeleteTable),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

fn check_what_is_reopened_is_what_was_there(steps: &[Step]) -> TestCaseResult {
    let dir = tempfile::tempdir().unwrap();
    let mut db = open(dir.path());
    perform(&db, &Step::Create(0), 0);
    for (at, step) in steps.iter().enumerate() {
        if matches!(step, Step::Reopen) {
            let before = picture(&db);
            drop(db);
            db = open(dir.path());
            prop_assert_eq!(picture(&db), before);
        }
        perform(&db, step, at);
    }
    let before = picture(&db);
    drop(db);
    prop_assert_eq!(picture(&open(dir.path())), before);
    Ok(())
}

fn check_a_crash_costs_nothing_that_was_answered(
    steps: &[Step],
    cut: prop::sample::Index,
) -> TestCaseResult {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let path = dir.path().join("journal-00000001.log");
    // How long the journal was when a request had been answered, and what there was then.
    let mut history = vec![(0, picture(&db))];
    let steps = steps.iter().filter(|it| !matches!(it, Step::Compact | Step::Reopen));
    for (at, step) in [Step::Create(0)].iter().chain(steps).enumerate() {
        perform(&db, step, at);
        history.push((fs::metadata(&path).unwrap().len(), picture(&db)));
    }
    let bytes = fs::read(&path).unwrap();
    let cut = cut.index(bytes.len() + 1);

    let crashed = tempfile::tempdir().unwrap();
    fs::write(crashed.path().join("journal-00000001.log"), &bytes[..cut]).unwrap();
    let answered = history.iter().rev().find(|(n_bytes, _)| *n_bytes <= cut as u64);
    prop_assert_eq!(&picture(&open(crashed.path())), &answered.unwrap().1);
    Ok(())
}

#[test]
fn damage_costs_what_it_touches_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    perform(&db, &Step::Create(0), 0);
    for key in 0..100 {
        perform(&db, &Step::Put(key, 1), 0);
    }
    perform(&db, &Step::Compact, 0);
    for key in 100..200 {
        perform(&db, &Step::Put(key, 2), 0);
    }
    drop(db);
    let path = dir.path().join("journal-00000002.log");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    fs::write(&path, bytes).unwrap();

    let db = open(dir.path());
    let items = picture(&db)["tables"][0]["items"].as_array().unwrap().len();
    assert_eq!(items, 199);
    perform(&db, &Step::Put(250, 1), 0);
    assert_eq!(picture(&db)["tables"][0]["items"].as_array().unwrap().len(), 200);
}

#[test]
fn a_directory_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let second = DynamoDb::open(Some(dir.path()), Clock::default());
    assert!(matches!(second, Err(OpenError::InUse(_))));
    drop(db);
    open(dir.path());

    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = DynamoDb::open(Some(&file), Clock::default()).unwrap_err();
    assert!(error.to_string().contains("make it writable, or choose another directory"), "{error}");
}

#[test]
fn compaction_keeps_what_is_shared_in_one_piece() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    perform(&db, &Step::Create(0), 0);
    for value in 0..4 {
        perform(&db, &Step::Put(7, value), 0);
    }
    perform(&db, &Step::Compact, 0);
    drop(db);
    let db = open(dir.path());
    let tables = db.endpoint.tables();
    let table = tables.live.values().next().unwrap().read();
    let records: Vec<_> =
        table.streams[0].shards.iter().flat_map(|it| it.log.iter().cloned()).collect();
    assert_eq!(records.len(), 4);
    let address =
        |item: &Option<crate::dynamodb::item::Item>| item.as_ref().map(|it| it.as_bytes().as_ptr());
    for pair in records.windows(2) {
        assert_eq!(address(&pair[0].new), address(&pair[1].old));
    }
    let item = table.items.iter().next().map(|(_, item)| item.clone());
    assert_eq!(address(&records[3].new), address(&item));
}

/// Between the new journal and the pictures: what is written then is in both, or only in the journal.
#[test]
fn what_comes_between_journal_and_pictures_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    perform(&db, &Step::Create(0), 0);
    perform(&db, &Step::Put(1, 1), 0);
    let store = db.endpoint.store.as_ref().unwrap();
    store
        .compact(|| {
            let cells = db.endpoint.tables().live.values().cloned().collect();
            perform(&db, &Step::Put(1, 2), 0);
            perform(&db, &Step::Put(2, 2), 0);
            perform(&db, &Step::Delete(2), 0);
            perform(&db, &Step::Create(1), 0);
            cells
        })
        .unwrap();
    let before = picture(&db);
    drop(db);
    assert_eq!(picture(&open(dir.path())), before);
}

#[test]
fn compaction_loses_nothing_that_is_written_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    perform(&db, &Step::Create(0), 0);
    std::thread::scope(|scope| {
        for writer in 0..3u8 {
            let db = db.clone();
            scope.spawn(move || {
                for n in 0..600u16 {
                    let value = u8::try_from(n / 7 % 256).unwrap();
                    perform(&db, &Step::Put(writer * 80 + u8::try_from(n % 80).unwrap(), value), 0);
                    if n % 5 == 0 {
                        perform(&db, &Step::Delete(writer), 0);
                    }
                }
            });
        }
        for _ in 0..8 {
            db.endpoint.compact();
        }
    });
    let before = picture(&db);
    drop(db);
    fs::write(dir.path().join("table-00000001.000000000001.unfinished"), "half").unwrap();
    assert_eq!(picture(&open(dir.path())), before);
    let names: Vec<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 3, "one journal, one snapshot, the lock: {names:?}");
}

#[test]
fn tokens_survive_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    perform(&db, &Step::Create(0), 0);
    let add = json!({
        "ClientRequestToken": "token",
        "TransactItems": [{ "Update": {
            "TableName": "table-0", "Key": { "id": { "S": "x" } }, "UpdateExpression": "ADD n :n",
            "ExpressionAttributeValues": { ":n": { "N": "1" } },
        } }],
    });
    call(&db, "TransactWriteItems", &add).unwrap();
    let mut db = db;
    for _ in 0..2 {
        perform(&db, &Step::Compact, 0);
        drop(db);
        db = open(dir.path());
        call(&db, "TransactWriteItems", &add).unwrap();
        let items = picture(&db)["tables"][0]["items"].clone();
        assert!(items[0].as_str().unwrap().contains(r#""n":{"N":"1"}"#), "{items}");
    }
}

fn open(dir: &Path) -> DynamoDb {
    DynamoDb::open(Some(dir), Clock::default()).unwrap()
}

fn perform(db: &DynamoDb, step: &Step, at: usize) {
    let item = |key: u8, value: u8| json!({ "id": { "S": format!("key-{key}") }, "v": { "N": value.to_string() }, "until": { "N": "9223372036854774" } });
    match step {
        Step::Put(key, value) => {
            call(db, "PutItem", &json!({ "TableName": "table-0", "Item": item(*key, *value) }));
        }
        Step::Delete(key) => {
            let key = json!({ "id": { "S": format!("key-{key}") } });
            call(db, "DeleteItem", &json!({ "TableName": "table-0", "Key": key }));
        }
        Step::Batch(seed) => {
            let writes: Vec<Value> = (0..5)
                .map(|n| json!({ "PutRequest": { "Item": item(seed.wrapping_add(n), n) } }))
                .collect();
            call(db, "BatchWriteItem", &json!({ "RequestItems": { "table-0": writes } }));
        }
        Step::Transact(key, value) => {
            let put =
                |table: &str| json!({ "Put": { "TableName": table, "Item": item(*key, *value) } });
            let parts = json!([put("table-0"), put("table-1")]);
            call(db, "TransactWriteItems", &json!({ "TransactItems": parts }));
        }
        Step::Backups(is_on) => {
            let wanted = json!({ "PointInTimeRecoveryEnabled": is_on });
            call(
                db,
                "UpdateContinuousBackups",
                &json!({ "TableName": "table-0", "PointInTimeRecoverySpecification": wanted }),
            );
        }
        Step::Expire(is_on) => {
            let wanted = json!({ "Enabled": is_on, "AttributeName": "until" });
            call(
                db,
                "UpdateTimeToLive",
                &json!({ "TableName": "table-0", "TimeToLiveSpecification": wanted }),
            );
        }
        Step::Index(comes) => index(db, *comes),
        Step::Roll => {
            let cell = db.endpoint.tables().live.values().next().cloned();
            let Some(cell) = cell else { return };
            let _ = db.endpoint.write(&cell, |writing| {
                let now_ms = writing.now_ms;
                writing.alter(|table| {
                    let sequence = &mut table.sequence;
                    if let Some(stream) = table.streams.last_mut().filter(|it| it.is_enabled()) {
                        let places = stream.open_shard_places();
                        let how = crate::dynamodb::stream::Reshard::Roll;
                        stream.reshard(places[at % places.len()], how, now_ms, sequence);
                    }
                });
                Ok(())
            });
        }
        Step::SwitchStream => {
            let off = json!({ "TableName": "table-0", "StreamSpecification": { "StreamEnabled": false } });
            if call(db, "UpdateTable", &off).is_none() {
                call(
                    db,
                    "UpdateTable",
                    &json!({ "TableName": "table-0", "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" } }),
                );
            }
        }
        Step::Create(n) => {
            call(
                db,
                "CreateTable",
                &json!({
                    "TableName": format!("table-{n}"),
                    "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
                    "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
                    "BillingMode": "PAY_PER_REQUEST",
                    "StreamSpecification": { "StreamEnabled": *n == 0, "StreamViewType": if *n == 0 { json!("NEW_AND_OLD_IMAGES") } else { Value::Null } },
                }),
            );
        }
        Step::DeleteTable(n) => {
            call(db, "DeleteTable", &json!({ "TableName": format!("table-{n}") }));
        }
        Step::Compact => db.endpoint.compact(),
        Step::Reopen => {}
    }
    db.endpoint.settle().unwrap();
}

/// Has an index come or go.
fn index(db: &DynamoDb, comes: bool) {
    let update = if comes {
        json!({ "Create": {
            "IndexName": "by-v", "KeySchema": [{ "AttributeName": "v", "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "KEYS_ONLY" },
        } })
    } else {
        json!({ "Delete": { "IndexName": "by-v" } })
    };
    call(
        db,
        "UpdateTable",
        &json!({
            "TableName": "table-0", "GlobalSecondaryIndexUpdates": [update],
            "AttributeDefinitions": [{ "AttributeName": "v", "AttributeType": "N" }],
        }),
    );
    // What a thread does, so that pictures are of the end of it.
    let cells: Vec<_> = db.endpoint.tables().live.values().cloned().collect();
    for cell in cells {
        Endpoint::fill(&cell);
    }
}

fn call(db: &DynamoDb, operation: &str, body: &Value) -> Option<Value> {
    let operation = operations::named("DynamoDB_20120810", operation).unwrap();
    let caller = Caller::of(&http::HeaderMap::new()).unwrap();
    let answer = operation(&db.endpoint, &caller, body.to_string().as_bytes()).ok()?;
    Some(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer).unwrap() })
}

/// Everything that can be seen of an endpoint.
fn picture(db: &DynamoDb) -> Value {
    let tables = db.endpoint.tables();
    let shown = |cell: &std::sync::Arc<crate::dynamodb::endpoint::Cell>| {
        let table = cell.read();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let items: Vec<String> = table.items.iter().map(|(_, item)| text(item.json())).collect();
        let streams: Vec<Value> = table
            .streams
            .iter()
            .map(|stream| {
                let records: Vec<Vec<String>> = stream
                    .shards
                    .iter()
                    .map(|shard| {
                        let shown = |record: &crate::dynamodb::stream::record::Record| {
                            let mut out = Vec::new();
                            record.write(stream.view_type, "r", &mut out);
                            text(&out)
                        };
                        shard.log.iter().map(shown).collect()
                    })
                    .collect();
                json!({ "state": stream.state(), "records": records })
            })
            .collect();
        let shown = |log: &crate::dynamodb::stream::log::Log| -> Vec<String> {
            let shown = |record: &crate::dynamodb::stream::record::Record| {
                let mut out = Vec::new();
                record.write(crate::dynamodb::stream::ViewType::NewAndOldImages, "r", &mut out);
                text(&out)
            };
            log.iter().map(shown).collect()
        };
        let indexes: Vec<Value> = table
            .indexes
            .iter()
            .map(|index| {
                let entries: Vec<String> =
                    index.entries.iter().map(|(_, item)| text(item.json())).collect();
                json!({ "name": index.description.name, "entries": entries })
            })
            .collect();
        json!({
            "history": shown(&table.history), "indexes": indexes,
            "expires": table.expiries.as_ref().map(|it| it.due(u64::MAX / 2, 100)).map(|it| it.len()),
            "id": cell.id, "items": items, "streams": streams, "size": table.items.size_bytes(),
            "description": table.state().description,
        })
    };
    json!({
        "tables": tables.live.values().map(shown).collect::<Vec<_>>(),
        "deleted": tables.deleted.iter().map(shown).collect::<Vec<_>>(),
    })
}
