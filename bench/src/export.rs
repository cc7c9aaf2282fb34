//! How fast a file of an export becomes the lines of a `_bulk` request, on one core, beside the least
//! that must be done: inflating it, and walking over its items once.

use std::{io::Write, sync::Arc, time::Duration};

use dynamodb::{ExportFormat, Gunzip, Rows};
use flate2::{Compression, Decompress, FlushDecompress, write::GzEncoder};
use opensearch::{Bulk, Config, Shape};
use pipeline::{Event, Settings, Table};
use serde_json::json;
use wire::{attribute::map_to_plain, json::Cursor};

use crate::convert::{SINK, cpu_time, mega, per_second};

const ITEMS: u64 = 20_000;
const ROUNDS: usize = 25;
/// As the source cuts them.
const PIECE_BYTES: usize = 1 << 20;
/// What gzip writes before the compressed data when it is told nothing else.
const HEADER_BYTES: usize = 10;

pub(crate) fn run() -> anyhow::Result<()> {
    let settings = Settings::from_yaml(SINK)?;
    let shape = Shape::new(&Config::read(&settings)?.0, &settings)?;
    let table = Table {
        name: "books".to_owned(),
        partition_key: "author".to_owned(),
        sort_key: Some("bookTitle".to_owned()),
    };
    let rows = Rows {
        table: Arc::new(table),
        read_ms: 1_764_000_000_000,
        format: ExportFormat::DynamodbJson,
    };
    let mut random = fastrand::Rng::with_seed(7);
    let mut text = Vec::new();
    for n in 0..ITEMS {
        text.extend(
            json!({ "Item": crate::records::item(&mut random, n) }).to_string().into_bytes(),
        );
        text.push(b'\n');
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&text)?;
    let file = encoder.finish()?;

    let (mut inflate, mut walk, mut events, mut all) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        // Alternately, so that all see the same noise.
        inflate.push(cpu_time(|| inflated(&file, text.len())).1);
        walk.push(cpu_time(|| walked(&text)).1);
        let (n, time) = cpu_time(|| read(&file, &rows, |_| Ok(())));
        anyhow::ensure!(n? == ITEMS, "not all items");
        events.push(time);
        let (n, time) = cpu_time(|| read(&file, &rows, |events| encoded(&shape, events)));
        anyhow::ensure!(n? == ITEMS, "not all items");
        all.push(time);
    }
    println!("## Export: a file to _bulk, one core, CPU time, {ITEMS} items");
    println!("file {:.1} MB, {:.1} MB inflated", mega(file.len()), mega(text.len()));
    let mut limit = Vec::new();
    for (a, b) in inflate.iter().zip(&walk) {
        limit.push(*a + *b);
    }
    let median = |name: &str, times: &mut Vec<Duration>| {
        times.sort();
        let (best, median) = (times[0], times[times.len() / 2]);
        println!(
            "{name:<30} best {:>8.0} items/s   median {:>8.0} items/s {:>6.0} MB/s of JSON",
            per_second(ITEMS, best),
            per_second(ITEMS, median),
            mega(text.len()) / median.as_secs_f64(),
        );
        (best, median)
    };
    median("inflate alone", &mut inflate);
    median("walk over the items alone", &mut walk);
    let limit = median("both: the limit", &mut limit);
    let events = median("file to events", &mut events);
    let all = median("file to _bulk", &mut all);
    let per_cent = |of: (Duration, Duration)| {
        let percent = |a: Duration, b: Duration| 100.0 * a.as_secs_f64() / b.as_secs_f64();
        (percent(limit.0, of.0), percent(limit.1, of.1))
    };
    for (name, of) in [("events", events), ("_bulk", all)] {
        let (best, median) = per_cent(of);
        println!("share of the limit, to {name:<7}: best {best:.0} %, median {median:.0} %");
    }
    println!();
    Ok(())
}

fn inflated(file: &[u8], n_bytes: usize) -> usize {
    let mut out = Vec::with_capacity(n_bytes + 64);
    let mut inflate = Decompress::new(false);
    let _ = inflate.decompress_vec(&file[HEADER_BYTES..], &mut out, FlushDecompress::None);
    out.len()
}

fn walked(text: &[u8]) -> usize {
    let mut out = Vec::with_capacity(text.len());
    let mut start = 0;
    while let Some(n) = memchr::memchr(b'\n', &text[start..]) {
        let mut cursor = Cursor::at(text, start + br#"{"Item":"#.len());
        let _ = map_to_plain(&mut cursor, &mut out);
        start += n + 1;
    }
    out.len()
}

/// As the source reads a file whose checksum is right.
fn read(
    file: &[u8],
    rows: &Rows,
    mut take: impl FnMut(&[Event]) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut gunzip = Gunzip::new(false);
    let (mut taken, mut n_items) = (0, 0);
    while taken < file.len() {
        taken += gunzip.feed(&file[taken..], PIECE_BYTES)?;
        if PIECE_BYTES <= gunzip.waiting() {
            let (events, n) = rows.of_lines(gunzip.lines()?);
            n_items += n;
            take(&events)?;
        }
    }
    let (events, n) = rows.of_lines(gunzip.finish()?);
    take(&events)?;
    Ok(n_items + n)
}

fn encoded(shape: &Shape, events: &[Event]) -> anyhow::Result<()> {
    let (mut next, mut rejected) = (0, Vec::new());
    while next < events.len() {
        Bulk::fill(shape, events, &mut next, 5 << 20, &mut rejected);
    }
    anyhow::ensure!(rejected.is_empty(), "not all");
    Ok(())
}
