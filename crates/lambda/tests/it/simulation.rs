//! A table, its stream, and Lambda's event source mapping, with everything that goes wrong.
//!
//! The mapping is modelled as Lambda documents it: one batch of a shard under way, or one for each of
//! several groups of keys; the checkpoint moves to the lowest failed number; a batch that fails is
//! sent again, halved if so configured, a bounded number of times, and then its place goes to the
//! on-failure destination. The function is the real one, and so are its requests.
//!
//! Everything random comes from one seed. A failure prints it; `run(seed)` replays it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fastrand::Rng;
use futures::future::join_all;
use lambda::Function;
use serde_json::{Value, json};

use crate::{
    domain::{Domain, Fault, context},
    trigger::{batch, record},
};

/// How many worlds a test run goes through.
const WORLDS: u64 = 48;
/// How many of them at the same time. They wait more than they work.
const AT_A_TIME: u64 = 8;
/// How many records a shard has.
const RECORDS_MAX: u64 = 40;

/// A change of the table, and what the function is sent of it.
#[derive(Clone, Debug)]
struct Change {
    number: u64,
    key: String,
    /// What the item is after it; `None` if it is gone. Poison is no document.
    value: Option<u64>,
    is_poison: bool,
    record: Value,
}

/// What the event source mapping is set to.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    batch_size: usize,
    parallel: u64,
    bisects: bool,
    reports_items: bool,
    attempts_max: usize,
}

#[tokio::test]
async fn the_index_is_the_table_or_the_record_is_a_dead_letter() {
    for first in (0..WORLDS).step_by(AT_A_TIME.try_into().unwrap()) {
        join_all((first..first + AT_A_TIME).map(run)).await;
    }
}

/// One history, from one seed.
async fn run(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let domain = Domain::start().await;
    let mapping = Mapping {
        batch_size: rng.usize(1..=12),
        parallel: rng.u64(1..=3),
        bisects: rng.bool(),
        reports_items: rng.u8(..) < 200,
        attempts_max: if rng.bool() { 2 } else { 30 },
    };
    let reports = if mapping.reports_items { "true" } else { "false" };
    let mut more = vec![("PARTIAL_BATCH_RESPONSE", reports)];
    let has_letters = rng.u8(..) < 200;
    if has_letters {
        let place = ["s3://letters", "http://127.0.0.1/1/dead"][rng.usize(..2)];
        more.push(("DLQ_URL", place));
    }
    let function = domain.function(&more);

    let mut changes = Vec::new();
    let mut given_up = BTreeSet::new();
    for shard in 0..rng.u64(1..=2) {
        let shard = shard_of(&mut rng, shard);
        for group in 0..mapping.parallel {
            let of_group = |it: &&Change| group_of(&it.key, mapping.parallel) == group;
            let queue: Vec<Change> = shard.iter().filter(of_group).cloned().collect();
            given_up.extend(drain(&mut rng, &domain, &function, mapping, &queue).await);
        }
        changes.extend(shard);
    }
    check(seed, mapping, &domain, &changes, &given_up);
}

/// A shard with a few items that change often. Every item is in one shard only.
fn shard_of(rng: &mut Rng, shard: u64) -> Vec<Change> {
    let mut second = 1_768_469_400;
    let change = |number: u64| {
        // Several changes in one second, and the clock never goes back.
        second += u64::from(rng.u8(..) < 100);
        let key = format!("k{shard}{}", rng.u64(0..5));
        let kind = rng.u8(..);
        let number = shard * 1_000 + number + 1;
        let (value, is_poison, attribute) = match kind {
            0..50 => (None, false, Value::Null),
            50..70 => (None, true, json!({ "S": "many" })),
            70..80 => (None, true, json!({ "N": "many" })),
            _ => (Some(number), false, json!({ "N": number.to_string() })),
        };
        let record = record(number, second, &key, "pages", &attribute);
        Change { number, key, value, is_poison, record }
    };
    (0..RECORDS_MAX).map(change).collect()
}

fn group_of(key: &str, n_groups: u64) -> u64 {
    u64::from(*key.as_bytes().last().unwrap()) % n_groups
}

