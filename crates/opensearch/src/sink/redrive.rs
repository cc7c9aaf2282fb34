//! Sends dead letters again, in their own words.

use std::collections::HashMap;

use http::Method;
use pipeline::SinkError;

use super::OpenSearchSink;
use crate::{
    Bulk, Item, Letter, Op,
    answer::{Policy, Refusal, Whole, forbidden, judge_whole},
    redrive::{Redrive, plan},
};

/// How many letters go in one request.
const LETTERS_MAX: usize = 500;
/// How often a request is tried.
const TRIES: u32 = 8;
/// Whatever the settings say: a letter never goes before something newer.
const POLICY: Policy = Policy { external: true, drops_conflicts: true, creates_index: false };

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redriven {
    /// It is in the index.
    Written,
    /// The index had something newer, or the same.
    Superseded,
    /// It was refused again, or could not be sent.
    Refused(String),
}

impl OpenSearchSink {
    /// Sends letters again that say all it takes ([`Redrive::Lines`]). Says what became of each, in
    /// order; letters of another kind are refused.
    ///
    /// # Errors
    ///
    /// When the cluster cannot be reached or does not let us. What was written by then is written;
    /// sending it again changes nothing.
    pub async fn redrive(&self, letters: &[Letter]) -> Result<Vec<Redriven>, SinkError> {
        // Changes of one document in their order.
        let mut order: Vec<usize> = (0..letters.len()).collect();
        order.sort_by_key(|n| (letters[*n].version, letters[*n].at, *n));
        let mut became: HashMap<usize, Redriven> = HashMap::new();
        for part in order.chunks(LETTERS_MAX) {
            let mut bulk = Bulk::default();
            for n in part {
                match plan(&letters[*n]) {
                    Redrive::Lines { op, lines } => push(&mut bulk, *n, op, &lines),
                    Redrive::Record => {
                        let why = "its record must go through the pipeline".to_owned();
                        became.insert(*n, Redriven::Refused(why));
                    }
                    Redrive::Not(why) => {
                        became.insert(*n, Redriven::Refused(why));
                    }
                }
            }
            if !bulk.is_empty() {
                self.redrive_part(bulk, &mut became).await?;
            }
        }
        let lost = || Redriven::Refused("it was not answered".to_owned());
        Ok((0..letters.len()).map(|n| became.remove(&n).unwrap_or_else(lost)).collect())
    }

    async fn redrive_part(
        &self,
        mut bulk: Bulk,
        became: &mut HashMap<usize, Redriven>,
    ) -> Result<(), SinkError> {
        let mut todo = Vec::new();
        let mut wait = super::deliver::RETRY_WAIT_MIN;
        let mut n_tries = 0;
        loop {
            n_tries += 1;
            let body = bulk.take_body();
            let sent = self
                .client
                .send(Method::POST, BULK_PATH, "application/x-ndjson", body.clone())
                .await;
            let problem = match sent {
                Ok(answer) if answer.status.is_success() => {
                    let rest = bulk
                        .settle(&body, &answer.body, POLICY)
                        .map_err(|error| SinkError(error.to_string()))?;
                    for item in rest.rejected {
                        let told = format!("{}: {}: {}", item.status, item.cause, item.reason);
                        became.insert(item.event, Redriven::Refused(told));
                    }
                    if let Some(refused) = rest.forbidden {
                        let host = self.client.host();
                        return Err(SinkError(forbidden(host, refused.status, &refused.reason)));
                    }
                    for n in rest.superseded {
                        became.insert(n, Redriven::Superseded);
                    }
                    let is_left = |n: usize| rest.retry.items.iter().any(|it| it.event == n);
                    for item in &bulk.items {
                        if !is_left(item.event) {
                            became.entry(item.event).or_insert(Redriven::Written);
                        }
                    }
                    bulk = rest.retry;
                    "the cluster has too much to do".to_owned()
                }
                Ok(answer) => {
                    let status = answer.status.as_u16();
                    let refusal = Refusal::of_body(&answer.body);
                    let told = format!("{status}: {}", refusal.reason);
                    match judge_whole(status, refusal.kind()) {
                        Whole::Split if bulk.items.len() == 1 => {
                            became.insert(bulk.items[0].event, Redriven::Refused(told.clone()));
                            bulk = Bulk::default();
                        }
                        Whole::Split => {
                            let half = bulk.items.len() / 2;
                            todo.push(bulk.part(&body, |n| half <= n));
                            bulk = bulk.part(&body, |n| n < half);
                            n_tries = 0;
                        }
                        Whole::Forbidden => {
                            let host = self.client.host();
                            return Err(SinkError(forbidden(host, status, &refusal.reason)));
                        }
                        Whole::Stop => return Err(SinkError(told)),
                        Whole::Retry | Whole::Items => bulk = bulk.part(&body, |_| true),
                    }
                    told
                }
                Err(error) if error.is_transient() => {
                    bulk = bulk.part(&body, |_| true);
                    error.to_string()
                }
                Err(error) => return Err(SinkError(error.to_string())),
            };
            if bulk.is_empty() {
                match todo.pop() {
                    Some(next) => bulk = next,
                    None => return Ok(()),
                }
                (n_tries, wait) = (0, super::deliver::RETRY_WAIT_MIN);
            } else if TRIES <= n_tries {
                return Err(SinkError(format!("given up after {n_tries} tries: {problem}")));
            } else if 0 < n_tries {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
    }
}

const BULK_PATH: &str = super::deliver::BULK_PATH;

fn push(bulk: &mut Bulk, event: usize, op: Op, lines: &[u8]) {
    let start = bulk.body.len();
    bulk.body.extend_from_slice(lines);
    let lines = start..bulk.body.len();
    bulk.items.push(Item { event, op, lines, document: None, last: None });
}
