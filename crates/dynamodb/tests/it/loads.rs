//! Loads: by export and by scan, with everything that can go wrong with one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use coordination::MemoryLeases;

use crate::{
    fake::{Fake, item, record},
    world::{World, eventually},
};

const EXPORT: &str = "export: {s3_bucket: exports}, stream: {}";

fn fill(fake: &Fake, n: u64) -> BTreeMap<String, u64> {
    fake.change(|it| it.items = (0..n).map(|n| item(&format!("k{n:05}"), n)).collect());
    (0..n).map(|n| (format!("k{n:05}"), n)).collect()
}

/// Now, as the stream tells time.
fn second() -> u64 {
    pipeline::Clock::real().now().0 / 1000
}

async fn loaded(world: &World) {
    eventually("the load is done", || world.table().stage == "done").await;
}

#[tokio::test]
async fn an_export_is_loaded_in_both_languages_and_changes_follow() {
    for format in ["DYNAMODB_JSON", "ION"] {
        let table =
            format!("export: {{s3_bucket: exports, export_format: {format}}}, stream: {{}}");
        let world = World::new(&table).await;
        let mut expected = fill(&world.fake, 500);
        let running = world.start();
        loaded(&world).await;
        assert_eq!(world.index.values(), expected);
        let (version, _) = world.index.look(|it| it.documents["k00007"].clone());
        // 2026-11-27T12:00:00Z, and five minutes before that.
        assert_eq!(version, 1_795_780_500_000_000);
        let view = world.table();
        assert_eq!((view.items, view.items_loaded, view.parts_loaded), (Some(500), 500, 3));
        assert_eq!(view.percent_loaded(), Some(100));
        world.fake.change(|it| {
            it.shards[0].records.push(record("MODIFY", "k00007", 70, 1, second() + 100_000_000));
        });
        expected.insert("k00007".to_owned(), 70);
        eventually("the change arrives", || world.index.values() == expected).await;
        running.stop().await;
        // A second start has nothing left to load.
        let n_events = world.index.look(|it| it.n_events);
        let running = world.start();
        eventually("it is ready", || running.outlet.is_ready()).await;
        running.stop().await;
        assert_eq!(world.index.look(|it| it.n_events), n_events);
        assert_eq!(world.fake.change(|it| it.tokens.len()), 1, "one export was made");
    }
}

/// Without a stream, the source ends when the table is loaded.
#[tokio::test]
async fn a_load_alone_comes_to_an_end() {
    for table in ["export: {s3_bucket: exports}", "scan: {segments: 3}"] {
        let world = World::new(table).await;
        let expected = fill(&world.fake, 100);
        world.start().ended().await.unwrap();
        assert_eq!(world.index.values(), expected);
    }
}

/// The index has forgotten the delete by the time the row of the item arrives.
#[tokio::test]
async fn a_late_row_does_not_bring_a_deleted_item_back() {
    for table in [
        EXPORT,
        "export: {s3_bucket: exports, export_format: ION}, stream: {view_on_remove: OLD_IMAGE}",
    ] {
        let world = World::new(table).await;
        let mut expected = fill(&world.fake, 60);
        world.fake.change(|it| it.held_back.insert("1/data/0.json.gz".to_owned()));
        let running = world.start();
        eventually("the file is asked for", || {
            world.fake.change(|it| it.asked.contains("1/data/0.json.gz"))
        })
        .await;
        let now = second() + 100_000_000;
        world.fake.change(|it| {
            it.shards[0].records.push(record("REMOVE", "k00003", 3, 1, now));
            it.shards[0].records.push(record("REMOVE", "k00004", 4, 2, now));
            it.shards[0].records.push(record("INSERT", "k00004", 44, 3, now + 1));
        });
        expected.remove("k00003");
        expected.insert("k00004".to_owned(), 44);
        eventually("the deletes are applied", || world.index.values().contains_key("k00004")).await;
        // The one who remembers them dies, too.
        running.kill().await;
        let running = world.start();
        world.fake.change(|it| it.held_back.clear());
        loaded(&world).await;
        assert_eq!(world.index.values(), expected);
        assert!(2 <= world.table().deletes_sent_again, "at least once each");
        running.stop().await;
    }
}

