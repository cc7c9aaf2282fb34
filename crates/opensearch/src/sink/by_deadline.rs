//! Writing for a caller who has only so long, and wants to know of every event what became of it.
//! For Lambda.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use aws::{HttpError, Response};
use bytes::Bytes;
use http::Method;
use pipeline::{Event, SinkError};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{
    OpenSearchSink,
    deliver::{BULK_PATH, RETRY_WAIT_MAX, RETRY_WAIT_MIN, name_of, retry_after},
    letter,
};
use crate::{
    Bulk, Config, Fate, Rejected,
    answer::{Refusal, Whole, forbidden, judge_whole},
    bulk::Rest,
    client::RequestError,
    config::{OnFailure, VersionType},
    index::{EnsureError, Kind},
    latest::{Backlog, is_configuration},
};

/// How many documents a request has at most.
const REQUEST_ITEMS_MAX: usize = 1_000;

/// What is under way of a write.
struct Writing<'a> {
    events: &'a [Event],
    deadline: Instant,
    backlog: Backlog,
    /// Requests that are still to be sent before the round is closed.
    todo: Vec<Bulk>,
}

/// What to do with a request after its answer.
enum Next {
    /// All of it is settled.
    Done,
    /// What is left of it, why, and how long the cluster asks to wait.
    Again(String, Option<Duration>),
}

impl Config {
    /// The same, where equal versions are no conflict: for a caller without a memory, whose versions
    /// are seconds, and who sends changes of one document in their order.
    #[must_use]
    pub fn taking_equal_versions(mut self) -> Config {
        if self.document_version_type == Some(VersionType::External) {
            self.document_version_type = Some(VersionType::ExternalGte);
        }
        self
    }
}

impl OpenSearchSink {
    /// Writes `events` as far as that is possible until `deadline`, and says of each what became of
    /// it. Only what the sink's own `dlq` is for is set aside here, and no request is under way any
    /// more when it returns.
    ///
    /// # Errors
    ///
    /// When the cluster does not let us in, is not there, or has no such index: all events would
    /// fail, and none of them is to blame. Some may have been written before that was noticed.
    pub async fn write_by(
        &self,
        events: &mut [Event],
        deadline: Instant,
    ) -> Result<Vec<Fate>, SinkError> {
        if self.opens_documents {
            for event in events.iter_mut() {
                // One that cannot be opened is found out when it is written.
                let _ = event.open();
            }
        }
        let (mut next, mut rejected) = (0, Vec::new());
        let bulk = Bulk::fill(&self.shape, events, &mut next, usize::MAX, &mut rejected);
        let is_external = self.policy.external;
        let backlog = Backlog::new(bulk, events.len(), is_external);
        let mut writing = Writing { events, deadline, backlog, todo: Vec::new() };
        for refused in rejected {
            self.refuse(refused, &mut writing).await?;
        }
        loop {
            let bytes_max = self.config.bulk_bytes_max();
            let requests = writing.backlog.requests(bytes_max, REQUEST_ITEMS_MAX);
            if requests.is_empty() {
                return Ok(writing.backlog.fates());
            }
            for request in requests {
                writing.todo.push(request);
                while let Some(bulk) = writing.todo.pop() {
                    self.send_by(bulk, &mut writing).await?;
                }
            }
            writing.backlog.close_round();
        }
    }

    /// Sends `bulk` again and again until nothing of it is left or the time is up; when it is too
    /// large, its halves are to be sent instead.
    async fn send_by(&self, mut bulk: Bulk, writing: &mut Writing<'_>) -> Result<(), SinkError> {
        let mut wait_max = RETRY_WAIT_MIN;
        let mut body = bulk.take_body();
        let mut n_tries = 0;
        loop {
            let n_before = bulk.items.len();
            let next = self.try_by(&mut bulk, &mut body, writing).await?;
            let Next::Again(problem, asked) = next else { return Ok(()) };
            n_tries += 1;
            if self.config.max_retries.is_some_and(|it| it < n_tries) {
                for item in &bulk.items {
                    let refused = Rejected {
                        event: item.event,
                        status: item.last.as_ref().map_or(0, |it| it.status),
                        cause: "retries_exhausted".to_owned(),
                        reason: format!("still not taken after {n_tries} tries: {problem}"),
                        lines: body.slice(item.lines.clone()),
                    };
                    self.refuse(refused, writing).await?;
                }
                return Ok(());
            }
            if bulk.items.len() < n_before {
                wait_max = RETRY_WAIT_MIN;
            }
            let wait = asked.unwrap_or_else(|| jitter(wait_max));
            // What is waited in vain is paid for all the same.
            if writing.deadline <= Instant::now() + wait {
                for item in &bulk.items {
                    writing.backlog.note(item.event, Fate::Unsettled(problem.clone()));
                }
                return Ok(());
            }
            warn!(problem, wait_ms = wait.as_millis(), n = bulk.items.len(), "sending again");
            tokio::time::sleep(wait).await;
            wait_max = (wait_max * 2).min(RETRY_WAIT_MAX);
        }
    }

