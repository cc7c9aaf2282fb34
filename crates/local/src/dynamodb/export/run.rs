//! Carries an export out: from a picture of the table to objects in a bucket.
//!
//! The picture is taken when the export is asked for and turned back to the time that is exported, so
//! that writers go on meanwhile. One data file is in memory at a time.

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    sync::{Arc, PoisonError},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use super::{
    End, Export, Span, lines,
    manifest::{self, DataFile},
};
use crate::{
    dynamodb::{
        endpoint::{Cell, Endpoint},
        table::Table,
    },
    objects::{ObjectError, ObjectStore},
};

/// When the next data file is begun: after so many items, or so many bytes before compression.
const FILE_ITEMS: usize = 50_000;
const FILE_BYTES: usize = 32 << 20;

/// Starts to export `picture` in a thread of its own, and books the end of it.
pub(crate) fn start(endpoint: Arc<Endpoint>, cell: Arc<Cell>, picture: Table, export: Export) {
    std::thread::spawn(move || {
        let objects =
            endpoint.objects.read().unwrap_or_else(PoisonError::into_inner).as_ref().cloned();
        let done = match objects {
            Some(objects) => run(&*objects, &picture, &export, || endpoint.clock.now_ms()),
            None => Err(Failure::new(
                "S3NoSuchBucket",
                "this endpoint runs without an S3 endpoint; there is nowhere to export to",
            )),
        };
        let at_ms = endpoint.clock.now_ms();
        let end = match done {
            Ok((n_items, n_bytes)) => End::Completed { at_ms, n_items, n_bytes },
            Err(Failure { code, message }) => End::Failed { at_ms, code, message },
        };
        let booked = endpoint.write_even_deleted(&cell, |writing| {
            writing.alter(|table| {
                if let Some(it) = table.exports.iter_mut().find(|it| it.id == export.id) {
                    it.end = Some(end);
                }
            });
            Ok(())
        });
        if let Err(error) = booked.and_then(|()| endpoint.settle()) {
            tracing::warn!(%error, export = export.id, "could not write down how an export ended");
        }
    });
}

/// Why an export failed.
struct Failure {
    code: String,
    message: String,
}

impl Failure {
    fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure { code: code.to_owned(), message: message.into() }
    }
}

impl From<ObjectError> for Failure {
    fn from(error: ObjectError) -> Failure {
        let code = match error {
            ObjectError::NoSuchBucket => "S3NoSuchBucket",
            ObjectError::Failed(_) => "INTERNAL_ERROR",
        };
        Failure::new(code, error.to_string())
    }
}

/// Writes everything; returns how many items, and how many bytes they are in the table.
fn run(
    objects: &dyn ObjectStore,
    picture: &Table,
    export: &Export,
    now_ms: impl Fn() -> u64,
) -> Result<(usize, usize), Failure> {
    let bucket = &export.target.bucket;
    if !objects.has_bucket(bucket) {
        return Err(ObjectError::NoSuchBucket.into());
    }
    let folder = export.folder();
    objects.put(bucket, &format!("{folder}/_started"), Bytes::new())?;
    let mut files =
        Files { objects, export, done: Vec::new(), open: None, hasher: RandomState::new() };
    let n_bytes = match export.span {
        Span::Full { at_ms } => {
            let items = picture.items_at(at_ms);
            for (_, item) in items.iter() {
                files.add(|out| lines::write_item(export.format, item, out))?;
            }
            items.size_bytes()
        }
        Span::Changes { from_ms, to_ms, with_old } => {
            let records = picture.history.after(from_ms.saturating_sub(1));
            let records = records.take_while(|it| it.created_ms < to_ms);
            let mut n_bytes = 0;
            for change in lines::net_changes(records, &picture.description.schema) {
                n_bytes += change.size_bytes();
                files.add(|out| lines::write_change(export.format, &change, with_old, out))?;
            }
            n_bytes
        }
    };
    let files = files.finish()?;
    let n_items = files.iter().map(|it| it.item_count).sum();
    let list = manifest::files(&files);
    let summary = manifest::summary(export, &picture.description, now_ms(), n_items, n_bytes);
    // The summary comes last: whoever sees it finds everything else.
    for (name, body) in [("manifest-files", list), ("manifest-summary", summary)] {
        let checksum = manifest::md5(&body);
        objects.put(bucket, &format!("{folder}/{name}.md5"), checksum.into_bytes().into())?;
        objects.put(bucket, &format!("{folder}/{name}.json"), body.into())?;
    }
    Ok((n_items, n_bytes))
}

/// Data files under construction.
struct Files<'a> {
    objects: &'a dyn ObjectStore,
    export: &'a Export,
    done: Vec<DataFile>,
    open: Option<Open>,
    hasher: RandomState,
}

struct Open {
    gzip: GzEncoder<Vec<u8>>,
    n_items: usize,
    n_bytes: usize,
}

impl Files<'_> {
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
        let mut line = Vec::new();
        write(&mut line);
        let open = self.open.get_or_insert_with(|| Open {
            gzip: GzEncoder::new(Vec::new(), Compression::fast()),
            n_items: 0,
            n_bytes: 0,
        });
        open.gzip.write_all(&line).map_err(broken)?;
        open.n_items += 1;
        open.n_bytes += line.len();
        if FILE_ITEMS <= open.n_items || FILE_BYTES <= open.n_bytes {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        let Some(Open { gzip, n_items, .. }) = self.open.take() else { return Ok(()) };
        let body = gzip.finish().map_err(broken)?;
        let name = self.name();
        let key = format!("{}/{name}.{}", self.export.data_folder(), self.export.format.ending());
        let md5 = manifest::md5(&body);
        let etag = self.objects.put(&self.export.target.bucket, &key, body.into())?;
        self.done.push(DataFile { item_count: n_items, md5, etag, key });
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<DataFile>, Failure> {
        self.close()?;
        Ok(self.done)
    }

    /// 26 letters and digits, as DynamoDB names its files.
    fn name(&self) -> String {
        let seed = (&self.export.id, self.done.len());
        let (a, b) = (self.hasher.hash_one(seed), self.hasher.hash_one((1, seed)));
        let mut rest = (u128::from(a) << 64) | u128::from(b);
        let letters = b"abcdefghijklmnopqrstuvwxyz234567";
        (0..26)
            .map(|_| {
                let letter = letters[usize::try_from(rest % 32).unwrap_or_default()];
                rest /= 32;
                char::from(letter)
            })
            .collect()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn broken(error: io::Error) -> Failure {
    Failure::new("INTERNAL_ERROR", error.to_string())
}
