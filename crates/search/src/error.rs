//! What goes wrong, in OpenSearch's own words: a status, a type and a reason. Pure.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// An error as OpenSearch reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// The `type`; empty for the few errors that are a plain sentence.
    pub kind: Cow<'static, str>,
    /// The `reason`.
    pub reason: String,
    /// More members beside `type` and `reason`, such as `index`.
    pub details: Vec<(&'static str, Value)>,
    /// What was behind it.
    pub cause: Option<Box<Failure>>,
}

/// A result whose error can be sent to the client as it is.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// An error of type `kind`.
    pub fn new(
        status: u16,
        kind: impl Into<Cow<'static, str>>,
        reason: impl Into<String>,
    ) -> Failure {
        let (kind, reason) = (kind.into(), reason.into());
        Failure { status, kind, reason, details: Vec::new(), cause: None }
    }

    /// An argument that cannot be meant.
    pub fn illegal_argument(reason: impl Into<String>) -> Failure {
        Failure::new(400, "illegal_argument_exception", reason)
    }

    /// A body that cannot be read.
    pub fn parsing(reason: impl Into<String>) -> Failure {
        Failure::new(400, "parsing_exception", reason)
    }

    /// A document that does not fit the mapping.
    pub fn mapper_parsing(reason: impl Into<String>) -> Failure {
        Failure::new(400, "mapper_parsing_exception", reason)
    }

    /// A request refused before it was looked at closely; `problems` are numbered.
    pub fn validation(problems: &[&str]) -> Failure {
        let problems: String =
            problems.iter().enumerate().map(|(n, it)| format!(" {}: {it};", n + 1)).collect();
        let reason = format!("Validation Failed:{problems}");
        Failure::new(400, "action_request_validation_exception", reason)
    }

    /// An index that does not exist. `resource_type` says what the client was looking for.
    pub fn no_such_index(index: &str, resource_type: &'static str) -> Failure {
        Failure::new(404, "index_not_found_exception", format!("no such index [{index}]"))
            .with("index", index)
            .with("index_uuid", "_na_")
            .with("resource.id", index)
            .with("resource.type", resource_type)
    }

    /// Something that is wrong with us or the machine, not with the request.
    pub fn internal(reason: impl Into<String>) -> Failure {
        Failure::new(500, "exception", reason)
    }

    /// A sentence without a type, as a few old endpoints answer.
    pub fn plain(status: u16, reason: impl Into<String>) -> Failure {
        Failure::new(status, "", reason)
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Failure {
        self.details.push((name, value.into()));
        self
    }

    /// Adds what was behind it.
    #[must_use]
    pub fn caused_by(mut self, cause: Failure) -> Failure {
        self.cause = Some(Box::new(cause));
        self
    }

    /// The same error, as a search reports one that all shards of `index` had.
    #[must_use]
    pub fn in_search(self, index: &str) -> Failure {
        let failed =
            json!({ "shard": 0, "index": index, "node": "streamdex", "reason": self.flat() });
        let mut outer =
            Failure::new(self.status, "search_phase_execution_exception", "all shards failed")
                .with("phase", "query")
                .with("grouped", true)
                .with("failed_shards", json!([failed]));
        outer.cause = Some(Box::new(self));
        outer
    }

    /// As an item of a bulk answer has it: without a root cause.
    pub fn flat(&self) -> Value {
        let mut object = self.members();
        if let Some(cause) = &self.cause {
            object.insert("caused_by".into(), cause.flat());
        }
        Value::Object(object)
    }

    /// As the body of an answer.
    pub fn body(&self) -> Value {
        if self.kind.is_empty() {
            return json!({ "error": self.reason, "status": self.status });
        }
        let is_search = self.kind == "search_phase_execution_exception";
        let root = match &self.cause {
            Some(cause) if is_search => cause.members(),
            _ => self.members(),
        };
        let Value::Object(mut error) = self.flat() else { unreachable!("it is an object") };
        if is_search {
            let caused = json!({ "type": root["type"], "reason": root["reason"] });
            error.insert("caused_by".into(), caused);
        }
        error.insert("root_cause".into(), json!([root]));
        json!({ "error": error, "status": self.status })
    }

    fn members(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("type".into(), self.kind.as_ref().into());
        object.insert("reason".into(), self.reason.as_str().into());
        for (name, value) in &self.details {
            object.insert((*name).into(), value.clone());
        }
        object
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.reason)
    }
}

impl std::error::Error for Failure {}

impl From<tantivy::TantivyError> for Failure {
    fn from(error: tantivy::TantivyError) -> Failure {
        Failure::internal(format!("the index failed: {error}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        let full = matches!(
            error.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        );
        if full {
            // As the flood stage watermark answers; the writer may try again later.
            let reason = "index blocked: the disk is full; free some space and try again";
            return Failure::new(429, "cluster_block_exception", reason);
        }
        Failure::internal(format!("the disk failed: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_a_root_cause_and_an_item_has_none() {
        let failure = Failure::mapper_parsing("failed to parse")
            .caused_by(Failure::illegal_argument("For input string: \"abc\""));
        assert_eq!(
            failure.flat(),
            json!({
                "type": "mapper_parsing_exception", "reason": "failed to parse",
                "caused_by": { "type": "illegal_argument_exception", "reason": "For input string: \"abc\"" }
            })
        );
        assert_eq!(
            failure.body()["error"]["root_cause"],
            json!([{ "type": "mapper_parsing_exception", "reason": "failed to parse" }])
        );
        assert_eq!(
            Failure::plain(404, "alias [a] missing").body(),
            json!({ "error": "alias [a] missing", "status": 404 })
        );
    }

    #[test]
    fn a_search_names_the_shard_that_failed() {
        let body = Failure::new(400, "query_shard_exception", "no").in_search("books").body();
        assert_eq!(body["error"]["root_cause"][0]["type"], "query_shard_exception");
        assert_eq!(body["error"]["failed_shards"][0]["index"], "books");
        assert_eq!(body["error"]["phase"], "query");
    }

    #[test]
    fn problems_are_numbered() {
        assert_eq!(
            Failure::validation(&["id is missing", "type is missing"]).reason,
            "Validation Failed: 1: id is missing; 2: type is missing;"
        );
    }
}
