//! Uploads in parts: begun, filled, completed or given up.
//!
//! Each is a folder with `upload.json`, and for each part its data and `00001.json`. The latter
//! names the former, so that a part changes by one rename, too.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{
    Store,
    draft::Finished,
    is_absence, read_json,
    record::{Content, Description},
    remove_file,
};
use crate::s3::{
    checksum::{Algorithm, Checksum, Kind},
    error::{ApiError, Code},
};

/// An upload that is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) initiated_ms: u64,
    pub(crate) checksum: Option<(Algorithm, Kind)>,
    pub(crate) description: Description,
}

/// A part that is safe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) number: u32,
    pub(crate) n_bytes: u64,
    pub(crate) modified_ms: u64,
    pub(crate) etag: String,
    pub(crate) checksum: Option<Checksum>,
    /// The name of the file that holds its bytes.
    file: String,
}

impl Store {
    /// Begins an upload, and names it.
    pub(crate) fn begin_upload(&self, upload: &Upload) -> Result<String, ApiError> {
        self.folder_of(&upload.bucket)?;
        let id = self.id();
        self.write_json(&self.upload_folder(&id).join("upload.json"), upload)?;
        Ok(id)
    }

    /// The upload of this name, if it is one of this object.
    pub(crate) fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, ApiError> {
        self.folder_of(bucket)?;
        // Nothing else becomes the name of a folder.
        let is_id = id.len() == 32 && id.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        let upload: Option<Upload> =
            if is_id { read_json(&self.upload_folder(id).join("upload.json"))? } else { None };
        upload
            .filter(|it| it.bucket == bucket && it.key == key)
            .ok_or_else(|| Code::NoSuchUpload.about("UploadId", id))
    }

    /// Every upload of a bucket with its name, by key and age.
    pub(crate) fn uploads(&self, bucket: &str) -> Result<Vec<(String, Upload)>, ApiError> {
        self.folder_of(bucket)?;
        let mut uploads = Vec::new();
        for entry in fs::read_dir(self.ours(&["uploads"]))? {
            let Ok(id) = entry?.file_name().into_string() else { continue };
            let upload: Option<Upload> = read_json(&self.upload_folder(&id).join("upload.json"))?;
            uploads.extend(upload.filter(|it| it.bucket == bucket).map(|it| (id, it)));
        }
        uploads.sort_by(|(a_id, a), (b_id, b)| {
            (&a.key, a.initiated_ms, a_id).cmp(&(&b.key, b.initiated_ms, b_id))
        });
        Ok(uploads)
    }

    /// Adds a part, or replaces it.
    pub(crate) fn commit_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: u32,
        finished: Finished,
    ) -> Result<Part, ApiError> {
        let _guard = self.change();
        self.upload(bucket, key, id)?;
        let folder = self.upload_folder(id);
        let about = folder.join(format!("{number:05}.json"));
        let before: Option<Part> = read_json(&about)?;
        let part = Part {
            number,
            n_bytes: finished.n_bytes,
            modified_ms: self.clock.now_ms(),
            etag: finished.content.etag,
            checksum: finished.content.checksum,
            file: format!("{number:05}-{}", self.id()),
        };
        finished.temporary.place(&folder.join(&part.file))?;
        self.write_json(&about, &part)?;
        if let Some(before) = before {
            remove_file(&folder.join(before.file))?;
        }
        Ok(part)
    }

    /// The parts of an upload, by number.
    pub(crate) fn parts(&self, id: &str) -> Result<Vec<Part>, ApiError> {
        let mut parts: Vec<Part> = Vec::new();
        let entries = match fs::read_dir(self.upload_folder(id)) {
            Err(error) if is_absence(&error) => {
                return Err(Code::NoSuchUpload.about("UploadId", id));
            }
            entries => entries?,
        };
        for entry in entries {
            // Beside them lie the bytes of the parts, and `upload.json`.
            let Ok(name) = entry?.file_name().into_string() else { continue };
            let number = name.strip_suffix(".json").filter(|it| it.parse::<u32>().is_ok());
            if number.is_some() {
                parts.extend(read_json::<Part>(&self.upload_folder(id).join(name))?);
            }
        }
        parts.sort_by_key(|it| it.number);
        Ok(parts)
    }

    /// Puts parts one behind the other.
    pub(crate) fn assemble(
        &self,
        id: &str,
        parts: &[Part],
        content: Content,
    ) -> Result<Finished, ApiError> {
        let mut temporary = self.temporary()?;
        let mut n_bytes = 0;
        for part in parts {
            let mut file = match File::open(self.upload_folder(id).join(&part.file)) {
                // It was replaced just now.
                Err(error) if is_absence(&error) => {
                    return Err(Code::InvalidPart.about("PartNumber", part.number.to_string()));
                }
                file => file?,
            };
            n_bytes += temporary.append(&mut file)?;
        }
        Ok(Finished { temporary, n_bytes, payload: None, content })
    }

    /// Removes an upload and its parts.
    pub(crate) fn end_upload(&self, id: &str) -> Result<(), ApiError> {
        let _guard = self.change();
        Ok(self.remove_upload(id)?)
    }

    /// Removes every upload of a bucket. The caller holds the lock.
    pub(super) fn abort_all(&self, bucket: &str) -> io::Result<()> {
        for entry in fs::read_dir(self.ours(&["uploads"]))? {
            let Ok(id) = entry?.file_name().into_string() else { continue };
            let upload: Option<Upload> = read_json(&self.upload_folder(&id).join("upload.json"))?;
            if upload.is_some_and(|it| it.bucket == bucket) {
                self.remove_upload(&id)?;
            }
        }
        Ok(())
    }

    fn remove_upload(&self, id: &str) -> io::Result<()> {
        // First out of sight, in one step.
        let away = self.ours(&["drafts", &self.id()]);
        match fs::rename(self.upload_folder(id), &away) {
            Err(error) if is_absence(&error) => Ok(()),
            result => result.and_then(|()| fs::remove_dir_all(away)),
        }
    }

    fn upload_folder(&self, id: &str) -> PathBuf {
        self.ours(&["uploads", id])
    }
}
