//! Where a document is, and what was found there. Pure.

use pipeline::Value;
use serde::{Deserialize, Serialize};

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address {
    /// Which of the pipelines' sinks writes it.
    pub sink: usize,
    /// The index, or an alias of it.
    pub index: String,
    /// Its id.
    pub id: String,
    /// Its routing, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub routing: Option<String>,
}

/// A document that should be in the index.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Where.
    pub address: Address,
    /// What it should say, as JSON.
    pub json: Vec<u8>,
    /// Whether only these of its fields come from the table.
    pub partial: bool,
    /// Whether its content can be told from the table at all; a script's cannot.
    pub comparable: bool,
    /// Whether the index keeps the versions that the pipeline gives.
    pub external: bool,
}

/// The stamp of a document in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// `_version`.
    pub version: u64,
    /// `_seq_no`.
    pub seq_no: u64,
    /// `_primary_term`.
    pub primary_term: u64,
}

/// A document as the index has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Which state of it this is.
    pub stamp: Stamp,
    /// `_source`.
    pub json: Vec<u8>,
}

/// A document seen while the index was listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Where it is.
    pub address: Address,
    /// Which state of it was seen.
    pub stamp: Stamp,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which of the tables it is in.
    pub table: usize,
    /// Its key in DynamoDB JSON: `{"author":{"S":"x"}}`.
    pub key: String,
    /// The whole item in DynamoDB JSON.
    pub item: String,
}

impl Row {
    /// The item as values.
    pub(crate) fn value(&self) -> Value {
        Value::from_json(self.item.as_bytes()).unwrap_or_default()
    }
}
