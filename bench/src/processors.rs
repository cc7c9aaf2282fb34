//! How fast records of 1 KB go through eight usual processors, on one core: an answer of `GetRecords`
//! becomes events, the events are processed, and the lines of a `_bulk` request written.

use std::sync::Arc;

use bytes::Bytes;
use dynamodb::{Conversion, Versions, ViewOnRemove, convert};
use fastrand::Rng;
use opensearch::{Bulk, Config, Shape};
use pipeline::{Event, Flow, Processor, Settings, Table};
use serde_json::json;

use crate::convert::{cpu_time, mega, per_second};

const RECORDS: u64 = 1_000;
const ROUNDS: usize = 100;

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

const SINK: &str = r#"
hosts: ["http://localhost:9200"]
index: products
document_id: '${getMetadata("primary_key")}'
action: '${getMetadata("opensearch_action")}'
document_version: '${getMetadata("document_version")}'
document_version_type: external
"#;

pub(crate) fn run() -> anyhow::Result<()> {
    let settings = Settings::from_yaml(SINK)?;
    let shape = Shape::new(&Config::read(&settings)?.0, &settings)?;
    let table = Table {
        name: "products".to_owned(),
        partition_key: "PK".to_owned(),
        sort_key: Some("SK".to_owned()),
    };
    let (table, view_on_remove) = (Arc::new(table), ViewOnRemove::NewImage);
    let conversion = Conversion { table, view_on_remove, not_before_ms: 0 };
    let body = Bytes::from(get_records());
    let mut all = Vec::new();
    for (name, settings) in PIPELINE {
        let found = processors::find(name).ok_or_else(|| anyhow::anyhow!("no {name}"))?;
        all.push((found.build)(&Settings::from_yaml(settings)?)?);
    }

    let whole_path = |processors: &[Box<dyn Processor>]| -> anyhow::Result<usize> {
        let mut page = convert(&body, &conversion, &mut Versions::default())?;
        for event in &mut page.events {
            process(processors, event)?;
        }
        let (mut next, mut rejected) = (0, Vec::new());
        let bulk = Bulk::fill(&shape, &page.events, &mut next, usize::MAX, &mut rejected);
        anyhow::ensure!(rejected.is_empty() && bulk.items.len() as u64 == RECORDS, "not all");
        Ok(bulk.body.len())
    };
    let opened_only = || -> anyhow::Result<usize> {
        let mut page = convert(&body, &conversion, &mut Versions::default())?;
        for event in &mut page.events {
            event.open()?;
        }
        Ok(page.events.len())
    };
    println!("## Processors: bytes to _bulk through eight of them, one core, CPU time");
    println!("page of {RECORDS} records, {:.3} MB", mega(body.len()));
    measure("none", || whole_path(&[]))?;
    measure("none, but opened", opened_only)?;
    measure("all eight", || whole_path(&all))?;
    for (n, (name, _)) in PIPELINE.iter().enumerate() {
        measure(&format!("only {name}"), || whole_path(&all[n..=n]))?;
    }
    println!();
    Ok(())
}

fn process(processors: &[Box<dyn Processor>], event: &mut Event) -> anyhow::Result<()> {
    for processor in processors {
        let flow = processor.process(event)?;
        anyhow::ensure!(flow == Flow::Keep, "an event did not go on");
    }
    Ok(())
}

fn measure(what: &str, work: impl Fn() -> anyhow::Result<usize>) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let (worked, time) = cpu_time(&work);
        worked?;
        times.push(time);
    }
    times.sort();
    let (best, median) = (times[0], times[times.len() / 2]);
    println!(
        "{what:<24} best {:>9.0} records/s   median {:>9.0} records/s",
        per_second(RECORDS, best),
        per_second(RECORDS, median),
    );
    Ok(())
}

/// An answer of `GetRecords` with new images of about 1 KB of DynamoDB JSON.
fn get_records() -> Vec<u8> {
    let mut random = Rng::with_seed(7);
    let text = "The quick brown fox jumps over the lazy dog, again and again. ".repeat(6);
    let record = |n: u64| {
        let key = json!({
            "PK": { "S": format!("PRODUCT#{n:06}") },
            "SK": { "S": format!("META#{}", 2000 + n % 25) },
        });
        let price = format!("{}.{:02}", random.u32(1..1000), random.u32(1..100));
        let attributes = r#"{"color":"black","weight":0.45,"ports":["usb-c","bt"]}"#;
        let image = json!({
            "PK": key["PK"], "SK": key["SK"],
            "GSI1PK": { "S": format!("CATEGORY#{}", n % 9) }, "GSI1SK": { "S": format!("{n:06}") },
            "name": { "S": "Wireless Keyboard" }, "category": { "S": "Electronics" },
            "kind": { "S": "product" }, "email": { "S": "Ada.Lovelace@Example.COM" },
            "price": { "N": price }, "stock": { "N": random.u32(..5000).to_string() },
            "created": { "N": (1_749_096_182 + n).to_string() }, "active": { "BOOL": true },
            "tags": { "SS": ["keyboard", "wireless", "usb"] },
            "address": { "M": { "street": { "S": "1 Main Street" }, "city": { "S": "London" },
                "zip": { "S": "E1 6AN" } } },
            "attributes": { "S": attributes },
            "description": { "S": text },
        });
        json!({
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_764_000_000 + n / 100,
                "Keys": key,
                "NewImage": image,
                "SequenceNumber": format!("{:021}", 100_000_000_000 + n),
                "SizeBytes": 1024,
                "StreamViewType": "NEW_IMAGE",
            },
            "eventID": format!("{:032x}", random.u128(..)),
            "eventName": "MODIFY",
            "eventSource": "aws:dynamodb",
            "eventVersion": "1.1",
        })
    };
    let records: Vec<_> = (0..RECORDS).map(record).collect();
    json!({ "NextShardIterator": "AAAA", "Records": records }).to_string().into_bytes()
}
