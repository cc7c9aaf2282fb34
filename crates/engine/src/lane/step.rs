//! One processor of a pipeline at work: what becomes of each event, counted.

use std::mem;

use pipeline::{
    Ack, Counter, Event, Failure, Flow, Meters, Metric, ProcessError, Processor, Summary, Taken,
    Timestamp,
};
use tokio::time::Instant;

/// Events that a processor or sink was shown.
pub static RECORDS_IN: Metric = Metric::counter("recordsIn", "Events that it was given.");
/// Events that a processor passed on.
pub static RECORDS_OUT: Metric = Metric::counter("recordsOut", "Events that it passed on.");
/// How long a processor or sink worked.
pub static TIME_ELAPSED: Metric = Metric::timer("timeElapsed", "How long it worked on a batch.");
/// Events that a processor gave up on.
pub static RECORDS_FAILED: Metric =
    Metric::counter("recordsFailed", "Events that it gave up on; they are dead letters.");

/// A processor, and what it is called.
pub struct Step {
    name: String,
    pub(super) processor: Box<dyn Processor>,
    counted: Counted,
}

struct Counted {
    records_in: Counter,
    records_out: Counter,
    records_failed: Counter,
    time_elapsed: Summary,
}

/// What a step did with the number of events.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) filtered: u64,
    pub(super) added: u64,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Step({})", self.name)
    }
}

impl Step {
    /// The processor called `name` in the pipeline that `meters` belongs to.
    pub fn new(name: &str, processor: Box<dyn Processor>, meters: &Meters) -> Step {
        let counted = Counted {
            records_in: meters.counter(&RECORDS_IN),
            records_out: meters.counter(&RECORDS_OUT),
            records_failed: meters.counter(&RECORDS_FAILED),
            time_elapsed: meters.summary(&TIME_ELAPSED),
        };
        Step { name: name.to_owned(), processor, counted }
    }

    /// Runs events through a processor that has no memory. Those that somebody gave up on are not
    /// shown to it.
    pub(super) fn change(&self, events: Vec<Event>) -> (Vec<Event>, Change) {
        let (began, n_before) = (Instant::now(), events.len());
        let mut change = Change::default();
        let events = self.apply(events, &mut change);
        self.count(n_before, events.len(), began);
        (events, change)
    }

    /// Events that pass stay where they are; nothing is moved unless one is replaced.
    fn apply(&self, mut events: Vec<Event>, change: &mut Change) -> Vec<Event> {
        let mut n_kept = 0;
        let mut replaced: Vec<(usize, Vec<Event>)> = Vec::new();
        events.retain_mut(|event| {
            let flow = match event.failure {
                Some(_) => Ok(Flow::Keep),
                None => self.processor.process(event),
            };
            let stays = match flow {
                Ok(Flow::Keep) => true,
                Ok(Flow::Drop) => {
                    change.filtered += 1;
                    false
                }
                Ok(Flow::Replace(others)) => {
                    match others.len() as u64 {
                        0 => change.filtered += 1,
                        n => change.added += n - 1,
                    }
                    replaced.push((n_kept, others));
                    false
                }
                Err(error) => {
                    self.give_up(event, &error);
                    true
                }
            };
            n_kept += usize::from(stays);
            stays
        });
        if replaced.is_empty() { events } else { merged(events, replaced) }
    }

    /// Shows events to a processor that has a memory. How long to wait is said in the third part.
    pub(super) fn take(
        &self,
        events: Vec<Event>,
        acks: &[Ack],
        now: Timestamp,
    ) -> (Vec<Event>, Change, std::time::Duration) {
        let Some(stateful) = self.processor.stateful() else {
            let (events, change) = self.change(events);
            return (events, change, std::time::Duration::ZERO);
        };
        let (began, n_before) = (Instant::now(), events.len());
        let (given_up, events): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|it| it.failure.is_some());
        let n_shown = events.len() as u64;
        let Taken { mut events, kept, failed, wait } = stateful.take(events, acks, now);
        let n_left = n_shown.saturating_sub(kept);
        let n_gone = n_left.saturating_sub((events.len() + failed.len()) as u64);
        for (mut event, error) in failed {
            self.give_up(&mut event, &error);
            events.push(event);
        }
        events.extend(given_up);
        self.count(n_before, events.len(), began);
        (events, Change { filtered: n_gone, added: 0 }, wait)
    }

    fn give_up(&self, event: &mut Event, error: &ProcessError) {
        let (plugin, reason) = (self.name.clone(), error.to_string());
        event.failure = Some(Failure { plugin, reason });
        self.counted.records_failed.add(1);
    }

    fn count(&self, n_in: usize, n_out: usize, began: Instant) {
        self.counted.records_in.add(n_in as u64);
        self.counted.records_out.add(n_out as u64);
        self.counted.time_elapsed.record_time(began.elapsed());
    }
}

/// Puts others where events were taken out: at the place given, counted without them.
fn merged(events: Vec<Event>, replaced: Vec<(usize, Vec<Event>)>) -> Vec<Event> {
    let n: usize = replaced.iter().map(|(_, others)| others.len()).sum();
    let mut all = Vec::with_capacity(events.len() + n);
    let mut replaced = replaced.into_iter().peekable();
    for (n, event) in events.into_iter().enumerate() {
        while let Some((_, others)) = replaced.next_if(|(at, _)| *at <= n) {
            all.extend(others);
        }
        all.push(event);
    }
    all.extend(replaced.flat_map(|(_, others)| others));
    all
}

/// Takes out those that somebody gave up on, with the reason.
pub(super) fn given_up(events: &mut Vec<Event>) -> Vec<(Event, Failure)> {
    if events.iter().all(|it| it.failure.is_none()) {
        return Vec::new();
    }
    let (failed, others): (Vec<_>, Vec<_>) =
        mem::take(events).into_iter().partition(|it| it.failure.is_some());
    *events = others;
    let with_reason = |mut event: Event| event.failure.take().map(|failure| (event, failure));
    failed.into_iter().filter_map(with_reason).collect()
}