    async fn try_by(
        &self,
        bulk: &mut Bulk,
        body: &mut Bytes,
        writing: &mut Writing<'_>,
    ) -> Result<Next, SinkError> {
        let late = || "OpenSearch had not answered when the time was up".to_owned();
        match timeout_at(writing.deadline, self.ensure_by(bulk)).await {
            Err(_elapsed) => return Ok(Next::Again(late(), None)),
            Ok(ensured) => {
                if let Some(problem) = ensured? {
                    return Ok(Next::Again(problem, None));
                }
            }
        }
        let sent = self.client.send(Method::POST, BULK_PATH, "application/x-ndjson", body.clone());
        let answer = match timeout_at(writing.deadline, sent).await {
            Err(_elapsed) => return Ok(Next::Again(late(), None)),
            Ok(Err(error)) if will_pass(&error) => {
                return Ok(Next::Again(error.to_string(), None));
            }
            Ok(Err(error)) => {
                return Err(SinkError(format!("{error}; check the address of the domain")));
            }
            Ok(Ok(answer)) => answer,
        };
        if answer.status.is_success() {
            let rest = match bulk.settle(body, &answer.body, self.policy) {
                Ok(rest) => rest,
                // Of someone in between, perhaps. Ids and versions make it safe to send again.
                Err(error) => return Ok(Next::Again(error.to_string(), None)),
            };
            return self.note(bulk, body, rest, retry_after(&answer), writing).await;
        }
        self.read_refusal_by(bulk, body, &answer, writing).await
    }

    /// Reads an answer that is about the whole request.
    async fn read_refusal_by(
        &self,
        bulk: &Bulk,
        body: &Bytes,
        answer: &Response,
        writing: &mut Writing<'_>,
    ) -> Result<Next, SinkError> {
        let status = answer.status.as_u16();
        let refusal = Refusal::of_body(&answer.body);
        let reason = &refusal.reason;
        let host = self.client.host();
        match judge_whole(status, refusal.kind()) {
            Whole::Items => unreachable!("it was no success"),
            Whole::Retry => {
                let problem = format!("OpenSearch could not take the request: {status}: {reason}");
                Ok(Next::Again(problem, retry_after(answer)))
            }
            // Too large for them, or spoilt by one of its documents: find out which.
            Whole::Split if 1 < bulk.items.len() => {
                let half = bulk.items.len() / 2;
                writing.todo.push(bulk.part(body, |n| half <= n));
                writing.todo.push(bulk.part(body, |n| n < half));
                Ok(Next::Done)
            }
            Whole::Split => {
                let cause = match (status, refusal.kind()) {
                    (413, _) => "too_large".to_owned(),
                    (_, kind) => kind.unwrap_or("bad_request").to_owned(),
                };
                let (event, lines) = (bulk.items[0].event, body.clone());
                let refused = Rejected { event, status, cause, reason: refusal.reason, lines };
                self.refuse(refused, writing).await?;
                Ok(Next::Done)
            }
            Whole::Forbidden => Err(SinkError(forbidden(host, status, reason))),
            Whole::Stop => Err(SinkError(format!(
                "{host}/_bulk answered {status}: {reason}; is it OpenSearch?"
            ))),
        }
    }

