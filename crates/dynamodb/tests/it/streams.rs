//! Streams: splits, gaps, new streams, several tables.

use std::time::Duration;

use crate::{
    fake::{STREAM, Shard, item, record, shard_id},
    world::{World, eventually},
};

const FAR: u64 = 2_000_000_000;

fn shard(id: &str, parent: Option<&str>, records: Vec<String>, closed: bool) -> Shard {
    let parent = parent.map(str::to_owned);
    Shard { stream: STREAM.to_owned(), id: id.to_owned(), parent, closed, records, trimmed: 0 }
}

#[tokio::test]
async fn children_are_found_as_soon_as_their_parent_ends() {
    let world = World::new("stream: {}").await;
    let running = world.start();
    eventually("it is ready", || running.outlet.is_ready()).await;
    let far = FAR * 1000;
    let (a, b, c) = (shard_id(1, "a"), shard_id(far, "b"), shard_id(far, "c"));
    world.fake.change(|it| {
        it.shards[0].records.push(record("INSERT", "x", 1, 1, FAR));
        it.shards[0].closed = true;
        it.shards.push(shard(&b, Some(&a), vec![record("MODIFY", "x", 2, 2, FAR)], true));
        it.shards.push(shard(&c, Some(&b), vec![record("MODIFY", "x", 3, 3, FAR)], false));
    });
    // The interval is a minute; nobody waits for that.
    eventually("the grandchild is read", || world.index.values().get("x") == Some(&3)).await;
    let version = world.index.look(|it| it.documents["x"].0);
    assert_eq!(version, FAR * 1_000_000 + 2, "versions go on from parent to child");
    assert_eq!(world.table().gaps, 0);
    running.stop().await;
}

#[tokio::test]
async fn trimmed_changes_are_a_gap_that_is_healed_as_configured() {
    for (settings, healed) in [
        ("scan: {}, stream: {}", true),
        ("stream: {start_position: TRIM_HORIZON, on_gap: rescan}", true),
        ("export: {s3_bucket: exports}, stream: {}", true),
        ("stream: {start_position: TRIM_HORIZON}", false),
    ] {
        let world = World::new(settings).await;
        let running = world.start();
        let loads = settings.contains("scan") || settings.contains("export");
        if loads && !settings.contains("on_gap") {
            eventually("the load is done", || world.table().stage == "done").await;
        }
        world.fake.change(|it| it.shards[0].records.push(record("INSERT", "x", 1, 1, FAR)));
        eventually("the first change is there", || world.index.values().contains_key("x")).await;
        running.stop().await;
        // A day goes by, and the next change with it.
        world.fake.change(|it| {
            it.shards[0].records.push(record("INSERT", "y", 2, 2, FAR));
            it.shards[0].records.push(record("MODIFY", "x", 3, 3, FAR));
            it.shards[0].trimmed = 2;
            it.items = vec![item("x", 3), item("y", 2)];
        });
        let running = world.start();
        eventually("what is left is read", || world.index.values().get("x") == Some(&3)).await;
        assert_eq!(world.table().gaps, 1);
        if healed {
            eventually("what was lost is read", || world.index.values().contains_key("y")).await;
            assert_eq!(world.index.values()["x"], 3, "and nothing goes back");
            eventually("the load is done", || world.table().stage == "done").await;
        } else {
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert!(!world.index.values().contains_key("y"));
        }
        running.stop().await;
        // The gap is healed once.
        let n_events = world.index.look(|it| it.n_events);
        let running = world.start();
        tokio::time::sleep(Duration::from_millis(800)).await;
        running.stop().await;
        assert_eq!(world.index.look(|it| it.n_events), n_events);
    }
}

