//! Where an event came from: a stream record or an export line, and what is known about it. Pure.
//!
//! An [`Origin`] is a set of places in the body the record arrived in. What a sink asks for is
//! worked out when it asks, so a record that is only passed on costs nothing here.

use std::sync::Arc;

use bytes::Bytes;
use wire::{
    json::{Cursor, Malformed, unescape},
    stream::{ChangeKind, Record},
};

use crate::{SequenceNumber, Value};

/// The table a record belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The name of its partition key.
    pub partition_key: String,
    /// The name of its sort key, if it has one.
    pub sort_key: Option<String>,
}

/// By which way a record reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// It is a change.
    Stream,
    /// It is a row of an export.
    Export,
}

/// One record, where it lies, and the version it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// Its table.
    pub table: Arc<Table>,
    /// What it arrived in, together with others.
    pub body: Bytes,
    /// Where in the body it is.
    pub record: Record,
    /// Change or row.
    pub path: Path,
    /// The document version: grows with every change of the item.
    pub version: u64,
}

impl Origin {
    /// The names `getMetadata` knows, as the `dynamodb` source of Data Prepper has them.
    pub const NAMES: [&'static str; 9] = [
        "primary_key",
        "partition_key",
        "sort_key",
        "table_name",
        "dynamodb_timestamp",
        "dynamodb_event_name",
        "opensearch_action",
        "document_version",
        "ttl_delete",
    ];

    /// What `getMetadata(name)` gives; `None` for what this record does not have.
    ///
    /// # Errors
    ///
    /// When a key of the record is not DynamoDB JSON.
    pub fn metadata(&self, name: &str) -> Result<Option<Value>, Malformed> {
        let text = |write: &dyn Fn(&mut Vec<u8>) -> Result<(), Malformed>| {
            let mut raw = Vec::new();
            write(&mut raw)?;
            Ok(Some(Value::String(unescape(&raw)?.into_owned())))
        };
        match name {
            "primary_key" => text(&|out| self.write_primary_key(out)),
            "partition_key" => text(&|out| self.write_key(&self.table.partition_key, out)),
            "sort_key" => match &self.table.sort_key {
                Some(name) => text(&|out| self.write_key(name, out)),
                None => Ok(None),
            },
            "table_name" => Ok(Some(self.table.name.as_str().into())),
            "dynamodb_timestamp" => Ok(Some(self.record.created_ms.into())),
            "dynamodb_event_name" => Ok(match self.path {
                Path::Stream => Some(self.event_name().into()),
                Path::Export => None,
            }),
            "opensearch_action" => Ok(Some(self.action().into())),
            "document_version" => Ok(Some(self.version.into())),
            "ttl_delete" => Ok(Some(self.is_ttl_delete().into())),
            _ => Ok(None),
        }
    }

    /// `INSERT`, `MODIFY` or `REMOVE`.
    pub fn event_name(&self) -> &'static str {
        match self.record.kind {
            ChangeKind::Insert => "INSERT",
            ChangeKind::Modify => "MODIFY",
            ChangeKind::Remove => "REMOVE",
        }
    }

    /// What to do in the index: `index` or `delete`.
    pub fn action(&self) -> &'static str {
        if self.record.kind == ChangeKind::Remove { "delete" } else { "index" }
    }

    /// Whether DynamoDB removed the item because its time to live was over.
    pub fn is_ttl_delete(&self) -> bool {
        self.record.by_ttl && self.record.kind == ChangeKind::Remove
    }

    /// Writes `partition|sort`, or only `partition`, as it stands inside a JSON string.
    ///
    /// # Errors
    ///
    /// When a key is missing or is not DynamoDB JSON.
    pub fn write_primary_key(&self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        self.write_key(&self.table.partition_key, out)?;
        if let Some(sort_key) = &self.table.sort_key {
            out.push(b'|');
            self.write_key(sort_key, out)?;
        }
        Ok(())
    }

    /// Writes the text of one key as it stands inside a JSON string: a string as it is, a number by
    /// its digits, binary as base64.
    ///
    /// # Errors
    ///
    /// When the key is missing or is not DynamoDB JSON.
    pub fn write_key(&self, name: &str, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let keys = &self.body[self.record.keys.clone()];
        let mut found = None;
        let mut cursor = Cursor::new(keys);
        cursor.object(|cursor, key| {
            if found.is_none() && (key == name.as_bytes() || unescape(key)? == name) {
                cursor.object(|cursor, _| {
                    found = Some(cursor.string()?);
                    Ok::<(), Malformed>(())
                })?;
            } else {
                cursor.skip()?;
            }
            Ok::<(), Malformed>(())
        })?;
        out.extend_from_slice(found.ok_or_else(|| cursor.malformed())?);
        Ok(())
    }

    /// Its place in the shard, if it came from a stream.
    pub fn sequence_number(&self) -> Option<SequenceNumber> {
        let digits = self.body.get(self.record.sequence_number.clone())?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// The whole record, as it arrived.
    pub fn whole(&self) -> &[u8] {
        &self.body[self.record.whole.clone()]
    }
}
