use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, test_runner::TestCaseResult};
use wire::json::Cursor;

use super::{
    iterator::{EXPIRES_AFTER_MS, Position, ShardIterator},
    *,
};
use crate::dynamodb::{
    item::Item,
    key::{KeyAttribute, KeySchema, KeyType},
};

const HOUR_MS: u64 = 60 * 60 * 1000;

/// What can happen to a stream.
#[derive(Clone, Debug)]
enum Step {
    /// A change of the key with this hash.
    Write(u64),
    Split(usize),
    Roll(usize),
    RollAll,
    Wait(u64),
}

proptest! {
    /// Whatever happens to the shards: whoever reads parents before their children reads every record
    /// once, and those of one key in the order they were written.
    #[test]
    fn lineage_keeps_every_record_once_and_in_order(
        n_shards in 1..5usize, steps in prop::collection::vec(any_step(), 0..120),
    ) {
        check_lineage(n_shards, &steps)?;
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop_oneof![Just(0), Just(u64::MAX), any::<u64>()].prop_map(Step::Write),
        2 => (0..8usize).prop_map(Step::Split),
        1 => (0..8usize).prop_map(Step::Roll),
        1 => Just(Step::RollAll),
        1 => (0..HOUR_MS).prop_map(Step::Wait),
    ]
}

fn check_lineage(n_shards: usize, steps: &[Step]) -> TestCaseResult {
    let mut sequence = Sequence::default();
    let mut now_ms = 1_000_000;
    let view = ViewType::NewAndOldImages;
    let mut stream = Stream::open("label".to_owned(), view, n_shards, now_ms, &mut sequence);
    let mut written: BTreeMap<u64, Vec<Sequence>> = BTreeMap::new();
    for step in steps {
        let open = stream.open_shard_places();
        match step {
            Step::Write(hash) => {
                let record = record(sequence.advance(), now_ms);
                written.entry(*hash).or_default().push(record.sequence);
                stream.append(*hash, record);
            }
            Step::Split(n) if open.len() < OPEN_SHARDS_MAX => {
                stream.reshard(open[n % open.len()], Reshard::Split, now_ms, &mut sequence);
            }
            Step::Roll(n) => {
                stream.reshard(open[n % open.len()], Reshard::Roll, now_ms, &mut sequence);
            }
            Step::RollAll => {
                for at in open {
                    stream.reshard(at, Reshard::Roll, now_ms, &mut sequence);
                }
            }
            Step::Wait(ms) => {
                now_ms += ms;
                if stream.is_due(now_ms) {
                    stream.tick(now_ms, &mut sequence);
                }
            }
            Step::Split(_) => {}
        }
        check_open_shards_cover_all_hashes(&stream)?;
    }

    // Nothing is a day old, so nothing may be missing.
    prop_assume!(now_ms < 1_000_000 + KEEP_MS);
    let ids: BTreeSet<&str> = stream.shards.iter().map(|it| it.state.id.as_str()).collect();
    prop_assert_eq!(ids.len(), stream.shards.len(), "ids are different");
    let mut done = BTreeSet::new();
    let mut read = Vec::new();
    for shard in &stream.shards {
        prop_assert!((28..=65).contains(&shard.state.id.len()));
        prop_assert!(shard.state.parent.as_ref().is_none_or(|it| done.contains(it)));
        done.insert(shard.state.id.clone());
        for record in shard.log.from(Sequence(0)) {
            prop_assert!(shard.state.starting < record.sequence);
            prop_assert!(shard.state.ending.is_none_or(|ending| record.sequence < ending));
            read.push(record.sequence);
        }
    }
    let n_written: usize = written.values().map(Vec::len).sum();
    prop_assert_eq!(read.len(), n_written);
    for expected in written.values() {
        let of_key: Vec<Sequence> =
            read.iter().filter(|it| expected.contains(it)).copied().collect();
        prop_assert_eq!(&of_key, expected);
    }
    // And what is written down is what there is.
    let restored = Stream::restore(stream.state(), Some(stream.clone()));
    prop_assert_eq!(restored.state(), stream.state());
    Ok(())
}

fn check_open_shards_cover_all_hashes(stream: &Stream) -> TestCaseResult {
    let mut ranges: Vec<(u64, u64)> =
        stream.open_shard_places().iter().map(|at| stream.shards[*at].state.hashes).collect();
    ranges.sort_unstable();
    let mut next = Some(0);
    for (first, last) in ranges {
        prop_assert_eq!(Some(first), next);
        next = last.checked_add(1);
    }
    prop_assert_eq!(next, None);
    Ok(())
}

#[test]
fn a_shard_rolls_after_four_hours_and_is_forgotten_after_a_day() {
    let mut sequence = Sequence::default();
    let mut stream = Stream::open("label".to_owned(), ViewType::KeysOnly, 1, 0, &mut sequence);
    stream.append(7, record(sequence.advance(), 5));

    for (hours, ms, n_open, n_closed, n_records, when) in [
        (3, 59 * 60_000, 1, 0, 1, "not yet"),
        (4, 0, 1, 1, 1, "rolled"),
        (7, 0, 1, 1, 1, "the child is young"),
        (8, 0, 1, 2, 1, "the child is rolled"),
        (24, 4, 1, 3, 1, "the record has a millisecond left"),
        (24, 5, 1, 3, 0, "the record is forgotten"),
        (28, 0, 1, 2, 0, "the first shard is forgotten"),
        (60, 0, 1, 1, 0, "only what was closed late is left"),
    ] {
        let now_ms = hours * HOUR_MS + ms;
        stream.tick(now_ms, &mut sequence);
        let n_shards = stream.shards.len();
        let n_found: usize = stream.shards.iter().map(|it| it.log.iter().count()).sum();
        assert_eq!(stream.open_shard_places().len(), n_open, "{when}");
        assert_eq!(n_shards - n_open, n_closed, "{when}");
        assert_eq!(n_found, n_records, "{when}");
    }
}

