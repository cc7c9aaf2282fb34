//! Secondary indexes: which items are in them, where, and what of them is shown. Pure.
//!
//! An entry is an item of its own, cut to what the index projects; where it projects everything, it
//! is the same piece of memory as the item. Indexes are never written to disk: they are made again
//! from the items.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wire::{canonical, json::Cursor};

use super::{Throughput, description::key_schema};
use crate::dynamodb::{
    expression::{
        Projection,
        ast::{Path, Step},
    },
    item::Item,
    key::{Key, KeyError, KeySchema},
    partitions::Partitions,
};

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexDescription {
    pub(crate) name: String,
    pub(crate) is_global: bool,
    pub(crate) schema: KeySchema,
    pub(crate) projected: Projected,
    /// `None` for local indexes, which are paid for with their table.
    pub(crate) throughput: Option<Throughput>,
}

/// What an index shows of its items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Projected {
    All,
    KeysOnly,
    Include(Vec<String>),
}

/// An index. A clone is a picture of this moment.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) description: IndexDescription,
    pub(crate) entries: Partitions,
    /// Behind which key of the table items are not in it yet; `None` when all are.
    pub(crate) backfilled_to: Option<Bound<Key>>,
}

/// Units used by each index: by whether it is global, and its name.
pub(crate) type IndexUnits = BTreeMap<(bool, String), f64>;

/// Why an item cannot be in an index that it has the attributes for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IndexError {
    #[error(
        "One or more parameter values were invalid: Type mismatch for Index Key {attribute} Expected: {expected} Actual: {actual} IndexName: {index}"
    )]
    WrongType { index: String, attribute: String, expected: &'static str, actual: String },
    #[error(
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty {kind} value. IndexName: {index}, IndexKey: {attribute}"
    )]
    Empty { index: String, attribute: String, kind: &'static str },
    #[error("{0} IndexName: {1}")]
    Other(KeyError, String),
}

impl IndexDescription {
    /// The attributes that an entry always has: the keys of table and index.
    pub(crate) fn key_names<'a>(&'a self, table: &'a KeySchema) -> BTreeSet<&'a str> {
        table.attributes().chain(self.schema.attributes()).map(|it| it.name.as_str()).collect()
    }

    /// Whether an attribute is in its entries.
    pub(crate) fn projects(&self, name: &str, table: &KeySchema) -> bool {
        let is_included = match &self.projected {
            Projected::All => true,
            Projected::KeysOnly => false,
            Projected::Include(names) => names.iter().any(|it| it == name),
        };
        is_included || self.key_names(table).contains(name)
    }

    /// The place of an item, if it has one.
    fn key_of(&self, item: &Item, in_table: &Key) -> Result<Option<Key>, IndexError> {
        self.schema.index_key(item.json(), in_table).map_err(|error| {
            let index = self.name.clone();
            match error {
                KeyError::WrongType { name, expected, actual } => {
                    IndexError::WrongType { index, attribute: name, expected, actual }
                }
                KeyError::Empty { name, kind } => {
                    IndexError::Empty { index, attribute: name, kind }
                }
                error => IndexError::Other(error, index),
            }
        })
    }

    /// What is shown of an item.
    fn entry_of(&self, item: &Item, table: &KeySchema) -> Item {
        let included = match &self.projected {
            Projected::All => return item.clone(),
            Projected::KeysOnly => &[][..],
            Projected::Include(names) => names,
        };
        let names = self.key_names(table).into_iter().chain(included.iter().map(String::as_str));
        let mut json = Vec::new();
        projection(names).write(item.json(), &mut json);
        let canonical = canonical::attributes(&mut Cursor::new(&json));
        let entry = canonical.ok().and_then(|it| Item::new(&it, table).ok());
        // A part of an item is one, too: it has the same key.
        entry.map_or_else(|| item.clone(), |(_, entry)| entry)
    }

    /// What `DescribeTable` shows of it.
    fn describe(&self, index: &Index, table_arn: &str) -> Value {
        let mut projection = json!({ "ProjectionType": self.projected.name() });
        if let Projected::Include(names) = &self.projected {
            projection["NonKeyAttributes"] = names.clone().into();
        }
        let mut answer = json!({
            "IndexName": self.name,
            "KeySchema": key_schema(&self.schema),
            "Projection": projection,
            "IndexSizeBytes": index.entries.size_bytes(),
            "ItemCount": index.entries.len(),
            "IndexArn": format!("{table_arn}/index/{}", self.name),
        });
        if self.is_global {
            let (reads, writes) = match self.throughput {
                Some(Throughput::Provisioned { reads, writes }) => (reads, writes),
                _ => (0, 0),
            };
            answer["ProvisionedThroughput"] = json!({
                "NumberOfDecreasesToday": 0,
                "ReadCapacityUnits": reads,
                "WriteCapacityUnits": writes,
            });
            let is_ready = index.backfilled_to.is_none();
            answer["IndexStatus"] = if is_ready { "ACTIVE" } else { "CREATING" }.into();
            if !is_ready {
                answer["Backfilling"] = true.into();
            }
        }
        answer
    }
}

impl Projected {
    fn name(&self) -> &'static str {
        match self {
            Projected::All => "ALL",
            Projected::KeysOnly => "KEYS_ONLY",
            Projected::Include(_) => "INCLUDE",
        }
    }
}

impl Index {
    /// An index without entries, to be filled from the beginning.
    pub(crate) fn new(description: IndexDescription) -> Index {
        let backfilled_to = Some(Bound::Unbounded);
        Index { description, entries: Partitions::default(), backfilled_to }
    }

    /// What `DescribeTable` shows of it.
    pub(crate) fn describe(&self, table_arn: &str) -> Value {
        self.description.describe(self, table_arn)
    }

    /// Refuses an item whose attributes cannot be keys of this index.
    pub(crate) fn check(&self, item: &Item, in_table: &Key) -> Result<(), IndexError> {
        self.description.key_of(item, in_table).map(|_| ())
    }

    /// Follows a change of an item; returns the sizes of the entries that were written.
    pub(crate) fn apply(
        &mut self,
        in_table: &Key,
        old: Option<&Item>,
        new: Option<&Item>,
        table: &KeySchema,
    ) -> Vec<usize> {
        // What cannot be a key was put in before the index was made; it is not in it.
        let place = |item: &Item| self.description.key_of(item, in_table).ok().flatten();
        let old_place = old.and_then(place);
        let new_place = new.and_then(place);
        let new = new.map(|it| self.description.entry_of(it, table));
        let mut written = Vec::new();
        if old_place != new_place
            && let Some(gone) = old_place.and_then(|it| self.entries.remove(&it))
        {
            written.push(gone.size_bytes());
        }
        if let (Some(place), Some(entry)) = (new_place, new) {
            let n_bytes = entry.size_bytes();
            let replaced = self.entries.insert(place, entry.clone());
            match replaced {
                Some(same) if same == entry => {}
                Some(other) => written.push(n_bytes.max(other.size_bytes())),
                None => written.push(n_bytes),
            }
        }
        written
    }
}

/// Whole attributes.
pub(crate) fn projection<'a>(names: impl Iterator<Item = &'a str>) -> Projection {
    Projection::of(names.map(|it| Path(vec![Step::Name(it.to_owned())])).collect())
}
