//! `TransactWriteItems`: several writes, all of them or none.
//!
//! Every table that takes part is locked before anything is looked at, in the order of their numbers.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    capacity::{Consumed, Used, metrics, wants_metrics, write_units},
    parameters::{Names, Values, attributes, key, parse, required, returns_item_on_failure},
    prepared::{Action, Prepared, bind_condition, bind_update, leaves_key_alone},
};
use crate::dynamodb::{
    answer::Answer,
    endpoint::{Cell, Endpoint, Writing},
    error::{ApiError, Reason},
    item::Item,
    request::Caller,
    table::Outcome,
    tokens::Turn,
};

/// How many items a transaction may touch.
pub(super) const PARTS_MAX: usize = 100;
/// How much they may hold together.
pub(super) const BYTES_MAX: usize = 4 << 20;
/// The longest token.
const TOKEN_BYTES_MAX: usize = 36;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    transact_items: Option<Vec<Part<'a>>>,
    client_request_token: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Part<'a> {
    #[serde(borrow)]
    condition_check: Option<Write<'a>>,
    #[serde(borrow)]
    put: Option<Write<'a>>,
    #[serde(borrow)]
    delete: Option<Write<'a>>,
    #[serde(borrow)]
    update: Option<Write<'a>>,
}

/// The four kinds have the same parameters, as far as they have them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Write<'a> {
    table_name: Option<String>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    update_expression: Option<String>,
    condition_expression: Option<String>,
    expression_attribute_names: Names,
    #[serde(borrow)]
    expression_attribute_values: Values<'a>,
    return_values_on_condition_check_failure: Option<String>,
}

pub(crate) fn transact_write_items(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request<'_> = parse(body)?;
    let consumed = Consumed::parse(request.return_consumed_capacity.as_deref())?;
    let wants_metrics = wants_metrics(request.return_item_collection_metrics.as_deref())?;
    let parts = required(request.transact_items, "transactItems")?;
    check_count(parts.len())?;
    let token = request.client_request_token.filter(|it| !it.is_empty());
    if let Some(token) = token.as_ref().filter(|it| TOKEN_BYTES_MAX < it.len()) {
        return Err(ApiError::constraint(
            token,
            "clientRequestToken",
            "Member must have length less than or equal to 36",
        ));
    }
    let mut prepared = Vec::new();
    let mut reasons = Vec::new();
    for part in parts {
        let (cell, prepare) = part.table(endpoint, caller)?;
        match prepare {
            Ok(part) => {
                reasons.push(Reason::NONE);
                prepared.push((cell, part));
            }
            // What is wrong with the item or key of a part is its own affair.
            Err(error) => reasons.push(Reason::of(error)?),
        }
    }
    if reasons.iter().any(|it| it.code != Reason::NONE.code) {
        return Err(ApiError::TransactionCanceled(reasons));
    }
    check_distinct(prepared.iter().map(|(cell, part)| (cell.id, &part.key)))?;

    let turn = match &token {
        None => None,
        Some(token) => {
            let name = format!("{}/{}/{token}", caller.account, caller.region);
            let Some(turn) = endpoint.tokens.turn(&name, body, endpoint.clock.now_ms())? else {
                return Ok(b"{}".to_vec());
            };
            Some(turn)
        }
    };
    let cells: BTreeMap<u64, Arc<Cell>> =
        prepared.iter().map(|(cell, _)| (cell.id, cell.clone())).collect();
    let ids: Vec<u64> = cells.keys().copied().collect();
    let cells: Vec<Arc<Cell>> = cells.into_values().collect();
    let parts: Vec<(usize, Prepared)> = prepared
        .into_iter()
        .map(|(cell, part)| (ids.binary_search(&cell.id).unwrap_or_default(), part))
        .collect();
    let note = turn.as_ref().map(Turn::record);
    let (used, all_metrics) =
        endpoint.write_several(&cells, note, |writing| perform(writing, &parts, wants_metrics))?;
    if let Some(turn) = turn {
        turn.done();
    }
    Ok(answer(consumed, used, all_metrics))
}

type TableUsed = Vec<(String, Used)>;

fn answer(consumed: Consumed, used: TableUsed, metrics: Map<String, Value>) -> Vec<u8> {
    let mut answer = Answer::new();
    let capacities: Vec<Value> = used
        .into_iter()
        .filter_map(|(name, used)| {
            consumed.shown_in_transaction(&name, &used.doubled(), "WriteCapacityUnits")
        })
        .collect();
    if !capacities.is_empty() {
        answer.value("ConsumedCapacity", capacities);
    }
    if !metrics.is_empty() {
        answer.value("ItemCollectionMetrics", metrics);
    }
    answer.finish()
}

