mod feeding;
mod turns;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use pipeline::{
    Document, Flow, ProcessError, ReadingValue, Released, Sink, Stateful, Taken, Value,
};

use super::*;
use crate::Account;

/// Sends each line until it is delivered.
struct Lines(Vec<&'static str>);

#[async_trait]
impl Source for Lines {
    async fn run(self: Box<Self>, outlet: Outlet, _stop: Stop) -> Result<(), SourceError> {
        let mut lane = outlet.lane().map_err(closed)?;
        for line in self.0 {
            loop {
                let delivery = lane.send(vec![event(line)]).await.map_err(closed)?;
                if delivery.await == Outcome::Delivered {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Sends every line at once, then waits for all of them.
struct Burst(Vec<&'static str>);

#[async_trait]
impl Source for Burst {
    async fn run(self: Box<Self>, outlet: Outlet, _stop: Stop) -> Result<(), SourceError> {
        let mut lane = outlet.lane().map_err(closed)?;
        let mut deliveries = Vec::new();
        for line in self.0 {
            deliveries.push(lane.send(vec![event(line)]).await.map_err(closed)?);
        }
        join_all(deliveries).await;
        Ok(())
    }
}

/// Fails every other write.
#[derive(Clone, Default)]
struct FlakyIndex {
    written: Arc<Mutex<Vec<Event>>>,
    writes: Arc<AtomicU32>,
}

#[async_trait]
impl Sink for FlakyIndex {
    async fn write(&self, events: Vec<Event>) -> Result<Tally, SinkError> {
        if self.writes.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Err(SinkError("cluster is restarting".into()));
        }
        let indexed = events.len() as u64;
        self.written.lock().unwrap().extend(events);
        Ok(Tally { indexed, ..Tally::default() })
    }
}

/// Notes the size of each write, and takes its time over it.
#[derive(Clone, Default)]
struct SlowIndex(Arc<Mutex<Vec<usize>>>);

#[async_trait]
impl Sink for SlowIndex {
    async fn write(&self, events: Vec<Event>) -> Result<Tally, SinkError> {
        self.0.lock().unwrap().push(events.len());
        sleep(Duration::from_secs(1)).await;
        Ok(Tally { indexed: events.len() as u64, ..Tally::default() })
    }
}

/// Ends events called `drop`, doubles those called `double`, and fails at those called `fail`.
struct Fate;

impl Processor for Fate {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        let Some(Value::String(name)) = event.get(&"name".into()) else { return Ok(Flow::Keep) };
        Ok(match name.as_str() {
            "drop" => Flow::Drop,
            "double" => Flow::Replace(vec![event.clone(), event.clone()]),
            "fail" => return Err(ProcessError("no".to_owned())),
            _ => Flow::Keep,
        })
    }
}

fn closed(error: pipeline::PipelineClosed) -> SourceError {
    SourceError(error.to_string())
}

fn event(name: &str) -> Event {
    let fields = [("name".to_owned(), name.into())].into_iter().collect();
    Event { document: Document::Fields(fields), ..Event::default() }
}

fn pipeline(processors: Vec<Box<dyn Processor>>, sinks: Vec<Box<dyn Sink>>) -> Pipeline {
    let targets = sinks.into_iter().map(Target::from).collect();
    Pipeline::new("test", processors, Vec::new(), targets, Clock::at(Timestamp(0)))
}

fn check_accounts(pipeline: &Pipeline, expected: &Account) {
    let mut account = pipeline.accounts().now();
    (account.delivered_at, account.problem) = (None, None);
    assert_eq!(account, *expected);
    assert_eq!(account.unaccounted(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_during_a_write_goes_out_with_the_next() {
    let index = SlowIndex::default();
    let pipeline = pipeline(Vec::new(), vec![Box::new(index.clone())]);
    let lines = (0..QUEUE_ROOM * 2).map(|_| "line").collect();

    let (_stopper, stop) = Stop::pair();
    pipeline.run(Box::new(Burst(lines)), stop).await.unwrap();

    let sizes = index.0.lock().unwrap().clone();
    assert_eq!(sizes.iter().sum::<usize>(), QUEUE_ROOM * 2);
    assert!(sizes.len() <= 3, "{sizes:?}");
}

#[tokio::test]
async fn a_caller_who_waits_is_told_of_failure() {
    let pipeline = pipeline(Vec::new(), vec![Box::new(FlakyIndex::default())]);

    assert_eq!(pipeline.deliver_now(vec![event("ada")]).await, Outcome::Failed);
    assert!(pipeline.accounts().now().problem.unwrap().contains("restarting"));
    assert_eq!(pipeline.deliver_now(vec![event("ada")]).await, Outcome::Delivered);
    assert_eq!(pipeline.accounts().now().problem, None);
    check_accounts(&pipeline, &Account { read: 2, returned: 1, indexed: 1, ..Account::default() });
}

#[tokio::test]
async fn a_failed_write_is_read_again() {
    let index = FlakyIndex::default();
    let pipeline = pipeline(Vec::new(), vec![Box::new(index.clone())]);

    let (_stopper, stop) = Stop::pair();
    pipeline.run(Box::new(Lines(vec!["ada", "bob"])), stop).await.unwrap();

    assert_eq!(*index.written.lock().unwrap(), [event("ada"), event("bob")]);
    check_accounts(&pipeline, &Account { read: 4, returned: 2, indexed: 2, ..Account::default() });
}

#[tokio::test]
async fn every_event_is_in_one_account_whatever_processors_do() {
    let (index, letters) = (steady_index(), Arc::new(Letters::default()));
    let parts = parts("test", vec![Fate], &index);
    let pipeline = Pipeline::from(Parts { dead_letters: Some(letters.clone()), ..parts });
    let events = ["keep", "fail", "drop", "double"].map(event).to_vec();

    assert_eq!(pipeline.deliver_now(events).await, Outcome::Delivered);

    check_accounts(
        &pipeline,
        &Account {
            read: 4,
            filtered: 1,
            added: 1,
            indexed: 3,
            dead_lettered: 1,
            ..Account::default()
        },
    );
    let written = index.written.lock().unwrap();
    assert_eq!(*written, ["keep", "double", "double"].map(event));
    let letters = letters.kept.lock().unwrap();
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((letter.plugin.as_str(), letter.reason.as_str()), ("fate", "no"));
    assert_eq!(letter.event, event("fail"));
}

/// Keeps letters, unless it is full.
#[derive(Debug, Default)]
struct Letters {
    kept: Mutex<Vec<DeadLetter>>,
    is_full: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl DeadLetterQueue for Letters {
    async fn add(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(SinkError("no room".into()));
        }
        self.kept.lock().unwrap().extend(letters);
        Ok(())
    }

    fn place(&self) -> String {
        "here".to_owned()
    }
}

fn steady_index() -> FlakyIndex {
    let index = FlakyIndex::default();
    // Only every other write fails, and each of our tests makes one.
    index.writes.store(1, Ordering::Relaxed);
    index
}

fn parts(name: &str, fates: Vec<Fate>, index: &FlakyIndex) -> Parts {
    let parts = Parts::named(name, Clock::at(Timestamp(0)));
    let meters = parts.meters.of(name, "fate");
    let steps = fates.into_iter().map(|it| Step::new("fate", Box::new(it), &meters)).collect();
    let index: Box<dyn Sink> = Box::new(index.clone());
    Parts { steps, targets: vec![index.into()], ..parts }
}

#[tokio::test]
async fn what_a_source_gave_up_on_is_shown_to_no_processor_and_kept() {
    let (index, letters) = (steady_index(), Arc::new(Letters::default()));
    let parts = parts("test", vec![Fate], &index);
    let pipeline = Pipeline::from(Parts { dead_letters: Some(letters.clone()), ..parts });
    let failure = Failure { plugin: "dynamodb".into(), reason: "not an item".into() };
    let broken = Event { failure: Some(failure), ..event("double") };

    letters.is_full.store(true, Ordering::Relaxed);
    assert_eq!(pipeline.deliver_now(vec![broken.clone()]).await, Outcome::Failed);
    letters.is_full.store(false, Ordering::Relaxed);
    assert_eq!(pipeline.deliver_now(vec![broken, event("keep")]).await, Outcome::Delivered);

    assert_eq!(letters.kept.lock().unwrap()[0].plugin, "dynamodb");
    assert_eq!(*index.written.lock().unwrap(), [event("keep")]);
    check_accounts(
        &pipeline,
        &Account { read: 3, returned: 1, indexed: 1, dead_lettered: 1, ..Account::default() },
    );
}

#[tokio::test]
async fn without_a_place_for_dead_letters_a_failure_fails_the_batch() {
    let index = steady_index();
    let pipeline = Pipeline::from(parts("test", vec![Fate], &index));
    assert_eq!(pipeline.deliver_now(vec![event("fail")]).await, Outcome::Failed);
    assert!(pipeline.accounts().now().problem.unwrap().contains("no place for dead letters"));
}

#[tokio::test]
async fn steps_count_what_they_see() {
    let (index, letters) = (steady_index(), Arc::new(Letters::default()));
    let parts = parts("test", vec![Fate, Fate], &index);
    let meters = parts.meters.clone();
    let pipeline = Pipeline::from(Parts { dead_letters: Some(letters), ..parts });
    let _ = pipeline.deliver_now(["keep", "drop", "double", "fail"].map(event).to_vec()).await;

    let counted = |metric: &str| {
        meters.read().into_iter().find(|it| it.metric.name == metric).map(|it| it.value)
    };
    // keep, double, double, fail; then four doubles, and what failed is passed over.
    assert_eq!(counted("recordsIn"), Some(ReadingValue::Count(4 + 4)));
    assert_eq!(counted("recordsOut"), Some(ReadingValue::Count(4 + 6)));
    assert_eq!(counted("recordsFailed"), Some(ReadingValue::Count(1)));
    assert_eq!(
        *index.written.lock().unwrap(),
        ["keep", "double", "double", "double", "double"].map(event)
    );
}

#[tokio::test(start_paused = true)]
async fn a_delay_lets_batches_fill_up_until_they_are_full() {
    for (batch_events, n_writes) in [(100, 1), (2, 3)] {
        let index = SlowIndex::default();
        let sink: Box<dyn Sink> = Box::new(index.clone());
        let pace = Pace {
            delay: Some(Duration::from_secs(3)),
            batch_events: NonZeroUsize::new(batch_events),
            ..Pace::default()
        };
        let parts = Parts::named("test", Clock::at(Timestamp(0)));
        let pipeline = Pipeline::from(Parts { targets: vec![sink.into()], pace, ..parts });
        let (_stopper, stop) = Stop::pair();
        let source = Trickle { n: 6, every: Duration::from_millis(100) };
        pipeline.run(Box::new(source), stop).await.unwrap();
        let sizes = index.0.lock().unwrap().clone();
        assert!(sizes.len() <= n_writes, "{batch_events}: {sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), 6);
    }
}

/// Sends one event after the other, and waits in between.
struct Trickle {
    n: u32,
    every: Duration,
}

#[async_trait]
impl Source for Trickle {
    async fn run(self: Box<Self>, outlet: Outlet, _stop: Stop) -> Result<(), SourceError> {
        let mut lane = outlet.lane().map_err(closed)?;
        let mut deliveries = Vec::new();
        for _ in 0..self.n {
            deliveries.push(lane.send(vec![event("x")]).await.map_err(closed)?);
            sleep(self.every).await;
        }
        join_all(deliveries).await;
        Ok(())
    }
}

/// Notes how many writes were under way at once.
#[derive(Clone, Default)]
struct Crowd(Arc<Mutex<(u32, u32)>>);

#[async_trait]
impl Sink for Crowd {
    async fn write(&self, events: Vec<Event>) -> Result<Tally, SinkError> {
        {
            let mut it = self.0.lock().unwrap();
            it.0 += 1;
            it.1 = it.1.max(it.0);
        }
        sleep(Duration::from_millis(10)).await;
        self.0.lock().unwrap().0 -= 1;
        Ok(Tally { indexed: events.len() as u64, ..Tally::default() })
    }
}

#[tokio::test(start_paused = true)]
async fn workers_bound_how_many_lanes_write_at_once() {
    for workers in [1, 2, 8] {
        let crowd = Crowd::default();
        let sink: Box<dyn Sink> = Box::new(crowd.clone());
        let pace = Pace { workers: NonZeroUsize::new(workers), ..Pace::default() };
        let parts = Parts::named("test", Clock::at(Timestamp(0)));
        let pipeline = Pipeline::from(Parts { targets: vec![sink.into()], pace, ..parts });
        let one = || pipeline.deliver_now(vec![event("x")]);
        join_all((0..5).map(|_| one())).await;
        assert_eq!(crowd.0.lock().unwrap().1, u32::try_from(workers.min(5)).unwrap());
    }
}

#[tokio::test]
async fn every_sink_gets_every_event_and_one_failure_fails_the_batch() {
    let (one, two) = (FlakyIndex::default(), FlakyIndex::default());
    one.writes.store(1, Ordering::Relaxed);
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(one.clone()), Box::new(two.clone())];
    let pipeline = pipeline(Vec::new(), sinks);

    assert_eq!(pipeline.deliver_now(vec![event("ada")]).await, Outcome::Failed);
    one.writes.store(1, Ordering::Relaxed);
    assert_eq!(pipeline.deliver_now(vec![event("ada")]).await, Outcome::Delivered);

    assert_eq!(two.written.lock().unwrap().len(), 1);
    check_accounts(
        &pipeline,
        &Account { read: 2, added: 2, returned: 2, indexed: 2, ..Account::default() },
    );
}

/// Keeps events called `keep…` until they are old enough, and gives one for all of them.
#[derive(Default)]
struct Keeping(Mutex<Vec<(Timestamp, Event, Vec<Ack>)>>);

const KEPT_FOR_MS: u64 = 1000;

impl Processor for Keeping {
    fn process(&self, _event: &mut Event) -> Result<Flow, ProcessError> {
        unreachable!("the lane asks its memory")
    }

    fn stateful(&self) -> Option<&dyn Stateful> {
        Some(self)
    }
}

impl Stateful for Keeping {
    fn take(&self, events: Vec<Event>, acks: &[Ack], now: Timestamp) -> Taken {
        let (keep, go_on): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|it| *it == event("keep"));
        let kept = keep.len() as u64;
        let keep = keep.into_iter().map(|event| (now, event, acks.to_vec()));
        self.0.lock().unwrap().extend(keep);
        Taken { events: go_on, kept, ..Taken::default() }
    }

    fn release(&self, now: Timestamp, all: bool) -> Vec<Released> {
        let mut kept = self.0.lock().unwrap();
        if kept.is_empty() || !(all || kept[0].0.0 + KEPT_FOR_MS <= now.0) {
            return Vec::new();
        }
        let n = kept.len() as u64;
        let acks = kept.drain(..).flat_map(|(_, _, acks)| acks).collect();
        vec![Released { events: vec![event("together")], kept: n, acks }]
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_back_holds_its_batch_until_it_is_released_and_written() {
    let index = FlakyIndex::default();
    index.writes.store(1, Ordering::Relaxed);
    let clock = Clock::at(Timestamp(0));
    let processors: Vec<Box<dyn Processor>> = vec![Box::new(Keeping::default())];
    let targets = vec![Target::from(Box::new(index.clone()) as Box<dyn Sink>)];
    let pipeline = Pipeline::new("test", processors, Vec::new(), targets, clock.clone());

    let (_stopper, stop) = Stop::pair();
    let running = pipeline.clone();
    let run = tokio::spawn(async move {
        running.run(Box::new(Burst(vec!["keep", "keep", "go"])), stop).await
    });
    sleep(Duration::from_mins(1)).await;
    assert!(!run.is_finished(), "the source waits for what is kept");
    assert_eq!(*index.written.lock().unwrap(), [event("go")]);
    check_accounts(&pipeline, &Account { read: 3, in_flight: 2, indexed: 1, ..Account::default() });

    index.writes.store(1, Ordering::Relaxed);
    clock.advance(Duration::from_millis(KEPT_FOR_MS));
    run.await.unwrap().unwrap();
    assert_eq!(*index.written.lock().unwrap(), [event("go"), event("together")]);
    check_accounts(&pipeline, &Account { read: 3, filtered: 1, indexed: 2, ..Account::default() });
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_gives_back_all_that_was_kept_for_it() {
    let index = FlakyIndex::default();
    let pipeline = pipeline(vec![Box::new(Keeping::default())], vec![Box::new(index.clone())]);

    assert_eq!(pipeline.deliver_now(["keep", "keep"].map(event).to_vec()).await, Outcome::Failed);
    assert_eq!(
        pipeline.deliver_now(["keep", "keep"].map(event).to_vec()).await,
        Outcome::Delivered
    );

    assert_eq!(*index.written.lock().unwrap(), [event("together")]);
    check_accounts(
        &pipeline,
        &Account { read: 4, filtered: 2, returned: 1, indexed: 1, ..Account::default() },
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_releases_at_once_what_is_kept() {
    let index = FlakyIndex::default();
    index.writes.store(1, Ordering::Relaxed);
    let pipeline = pipeline(vec![Box::new(Keeping::default())], vec![Box::new(index.clone())]);

    let (stopper, stop) = Stop::pair();
    stopper.stop();
    pipeline.run(Box::new(Burst(vec!["keep"])), stop).await.unwrap();

    assert_eq!(*index.written.lock().unwrap(), [event("together")]);
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_of_a_batch_that_failed_is_not_written() {
    let index = FlakyIndex::default();
    let pipeline = pipeline(vec![Box::new(Keeping::default())], vec![Box::new(index.clone())]);

    let outcome = pipeline.deliver_now(["keep", "go"].map(event).to_vec()).await;

    assert_eq!(outcome, Outcome::Failed);
    assert_eq!(*index.written.lock().unwrap(), []);
    check_accounts(&pipeline, &Account { read: 2, returned: 2, ..Account::default() });
}
