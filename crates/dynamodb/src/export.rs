//! Asks DynamoDB for exports, and S3 for what they say of themselves.

use std::time::Duration;

use aws::{CallError, JsonService, S3, S3Error};
use bytes::Bytes;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use tracing::{debug, warn};

use crate::{
    ExportConfig, ExportFormat,
    load::{Described, Input, Parts, Remedy},
    manifest::{self, DataFile, Summary},
};

/// How often to read a manifest that makes no sense, before believing it.
const TRIES: u32 = 3;
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// The exports of one table.
pub(crate) struct Exports<'a> {
    pub(crate) dynamodb: &'a JsonService,
    pub(crate) s3: &'a S3,
    pub(crate) config: &'a ExportConfig,
    /// The table's ARN, as DynamoDB tells it.
    pub(crate) table_arn: &'a str,
}

impl Exports<'_> {
    /// Begins an export; asked twice with the same `token`, DynamoDB makes one.
    pub(crate) async fn request(&self, token: &str) -> Input {
        let ExportConfig { s3_bucket, s3_prefix, s3_sse_kms_key_id, s3_bucket_owner, .. } =
            self.config;
        let mut question = json!({
            "TableArn": self.table_arn,
            "S3Bucket": s3_bucket,
            "ExportFormat": self.config.export_format.name(),
            "S3SseAlgorithm": if s3_sse_kms_key_id.is_some() { "KMS" } else { "AES256" },
            "ClientToken": token,
        });
        let more = [
            ("S3Prefix", s3_prefix),
            ("S3SseKmsKeyId", s3_sse_kms_key_id),
            ("S3BucketOwner", s3_bucket_owner),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                question[name] = value.as_str().into();
            }
        }
        if let Some(moment) = self.config.export_time {
            question["ExportTime"] = (moment.ms / 1000).into();
        }
        let answer = self.dynamodb.ask("ExportTableToPointInTime", &question).await;
        match answer {
            Ok(answer) => match text(&answer, &["ExportDescription", "ExportArn"]) {
                Some(arn) => Input::Requested(arn),
                None => Input::Refused("the answer names no export".to_owned(), Remedy::Wait),
            },
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&self, error: &CallError) -> Input {
        let (table, bucket) = (self.table_arn, &self.config.s3_bucket);
        let code = error.code().unwrap_or_default();
        let (what, remedy) = match code {
            "AccessDeniedException" => (
                format!(
                    "; grant `dynamodb:ExportTableToPointInTime` on {table}, and `s3:PutObject`, \
                     `s3:AbortMultipartUpload` on arn:aws:s3:::{bucket}/*"
                ),
                Remedy::Wait,
            ),
            "PointInTimeRecoveryUnavailableException" => (
                format!(
                    "; an export needs point-in-time recovery: enable it for {table}, or write `scan: {{}}` \
                     instead of `export`"
                ),
                Remedy::Wait,
            ),
            "ExportConflictException" => (String::new(), Remedy::Anew),
            _ if error.is_transient() => (String::new(), Remedy::Wait),
            _ => (String::new(), Remedy::None),
        };
        Input::Refused(format!("{error}{what}"), remedy)
    }

    /// How far an export is.
    pub(crate) async fn describe(&self, arn: &str) -> Input {
        let answer = self.dynamodb.ask("DescribeExport", &json!({ "ExportArn": arn })).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("ExportNotFoundException") => {
                return Input::Described(Described::Vanished);
            }
            Err(error) if error.code() == Some("AccessDeniedException") => {
                let what = format!("{error}; grant `dynamodb:DescribeExport` on {arn}");
                return Input::Refused(what, Remedy::Wait);
            }
            // The export goes on, whether or not we may look.
            Err(error) => return Input::Refused(error.to_string(), Remedy::Wait),
        };
        let of = |name: &str| text(&answer, &["ExportDescription", name]);
        let described = match of("ExportStatus").as_deref() {
            Some("IN_PROGRESS") => Described::InProgress,
            Some("COMPLETED") => match of("ExportManifest") {
                Some(key) => Described::Completed(key),
                None => Described::Failed("it names no manifest".to_owned()),
            },
            _ => {
                let code = of("FailureCode").unwrap_or_default();
                let message = of("FailureMessage").unwrap_or_default();
                Described::Failed(format!("{code} {message}").trim().to_owned())
            }
        };
        Input::Described(described)
    }

    /// Reads both manifests.
    pub(crate) async fn plan(&self, arn: &str, summary_key: &str) -> Input {
        let mut tries = 0;
        loop {
            tries += 1;
            let (reason, remedy) = match self.read_plan(arn, summary_key).await {
                Ok(parts) => return Input::Planned(parts),
                Err(error) => error,
            };
            if remedy == Remedy::Wait || tries == TRIES {
                return Input::Refused(reason, remedy);
            }
            warn!(%reason, "cannot use the manifests of the export, reading them again");
            tokio::time::sleep(RETRY_WAIT).await;
        }
    }

    async fn read_plan(&self, arn: &str, key: &str) -> Result<Parts, (String, Remedy)> {
        let body = self.checked(key).await?;
        let wrong = |error: manifest::ManifestError| (error.to_string(), Remedy::Anew);
        let Summary { files_key, export_ms, items, format } =
            manifest::summary(&body, arn).map_err(wrong)?;
        let files = self.files(&files_key, items).await?;
        let too_many = |_| ("too many files".to_owned(), Remedy::None);
        Ok(Parts {
            read_ms: export_ms,
            n: u32::try_from(files.len()).map_err(too_many)?,
            items: Some(items),
            files_key,
            is_ion: format == ExportFormat::Ion,
        })
    }

    /// The files of an export of so many `items`.
    pub(crate) async fn files(
        &self,
        key: &str,
        items: u64,
    ) -> Result<Vec<DataFile>, (String, Remedy)> {
        let body = self.checked(key).await?;
        manifest::files(&body, items).map_err(|error| (error.to_string(), Remedy::Anew))
    }

    /// An object that has a checksum beside it.
    async fn checked(&self, key: &str) -> Result<Bytes, (String, Remedy)> {
        let bucket = &self.config.s3_bucket;
        let body = self.s3.get(bucket, key).await.map_err(|error| judge(&error))?;
        let Some(beside) = key.strip_suffix(".json").map(|it| format!("{it}.checksum")) else {
            return Ok(body);
        };
        // Not every export has one, and where listing is not allowed, what is missing is forbidden.
        let sum = self.s3.get(bucket, &beside).await;
        let is_right = sum.ok().and_then(|it| manifest::is_checksum(&it, md5(&body)));
        match is_right {
            Some(false) => {
                Err((format!("s3://{bucket}/{key} differs from its checksum"), Remedy::Anew))
            }
            Some(true) => Ok(body),
            None => {
                debug!(key, "the manifest has no checksum beside it");
                Ok(body)
            }
        }
    }
}

/// What may help against an error of S3, and how to say it.
pub(crate) fn judge(error: &S3Error) -> (String, Remedy) {
    let (bucket, key) = match error {
        S3Error::Refused { bucket, key, .. } => (bucket.as_str(), key.as_str()),
        _ => ("", ""),
    };
    match error.code().unwrap_or_default() {
        "NoSuchBucket" => {
            (format!("{error}; create the bucket, or correct `s3_bucket`"), Remedy::Wait)
        }
        _ if error.is_missing() => (error.to_string(), Remedy::Anew),
        "AccessDenied" => {
            (format!("{error}; grant `s3:GetObject` on arn:aws:s3:::{bucket}/{key}"), Remedy::Wait)
        }
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => (
            format!("{error}; the bucket is in another region: name it as `s3_region`"),
            Remedy::Wait,
        ),
        _ => (error.to_string(), Remedy::Wait),
    }
}

pub(crate) fn md5(body: &[u8]) -> [u8; 16] {
    Md5::digest(body).into()
}

fn text(value: &Value, path: &[&str]) -> Option<String> {
    path.iter().try_fold(value, |it, name| it.get(name))?.as_str().map(str::to_owned)
}
