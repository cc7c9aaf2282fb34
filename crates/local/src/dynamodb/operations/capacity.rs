//! What a request used: `ConsumedCapacity` and `ItemCollectionMetrics`. Pure.

use std::ops::Bound;

use serde_json::{Map, Value, json};

use super::parameters::one_of;
use crate::dynamodb::{
    error::ApiError,
    key::Key,
    table::{Table, index::IndexUnits, units},
};

/// What a request wants to know about the capacity it used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consumed {
    None,
    Total,
    Indexes,
}

/// Units that a table and its indexes used.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Used {
    pub(crate) table: f64,
    pub(crate) indexes: IndexUnits,
}

impl From<f64> for Used {
    fn from(table: f64) -> Used {
        Used { table, indexes: IndexUnits::new() }
    }
}

impl Used {
    fn total(&self) -> f64 {
        self.table + self.indexes.values().sum::<f64>()
    }

    /// Twice as much: what the same costs in a transaction.
    pub(crate) fn doubled(self) -> Used {
        let indexes = self.indexes.into_iter().map(|(name, units)| (name, units * 2.0)).collect();
        Used { table: self.table * 2.0, indexes }
    }
}

impl Consumed {
    pub(crate) fn parse(value: Option<&str>) -> Result<Consumed, ApiError> {
        let name = "returnConsumedCapacity";
        Ok(match one_of(value, name, &["INDEXES", "TOTAL", "NONE"])? {
            Some("TOTAL") => Consumed::Total,
            Some("INDEXES") => Consumed::Indexes,
            _ => Consumed::None,
        })
    }

    /// `ConsumedCapacity` of one table.
    pub(crate) fn shown(self, table: &str, used: impl Into<Used>) -> Option<Value> {
        self.shown_with(table, &used.into(), None)
    }

    /// `ConsumedCapacity` of one table in a transaction, which says what the units were used for.
    pub(crate) fn shown_in_transaction(
        self,
        table: &str,
        used: &Used,
        what: &str,
    ) -> Option<Value> {
        self.shown_with(table, used, Some(what))
    }

    fn shown_with(self, table: &str, used: &Used, what: Option<&str>) -> Option<Value> {
        if self == Consumed::None {
            return None;
        }
        let shown = |units: f64| {
            let mut shown = json!({ "CapacityUnits": units });
            if let Some(what) = what {
                shown[what] = units.into();
            }
            shown
        };
        let mut answer = shown(used.total());
        answer["TableName"] = table.into();
        if self == Consumed::Indexes {
            answer["Table"] = shown(used.table);
            for (name, is_global) in
                [("GlobalSecondaryIndexes", true), ("LocalSecondaryIndexes", false)]
            {
                let indexes = used.indexes.iter().filter(|((it, _), _)| *it == is_global);
                let indexes: Map<String, Value> =
                    indexes.map(|((_, name), units)| (name.clone(), shown(*units))).collect();
                if !indexes.is_empty() {
                    answer[name] = indexes.into();
                }
            }
        }
        Some(answer)
    }
}

/// Units for reading so many bytes.
pub(crate) fn read_units(size_bytes: usize, is_consistent: bool) -> f64 {
    let units = units(size_bytes, 4096);
    if is_consistent { units } else { units / 2.0 }
}

/// Units for writing an item that was and becomes so large.
pub(crate) fn write_units(old_bytes: usize, new_bytes: usize) -> f64 {
    units(old_bytes.max(new_bytes), 1024)
}

/// Whether a request wants to know how large the item collections are that it wrote to.
pub(crate) fn wants_metrics(value: Option<&str>) -> Result<bool, ApiError> {
    Ok(one_of(value, "returnItemCollectionMetrics", &["SIZE", "NONE"])? == Some("SIZE"))
}

/// `ItemCollectionMetrics` of the collection that a key belongs to, if its table has local indexes.
pub(crate) fn metrics(table: &Table, key: &Key) -> Option<Value> {
    if table.indexes.iter().all(|it| it.description.is_global) {
        return None;
    }
    let (first, end) = key.collection();
    let mut n_bytes = 0;
    let mut partition = None;
    for (_, item) in table.items.range((Bound::Included(first), end)) {
        n_bytes += item.size_bytes();
        partition = partition.or(Some(item));
    }
    // Nothing is left of a collection whose last item was removed: there is nothing to show.
    let name = &table.description.schema.partition.name;
    let json = crate::dynamodb::expression::document::attribute(partition?.json(), name)?;
    let value: Value = serde_json::from_slice(json).ok()?;
    let n_gigabytes = f64::from(u32::try_from(n_bytes >> 30).unwrap_or(u32::MAX));
    let mut collection = Map::new();
    collection.insert(name.clone(), value);
    Some(json!({
        "ItemCollectionKey": collection,
        "SizeEstimateRangeGB": [n_gigabytes, n_gigabytes + 1.0],
    }))
}
