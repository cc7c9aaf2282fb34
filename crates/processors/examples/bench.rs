//! How many records a second one core takes through eight usual processors.
//!
//! `cargo run --release -p processors --example bench`. Time is that of the thread on its core, so
//! other load on the machine does not matter much. Each record is about 1 KB of DynamoDB JSON.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a terminal")]

use std::{fs, hint::black_box};

use bytes::Bytes;
use pipeline::{Document, Event, Flow, Processor, Settings};

const N_ROUNDS: usize = 5;
const N_RECORDS: usize = 100_000;

const PIPELINE: [(&str, &str); 8] = [
    ("rename_keys", "{entries: [{from_key: PK, to_key: id}, {from_key: SK, to_key: sort}]}"),
    ("delete_entries", "{with_keys: [GSI1PK, GSI1SK, address/street]}"),
    ("convert_type", "{key: price, type: double}"),
    ("date", "{match: [{key: created, patterns: [epoch_second]}], destination: created_at}"),
    ("add_entries", "{entries: [{key: search, format: '${name} ${category}'}]}"),
    ("drop_events", "{drop_when: '/kind == \"heartbeat\" or /price > 100000'}"),
    ("lowercase_string", "{with_keys: [email]}"),
    ("parse_json", "{source: attributes, destination: attributes}"),
];

fn main() {
    let processors: Vec<Box<dyn Processor>> = PIPELINE
        .iter()
        .map(|(name, settings)| {
            let settings = Settings::from_yaml(settings).unwrap();
            (processors::find(name).unwrap().build)(&settings).unwrap()
        })
        .collect();
    let item = Bytes::from(item());
    println!("record: {} bytes; best of {N_ROUNDS} rounds of {N_RECORDS}", item.len());

    let open = best(|| {
        let mut event = event(&item);
        event.open().unwrap();
        event
    });
    report("opened only", open);
    let processed = best(|| run(&processors, event(&item)));
    report("opened and processed", processed);
    let mut out = Vec::new();
    let written = best(|| {
        out.clear();
        let event = run(&processors, event(&item));
        event.write_document(&mut out).unwrap();
        event
    });
    report("opened, processed and written", written);
    for (name, settings) in PIPELINE {
        let processor =
            (processors::find(name).unwrap().build)(&Settings::from_yaml(settings).unwrap());
        let processor = [processor.unwrap()];
        let alone = best(|| run(&processor, event(&item)));
        println!("  {name}: {:.2} µs beyond opening", (alone - open) / 1e3);
    }
}

fn run(processors: &[Box<dyn Processor>], mut event: Event) -> Event {
    for processor in processors {
        let flow = processor.process(&mut event).unwrap();
        assert_eq!(flow, Flow::Keep);
    }
    event
}

fn event(item: &Bytes) -> Event {
    Event { document: Document::Item(item.clone()), ..Event::default() }
}

/// Nanoseconds of this thread for each record, in the best round.
fn best<T>(mut act: impl FnMut() -> T) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..N_ROUNDS {
        let start = thread_nanos();
        for _ in 0..N_RECORDS {
            black_box(act());
        }
        let nanos = thread_nanos() - start;
        #[expect(clippy::cast_precision_loss, reason = "it is a measurement")]
        let each = nanos as f64 / N_RECORDS as f64;
        best = best.min(each);
    }
    best
}

fn report(what: &str, nanos: f64) {
    println!("{what}: {:.2} µs, {:.0} records/s per core", nanos / 1e3, 1e9 / nanos);
}

/// How long this thread has been on a core, as Linux counts it.
fn thread_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn item() -> String {
    let text = "The quick brown fox jumps over the lazy dog, again and again. ".repeat(7);
    format!(
        r#"{{"PK":{{"S":"PRODUCT#0042"}},"SK":{{"S":"META#2025"}},"GSI1PK":{{"S":"CATEGORY#7"}},"GSI1SK":{{"S":"0042"}},
"name":{{"S":"Wireless Keyboard"}},"category":{{"S":"Electronics"}},"kind":{{"S":"product"}},"email":{{"S":"Ada.Lovelace@Example.COM"}},
"price":{{"N":"49.99"}},"stock":{{"N":"1207"}},"created":{{"N":"1749096182"}},"active":{{"BOOL":true}},
"tags":{{"SS":["keyboard","wireless","usb"]}},
"address":{{"M":{{"street":{{"S":"1 Main Street"}},"city":{{"S":"London"}},"zip":{{"S":"E1 6AN"}}}}}},
"attributes":{{"S":"{{\"color\":\"black\",\"weight\":0.45,\"ports\":[\"usb-c\",\"bt\"]}}"}},
"description":{{"S":"{text}"}}}}"#
    )
}