/// Whatever line it dies on, the next one goes on from there.
#[tokio::test]
async fn a_load_survives_any_number_of_crashes() {
    for table in [EXPORT, "scan: {segments: 2}, stream: {}"] {
        let world = World::new(table).await;
        let mut expected = fill(&world.fake, 2_000);
        let mut random = fastrand::Rng::with_seed(7);
        let mut n = 0;
        for _ in 0..25 {
            let running = world.start();
            tokio::time::sleep(Duration::from_millis(random.u64(1..120))).await;
            for _ in 0..3 {
                n += 1;
                let key = format!("k{:05}", random.u64(0..2_000));
                let now = second() + 100_000_000 + n;
                let name = if random.bool() { "REMOVE" } else { "MODIFY" };
                world
                    .fake
                    .change(|it| it.shards[0].records.push(record(name, &key, 10_000 + n, n, now)));
                if name == "REMOVE" {
                    expected.remove(&key);
                } else {
                    expected.insert(key, 10_000 + n);
                }
            }
            running.kill().await;
        }
        let running = world.start();
        loaded(&world).await;
        eventually("table and index are equal", || world.index.values() == expected).await;
        running.stop().await;
        let n_exports = world.fake.change(|it| it.tokens.len());
        assert!(n_exports <= 1, "{n_exports} exports");
    }
}

#[tokio::test]
async fn an_export_that_fails_or_vanishes_is_made_again() {
    for ends in [
        vec!["FAILED"],
        vec!["VANISHED", "FAILED"],
        vec!["MISMATCHED"],
        vec!["WRONG_CHECKSUM"],
        vec!["WITHOUT_FILES"],
    ] {
        let world = World::new(EXPORT).await;
        let expected = fill(&world.fake, 50);
        world.fake.change(|it| it.export_ends.clone_from(&ends));
        let running = world.start();
        loaded(&world).await;
        assert_eq!(world.index.values(), expected, "{ends:?}");
        assert_eq!(world.fake.change(|it| it.tokens.len()), ends.len() + 1);
        running.stop().await;
    }
}

#[tokio::test]
async fn a_load_that_is_given_up_ends_no_stream_and_is_tried_again_by_the_next_start() {
    let world = World::new(EXPORT).await;
    let mut expected = fill(&world.fake, 50);
    world.fake.change(|it| it.export_ends = vec!["FAILED"; 3]);
    let running = world.start();
    eventually("it is given up", || world.table().stage == "failed").await;
    world.fake.change(|it| {
        it.shards[0].records.push(record("INSERT", "new", 7, 1, second() + 100_000_000));
    });
    eventually("changes are followed", || world.index.values().contains_key("new")).await;
    running.stop().await;
    let running = world.start();
    loaded(&world).await;
    expected.insert("new".to_owned(), 7);
    assert_eq!(world.index.values(), expected);
    running.stop().await;
}

#[tokio::test]
async fn an_empty_table_is_loaded_at_once() {
    for table in [EXPORT, "scan: {}, stream: {}"] {
        let world = World::new(table).await;
        let running = world.start();
        loaded(&world).await;
        assert!(world.index.values().is_empty());
        running.stop().await;
    }
}

#[tokio::test]
async fn what_is_refused_for_now_is_asked_for_again() {
    let world = World::new(EXPORT).await;
    let expected = fill(&world.fake, 50);
    world.fake.change(|it| {
        it.refusals.insert("ExportTableToPointInTime", ("LimitExceededException", 2));
        it.refusals.insert("DescribeExport", ("ThrottlingException", 2));
    });
    let running = world.start();
    loaded(&world).await;
    assert_eq!(world.index.values(), expected);
    running.stop().await;
}

