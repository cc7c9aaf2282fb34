//! Parameters that describe secondary indexes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    create_table::{KeySchemaElement, ProvisionedThroughput, invalid, key_schema, provisioned},
    parameters::{one_of, required},
};
use crate::dynamodb::{
    endpoint::check_table_name,
    error::ApiError,
    key::{KeySchema, KeyType},
    table::{
        description::Throughput,
        index::{IndexDescription, Projected},
    },
};

/// How many global and local indexes a table may have.
pub(crate) const GLOBAL_MAX: usize = 20;
const LOCAL_MAX: usize = 5;
/// How many attributes an index may include besides keys.
const INCLUDED_MAX: usize = 20;

/// An index, as asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct IndexRequest {
    index_name: Option<String>,
    #[serde(default)]
    key_schema: Vec<KeySchemaElement>,
    projection: Option<ProjectionRequest>,
    provisioned_throughput: Option<ProvisionedThroughput>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProjectionRequest {
    projection_type: Option<String>,
    non_key_attributes: Option<Vec<String>>,
}

/// The types of attributes, as defined.
pub(crate) type Kinds = BTreeMap<String, KeyType>;

impl IndexRequest {
    /// Reads an index of a table whose key and billing are known.
    pub(crate) fn read(
        self,
        is_global: bool,
        table: &KeySchema,
        kinds: &Kinds,
        billing: &Throughput,
    ) -> Result<IndexDescription, ApiError> {
        let name = required(self.index_name, "indexName")?;
        check_table_name(&name)?;
        let schema = key_schema(&self.key_schema, kinds)?;
        if !is_global {
            if schema.partition.name != table.partition.name {
                return Err(invalid(format!(
                    "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index hash key: {}, table hash key: {}",
                    schema.partition.name, table.partition.name
                )));
            }
            if schema.sort.is_none() {
                return Err(invalid(format!(
                    "Index KeySchema does not have a range key for index: {name}"
                )));
            }
        }
        let throughput = match (is_global, billing, self.provisioned_throughput) {
            (false, ..) => None,
            (true, Throughput::OnDemand { .. }, None) => Some(*billing),
            (true, Throughput::OnDemand { .. }, Some(_)) => {
                return Err(invalid(format!(
                    "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
                )));
            }
            (true, Throughput::Provisioned { .. }, None) => {
                return Err(invalid(format!(
                    "ProvisionedThroughput is not specified for index: {name}"
                )));
            }
            (true, Throughput::Provisioned { .. }, Some(it)) => Some(provisioned(it)?),
        };
        let projected = required(self.projection, "projection")?.read()?;
        Ok(IndexDescription { name, is_global, schema, projected, throughput })
    }
}

impl ProjectionRequest {
    fn read(self) -> Result<Projected, ApiError> {
        let kinds = ["ALL", "INCLUDE", "KEYS_ONLY"];
        let kind = one_of(self.projection_type.as_deref(), "projection.projectionType", &kinds)?;
        match (kind, self.non_key_attributes) {
            (None, _) => Err(invalid("Unknown ProjectionType: null".to_owned())),
            (Some("INCLUDE"), None) => Err(invalid(
                "ProjectionType is INCLUDE, but NonKeyAttributes is not specified".to_owned(),
            )),
            (Some("INCLUDE"), Some(names)) if names.is_empty() || INCLUDED_MAX < names.len() => {
                let rule = if names.is_empty() {
                    "greater than or equal to 1"
                } else {
                    "less than or equal to 20"
                };
                Err(ApiError::constraint(
                    format!("[{}]", names.join(", ")),
                    "projection.nonKeyAttributes",
                    &format!("Member must have length {rule}"),
                ))
            }
            (Some("INCLUDE"), Some(names)) => Ok(Projected::Include(names)),
            (Some(kind), Some(_)) => {
                Err(invalid(format!("ProjectionType is {kind}, but NonKeyAttributes is specified")))
            }
            (Some("ALL"), None) => Ok(Projected::All),
            (Some(_), None) => Ok(Projected::KeysOnly),
        }
    }
}

/// Reads the indexes of a new table.
pub(crate) fn read_all(
    global: Option<Vec<IndexRequest>>,
    local: Option<Vec<IndexRequest>>,
    table: &KeySchema,
    kinds: &Kinds,
    billing: &Throughput,
) -> Result<Vec<IndexDescription>, ApiError> {
    let mut indexes = Vec::new();
    for (what, requests, is_global, max) in [
        ("LocalSecondaryIndex", local, false, LOCAL_MAX),
        ("GlobalSecondaryIndex", global, true, GLOBAL_MAX),
    ] {
        let Some(requests) = requests else { continue };
        if requests.is_empty() {
            return Err(invalid(format!("List of {what}es is empty")));
        }
        if !is_global && table.sort.is_none() {
            return Err(invalid(
                "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex".to_owned(),
            ));
        }
        if max < requests.len() {
            return Err(invalid(if is_global {
                format!("GlobalSecondaryIndex count exceeds the per-table limit of {max}")
            } else {
                format!("Number of LocalSecondaryIndexes exceeds per-table limit of {max}")
            }));
        }
        for request in requests {
            indexes.push(request.read(is_global, table, kinds, billing)?);
        }
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = indexes.iter().find(|it| !names.insert(it.name.clone())) {
        return Err(invalid(format!("Duplicate index name: {}", twice.name)));
    }
    Ok(indexes)
}

/// Refuses definitions that no key uses.
pub(crate) fn all_used<'a>(
    kinds: &Kinds,
    schemas: impl Iterator<Item = &'a KeySchema>,
    has_indexes: bool,
) -> Result<(), ApiError> {
    let used: BTreeSet<&str> =
        schemas.flat_map(KeySchema::attributes).map(|it| it.name.as_str()).collect();
    if kinds.len() == used.len() {
        return Ok(());
    }
    Err(invalid(if has_indexes {
        format!(
            "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
            kinds.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
            used.into_iter().collect::<Vec<_>>().join(", ")
        )
    } else {
        "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions".to_owned()
    }))
}
