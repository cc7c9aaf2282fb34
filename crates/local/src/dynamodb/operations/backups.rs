//! `UpdateContinuousBackups`, `DescribeContinuousBackups`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    parameters::{parse, required},
    tables::OneTable,
};
use crate::dynamodb::{
    answer::Answer,
    endpoint::Endpoint,
    error::ApiError,
    request::Caller,
    stream::{KEEP_MS, log::Log},
    table::Table,
    timestamp::seconds,
};

/// How far back a table can be restored, at most and unless told otherwise.
pub(crate) const RECOVERY_PERIOD_DAYS_MAX: u64 = 35;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    table_name: Option<String>,
    point_in_time_recovery_specification: Option<Specification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Specification {
    point_in_time_recovery_enabled: bool,
    recovery_period_in_days: Option<u64>,
}

pub(crate) fn update_continuous_backups(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    let wanted =
        required(request.point_in_time_recovery_specification, "pointInTimeRecoverySpecification")?;
    let days = wanted.recovery_period_in_days.unwrap_or(RECOVERY_PERIOD_DAYS_MAX);
    if !(1..=RECOVERY_PERIOD_DAYS_MAX).contains(&days) {
        return Err(ApiError::constraint(
            days,
            "pointInTimeRecoverySpecification.recoveryPeriodInDays",
            "Member must have value between 1 and 35",
        ));
    }
    let shown = endpoint.write(&cell, |writing| {
        let now_ms = writing.now_ms;
        Ok(writing.alter(|table| {
            let since_ms = &mut table.description.backed_up_since_ms;
            *since_ms = wanted.point_in_time_recovery_enabled.then(|| since_ms.unwrap_or(now_ms));
            table.description.recovery_period_days = days;
            if table.description.backed_up_since_ms.is_none() {
                table.history = Log::default();
            }
            shown(table, now_ms)
        }))
    })?;
    let mut answer = Answer::new();
    answer.value("ContinuousBackupsDescription", shown);
    Ok(answer.finish())
}

pub(crate) fn describe_continuous_backups(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: OneTable = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    let mut answer = Answer::new();
    answer.value("ContinuousBackupsDescription", shown(&cell.read(), endpoint.clock.now_ms()));
    Ok(answer.finish())
}

/// How far back a table can be turned, if it can: changes are kept for a day, whatever period was
/// asked for.
pub(crate) fn earliest_ms(table: &Table, now_ms: u64) -> Option<u64> {
    let since_ms = table.description.backed_up_since_ms?;
    Some(since_ms.max(now_ms.saturating_sub(KEEP_MS)))
}

fn shown(table: &Table, now_ms: u64) -> Value {
    let recovery = match table.description.backed_up_since_ms {
        None => json!({ "PointInTimeRecoveryStatus": "DISABLED" }),
        Some(since_ms) => json!({
            "PointInTimeRecoveryStatus": "ENABLED",
            "RecoveryPeriodInDays": table.description.recovery_period_days,
            "EarliestRestorableDateTime": seconds(earliest_ms(table, now_ms).unwrap_or(since_ms)),
            // At DynamoDB it lies five minutes behind.
            "LatestRestorableDateTime": seconds(now_ms),
        }),
    };
    json!({ "ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery })
}
