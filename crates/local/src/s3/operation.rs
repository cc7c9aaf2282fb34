//! Which of S3's calls a request is. Pure.

use axum::http::Method;

use super::{
    address::Address,
    error::{ApiError, Code},
    query::Query,
};

/// The calls that this endpoint answers, named as in S3's reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    ListBuckets,
    CreateBucket,
    HeadBucket,
    GetBucketLocation,
    GetBucketVersioning,
    DeleteBucket,
    ListObjects,
    ListObjectsV2,
    PutObject,
    CopyObject,
    GetObject,
    HeadObject,
    DeleteObject,
    DeleteObjects,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    ListParts,
    ListMultipartUploads,
    CompleteMultipartUpload,
    AbortMultipartUpload,
}

/// What S3 also keeps of a bucket or an object, and this endpoint does not. A request for any of
/// these must not be taken for one about the thing itself.
const NOT_KEPT: &[&str] = &[
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "versionId",
    "versions",
    "website",
];

impl Operation {
    pub(crate) const ALL: [Operation; 21] = [
        Operation::ListBuckets,
        Operation::CreateBucket,
        Operation::HeadBucket,
        Operation::GetBucketLocation,
        Operation::GetBucketVersioning,
        Operation::DeleteBucket,
        Operation::ListObjects,
        Operation::ListObjectsV2,
        Operation::PutObject,
        Operation::CopyObject,
        Operation::GetObject,
        Operation::HeadObject,
        Operation::DeleteObject,
        Operation::DeleteObjects,
        Operation::CreateMultipartUpload,
        Operation::UploadPart,
        Operation::UploadPartCopy,
        Operation::ListParts,
        Operation::ListMultipartUploads,
        Operation::CompleteMultipartUpload,
        Operation::AbortMultipartUpload,
    ];

    /// Reads method, address and parameters.
    ///
    /// # Errors
    ///
    /// When S3 has no such call, or this endpoint does not answer it.
    pub(crate) fn of(
        method: &Method,
        address: &Address,
        query: &Query,
        is_copy: bool,
    ) -> Result<Operation, ApiError> {
        // Without versions, every object has the one called `null`.
        let is_kept = |it: &&str| *it == "versionId" && query.get(it) == Some("null");
        let not_kept = query.names().find(|it| NOT_KEPT.contains(it) && !is_kept(it));
        if let Some(name) = not_kept {
            return Err(Code::NotImplemented
                .because(format!("the embedded S3 endpoint does not implement ?{name}")));
        }
        let operation = match (&address.bucket, &address.key) {
            (None, _) => Operation::of_service(method),
            (Some(_), None) => Operation::of_bucket(method, query),
            (Some(_), Some(_)) => Operation::of_object(method, query, is_copy),
        };
        operation.ok_or_else(|| Code::MethodNotAllowed.about("Method", method.as_str()))
    }

