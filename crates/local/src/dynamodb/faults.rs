//! Faults that someone ordered: answers that fail, stall or break off, so that clients can be tested.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApiError;

/// How many faults may be waiting.
const FAULTS_MAX: usize = 1000;

/// A fault, as ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// `GetRecords`; `*` or nothing for any.
    #[serde(default = "any_operation")]
    operation: String,
    /// Only requests that name this table, or a stream of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    /// Fail with this error of DynamoDB.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Fail with this HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Break the connection off in the middle of the answer.
    #[serde(default)]
    reset: bool,
    /// Do what was asked, and answer with only half of the body, as if that was all of it.
    #[serde(default)]
    broken: bool,
    /// Wait before anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    /// Do what was asked all the same, and then fail: the client cannot know.
    #[serde(default)]
    performed: bool,
    /// How often; without it, until it is cleared.
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    /// For how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    for_ms: Option<u64>,
}

/// One fault or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Orders {
    One(Order),
    Several(Vec<Order>),
}

/// What is to happen to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) delay: Duration,
    /// Whether the operation is carried out before it fails.
    pub(crate) performed: bool,
    pub(crate) failure: Option<Failure>,
}

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Error { status: u16, name: String },
    Reset,
    Broken,
}

impl Failure {
    /// The error to answer with, unless the connection is to break.
    pub(crate) fn into_error(self) -> Option<ApiError> {
        match self {
            Failure::Reset | Failure::Broken => None,
            Failure::Error { status, name } => {
                let message = match name.as_str() {
                    "ProvisionedThroughputExceededException" => {
                        "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."
                    }
                    _ => "ordered at /_local/faults",
                };
                Some(ApiError::Ordered { status, name, message: message.to_owned() })
            }
        }
    }
}

/// All faults that wait for a request.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    order: Order,
    until_ms: Option<u64>,
}

impl Faults {
    /// Adds faults; says whether there was room.
    pub(crate) fn order(&self, orders: Orders, now_ms: u64) -> bool {
        let orders = match orders {
            Orders::One(order) => vec![order],
            Orders::Several(orders) => orders,
        };
        let mut waiting = self.waiting();
        waiting.extend(orders.into_iter().map(|order| {
            let until_ms = order.for_ms.map(|it| now_ms.saturating_add(it));
            Waiting { order, until_ms }
        }));
        let fits = waiting.len() <= FAULTS_MAX;
        waiting.truncate(FAULTS_MAX);
        fits
    }

    /// Those that still wait.
    pub(crate) fn list(&self, now_ms: u64) -> Vec<Order> {
        let mut waiting = self.waiting();
        waiting.retain(|it| it.is_live(now_ms));
        waiting.iter().map(|it| it.order.clone()).collect()
    }

    pub(crate) fn clear(&self) {
        self.waiting().clear();
    }

