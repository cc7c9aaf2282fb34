//! `ExportTableToPointInTime`, `DescribeExport`, `ListExports`.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    backups::earliest_ms,
    parameters::{limit, one_of, parse, required},
};
use crate::dynamodb::{
    answer::Answer,
    endpoint::{Cell, Endpoint, table_address},
    error::ApiError,
    export::{Export, Format, Span, Target, run},
    request::Caller,
    table::Table,
};

/// How many exports of a table are remembered. The oldest go first.
const EXPORTS_MAX: usize = 300;
/// How many may be under way.
const RUNNING_MAX: usize = 50;
/// How many a page of `ListExports` shows.
const PAGE_MAX: usize = 25;
/// How long the changes of an incremental export may span.
const SPAN_MS_MIN: u64 = 15 * 60 * 1000;
const SPAN_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// How long a client token means the same export.
const TOKEN_MS: u64 = 8 * 60 * 60 * 1000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    table_arn: Option<String>,
    export_time: Option<f64>,
    client_token: Option<String>,
    #[serde(rename = "S3Bucket")]
    bucket: Option<String>,
    #[serde(rename = "S3BucketOwner")]
    bucket_owner: Option<String>,
    #[serde(rename = "S3Prefix")]
    prefix: Option<String>,
    #[serde(rename = "S3SseAlgorithm")]
    encryption: Option<String>,
    #[serde(rename = "S3SseKmsKeyId")]
    encryption_key: Option<String>,
    export_format: Option<String>,
    export_type: Option<String>,
    incremental_export_specification: Option<Specification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_field_names, reason = "they are DynamoDB's")]
struct Specification {
    export_from_time: Option<f64>,
    export_to_time: Option<f64>,
    export_view_type: Option<String>,
}

pub(crate) fn export_table_to_point_in_time(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let arn = required(request.table_arn.as_deref(), "tableArn")?;
    let cell = table(endpoint, caller, arn)?;
    let format = match one_of(
        request.export_format.as_deref(),
        "exportFormat",
        &["DYNAMODB_JSON", "ION"],
    )? {
        Some("ION") => Format::Ion,
        _ => Format::DynamoDbJson,
    };
    one_of(request.encryption.as_deref(), "s3SseAlgorithm", &["AES256", "KMS"])?;
    let bucket = required(request.bucket.clone(), "s3Bucket")?;
    let target = Target {
        bucket,
        bucket_owner: request.bucket_owner.clone(),
        prefix: request.prefix.clone(),
        encryption: request.encryption.clone(),
        encryption_key: request.encryption_key.clone(),
    };
    let (description, picture) = endpoint.write(&cell, |writing| {
        let now_ms = writing.now_ms;
        let table = writing.table();
        let span = span(&request, table, now_ms)?;
        let same = table.exports.iter().find(|it| {
            it.client_token.is_some()
                && it.client_token == request.client_token
                && now_ms < it.started_ms + TOKEN_MS
        });
        if let Some(same) = same {
            // The time of the call is the time of an export that names none.
            let is_same_span = same.span == span
                || (request.export_time.is_none() && matches!(span, Span::Full { .. }));
            if same.target == target && same.format == format && is_same_span {
                return Ok((same.describe(&table.description), None));
            }
            return Err(ApiError::Named {
                name: "ExportConflictException",
                message: "There was a conflict when writing to the specified S3 bucket: the client token has been used for another export".to_owned(),
            });
        }
        if RUNNING_MAX <= table.exports.iter().filter(|it| it.end.is_none()).count() {
            return Err(ApiError::Named {
                name: "LimitExceededException",
                message: "Subscriber limit exceeded: too many exports of this table are in progress"
                    .to_owned(),
            });
        }
        let client_token = request.client_token.clone();
        let id = export_id(now_ms);
        let export =
            Export { id, target, span, format, client_token, started_ms: now_ms, end: None };
        let picture = table.clone();
        Ok(writing.alter(|table| {
            table.exports.push(export.clone());
            let n_old = table.exports.len().saturating_sub(EXPORTS_MAX);
            table.exports.drain(..n_old);
            (export.describe(&table.description), Some((picture, export)))
        }))
    })?;
    if let (Some((picture, export)), Some(endpoint)) = (picture, endpoint.handle.upgrade()) {
        run::start(endpoint, cell, picture, export);
    }
    let mut answer = Answer::new();
    answer.value("ExportDescription", description);
    Ok(answer.finish())
}

