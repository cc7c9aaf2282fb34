//! What the endpoint answers when it cannot do what it is asked. Pure.

use std::{borrow::Cow, io};

use super::{chunked, xml};

/// One of S3's errors. Clients look at status and code; the message is for people.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    /// More elements of the document, as `<Key>`.
    details: Vec<(&'static str, String)>,
}

/// S3's codes, as far as this endpoint has a use for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    AccessDenied,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    BadDigest,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    EntityTooLarge,
    EntityTooSmall,
    IncompleteBody,
    InternalError,
    InvalidArgument,
    InvalidBucketName,
    InvalidDigest,
    InvalidPart,
    InvalidPartNumber,
    InvalidPartOrder,
    InvalidRange,
    InvalidRequest,
    InvalidUri,
    KeyTooLong,
    MalformedTrailer,
    MalformedXml,
    MetadataTooLarge,
    MethodNotAllowed,
    MissingContentLength,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    NotImplemented,
    NotModified,
    PayloadMismatch,
    PreconditionFailed,
}

impl Code {
    /// Its name, status, and what S3 says about it.
    #[rustfmt::skip]
    const fn facts(self) -> (&'static str, u16, &'static str) {
        match self {
            Code::AccessDenied => ("AccessDenied", 403, "Access Denied"),
            Code::AuthorizationHeaderMalformed => ("AuthorizationHeaderMalformed", 400, "The authorization header that you provided is not valid."),
            Code::AuthorizationQueryParametersError => ("AuthorizationQueryParametersError", 400, "The authorization query parameters that you provided are not valid."),
            Code::BadDigest => ("BadDigest", 400, "The Content-MD5 or checksum value that you specified did not match what the server received."),
            Code::BucketAlreadyOwnedByYou => ("BucketAlreadyOwnedByYou", 409, "Your previous request to create the named bucket succeeded and you already own it."),
            Code::BucketNotEmpty => ("BucketNotEmpty", 409, "The bucket you tried to delete is not empty"),
            Code::EntityTooLarge => ("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size"),
            Code::EntityTooSmall => ("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size"),
            Code::IncompleteBody => ("IncompleteBody", 400, "You did not provide the number of bytes specified by the Content-Length HTTP header."),
            Code::InternalError => ("InternalError", 500, "We encountered an internal error. Please try again."),
            Code::InvalidArgument => ("InvalidArgument", 400, "Invalid Argument"),
            Code::InvalidBucketName => ("InvalidBucketName", 400, "The specified bucket is not valid."),
            Code::InvalidDigest => ("InvalidDigest", 400, "The Content-MD5 you specified was invalid."),
            Code::InvalidPart => ("InvalidPart", 400, "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."),
            Code::InvalidPartNumber => ("InvalidPartNumber", 416, "The requested partnumber is not satisfiable"),
            Code::InvalidPartOrder => ("InvalidPartOrder", 400, "The list of parts was not in ascending order. Parts must be ordered by part number."),
            Code::InvalidRange => ("InvalidRange", 416, "The requested range is not satisfiable"),
            Code::InvalidRequest => ("InvalidRequest", 400, "Invalid Request"),
            Code::InvalidUri => ("InvalidURI", 400, "Couldn't parse the specified URI."),
            Code::KeyTooLong => ("KeyTooLongError", 400, "Your key is too long"),
            Code::MalformedTrailer => ("MalformedTrailerError", 400, "The request contained trailing data that was not well-formed or did not conform to our published schema."),
            Code::MalformedXml => ("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema"),
            Code::MetadataTooLarge => ("MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size"),
            Code::MethodNotAllowed => ("MethodNotAllowed", 405, "The specified method is not allowed against this resource."),
            Code::MissingContentLength => ("MissingContentLength", 411, "You must provide the Content-Length HTTP header."),
            Code::NoSuchBucket => ("NoSuchBucket", 404, "The specified bucket does not exist"),
            Code::NoSuchKey => ("NoSuchKey", 404, "The specified key does not exist."),
            Code::NoSuchUpload => ("NoSuchUpload", 404, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."),
            Code::NotImplemented => ("NotImplemented", 501, "A header or parameter that you provided implies functionality that is not implemented"),
            Code::NotModified => ("NotModified", 304, "Not Modified"),
            Code::PayloadMismatch => ("XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256' header does not match what was computed."),
            Code::PreconditionFailed => ("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"),
        }
    }

    /// This error, saying what is wrong in this case.
    pub(crate) fn because(self, message: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError { message: message.into(), ..ApiError::from(self) }
    }

    /// This error, about this thing.
    pub(crate) fn about(self, element: &'static str, value: impl Into<String>) -> ApiError {
        ApiError::from(self).with(element, value)
    }
}

impl ApiError {
    /// Adds an element.
    pub(crate) fn with(mut self, element: &'static str, value: impl Into<String>) -> ApiError {
        self.details.push((element, value.into()));
        self
    }

    /// An error that someone ordered: with the code that S3 gives this status.
    pub(crate) fn ordered(status: u16, code: Option<String>, message: Option<String>) -> ApiError {
        let (usual_code, usual_message) = match status {
            403 => ("AccessDenied", "Access Denied"),
            404 => ("NoSuchKey", "The specified key does not exist."),
            409 => ("OperationAborted", "A conflicting conditional operation is in progress."),
            412 => ("PreconditionFailed", "At least one of the pre-conditions did not hold"),
            429 | 503 => ("SlowDown", "Please reduce your request rate."),
            _ if status < 500 => ("InvalidRequest", "Ordered at /_local/faults."),
            _ => ("InternalError", "We encountered an internal error. Please try again."),
        };
        ApiError {
            status,
            code: code.map_or(Cow::Borrowed(usual_code), Cow::Owned),
            message: message.map_or(Cow::Borrowed(usual_message), Cow::Owned),
            details: Vec::new(),
        }
    }

    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == code.facts().0
    }

    /// The document that says so.
    pub(crate) fn document(&self, resource: &str, request_id: &str) -> String {
        let mut out = xml::Writer::new();
        out.open("Error");
        out.text("Code", &self.code);
        out.text("Message", &self.message);
        for (element, value) in &self.details {
            out.text(element, value);
        }
        out.text("Resource", resource);
        out.text("RequestId", request_id);
        out.text("HostId", "streamdex-local");
        out.close("Error");
        out.finish()
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> ApiError {
        let (name, status, message) = code.facts();
        ApiError { status, code: name.into(), message: message.into(), details: Vec::new() }
    }
}

impl From<io::Error> for ApiError {
    fn from(error: io::Error) -> ApiError {
        match error.kind() {
            io::ErrorKind::InvalidFilename => Code::KeyTooLong
                .because("Your key is too long for the file system under this endpoint"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::InternalError
                .because(format!("the disk under this endpoint is full: {error}")),
            _ => Code::InternalError.because(format!("the folder under this endpoint: {error}")),
        }
    }
}

impl From<chunked::Malformed> for ApiError {
    fn from(error: chunked::Malformed) -> ApiError {
        Code::IncompleteBody.because(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_document() {
        let error = Code::NoSuchKey.about("Key", "a<b");
        assert_eq!(
            error.document("/books/a<b", "4F"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>\
             <Key>a&lt;b</Key><Resource>/books/a&lt;b</Resource><RequestId>4F</RequestId>\
             <HostId>streamdex-local</HostId></Error>"
        );
        assert!(error.is(Code::NoSuchKey) && !error.is(Code::NoSuchBucket));
    }
}