#[tokio::test]
async fn a_shard_that_is_gone_is_a_gap_and_its_child_is_read() {
    let world = World::new("stream: {start_position: TRIM_HORIZON}").await;
    world.fake.change(|it| it.shards[0].records.push(record("INSERT", "x", 1, 1, FAR)));
    let running = world.start();
    eventually("the first change is there", || world.index.values().contains_key("x")).await;
    running.stop().await;
    let (a, b) = (shard_id(1, "a"), shard_id(FAR * 1000, "b"));
    world.fake.change(|it| {
        it.shards = vec![shard(&b, Some(&a), vec![record("MODIFY", "x", 2, 9, FAR)], false)];
    });
    let running = world.start();
    eventually("the child is read", || world.index.values().get("x") == Some(&2)).await;
    eventually("the gap is noted", || world.table().gaps == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_stream_that_was_switched_off_and_on_is_followed_without_a_restart() {
    let settings = "scan: {}, stream: {shard_discovery_interval: 1s}";
    let world = World::new(settings).await;
    let running = world.start();
    eventually("the load is done", || world.table().stage == "done").await;
    let next = STREAM.replace("stream/1", "stream/2");
    world.fake.change(|it| {
        it.shards[0].records.push(record("INSERT", "x", 1, 1, FAR));
        it.shards[0].records.push(record("MODIFY", "x", 2, 2, FAR));
        it.shards[0].closed = true;
        it.stream = Some((next.clone(), "NEW_IMAGE"));
        let mut first =
            shard(&shard_id(5, "n"), None, vec![record("MODIFY", "x", 3, 3, FAR)], false);
        first.stream.clone_from(&next);
        it.shards.push(first);
        it.items = vec![item("x", 3), item("between", 7)];
    });
    eventually("the new stream is read", || world.index.values().get("x") == Some(&3)).await;
    let version = world.index.look(|it| it.documents["x"].0);
    assert_eq!(version, FAR * 1_000_000 + 2, "its versions go on above the old one's");
    eventually("what changed in between is read", || world.index.values().contains_key("between"))
        .await;
    running.kill().await;
    world.fake.change(|it| it.shards[1].records.push(record("MODIFY", "x", 4, 4, FAR)));
    let running = world.start();
    eventually("it goes on after a crash", || world.index.values().get("x") == Some(&4)).await;
    assert_eq!(world.table().gaps, 1, "and says the gap once");
    running.stop().await;
}

#[tokio::test]
async fn several_tables_are_read_side_by_side() {
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table";
    let tables = format!(
        "[{{table_arn: '{arn}/books', stream: {{}}}}, {{table_arn: '{arn}/films', scan: {{}}, stream: {{}}}}]"
    );
    let world = World::of_tables(&tables).await;
    let films = STREAM.replace("books", "films");
    world.fake.change(|it| {
        let mut first = shard(&shard_id(5, "f"), None, Vec::new(), false);
        first.stream.clone_from(&films);
        it.shards.push(first);
        it.items = vec![item("film", 1)];
    });
    let running = world.start();
    eventually("it is ready", || running.outlet.is_ready()).await;
    world.fake.change(|it| {
        it.shards[0].records.push(record("INSERT", "book", 1, 1, FAR));
        it.shards[1].records.push(record("MODIFY", "film", 2, 1, FAR));
    });
    eventually("both are read", || {
        let values = world.index.values();
        values.get("book") == Some(&1) && values.get("film") == Some(&2)
    })
    .await;
    assert_eq!(world.view.tables().len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn throttled_calls_and_lost_iterators_lose_nothing() {
    let world = World::new("stream: {start_position: TRIM_HORIZON}").await;
    world.fake.change(|it| {
        it.shards[0].records =
            (1..=50).map(|n| record("INSERT", &format!("k{n}"), n, n, FAR)).collect();
        it.refusals.insert("DescribeStream", ("ThrottlingException", 1));
        it.refusals.insert("GetShardIterator", ("InternalServerError", 1));
        it.refusals.insert("GetRecords", ("ProvisionedThroughputExceededException", 2));
    });
    let running = world.start();
    eventually("some are read", || {
        10 < world.index.values().len() || world.index.values().len() == 50
    })
    .await;
    world.fake.change(|it| it.refusals.insert("GetRecords", ("ExpiredIteratorException", 1)));
    eventually("all are read", || world.index.values().len() == 50).await;
    running.stop().await;
}
