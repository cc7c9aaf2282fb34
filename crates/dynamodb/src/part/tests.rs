//! A part that is read by one worker after the other, down a pipeline that fails.

use coordination::MemoryLeases;
use futures::channel::mpsc;
use pipeline::{Ack, Batch, Outlet, Timestamp};

use super::*;

/// Rows `from..to`, some at a time.
struct Numbers {
    next: u64,
    end: u64,
    fails: bool,
}

#[async_trait]
impl Pieces for Numbers {
    async fn next(&mut self) -> Result<Option<Piece>, PartError> {
        if self.next == self.end {
            return if self.fails { Err(PartError::Missing("gone".to_owned())) } else { Ok(None) };
        }
        let n = (self.end - self.next).min(10);
        self.next += n;
        let events = (0..n).map(|_| Event::default()).collect();
        Ok(Some(Piece { events, mark: Mark { rows: self.next, place: String::new() } }))
    }
}

struct World {
    store: Arc<MemoryLeases>,
    clock: Clock,
}

impl World {
    fn new() -> World {
        World { store: Arc::default(), clock: Clock::at(Timestamp(0)) }
    }

    async fn lease(&self) -> Option<Lease> {
        self.store.acquire("part", "me", self.clock.now()).await.unwrap()
    }

    /// Reads up to `end`; `take` says what becomes of the batches.
    async fn read<T: Future<Output = ()>>(
        &self,
        end: u64,
        fails: bool,
        stop: Stop,
        take: impl FnOnce(mpsc::Receiver<Batch>) -> T,
    ) -> Result<PartEnd, PartError> {
        let lease = self.lease().await.unwrap();
        let next = lease.checkpoint.as_deref().map_or(0, |it| Mark::read(it).rows);
        let (outlet, mut queues) = Outlet::with_room(16);
        let lane = outlet.lane().unwrap();
        let store: Arc<dyn LeaseStore> = Arc::<MemoryLeases>::clone(&self.store);
        let reader = PartReader { store, clock: self.clock.clone(), lease, lane };
        let reading = reader.run(Box::new(Numbers { next, end, fails }), stop);
        let queue = queues.next().await.unwrap();
        futures::join!(reading, take(queue)).0
    }

    async fn checkpoint(&self) -> Option<String> {
        self.store.list("part").await.unwrap()[0].checkpoint.clone()
    }
}

async fn all(mut queue: mpsc::Receiver<Batch>) {
    while let Some(batch) = queue.next().await {
        Ack::delivered(batch.ack);
    }
}

#[tokio::test]
async fn a_part_is_done_when_everything_is_safe() {
    let (world, (_stopper, stop)) = (World::new(), Stop::pair());
    let end = world.read(95, false, stop, all).await.unwrap();
    assert_eq!(end, PartEnd::Finished);
    assert_eq!(world.checkpoint().await.as_deref(), Some("95 rows"));
    assert_eq!(world.lease().await, None, "nobody reads it again");
}

#[tokio::test]
async fn the_checkpoint_never_passes_what_is_not_safe() {
    let (world, (_stopper, stop)) = (World::new(), Stop::pair());
    let end = world.read(100, false, stop, async |mut queue| {
        let mut batches = Vec::new();
        for _ in 0..4 {
            batches.push(queue.next().await.unwrap());
        }
        assert!(futures::poll!(queue.next()).is_pending(), "no more than four are on their way");
        // The third before the second, and then the second not at all.
        let [first, second, third, _fourth] = batches.try_into().unwrap();
        Ack::delivered(first.ack);
        Ack::delivered(third.ack);
        tokio::task::yield_now().await;
        drop(second.ack);
    });
    assert_eq!(end.await.unwrap(), PartEnd::LetGo);
    assert_eq!(world.checkpoint().await.as_deref(), Some("10 rows"));

    let (_stopper, stop) = Stop::pair();
    let end = world.read(100, false, stop, async |mut queue| {
        let mut n = 0;
        while let Some(batch) = queue.next().await {
            n += batch.events.len();
            Ack::delivered(batch.ack);
        }
        assert_eq!(n, 90, "what was safe is not sent again");
    });
    assert_eq!(end.await.unwrap(), PartEnd::Finished);
}

#[tokio::test]
async fn asked_to_stop_it_waits_for_what_is_on_its_way() {
    let (world, (stopper, stop)) = (World::new(), Stop::pair());
    let end = world.read(1_000, false, stop, async |mut queue| {
        let first = queue.next().await.unwrap();
        stopper.stop();
        Ack::delivered(first.ack);
        all(queue).await;
    });
    assert_eq!(end.await.unwrap(), PartEnd::LetGo);
    let safe = Mark::read(&world.checkpoint().await.unwrap()).rows;
    assert!((10..=50).contains(&safe), "{safe}");
    assert!(world.lease().await.is_some(), "others need not wait");
}

#[tokio::test]
async fn a_part_that_cannot_be_read_is_let_go() {
    let (world, (_stopper, stop)) = (World::new(), Stop::pair());
    let end = world.read(20, true, stop, all).await;
    assert!(matches!(end, Err(PartError::Missing(_))));
    assert!(world.lease().await.is_some());
}

#[test]
fn a_mark_is_read_as_it_was_written() {
    for (rows, place) in [(0, ""), (95, ""), (7, r#"{"pk":{"S":"a rows b"}}"#)] {
        let mark = Mark { rows, place: place.to_owned() };
        assert_eq!(Mark::read(&mark.to_string()), mark);
    }
    for text in ["", "x", "rows", "x rows 7"] {
        assert_eq!(Mark::read(text), Mark::default(), "{text}");
    }
}
