//! Reads one shard: does what [`Shard`] says, and tells it what came of it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use aws::{CallError, JsonService};
use bytes::Bytes;
use coordination::{Lease, LeaseError, LeaseStore};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use pipeline::{Clock, Delivery, Event, Lane, Outcome, Stop, Timestamp};
use serde_json::json;
use tracing::{info, warn};
use wire::json::Malformed;

use crate::{
    Action, Conversion, Input, Pace, Progress, Shard, ShardIterator, Start, Versions, convert,
    deletes::ShardDeletes, gaps::Gaps,
};

/// How many records to ask for at a time. DynamoDB allows no more.
const RECORDS_PER_PAGE: u32 = 1_000;
/// How long to wait before asking again after a failed call, at first and at most.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often at most a checkpoint is held back: no timer is shorter.
const SAVE_EVERY_MIN: Duration = Duration::from_millis(1);

/// Everything needed to read one shard.
pub(crate) struct ShardReader {
    pub(crate) streams: JsonService,
    pub(crate) stream_arn: Arc<str>,
    pub(crate) shard: String,
    pub(crate) conversion: Conversion,
    pub(crate) pace: Pace,
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) clock: Clock,
    pub(crate) deletes: ShardDeletes,
    pub(crate) gaps: Gaps,
    pub(crate) lease: Lease,
    pub(crate) lane: Lane,
    /// Told once the shard is being read.
    pub(crate) started: Option<Box<dyn FnOnce() + Send>>,
}

/// How reading a shard ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Every record of it is safe.
    Finished,
    /// We let go, or had to. Someone reads on from the checkpoint, perhaps ourselves.
    LetGo,
}

/// Why a shard cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error("GetRecords: the answer makes no sense: {0}")]
    Malformed(#[from] Malformed),
    #[error("not allowed to call {operation}: {message}; grant `dynamodb:{operation}` on {arn}")]
    NotAllowed { operation: String, message: String, arn: String },
}

/// What reading led to.
enum Answer {
    Iterator(ShardIterator),
    Page(Bytes),
    Expired,
    Trimmed,
    Gone,
}

/// What became of a page so far.
enum Emitted {
    OnItsWay(Delivery),
    Settled(Outcome),
}

impl ShardReader {
    /// Reads until the shard ends, the lease is lost, or `stop` is asked and everything sent is safe.
    pub(crate) async fn run(mut self, start: Start, mut stop: Stop) -> Result<End, ReadError> {
        let (mut shard, first) = Shard::new(start, self.pace);
        let mut todo = VecDeque::from(first);
        let mut versions = Versions::default();
        let mut page: Vec<Event> = Vec::new();
        let mut asking: BoxFuture<'static, Result<Answer, CallError>> =
            futures::future::pending().boxed();
        let mut settling = FuturesUnordered::new();
        // A checkpoint may wait a little, so that the next one takes its place.
        let save_every = self.store.save_every();
        let mut save = tokio::time::interval(save_every.max(SAVE_EVERY_MIN));
        save.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut unsaved = false;
        let mut stop_heard = false;
        loop {
            while let Some(action) = todo.pop_front() {
                let input = match action {
                    Action::Seek(start) => {
                        versions = Versions::after(version_of(start));
                        asking = self.seek(start).boxed();
                        None
                    }
                    Action::Read(iterator, not_before) => {
                        self.say_started();
                        asking = self.read(&iterator, not_before).boxed();
                        None
                    }
                    Action::Emit(last) => match self.emit(std::mem::take(&mut page)).await? {
                        Emitted::OnItsWay(delivery) => {
                            settling.push(delivery.map(move |it| (last, it)));
                            None
                        }
                        Emitted::Settled(outcome) => Some(Input::Settled(last, outcome)),
                    },
                    Action::Save(progress) => {
                        self.lease.checkpoint = Some(progress.to_string());
                        unsaved = !save_every.is_zero();
                        if unsaved { None } else { self.save().await? }
                    }
                    Action::Finish(progress) => return self.finish(progress).await,
                    Action::Release => {
                        self.let_go().await?;
                        return Ok(End::LetGo);
                    }
                };
                if let Some(input) = input {
                    let is_lost = matches!(input, Input::LeaseLost);
                    todo.extend(shard.handle(self.clock.now(), input));
                    if is_lost {
                        return Ok(End::LetGo);
                    }
                }
            }
            let input = tokio::select! {
                answer = &mut asking => {
                    asking = futures::future::pending().boxed();
                    match answer.map_err(|it| self.judge(it))? {
                        Answer::Iterator(iterator) => Input::Iterator(iterator),
                        Answer::Expired => Input::IteratorExpired,
                        Answer::Trimmed => {
                            self.note_gap("changes older than a day were dropped before they were read").await?;
                            Input::Trimmed
                        }
                        Answer::Gone => {
                            self.note_gap("the shard is older than a day, and gone").await?;
                            Input::Gone
                        }
                        Answer::Page(body) => {
                            let read = convert(&body, &self.conversion, &mut versions)?;
                            page = read.events;
                            Input::Page { last: read.last, full: read.full, next: read.next }
                        }
                    }
                }
                Some((last, outcome)) = settling.next(), if !settling.is_empty() => {
                    Input::Settled(last, outcome)
                }
                _ = save.tick(), if unsaved => {
                    unsaved = false;
                    match self.save().await? {
                        Some(input) => input,
                        None => continue,
                    }
                }
                () = &mut stop, if !stop_heard => {
                    stop_heard = true;
                    Input::StopAsked
                }
            };
            let is_lost = matches!(input, Input::LeaseLost);
            todo.extend(shard.handle(self.clock.now(), input));
            if is_lost {
                return Ok(End::LetGo);
            }
        }
    }

