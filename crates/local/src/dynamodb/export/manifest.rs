//! The manifests of an export: a summary, and a list of its data files. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use serde::Serialize;

use super::{Export, Span, view_name};
use crate::dynamodb::{table::description::Description, timestamp::label};

/// A data file, as it was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataFile {
    pub(crate) item_count: usize,
    #[serde(rename = "md5Checksum")]
    pub(crate) md5: String,
    pub(crate) etag: String,
    #[serde(rename = "dataFileS3Key")]
    pub(crate) key: String,
}

/// `manifest-summary.json`, in the order of its members.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    version: &'static str,
    export_arn: String,
    start_time: String,
    end_time: String,
    table_arn: String,
    table_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    export_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export_from_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export_to_time: Option<String>,
    #[serde(rename = "s3Bucket")]
    bucket: &'a str,
    #[serde(rename = "s3Prefix")]
    prefix: Option<&'a str>,
    #[serde(rename = "s3SseAlgorithm")]
    encryption: &'a str,
    #[serde(rename = "s3SseKmsKeyId")]
    encryption_key: Option<&'a str>,
    #[serde(rename = "manifestFilesS3Key")]
    files_key: String,
    billed_size_bytes: usize,
    item_count: usize,
    output_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_view: Option<&'static str>,
    export_type: &'static str,
}

/// Writes `manifest-summary.json`.
pub(crate) fn summary(
    export: &Export,
    table: &Description,
    end_ms: u64,
    n_items: usize,
    n_bytes: usize,
) -> Vec<u8> {
    let time = |ms| format!("{}Z", label(ms));
    let table_arn = table.arn();
    let (at, changes) = match export.span {
        Span::Full { at_ms } => (Some(time(at_ms)), None),
        Span::Changes { from_ms, to_ms, with_old } => (None, Some((from_ms, to_ms, with_old))),
    };
    let summary = Summary {
        version: if changes.is_some() { "2023-08-01" } else { "2020-06-30" },
        export_arn: export.arn(&table_arn),
        start_time: time(export.started_ms),
        end_time: time(end_ms),
        table_arn,
        table_id: &table.uuid,
        export_time: at,
        export_from_time: changes.map(|it| time(it.0)),
        export_to_time: changes.map(|it| time(it.1)),
        bucket: &export.target.bucket,
        prefix: export.target.prefix.as_deref(),
        encryption: export.target.encryption.as_deref().unwrap_or("AES256"),
        encryption_key: export.target.encryption_key.as_deref(),
        files_key: format!("{}/manifest-files.json", export.folder()),
        billed_size_bytes: n_bytes,
        item_count: n_items,
        output_format: export.format.name(),
        output_view: changes.map(|it| view_name(it.2)),
        export_type: export.kind(),
    };
    serde_json::to_vec(&summary).unwrap_or_default()
}

/// Writes `manifest-files.json`: one file a line.
pub(crate) fn files(files: &[DataFile]) -> Vec<u8> {
    let mut out = Vec::new();
    for file in files {
        out.extend_from_slice(&serde_json::to_vec(file).unwrap_or_default());
        out.push(b'\n');
    }
    out
}

/// The checksum that manifests give of files, and the content of `….md5` files.
pub(crate) fn md5(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}