    /// Notes what an answer settled: what it rejected, what was too old, and all else but what is
    /// sent again. Leaves in `bulk` what is.
    async fn note(
        &self,
        bulk: &mut Bulk,
        body: &mut Bytes,
        rest: Rest,
        asked: Option<Duration>,
        writing: &mut Writing<'_>,
    ) -> Result<Next, SinkError> {
        if let Some(refused) = rest.forbidden {
            return Err(SinkError(forbidden(self.client.host(), refused.status, &refused.reason)));
        }
        let mut fates: BTreeMap<usize, Fate> =
            bulk.items.iter().map(|it| (it.event, Fate::Written(it.op))).collect();
        for event in rest.retry.items.iter().map(|it| it.event) {
            fates.remove(&event);
        }
        for refused in &rest.rejected {
            fates.remove(&refused.event);
        }
        fates.extend(rest.superseded.iter().map(|event| (*event, Fate::Superseded)));
        for (event, fate) in fates {
            writing.backlog.note(event, fate);
        }
        for refused in rest.rejected {
            self.refuse(refused, writing).await?;
        }
        if rest.no_index {
            self.forget_indices(&rest.retry).await;
        }
        *bulk = rest.retry;
        *body = bulk.take_body();
        if bulk.items.is_empty() {
            return Ok(Next::Done);
        }
        let last = bulk.items.iter().find_map(|it| it.last.as_ref());
        let problem = last.map_or_else(
            || "OpenSearch could not take it now".to_owned(),
            |it| format!("{}: {}: {}", it.status, it.cause, it.reason),
        );
        Ok(Next::Again(problem, asked))
    }

    /// Notes that the index will never take an event; sets it aside where the settings say where to.
    async fn refuse(&self, refused: Rejected, writing: &mut Writing<'_>) -> Result<(), SinkError> {
        if is_configuration(&refused) {
            return Err(SinkError(format!(
                "OpenSearch refused a document with {}: {}; check that the index exists and that we \
                 may write to it",
                refused.status, refused.reason
            )));
        }
        if self.config.on_failure == OnFailure::Stop {
            return Err(SinkError(format!(
                "the index will not take a document ({}: {}), and `on_failure` is `stop`",
                refused.cause, refused.reason
            )));
        }
        let event = refused.event;
        let fate = if self.config.dlq.is_some() {
            let letter = letter(&refused, writing.events[event].clone(), self.clock.now());
            let adding = self.dead_letters.add(vec![letter]);
            match timeout_at(writing.deadline, adding).await {
                Ok(Ok(())) => Fate::SetAside,
                Ok(Err(error)) => Fate::Unsettled(format!("its dead letter: {error}")),
                Err(_elapsed) => Fate::Unsettled("no time left for its dead letter".to_owned()),
            }
        } else {
            Fate::Rejected(refused)
        };
        writing.backlog.note(event, fate);
        Ok(())
    }

    /// Creates the indices of a request that are missing. Says why it must wait, if it must.
    async fn ensure_by(&self, bulk: &Bulk) -> Result<Option<String>, SinkError> {
        if !self.policy.creates_index {
            // Every request counts: one that only asks would double the cost of a small batch.
            return Ok(None);
        }
        for index in bulk.indices.iter().filter_map(|it| name_of(it)) {
            match self.indices.ensure(&self.client, &self.shape.names(&index)).await {
                Ok(Kind::DataStream) => {
                    return Err(SinkError(format!(
                        "`{index}` is a data stream, which a Lambda function does not write to; name \
                         an index, or use `streamdex run`"
                    )));
                }
                Ok(_) => {}
                Err(EnsureError::Away(problem)) => return Ok(Some(problem)),
                Err(EnsureError::Forbidden(problem)) => return Err(SinkError(problem)),
                // Each of its documents will be told the reason.
                Err(EnsureError::Refused(problem)) => {
                    warn!(index, problem, "the index is not as it should be");
                    self.indices.take_as_it_is(&index).await;
                }
            }
        }
        Ok(None)
    }
}

/// Whether it is worth to ask again. A name nobody knows and a certificate nobody trusts stay so.
fn will_pass(error: &RequestError) -> bool {
    let for_good = |reason: &str| {
        ["lookup address", "dns error", "certificate"].iter().any(|it| reason.contains(it))
    };
    match error {
        RequestError::Http { source: HttpError::Unreachable { reason, .. }, .. } => {
            !for_good(reason)
        }
        other => other.is_transient(),
    }
}

/// A wait of any length up to `max`, so that many who wait do not come back together.
fn jitter(max: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let max_us = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random % max_us.max(1))
}
