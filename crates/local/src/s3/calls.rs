//! What each call does, and which function does it.

mod bucket;
mod copy;
mod delete_many;
mod list;
mod list_uploads;
mod multipart;
mod object;

use std::sync::Arc;

use axum::body::Body;

use super::{answer::Answer, error::ApiError, head::Head, operation::Operation, store::Store};

/// Does what a request asks for.
///
/// # Errors
///
/// When it cannot be done.
pub(crate) async fn call(
    store: &Arc<Store>,
    head: &Head,
    body: &mut Body,
) -> Result<Answer, ApiError> {
    match head.operation {
        Operation::ListBuckets => bucket::list(store, head).await,
        Operation::CreateBucket => bucket::create(store, head, body).await,
        Operation::HeadBucket => bucket::head(store, head).await,
        Operation::GetBucketLocation => bucket::location(store, head).await,
        Operation::GetBucketVersioning => bucket::versioning(store, head).await,
        Operation::DeleteBucket => bucket::delete(store, head).await,
        Operation::ListObjects => list::list_1(store, head).await,
        Operation::ListObjectsV2 => list::list_2(store, head).await,
        Operation::PutObject => object::put(store, head, body).await,
        Operation::CopyObject => copy::copy(store, head).await,
        Operation::GetObject => object::get(store, head, true).await,
        Operation::HeadObject => object::get(store, head, false).await,
        Operation::DeleteObject => object::delete(store, head).await,
        Operation::DeleteObjects => delete_many::delete_many(store, head, body).await,
        Operation::CreateMultipartUpload => multipart::create(store, head).await,
        Operation::UploadPart => multipart::upload_part(store, head, body).await,
        Operation::UploadPartCopy => multipart::copy_part(store, head).await,
        Operation::ListParts => list_uploads::list_parts(store, head).await,
        Operation::ListMultipartUploads => list_uploads::list_uploads(store, head).await,
        Operation::CompleteMultipartUpload => multipart::complete(store, head, body).await,
        Operation::AbortMultipartUpload => multipart::abort(store, head).await,
    }
}
