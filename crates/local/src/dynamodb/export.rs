//! Exports of a table to S3: what is known about each. Pure.
//!
//! [`run`] carries them out, [`lines`] says how items are written, [`manifest`] how files are listed.

pub(crate) mod lines;
pub(crate) mod manifest;
pub(crate) mod run;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{table::description::Description, timestamp::seconds};

/// An export, asked for, under way or over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Export {
    /// `01693685827463-2d8752fd`.
    pub(crate) id: String,
    pub(crate) target: Target,
    pub(crate) span: Span,
    pub(crate) format: Format,
    pub(crate) client_token: Option<String>,
    pub(crate) started_ms: u64,
    pub(crate) end: Option<End>,
}

/// Where it is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) bucket: String,
    pub(crate) bucket_owner: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) encryption: Option<String>,
    pub(crate) encryption_key: Option<String>,
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Span {
    /// All items, as they were at one moment.
    Full { at_ms: u64 },
    /// What has changed, from one moment until just before another.
    Changes { from_ms: u64, to_ms: u64, with_old: bool },
}

/// How items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Format {
    DynamoDbJson,
    Ion,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Completed { at_ms: u64, n_items: usize, n_bytes: usize },
    Failed { at_ms: u64, code: String, message: String },
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::DynamoDbJson => "DYNAMODB_JSON",
            Format::Ion => "ION",
        }
    }

    pub(crate) fn ending(self) -> &'static str {
        match self {
            Format::DynamoDbJson => "json.gz",
            Format::Ion => "ion.gz",
        }
    }
}

impl Export {
    pub(crate) fn status(&self) -> &'static str {
        match self.end {
            None => "IN_PROGRESS",
            Some(End::Completed { .. }) => "COMPLETED",
            Some(End::Failed { .. }) => "FAILED",
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.span {
            Span::Full { .. } => "FULL_EXPORT",
            Span::Changes { .. } => "INCREMENTAL_EXPORT",
        }
    }

    pub(crate) fn arn(&self, table_arn: &str) -> String {
        format!("{table_arn}/export/{}", self.id)
    }

    /// Where its files are, data files of changes excepted: those of all exports share a folder.
    pub(crate) fn folder(&self) -> String {
        format!("{}/{}", self.root(), self.id)
    }

    /// Where the data files are.
    pub(crate) fn data_folder(&self) -> String {
        match self.span {
            Span::Full { .. } => format!("{}/data", self.folder()),
            Span::Changes { .. } => format!("{}/data", self.root()),
        }
    }

    fn root(&self) -> String {
        match self.target.prefix.as_deref().map(|it| it.trim_end_matches('/')) {
            None | Some("") => "AWSDynamoDB".to_owned(),
            Some(prefix) => format!("{prefix}/AWSDynamoDB"),
        }
    }

    /// Ends it, if the process that worked on it is gone.
    pub(crate) fn abandon(&mut self) {
        if self.end.is_none() {
            self.end = Some(End::Failed {
                at_ms: self.started_ms,
                code: "INTERNAL_ERROR".to_owned(),
                message: "the endpoint was stopped while it exported; export again".to_owned(),
            });
        }
    }

    /// `ExportDescription`.
    pub(crate) fn describe(&self, table: &Description) -> Value {
        let arn = table.arn();
        let mut answer = json!({
            "ExportArn": self.arn(&arn),
            "ExportStatus": self.status(),
            "StartTime": seconds(self.started_ms),
            "TableArn": arn,
            "TableId": table.uuid,
            "S3Bucket": self.target.bucket,
            "S3SseAlgorithm": self.target.encryption.as_deref().unwrap_or("AES256"),
            "ExportFormat": self.format.name(),
            "ExportType": self.kind(),
        });
        for (name, value) in [
            ("ClientToken", &self.client_token),
            ("S3BucketOwner", &self.target.bucket_owner),
            ("S3Prefix", &self.target.prefix),
            ("S3SseKmsKeyId", &self.target.encryption_key),
        ] {
            if let Some(value) = value {
                answer[name] = value.as_str().into();
            }
        }
        match self.span {
            Span::Full { at_ms } => answer["ExportTime"] = seconds(at_ms),
            Span::Changes { from_ms, to_ms, with_old } => {
                answer["IncrementalExportSpecification"] = json!({
                    "ExportFromTime": seconds(from_ms),
                    "ExportToTime": seconds(to_ms),
                    "ExportViewType": view_name(with_old),
                });
            }
        }
        match &self.end {
            None => {}
            Some(End::Completed { at_ms, n_items, n_bytes }) => {
                answer["EndTime"] = seconds(*at_ms);
                answer["ExportManifest"] =
                    format!("{}/manifest-summary.json", self.folder()).into();
                answer["ItemCount"] = (*n_items).into();
                answer["BilledSizeBytes"] = (*n_bytes).into();
            }
            Some(End::Failed { at_ms, code, message }) => {
                answer["EndTime"] = seconds(*at_ms);
                answer["FailureCode"] = code.as_str().into();
                answer["FailureMessage"] = message.as_str().into();
            }
        }
        answer
    }
}

/// `ExportViewType`.
pub(crate) fn view_name(with_old: bool) -> &'static str {
    if with_old { "NEW_AND_OLD_IMAGES" } else { "NEW_IMAGE" }
}
