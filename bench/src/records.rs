//! Items and stream records to measure with: about 1 KB of twelve attributes of every kind.

use fastrand::Rng;
use serde_json::{Value, json};

const WORDS: [&str; 16] = [
    "harbour", "silent", "quartz", "meadow", "lantern", "orbit", "copper", "violet", "engine",
    "paper", "river", "stone", "cloud", "amber", "winter", "signal",
];

fn text(random: &mut Rng, n_bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < n_bytes {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(WORDS[random.usize(..WORDS.len())]);
        // Escapes and letters beyond ASCII, as real texts have now and then.
        match random.u32(..60) {
            0 => text.push('\n'),
            1 => text.push_str(" \"so\""),
            2 => text.push_str(" é—日"),
            _ => {}
        }
    }
    text
}

/// The `n`-th item, in DynamoDB JSON.
pub(crate) fn item(random: &mut Rng, n: u64) -> Value {
    let mut number =
        |whole: u32, fraction: u32| format!("{}.{}", random.u32(..whole), random.u32(1..fraction));
    let (price, latitude, longitude) = (number(100, 99), number(90, 999_999), number(180, 999_999));
    json!({
        "author": { "S": format!("author-{n:06}") },
        "bookTitle": { "S": format!("title {} {n}", WORDS[random.usize(..WORDS.len())]) },
        "year": { "N": random.u32(1900..2025).to_string() },
        "price": { "N": price },
        "inStock": { "BOOL": random.bool() },
        "deletedAt": { "NULL": true },
        "tags": { "SS": [text(random, 6), "classic"] },
        "ratings": { "L": (0..5).map(|_| json!({ "N": random.u32(..50).to_string() })).collect::<Vec<_>>() },
        "publisher": { "M": {
            "name": { "S": text(random, 20) },
            "city": { "S": text(random, 10) },
            "geo": { "M": { "lat": { "N": latitude }, "lon": { "N": longitude } } },
        } },
        "cover": { "B": "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==" },
        "isbn": { "S": format!("978-{:010}", random.u64(..9_999_999_999)) },
        "summary": { "S": text(random, 480) },
    })
}

/// An answer of `GetRecords` with `n_records` changes: both images, one in ten a removal.
pub(crate) fn get_records(n_records: u64) -> Vec<u8> {
    get_records_from(0, n_records)
}

/// The same, beginning with the item `first`.
pub(crate) fn get_records_from(first: u64, n_records: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(7 + first);
    let records: Vec<Value> = (first..first + n_records)
        .map(|n| {
            let name = match random.u32(..10) {
                0..=1 => "INSERT",
                2..=8 => "MODIFY",
                _ => "REMOVE",
            };
            let image = item(&mut random, n);
            let mut change = json!({
                "ApproximateCreationDateTime": 1_764_000_000 + n / 100,
                "Keys": { "author": image["author"], "bookTitle": image["bookTitle"] },
                "SequenceNumber": format!("{:021}", 100_000_000_000 + n),
                "SizeBytes": 2048,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            });
            if name != "INSERT" {
                change["OldImage"] = item(&mut random, n);
            }
            if name != "REMOVE" {
                change["NewImage"] = image;
            }
            json!({
                "awsRegion": "us-east-1",
                "dynamodb": change,
                "eventID": format!("{:032x}", random.u128(..)),
                "eventName": name,
                "eventSource": "aws:dynamodb",
                "eventVersion": "1.1",
            })
        })
        .collect();
    json!({ "NextShardIterator": "AAAA", "Records": records }).to_string().into_bytes()
}
