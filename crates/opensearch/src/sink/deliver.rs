//! Sends one request, and what is left of it, until nothing is.

use std::time::Duration;

use aws::Response;
use bytes::Bytes;
use http::{Method, header};
use pipeline::{Event, SinkError, Tally, Timestamp};
use tracing::warn;

use super::OpenSearchSink;
use crate::{
    Bulk, Rejected,
    answer::{Refusal, Whole, forbidden, is_overload, judge_whole},
    bulk::Rest,
    gate::Place,
    index::{EnsureError, Kind},
    letter::instant,
    metrics::{Count, Time},
    pace::Load,
    under_way::Documents,
};

/// How long to wait before sending again, at first and at most.
pub(super) const RETRY_WAIT_MIN: Duration = Duration::from_millis(50);
pub(super) const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);
/// The longest wait that we let the cluster ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);
/// How long to wait before giving a batch back that nobody lets us write: it is read again at once.
const STOP_WAIT: Duration = Duration::from_secs(1);
/// How often an answer may make no sense in a row.
const MISFITS_MAX: u32 = 5;
/// Only what we read of the answer; it is a hundred bytes shorter per document.
pub(super) const BULK_PATH: &str = "/_bulk?filter_path=errors%2Citems.%2A.status%2Citems.%2A.error";

/// One request on its way, with what is known about earlier tries.
struct Attempt<'a> {
    bulk: Bulk,
    body: Bytes,
    /// Its place, if it has one already.
    place: Option<Place<'a>>,
    events: &'a [Event],
    came: Timestamp,
    n_tries: u32,
    n_misfits: u32,
    wait: Duration,
    /// Whether it stands in the form that its indices want.
    is_shaped: bool,
    /// Why it was not taken the last time.
    problem: String,
}

/// Where nothing but aliases is written to: one that is gone must not become an index.
const ALIAS_PATH: &str =
    "/_bulk?filter_path=errors%2Citems.%2A.status%2Citems.%2A.error&require_alias=true";

/// What to do with a request after its answer.
enum Next {
    /// Nothing is left of it.
    Done,
    /// Send it again, after so long if the cluster says so.
    Again(Option<Duration>),
    /// Send its halves.
    Halve,
}

impl OpenSearchSink {
    /// Sends a request, which has its place, until everything in it is settled. Then its documents
    /// may be written again.
    pub(super) async fn deliver(
        &self,
        bulk: Bulk,
        (place, _documents): (Place<'_>, Documents<'_>),
        events: &[Event],
        came: Timestamp,
    ) -> Result<Tally, SinkError> {
        let mut place = Some(place);
        let mut tally = Tally::default();
        let mut todo = vec![bulk];
        while let Some(mut bulk) = todo.pop() {
            let body = bulk.take_body();
            let (n_tries, n_misfits, is_shaped, problem) = (0, 0, false, String::new());
            let wait = RETRY_WAIT_MIN;
            let place = place.take();
            let mut attempt = Attempt {
                bulk,
                body,
                place,
                events,
                came,
                n_tries,
                n_misfits,
                wait,
                is_shaped,
                problem,
            };
            loop {
                match self.attempt(&mut attempt, &mut tally).await? {
                    Next::Done => break,
                    Next::Halve => {
                        let half = attempt.bulk.items.len() / 2;
                        todo.push(attempt.bulk.part(&attempt.body, |n| half <= n));
                        todo.push(attempt.bulk.part(&attempt.body, |n| n < half));
                        break;
                    }
                    Next::Again(asked) => {
                        if self.is_given_up(&mut attempt, &mut tally).await? {
                            break;
                        }
                        tokio::time::sleep(asked.unwrap_or(attempt.wait)).await;
                        attempt.wait = (attempt.wait * 2).min(RETRY_WAIT_MAX);
                    }
                }
            }
        }
        self.note_gauges();
        Ok(tally)
    }

