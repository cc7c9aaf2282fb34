//! Uploads in parts: created, filled, completed, aborted.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderName, StatusCode},
};

use super::copy;
use crate::s3::{
    answer::{self, Answer},
    checksum::{Algorithm, Kind},
    condition::Conditions,
    error::{ApiError, Code},
    expected::Expected,
    head::Head,
    plan,
    store::{
        Store,
        draft::Finished,
        record::{Content, Description},
        upload::{Part, Upload},
    },
    time,
    transfer::{self, blocking},
    xml::{Element, Writer},
};

/// As S3 has it.
pub(crate) const PARTS_MAX: u32 = 10_000;
/// Ten thousand parts with every element there is.
const DOCUMENT_BYTES_MAX: usize = 8 << 20;

pub(crate) async fn create(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let checksum = checksum(head)?;
    let upload = Upload {
        bucket: head.bucket().to_owned(),
        key: head.key().to_owned(),
        initiated_ms: store.clock.now_ms(),
        checksum,
        description: Description::of(head)?,
    };
    let store = store.clone();
    let id = blocking(move || store.begin_upload(&upload)).await?;
    let mut out = Writer::document("InitiateMultipartUploadResult");
    out.text("Bucket", head.bucket());
    out.text("Key", head.key());
    out.text("UploadId", &id);
    out.close("InitiateMultipartUploadResult");
    let mut answer = answer::document(out);
    if let Some((algorithm, kind)) = checksum {
        let name = HeaderName::from_static("x-amz-checksum-algorithm");
        answer::put(&mut answer, name, algorithm.name());
        answer::put(&mut answer, HeaderName::from_static("x-amz-checksum-type"), kind.name());
    }
    Ok(answer)
}

/// The checksum that the object is to have.
fn checksum(head: &Head) -> Result<Option<(Algorithm, Kind)>, ApiError> {
    let Some(algorithm) = copy::algorithm(head)? else { return Ok(None) };
    let kind = match head.header("x-amz-checksum-type") {
        None => algorithm.kind(),
        Some(name) => Kind::named(name).ok_or_else(|| {
            Code::InvalidRequest.because("Value for x-amz-checksum-type header is invalid.")
        })?,
    };
    if !algorithm.can_be(kind) {
        return Err(Code::InvalidRequest.because(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            algorithm.name()
        )));
    }
    Ok(Some((algorithm, kind)))
}

pub(crate) async fn upload_part(
    store: &Arc<Store>,
    head: &Head,
    body: &mut Body,
) -> Result<Answer, ApiError> {
    let number = number(head)?;
    let expected = Expected::of(head)?;
    let upload = upload(store, head).await?;
    let wanted = upload.checksum.map(|(algorithm, _)| algorithm);
    if let (Some(wanted), Some(given)) = (wanted, expected.algorithm())
        && wanted != given
    {
        return Err(Code::InvalidRequest.because(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            wanted.name().to_lowercase(),
            given.name().to_lowercase()
        )));
    }
    let finished = transfer::receive(store, body, &expected, wanted).await?;
    let part = commit(store, head, number, finished).await?;
    let mut answer = answer::empty(StatusCode::OK);
    answer::put_etag(&mut answer, &part.etag);
    if let Some(checksum) = &part.checksum {
        // The kind is the whole object's.
        let name = HeaderName::from_static(checksum.algorithm.header());
        answer::put(&mut answer, name, &checksum.value);
    }
    Ok(answer)
}

pub(crate) async fn copy_part(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let number = number(head)?;
    let upload = upload(store, head).await?;
    let algorithm = upload.checksum.map(|(algorithm, _)| algorithm);
    let finished = copy::copy_part(store, head, algorithm).await?;
    let part = commit(store, head, number, finished).await?;
    let mut out = Writer::document("CopyPartResult");
    out.text("LastModified", &time::iso(part.modified_ms));
    out.text("ETag", &answer::quoted(&part.etag));
    if let Some(checksum) = &part.checksum {
        out.text(checksum.algorithm.element(), &checksum.value);
    }
    out.close("CopyPartResult");
    Ok(answer::document(out))
}

pub(crate) async fn complete(
    store: &Arc<Store>,
    head: &Head,
    body: &mut Body,
) -> Result<Answer, ApiError> {
    let id = head.parameter("uploadId")?.to_owned();
    let document = transfer::read_document(head, body, DOCUMENT_BYTES_MAX).await?;
    let wanted = plan::wanted(&Element::read(&document, "CompleteMultipartUpload")?)?;
    let claims = plan::Claims::of(head);
    let conditions = Conditions::of(head);
    let (store, bucket, key) = (store.clone(), head.bucket().to_owned(), head.key().to_owned());
    let content = blocking(move || {
        let upload = match store.upload(&bucket, &key, &id) {
            // The answer to a completion may be lost; then it comes once more.
            Err(error) if error.is(Code::NoSuchUpload) => {
                return completed(&store, &bucket, &key, &id).ok_or(error);
            }
            upload => upload?,
        };
        let parts = plan::choose(&wanted, store.parts(&id)?)?;
        let content = plan::content(&id, &parts, upload.checksum, &claims)?;
        let finished = store.assemble(&id, &parts, content)?;
        let record = store.commit(&bucket, &key, finished, upload.description, &conditions)?;
        store.end_upload(&id)?;
        Ok::<_, ApiError>(record.content)
    });
    let content = content.await?;
    let mut out = Writer::document("CompleteMultipartUploadResult");
    let host = head.header("host").unwrap_or("localhost");
    out.text("Location", &format!("http://{host}/{}/{}", head.bucket(), head.key()));
    out.text("Bucket", head.bucket());
    out.text("Key", head.key());
    out.text("ETag", &answer::quoted(&content.etag));
    if let Some(checksum) = &content.checksum {
        out.text(checksum.algorithm.element(), &checksum.value);
        out.text("ChecksumType", checksum.kind.name());
    }
    out.close("CompleteMultipartUploadResult");
    Ok(answer::document(out))
}

pub(crate) async fn abort(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    upload(store, head).await?;
    let (store, id) = (store.clone(), head.parameter("uploadId")?.to_owned());
    blocking(move || store.end_upload(&id)).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// What is known of the object, if it is what became of this upload.
fn completed(store: &Store, bucket: &str, key: &str, id: &str) -> Option<Content> {
    let content = store.object(bucket, key).ok()?.record.content;
    (content.upload.as_deref() == Some(id)).then_some(content)
}

/// The upload that a request is about.
async fn upload(store: &Arc<Store>, head: &Head) -> Result<Upload, ApiError> {
    let id = head.parameter("uploadId")?.to_owned();
    let (store, bucket, key) = (store.clone(), head.bucket().to_owned(), head.key().to_owned());
    blocking(move || store.upload(&bucket, &key, &id)).await
}

async fn commit(
    store: &Arc<Store>,
    head: &Head,
    number: u32,
    finished: Finished,
) -> Result<Part, ApiError> {
    let id = head.parameter("uploadId")?.to_owned();
    let (store, bucket, key) = (store.clone(), head.bucket().to_owned(), head.key().to_owned());
    blocking(move || store.commit_part(&bucket, &key, &id, number, finished)).await
}

fn number(head: &Head) -> Result<u32, ApiError> {
    let text = head.parameter("partNumber")?;
    let number = text.parse().ok().filter(|it| (1..=PARTS_MAX).contains(it));
    number.ok_or_else(|| {
        Code::InvalidArgument
            .because("Part number must be an integer between 1 and 10000, inclusive")
            .with("ArgumentName", "partNumber")
            .with("ArgumentValue", text)
    })
}