/// Does all parts, or none and says why.
fn perform(
    writing: &mut [Writing<'_>],
    parts: &[(usize, Prepared)],
    wants_metrics: bool,
) -> Result<(TableUsed, Map<String, Value>), ApiError> {
    let mut changes = Vec::new();
    let mut reasons = Vec::new();
    let mut n_bytes = 0;
    for (at, part) in parts {
        match part.change(writing[*at].table()) {
            Ok(change) => {
                let item = change.as_ref().and_then(|it| it.new.as_ref());
                n_bytes += item.map_or(0, Item::size_bytes);
                changes.push(change);
                reasons.push(Reason::NONE);
            }
            Err(error) => reasons.push(Reason::of(error)?),
        }
    }
    if changes.len() < parts.len() {
        return Err(ApiError::TransactionCanceled(reasons));
    }
    if BYTES_MAX < n_bytes {
        return Err(ApiError::validation(
            "Collection size of items in transaction has exceeded the maximum allowed size of 4MB",
        ));
    }
    let mut used: Vec<f64> = vec![0.0; writing.len()];
    for ((at, part), change) in parts.iter().zip(changes) {
        let writing = &mut writing[*at];
        let old_bytes = writing.table().items.get(&part.key).map_or(0, Item::size_bytes);
        let new_bytes = change.as_ref().and_then(|it| it.new.as_ref()).map_or(0, Item::size_bytes);
        used[*at] += write_units(old_bytes, new_bytes);
        if let Some(change) = change {
            let _: Outcome = writing.apply(change);
        }
    }
    let mut tables = Vec::new();
    let mut all_metrics = Map::new();
    for (at, (writing, table)) in writing.iter_mut().zip(used).enumerate() {
        let name = writing.table().description.name.clone();
        let indexes = std::mem::take(&mut writing.index_units);
        if wants_metrics {
            let keys = parts.iter().filter(|it| it.0 == at).map(|(_, part)| &part.key);
            let shown: Vec<Value> = keys.filter_map(|key| metrics(writing.table(), key)).collect();
            if !shown.is_empty() {
                all_metrics.insert(name.clone(), shown.into());
            }
        }
        tables.push((name, Used { table, indexes }));
    }
    Ok((tables, all_metrics))
}

/// What is wrong with a part, or what it is.
type Understood = Result<Prepared, ApiError>;

impl Part<'_> {
    /// The table that it is about, and what it does. Only what concerns the whole request fails.
    fn table(
        self,
        endpoint: &Endpoint,
        caller: &Caller,
    ) -> Result<(Arc<Cell>, Understood), ApiError> {
        let kinds = [
            ("conditionCheck", self.condition_check),
            ("put", self.put),
            ("delete", self.delete),
            ("update", self.update),
        ];
        let mut given = kinds.into_iter().filter_map(|(kind, it)| Some((kind, it?)));
        let (Some((kind, write)), None) = (given.next(), given.next()) else {
            return Err(ApiError::validation(
                "TransactItems can only contain one of Check, Put, Update or Delete",
            ));
        };
        let name = required(
            write.table_name.clone(),
            &format!("transactItems.1.member.{kind}.tableName"),
        )?;
        let cell = endpoint.table(caller, &name)?;
        let prepared = write.prepare(kind, &cell)?;
        Ok((cell, prepared))
    }
}

impl Write<'_> {
    fn prepare(self, kind: &str, cell: &Cell) -> Result<Understood, ApiError> {
        let at = |name: &str| format!("transactItems.1.member.{kind}.{name}");
        let returns_item =
            returns_item_on_failure(self.return_values_on_condition_check_failure.as_deref())?;
        let condition_text = self.condition_expression.as_deref();
        if kind == "put" {
            let item = required(self.item, &at("item"))?;
            let condition = bind_condition(
                condition_text,
                self.expression_attribute_names,
                self.expression_attribute_values,
            )?;
            let put = || {
                let (key, item) = Item::new(&attributes(item)?, &cell.schema)?;
                Ok(Prepared { key, condition, returns_item, action: Action::Put(item) })
            };
            return Ok(put());
        }
        let key_json = required(self.key, &at("key"))?;
        let with_key = || key(key_json, &cell.schema);
        if kind == "update" {
            let text = required(self.update_expression, &at("updateExpression"))?;
            let (update, condition) = bind_update(
                Some(&text),
                condition_text,
                self.expression_attribute_names,
                self.expression_attribute_values,
            )?;
            let update = || {
                if let Some(update) = &update {
                    leaves_key_alone(update, &cell.schema)?;
                }
                let (key, key_attributes) = with_key()?;
                let action = Action::Update { update, key_attributes, creates: true };
                Ok(Prepared { key, condition, returns_item, action })
            };
            return Ok(update());
        }
        let is_check = kind == "conditionCheck";
        if is_check {
            required(condition_text, &at("conditionExpression"))?;
        }
        let condition = bind_condition(
            condition_text,
            self.expression_attribute_names,
            self.expression_attribute_values,
        )?;
        let action = if is_check { Action::Check } else { Action::Delete };
        Ok(with_key().map(|(key, _)| Prepared { key, condition, returns_item, action }))
    }
}

/// Refuses a transaction of none or too many parts.
pub(super) fn check_count(n_parts: usize) -> Result<(), ApiError> {
    let rule = match n_parts {
        0 => "greater than or equal to 1",
        n if n <= PARTS_MAX => return Ok(()),
        _ => "less than or equal to 100",
    };
    Err(ApiError::constraint("[...]", "transactItems", &format!("Member must have length {rule}")))
}

fn check_distinct<'a>(
    keys: impl Iterator<Item = (u64, &'a crate::dynamodb::key::Key)>,
) -> Result<(), ApiError> {
    let mut keys: Vec<_> = keys.collect();
    keys.sort_unstable();
    if keys.windows(2).any(|it| it[0] == it[1]) {
        return Err(ApiError::validation(
            "Transaction request cannot include multiple operations on one item",
        ));
    }
    Ok(())
}
