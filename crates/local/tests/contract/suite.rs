//! The suite: cases in files beside this one, and what it means to keep to them.
//!
//! A case puts what is `given`, makes its `call` `with` a body, and looks at what is answered and
//! what it `leaves`. The key of its item is the case's name and is not written down in the case;
//! nor are the table and the key in the body, unless it is `raw`. `says` may end in `…`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::{
    reference::differences,
    target::{Outcome, Target},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// An item without its key; several for queries.
    #[serde(default)]
    given: Option<Value>,
    #[serde(default)]
    raw: bool,
    call: String,
    with: Value,
    #[serde(default)]
    answers: Option<Value>,
    #[serde(default)]
    refuses: Option<String>,
    #[serde(default)]
    says: Option<String>,
    /// `null` is no item.
    #[serde(default, deserialize_with = "some")]
    leaves: Option<Value>,
}

fn some<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// The cases by subject.
pub(crate) fn cases() -> [(&'static str, Vec<Case>); 4] {
    [
        ("conditions", include_str!("conditions.json")),
        ("updates", include_str!("updates.json")),
        ("values and keys", include_str!("values.json")),
        ("projections and queries", include_str!("reads.json")),
    ]
    .map(|(subject, json)| (subject, serde_json::from_str(json).expect(subject)))
}

/// Runs every case. What differs must be what is listed, no more and no less.
pub(crate) async fn check(target: &Target) {
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let attribute =
        |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    target
        .create(&json!({
            "TableName": "contract", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [key("id", "HASH")],
            "AttributeDefinitions": [attribute("id", "S")],
        }))
        .await;
    target
        .create(&json!({
            "TableName": "contract-range", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [key("id", "HASH"), key("r", "RANGE")],
            "AttributeDefinitions":
                [attribute("id", "S"), attribute("r", "N"), attribute("x", "S")],
            "LocalSecondaryIndexes": [{
                "IndexName": "by-x", "KeySchema": [key("id", "HASH"), key("x", "RANGE")],
                "Projection": { "ProjectionType": "ALL" },
            }],
        }))
        .await;
    let mut found = BTreeMap::new();
    for case in cases().iter().flat_map(|(_, cases)| cases) {
        let difference = case.difference(target).await;
        if let Some(difference) = difference {
            found.insert(case.name.clone(), difference);
        }
    }
    let listed = differences().remove(&target.name).unwrap_or_default();
    let listed: Vec<String> = listed.into_iter().flat_map(|it| it.cases).collect();
    let gone: Vec<&String> = listed.iter().filter(|it| !found.contains_key(*it)).collect();
    found.retain(|name, _| !listed.contains(name));
    let shown: Vec<String> = found.iter().map(|(name, it)| format!("{name}\n    {it}")).collect();
    assert!(
        found.is_empty() && gone.is_empty(),
        "{} differs, which contract/differences.json does not list:\n  {}\nno longer differs: {gone:?}",
        target.name,
        shown.join("\n  ")
    );
}

impl Case {
    /// What is not as it should be, if anything.
    async fn difference(&self, target: &Target) -> Option<String> {
        let is_query = self.call == "Query";
        let id = json!({ "S": self.name });
        // Whoever is at a given address may remember us from another day.
        let delete = json!({ "TableName": "contract", "Key": { "id": id } });
        target.ask("DeleteItem", &delete).await.unwrap();
        match &self.given {
            Some(Value::Array(items)) => {
                for item in items {
                    let item = with_id(item, &id);
                    let put = json!({ "TableName": "contract-range", "Item": item });
                    target.ask("PutItem", &put).await.unwrap();
                }
            }
            Some(item) => {
                let put = json!({ "TableName": "contract", "Item": with_id(item, &id) });
                target.ask("PutItem", &put).await.unwrap();
            }
            None => {}
        }
        let mut body = self.with.clone();
        if !self.raw {
            body["TableName"] = if is_query { "contract-range" } else { "contract" }.into();
            match self.call.as_str() {
                "PutItem" => body["Item"] = with_id(&body["Item"], &id),
                "Query" => {
                    let condition = body["KeyConditionExpression"].as_str().unwrap_or_default();
                    if condition.contains(":id") {
                        body["ExpressionAttributeValues"][":id"] = id.clone();
                    }
                }
                _ => body["Key"] = json!({ "id": id }),
            }
        }
        let outcome = target.ask(&self.call, &body).await.map(without_id);
        if let Some(difference) = self.judge(&outcome) {
            return Some(difference);
        }
        let leaves = self.leaves.as_ref()?;
        let get = json!({ "TableName": "contract", "Key": { "id": id }, "ConsistentRead": true });
        let left = target.ask("GetItem", &get).await.map(without_id).unwrap();
        let left = left.get("Item").cloned().unwrap_or_default();
        (left != sorted(leaves)).then(|| format!("leaves {left}, not {leaves}"))
    }

    fn judge(&self, outcome: &Outcome) -> Option<String> {
        match (outcome, &self.answers, &self.refuses) {
            (Ok(answer), Some(expected), None) => {
                (*answer != sorted(expected)).then(|| format!("answers {answer}, not {expected}"))
            }
            (Err(refusal), None, Some(kind)) => {
                if refusal.kind != *kind {
                    return Some(format!("refuses with {refusal:?}, not {kind}"));
                }
                let says = self.says.as_deref()?;
                let message = refusal.message.as_str();
                let is_said = match says.strip_suffix('…') {
                    Some(start) => message.starts_with(start),
                    None => message == says,
                };
                (!is_said).then(|| format!("says `{message}`, not `{says}`"))
            }
            (outcome, _, _) => Some(format!("{outcome:?}")),
        }
    }
}

fn with_id(item: &Value, id: &Value) -> Value {
    let mut item = item.clone();
    item["id"] = id.clone();
    item
}

/// An answer without what every answer of a case has, and with its sets in order.
fn without_id(mut answer: Value) -> Value {
    let strip = |item: &mut Value| item.as_object_mut().and_then(|it| it.remove("id"));
    // Some tell it unasked.
    answer.as_object_mut().and_then(|it| it.remove("ConsumedCapacity"));
    for name in ["Item", "Attributes", "LastEvaluatedKey"] {
        answer.get_mut(name).map(strip);
    }
    if let Some(Value::Array(items)) = answer.get_mut("Items") {
        for item in items {
            strip(item);
        }
    }
    sorted(&answer)
}

/// The same with every set in order: they have none of their own.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let entries = object.iter().map(|(name, value)| {
                let mut value = sorted(value);
                if ["SS", "NS", "BS"].contains(&name.as_str())
                    && let Value::Array(elements) = &mut value
                {
                    elements.sort_by_key(Value::to_string);
                }
                (name.clone(), value)
            });
            Value::Object(entries.collect())
        }
        Value::Array(elements) => elements.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
