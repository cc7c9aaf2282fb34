//! `CopyObject`, and where the source of a copy is read from.

use std::{
    io::{Read, Seek, SeekFrom},
    sync::Arc,
};

use crate::s3::{
    address,
    answer::{self, Answer},
    checksum::{Algorithm, Kind},
    condition::Conditions,
    error::{ApiError, Code},
    expected::PUT_BYTES_MAX,
    head::Head,
    percent,
    range::Asked,
    store::{
        Store,
        draft::Finished,
        object::Object,
        record::{Description, Record},
    },
    time,
    transfer::blocking,
    xml::Writer,
};

/// The object that is copied, and what is expected of it.
struct Source {
    bucket: String,
    key: String,
    conditions: Conditions,
}

pub(crate) async fn copy(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let source = Source::of(head)?;
    let replaces = match head.header("x-amz-metadata-directive").unwrap_or("COPY") {
        "COPY" => false,
        "REPLACE" => true,
        other => {
            return Err(Code::InvalidArgument
                .because("Unknown metadata directive.")
                .with("ArgumentValue", other));
        }
    };
    let is_itself = source.bucket == head.bucket() && source.key == head.key();
    if is_itself && !replaces {
        return Err(Code::InvalidRequest.because(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let description = replaces.then(|| Description::of(head)).transpose()?;
    let algorithm = algorithm(head)?;
    let conditions = Conditions::of(head);
    let (store, bucket, key) = (store.clone(), head.bucket().to_owned(), head.key().to_owned());
    let record = blocking(move || {
        store.bucket(&bucket)?;
        let object = source.open(&store)?;
        let description = description.unwrap_or_else(|| object.record.description.clone());
        let finished = duplicate(&store, object, algorithm)?;
        store.commit(&bucket, &key, finished, description, &conditions)
    });
    let record = record.await?;
    let mut out = Writer::document("CopyObjectResult");
    tell(&mut out, &record);
    out.close("CopyObjectResult");
    Ok(answer::document(out))
}

/// Copies part of an object for `UploadPartCopy`.
pub(crate) async fn copy_part(
    store: &Arc<Store>,
    head: &Head,
    algorithm: Option<Algorithm>,
) -> Result<Finished, ApiError> {
    let source = Source::of(head)?;
    let asked = head.header("x-amz-copy-source-range").map(str::to_owned);
    let store = store.clone();
    blocking(move || {
        let Object { mut file, record } = source.open(&store)?;
        let n_bytes = record.stamp.n_bytes;
        let range = match asked {
            None => 0..n_bytes,
            Some(asked) => match Asked::parse(&asked) {
                // Only this form, and only within the object.
                Some(range @ Asked::From(_, Some(last))) if last < n_bytes => {
                    range.within(n_bytes).map_err(|_| Code::InvalidRange)?
                }
                _ => {
                    return Err(Code::InvalidArgument
                        .because("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
                        .with("ArgumentValue", asked));
                }
            },
        };
        check_size(range.end - range.start)?;
        file.seek(SeekFrom::Start(range.start))?;
        let mut draft = store.draft(algorithm)?;
        draft.copy(&mut file.take(range.end - range.start))?;
        Ok(draft.finish())
    })
    .await
}

impl Source {
    fn of(head: &Head) -> Result<Source, ApiError> {
        let text = head.header("x-amz-copy-source").unwrap_or_default();
        let invalid = || {
            Code::InvalidArgument
                .because(
                    "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
                )
                .with("ArgumentName", "x-amz-copy-source")
                .with("ArgumentValue", text)
        };
        // A question mark in a key comes escaped.
        let (path, version) = text.split_once("?versionId=").unwrap_or((text, "null"));
        if version != "null" {
            return Err(Code::NotImplemented
                .because("the embedded S3 endpoint does not implement versions of objects"));
        }
        // Some clients escape the slash between bucket and key as well.
        let path = percent::decode(path).ok_or_else(invalid)?;
        let (bucket, key) =
            path.strip_prefix('/').unwrap_or(&path).split_once('/').ok_or_else(invalid)?;
        if key.is_empty() {
            return Err(invalid());
        }
        address::check_bucket(bucket)?;
        address::check_key(key)?;
        let conditions = Conditions::of_source(head);
        Ok(Source { bucket: bucket.to_owned(), key: key.to_owned(), conditions })
    }

    fn open(&self, store: &Store) -> Result<Object, ApiError> {
        let object = store.object(&self.bucket, &self.key)?;
        let record = &object.record;
        self.conditions.check_copy(&record.content.etag, record.stamp.modified_ms())?;
        Ok(object)
    }
}

/// The same bytes once more. What is known of them need not be computed again.
fn duplicate(
    store: &Store,
    object: Object,
    algorithm: Option<Algorithm>,
) -> Result<Finished, ApiError> {
    let Object { mut file, record } = object;
    check_size(record.stamp.n_bytes)?;
    let known = record.content.checksum.as_ref();
    let wanted = algorithm.or(known.map(|it| it.algorithm));
    let is_plain = record.content.parts.is_empty();
    let has_checksum = known.is_none_or(|it| it.kind == Kind::FullObject)
        && known.map(|it| it.algorithm) == wanted;
    if is_plain && has_checksum {
        return Ok(store.duplicate(&mut file, record.content)?);
    }
    let mut draft = store.draft(wanted)?;
    draft.copy(&mut file)?;
    Ok(draft.finish())
}

fn check_size(n_bytes: u64) -> Result<(), ApiError> {
    if n_bytes <= PUT_BYTES_MAX {
        return Ok(());
    }
    Err(Code::InvalidRequest.because(format!(
        "The specified copy source is larger than the maximum allowable size for a copy source: {PUT_BYTES_MAX}"
    )))
}

/// The algorithm that `x-amz-checksum-algorithm` asks for.
pub(crate) fn algorithm(head: &Head) -> Result<Option<Algorithm>, ApiError> {
    let Some(name) = head.header("x-amz-checksum-algorithm") else { return Ok(None) };
    let algorithm = Algorithm::named(name).ok_or_else(|| {
        Code::InvalidRequest
            .because("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
            .with("ArgumentValue", name)
    })?;
    Ok(Some(algorithm))
}

fn tell(out: &mut Writer, record: &Record) {
    out.text("LastModified", &time::iso(record.stamp.modified_ms()));
    out.text("ETag", &answer::quoted(&record.content.etag));
    if let Some(checksum) = &record.content.checksum {
        out.text(checksum.algorithm.element(), &checksum.value);
        out.text("ChecksumType", checksum.kind.name());
    }
}
