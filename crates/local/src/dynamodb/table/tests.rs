use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::TestCaseResult};
use wire::{attribute_value::AttributeValue, json::Cursor};

use super::*;
use crate::dynamodb::{
    key::{KeyAttribute, KeySchema, KeyType},
    table::description::Throughput,
};

const HOUR_MS: u64 = 60 * 60 * 1000;

#[test]
fn only_what_changes_something_is_recorded() {
    let mut table = table();
    table.enable_stream(ViewType::NewAndOldImages, 0);
    for (change, recorded, when) in [
        (delete("a"), None, "nothing to delete"),
        (put("a", "1"), Some("INSERT"), "new"),
        (put("a", "1"), None, "the same again"),
        (put("a", "2"), Some("MODIFY"), "another"),
        (delete("a"), Some("REMOVE"), "gone"),
        (delete("a"), None, "gone already"),
    ] {
        let before = names(&table).len();
        let outcome = table.apply(change, 1, &mut IndexUnits::new());
        let names = names(&table);
        assert_eq!(outcome != Outcome::Same, recorded.is_some(), "{when}");
        assert_eq!(names.get(before).copied(), recorded, "{when}");
    }
}

#[test]
fn a_stream_that_is_switched_off_stays_for_a_day() {
    let mut table = table();
    table.enable_stream(ViewType::KeysOnly, 0);
    table.apply(put("a", "1"), 1, &mut IndexUnits::new());
    assert!(table.disable_stream(HOUR_MS) && !table.disable_stream(HOUR_MS));
    table.apply(put("b", "1"), HOUR_MS, &mut IndexUnits::new());
    table.enable_stream(ViewType::NewImage, HOUR_MS);
    table.apply(put("c", "1"), HOUR_MS, &mut IndexUnits::new());

    let labels: Vec<&str> = table.streams.iter().map(|it| it.label.as_str()).collect();
    assert_eq!(labels, ["1970-01-01T00:00:00.000", "1970-01-01T01:00:00.000"]);
    assert_eq!(names(&table).len(), 2, "what happened in between is in neither");
    // On again in the same millisecond: a label is never used twice.
    table.disable_stream(HOUR_MS);
    table.enable_stream(ViewType::NewImage, HOUR_MS);
    assert_eq!(table.streams[2].label, "1970-01-01T01:00:00.001");

    assert!(table.tick(25 * HOUR_MS));
    assert_eq!(table.streams.len(), 1);
    assert!(table.enabled_stream().is_some());
}

#[test]
fn time_does_not_go_back_within_a_stream() {
    let mut table = table();
    table.enable_stream(ViewType::NewImage, 0);
    table.apply(put("a", "1"), 10, &mut IndexUnits::new());
    table.apply(put("a", "2"), 5, &mut IndexUnits::new());
    let shards = table.streams[0].shards.iter();
    let times: Vec<u64> = shards.flat_map(|it| it.log.iter()).map(|it| it.created_ms).collect();
    assert_eq!(times, [10, 10]);
}

#[test]
fn a_deleted_table_is_empty_and_its_stream_ends() {
    let mut table = table();
    table.enable_stream(ViewType::NewImage, 0);
    table.apply(put("a", "1"), 1, &mut IndexUnits::new());
    table.delete(2);
    assert_eq!((table.items.len(), table.items.size_bytes()), (0, 0));
    assert_eq!(names(&table), ["INSERT"], "deleting a table removes no items one by one");
    assert!(table.enabled_stream().is_none());
}

proptest! {
    /// Items and their number, size and ranges are those of a plain map; a picture taken earlier stays
    /// as it was.
    #[test]
    fn items_are_those_of_a_plain_map(
        changes in prop::collection::vec((0..40u8, prop::option::of(0..3u8)), 0..200), picture_at in 0..200usize,
    ) {
        check_items_are_those_of_a_plain_map(&changes, picture_at)?;
    }
}

fn check_items_are_those_of_a_plain_map(
    changes: &[(u8, Option<u8>)],
    picture_at: usize,
) -> TestCaseResult {
    let mut table = table();
    let mut plain = BTreeMap::new();
    let mut pictures = None;
    for (at, (key, value)) in changes.iter().enumerate() {
        if at == picture_at {
            pictures = Some((table.clone(), plain.clone()));
        }
        let name = format!("key-{key}");
        let change = match value {
            Some(value) => put(&name, &"x".repeat(usize::from(*value))),
            None => delete(&name),
        };
        match &change.new {
            Some(item) => plain.insert(change.key.clone(), item.clone()),
            None => plain.remove(&change.key),
        };
        table.apply(change, 0, &mut IndexUnits::new());
    }
    for (table, plain) in [Some((table, plain)), pictures].into_iter().flatten() {
        prop_assert_eq!(table.items.len(), plain.len());
        prop_assert_eq!(
            table.items.size_bytes(),
            plain.values().map(Item::size_bytes).sum::<usize>()
        );
        prop_assert!(table.items.iter().eq(plain.iter()));
        if let (Some(first), Some(last)) = (plain.keys().nth(1), plain.keys().nth_back(1))
            && first <= last
        {
            use std::ops::Bound::{Excluded, Included};
            let range = (Included(first.clone()), Excluded(last.clone()));
            prop_assert!(table.items.range(range.clone()).eq(plain.range(range.clone())));
            prop_assert!(table.items.range(range.clone()).rev().eq(plain.range(range).rev()));
            let backwards = (Excluded(last.clone()), Included(first.clone()));
            prop_assert_eq!(table.items.range(backwards).count(), 0);
        }
    }
    Ok(())
}

fn names(table: &Table) -> Vec<&'static str> {
    let shards = table.streams.iter().flat_map(|it| &it.shards);
    let mut records: Vec<&Record> = shards.flat_map(|it| it.log.iter()).collect();
    records.sort_by_key(|it| it.sequence);
    let name = |record: &Record| match (&record.old, &record.new) {
        (None, _) => "INSERT",
        (Some(_), Some(_)) => "MODIFY",
        (Some(_), None) => "REMOVE",
    };
    records.into_iter().map(name).collect()
}

fn schema() -> KeySchema {
    let partition = KeyAttribute { name: "id".to_owned(), kind: KeyType::S };
    KeySchema { partition, sort: None }
}

fn put(id: &str, value: &str) -> Change {
    let json = format!(r#"{{"id":{{"S":"{id}"}},"v":{{"S":"{value}"}}}}"#);
    let canonical = wire::canonical::attributes(&mut Cursor::new(json.as_bytes())).unwrap();
    let (key, item) = Item::new(&canonical, &schema()).unwrap();
    Change { key, new: Some(item), by_ttl: false }
}

fn delete(id: &str) -> Change {
    let value = AttributeValue::S(id.to_owned());
    let Bound::Included(key) = schema().range(&value, None).unwrap().0 else {
        panic!("a partition has a beginning");
    };
    Change { key, new: None, by_ttl: false }
}

fn table() -> Table {
    Table::new(Description {
        name: "books".to_owned(),
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
        uuid: String::new(),
        created_ms: 0,
        schema: schema(),
        throughput: Throughput::OnDemand { since_ms: 0 },
        is_protected: false,
        class: None,
        encryption: None,
        tags: BTreeMap::new(),
        ttl: None,
        backed_up_since_ms: None,
        recovery_period_days: 35,
        n_shards: 3,
        deleted_ms: None,
    })
}