    /// Its name in S3's reference.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::ListBuckets => "ListBuckets",
            Operation::CreateBucket => "CreateBucket",
            Operation::HeadBucket => "HeadBucket",
            Operation::GetBucketLocation => "GetBucketLocation",
            Operation::GetBucketVersioning => "GetBucketVersioning",
            Operation::DeleteBucket => "DeleteBucket",
            Operation::ListObjects => "ListObjects",
            Operation::ListObjectsV2 => "ListObjectsV2",
            Operation::PutObject => "PutObject",
            Operation::CopyObject => "CopyObject",
            Operation::GetObject => "GetObject",
            Operation::HeadObject => "HeadObject",
            Operation::DeleteObject => "DeleteObject",
            Operation::DeleteObjects => "DeleteObjects",
            Operation::CreateMultipartUpload => "CreateMultipartUpload",
            Operation::UploadPart => "UploadPart",
            Operation::UploadPartCopy => "UploadPartCopy",
            Operation::ListParts => "ListParts",
            Operation::ListMultipartUploads => "ListMultipartUploads",
            Operation::CompleteMultipartUpload => "CompleteMultipartUpload",
            Operation::AbortMultipartUpload => "AbortMultipartUpload",
        }
    }

    fn of_service(method: &Method) -> Option<Operation> {
        (method == Method::GET).then_some(Operation::ListBuckets)
    }

    fn of_bucket(method: &Method, query: &Query) -> Option<Operation> {
        Some(match *method {
            Method::GET if query.has("location") => Operation::GetBucketLocation,
            Method::GET if query.has("versioning") => Operation::GetBucketVersioning,
            Method::GET if query.has("uploads") => Operation::ListMultipartUploads,
            Method::GET if query.get("list-type") == Some("2") => Operation::ListObjectsV2,
            Method::GET => Operation::ListObjects,
            Method::HEAD => Operation::HeadBucket,
            Method::PUT if query.has("versioning") => return None,
            Method::PUT => Operation::CreateBucket,
            Method::DELETE => Operation::DeleteBucket,
            Method::POST if query.has("delete") => Operation::DeleteObjects,
            _ => return None,
        })
    }

    fn of_object(method: &Method, query: &Query, is_copy: bool) -> Option<Operation> {
        let has_upload = query.has("uploadId");
        Some(match *method {
            Method::GET if has_upload => Operation::ListParts,
            Method::GET => Operation::GetObject,
            Method::HEAD => Operation::HeadObject,
            Method::PUT if has_upload && is_copy => Operation::UploadPartCopy,
            Method::PUT if has_upload => Operation::UploadPart,
            Method::PUT if is_copy => Operation::CopyObject,
            Method::PUT => Operation::PutObject,
            Method::DELETE if has_upload => Operation::AbortMultipartUpload,
            Method::DELETE => Operation::DeleteObject,
            Method::POST if has_upload => Operation::CompleteMultipartUpload,
            Method::POST if query.has("uploads") => Operation::CreateMultipartUpload,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_every_call() {
        for (request, expected) in [
            ("GET /", Operation::ListBuckets),
            ("PUT /books", Operation::CreateBucket),
            ("HEAD /books", Operation::HeadBucket),
            ("DELETE /books", Operation::DeleteBucket),
            ("GET /books?location", Operation::GetBucketLocation),
            ("GET /books?versioning", Operation::GetBucketVersioning),
            ("GET /books?prefix=a", Operation::ListObjects),
            ("GET /books?list-type=2&prefix=a", Operation::ListObjectsV2),
            ("GET /books?uploads", Operation::ListMultipartUploads),
            ("POST /books?delete", Operation::DeleteObjects),
            ("PUT /books/a?x-id=PutObject", Operation::PutObject),
            ("COPY /books/a", Operation::CopyObject),
            ("GET /books/a", Operation::GetObject),
            ("GET /books/a?versionId=null", Operation::GetObject),
            ("HEAD /books/a", Operation::HeadObject),
            ("DELETE /books/a", Operation::DeleteObject),
            ("POST /books/a?uploads", Operation::CreateMultipartUpload),
            ("PUT /books/a?partNumber=1&uploadId=u", Operation::UploadPart),
            ("COPY /books/a?partNumber=1&uploadId=u", Operation::UploadPartCopy),
            ("GET /books/a?uploadId=u", Operation::ListParts),
            ("POST /books/a?uploadId=u", Operation::CompleteMultipartUpload),
            ("DELETE /books/a?uploadId=u", Operation::AbortMultipartUpload),
        ] {
            assert_eq!(operation(request).unwrap(), expected, "{request}");
            assert!(Operation::ALL.contains(&expected));
        }
    }

    #[test]
    fn says_what_it_cannot_do() {
        for (request, code, when) in [
            ("POST /", Code::MethodNotAllowed, "the service only lists"),
            ("PATCH /books/a", Code::MethodNotAllowed, "no method of S3"),
            ("POST /books/a", Code::MethodNotAllowed, "a form"),
            ("GET /books?acl", Code::NotImplemented, "a bucket's rights"),
            ("PUT /books/a?tagging", Code::NotImplemented, "would overwrite the object"),
            ("DELETE /books?policy", Code::NotImplemented, "would delete the bucket"),
            ("PUT /books?versioning", Code::MethodNotAllowed, "would create a bucket"),
            ("DELETE /books/a?versionId=7", Code::NotImplemented, "an older version"),
        ] {
            let error = operation(request).unwrap_err();
            assert!(error.is(code), "{request}: {when}: {error}");
        }
    }

    fn operation(request: &str) -> Result<Operation, ApiError> {
        let (method, uri) = request.split_once(' ').unwrap();
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let (method, is_copy) = match method {
            "COPY" => (Method::PUT, true),
            _ => (method.parse().unwrap(), false),
        };
        let address = Address::of("localhost", path).unwrap();
        Operation::of(&method, &address, &Query::parse(query).unwrap(), is_copy)
    }
}
