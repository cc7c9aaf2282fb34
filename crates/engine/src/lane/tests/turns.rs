//! Writes of one lane, one behind the other or overlapping, as the sink allows.

use pipeline::Budget;
use tokio::sync::Barrier;

use super::*;

/// Ends no write before the next one has begun, if it gives its turn away early.
struct Overlapping {
    early: bool,
    both: Barrier,
    most: AtomicU32,
    now: AtomicU32,
}

impl Overlapping {
    fn new(early: bool) -> Arc<Overlapping> {
        let (most, now) = (AtomicU32::new(0), AtomicU32::new(0));
        Arc::new(Overlapping { early, both: Barrier::new(2), most, now })
    }
}

#[async_trait]
impl Sink for Overlapping {
    async fn write(&self, events: Vec<Event>) -> Result<Tally, SinkError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        if self.early {
            self.both.wait().await;
        } else {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(Tally { indexed: events.len() as u64, ..Tally::default() })
    }

    async fn write_in_turn(&self, events: Vec<Event>, turn: Turn) -> Result<Tally, SinkError> {
        let held = Some(turn).filter(|_| !self.early);
        let written = self.write(events).await;
        drop(held);
        written
    }
}

/// Sends four batches so far apart that each is a write of its own.
struct OneByOne;

#[async_trait]
impl Source for OneByOne {
    async fn run(self: Box<Self>, outlet: Outlet, _stop: Stop) -> Result<(), SourceError> {
        let mut lane = outlet.lane().map_err(closed)?;
        let mut deliveries = Vec::new();
        for line in ["a", "b", "c", "d"] {
            deliveries.push(lane.send(vec![event(line)]).await.map_err(closed)?);
            sleep(Duration::from_millis(10)).await;
        }
        let outcomes = join_all(deliveries).await;
        assert!(outcomes.iter().all(|it| *it == Outcome::Delivered));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_begins_when_the_turn_of_the_one_before_is_over() {
    for (early, most) in [(true, 2), (false, 1)] {
        let sink = Overlapping::new(early);
        let target: Box<dyn Sink> = Box::new(Arc::clone(&sink));
        let mut parts = Parts::named("p", Clock::at(Timestamp(0)));
        parts.targets = vec![target.into()];
        parts.budget = Budget::of(1 << 20);
        let budget = parts.budget.clone();
        let pipeline = Pipeline::from(parts);
        let running = pipeline.run(Box::new(OneByOne), Stop::pair().1);
        timeout(Duration::from_mins(1), running).await.expect("no write waits for ever").unwrap();
        assert_eq!(sink.most.load(Ordering::SeqCst), most, "early: {early}");
        assert_eq!(pipeline.accounts().now().indexed, 4);
        assert!(0 < budget.most() && budget.taken() == 0, "{budget:?}");
    }
}
