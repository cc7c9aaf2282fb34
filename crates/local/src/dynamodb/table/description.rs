//! What is known about a table besides its items, and how `DescribeTable` shows it. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Table, index::IndexDescription};
use crate::dynamodb::{
    export::Export,
    key::{KeyAttribute, KeySchema},
    stream::{Sequence, StreamState},
    timestamp::seconds,
};

/// How many shards the stream of a table has unless told otherwise.
pub(crate) const SHARDS_DEFAULT: usize = 4;

/// Everything about a table that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) account: String,
    /// `TableId`.
    pub(crate) uuid: String,
    pub(crate) created_ms: u64,
    pub(crate) schema: KeySchema,
    pub(crate) throughput: Throughput,
    pub(crate) is_protected: bool,
    pub(crate) class: Option<String>,
    pub(crate) encryption: Option<Value>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The attribute that holds the time to live.
    pub(crate) ttl: Option<String>,
    /// Since when continuous backups are on.
    pub(crate) backed_up_since_ms: Option<u64>,
    pub(crate) recovery_period_days: u64,
    /// How many shards its streams begin with.
    pub(crate) n_shards: usize,
    /// When it was deleted, if only its stream is left.
    pub(crate) deleted_ms: Option<u64>,
}

/// What a table is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Throughput {
    OnDemand { since_ms: u64 },
    Provisioned { reads: u64, writes: u64 },
}

/// What is written down when anything but items changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) description: Description,
    pub(crate) streams: Vec<StreamState>,
    pub(crate) sequence: Sequence,
    // Of these, states of earlier versions know nothing.
    #[serde(default)]
    pub(crate) indexes: Vec<IndexDescription>,
    #[serde(default)]
    pub(crate) exports: Vec<Export>,
}

impl Description {
    pub(crate) fn arn(&self) -> String {
        let Description { region, account, name, .. } = self;
        let partition = match region {
            it if it.starts_with("cn-") => "aws-cn",
            it if it.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        format!("arn:{partition}:dynamodb:{region}:{account}:table/{name}")
    }

    pub(crate) fn stream_arn(&self, label: &str) -> String {
        format!("{}/stream/{label}", self.arn())
    }

    pub(crate) fn key_schema(&self) -> Value {
        key_schema(&self.schema)
    }
}

/// `KeySchema`, as answers show it.
pub(crate) fn key_schema(schema: &KeySchema) -> Value {
    let element = |attribute: &KeyAttribute, kind| json!({ "AttributeName": attribute.name, "KeyType": kind });
    let sort = schema.sort.iter().map(|it| element(it, "RANGE"));
    std::iter::once(element(&schema.partition, "HASH")).chain(sort).collect()
}

impl Table {
    /// `TableDescription`.
    pub(crate) fn describe(&self, status: &str) -> Value {
        let it = &self.description;
        let in_indexes = self.indexes.iter().flat_map(|it| it.description.schema.attributes());
        let mut attributes: Vec<&KeyAttribute> = Vec::new();
        for attribute in it.schema.attributes().chain(in_indexes) {
            if !attributes.contains(&attribute) {
                attributes.push(attribute);
            }
        }
        let attributes: Value = attributes
            .into_iter()
            .map(|it| json!({ "AttributeName": it.name, "AttributeType": it.kind.name() }))
            .collect();
        let (reads, writes) = match it.throughput {
            Throughput::OnDemand { .. } => (0, 0),
            Throughput::Provisioned { reads, writes } => (reads, writes),
        };
        let mut answer = json!({
            "AttributeDefinitions": attributes,
            "TableName": it.name,
            "KeySchema": it.key_schema(),
            "TableStatus": status,
            "CreationDateTime": seconds(it.created_ms),
            "ProvisionedThroughput": {
                "NumberOfDecreasesToday": 0,
                "ReadCapacityUnits": reads,
                "WriteCapacityUnits": writes,
            },
            "TableSizeBytes": self.items.size_bytes(),
            "ItemCount": self.items.len(),
            "TableArn": it.arn(),
            "TableId": it.uuid,
            "DeletionProtectionEnabled": it.is_protected,
        });
        if let Throughput::OnDemand { since_ms } = it.throughput {
            answer["BillingModeSummary"] = json!({
                "BillingMode": "PAY_PER_REQUEST",
                "LastUpdateToPayPerRequestDateTime": seconds(since_ms),
            });
        }
        for (name, is_global) in
            [("GlobalSecondaryIndexes", true), ("LocalSecondaryIndexes", false)]
        {
            let indexes = self.indexes.iter().filter(|it| it.description.is_global == is_global);
            let shown: Vec<Value> = indexes.map(|index| index.describe(&it.arn())).collect();
            if !shown.is_empty() {
                answer[name] = shown.into();
            }
        }
        if let Some(class) = &it.class {
            answer["TableClassSummary"] = json!({ "TableClass": class });
        }
        if let Some(encryption) = &it.encryption {
            answer["SSEDescription"] = encryption.clone();
        }
        if let Some(stream) = self.streams.last() {
            if stream.is_enabled() {
                answer["StreamSpecification"] =
                    json!({ "StreamEnabled": true, "StreamViewType": stream.view_type.name() });
            }
            answer["LatestStreamLabel"] = stream.label.clone().into();
            answer["LatestStreamArn"] = it.stream_arn(&stream.label).into();
        }
        answer
    }
}