/// Sends a queue of records to the function until each is done with. Returns the numbers of those
/// that were given up: their place is at the on-failure destination.
async fn drain(
    rng: &mut Rng,
    domain: &Domain,
    function: &Function,
    mapping: Mapping,
    queue: &[Change],
) -> BTreeSet<u64> {
    let mut given_up = BTreeSet::new();
    let mut at = 0;
    let mut n_attempts = 0;
    let mut size = mapping.batch_size;
    while at < queue.len() {
        let sent = &queue[at..queue.len().min(at + size)];
        go_wrong(rng, domain);
        let done = invoke(function, sent, rng).await;
        if 0 < done {
            at += done;
            n_attempts = 0;
            size = mapping.batch_size;
            continue;
        }
        n_attempts += 1;
        if mapping.bisects && 1 < sent.len() {
            // Halving does not count.
            size = sent.len() / 2;
            n_attempts -= 1;
        } else if mapping.attempts_max <= n_attempts {
            given_up.extend(sent.iter().map(|it| it.number));
            at += sent.len();
            n_attempts = 0;
            size = mapping.batch_size;
        }
    }
    given_up
}

/// Makes the next few requests fail.
fn go_wrong(rng: &mut Rng, domain: &Domain) {
    let mut world = domain.world();
    world.faults.clear();
    while rng.u8(..) < 90 {
        let fault = match rng.u8(..8) {
            0 => Fault::Status(429),
            1 => Fault::Status(503),
            2 | 3 => Fault::Unheard,
            4 => Fault::SomeBusy,
            5 => Fault::Items(429),
            6 => Fault::Status(403),
            _ => Fault::Stuck,
        };
        world.faults.push_back(fault);
    }
    world.queue_is_down = rng.u8(..) < 40;
    world.bucket_is_down = rng.u8(..) < 40;
    world.bytes_max = (rng.u8(..) < 40).then_some(600);
}

/// How many records from the first on are done with, as Lambda reads the answer.
async fn invoke(function: &Function, sent: &[Change], rng: &mut Rng) -> usize {
    let records: Vec<Value> = sent.iter().map(|it| it.record.clone()).collect();
    let left = Duration::from_millis(rng.u64(150..600));
    let Ok(handled) = function.handle(batch(&records), &context(left)).await else { return 0 };
    let answer: Value = serde_json::from_str(&handled.answer).unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap();
    let numbers = failures.iter().map(|it| it["itemIdentifier"].as_str().unwrap());
    let lowest = numbers.map(|it| it.parse::<u64>().unwrap()).min();
    lowest.map_or(sent.len(), |lowest| {
        sent.iter().position(|it| it.number == lowest).expect("a number of this batch")
    })
}

/// Table state is index state, or the record is in the dead letters.
fn check(
    seed: u64,
    mapping: Mapping,
    domain: &Domain,
    changes: &[Change],
    given_up: &BTreeSet<u64>,
) {
    let dead = dead_letters(domain);
    let mut items: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        items.entry(&change.key).or_default().push(change);
    }
    for (key, history) in items {
        // What the item may be: its last change that is not known to be missing, or one after it
        // that was given up although it had been written.
        let mut allowed = BTreeSet::from([None]);
        for change in history {
            let is_missing = dead.contains(&change.number) || given_up.contains(&change.number);
            if change.is_poison {
                assert!(is_missing, "seed {seed}: poison {} was lost", change.number);
                continue;
            }
            if !is_missing {
                allowed.clear();
            }
            allowed.insert(change.value);
        }
        let document = domain.document("books", &format!("{key}|t"));
        let found = document.map(|it| it["pages"].as_u64().unwrap());
        assert!(
            allowed.contains(&found),
            "seed {seed}, {mapping:?}: {key} is {found:?} in the index, but must be one of {allowed:?}"
        );
    }
}

/// The numbers of all records that dead letters hold.
fn dead_letters(domain: &Domain) -> BTreeSet<u64> {
    let world = domain.world();
    let queued = world.queue.iter().map(|it| {
        serde_json::from_str::<Value>(it["MessageBody"].as_str().unwrap()).unwrap()
    });
    let letters: Vec<Value> = queued.chain(world.bucket.values().cloned()).collect();
    let number = |letter: &Value| {
        let record: Value = serde_json::from_str(letter["record"].as_str().unwrap()).unwrap();
        record["dynamodb"]["SequenceNumber"].as_str().unwrap().parse().unwrap()
    };
    letters.iter().map(number).collect()
}
