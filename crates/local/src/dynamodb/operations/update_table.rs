//! `UpdateTable`: stream, billing and settings.

use serde::Deserialize;

use super::{
    create_table::{Encryption, ProvisionedThroughput, StreamSpecification, throughput},
    parameters::{parse, refuse_not_yet, required},
};
use crate::dynamodb::{
    answer::Answer,
    endpoint::{Endpoint, Writing},
    error::ApiError,
    request::Caller,
    stream::ViewType,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    table_name: Option<String>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<ProvisionedThroughput>,
    stream_specification: Option<StreamSpecification>,
    deletion_protection_enabled: Option<bool>,
    table_class: Option<String>,
    #[serde(rename = "SSESpecification")]
    encryption: Option<Encryption>,
    global_secondary_index_updates: Option<serde_json::Value>,
    replica_updates: Option<serde_json::Value>,
}

pub(crate) fn update_table(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    refuse_not_yet(body)?;
    let request: Request = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    for (name, value) in [
        ("GlobalSecondaryIndexUpdates", &request.global_secondary_index_updates),
        ("ReplicaUpdates", &request.replica_updates),
    ] {
        if value.is_some() {
            return Err(ApiError::Validation(format!(
                "{name} is not supported by this endpoint yet"
            )));
        }
    }
    let now_ms = endpoint.clock.now_ms();
    let has_throughput = request.billing_mode.is_some() || request.provisioned_throughput.is_some();
    let throughput = has_throughput
        .then(|| {
            throughput(request.billing_mode.as_deref(), request.provisioned_throughput, now_ms)
        })
        .transpose()?;
    let view_type = request.stream_specification.map(|it| it.view_type()).transpose()?;
    let encryption = request.encryption.map(|it| it.shown(caller));
    if throughput.is_none()
        && view_type.is_none()
        && encryption.is_none()
        && request.deletion_protection_enabled.is_none()
        && request.table_class.is_none()
    {
        return Err(ApiError::validation(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
        ));
    }
    let description = endpoint.write(&cell, |writing| {
        if let Some(view_type) = view_type {
            switch_stream(writing, view_type)?;
        }
        writing.alter(|table| {
            let it = &mut table.description;
            it.throughput = throughput.unwrap_or(it.throughput);
            it.is_protected = request.deletion_protection_enabled.unwrap_or(it.is_protected);
            it.class = request.table_class.or_else(|| it.class.take());
            if let Some(encryption) = encryption {
                it.encryption = encryption;
            }
            Ok(table.describe("ACTIVE"))
        })
    })?;
    let mut answer = Answer::new();
    answer.value("TableDescription", description);
    Ok(answer.finish())
}

fn switch_stream(writing: &mut Writing<'_>, view_type: Option<ViewType>) -> Result<(), ApiError> {
    let is_on = writing.table().enabled_stream().is_some();
    let now_ms = writing.now_ms;
    match view_type {
        Some(_) if is_on => Err(ApiError::validation("Table already has an enabled stream")),
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