    async fn attempt(
        &self,
        attempt: &mut Attempt<'_>,
        tally: &mut Tally,
    ) -> Result<Next, SinkError> {
        let place = attempt.place.take();
        let path = match self.ensure_indices(attempt, tally).await? {
            Ok(path) => path,
            Err(problem) => {
                attempt.problem = problem;
                return Ok(Next::Again(None));
            }
        };
        if attempt.bulk.is_empty() {
            return Ok(Next::Done);
        }
        let n_bytes = attempt.body.len();
        let mut place = match place {
            Some(place) => place,
            None => self.gate.enter(n_bytes).await,
        };
        place.leave(n_bytes);
        let sent_at = place.sent;
        if attempt.n_tries == 0 {
            let n = attempt.bulk.items.len() as u64;
            self.metrics.time(Time::Sent, since(attempt.came, sent_at), n);
        }
        self.metrics.size(n_bytes);
        let sent = self
            .client
            .send(Method::POST, path, "application/x-ndjson", attempt.body.clone())
            .await;
        self.metrics.time(Time::Answer, since(sent_at, self.clock.now()), 1);
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) if error.is_transient() => {
                place.end(Load::Unknown);
                self.metrics.refuse(None);
                warn!(%error, "OpenSearch is away, sending again");
                attempt.problem = error.to_string();
                return Ok(Next::Again(None));
            }
            Err(error) => return Err(SinkError(error.to_string())),
        };
        let status = answer.status.as_u16();
        let asked = retry_after(&answer);
        if (200..300).contains(&status) {
            return match attempt.bulk.settle(&attempt.body, &answer.body, self.policy) {
                Ok(rest) => {
                    place.end(if rest.overload { Load::Over(asked) } else { Load::Fine });
                    self.book(attempt, rest, asked, tally).await
                }
                Err(error) => {
                    place.end(Load::Unknown);
                    self.misfit(attempt, &error.to_string())
                }
            };
        }
        place.end(if is_overload(status) { Load::Over(asked) } else { Load::Unknown });
        self.metrics.refuse(Some(status));
        self.read_refusal(attempt, &answer, asked, tally).await
    }

    /// Reads an answer that is about the whole request.
    async fn read_refusal(
        &self,
        attempt: &mut Attempt<'_>,
        answer: &Response,
        asked: Option<Duration>,
        tally: &mut Tally,
    ) -> Result<Next, SinkError> {
        let status = answer.status.as_u16();
        let refusal = Refusal::of_body(&answer.body);
        let reason = refusal.reason.as_str();
        let host = self.client.host();
        match judge_whole(status, refusal.kind()) {
            Whole::Items => unreachable!("it was no success"),
            Whole::Retry => {
                warn!(status, reason, "OpenSearch cannot take the request, sending again");
                attempt.problem = format!("{status}: {reason}");
                Ok(Next::Again(asked))
            }
            // Too large for them, or spoilt by one of its documents: find out which.
            Whole::Split if 1 < attempt.bulk.items.len() => Ok(Next::Halve),
            Whole::Split => {
                let cause = match (status, refusal.kind()) {
                    (413, _) => "too_large".to_owned(),
                    (_, kind) => kind.unwrap_or("bad_request").to_owned(),
                };
                let event = attempt.bulk.items[0].event;
                let (reason, lines) = (refusal.reason, attempt.body.clone());
                let rejected = Rejected { event, status, cause, reason, lines };
                *tally += self.set_aside(&[rejected], attempt.events).await?;
                Ok(Next::Done)
            }
            Whole::Forbidden => {
                tokio::time::sleep(STOP_WAIT).await;
                Err(SinkError(forbidden(host, status, reason)))
            }
            Whole::Stop => {
                tokio::time::sleep(STOP_WAIT).await;
                Err(SinkError(format!(
                    "{host}/_bulk answered {status}: {reason}; is it OpenSearch?"
                )))
            }
        }
    }

    /// Books what became of each document, and keeps what is left.
    async fn book(
        &self,
        attempt: &mut Attempt<'_>,
        rest: Rest,
        asked: Option<Duration>,
        tally: &mut Tally,
    ) -> Result<Next, SinkError> {
        attempt.n_misfits = 0;
        self.count(attempt, &rest);
        *tally += rest.tally;
        *tally += self.set_aside(&rest.rejected, attempt.events).await?;
        if let Some(refused) = rest.forbidden {
            tokio::time::sleep(STOP_WAIT).await;
            return Err(SinkError(forbidden(self.client.host(), refused.status, &refused.reason)));
        }
        if rest.retry.is_empty() {
            return Ok(Next::Done);
        }
        if rest.no_index {
            self.forget_indices(&rest.retry).await;
        }
        if let Some(last) = rest.retry.items.iter().find_map(|it| it.last.as_ref()) {
            attempt.problem = format!("{}: {}: {}", last.status, last.cause, last.reason);
        }
        if rest.retry.items.len() < attempt.bulk.items.len() {
            attempt.wait = RETRY_WAIT_MIN;
        }
        attempt.bulk = rest.retry;
        attempt.body = attempt.bulk.take_body();
        Ok(Next::Again(asked))
    }

    fn count(&self, attempt: &Attempt<'_>, rest: &Rest) {
        let metrics = &self.metrics;
        metrics.statuses(&rest.statuses);
        metrics.add(Count::DocumentsSuccess, rest.tally.indexed);
        if attempt.n_tries == 0 {
            metrics.add(Count::DocumentsSuccessFirstAttempt, rest.tally.indexed);
        }
        metrics.add(Count::DocumentsVersionConflictErrors, rest.tally.superseded);
        let n_safe = rest.tally.indexed + rest.tally.superseded;
        if n_safe == 0 {
            return;
        }
        let now = self.clock.now();
        metrics.time(Time::Pipeline, since(attempt.came, now), n_safe);
        // Changes of one second come one behind the other: each run of them is noted once.
        let created = |item: &crate::Item| {
            let origin = attempt.events[item.event].origin.as_ref()?;
            Some(origin.record.created_ms).filter(|it| 0 < *it)
        };
        let mut run: Option<(u64, u64)> = None;
        let mut is_left = rest.retry.items.iter().map(|it| it.event).peekable();
        for item in &attempt.bulk.items {
            if is_left.next_if_eq(&item.event).is_some() {
                continue;
            }
            let Some(at) = created(item) else { continue };
            match &mut run {
                Some((since, n)) if *since == at => *n += 1,
                _ => {
                    if let Some((at, n)) = run.replace((at, 1)) {
                        metrics.time(Time::EndToEnd, since(Timestamp(at), now), n);
                    }
                }
            }
        }
        if let Some((at, n)) = run {
            metrics.time(Time::EndToEnd, since(Timestamp(at), now), n);
            metrics.set_lag(now.0.saturating_sub(at));
        }
    }

    /// An answer that makes no sense may be of someone in between. Ids and versions make it safe to
    /// send again.
    fn misfit(&self, attempt: &mut Attempt<'_>, problem: &str) -> Result<Next, SinkError> {
        self.metrics.refuse(None);
        attempt.n_misfits += 1;
        let host = self.client.host();
        if MISFITS_MAX <= attempt.n_misfits {
            return Err(SinkError(format!("{host}/_bulk: {problem}; is it OpenSearch?")));
        }
        warn!(problem, "the answer makes no sense, sending again");
        problem.clone_into(&mut attempt.problem);
        Ok(Next::Again(None))
    }

    /// Counts a try; makes dead letters of what is left when there were enough of them.
    async fn is_given_up(
        &self,
        attempt: &mut Attempt<'_>,
        tally: &mut Tally,
    ) -> Result<bool, SinkError> {
        attempt.n_tries += 1;
        if self.config.max_retries.is_none_or(|it| attempt.n_tries <= it) {
            self.metrics.add(Count::BulkRequestNumberOfRetries, 1);
            return Ok(false);
        }
        self.metrics.add(Count::BulkRequestFailed, 1);
        let Attempt { n_tries, problem, .. } = &*attempt;
        let rejected: Vec<Rejected> = attempt
            .bulk
            .items
            .iter()
            .map(|item| {
                let last = item.last.as_deref();
                let problem = last.map_or_else(
                    || problem.clone(),
                    |it| format!("{}: {}: {}", it.status, it.cause, it.reason),
                );
                Rejected {
                    event: item.event,
                    status: last.map_or(0, |it| it.status),
                    cause: "retries_exhausted".to_owned(),
                    reason: format!(
                        "still not taken after {n_tries} tries (`max_retries`); at last: {problem}"
                    ),
                    lines: attempt.body.slice(item.lines.clone()),
                }
            })
            .collect();
        *tally += self.set_aside(&rejected, attempt.events).await?;
        Ok(true)
    }

    /// Creates the indices of a request that are missing, and gives it the form that they want. Says
    /// where to send it, or why it must wait.
    async fn ensure_indices(
        &self,
        attempt: &mut Attempt<'_>,
        tally: &mut Tally,
    ) -> Result<Result<&'static str, String>, SinkError> {
        let mut streams = Vec::new();
        let mut all_aliases = true;
        for escaped in &attempt.bulk.indices {
            let Some(index) = name_of(escaped) else { continue };
            let ensured = self.indices.ensure(&self.client, &self.shape.names(&index)).await;
            all_aliases &= matches!(ensured, Ok(Kind::Alias));
            match ensured {
                Ok(Kind::DataStream) => streams.push(escaped.clone()),
                Ok(_) => {}
                Err(EnsureError::Away(problem)) => {
                    warn!(index, problem, "the index cannot be asked for, trying again");
                    return Ok(Err(problem));
                }
                Err(EnsureError::Forbidden(problem)) => {
                    tokio::time::sleep(STOP_WAIT).await;
                    return Err(SinkError(problem));
                }
                // Each of its documents will be told the reason, and become a dead letter.
                Err(EnsureError::Refused(problem)) => {
                    warn!(index, problem, "the index is not as it should be");
                    self.indices.take_as_it_is(&index).await;
                }
            }
        }
        if !streams.is_empty() && !attempt.is_shaped {
            let (at, events) = (instant(attempt.came), attempt.events);
            let mut rejected = Vec::new();
            attempt.bulk =
                attempt.bulk.for_streams(&self.shape, events, &streams, &at, &mut rejected);
            attempt.body = attempt.bulk.take_body();
            *tally += self.set_aside(&rejected, events).await?;
        }
        attempt.is_shaped = true;
        Ok(Ok(if all_aliases { ALIAS_PATH } else { BULK_PATH }))
    }

    pub(super) async fn forget_indices(&self, bulk: &Bulk) {
        for index in bulk.indices.iter().filter_map(|it| name_of(it)) {
            self.indices.forget(&index).await;
        }
    }
}

/// The name of an index, as it stood in JSON.
pub(super) fn name_of(escaped: &[u8]) -> Option<String> {
    wire::json::unescape(escaped).ok().map(std::borrow::Cow::into_owned)
}

fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(now.0.saturating_sub(then.0))
}

pub(super) fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
