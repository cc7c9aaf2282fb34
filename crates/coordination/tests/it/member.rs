//! Several workers at one store: they find each other, share, hand over and inherit.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use coordination::{FileLeases, LEASE_TERM, Lease, LeaseStore, Member, MemoryLeases};
use pipeline::Timestamp;

use crate::{START, table::Endpoint};

/// A worker that reads nothing, but holds what it would read.
struct Worker {
    name: String,
    store: Arc<dyn LeaseStore>,
    member: Member,
    held: Vec<Lease>,
}

impl Worker {
    fn new(name: &str, store: Arc<dyn LeaseStore>) -> Worker {
        let name = format!("books/{name}");
        let member = Member::new(Arc::clone(&store), "books", &name);
        Worker { name, store, member, held: Vec::new() }
    }

    /// One round: looks around, lets go, takes.
    async fn round(&mut self, ready: &[String], now: Timestamp) {
        let survey = self.member.look_around(now).await.unwrap();
        let held: BTreeSet<String> = self.held.iter().map(|it| it.partition.clone()).collect();
        let moves = self.member.moves(&survey, ready, &held);
        for partition in moves.let_go {
            let at = self.held.iter().position(|it| it.partition == partition).unwrap();
            self.store.release(self.held.remove(at)).await.unwrap();
        }
        self.held.retain(|it| !moves.lost.contains(&it.partition));
        for partition in moves.take {
            let acquired = self.store.acquire(&partition, &self.name, now).await.unwrap();
            self.held.extend(acquired);
        }
    }
}

fn shards(n: u32) -> Vec<String> {
    (0..n).map(|n| format!("books/stream/shard-{n:04}")).collect()
}

fn shares(workers: &[Worker]) -> Vec<usize> {
    let mut shares: Vec<usize> = workers.iter().map(|it| it.held.len()).collect();
    shares.sort_unstable();
    shares
}

/// Three workers come one after the other, one dies, one leaves in good order.
async fn check_workers_share(stores: [Arc<dyn LeaseStore>; 3]) {
    let ready = shards(8);
    let step = LEASE_TERM / 3;
    let mut now = START;
    let [ada, bob, cid] = stores;
    let mut workers = vec![Worker::new("ada", ada)];
    workers[0].round(&ready, now).await;
    assert_eq!(shares(&workers), [8], "one alone takes all");

    workers.push(Worker::new("bob", bob));
    workers.push(Worker::new("cid", cid));
    for _ in 0..6 {
        now = now.after(step);
        for worker in &mut workers {
            worker.round(&ready, now).await;
        }
    }
    assert_eq!(shares(&workers), [2, 3, 3]);
    let before: Vec<Vec<Lease>> = workers.iter().map(|it| it.held.clone()).collect();
    for _ in 0..5 {
        now = now.after(step);
        for worker in &mut workers {
            worker.round(&ready, now).await;
        }
    }
    let after: Vec<Vec<Lease>> = workers.iter().map(|it| it.held.clone()).collect();
    assert_eq!(before, after, "nothing moves any more, and nothing of it was written again");

    workers.remove(1);
    for n in 0..8 {
        now = now.after(step);
        for worker in &mut workers {
            worker.round(&ready, now).await;
        }
        if n < 2 {
            assert!(shares(&workers).iter().sum::<usize>() < 8, "too early: {n}");
        }
    }
    assert_eq!(shares(&workers), [4, 4], "the dead one is inherited");

    workers.pop().unwrap().member.leave().await;
    for _ in 0..2 {
        now = now.after(step);
        workers[0].round(&ready, now).await;
    }
    assert_eq!(shares(&workers), [8], "who leaves in good order is inherited at once");
}

#[tokio::test]
async fn workers_share_leases_in_memory() {
    let store = MemoryLeases::default();
    let another = || Arc::new(store.for_another_worker()) as Arc<dyn LeaseStore>;
    check_workers_share([another(), another(), another()]).await;
}

#[tokio::test]
async fn workers_share_leases_in_a_file_of_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn LeaseStore> =
        Arc::new(FileLeases::open(&dir.path().join("leases")).unwrap());
    check_workers_share([Arc::clone(&store), Arc::clone(&store), store]).await;
}

#[tokio::test]
async fn workers_share_leases_in_a_table() {
    let endpoint = Endpoint::start().await;
    let [one, two, three] =
        [endpoint.open().await, endpoint.open().await, endpoint.open().await].map(Arc::new);
    check_workers_share([one, two, three]).await;
}

/// A worker that was asleep for longer than a term finds out what it lost, and joins again.
#[tokio::test]
async fn whoever_was_taken_for_dead_joins_again() {
    let store = MemoryLeases::default();
    let another = || Arc::new(store.for_another_worker()) as Arc<dyn LeaseStore>;
    let (mut ada, mut bob) = (Worker::new("ada", another()), Worker::new("bob", another()));
    let ready = shards(4);
    let mut now = START;
    for _ in 0..4 {
        ada.round(&ready, now).await;
        bob.round(&ready, now).await;
        now = now.after(LEASE_TERM / 3);
    }
    assert_eq!((ada.held.len(), bob.held.len()), (2, 2));
    for _ in 0..5 {
        bob.round(&ready, now).await;
        now = now.after(LEASE_TERM / 3);
    }
    assert_eq!(bob.held.len(), 4, "Ada sleeps");
    for _ in 0..5 {
        ada.round(&ready, now).await;
        bob.round(&ready, now).await;
        now = now.after(LEASE_TERM / 3);
    }
    assert_eq!((ada.held.len(), bob.held.len()), (2, 2));
}

/// What the leases of a hundred shards cost in an hour, three workers, every shard saving its
/// checkpoint as often as it may, or never.
#[tokio::test]
async fn lease_traffic_per_shard_and_minute() {
    for (busy, writes_max, reads_max) in [(false, 0.2, 0.5), (true, 12.5, 0.5)] {
        let endpoint = Endpoint::start().await;
        let mut workers = Vec::new();
        for name in ["ada", "bob", "cid"] {
            workers.push(Worker::new(name, Arc::new(endpoint.open().await)));
        }
        let all = shards(100);
        let mut now = START;
        let mut settled = (0, 0);
        let calls = |workers: &[Worker]| {
            let traffic = workers.iter().map(|it| it.store.traffic().unwrap());
            traffic.fold((0, 0), |(reads, writes), it| (reads + it.reads, writes + it.writes))
        };
        let minutes = 5;
        for round in 0..6 + 6 * minutes {
            if round == 6 {
                settled = calls(&workers);
            }
            for worker in &mut workers {
                worker.round(&all, now).await;
                let n_saves = if busy && 6 <= round { 2 } else { 0 };
                for _ in 0..n_saves {
                    for lease in &mut worker.held {
                        worker.store.save(lease, now).await.unwrap();
                    }
                }
            }
            now = now.after(Duration::from_secs(10));
        }
        let (reads, writes) = calls(&workers);
        let each = |n: u64| {
            #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
            let n = n as f64;
            n / 100.0 / f64::from(minutes)
        };
        let (reads, writes) = (each(reads - settled.0), each(writes - settled.1));
        let kind = if busy { "busy" } else { "idle" };
        println!("{kind}: {reads:.2} reads and {writes:.2} writes per shard and minute");
        assert!(writes <= writes_max && reads <= reads_max, "{kind}: {reads} {writes}");
    }
}
