//! `ListObjectsV2`, and the older `ListObjects`.

use std::sync::Arc;

use super::bucket::OWNER;
use crate::s3::{
    answer::{self, Answer},
    error::{ApiError, Code},
    head::Head,
    page::Mark,
    percent,
    store::{
        Store,
        listing::{Item, Page, Wanted},
        record::Record,
    },
    time,
    transfer::blocking,
    xml::Writer,
};

/// As S3 has it.
pub(crate) const KEYS_MAX: usize = 1000;

pub(crate) async fn list_2(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let spelling = Spelling::of(head)?;
    let token = head.query.get("continuation-token");
    let start_after = head.query.filled("start-after");
    let after = match token {
        Some(token) => Some(Mark::parse(token)?),
        None => start_after.map(|it| Mark::Key(it.to_owned())),
    };
    let wanted = wanted(head, after)?;
    let page = page(store, head, &wanted).await?;

    let mut out = begin(head, &wanted, &spelling, &page);
    out.number("KeyCount", page.items.len());
    out.maybe("ContinuationToken", token);
    let next = page.next.as_ref().map(Mark::token);
    out.maybe("NextContinuationToken", next.as_deref());
    out.maybe("StartAfter", start_after.map(|it| spelling.spell(it)).as_deref());
    let has_owner = head.query.get("fetch-owner") == Some("true");
    items(&mut out, &page.items, &spelling, has_owner);
    out.close("ListBucketResult");
    Ok(answer::document(out))
}

pub(crate) async fn list_1(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let spelling = Spelling::of(head)?;
    let marker = head.query.get("marker").unwrap_or_default();
    let mut wanted = wanted(head, None)?;
    if !marker.is_empty() {
        wanted.after = Some(Mark::of(marker, &wanted.prefix, wanted.delimiter.as_deref()));
    }
    let page = page(store, head, &wanted).await?;

    let mut out = begin(head, &wanted, &spelling, &page);
    out.text("Marker", &spelling.spell(marker));
    // Without a delimiter, clients know the last key themselves.
    let next = page.next.as_ref().filter(|_| wanted.delimiter.is_some());
    out.maybe("NextMarker", next.map(|it| spelling.spell(it.text())).as_deref());
    items(&mut out, &page.items, &spelling, true);
    out.close("ListBucketResult");
    Ok(answer::document(out))
}

/// How keys are written in an answer.
pub(crate) struct Spelling {
    is_url: bool,
}

impl Spelling {
    pub(crate) fn of(head: &Head) -> Result<Spelling, ApiError> {
        match head.query.filled("encoding-type") {
            None => Ok(Spelling { is_url: false }),
            Some("url") => Ok(Spelling { is_url: true }),
            Some(other) => Err(Code::InvalidArgument
                .because("Invalid Encoding Method specified in Request")
                .with("ArgumentName", "encoding-type")
                .with("ArgumentValue", other)),
        }
    }

    pub(crate) fn spell(&self, text: &str) -> String {
        if self.is_url { percent::encode(text) } else { text.to_owned() }
    }

    pub(crate) fn name(&self) -> Option<&'static str> {
        self.is_url.then_some("url")
    }
}

fn wanted(head: &Head, after: Option<Mark>) -> Result<Wanted, ApiError> {
    Ok(Wanted {
        prefix: head.query.get("prefix").unwrap_or_default().to_owned(),
        delimiter: head.query.filled("delimiter").map(str::to_owned),
        after,
        items_max: head.query.count("max-keys", KEYS_MAX)?,
    })
}

async fn page(store: &Arc<Store>, head: &Head, wanted: &Wanted) -> Result<Page, ApiError> {
    let (store, bucket, wanted) = (store.clone(), head.bucket().to_owned(), wanted.clone());
    blocking(move || store.list(&bucket, &wanted)).await
}

/// What both kinds of listings begin with.
fn begin(head: &Head, wanted: &Wanted, spelling: &Spelling, page: &Page) -> Writer {
    let mut out = Writer::document("ListBucketResult");
    out.text("Name", head.bucket());
    out.text("Prefix", &spelling.spell(&wanted.prefix));
    out.number("MaxKeys", wanted.items_max);
    out.maybe("Delimiter", wanted.delimiter.as_deref().map(|it| spelling.spell(it)).as_deref());
    out.maybe("EncodingType", spelling.name());
    out.number("IsTruncated", page.next.is_some());
    out
}

/// Objects first, then what others are rolled up into.
fn items(out: &mut Writer, items: &[Item], spelling: &Spelling, has_owner: bool) {
    for item in items {
        if let Item::Object(key, record) = item {
            object(out, &spelling.spell(key), record, has_owner);
        }
    }
    for item in items {
        if let Item::Prefix(prefix) = item {
            out.open("CommonPrefixes");
            out.text("Prefix", &spelling.spell(prefix));
            out.close("CommonPrefixes");
        }
    }
}

fn object(out: &mut Writer, key: &str, record: &Record, has_owner: bool) {
    out.open("Contents");
    out.text("Key", key);
    out.text("LastModified", &time::iso(record.stamp.modified_ms()));
    out.text("ETag", &answer::quoted(&record.content.etag));
    if let Some(checksum) = &record.content.checksum {
        out.text("ChecksumAlgorithm", checksum.algorithm.name());
        out.text("ChecksumType", checksum.kind.name());
    }
    out.number("Size", record.stamp.n_bytes);
    if has_owner {
        out.open("Owner");
        out.text("ID", OWNER);
        out.close("Owner");
    }
    out.text("StorageClass", "STANDARD");
    out.close("Contents");
}
