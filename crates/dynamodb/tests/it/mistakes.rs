//! What is wrong is said before anything runs, with what to do about it.

use std::sync::Arc;

use coordination::MemoryLeases;

use crate::{
    fake::{State, item, record},
    world::{World, eventually},
};

/// What `check` says of a world that was changed like this.
async fn said(table: &str, change: impl FnOnce(&mut State)) -> String {
    let world = World::new(table).await;
    world.fake.change(change);
    let source = world.source(Arc::new(MemoryLeases::default()));
    source.check().await.map_or_else(|error| error.to_string(), |()| String::new())
}

const EXPORT: &str = "export: {s3_bucket: exports}, stream: {}";

#[tokio::test]
async fn nothing_is_said_when_all_is_well() {
    for table in [EXPORT, "stream: {}", "scan: {}", "export: {s3_bucket: exports}"] {
        assert_eq!(said(table, |_| {}).await, "", "{table}");
    }
    assert_eq!(said("scan: {}", |it| it.stream = None).await, "", "no stream is needed");
    assert_eq!(said(EXPORT, |it| it.recovery = None).await, "", "an endpoint without backups");
    let denied = |it: &mut State| it.bucket_error = Some((403, "AccessDenied"));
    assert_eq!(said(EXPORT, denied).await, "", "to list is not needed");
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_told_with_the_remedy() {
    let stream = "arn:aws:dynamodb:us-east-1:000000000000:table/books/stream/1";
    let view = |view| move |it: &mut State| it.stream = Some((stream.to_owned(), view));
    for (said, parts) in [
        (said("stream: {}", |it| it.stream = None).await, ["no stream", "NEW_AND_OLD_IMAGES"]),
        (said("stream: {}", view("KEYS_ONLY")).await, ["KEYS_ONLY", "enable it again"]),
        (said("stream: {}", view("OLD_IMAGE")).await, ["OLD_IMAGE", "enable it again"]),
        (
            said("stream: {}", |it| {
                it.refusals.insert("DescribeTable", ("AccessDeniedException", 1));
            })
            .await,
            ["dynamodb:DescribeTable", "table/books"],
        ),
        (
            said("stream: {}", |it| {
                it.refusals.insert("DescribeTable", ("ResourceNotFoundException", 1));
            })
            .await,
            ["no table `books`", "table_arn"],
        ),
        (
            said(EXPORT, |it| it.recovery = Some("DISABLED")).await,
            ["point-in-time recovery", "scan"],
        ),
        (
            said(EXPORT, |it| it.bucket_error = Some((301, "PermanentRedirect"))).await,
            ["another region", "s3_region"],
        ),
        (
            said(EXPORT, |it| it.bucket_error = Some((404, "NoSuchBucket"))).await,
            ["NoSuchBucket", "s3_bucket"],
        ),
        (
            said(
                "export: {s3_bucket: exports, export_time: '2020-01-01T00:00:00Z'}, stream: {}",
                |_| {},
            )
            .await,
            ["export_time", "a day"],
        ),
    ] {
        for part in parts {
            assert!(said.contains(part), "`{part}` in: {said}");
        }
    }
}

/// While it runs, too.
#[tokio::test]
async fn a_call_that_is_not_allowed_names_what_to_grant() {
    for operation in ["GetRecords", "GetShardIterator", "DescribeStream"] {
        let world = World::new("stream: {}").await;
        world.fake.change(|it| it.refusals.insert(operation, ("AccessDeniedException", u32::MAX)));
        let error = world.start().ended().await.unwrap_err().to_string();
        assert!(error.contains(&format!("dynamodb:{operation}")), "{error}");
        assert!(error.contains("stream/1"), "{error}");
    }
}

/// What a load may not do is shown with the action to grant; once it is granted, all goes on by itself,
/// and the stream went on all the while.
#[tokio::test]
async fn a_load_that_is_not_allowed_names_what_to_grant_and_goes_on_when_it_is() {
    for (table, operation, parts) in [
        (EXPORT, "ExportTableToPointInTime", ["dynamodb:ExportTableToPointInTime", "s3:PutObject"]),
        (EXPORT, "DescribeExport", ["dynamodb:DescribeExport", "table/books/export/1"]),
        (EXPORT, "bucket", ["s3:GetObject", "arn:aws:s3:::exports/"]),
        (EXPORT, "region", ["another region", "s3_region"]),
        ("scan: {}, stream: {}", "Scan", ["dynamodb:Scan", "`books`"]),
    ] {
        let world = World::new(table).await;
        world.fake.change(|it| {
            it.items = vec![item("x", 1)];
            match operation {
                "bucket" => it.bucket_error = Some((403, "AccessDenied")),
                "region" => it.bucket_error = Some((301, "PermanentRedirect")),
                _ => drop(it.refusals.insert(operation, ("AccessDeniedException", u32::MAX))),
            }
        });
        let running = world.start();
        eventually("it is shown", || running.outlet.problem().is_some()).await;
        let problem = running.outlet.problem().unwrap();
        for part in parts {
            assert!(problem.contains(part), "{operation}: `{part}` in: {problem}");
        }
        world.fake.change(|it| {
            it.shards[0].records.push(record("INSERT", "y", 2, 1, 2_000_000_000));
        });
        eventually("changes are followed", || world.index.values().contains_key("y")).await;
        world.fake.change(|it| {
            it.bucket_error = None;
            it.refusals.clear();
        });
        eventually("it is loaded", || world.index.values().contains_key("x")).await;
        eventually("nothing is shown any more", || running.outlet.problem().is_none()).await;
        running.stop().await;
    }
}

/// Never skipped: it is a dead letter, and what is around it arrives.
#[tokio::test]
async fn a_change_that_cannot_be_decoded_is_a_dead_letter() {
    let world = World::new("stream: {start_position: TRIM_HORIZON}").await;
    world.fake.change(|it| {
        let change = |key, n| record("INSERT", key, n, n, 2_000_000_000);
        it.shards[0].records = vec![
            change("a", 1),
            change("b", 2).replace(r#"{"N":"2"}"#, r#"{"X":"2"}"#),
            change("c", 3).replace(r#""INSERT""#, r#""UPSERT""#),
            change("d", 4),
        ];
    });
    let running = world.start();
    eventually("what is around them arrives", || world.index.values().contains_key("d")).await;
    assert_eq!(world.index.values().len(), 2);
    assert_eq!(world.index.look(|it| it.dead_letters.len()), 2);
    running.stop().await;
}
