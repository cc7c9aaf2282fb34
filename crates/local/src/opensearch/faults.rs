//! Faults on demand, so that tests see what a real cluster does on a bad day.
//!
//! `POST /_local/faults` with `{"target": "bulk", "status": 503, "times": 5}` arms one;
//! `DELETE /_local/faults` disarms all. Targets are `bulk`, `bulk_item`, `search`, `doc` and `any`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use search::{Failure, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Server, answer::Answer, call::Call};

/// A fault as it is armed. It ends after `times`, after `for_ms`, or when it is disarmed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    target: Target,
    /// Answer with this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Answer later by this much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    /// Break off the connection.
    #[serde(default)]
    reset: bool,
    /// How often to strike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    /// How long to strike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_ms: Option<u64>,
    /// Strike only every so many times.
    #[serde(default = "one")]
    every: u64,
    #[serde(skip)]
    until_ms: Option<u64>,
    #[serde(skip)]
    n_seen: u64,
}

fn one() -> u64 {
    1
}

/// What a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    Bulk,
    BulkItem,
    Search,
    Doc,
    Any,
    /// Calls of our own, which no fault strikes.
    #[serde(skip)]
    Ours,
}

/// What a fault does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Answer(Answer),
    Delay(u64),
    Reset,
}

/// The faults that are armed.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// What happens to a request now, if anything does.
    pub(super) fn strike(&self, target: Target, now_ms: u64) -> Option<Effect> {
        let fault = self.take(target, now_ms)?;
        Some(match (fault.status, fault.reset, fault.delay_ms) {
            (Some(status), _, _) => Effect::Answer(failure(status).into()),
            (None, true, _) => Effect::Reset,
            (None, false, delay_ms) => Effect::Delay(delay_ms.unwrap_or_default()),
        })
    }

    /// What happens to an item of a bulk request now, if anything does.
    pub(super) fn strike_item(&self, now_ms: u64) -> Option<Failure> {
        self.take(Target::BulkItem, now_ms).map(|it| failure(it.status.unwrap_or(429)))
    }

    fn take(&self, target: Target, now_ms: u64) -> Option<Fault> {
        let mut faults = self.lock();
        if faults.is_empty() || target == Target::Ours {
            return None;
        }
        faults.retain(|it| it.times != Some(0) && it.until_ms.is_none_or(|until| now_ms < until));
        let is_meant = |it: &&mut Fault| {
            it.target == target || it.target == Target::Any && target != Target::BulkItem
        };
        for fault in faults.iter_mut().filter(is_meant) {
            fault.n_seen += 1;
            if fault.n_seen % fault.every == 0 {
                fault.times = fault.times.map(|it| it - 1);
                return Some(fault.clone());
            }
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request with this path is.
pub(super) fn target(path: &str) -> Target {
    let mut parts = path.split('/').filter(|it| it.starts_with('_'));
    match parts.next() {
        Some("_local") => Target::Ours,
        Some("_bulk") => Target::Bulk,
        Some("_search" | "_count" | "_msearch") => Target::Search,
        Some("_doc" | "_create" | "_update" | "_source") => Target::Doc,
        _ => Target::Any,
    }
}

/// What OpenSearch answers when its queues are full.
pub(super) fn rejected(reason: String) -> Failure {
    Failure::new(429, "opensearch_rejected_execution_exception", reason)
}

fn failure(status: u16) -> Failure {
    match status {
        429 => rejected("rejected execution of a fault that was armed".into()),
        413 => Failure::new(413, "content_too_long_exception", "entity content is too long"),
        403 => Failure::new(
            403,
            "cluster_block_exception",
            "index [fault] blocked by: [FORBIDDEN/8/index write (api)];",
        ),
        503 => Failure::new(
            503,
            "cluster_block_exception",
            "blocked by: [SERVICE_UNAVAILABLE/2/no cluster manager];",
        ),
        400 => Failure::illegal_argument("a fault that was armed"),
        _ => Failure::new(status, "exception", "a fault that was armed"),
    }
}

/// `POST /_local/faults`
pub(super) fn arm(server: &Server, call: &Call) -> Result<Answer> {
    let mut fault: Fault = serde_json::from_value(call.required_json()?)
        .map_err(|it| Failure::illegal_argument(format!("this is no fault: {it}")))?;
    if fault.every == 0 {
        return Err(Failure::illegal_argument("[every] must be at least 1"));
    }
    let is_status = fault.status.is_none_or(|it| (400..600).contains(&it));
    if !is_status || fault.status.is_none() && !fault.reset && fault.delay_ms.is_none() {
        return Err(Failure::illegal_argument(
            "a fault needs one of [status] from 400 to 599, [delay_ms] and [reset]",
        ));
    }
    fault.until_ms = fault.for_ms.map(|it| call.now_ms.saturating_add(it));
    server.faults.lock().push(fault);
    Ok(Answer::acknowledged())
}

/// `GET /_local/faults`
pub(super) fn list(server: &Server, _: &Call) -> Result<Answer> {
    Ok(Answer::json(&json!({ "faults": *server.faults.lock() })))
}

/// `DELETE /_local/faults`
pub(super) fn disarm(server: &Server, _: &Call) -> Result<Answer> {
    server.faults.lock().clear();
    Ok(Answer::acknowledged())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn armed(fault: Value, now_ms: u64) -> Faults {
        let mut fault: Fault = serde_json::from_value(fault).unwrap();
        fault.until_ms = fault.for_ms.map(|it| now_ms + it);
        Faults(Mutex::new(vec![fault]))
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_says() {
        let strikes = |faults: &Faults, target, times: u64| -> String {
            (0..times)
                .map(|now_ms| if faults.strike(target, now_ms).is_some() { 'x' } else { '.' })
                .collect()
        };
        for (fault, target, expected) in [
            (json!({ "target": "bulk", "status": 503, "times": 2 }), Target::Bulk, "xx..."),
            (json!({ "target": "bulk", "status": 503, "times": 2 }), Target::Search, "....."),
            (json!({ "target": "any", "reset": true }), Target::Search, "xxxxx"),
            (json!({ "target": "any", "reset": true }), Target::Ours, "....."),
            (json!({ "target": "any", "reset": true }), Target::BulkItem, "....."),
            (json!({ "target": "bulk", "delay_ms": 1, "for_ms": 3 }), Target::Bulk, "xxx.."),
            (
                json!({ "target": "bulk_item", "status": 429, "every": 2 }),
                Target::BulkItem,
                ".x.x.",
            ),
        ] {
            assert_eq!(strikes(&armed(fault.clone(), 0), target, 5), expected, "{fault}");
        }
    }

    #[test]
    fn a_path_says_what_it_is() {
        for (path, expected) in [
            ("/_bulk", Target::Bulk),
            ("/books/_bulk", Target::Bulk),
            ("/books/_doc/_bulk", Target::Doc),
            ("/books/_search", Target::Search),
            ("/books", Target::Any),
            ("/_local/faults", Target::Ours),
        ] {
            assert_eq!(target(path), expected, "{path}");
        }
    }
}
