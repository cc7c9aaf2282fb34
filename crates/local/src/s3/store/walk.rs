//! The keys of a bucket in S3's order, without reading more folders than it takes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::is_absence;
use crate::s3::{address::KEY_BYTES_MAX, path};

/// On the way through a bucket's folder.
#[derive(Debug)]
pub(crate) struct Walk {
    prefix: String,
    /// The keys up to this one are not wanted.
    after: Option<String>,
    /// Nor are those that begin like this.
    skipped: Option<String>,
    /// What is left of the folders around the place we are at, outermost first; the next is last.
    stack: Vec<Vec<Entry>>,
    root: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// Of an object, its key; of a folder, what the keys in it begin with.
    key: String,
    is_folder: bool,
    path: PathBuf,
}

impl Walk {
    /// The keys that begin with `prefix`, and come after `after`.
    pub(crate) fn new(bucket: &Path, prefix: &str, after: Option<&str>) -> Walk {
        Walk {
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            skipped: None,
            stack: Vec::new(),
            root: Some(bucket.to_owned()),
        }
    }

    /// Leaves out the keys that begin with `prefix` from here on.
    pub(crate) fn skip(&mut self, prefix: &str) {
        self.skipped = Some(prefix.to_owned());
    }

    /// The next key, and where its object lies.
    pub(crate) fn next(&mut self) -> io::Result<Option<(String, PathBuf)>> {
        if let Some(root) = self.root.take() {
            self.enter("", &root)?;
        }
        while let Some(entries) = self.stack.last_mut() {
            let Some(entry) = entries.pop() else {
                self.stack.pop();
                continue;
            };
            if !self.wants(&entry) {
                continue;
            }
            if !entry.is_folder {
                return Ok(Some((entry.key, entry.path)));
            }
            self.enter(&entry.key, &entry.path)?;
        }
        Ok(None)
    }

    fn wants(&self, entry: &Entry) -> bool {
        let Entry { key, is_folder, .. } = entry;
        let has_prefix =
            key.starts_with(&self.prefix) || *is_folder && self.prefix.starts_with(key.as_str());
        let is_after = self
            .after
            .as_ref()
            .is_none_or(|after| after < key || *is_folder && after.starts_with(key.as_str()));
        let is_skipped = self.skipped.as_ref().is_some_and(|it| key.starts_with(it.as_str()));
        has_prefix && is_after && !is_skipped
    }

    /// Puts what lies in a folder on the stack.
    fn enter(&mut self, key: &str, folder: &Path) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            // Its last object was deleted in the meantime.
            Err(error) if is_absence(&error) => return Ok(()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // Neither for links.
            let kind = entry.file_type()?;
            let part = match (kind.is_dir(), kind.is_file()) {
                (true, _) => path::key_of_folder(&name),
                (_, true) => path::key_of_file(&name),
                _ => None,
            };
            let Some(part) = part else { continue };
            let key = format!("{key}{part}");
            if key.len() <= KEY_BYTES_MAX {
                let entry = Entry { key, is_folder: kind.is_dir(), path: folder.join(name) };
                if self.wants(&entry) {
                    found.push(entry);
                }
            }
        }
        // Backwards, as they are taken from the end. Of two files for one key the one beside the
        // folder counts, whose name is longer.
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup_by(|b, a| a.key == b.key && !a.is_folder && !b.is_folder);
        self.stack.push(found);
        Ok(())
    }
}
