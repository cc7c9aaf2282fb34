//! Writing for a caller who has only so long, and wants to know of every event what became of it.
//! For Lambda.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use aws::HttpError;
use http::Method;
use pipeline::{Event, SinkError};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{BULK_PATH, OpenSearchSink, RETRY_WAIT_MAX, RETRY_WAIT_MIN, error_reason, retry_after};
use crate::{
    Bulk, Fate, Rejected,
    bulk::Rest,
    client::RequestError,
    config::VersionType,
    latest::{Backlog, is_configuration},
};

/// How many documents a request has at most.
const REQUEST_ITEMS_MAX: usize = 1_000;

impl OpenSearchSink {
    /// Writes `events` as far as that is possible until `deadline`, and says of each what became of
    /// it. Nothing is set aside here, and no request is under way any more when it returns.
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
        let mut backlog = Backlog::new(bulk, events.len(), rejected, self.is_external());
        loop {
            let requests = backlog.requests(self.config.bulk_bytes_max(), REQUEST_ITEMS_MAX);
            if requests.is_empty() {
                return Ok(backlog.fates());
            }
            for request in requests {
                let mut todo = vec![request];
                while let Some(bulk) = todo.pop() {
                    self.send_by(bulk, deadline, &mut backlog, &mut todo).await?;
                }
            }
            backlog.close_round();
        }
    }

    fn is_external(&self) -> bool {
        self.config.document_version.is_some()
            && self.config.document_version_type != VersionType::Internal
    }

    /// Sends `bulk` again and again until nothing of it is left or the time is up; when it is too
    /// large, its halves are added to `todo`.
    async fn send_by(
        &self,
        mut bulk: Bulk,
        deadline: Instant,
        backlog: &mut Backlog,
        todo: &mut Vec<Bulk>,
    ) -> Result<(), SinkError> {
        let mut wait_max = RETRY_WAIT_MIN;
        let mut body = bulk.take_body();
        loop {
            let mut asked_wait = None;
            let sent =
                self.client.send(Method::POST, BULK_PATH, "application/x-ndjson", body.clone());
            let problem = match timeout_at(deadline, sent).await {
                Err(_elapsed) => "OpenSearch had not answered when the time was up".to_owned(),
                Ok(Err(error)) if will_pass(&error) => error.to_string(),
                Ok(Err(error)) => {
                    return Err(SinkError(format!("{error}; check the address of the domain")));
                }
                Ok(Ok(answer)) => {
                    self.check_allowed(&answer)?;
                    match answer.status.as_u16() {
                        200..=299 => {
                            let rest = bulk
                                .settle(&body, &answer.body, self.is_external())
                                .map_err(|error| SinkError(error.to_string()))?;
                            note(&bulk, &rest, backlog)?;
                            if rest.retry.is_empty() {
                                return Ok(());
                            }
                            if rest.retry.items.len() < bulk.items.len() {
                                wait_max = RETRY_WAIT_MIN;
                            }
                            bulk = rest.retry;
                            body = bulk.take_body();
                            "OpenSearch could not take it now".to_owned()
                        }
                        // Too large for them, or spoilt by one of its documents: find out which.
                        400 | 413 if 1 < bulk.items.len() => {
                            let half = bulk.items.len() / 2;
                            todo.push(bulk.part(&body, |n| half <= n));
                            todo.push(bulk.part(&body, |n| n < half));
                            return Ok(());
                        }
                        status @ (400 | 413) => {
                            let reason = error_reason(&answer.body);
                            let event = bulk.items[0].event;
                            backlog.note(event, Fate::Rejected { status, reason });
                            return Ok(());
                        }
                        status @ (408 | 429 | 500..=599) => {
                            asked_wait = retry_after(&answer);
                            let reason = error_reason(&answer.body);
                            format!("OpenSearch could not take the request: {status}: {reason}")
                        }
                        status => {
                            let reason = error_reason(&answer.body);
                            return Err(SinkError(format!(
                                "{}/_bulk answered {status}: {reason}; is it OpenSearch?",
                                self.client.host()
                            )));
                        }
                    }
                }
            };
            let wait = asked_wait.unwrap_or_else(|| jitter(wait_max));
            // What is waited in vain is paid for all the same.
            if deadline <= Instant::now() + wait {
                for item in &bulk.items {
                    backlog.note(item.event, Fate::Unsettled(problem.clone()));
                }
                return Ok(());
            }
            warn!(problem, wait_ms = wait.as_millis(), n = bulk.items.len(), "sending again");
            tokio::time::sleep(wait).await;
            wait_max = (wait_max * 2).min(RETRY_WAIT_MAX);
        }
    }
}

/// Notes what an answer settled: what it rejected, what was too old, and all else but what is sent
/// again.
fn note(bulk: &Bulk, rest: &Rest, backlog: &mut Backlog) -> Result<(), SinkError> {
    for Rejected { status, reason, .. } in &rest.rejected {
        if is_configuration(*status, reason) {
            return Err(SinkError(format!(
                "OpenSearch refused a document with {status}: {reason}; check that the index exists \
                 and that we may write to it"
            )));
        }
    }
    let mut fates: BTreeMap<usize, Fate> =
        bulk.items.iter().map(|it| (it.event, Fate::Written(it.op))).collect();
    for item in &rest.retry.items {
        fates.remove(&item.event);
    }
    fates.extend(rest.superseded.iter().map(|event| (*event, Fate::Superseded)));
    for Rejected { event, status, reason } in &rest.rejected {
        let reason = reason.clone();
        fates.insert(*event, Fate::Rejected { status: *status, reason });
    }
    for (event, fate) in fates {
        backlog.note(event, fate);
    }
    Ok(())
}

/// Whether it is worth to ask again. A name nobody knows and a certificate nobody trusts stay so.
fn will_pass(error: &RequestError) -> bool {
    let for_good =
        |reason: &str| ["lookup address", "certificate"].iter().any(|it| reason.contains(it));
    match error {
        RequestError::Http(HttpError::Unreachable { reason, .. }) => !for_good(reason),
        other => other.is_transient(),
    }
}

/// A wait of any length up to `max`, so that many who wait do not come back together.
fn jitter(max: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let max_us = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random % max_us.max(1))
}
