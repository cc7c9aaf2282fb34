//! How fast an answer of `GetRecords` becomes the lines of a `_bulk` request, on one core, beside
//! the time it takes only to find where its values end.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use dynamodb::{Conversion, Versions, ViewOnRemove, convert};
use opensearch::{Bulk, Config, Shape};
use pipeline::{Settings, Table};
use rustix::time::{ClockId, clock_gettime};
use wire::json::Cursor;

const RECORDS: u64 = 1_000;
const ROUNDS: usize = 400;

pub(crate) const SINK: &str = r#"
hosts: ["http://localhost:9200"]
index: books
document_id: '${getMetadata("primary_key")}'
action: '${getMetadata("opensearch_action")}'
document_version: '${getMetadata("document_version")}'
document_version_type: external
"#;

pub(crate) fn run() -> anyhow::Result<()> {
    let settings = Settings::from_yaml(SINK)?;
    let shape = Shape::new(&Config::read(&settings)?.0, &settings)?;
    let table = Table {
        name: "books".to_owned(),
        partition_key: "author".to_owned(),
        sort_key: Some("bookTitle".to_owned()),
    };
    let (table, view_on_remove) = (Arc::new(table), ViewOnRemove::NewImage);
    let conversion = Conversion { table, view_on_remove, not_before_ms: 0 };
    let body = Bytes::from(crate::records::get_records(RECORDS));

    // Alternately, so that both see the same noise.
    let (mut skip, mut all) = (Vec::new(), Vec::new());
    let mut n_bytes = 0;
    for _ in 0..ROUNDS {
        skip.push(cpu_time(|| Cursor::new(&body).skip().map(<[u8]>::len)).1);
        let (written, time) = cpu_time(|| -> anyhow::Result<usize> {
            let page = convert(&body, &conversion, &mut Versions::default())?;
            let (mut next, mut rejected) = (0, Vec::new());
            let bulk = Bulk::fill(&shape, &page.events, &mut next, usize::MAX, &mut rejected);
            anyhow::ensure!(rejected.is_empty() && bulk.items.len() as u64 == RECORDS, "not all");
            Ok(bulk.body.len())
        });
        n_bytes = written?;
        all.push(time);
    }
    println!("## Conversion: GetRecords to _bulk, one core, CPU time, {RECORDS} records a page");
    println!("page {:.3} MB, request {:.3} MB", mega(body.len()), mega(n_bytes));
    for (name, times) in [("skip the page (floor)", &mut skip), ("convert and encode", &mut all)] {
        times.sort();
        let (best, median) = (times[0], times[times.len() / 2]);
        println!(
            "{name:<24} best {:>8.0} records/s {:>6.0} MB/s   median {:>8.0} records/s {:>6.0} MB/s",
            per_second(RECORDS, best),
            mega(body.len()) / best.as_secs_f64(),
            per_second(RECORDS, median),
            mega(body.len()) / median.as_secs_f64(),
        );
    }
    let ratio = |n: usize| 100.0 * skip[n].as_secs_f64() / all[n].as_secs_f64();
    println!("share of the floor: best {:.0} %, median {:.0} %\n", ratio(0), ratio(ROUNDS / 2));
    Ok(())
}

pub(crate) fn cpu_time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    };
    let began = now();
    let value = std::hint::black_box(work());
    (value, now().saturating_sub(began))
}

#[expect(clippy::cast_precision_loss, reason = "figures to look at")]
pub(crate) fn per_second(n: u64, time: Duration) -> f64 {
    n as f64 / time.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "figures to look at")]
pub(crate) fn mega(n_bytes: usize) -> f64 {
    n_bytes as f64 / 1e6
}
