//! Errors to order: calls that are to fail, wait or break off. Pure.
//!
//! Ordered at `POST /_local/faults`, listed with `GET`, taken back with `DELETE`.

use serde::{Deserialize, Serialize};

use super::{error::ApiError, operation::Operation};

/// Nobody waits longer for an answer.
const DELAY_MS_MAX: u64 = 10 * 60 * 1000;
/// More than anyone has a use for.
const ORDERS_MAX: usize = 1000;
/// Every call.
const ANY: &str = "*";

/// What is to go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// A call by its name in S3's reference. Without it, or with `*`, every call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// The status of the answer. Without it the call is made after all, unless it is reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// The code of the error. Without it, the one that S3 gives this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Whether to close the connection without an answer.
    #[serde(default)]
    reset: bool,
    /// How long to wait before anything else.
    #[serde(default)]
    delay_ms: u64,
    /// Do what was asked all the same, and then fail: the client cannot know.
    #[serde(default)]
    performed: bool,
    /// How often; without it, until it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    /// Until when, by the endpoint's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_ms: Option<u64>,
}

/// What a call meets with.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) delay_ms: u64,
    /// Whether the call is made before it fails.
    pub(crate) performed: bool,
    pub(crate) reset: bool,
    pub(crate) error: Option<ApiError>,
}

/// What is still to go wrong, oldest order first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    orders: Vec<Standing>,
}

#[derive(Debug)]
struct Standing {
    order: Order,
    until_ms: u64,
}

impl Faults {
    /// Takes an order as JSON, or a list of them.
    ///
    /// # Errors
    ///
    /// When it is none; the text says why.
    pub(crate) fn order(&mut self, json: &[u8], now_ms: u64) -> Result<(), String> {
        let orders: Vec<Order> = if json.trim_ascii_start().starts_with(b"[") {
            serde_json::from_slice(json).map_err(|it| it.to_string())?
        } else {
            vec![serde_json::from_slice(json).map_err(|it| it.to_string())?]
        };
        orders.iter().try_for_each(check)?;
        if ORDERS_MAX < self.orders.len() + orders.len() {
            return Err(format!("more than {ORDERS_MAX} orders; DELETE them first"));
        }
        self.orders.extend(orders.into_iter().map(|order| {
            let until_ms = order.for_ms.map_or(u64::MAX, |it| now_ms.saturating_add(it));
            Standing { order, until_ms }
        }));
        Ok(())
    }

    /// What this call meets with, if anything.
    pub(crate) fn meet(&mut self, operation: Operation, now_ms: u64) -> Option<Fault> {
        self.expire(now_ms);
        let name = operation.name();
        let standing = self.orders.iter_mut().find(|it| {
            let wanted = it.order.operation.as_deref();
            wanted.is_none_or(|it| it == ANY || it.eq_ignore_ascii_case(name))
        })?;
        let order = &mut standing.order;
        let error = order
            .status
            .map(|status| ApiError::ordered(status, order.error.clone(), order.message.clone()));
        let Order { delay_ms, performed, reset, .. } = *order;
        let fault = Fault { delay_ms, performed, reset, error };
        if let Some(times) = &mut order.times {
            *times = times.saturating_sub(1);
        }
        self.expire(now_ms);
        Some(fault)
    }

    pub(crate) fn clear(&mut self) {
        self.orders.clear();
    }

    /// What is still to go wrong, as JSON.
    pub(crate) fn list(&mut self, now_ms: u64) -> serde_json::Value {
        self.expire(now_ms);
        let orders: Vec<&Order> = self.orders.iter().map(|it| &it.order).collect();
        serde_json::json!({ "faults": orders })
    }

    fn expire(&mut self, now_ms: u64) {
        self.orders.retain(|it| now_ms < it.until_ms && it.order.times != Some(0));
    }
}

fn check(order: &Order) -> Result<(), String> {
    if let Some(name) = &order.operation
        && name != ANY
        && !Operation::ALL.iter().any(|it| it.name().eq_ignore_ascii_case(name))
    {
        let names: Vec<_> = Operation::ALL.iter().map(|it| it.name()).collect();
        return Err(format!("`operation` is `{name}`; it can be {}", names.join(", ")));
    }
    if order.status.is_some_and(|it| !(400..=599).contains(&it)) {
        return Err("`status` is that of an error, from 400 to 599".to_owned());
    }
    if order.status.is_none() && (order.error.is_some() || order.message.is_some()) {
        return Err("`error` and `message` need a `status`".to_owned());
    }
    if DELAY_MS_MAX < order.delay_ms {
        return Err(format!("`delay_ms` is at most {DELAY_MS_MAX}"));
    }
    if order.status.is_none() && !order.reset && order.delay_ms == 0 {
        return Err("nothing would happen; give a `status`, `\"reset\": true` or `delay_ms`".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_carried_out_so_often() {
        let mut faults = Faults::default();
        faults.order(br#"{"operation":"PutObject","status":503,"times":2}"#, 0).unwrap();
        faults.order(br#"[{"operation":"*","reset":true,"delay_ms":5,"times":1}]"#, 0).unwrap();
        let seen = [
            Operation::PutObject,
            Operation::GetObject,
            Operation::GetObject,
            Operation::PutObject,
            Operation::PutObject,
        ]
        .map(|it| {
            faults.meet(it, 0).map(|it| it.error.map_or_else(String::new, |it| it.code.into()))
        });
        let slow = Some("SlowDown".to_owned());
        assert_eq!(seen, [slow.clone(), Some(String::new()), None, slow, None]);
    }

    #[test]
    fn an_order_ends_with_its_time_or_when_it_is_taken_back() {
        let mut faults = Faults::default();
        faults.order(br#"{"status":500,"for_ms":100}"#, 1000).unwrap();
        let mut meets = |now_ms| faults.meet(Operation::GetObject, now_ms).is_some();
        assert_eq!([1000, 1099, 1100].map(&mut meets), [true, true, false]);
        faults.order(br#"{"status":500,"times":9}"#, 0).unwrap();
        assert_eq!(faults.list(0)["faults"][0]["times"], 9);
        faults.clear();
        assert!(faults.meet(Operation::GetObject, 0).is_none());
        faults.order(br#"{"status":500}"#, 0).unwrap();
        assert!((0..9).all(|now_ms| faults.meet(Operation::GetObject, now_ms).is_some()));
    }

    #[test]
    fn a_wrong_order_says_what_to_write() {
        for (json, says) in [
            ("{}", "nothing would happen"),
            (r#"{"operation":"Put","status":503}"#, "PutObject"),
            (r#"{"status":200}"#, "from 400 to 599"),
            (r#"{"reset":true,"error":"SlowDown"}"#, "need a `status`"),
            (r#"{"delay_ms":99999999999}"#, "at most"),
            (r#"{"stauts":503}"#, "unknown field"),
            ("status: 503", "expected"),
        ] {
            let error = Faults::default().order(json.as_bytes(), 0).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
