//! `CreateTable`.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    indexes::{IndexRequest, Kinds, all_used, read_all},
    parameters::{one_of, parse, required},
};
use crate::dynamodb::{
    answer::Answer,
    endpoint::{Endpoint, check_table_name, table_address},
    error::ApiError,
    key::{KeyAttribute, KeySchema, KeyType},
    request::Caller,
    stream::ViewType,
    table::{
        description::{Description, SHARDS_DEFAULT, Throughput},
        index::Index,
    },
};

/// How many tags a table may have.
pub(crate) const TAGS_MAX: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    table_name: Option<String>,
    #[serde(default)]
    key_schema: Vec<KeySchemaElement>,
    #[serde(default)]
    attribute_definitions: Vec<AttributeDefinition>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<ProvisionedThroughput>,
    stream_specification: Option<StreamSpecification>,
    global_secondary_indexes: Option<Vec<IndexRequest>>,
    local_secondary_indexes: Option<Vec<IndexRequest>>,
    tags: Option<Vec<Tag>>,
    deletion_protection_enabled: Option<bool>,
    table_class: Option<String>,
    #[serde(rename = "SSESpecification")]
    encryption: Option<Encryption>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KeySchemaElement {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttributeDefinition {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProvisionedThroughput {
    read_capacity_units: i64,
    write_capacity_units: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamSpecification {
    stream_enabled: bool,
    stream_view_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Encryption {
    #[serde(default)]
    enabled: bool,
    #[serde(rename = "KMSMasterKeyId")]
    key_id: Option<String>,
}

pub(crate) fn create_table(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let (region, name) = table_address(caller, &required(request.table_name, "tableName")?)?;
    check_table_name(&name)?;
    let kinds = kinds(request.attribute_definitions)?;
    let schema = key_schema(&request.key_schema, &kinds)?;
    let now_ms = endpoint.clock.now_ms();
    let throughput =
        throughput(request.billing_mode.as_deref(), request.provisioned_throughput, now_ms)?;
    let indexes = read_all(
        request.global_secondary_indexes,
        request.local_secondary_indexes,
        &schema,
        &kinds,
        &throughput,
    )?;
    let schemas = std::iter::once(&schema).chain(indexes.iter().map(|it| &it.schema));
    all_used(&kinds, schemas, !indexes.is_empty())?;
    let tags = request.tags.unwrap_or_default();
    if TAGS_MAX < tags.len() {
        return Err(ApiError::validation("Too many tags: a table may have 50"));
    }
    check_class(request.table_class.as_deref())?;
    let view_type = request.stream_specification.map_or(Ok(None), |it| it.view_type())?;
    let description = Description {
        name,
        region,
        account: caller.account.clone(),
        uuid: uuid(now_ms),
        created_ms: now_ms,
        schema,
        throughput,
        is_protected: request.deletion_protection_enabled.unwrap_or(false),
        class: request.table_class,
        encryption: request.encryption.and_then(|it| it.shown(caller)),
        tags: tags.into_iter().map(|it| (it.key, it.value)).collect::<BTreeMap<_, _>>(),
        ttl: None,
        backed_up_since_ms: None,
        recovery_period_days: super::backups::RECOVERY_PERIOD_DAYS_MAX,
        n_shards: SHARDS_DEFAULT,
        deleted_ms: None,
    };
    let cell = endpoint.create(description, |table| {
        table.indexes = indexes.into_iter().map(Index::new).collect();
        if let Some(view_type) = view_type {
            table.enable_stream(view_type, now_ms);
        }
    })?;
    let mut answer = Answer::new();
    // It can be used at once, and whoever waits for it need not.
    answer.value("TableDescription", cell.read().describe("ACTIVE"));
    Ok(answer.finish())
}

/// A validation error of the most common kind.
pub(crate) fn invalid(why: impl std::fmt::Display) -> ApiError {
    ApiError::Validation(format!("One or more parameter values were invalid: {why}"))
}

/// Refuses a table class that does not exist.
pub(crate) fn check_class(class: Option<&str>) -> Result<(), ApiError> {
    one_of(class, "tableClass", &["STANDARD", "STANDARD_INFREQUENT_ACCESS"]).map(|_| ())
}

/// The types of attributes.
pub(crate) fn kinds(definitions: Vec<AttributeDefinition>) -> Result<Kinds, ApiError> {
    let mut kinds = Kinds::new();
    for AttributeDefinition { attribute_name, attribute_type } in definitions {
        let kind = match attribute_type.as_str() {
            "S" => KeyType::S,
            "N" => KeyType::N,
            "B" => KeyType::B,
            other => {
                return Err(ApiError::constraint(
                    other,
                    "attributeDefinitions.1.member.attributeType",
                    "Member must satisfy enum value set: [B, N, S]",
                ));
            }
        };
        if kinds.insert(attribute_name.clone(), kind).is_some() {
            return Err(invalid(format!("Duplicate AttributeName: {attribute_name}")));
        }
    }
    Ok(kinds)
}

/// The key of a table or an index.
pub(crate) fn key_schema(
    elements: &[KeySchemaElement],
    kinds: &Kinds,
) -> Result<KeySchema, ApiError> {
    let (partition, sort) = match elements {
        [] => {
            return Err(ApiError::validation(
                "No Hash Key specified in schema.  All Dynamo DB tables must have exactly one hash key",
            ));
        }
        [first, ..] if first.key_type != "HASH" => {
            return Err(invalid(
                "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
            ));
        }
        [partition] => (partition, None),
        [_, second] if second.key_type != "RANGE" => {
            return Err(invalid(
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
            ));
        }
        [partition, sort] if partition.attribute_name == sort.attribute_name => {
            return Err(ApiError::validation(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ));
        }
        [partition, sort] => (partition, Some(sort)),
        _ => {
            return Err(ApiError::constraint(
                "[…]",
                "keySchema",
                "Member must have length less than or equal to 2",
            ));
        }
    };
    let attribute = |element: &KeySchemaElement| match kinds.get(&element.attribute_name) {
        Some(kind) => Ok(KeyAttribute { name: element.attribute_name.clone(), kind: *kind }),
        None => Err(invalid(format!(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
            element.attribute_name,
            kinds.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
        ))),
    };
    Ok(KeySchema { partition: attribute(partition)?, sort: sort.map(attribute).transpose()? })
}

/// What a table is paid for, out of the two parameters that say so.
pub(crate) fn throughput(
    billing_mode: Option<&str>,
    provisioned: Option<ProvisionedThroughput>,
    now_ms: u64,
) -> Result<Throughput, ApiError> {
    let modes = ["PROVISIONED", "PAY_PER_REQUEST"];
    let mode = one_of(billing_mode, "billingMode", &modes)?;
    match (mode, provisioned) {
        (Some("PAY_PER_REQUEST"), None) => Ok(Throughput::OnDemand { since_ms: now_ms }),
        (Some("PAY_PER_REQUEST"), Some(_)) => Err(ApiError::validation(
            "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (_, None) => Err(ApiError::validation(
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
        (_, Some(it)) => self::provisioned(it),
    }
}

/// Units that were asked for.
pub(crate) fn provisioned(it: ProvisionedThroughput) -> Result<Throughput, ApiError> {
    let at_least_one = |value: i64, name: &str| {
        u64::try_from(value).ok().filter(|it| 0 < *it).ok_or_else(|| {
            ApiError::constraint(
                value,
                &format!("provisionedThroughput.{name}"),
                "Member must have value greater than or equal to 1",
            )
        })
    };
    Ok(Throughput::Provisioned {
        reads: at_least_one(it.read_capacity_units, "readCapacityUnits")?,
        writes: at_least_one(it.write_capacity_units, "writeCapacityUnits")?,
    })
}

impl StreamSpecification {
    /// What the stream is to show; `None` for no stream.
    pub(crate) fn view_type(&self) -> Result<Option<ViewType>, ApiError> {
        match (self.stream_enabled, self.stream_view_type.as_deref()) {
            (false, None) => Ok(None),
            (false, Some(_)) => Err(invalid(
                "Table is being created or updated with StreamEnabled false, but StreamViewType is set",
            )),
            (true, None) => {
                Err(invalid("StreamViewType must not be null or empty when StreamEnabled is true"))
            }
            (true, Some(name)) => match ViewType::of_name(name) {
                Some(view_type) => Ok(Some(view_type)),
                None => Err(ApiError::constraint(
                    name,
                    "streamSpecification.streamViewType",
                    "Member must satisfy enum value set: [NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES, KEYS_ONLY]",
                )),
            },
        }
    }
}

impl Encryption {
    /// `SSEDescription`.
    pub(crate) fn shown(self, caller: &Caller) -> Option<Value> {
        let key_id = self.key_id.unwrap_or_else(|| "alias/aws/dynamodb".to_owned());
        let arn = if key_id.starts_with("arn:") {
            key_id
        } else {
            format!("arn:aws:kms:{}:{}:key/{key_id}", caller.region, caller.account)
        };
        self.enabled
            .then(|| json!({ "Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": arn }))
    }
}

/// Looks like a UUID and is not used twice.
fn uuid(now_ms: u64) -> String {
    let state = RandomState::new();
    let (a, b) = (state.hash_one(now_ms), state.hash_one(!now_ms));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        a >> 16 & 0xFFFF,
        a & 0xFFF,
        b >> 52,
        b & 0xFFFF_FFFF_FFFF
    )
}
