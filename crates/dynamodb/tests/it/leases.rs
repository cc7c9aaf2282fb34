//! Leases that cannot always be written: whatever fails is tried again, and shown meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use coordination::{Lease, LeaseError, LeaseStore, MemoryLeases, Seen};
use futures::FutureExt;
use pipeline::Timestamp;

use crate::{
    fake::{item, record},
    world::{World, eventually},
};

/// Which calls fail, and how often still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Acquire,
    Save,
    Release,
}

/// A store that fails some calls for names that contain a text.
struct Failing {
    leases: MemoryLeases,
    call: Call,
    names: &'static str,
    left: AtomicU32,
}

impl Failing {
    fn check(&self, call: Call, partition: &str) -> Result<(), LeaseError> {
        let one_less = |left: u32| left.checked_sub(1);
        if call == self.call
            && partition.contains(self.names)
            && self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok()
        {
            let (store, reason) = ("the test's".to_owned(), "it is away".to_owned());
            return Err(LeaseError::Store { store, reason });
        }
        Ok(())
    }
}

#[async_trait]
impl LeaseStore for Failing {
    async fn acquire(
        &self,
        partition: &str,
        owner: &str,
        now: Timestamp,
    ) -> Result<Option<Lease>, LeaseError> {
        self.check(Call::Acquire, partition)?;
        self.leases.acquire(partition, owner, now).await
    }

    async fn save(&self, lease: &mut Lease, now: Timestamp) -> Result<(), LeaseError> {
        self.check(Call::Save, &lease.partition)?;
        self.leases.save(lease, now).await
    }

    async fn release(&self, lease: Lease) -> Result<(), LeaseError> {
        self.check(Call::Release, &lease.partition)?;
        self.leases.release(lease).await
    }

    async fn remove(&self, lease: Lease) -> Result<(), LeaseError> {
        self.leases.remove(lease).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Lease>, LeaseError> {
        self.leases.list(prefix).await
    }

    async fn survey(&self, prefix: &str, now: Timestamp) -> Result<Vec<Seen>, LeaseError> {
        self.leases.survey(prefix, now).await
    }

    fn term(&self) -> Duration {
        self.leases.term()
    }
}

fn failing(world: &World, call: Call, names: &'static str, times: u32) -> Arc<Failing> {
    let leases = world.leases.for_another_worker();
    Arc::new(Failing { leases, call, names, left: AtomicU32::new(times) })
}

const FAR: u64 = 2_000_000_000;

#[tokio::test]
async fn a_shard_that_cannot_be_acquired_is_tried_again_and_shown_as_a_problem() {
    let world = World::new("stream: {start_position: TRIM_HORIZON}").await;
    world.fake.change(|it| it.shards[0].records.push(record("INSERT", "x", 1, 1, FAR)));
    let store = failing(&world, Call::Acquire, "/shardId-", 2);
    let running = world.start_with(store);
    eventually("it is shown", || running.outlet.problem().is_some()).await;
    let problem = running.outlet.problem().unwrap();
    assert!(problem.contains("it is away"), "{problem}");
    eventually("it is read all the same", || world.index.values().get("x") == Some(&1)).await;
    eventually("nothing is shown any more", || running.outlet.problem().is_none()).await;
    running.stop().await;
}

/// As long as this worker is alive nobody else takes what it holds, so it must go on itself.
#[tokio::test]
async fn a_load_goes_on_whatever_write_of_its_leases_fails() {
    for (call, names) in [
        (Call::Acquire, "/load/"),
        (Call::Save, "/load/"),
        (Call::Release, "/load/"),
        (Call::Acquire, "/part/"),
        (Call::Release, "/part/"),
        (Call::Acquire, "/streams/"),
    ] {
        let settings = "export: {s3_bucket: exports}, stream: {shard_discovery_interval: 1s}";
        let world = World::new(settings).await;
        world.fake.change(|it| it.items = (0..30).map(|n| item(&format!("k{n}"), n)).collect());
        // Not the first write, which is part of the start.
        let store = failing(&world, call, names, 0);
        let running = world.start_with(Arc::<Failing>::clone(&store));
        eventually("it has begun", || world.table().stage != "").await;
        store.left.store(1, Ordering::Release);
        eventually("it is loaded", || world.table().stage == "done").await;
        assert_eq!(world.index.values().len(), 30, "{call:?} {names}");
        running.stop().await;
    }
}

/// They would stay for ever, as many as the export has files.
#[tokio::test]
async fn a_load_leaves_nothing_behind_but_its_record() {
    let world = World::new("export: {s3_bucket: exports}, stream: {}").await;
    world.fake.change(|it| it.items = (0..30).map(|n| item(&format!("k{n}"), n)).collect());
    let running = world.start();
    eventually("it is loaded", || world.table().stage == "done").await;
    let names = || {
        let leases = world.leases.list(".tables/").now_or_never().unwrap().unwrap();
        let names =
            leases.into_iter().map(|it| it.partition.rsplit("books/").next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    eventually("its parts are forgotten", || names() == ["load/", "streams/"]).await;
    running.stop().await;
}