/// A damaged file is read some times, then reported among the dead letters. It stops nobody.
#[tokio::test]
async fn a_damaged_file_is_reported_and_the_rest_is_loaded() {
    let spoil: [fn(&mut Vec<u8>); 3] =
        [|it| it.truncate(it.len() / 2), |it| it[30] ^= 0xff, |it| it.clear()];
    for spoil in spoil {
        let world = World::new(EXPORT).await;
        fill(&world.fake, 90);
        world.fake.change(|it| it.held_back.insert("1/data/1.json.gz".to_owned()));
        let running = world.start();
        eventually("the files are there", || {
            world.fake.change(|it| it.asked.contains("1/data/1.json.gz"))
        })
        .await;
        world.fake.change(|it| {
            spoil(it.objects.get_mut("1/data/1.json.gz").unwrap());
            it.held_back.clear();
        });
        loaded(&world).await;
        assert_eq!(world.index.values().len(), 60);
        assert_eq!(world.table().files_damaged, 1);
        let letters = world.index.look(|it| it.dead_letters.clone());
        assert!(letters.len() == 1 && letters[0].contains("1/data/1.json.gz"), "{letters:?}");
        running.stop().await;
    }
}

/// A file that arrives damaged once was only damaged on its way.
#[tokio::test]
async fn a_file_that_is_whole_the_second_time_is_loaded() {
    let world = World::new(EXPORT).await;
    let expected = fill(&world.fake, 90);
    world.fake.change(|it| it.held_back.insert("1/data/1.json.gz".to_owned()));
    let running = world.start();
    eventually("the files are there", || {
        world.fake.change(|it| it.asked.contains("1/data/1.json.gz"))
    })
    .await;
    let whole = world.fake.change(|it| {
        it.held_back.clear();
        it.objects.insert("1/data/1.json.gz".to_owned(), b"half".to_vec()).unwrap()
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.fake.change(|it| it.objects.insert("1/data/1.json.gz".to_owned(), whole));
    loaded(&world).await;
    assert_eq!(world.index.values(), expected);
    running.stop().await;
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_set_aside() {
    for table in [EXPORT, "scan: {}, stream: {}"] {
        let world = World::new(table).await;
        fill(&world.fake, 30);
        world.fake.change(|it| it.items[7]["v"] = serde_json::json!({ "X": 1 }));
        let running = world.start();
        loaded(&world).await;
        assert_eq!(world.index.values().len(), 29);
        assert_eq!(world.index.look(|it| it.dead_letters.len()), 1);
        assert_eq!(world.index.look(|it| it.n_events), 30, "each row is in one account");
        running.stop().await;
    }
}

#[tokio::test]
async fn several_workers_share_the_files() {
    let world = World::new(EXPORT).await;
    let expected = fill(&world.fake, 3_000);
    world.fake.change(|it| it.n_files = 30);
    let workers: Vec<_> = (0..3).map(|_| world.start()).collect();
    loaded(&world).await;
    assert_eq!(world.index.values(), expected);
    assert_eq!(world.fake.change(|it| it.tokens.len()), 1, "one export was made");
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_scan_uses_no_more_than_it_may() {
    let world = World::new("scan: {segments: 2, read_units_per_second: 5}").await;
    let expected = fill(&world.fake, 50);
    let began = tokio::time::Instant::now();
    world.start().ended().await.unwrap();
    assert_eq!(world.index.values(), expected);
    // Ten pages of half a unit, and the first is for nothing.
    assert!(Duration::from_millis(850) <= began.elapsed(), "{:?}", began.elapsed());
    assert!((world.table().read_units - 5.0).abs() < 0.01);
}

/// What an operator asks for: the table is loaded once more beside its stream, and what is missing in
/// the index is there again. Nothing goes back.
#[tokio::test]
async fn a_table_is_loaded_once_more_when_somebody_asks() {
    for (table, ends) in
        [(EXPORT, vec!["FAILED"; 3]), (EXPORT, vec![]), ("scan: {}, stream: {}", vec![])]
    {
        let world = World::new(table).await;
        let mut expected = fill(&world.fake, 50);
        world.fake.change(|it| it.export_ends.clone_from(&ends));
        let running = world.start();
        let first = if ends.is_empty() { "done" } else { "failed" };
        eventually("the first load is over", || world.table().stage == first).await;
        let now = second() + 100_000_000;
        world.fake.change(|it| {
            it.shards[0].records.push(record("MODIFY", "k00003", 33, 1, now));
        });
        expected.insert("k00003".to_owned(), 33);
        eventually("the change arrives", || world.index.values().get("k00003") == Some(&33)).await;
        // Somebody deletes documents by hand. The row of what has changed since is older.
        world.index.look(|it| it.documents.retain(|id, _| id == "k00003"));
        let tables = world.source(Arc::new(world.leases.for_another_worker())).load_again().await;
        assert_eq!(tables.unwrap(), ["books"]);
        eventually("all of it is there again", || world.index.values() == expected).await;
        loaded(&world).await;
        running.stop().await;
    }
    let world = World::new("stream: {}").await;
    let error = world.source(Arc::new(MemoryLeases::default())).load_again().await.unwrap_err();
    assert!(error.to_string().contains("scan"), "{error}");
}

/// Objects of more than 16 MiB are read in ranges, twice; what goes wrong in between is noticed.
#[tokio::test]
async fn a_file_that_is_too_large_to_be_held_is_read_in_ranges() {
    let text = |n: usize| {
        // What gzip cannot make smaller.
        let mut random = fastrand::Rng::with_seed(n as u64);
        (0..20_000).map(|_| random.alphanumeric()).collect::<String>()
    };
    let world = World::new(EXPORT).await;
    let expected = fill(&world.fake, 1_300);
    world.fake.change(|it| {
        it.n_files = 1;
        for (n, item) in it.items.iter_mut().enumerate() {
            item["pad"] = serde_json::json!({ "S": text(n) });
        }
        // On its way the object is replaced, and a range is cut short.
        it.range_faults = vec!["overwritten", "cut"];
    });
    let running = world.start();
    eventually("some of it is there", || !world.index.values().is_empty()).await;
    // In the middle of the file.
    running.kill().await;
    let n_before = world.index.values().len();
    assert!(n_before < 1_300, "it was too quick");
    let running = world.start();
    loaded(&world).await;
    assert_eq!(world.index.values(), expected);
    assert_eq!(world.table().files_damaged, 0);
    let size = world.fake.change(|it| it.objects["1/data/0.json.gz"].len());
    assert!(16 << 20 < size, "{size} bytes are not large");
    assert!(6 < world.fake.change(|it| it.n_ranges), "twice, in ranges of 8 MiB");
    running.stop().await;

    // One whose checksum is wrong is left out before a row of it is sent.
    let world = World::new(EXPORT).await;
    fill(&world.fake, 1_300);
    world.fake.change(|it| {
        it.n_files = 1;
        for (n, item) in it.items.iter_mut().enumerate() {
            item["pad"] = serde_json::json!({ "S": text(n) });
        }
        it.held_back.insert("1/data/0.json.gz".to_owned());
    });
    let running = world.start();
    eventually("it is asked for", || world.fake.change(|it| it.asked.contains("1/data/0.json.gz")))
        .await;
    world.fake.change(|it| {
        let object = it.objects.get_mut("1/data/0.json.gz").unwrap();
        let middle = object.len() / 2;
        object[middle] ^= 1;
        it.held_back.clear();
    });
    loaded(&world).await;
    assert!(world.index.values().is_empty(), "nothing of it was believed");
    assert_eq!(world.table().files_damaged, 1);
    running.stop().await;
}
