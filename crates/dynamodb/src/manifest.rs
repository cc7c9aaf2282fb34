//! What an export says of itself: its manifests. Pure.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// `manifest-summary.json`, as far as we need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Where the list of files is.
    pub(crate) files_key: String,
    /// The moment whose state was exported, in milliseconds since the epoch.
    pub(crate) export_ms: u64,
    /// How many items there are.
    pub(crate) items: u64,
    /// How they are written.
    pub(crate) format: crate::ExportFormat,
}

/// One file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFile {
    /// Its key in the bucket.
    pub(crate) key: String,
    /// How many items it holds.
    pub(crate) items: u64,
    /// The MD5 of the object, if the manifest says it.
    pub md5: Option<[u8; 16]>,
}

/// Why a manifest is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ManifestError {
    /// It is not what such a file looks like.
    #[error("{file} makes no sense: {reason}")]
    Malformed {
        /// Which file.
        file: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// It belongs to another export.
    #[error("manifest-summary.json is that of {found}, not of {expected}")]
    Other {
        /// Whose it should be.
        expected: String,
        /// Whose it is.
        found: String,
    },
    /// The two manifests differ.
    #[error(
        "the manifests do not match: {summary} items in the summary, {files} in the list of files"
    )]
    Items {
        /// In the summary.
        summary: u64,
        /// In the files.
        files: u64,
    },
    /// A file is listed twice.
    #[error("manifest-files.json lists {0} twice")]
    Twice(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SummaryText {
    #[serde(default)]
    export_arn: Option<String>,
    manifest_files_s3_key: String,
    export_time: String,
    item_count: u64,
    #[serde(default)]
    output_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileText {
    item_count: u64,
    #[serde(default)]
    md5_checksum: Option<String>,
    data_file_s3_key: String,
}

/// Reads `manifest-summary.json` of the export `arn`.
///
/// # Errors
///
/// When it makes no sense, or is that of another export.
pub(crate) fn summary(body: &[u8], arn: &str) -> Result<Summary, ManifestError> {
    let malformed =
        |reason: String| ManifestError::Malformed { file: "manifest-summary.json", reason };
    let text: SummaryText =
        serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    if let Some(found) = text.export_arn.filter(|it| it != arn) {
        return Err(ManifestError::Other { expected: arn.to_owned(), found });
    }
    let format = match text.output_format.as_deref() {
        None | Some("DYNAMODB_JSON") => crate::ExportFormat::DynamodbJson,
        Some("ION") => crate::ExportFormat::Ion,
        Some(other) => return Err(malformed(format!("`{other}` is not a format of exports"))),
    };
    let export_ms = epoch_ms(&text.export_time);
    let export_ms =
        export_ms.ok_or_else(|| malformed(format!("`{}` is not a moment", text.export_time)))?;
    Ok(Summary { files_key: text.manifest_files_s3_key, export_ms, items: text.item_count, format })
}

/// Reads `manifest-files.json`; it must speak of as many `items` as the summary.
///
/// # Errors
///
/// When it makes no sense, or does not match the summary.
pub(crate) fn files(body: &[u8], items: u64) -> Result<Vec<DataFile>, ManifestError> {
    let malformed =
        |reason: String| ManifestError::Malformed { file: "manifest-files.json", reason };
    let mut files = Vec::new();
    let mut keys = BTreeSet::new();
    for line in body.split(|it| *it == b'\n').filter(|it| !it.trim_ascii().is_empty()) {
        let text: FileText =
            serde_json::from_slice(line).map_err(|error| malformed(error.to_string()))?;
        let md5 = match text.md5_checksum.filter(|it| !it.is_empty()) {
            None => None,
            Some(text) => {
                let bytes = STANDARD.decode(&text).ok().and_then(|it| it.try_into().ok());
                Some(bytes.ok_or_else(|| malformed(format!("`{text}` is no MD5")))?)
            }
        };
        let key = text.data_file_s3_key;
        if !keys.insert(key.clone()) {
            return Err(ManifestError::Twice(key));
        }
        files.push(DataFile { key, items: text.item_count, md5 });
    }
    let listed = files.iter().map(|it| it.items).sum();
    if listed != items {
        return Err(ManifestError::Items { summary: items, files: listed });
    }
    Ok(files)
}

/// Whether the text of a `.checksum` file, in base64 or hexadecimal, is the MD5 `sum`. `None` if it
/// is neither: then it says nothing.
pub(crate) fn is_checksum(text: &[u8], sum: [u8; 16]) -> Option<bool> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let hex = || {
        let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..32).step_by(2).map(digit).collect();
        bytes.filter(|_| text.len() == 32)
    };
    let bytes = hex().or_else(|| STANDARD.decode(text).ok())?;
    Some(<[u8; 16]>::try_from(bytes).ok()? == sum)
}

