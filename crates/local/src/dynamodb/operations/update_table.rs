//! `UpdateTable`: stream, billing, indexes and settings.

use serde::Deserialize;

use super::{
    create_table::{
        AttributeDefinition, Encryption, ProvisionedThroughput, StreamSpecification, check_class,
        invalid, kinds, provisioned, throughput,
    },
    indexes::{GLOBAL_MAX, IndexRequest, Kinds},
    parameters::{one_of, parse, required},
};
use crate::dynamodb::{
    answer::Answer,
    endpoint::{Endpoint, Writing},
    error::ApiError,
    request::Caller,
    stream::ViewType,
    table::{Table, description::Throughput, index::Index},
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    table_name: Option<String>,
    attribute_definitions: Option<Vec<AttributeDefinition>>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<ProvisionedThroughput>,
    stream_specification: Option<StreamSpecification>,
    deletion_protection_enabled: Option<bool>,
    table_class: Option<String>,
    #[serde(rename = "SSESpecification")]
    encryption: Option<Encryption>,
    global_secondary_index_updates: Option<Vec<IndexUpdate>>,
    replica_updates: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexUpdate {
    create: Option<IndexRequest>,
    update: Option<ThroughputUpdate>,
    delete: Option<IndexDelete>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ThroughputUpdate {
    index_name: Option<String>,
    provisioned_throughput: Option<ProvisionedThroughput>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexDelete {
    index_name: Option<String>,
}

pub(crate) fn update_table(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    if request.replica_updates.is_some() {
        return Err(ApiError::validation(
            "ReplicaUpdates are left out: this endpoint has no global tables",
        ));
    }
    let now_ms = endpoint.clock.now_ms();
    let mode = one_of(
        request.billing_mode.as_deref(),
        "billingMode",
        &["PROVISIONED", "PAY_PER_REQUEST"],
    )?;
    let is_on_demand = matches!(cell.read().description.throughput, Throughput::OnDemand { .. });
    let throughput = match (mode, request.provisioned_throughput) {
        (None, None) => None,
        // Once more what it is already.
        (Some("PAY_PER_REQUEST"), None) if is_on_demand => None,
        (None, Some(_)) if is_on_demand => {
            return Err(invalid(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ));
        }
        (mode, provisioned) => Some(throughput(mode, provisioned, now_ms)?),
    };
    check_class(request.table_class.as_deref())?;
    let view_type = request.stream_specification.map(|it| it.view_type()).transpose()?;
    let encryption = request.encryption.map(|it| it.shown(caller));
    let index_updates = request.global_secondary_index_updates.unwrap_or_default();
    if mode.is_none()
        && throughput.is_none()
        && view_type.is_none()
        && encryption.is_none()
        && index_updates.is_empty()
        && request.deletion_protection_enabled.is_none()
        && request.table_class.is_none()
    {
        return Err(ApiError::validation(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
        ));
    }
    let kinds = kinds(request.attribute_definitions.unwrap_or_default())?;
    let (description, fills) = endpoint.write(&cell, |writing| {
        let mut indexes = Indexes::of(writing.table(), throughput);
        for update in index_updates {
            indexes.apply(update, writing.table(), &kinds)?;
        }
        if let Some(view_type) = view_type {
            switch_stream(writing, view_type)?;
        }
        Ok(writing.alter(|table| {
            let it = &mut table.description;
            it.throughput = throughput.unwrap_or(it.throughput);
            it.is_protected = request.deletion_protection_enabled.unwrap_or(it.is_protected);
            it.class = request.table_class.or_else(|| it.class.take());
            if let Some(encryption) = encryption {
                it.encryption = encryption;
            }
            let (fills, deletes) = (indexes.n_created != 0, indexes.n_deleted != 0);
            let before = std::mem::replace(&mut table.indexes, indexes.all);
            let status = if fills || deletes { "UPDATING" } else { "ACTIVE" };
            let mut description = table.describe(status);
            let gone = before.iter().filter(|it| table.index(&it.description.name).is_none());
            for index in gone {
                let mut shown = index.describe(&table.description.arn());
                shown["IndexStatus"] = "DELETING".into();
                let list = &mut description["GlobalSecondaryIndexes"];
                match list.as_array_mut() {
                    Some(list) => list.push(shown),
                    None => *list = vec![shown].into(),
                }
            }
            (description, fills)
        }))
    })?;
    if fills {
        endpoint.backfill(cell);
    }
    let mut answer = Answer::new();
    answer.value("TableDescription", description);
    Ok(answer.finish())
}

/// The indexes of a table as they will be.
struct Indexes {
    all: Vec<Index>,
    billing: Throughput,
    n_created: usize,
    n_deleted: usize,
}

impl Indexes {
    fn of(table: &Table, throughput: Option<Throughput>) -> Indexes {
        let billing = throughput.unwrap_or(table.description.throughput);
        let mut all = table.indexes.clone();
        for index in all.iter_mut().filter(|it| it.description.is_global) {
            let is_same = matches!(
                (index.description.throughput, billing),
                (Some(Throughput::Provisioned { .. }), Throughput::Provisioned { .. })
            );
            if !is_same {
                index.description.throughput = Some(billing);
            }
        }
        Indexes { all, billing, n_created: 0, n_deleted: 0 }
    }

    fn apply(&mut self, update: IndexUpdate, table: &Table, kinds: &Kinds) -> Result<(), ApiError> {
        let kinds_given = (update.create, update.update, update.delete);
        match kinds_given {
            (Some(create), None, None) => {
                // Definitions of a request add to those of the table.
                let known = table.indexes.iter().flat_map(|it| it.description.schema.attributes());
                let known = table.description.schema.attributes().chain(known);
                let mut all: Kinds = known.map(|it| (it.name.clone(), it.kind)).collect();
                for (name, kind) in kinds {
                    if all.insert(name.clone(), *kind).is_some_and(|it| it != *kind) {
                        return Err(invalid(format!(
                            "Attribute {name} is defined with another type already"
                        )));
                    }
                }
                let description =
                    create.read(true, &table.description.schema, &all, &self.billing)?;
                if self.all.iter().any(|it| it.description.name == description.name) {
                    return Err(ApiError::validation(
                        "Attempting to create an index which already exists",
                    ));
                }
                self.n_created += 1;
                self.all.push(Index::new(description));
            }
            (None, Some(update), None) => {
                let name = required(update.index_name, "indexName")?;
                let wanted = required(update.provisioned_throughput, "provisionedThroughput")?;
                if matches!(self.billing, Throughput::OnDemand { .. }) {
                    return Err(invalid(format!(
                        "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
                    )));
                }
                self.global(&name)?.description.throughput = Some(provisioned(wanted)?);
            }
            (None, None, Some(delete)) => {
                let name = required(delete.index_name, "indexName")?;
                self.global(&name)?;
                self.n_deleted += 1;
                self.all.retain(|it| it.description.name != name);
            }
            _ => {
                return Err(invalid(
                    "Exactly one of Create, Update and Delete must be specified for each of GlobalSecondaryIndexUpdates",
                ));
            }
        }
        let is_filling = table.indexes.iter().any(|it| it.backfilled_to.is_some());
        if 1 < self.n_created + self.n_deleted || (is_filling && self.n_created == 1) {
            return Err(ApiError::Named {
                name: "LimitExceededException",
                message: "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table".to_owned(),
            });
        }
        if GLOBAL_MAX < self.all.iter().filter(|it| it.description.is_global).count() {
            return Err(ApiError::Named {
                name: "LimitExceededException",
                message: format!(
                    "Subscriber limit exceeded: GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL_MAX}"
                ),
            });
        }
        Ok(())
    }

    fn global(&mut self, name: &str) -> Result<&mut Index, ApiError> {
        let mut global = self.all.iter_mut().filter(|it| it.description.is_global);
        global.find(|it| it.description.name == name).ok_or_else(|| {
            ApiError::ResourceNotFound(format!(
                "Requested resource not found: Index: {name} not found"
            ))
        })
    }
}

fn switch_stream(writing: &mut Writing<'_>, view_type: Option<ViewType>) -> Result<(), ApiError> {
    let is_on = writing.table().enabled_stream().is_some();
    let now_ms = writing.now_ms;
    match view_type {
        Some(_) if is_on => Err(ApiError::Validation(format!(
            "Table already has an enabled stream: TableName: {}",
            writing.table().description.name
        ))),
        None if !is_on => Err(ApiError::validation("Table has no stream to disable")),
        Some(view_type) => {
            writing.alter(|table| table.enable_stream(view_type, now_ms));
            Ok(())
        }
        None => {
            writing.alter(|table| table.disable_stream(now_ms));
            Ok(())
        }
    }
}