#[test]
fn what_is_trimmed_is_remembered() {
    let mut log = Log::default();
    for n in 1..=5000 {
        log.push(record(Sequence(n), n));
    }
    let from = |log: &Log, n| log.from(Sequence(n)).next().map(|it| it.sequence.0);

    assert_eq!(log.trim(0), None);
    assert_eq!((from(&log, 0), from(&log, 1025), from(&log, 5001)), (Some(1), Some(1025), None));
    assert_eq!(log.trim(1500), Some(Sequence(1500)));
    assert_eq!((from(&log, 0), log.iter().count()), (Some(1501), 3500));
    assert_eq!(log.trim(9999), Some(Sequence(5000)));
    assert!(log.is_empty());
}

#[test]
fn iterators_and_numbers_come_back() {
    for position in [Position::Horizon, Position::At(Sequence(0)), Position::At(Sequence(u64::MAX))]
    {
        let iterator = ShardIterator {
            stream_arn: "arn:aws:dynamodb:us-east-1:000000000000:table/t|x/stream/l".to_owned(),
            shard_id: "shardId-00000001795362193985-b9073887".to_owned(),
            position,
            created_ms: 12,
        };
        assert_eq!(ShardIterator::parse(&iterator.to_string()), Some(iterator.clone()));
        assert!(!iterator.is_expired(12 + EXPIRES_AFTER_MS));
        assert!(iterator.is_expired(13 + EXPIRES_AFTER_MS));
    }
    for text in ["", "|", "a|1|", "a|2|aGVsbG8=", "a|1|%%", "a|1|aGVsbG8="] {
        assert_eq!(ShardIterator::parse(text), None, "{text}");
    }
    assert_eq!(Sequence(42).to_string(), "100000000000000000042");
    assert_eq!(Sequence::parse("100000000000000000042"), Some(Sequence(42)));
    for text in
        ["", "42", "200000000000000000042", "1000000000000000000420", "1x0000000000000000042"]
    {
        assert_eq!(Sequence::parse(text), None, "{text}");
    }
}

#[test]
fn a_record_shows_what_the_view_allows() {
    let record = Record {
        sequence: Sequence(3),
        created_ms: 1_700_000_000_999,
        old: Some(item("old")),
        new: Some(item("new")),
        by_ttl: false,
    };
    let shown = |record: &Record, view: ViewType| -> serde_json::Value {
        let mut out = Vec::new();
        record.write(view, "eu-west-1", &mut out);
        serde_json::from_slice(&out).unwrap()
    };
    for (view, new, old, size_bytes) in [
        (ViewType::KeysOnly, false, false, 3),
        (ViewType::NewImage, true, false, 3 + 7),
        (ViewType::OldImage, false, true, 3 + 7),
        (ViewType::NewAndOldImages, true, true, 3 + 7 + 7),
    ] {
        let json = shown(&record, view);
        let change = &json["dynamodb"];
        assert_eq!(json["eventName"], "MODIFY");
        assert_eq!(json["awsRegion"], "eu-west-1");
        assert_eq!(json["eventID"].as_str().map(str::len), Some(32));
        assert_eq!(json.get("userIdentity"), None);
        assert_eq!(change["Keys"], serde_json::json!({ "id": { "S": "k" } }));
        assert_eq!(change["ApproximateCreationDateTime"], 1_700_000_000);
        assert_eq!(change["SequenceNumber"], "100000000000000000003");
        assert_eq!(change["StreamViewType"], view.name());
        assert_eq!(change["SizeBytes"], size_bytes);
        assert_eq!(change.get("NewImage").is_some(), new, "{view:?}");
        assert_eq!(change.get("OldImage").is_some(), old, "{view:?}");
        assert_eq!(ViewType::of_name(view.name()), Some(view));
    }
    let removed = Record { new: None, by_ttl: true, ..record.clone() };
    let json = shown(&removed, ViewType::NewImage);
    assert_eq!(json["eventName"], "REMOVE");
    assert_eq!(json["userIdentity"]["PrincipalId"], "dynamodb.amazonaws.com");
    let inserted = Record { old: None, ..record };
    assert_eq!(shown(&inserted, ViewType::NewImage)["eventName"], "INSERT");
}

fn record(sequence: Sequence, created_ms: u64) -> Record {
    Record { sequence, created_ms, old: None, new: Some(item("v")), by_ttl: false }
}

fn item(value: &str) -> Item {
    let partition = KeyAttribute { name: "id".to_owned(), kind: KeyType::S };
    let json = format!(r#"{{"id":{{"S":"k"}},"v":{{"S":"{value}"}}}}"#);
    let canonical = wire::canonical::attributes(&mut Cursor::new(json.as_bytes())).unwrap();
    Item::new(&canonical, &KeySchema { partition, sort: None }).unwrap().1
}