/// `2020-11-04T07:28:34.028Z` in milliseconds since the epoch.
pub(crate) fn epoch_ms(text: &str) -> Option<u64> {
    let moment: jiff::Timestamp = text.trim().parse().ok()?;
    u64::try_from(moment.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str = r#"{"version":"2020-06-30","exportArn":"arn:e","startTime":"2020-11-04T07:28:34.028Z",
        "exportTime":"2023-11-15T03:54:01.123Z","s3SseKmsKeyId":null,"billedSizeBytes":0,"itemCount":3,
        "manifestFilesS3Key":"p/AWSDynamoDB/1/manifest-files.json","outputFormat":"ION"}"#;

    #[test]
    fn a_summary_leads_to_the_files() {
        let summary = summary(SUMMARY.as_bytes(), "arn:e").unwrap();
        assert_eq!(summary.files_key, "p/AWSDynamoDB/1/manifest-files.json");
        assert_eq!((summary.export_ms, summary.items), (1_700_020_441_123, 3));
        assert_eq!(summary.format, crate::ExportFormat::Ion);
    }

    #[test]
    fn a_summary_that_makes_no_sense_is_refused() {
        for (from, to) in [
            ("2023-11-15T03:54:01.123Z", "yesterday"),
            ("\"ION\"", "\"PARQUET\""),
            ("arn:e", "arn:other"),
            ("\"itemCount\":3,", ""),
            ("{", ""),
        ] {
            assert!(summary(SUMMARY.replacen(from, to, 1).as_bytes(), "arn:e").is_err(), "{to}");
        }
    }

    #[test]
    fn files_are_listed_with_their_checksums() {
        let list = "{\"itemCount\":1,\"md5Checksum\":\"sQMSpEILNgoQmarvDFonGQ==\",\"etag\":\"x-1\",\"dataFileS3Key\":\"a\"}\n\
                    {\"itemCount\":2,\"dataFileS3Key\":\"b|c\"}\n";
        let read = files(list.as_bytes(), 3).unwrap();
        assert_eq!((read[0].key.as_str(), read[0].items), ("a", 1));
        assert_eq!(read[0].md5.unwrap()[..2], [0xb1, 0x03]);
        assert_eq!((read[1].key.as_str(), read[1].md5), ("b|c", None));
        assert_eq!(files(list.as_bytes(), 4), Err(ManifestError::Items { summary: 4, files: 3 }));
        assert_eq!(files(b"", 0), Ok(Vec::new()), "an empty table has no files");
        let twice = list.replace("b|c", "a");
        assert_eq!(files(twice.as_bytes(), 3), Err(ManifestError::Twice("a".to_owned())));
        for bad in ["{\"itemCount\":1}", "x", &list.replace("sQMS", "!")] {
            assert!(files(bad.as_bytes(), 3).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_checksum_file_may_be_written_in_two_ways() {
        let sum = *b"0123456789abcdef";
        assert_eq!(is_checksum(b"MDEyMzQ1Njc4OWFiY2RlZg==\n", sum), Some(true));
        assert_eq!(is_checksum(b"30313233343536373839616263646566", sum), Some(true));
        assert_eq!(is_checksum(b"30313233343536373839616263646500", sum), Some(false));
        assert_eq!(is_checksum(b"<xml>", sum), None);
    }
}