/// What is to be exported, if the table can be turned back that far.
fn span(request: &Request, table: &Table, now_ms: u64) -> Result<Span, ApiError> {
    let name = &table.description.name;
    let Some(earliest_ms) = earliest_ms(table, now_ms) else {
        return Err(ApiError::Named {
            name: "PointInTimeRecoveryUnavailableException",
            message: format!("Point in time recovery is not enabled for table '{name}'"),
        });
    };
    let kinds = ["FULL_EXPORT", "INCREMENTAL_EXPORT"];
    let kind = one_of(request.export_type.as_deref(), "exportType", &kinds)?;
    let invalid_time = |what: &str| ApiError::Named {
        name: "InvalidExportTimeException",
        message: format!(
            "{what} must be between the earliest and the latest restorable time of table '{name}'"
        ),
    };
    // Times have whole seconds, and a table is as old as its first one.
    let is_known = |ms: u64| (earliest_ms / 1000 * 1000..=now_ms).contains(&ms);
    if kind != Some("INCREMENTAL_EXPORT") {
        if request.incremental_export_specification.is_some() {
            return Err(ApiError::validation(
                "IncrementalExportSpecification can only be specified for an ExportType of INCREMENTAL_EXPORT",
            ));
        }
        let at_ms = request.export_time.map_or(Some(now_ms), milliseconds);
        let at_ms = at_ms.filter(|it| is_known(*it)).ok_or_else(|| invalid_time("ExportTime"))?;
        return Ok(Span::Full { at_ms });
    }
    let specification = request.incremental_export_specification.as_ref();
    let specification = required(specification, "incrementalExportSpecification")?;
    if request.export_time.is_some() {
        return Err(ApiError::validation(
            "ExportTime can only be specified for an ExportType of FULL_EXPORT",
        ));
    }
    let views = ["NEW_IMAGE", "NEW_AND_OLD_IMAGES"];
    let view = one_of(
        specification.export_view_type.as_deref(),
        "incrementalExportSpecification.exportViewType",
        &views,
    )?;
    let from =
        required(specification.export_from_time, "incrementalExportSpecification.exportFromTime")?;
    let from_ms = milliseconds(from).filter(|it| is_known(*it));
    let from_ms = from_ms.ok_or_else(|| invalid_time("ExportFromTime"))?;
    let to_ms = specification.export_to_time.map_or(Some(now_ms), milliseconds);
    let to_ms = to_ms.filter(|it| *it <= now_ms).ok_or_else(|| invalid_time("ExportToTime"))?;
    if to_ms <= from_ms {
        return Err(ApiError::validation("ExportFromTime must be before ExportToTime"));
    }
    if !(SPAN_MS_MIN..=SPAN_MS_MAX).contains(&(to_ms - from_ms)) {
        return Err(ApiError::validation(
            "The time between ExportFromTime and ExportToTime must be at least 15 minutes and at most 24 hours",
        ));
    }
    Ok(Span::Changes { from_ms, to_ms, with_old: view != Some("NEW_IMAGE") })
}

/// Seconds since the epoch, as requests give them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is checked to fit before"
)]
fn milliseconds(seconds: f64) -> Option<u64> {
    let ms = (seconds * 1000.0).round();
    (0.0..=9e15).contains(&ms).then_some(ms as u64)
}

/// The table that an ARN means. Exports have an error of their own for those that do not exist.
fn table(endpoint: &Endpoint, caller: &Caller, arn: &str) -> Result<Arc<Cell>, ApiError> {
    table_address(caller, arn)?;
    endpoint.table(caller, arn).map_err(|_| ApiError::Named {
        name: "TableNotFoundException",
        message: format!("Table not found: {arn}"),
    })
}

fn export_id(now_ms: u64) -> String {
    format!("{now_ms:014}-{:08x}", RandomState::new().hash_one(now_ms) >> 32)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Describe {
    export_arn: Option<String>,
}

pub(crate) fn describe_export(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Describe = parse(body)?;
    let arn = required(request.export_arn, "exportArn")?;
    let not_found = || ApiError::Named {
        name: "ExportNotFoundException",
        message: format!("Export not found: {arn}"),
    };
    let (table_arn, id) = arn.split_once("/export/").ok_or_else(not_found)?;
    let cell = table(endpoint, caller, table_arn).map_err(|_| not_found())?;
    let table = cell.read();
    let export = table.exports.iter().find(|it| it.id == id).ok_or_else(not_found)?;
    let mut answer = Answer::new();
    answer.value("ExportDescription", export.describe(&table.description));
    Ok(answer.finish())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    table_arn: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

pub(crate) fn list_exports(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: List = parse(body)?;
    let limit = limit(request.max_results, "maxResults", PAGE_MAX)?.unwrap_or(PAGE_MAX);
    let cells: Vec<Arc<Cell>> = if let Some(arn) = &request.table_arn {
        vec![table(endpoint, caller, arn)?]
    } else {
        let tables = endpoint.tables();
        let here = tables.live.iter().filter(|((region, _), _)| *region == caller.region);
        here.map(|(_, cell)| cell.clone()).collect()
    };
    let mut exports: Vec<(String, Value)> = Vec::new();
    for cell in cells {
        let table = cell.read();
        let table_arn = table.description.arn();
        exports.extend(table.exports.iter().map(|it| {
            let arn = it.arn(&table_arn);
            let summary = json!({
                "ExportArn": arn, "ExportStatus": it.status(), "ExportType": it.kind(),
            });
            (arn, summary)
        }));
    }
    exports.sort_by(|a, b| a.0.cmp(&b.0));
    let start = request.next_token.map_or(0, |after| exports.partition_point(|it| it.0 <= after));
    let page = &exports[start..exports.len().min(start + limit)];
    let mut answer = Answer::new();
    answer.value("ExportSummaries", page.iter().map(|it| it.1.clone()).collect::<Value>());
    if let Some((last, _)) = page.last().filter(|_| start + page.len() < exports.len()) {
        answer.value("NextToken", last.as_str());
    }
    Ok(answer.finish())
}