    /// What is to happen to a request for `operation`: the first fault that fits, used up once.
    pub(crate) fn take(&self, operation: &str, body: &[u8], now_ms: u64) -> Option<Fault> {
        let mut waiting = self.waiting();
        // The common case.
        if waiting.is_empty() {
            return None;
        }
        waiting.retain(|it| it.is_live(now_ms));
        let found = waiting.iter_mut().find(|it| {
            (it.order.operation == "*" || it.order.operation == operation)
                && it.order.table.as_ref().is_none_or(|table| names_table(body, table))
        })?;
        if let Some(times) = &mut found.order.times {
            *times -= 1;
        }
        Some(found.order.fault())
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_live(&self, now_ms: u64) -> bool {
        self.order.times != Some(0) && self.until_ms.is_none_or(|it| now_ms < it)
    }
}

impl Order {
    fn fault(&self) -> Fault {
        let failure = match (&self.error, self.status) {
            _ if self.reset => Some(Failure::Reset),
            _ if self.broken => Some(Failure::Broken),
            (Some(name), status) => {
                let status = status.unwrap_or(match name.as_str() {
                    "InternalServerError" => 500,
                    "ServiceUnavailable" => 503,
                    _ => 400,
                });
                Some(Failure::Error { status, name: name.clone() })
            }
            (None, Some(status)) => {
                let name = if status == 503 { "ServiceUnavailable" } else { "InternalServerError" };
                Some(Failure::Error { status, name: name.to_owned() })
            }
            (None, None) => None,
        };
        Fault {
            delay: Duration::from_millis(self.delay_ms.unwrap_or_default()),
            performed: self.performed,
            failure,
        }
    }
}

/// Whether a request is about a table: by its name, an ARN, an iterator or the keys of a batch.
fn names_table(body: &[u8], table: &str) -> bool {
    let in_arn = |text: &str| {
        let resource = text.split(":table/").nth(1).unwrap_or_default();
        resource.split(['/', '|']).next() == Some(table)
    };
    let mut left: Vec<Value> = serde_json::from_slice(body).into_iter().collect();
    while let Some(value) = left.pop() {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match (name.as_str(), &value) {
                        ("TableName", Value::String(it)) if it == table || in_arn(it) => {
                            return true;
                        }
                        ("ShardIterator", Value::String(it)) if in_arn(it) => return true,
                        (name, Value::String(it)) if name.ends_with("Arn") && in_arn(it) => {
                            return true;
                        }
                        ("RequestItems", Value::Object(tables))
                            if tables.keys().any(|it| it == table || in_arn(it)) =>
                        {
                            return true;
                        }
                        // Only transactions have names further inside.
                        _ => left.push(value),
                    }
                }
            }
            Value::Array(values) => left.extend(values),
            _ => {}
        }
    }
    false
}

fn any_operation() -> String {
    "*".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_for_its_operation_and_is_used_up() {
        let faults = Faults::default();
        let order = |json: &str| faults.order(serde_json::from_str(json).unwrap(), 1000);
        order(r#"{"operation":"GetRecords","error":"ThrottlingException","times":2}"#);
        order(r#"[{"status":503,"for_ms":10},{"reset":true,"performed":true,"delay_ms":7}]"#);
        let error = |status, name: &str| Some(Failure::Error { status, name: name.to_owned() });

        for (operation, now_ms, failure, when) in [
            ("GetRecords", 1000, error(400, "ThrottlingException"), "first"),
            ("PutItem", 1000, error(503, "ServiceUnavailable"), "the first that fits any"),
            ("GetRecords", 1001, error(400, "ThrottlingException"), "second and last"),
            ("GetRecords", 1009, error(503, "ServiceUnavailable"), "used up"),
            ("GetRecords", 1010, Some(Failure::Reset), "its time is over"),
        ] {
            assert_eq!(faults.take(operation, b"{}", now_ms).unwrap().failure, failure, "{when}");
        }
        let last = faults.take("PutItem", b"{}", 1010).unwrap();
        assert!(last.performed && last.delay == Duration::from_millis(7));
        assert_eq!(faults.list(1010).len(), 1);
        faults.clear();
        assert_eq!(faults.take("PutItem", b"{}", 1010), None);
    }

    #[test]
    fn a_fault_can_be_about_one_table() {
        let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/books";
        for (body, expected, when) in [
            (r#"{"TableName":"books"}"#.to_owned(), true, "its name"),
            (format!(r#"{{"TableName":"{arn}"}}"#), true, "its ARN"),
            (r#"{"TableName":"books2"}"#.to_owned(), false, "another"),
            (format!(r#"{{"StreamArn":"{arn}/stream/2026"}}"#), true, "its stream"),
            (format!(r#"{{"ShardIterator":"{arn}/stream/2026|1|eA=="}}"#), true, "an iterator"),
            (r#"{"RequestItems":{"books":[]}}"#.to_owned(), true, "a batch"),
            (
                r#"{"TransactItems":[{"Put":{"TableName":"books"}}]}"#.to_owned(),
                true,
                "a transaction",
            ),
            ("[".to_owned(), false, "no JSON"),
        ] {
            let faults = Faults::default();
            let order = r#"{"table":"books","status":500}"#;
            assert!(faults.order(serde_json::from_str(order).unwrap(), 0));
            let taken = faults.take("Any", body.as_bytes(), 0);
            assert_eq!(taken.is_some(), expected, "{when}");
        }
    }
}
