//! A table, its stream, and Lambda's event source mapping, with everything that goes wrong.
//!
//! The mapping is modelled as Lambda documents it: a batch is what has come when the window closes,
//! up to its size in records and bytes; one batch of a shard is under way, or one for each of several
//! groups of keys; the checkpoint moves to the lowest failed number; a batch that fails is sent again
//! after a while, halved if so configured, a bounded number of times and until its records are too
//! old, and then its place goes to the on-failure destination. Children of a shard are read when it
//! is at its end. The function is the real one, and so are its requests.
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
    second: u64,
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
    /// Lambda's is 6 MB.
    batch_bytes_max: usize,
    /// In seconds.
    window: u64,
    parallel: u64,
    bisects: bool,
    reports_items: bool,
    attempts_max: usize,
    /// In seconds; `None` keeps records as long as the stream does.
    age_max: Option<u64>,
}

/// What the on-failure destination was told: which shard's records were given up, from where to
/// where. The records are not in it.
#[derive(Clone, Copy, Debug)]
struct Message {
    first: u64,
    last: u64,
    n_records: usize,
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
        batch_bytes_max: if rng.bool() { 6 << 20 } else { 2_500 },
        window: if rng.bool() { 0 } else { rng.u64(1..=5) },
        parallel: rng.u64(1..=3),
        bisects: rng.bool(),
        reports_items: rng.u8(..) < 200,
        attempts_max: if rng.bool() { 2 } else { 30 },
        age_max: (rng.u8(..) < 80).then(|| rng.u64(20..200)),
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
    let mut destination = Vec::new();
    for family in 0..rng.u64(1..=2) {
        let mut second = 1_768_469_400;
        // A shard, and perhaps its child, which has the same items.
        for generation in 0..rng.u64(1..=2) {
            let first = family * 10_000 + generation * 1_000;
            let shard = shard_of(&mut rng, family, first, &mut second);
            for group in 0..mapping.parallel {
                let of_group = |it: &&Change| group_of(&it.key, mapping.parallel) == group;
                let queue: Vec<Change> = shard.iter().filter(of_group).cloned().collect();
                destination.extend(drain(&mut rng, &domain, &function, mapping, &queue).await);
            }
            changes.extend(shard);
        }
    }
    let given_up = given_up(seed, &changes, &destination, mapping.parallel);
    check(seed, mapping, &domain, &changes, &given_up);
}

/// The records that the destination was told of; read from the stream again, as one has to.
fn given_up(
    seed: u64,
    changes: &[Change],
    destination: &[Message],
    n_groups: u64,
) -> BTreeSet<u64> {
    let mut all = BTreeSet::new();
    for message in destination {
        let between = |it: &&Change| (message.first..=message.last).contains(&it.number);
        let group = changes.iter().find(between).map(|it| group_of(&it.key, n_groups));
        let same = |it: &&Change| Some(group_of(&it.key, n_groups)) == group;
        let found: Vec<u64> =
            changes.iter().filter(between).filter(same).map(|it| it.number).collect();
        assert_eq!(found.len(), message.n_records, "seed {seed}: {message:?}");
        all.extend(found);
    }
    all
}

/// A shard with a few items that change often. Every item is in one family of shards only.
fn shard_of(rng: &mut Rng, family: u64, first: u64, second: &mut u64) -> Vec<Change> {
    let change = |number: u64| {
        // Several changes in one second, and the clock never goes back.
        *second += u64::from(rng.u8(..) < 100);
        let key = format!("k{family}{}", rng.u64(0..5));
        let kind = rng.u8(..);
        let number = first + number + 1;
        let (value, is_poison, attribute) = match kind {
            0..50 => (None, false, Value::Null),
            50..70 => (None, true, json!({ "S": "many" })),
            70..80 => (None, true, json!({ "N": "many" })),
            _ => (Some(number), false, json!({ "N": number.to_string() })),
        };
        let record = record(number, *second, &key, "pages", &attribute);
        Change { number, second: *second, key, value, is_poison, record }
    };
    (0..RECORDS_MAX).map(change).collect()
}

fn group_of(key: &str, n_groups: u64) -> u64 {
    u64::from(*key.as_bytes().last().unwrap()) % n_groups
}

/// Sends a queue of records to the function until each is done with. Returns what the on-failure
/// destination was told.
async fn drain(
    rng: &mut Rng,
    domain: &Domain,
    function: &Function,
    mapping: Mapping,
    queue: &[Change],
) -> Vec<Message> {
    let mut destination = Vec::new();
    let give_up = |sent: &[Change]| Message {
        first: sent[0].number,
        last: sent[sent.len() - 1].number,
        n_records: sent.len(),
    };
    let mut now = queue.first().map_or(0, |it| it.second);
    let mut at = 0;
    let mut n_attempts = 0;
    let mut size = mapping.batch_size;
    while at < queue.len() {
        let waiting = &queue[at..];
        // The window begins with the first record that nobody has taken.
        now = now.max(waiting[0].second + mapping.window);
        let sent = &waiting[..cut(waiting, now, size, mapping.batch_bytes_max)];
        let n_too_old = mapping.age_max.map_or(0, |max| {
            // Nothing is too old before it was tried.
            let is_old = |it: &&Change| 0 < n_attempts && it.second + max < now;
            sent.iter().take_while(is_old).count()
        });
        if 0 < n_too_old {
            destination.push(give_up(&sent[..n_too_old]));
            (at, n_attempts, size) = (at + n_too_old, 0, mapping.batch_size);
            continue;
        }
        go_wrong(rng, domain);
        let done = invoke(function, sent, rng).await;
        if 0 < done {
            (at, n_attempts, size) = (at + done, 0, mapping.batch_size);
            continue;
        }
        n_attempts += 1;
        now += rng.u64(1..30);
        if mapping.bisects && 1 < sent.len() {
            // Halving does not count.
            size = sent.len() / 2;
            n_attempts -= 1;
        } else if mapping.attempts_max <= n_attempts {
            destination.push(give_up(sent));
            (at, n_attempts, size) = (at + sent.len(), 0, mapping.batch_size);
        }
    }
    destination
}

/// How many of the waiting records make a batch.
fn cut(waiting: &[Change], now: u64, size: usize, bytes_max: usize) -> usize {
    let mut n_bytes = 0;
    let fits = |it: &&Change| {
        n_bytes += it.record.to_string().len();
        it.second <= now && n_bytes <= bytes_max
    };
    waiting.iter().take(size).take_while(fits).count().max(1)
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
        let was_set_aside =
            |it: &Change| dead.contains(&it.number) || given_up.contains(&it.number);
        for (n, change) in history.iter().enumerate() {
            let is_missing = was_set_aside(change);
            if change.is_poison {
                // What a later change of the same batch replaces need not be tried.
                let is_replaced =
                    history[n + 1..].iter().any(|it| !it.is_poison && !was_set_aside(it));
                let number = change.number;
                assert!(is_missing || is_replaced, "seed {seed}: poison {number} was lost");
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
    let queued = world
        .queue
        .iter()
        .map(|it| serde_json::from_str::<Value>(it["MessageBody"].as_str().unwrap()).unwrap());
    let letters: Vec<Value> = queued.chain(world.bucket.values().cloned()).collect();
    let number = |letter: &Value| {
        let record: Value =
            serde_json::from_str(letter["failedData"]["record"].as_str().unwrap()).unwrap();
        record["dynamodb"]["SequenceNumber"].as_str().unwrap().parse().unwrap()
    };
    letters.iter().map(number).collect()
}