    fn say_started(&mut self) {
        if let Some(started) = self.started.take() {
            started();
        }
    }

    /// Sends a page down the pipeline; its deletes are kept first, if a load is under way.
    async fn emit(&mut self, events: Vec<Event>) -> Result<Emitted, ReadError> {
        if events.is_empty() {
            return Ok(Emitted::Settled(Outcome::Delivered));
        }
        self.deletes.keep(&events).await?;
        let n_events = events.len() as u64;
        self.deletes.count(n_events);
        Ok(match self.lane.send(events).await {
            Ok(delivery) => Emitted::OnItsWay(delivery),
            Err(_closed) => Emitted::Settled(Outcome::Failed),
        })
    }

    async fn note_gap(&mut self, why: &str) -> Result<(), LeaseError> {
        let place = self.lease.checkpoint.as_deref().unwrap_or("start").replace(' ', "-");
        self.gaps.note(&self.shard, &place, why).await
    }

    fn judge(&self, error: CallError) -> ReadError {
        match error {
            CallError::Refused { operation, code, message, .. }
                if code == "AccessDeniedException" =>
            {
                ReadError::NotAllowed { operation, message, arn: self.stream_arn.to_string() }
            }
            error => error.into(),
        }
    }

    fn seek(&self, start: Start) -> impl Future<Output = Result<Answer, CallError>> + Send + use<> {
        let mut question = json!({ "StreamArn": &*self.stream_arn, "ShardId": self.shard });
        match start {
            Start::Latest { .. } => question["ShardIteratorType"] = "LATEST".into(),
            Start::After(Progress { after: None, .. }) => {
                question["ShardIteratorType"] = "TRIM_HORIZON".into();
            }
            Start::After(Progress { after: Some(after), .. }) => {
                question["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
                question["SequenceNumber"] = after.to_string().into();
            }
        }
        let streams = self.streams.clone();
        let body = Bytes::from(question.to_string());
        async move {
            let answer = match ask(&streams, "GetShardIterator", body).await? {
                Ok(answer) => answer,
                Err(answer) => return Ok(answer),
            };
            let iterator = serde_json::from_slice::<serde_json::Value>(&answer)
                .ok()
                .and_then(|it| it.get("ShardIterator")?.as_str().map(str::to_owned))
                .unwrap_or_default();
            Ok(Answer::Iterator(ShardIterator(iterator)))
        }
    }

    fn read(
        &self,
        iterator: &ShardIterator,
        not_before: Timestamp,
    ) -> impl Future<Output = Result<Answer, CallError>> + Send + use<> {
        let streams = self.streams.clone();
        let wait = Duration::from_millis(not_before.0.saturating_sub(self.clock.now().0));
        let question = json!({ "ShardIterator": iterator.0, "Limit": RECORDS_PER_PAGE });
        let body = Bytes::from(question.to_string());
        async move {
            tokio::time::sleep(wait).await;
            Ok(match ask(&streams, "GetRecords", body).await? {
                Ok(body) => Answer::Page(body),
                Err(answer) => answer,
            })
        }
    }

    /// Writes the lease as it is, which renews it.
    async fn save(&mut self) -> Result<Option<Input>, ReadError> {
        let mut wait = RETRY_WAIT_MIN;
        loop {
            match self.store.save(&mut self.lease, self.clock.now()).await {
                Ok(()) => return Ok(None),
                Err(error) if error.is_lost() => {
                    warn!(shard = %self.shard, %error, "lost the shard");
                    return Ok(Some(Input::LeaseLost));
                }
                Err(error) if RETRY_WAIT_MAX <= wait => return Err(error.into()),
                Err(error) => warn!(shard = %self.shard, %error, "cannot save the checkpoint yet"),
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    async fn finish(&mut self, progress: Progress) -> Result<End, ReadError> {
        self.lease.checkpoint = Some(progress.to_string());
        self.lease.done = true;
        self.lease.passing = true;
        self.let_go().await?;
        info!(shard = %self.shard, %progress, "shard finished");
        Ok(End::Finished)
    }

    async fn let_go(&mut self) -> Result<(), LeaseError> {
        match self.store.release(self.lease.clone()).await {
            Err(error) if !error.is_lost() => Err(error),
            _ => Ok(()),
        }
    }
}

fn version_of(start: Start) -> u64 {
    match start {
        Start::Latest { version } => version,
        Start::After(progress) => progress.version,
    }
}

/// Makes a call until it is answered. The inner error is an answer, too: one without a body.
async fn ask(
    streams: &JsonService,
    operation: &str,
    body: Bytes,
) -> Result<Result<Bytes, Answer>, CallError> {
    let mut wait = RETRY_WAIT_MIN;
    loop {
        let error = match streams.call(operation, body.clone()).await {
            Ok(answer) => return Ok(Ok(answer)),
            Err(error) => error,
        };
        match error.code() {
            Some("ExpiredIteratorException") => return Ok(Err(Answer::Expired)),
            Some("TrimmedDataAccessException") => return Ok(Err(Answer::Trimmed)),
            Some("ResourceNotFoundException") => return Ok(Err(Answer::Gone)),
            _ if error.is_transient() => {
                warn!(%error, wait_ms = wait.as_millis(), "the stream did not answer, asking again");
            }
            _ => return Err(error),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_WAIT_MAX);
    }
}
