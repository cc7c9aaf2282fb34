//! A pipeline under load while its cluster falls from one fault into the next: nothing unaccounted,
//! and what waits stays within its budget. Some seconds here; `cargo xtask soak` takes minutes.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws::Environment;
use engine::{Parts, Pipeline};
use fastrand::Rng;
use futures::future::join_all;
use opensearch::{Config, OpenSearchSink};
use pipeline::{
    Budget, Clock, DeadLetter, DeadLetterQueue, Delivery, Event, Lane, Meters, Outcome, Outlet,
    Settings, SinkError, Source, SourceError, Stop,
};
use tokio::time::Instant;

use crate::{
    rig::{USUAL, change},
    server::{Fault, Server},
};

/// How long it takes, if not three seconds.
const SECONDS: &str = "STREAMDEX_SOAK_SECONDS";
const LANES: u64 = 6;
const KEYS: u64 = 200;
const BATCHES_MAX: usize = 4;
const BUDGET: usize = 4 << 20;
/// How much the process may grow from its first half to its end.
const GROWTH_KB_MAX: u64 = 32 << 10;

const FAULTS: [Option<Fault>; 15] = [
    None,
    Some(Fault::Items(3, 429, "rejected_execution_exception")),
    Some(Fault::Items(5, 503, "unavailable_shards_exception")),
    Some(Fault::Items(7, 403, "cluster_block_exception")),
    Some(Fault::Items(20, 400, "mapper_parsing_exception")),
    None,
    Some(Fault::Answer(429, "", "{}")),
    Some(Fault::Answer(503, "retry-after: 1\r\n", "<html>")),
    Some(Fault::TooLarge(20_000)),
    Some(Fault::Slow(Duration::from_millis(150))),
    None,
    Some(Fault::ResetAfter),
    Some(Fault::Malformed("<html>")),
    Some(Fault::CutShort),
    Some(Fault::Answer(403, "", "{}")),
];

/// Only counts, so that ten minutes of them take no memory.
#[derive(Clone, Debug, Default)]
struct Counted(Arc<AtomicU64>);

