//! What OpenSearch's answers mean: to a request as a whole, and to each document in it. Pure.

use serde_json::Value;

use crate::Op;

/// How much of a reason we repeat.
const REASON_CHARS_MAX: usize = 300;
/// The index is blocked: its disk is full, or someone is at work on it.
const BLOCKED: &str = "cluster_block_exception";
/// Queues are full; under either name, and whatever the status is.
const REJECTED: [&str; 2] =
    ["es_rejected_execution_exception", "opensearch_rejected_execution_exception"];

/// What the settings say about answers that can be read in two ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Versions were sent: only then is a conflict good news.
    pub external: bool,
    /// `create` passes over what is there already.
    pub drops_conflicts: bool,
    /// An index that is missing is created by us.
    pub creates_index: bool,
}

/// Our reading of OpenSearch's word on one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the index, or gone from it, as it should be.
    Done,
    /// Something newer is in the index, or the same.
    Superseded,
    /// It may succeed later.
    Retry,
    /// It will succeed once there is an index, which we make.
    NoIndex,
    /// We may not; nothing will succeed before someone grants it.
    Forbidden,
    /// It never will.
    Reject,
}

/// Reads one item's result.
pub fn judge(op: Op, policy: Policy, status: u16, error: Option<&str>) -> Verdict {
    let is_no_index = error == Some("index_not_found_exception");
    match (status, error) {
        (200..=299, _) => Verdict::Done,
        // A delete of what is not there.
        (404, None) => Verdict::Done,
        // There is no index to delete from; a later index of the same document cannot be undone
        // by this delete, because it has a higher version.
        (404, Some(_)) if op == Op::Delete => Verdict::Done,
        (404, Some(_)) if is_no_index && policy.creates_index => Verdict::NoIndex,
        // The index already holds this version or a later one.
        (409, _) if policy.external && op.takes_version() => Verdict::Superseded,
        (409, _) if op == Op::Create && policy.drops_conflicts => Verdict::Superseded,
        // Two writes of one document at the same moment; the next try sees the other's result.
        (409, _) if op != Op::Create => Verdict::Retry,
        (_, Some(kind)) if REJECTED.contains(&kind) => Verdict::Retry,
        (408 | 429 | 500..=599, _) => Verdict::Retry,
        (403, Some(BLOCKED)) => Verdict::Retry,
        (401 | 403, _) => Verdict::Forbidden,
        _ => Verdict::Reject,
    }
}

/// Our reading of the answer to a whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    /// It was taken; each document has an answer of its own.
    Items,
    /// It may be taken later.
    Retry,
    /// It is too large, or spoilt by one of its documents.
    Split,
    /// We may not.
    Forbidden,
    /// Whoever answers is no OpenSearch, or not one that we know.
    Stop,
}

/// Reads the status of a request, and the type of its error if it has one.
pub(crate) fn judge_whole(status: u16, error: Option<&str>) -> Whole {
    match (status, error) {
        (200..=299, _) => Whole::Items,
        (400 | 413, _) => Whole::Split,
        (403, Some(BLOCKED)) => Whole::Retry,
        (401 | 403, _) => Whole::Forbidden,
        (501 | 505, _) => Whole::Stop,
        (408 | 425 | 429 | 500..=599, _) => Whole::Retry,
        _ => Whole::Stop,
    }
}

/// Whether the cluster has too much to do, and should be asked for less.
pub(crate) fn is_overload(status: u16) -> bool {
    matches!(status, 429 | 503)
}

/// Why OpenSearch refused: the type of its error, and the reasons of the whole chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// `mapper_parsing_exception`; empty if it gave none.
    pub(crate) kind: String,
    /// The reasons, outermost first.
    pub(crate) reason: String,
}

impl Refusal {
    /// The error of one item.
    pub(crate) fn of_item(error: &str) -> Refusal {
        match serde_json::from_str::<Value>(error) {
            Ok(error) => Refusal::of(&error),
            Err(_) => Refusal { kind: String::new(), reason: shortened(error) },
        }
    }

    /// The error of a whole request, in any of the forms that clusters, proxies and AWS give it.
    pub(crate) fn of_body(body: &[u8]) -> Refusal {
        let Ok(answer) = serde_json::from_slice::<Value>(body) else {
            let reason = shortened(&String::from_utf8_lossy(body));
            return Refusal { kind: String::new(), reason };
        };
        let message = ["message", "Message"].iter().find_map(|name| answer.get(name)?.as_str());
        match (answer.get("error"), message) {
            (Some(error @ Value::Object(_)), _) => Refusal::of(error),
            (Some(Value::String(error)), _) => {
                Refusal { kind: String::new(), reason: shortened(error) }
            }
            (_, Some(message)) => Refusal { kind: String::new(), reason: shortened(message) },
            _ => Refusal { kind: String::new(), reason: shortened(&answer.to_string()) },
        }
    }

    fn of(error: &Value) -> Refusal {
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut chain = vec![text(error, "reason")];
        let mut cause = error.get("caused_by");
        while let Some(it) = cause {
            let reason = text(it, "reason");
            if !reason.is_empty() {
                chain.push(reason);
            }
            cause = it.get("caused_by");
        }
        Refusal { kind: text(error, "type"), reason: shortened(&chain.join(" caused by ")) }
    }

    /// The type of the error, if there is one.
    pub(crate) fn kind(&self) -> Option<&str> {
        Some(self.kind.as_str()).filter(|it| !it.is_empty())
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(REASON_CHARS_MAX).collect()
}

/// The right that is missing, as the security plugin or IAM names it.
pub(crate) fn missing_right(reason: &str) -> Option<&str> {
    // “no permissions for [indices:data/write/bulk] and User [name=…]”
    let of_cluster =
        reason.split_once("no permissions for [").and_then(|(_, rest)| rest.split(']').next());
    // “User: arn:… is not authorized to perform: es:ESHttpPost because …”
    let of_iam =
        reason.split_once("to perform: ").and_then(|(_, rest)| rest.split([' ', ',']).next());
    of_cluster.or(of_iam).filter(|it| !it.is_empty())
}

/// What to tell someone whose rights do not suffice.
pub(crate) fn forbidden(host: &str, status: u16, reason: &str) -> String {
    if status == 401 {
        return format!(
            "{host} does not know us (401): {reason}; check `username` and `password`, or sign with `aws`"
        );
    }
    match missing_right(reason) {
        Some(right) => format!(
            "{host} does not let us (403): the right `{right}` is missing: {reason}; grant it to the user or role"
        ),
        None => format!(
            "{host} does not let us (403): {reason}; grant the user or role the rights to write to the index \
             (`indices:data/write/*`, or `es:ESHttp*` in IAM)"
        ),
    }
}

#[cfg(test)]
mod tests;
