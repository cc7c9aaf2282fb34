//! `ListMultipartUploads` and `ListParts`.

use std::sync::Arc;

use super::{
    bucket::OWNER,
    list::{KEYS_MAX, Spelling},
};
use crate::s3::{
    answer::{self, Answer},
    error::ApiError,
    head::Head,
    page::common_prefix,
    store::{Store, upload::Upload},
    time,
    transfer::blocking,
    xml::Writer,
};

/// A line of a listing of uploads.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    Upload(String, Upload),
    Prefix(String),
}

pub(crate) async fn list_uploads(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let spelling = Spelling::of(head)?;
    let (store, bucket) = (store.clone(), head.bucket().to_owned());
    let uploads = blocking(move || store.uploads(&bucket)).await?;
    let get = |name: &str| head.query.get(name).unwrap_or_default();
    let (prefix, delimiter) = (get("prefix"), head.query.filled("delimiter"));
    let (key_marker, id_marker) = (get("key-marker"), get("upload-id-marker"));
    let most = head.query.count("max-uploads", KEYS_MAX)?;

    let uploads = uploads.into_iter().filter(|(_, it)| it.key.starts_with(prefix));
    let mut items = roll_up(uploads, prefix, delimiter);
    // Uploads of one key are told apart by their names; the one that was seen last is left out.
    let seen = items.iter().position(
        |it| matches!(it, Item::Upload(id, upload) if upload.key == key_marker && id == id_marker),
    );
    match seen {
        Some(at) => drop(items.drain(..=at)),
        None => items.retain(|it| key_marker < it.key()),
    }
    let is_truncated = most < items.len();
    items.truncate(most);

    let mut out = Writer::document("ListMultipartUploadsResult");
    out.text("Bucket", head.bucket());
    out.text("KeyMarker", &spelling.spell(key_marker));
    out.text("UploadIdMarker", id_marker);
    out.text("Prefix", &spelling.spell(prefix));
    out.maybe("Delimiter", delimiter.map(|it| spelling.spell(it)).as_deref());
    out.maybe("EncodingType", spelling.name());
    out.number("MaxUploads", most);
    out.number("IsTruncated", is_truncated);
    if let Some(last) = items.last().filter(|_| is_truncated) {
        out.text("NextKeyMarker", &spelling.spell(last.key()));
        if let Item::Upload(id, _) = last {
            out.text("NextUploadIdMarker", id);
        }
    }
    for item in &items {
        tell(&mut out, item, &spelling);
    }
    out.close("ListMultipartUploadsResult");
    Ok(answer::document(out))
}

impl Item {
    fn key(&self) -> &str {
        match self {
            Item::Upload(_, upload) => &upload.key,
            Item::Prefix(prefix) => prefix,
        }
    }
}

fn roll_up(
    uploads: impl Iterator<Item = (String, Upload)>,
    prefix: &str,
    delimiter: Option<&str>,
) -> Vec<Item> {
    let mut items: Vec<Item> = uploads
        .map(|(id, upload)| match common_prefix(&upload.key, prefix, delimiter) {
            Some(common) => Item::Prefix(common.to_owned()),
            None => Item::Upload(id, upload),
        })
        .collect();
    items.dedup();
    items
}

fn tell(out: &mut Writer, item: &Item, spelling: &Spelling) {
    match item {
        Item::Prefix(prefix) => {
            out.open("CommonPrefixes");
            out.text("Prefix", &spelling.spell(prefix));
            out.close("CommonPrefixes");
        }
        Item::Upload(id, upload) => {
            out.open("Upload");
            out.text("Key", &spelling.spell(&upload.key));
            out.text("UploadId", id);
            people(out);
            out.text("StorageClass", "STANDARD");
            out.text("Initiated", &time::iso(upload.initiated_ms));
            checksum(out, upload);
            out.close("Upload");
        }
    }
}

pub(crate) async fn list_parts(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let id = head.parameter("uploadId")?.to_owned();
    let most = head.query.count("max-parts", KEYS_MAX)?;
    let marker = head.query.count("part-number-marker", usize::MAX)?;
    let marker = head.query.filled("part-number-marker").map_or(0, |_| marker);
    let (store, bucket, key) = (store.clone(), head.bucket().to_owned(), head.key().to_owned());
    let (upload, mut parts) = blocking(move || {
        let upload = store.upload(&bucket, &key, &id)?;
        Ok::<_, ApiError>((upload, store.parts(&id)?))
    })
    .await?;
    parts.retain(|it| marker < it.number as usize);
    let is_truncated = most < parts.len();
    parts.truncate(most);

    let mut out = Writer::document("ListPartsResult");
    out.text("Bucket", head.bucket());
    out.text("Key", head.key());
    out.text("UploadId", head.parameter("uploadId")?);
    people(&mut out);
    out.text("StorageClass", "STANDARD");
    out.number("PartNumberMarker", marker);
    out.number("NextPartNumberMarker", parts.last().map_or(0, |it| it.number));
    out.number("MaxParts", most);
    out.number("IsTruncated", is_truncated);
    checksum(&mut out, &upload);
    for part in &parts {
        out.open("Part");
        out.number("PartNumber", part.number);
        out.text("LastModified", &time::iso(part.modified_ms));
        out.text("ETag", &answer::quoted(&part.etag));
        out.number("Size", part.n_bytes);
        if let Some(checksum) = &part.checksum {
            out.text(checksum.algorithm.element(), &checksum.value);
        }
        out.close("Part");
    }
    out.close("ListPartsResult");
    Ok(answer::document(out))
}

/// Everything is one person's.
fn people(out: &mut Writer) {
    for element in ["Initiator", "Owner"] {
        out.open(element);
        out.text("ID", OWNER);
        out.close(element);
    }
}

fn checksum(out: &mut Writer, upload: &Upload) {
    if let Some((algorithm, kind)) = upload.checksum {
        out.text("ChecksumAlgorithm", algorithm.name());
        out.text("ChecksumType", kind.name());
    }
}
