//! `ListBuckets`, and the calls about one bucket.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderName, StatusCode, header},
};

use crate::s3::{
    answer::{self, Answer},
    error::{ApiError, Code},
    head::Head,
    store::Store,
    time,
    transfer::{self, blocking},
    xml::{Element, Writer},
};

/// The owner of everything here.
pub(crate) const OWNER: &str = "streamdex";
/// The region of buckets that nobody gave one.
const REGION_DEFAULT: &str = "us-east-1";
/// A configuration is a name or two.
const CONFIGURATION_BYTES_MAX: usize = 64 * 1024;

pub(crate) async fn list(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let store = store.clone();
    let buckets = blocking(move || store.buckets()).await?;
    let prefix = head.query.get("prefix").unwrap_or_default();
    let mut out = Writer::document("ListAllMyBucketsResult");
    out.open("Owner");
    out.text("ID", OWNER);
    out.close("Owner");
    out.open("Buckets");
    for (name, bucket) in buckets.iter().filter(|(name, _)| name.starts_with(prefix)) {
        out.open("Bucket");
        out.text("Name", name);
        out.text("CreationDate", &time::iso(bucket.created_ms));
        out.text("BucketRegion", bucket.region.as_deref().unwrap_or(REGION_DEFAULT));
        out.close("Bucket");
    }
    out.close("Buckets");
    out.close("ListAllMyBucketsResult");
    Ok(answer::document(out))
}

pub(crate) async fn create(
    store: &Arc<Store>,
    head: &Head,
    body: &mut Body,
) -> Result<Answer, ApiError> {
    let configuration = transfer::read_small(body, CONFIGURATION_BYTES_MAX).await?;
    let region = region(&configuration)?;
    let in_default_region = region.is_none() && head.region().is_none_or(|it| it == REGION_DEFAULT);
    let (store, bucket) = (store.clone(), head.bucket().to_owned());
    match blocking(move || store.create_bucket(&bucket, region)).await {
        // So it is in this region, and only there.
        Err(error) if error.is(Code::BucketAlreadyOwnedByYou) && in_default_region => {}
        result => result?,
    }
    let mut answer = answer::empty(StatusCode::OK);
    answer::put(&mut answer, header::LOCATION, format!("/{}", head.bucket()));
    Ok(answer)
}

/// The region that a new bucket is to be in.
fn region(configuration: &[u8]) -> Result<Option<String>, ApiError> {
    let text = std::str::from_utf8(configuration).map_err(|_| Code::MalformedXml)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let root = Element::read(text, "CreateBucketConfiguration")?;
    let region = root.text_of("LocationConstraint").map(str::trim).unwrap_or_default();
    Ok((!region.is_empty()).then(|| region.to_owned()))
}

pub(crate) async fn head(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let (store, name) = (store.clone(), head.bucket().to_owned());
    let bucket = blocking(move || store.bucket(&name)).await?;
    let mut answer = answer::empty(StatusCode::OK);
    let region = bucket.region.as_deref().unwrap_or(REGION_DEFAULT);
    answer::put(&mut answer, HeaderName::from_static("x-amz-bucket-region"), region);
    Ok(answer)
}

pub(crate) async fn location(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let (store, name) = (store.clone(), head.bucket().to_owned());
    let bucket = blocking(move || store.bucket(&name)).await?;
    let mut out = Writer::document("LocationConstraint");
    out.content(bucket.region.as_deref().unwrap_or_default());
    out.close("LocationConstraint");
    Ok(answer::document(out))
}

/// There are no versions, which is what an empty configuration says.
pub(crate) async fn versioning(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let (store, name) = (store.clone(), head.bucket().to_owned());
    blocking(move || store.bucket(&name)).await?;
    let mut out = Writer::document("VersioningConfiguration");
    out.close("VersioningConfiguration");
    Ok(answer::document(out))
}

pub(crate) async fn delete(store: &Arc<Store>, head: &Head) -> Result<Answer, ApiError> {
    let (store, name) = (store.clone(), head.bucket().to_owned());
    blocking(move || store.delete_bucket(&name)).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
