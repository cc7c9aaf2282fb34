//! What is known of an object beside its bytes.

use std::{
    collections::BTreeMap,
    fs::{File, Metadata},
    io,
    time::{Duration, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::s3::checksum::Checksum;

/// Tells one state of a file from another. It stays with the file when it is renamed, copied with
/// its times or archived, and changes when someone edits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) n_bytes: u64,
    /// Since 1970. Below the milliseconds it is a number that makes stamps differ.
    modified_ns: u64,
}

/// What a client said about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Description {
    /// `content-type` and others that are given back as they are.
    pub(crate) headers: BTreeMap<String, String>,
    /// `x-amz-meta-…`, by what stands for the dots.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// What is known of the bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// Without quotes.
    pub(crate) etag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Checksum>,
    /// The sizes of its parts, if it was uploaded in some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<u64>,
    /// The upload that it was, to recognise a client that completes it once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<String>,
}

/// All that is known of one state of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) stamp: Stamp,
    #[serde(flatten)]
    pub(crate) content: Content,
    #[serde(flatten)]
    pub(crate) description: Description,
}

/// The file beside the object's.
///
/// It is written before the object is renamed to its place, and so it describes the object that
/// was there as well. Which of them is there, the object's own stamp tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sidecar {
    /// Two keys could have the same hash.
    pub(crate) key: String,
    /// The newest first.
    pub(crate) records: Vec<Record>,
}

impl Stamp {
    /// The stamp of a file as it is.
    pub(crate) fn of(metadata: &Metadata) -> io::Result<Stamp> {
        let since_1970 = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified_ns = u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX);
        Ok(Stamp { n_bytes: metadata.len(), modified_ns })
    }

    /// Gives a file the time of the endpoint and a stamp of its own.
    pub(crate) fn put(file: &File, now_ms: u64, n: u64) -> io::Result<Stamp> {
        let modified =
            UNIX_EPOCH + Duration::from_millis(now_ms) + Duration::from_nanos(n % 1_000_000);
        file.set_modified(modified)?;
        // The file system may keep less of it than we say.
        Stamp::of(&file.metadata()?)
    }

    pub(crate) fn modified_ms(&self) -> u64 {
        self.modified_ns / 1_000_000
    }
}

impl Sidecar {
    pub(crate) fn record(&self, stamp: Stamp) -> Option<&Record> {
        self.records.iter().find(|it| it.stamp == stamp)
    }
}