#[async_trait]
impl DeadLetterQueue for Counted {
    async fn add(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        self.0.fetch_add(letters.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn place(&self) -> String {
        "nowhere".to_owned()
    }
}

/// Changes the same keys again and again, in lanes, until it is time; or once, for the last time.
struct Changes {
    until: Option<Instant>,
    version: Arc<AtomicU64>,
}

#[async_trait]
impl Source for Changes {
    async fn run(self: Box<Self>, outlet: Outlet, _stop: Stop) -> Result<(), SourceError> {
        let lanes = (0..LANES).map(|n| {
            let lane = outlet.lane().unwrap();
            let (until, version) = (self.until, Arc::clone(&self.version));
            tokio::spawn(async move { change_all(n, lane, until, &version).await })
        });
        for ended in join_all(lanes.collect::<Vec<_>>()).await {
            ended.unwrap();
        }
        Ok(())
    }
}

async fn change_all(n: u64, mut lane: Lane, until: Option<Instant>, version: &AtomicU64) {
    let mut random = Rng::with_seed(n);
    let mut pending: VecDeque<(Vec<Event>, Delivery)> = VecDeque::new();
    let text = "x".repeat(900);
    let changed = |keys: &[u64]| -> Vec<Event> {
        let change_of = |key: &u64| {
            let version = version.fetch_add(1, Ordering::Relaxed);
            let document = format!(r#"{{"version":{version},"text":"{text}"}}"#);
            change(&format!("{n}-{key}"), version, Some(&document))
        };
        keys.iter().map(change_of).collect()
    };
    let Some(until) = until else {
        let all: Vec<u64> = (0..KEYS).collect();
        let delivery = lane.send(changed(&all)).await.unwrap();
        assert_eq!(delivery.await, Outcome::Delivered);
        return;
    };
    while Instant::now() < until {
        let keys: Vec<u64> = (0..random.usize(1..300)).map(|_| random.u64(0..KEYS)).collect();
        let events = changed(&keys);
        let delivery = lane.send(events.clone()).await.unwrap();
        pending.push_back((events, delivery));
        if BATCHES_MAX <= pending.len() {
            settle(&mut lane, &mut pending).await;
        }
    }
    while !pending.is_empty() {
        settle(&mut lane, &mut pending).await;
    }
}

/// Waits for the oldest batch. One that failed is read again, as a source does.
async fn settle(lane: &mut Lane, pending: &mut VecDeque<(Vec<Event>, Delivery)>) {
    let Some((events, delivery)) = pending.pop_front() else { return };
    if delivery.await == Outcome::Failed {
        let again = lane.send(events.clone()).await.unwrap();
        pending.push_front((events, again));
    }
}

/// Resident memory of this process, now and at most, in KB.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|it| it.strip_prefix(name)).unwrap_or("0");
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    };
    (of("VmRSS:"), of("VmHWM:"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_falls_from_one_fault_into_the_next() {
    let seconds = std::env::var(SECONDS).ok().and_then(|it| it.parse().ok()).unwrap_or(3);
    let length = Duration::from_secs(seconds);
    let server = Server::start().await;
    let settings = Settings::from_yaml(&format!("hosts: ['{}']\n{USUAL}", server.address)).unwrap();
    let (config, _) = Config::read(&settings).unwrap();
    let letters = Counted::default();
    let (environment, clock, meters) = (Environment::of([]), Clock::real(), Meters::default());
    let queue = Arc::new(letters.clone());
    let sink = OpenSearchSink::new(config, &settings, environment, queue, clock.clone()).unwrap();
    let sink = sink.with_meters(&meters.of("soak", "opensearch"));
    let budget = Budget::of(BUDGET);
    let mut parts = Parts::named("soak", clock);
    parts.targets = vec![(Box::new(sink) as Box<dyn pipeline::Sink>).into()];
    parts.budget = budget.clone();
    let pipeline = Pipeline::from(parts);

    let version = Arc::new(AtomicU64::new(1));
    let until = Instant::now() + length;
    let changes = |until| Box::new(Changes { until, version: Arc::clone(&version) });
    let (_stopper, stop) = Stop::pair();
    let mut running = Box::pin(pipeline.run(changes(Some(until)), stop));
    let mut random = Rng::with_seed(seconds);
    let (mut n_faults, mut halfway) = (0, None);
    let mut tick = tokio::time::interval(Duration::from_millis(150));
    loop {
        tokio::select! {
            ended = &mut running => break ended.unwrap(),
            _ = tick.tick() => {
                n_faults += 1;
                // At the end nothing may come between; what is left is sent again until it is taken.
                let is_over = until <= Instant::now();
                server.always(if is_over { None } else { FAULTS[random.usize(..FAULTS.len())].clone() });
                if until <= Instant::now() + length / 2 {
                    halfway.get_or_insert_with(|| resident().0);
                }
            }
        }
    }
    drop(running);
    server.always(None);
    let (_stopper, stop) = Stop::pair();
    let before_last = version.load(Ordering::Relaxed);
    pipeline.run(changes(None), stop).await.unwrap();

    let account = pipeline.accounts().now();
    let (now, peak) = resident();
    println!(
        "soak: {seconds} s, {n_faults} times another fault; {} read, {} indexed, {} superseded, {} dead letters, {} read again, {} unaccounted; {} of {BUDGET} bytes under way at most; {} MB resident halfway, {} MB at the end, {} MB at the peak",
        account.read,
        account.indexed,
        account.superseded,
        account.dead_lettered,
        account.returned,
        account.unaccounted(),
        budget.most(),
        halfway.unwrap_or_default() >> 10,
        now >> 10,
        peak >> 10,
    );
    assert_eq!(account.unaccounted(), 0, "{account:?}");
    assert_eq!(account.in_flight, 0, "{account:?}");
    // A batch of which part is set aside already may fail, and is read again.
    assert!(account.dead_lettered <= letters.0.load(Ordering::Relaxed), "{account:?}");
    assert!(0 < account.indexed && before_last <= account.read, "{account:?}");
    assert!(budget.most() <= BUDGET, "{} bytes were under way", budget.most());
    assert_eq!(budget.taken(), 0, "all of it was given back");
    assert!(now < halfway.unwrap_or(now) + GROWTH_KB_MAX, "it grows: {halfway:?} to {now} KB");
    for lane in 0..LANES {
        for key in 0..KEYS {
            let stored = server.stored(&format!("{lane}-{key}")).unwrap();
            assert!(before_last <= stored.version, "{lane}-{key} is not the last: {stored:?}");
            assert!(stored.document.unwrap().contains(&format!("\"version\":{},", stored.version)));
        }
    }
}
