//! Objects in S3: the few calls that exports and dead letters need.

use std::{fmt::Write, ops::Range, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};

use crate::{Access, AccessError, Http, HttpError, Response, Signer, Tls, json_service::domain};

mod xml;

/// How long a call may take. A part of an object is some megabytes.
const CALL_TIMEOUT: Duration = Duration::from_mins(2);

/// S3, or something on this machine that speaks like it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct S3 {
    http: Http,
    signer: Signer,
    place: Place,
    /// The account that buckets must belong to.
    owner: Option<String>,
}

#[derive(Clone, Debug)]
enum Place {
    /// `https://BUCKET.s3.REGION.amazonaws.com/KEY`
    Aws { region: String },
    /// `ENDPOINT/BUCKET/KEY`
    Endpoint(String),
}

/// What S3 says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// How many bytes it has.
    pub size: u64,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// When it was written, as S3 puts it; empty if it did not say.
    pub last_modified: String,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects, by key.
    pub objects: Vec<Object>,
    /// What to ask for the next page with; `None` at the end.
    pub next: Option<String>,
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// S3 said no.
    #[error("{operation} s3://{bucket}/{key}: {status} {code}: {message}")]
    Refused {
        /// What we asked for.
        operation: &'static str,
        /// The bucket.
        bucket: String,
        /// The key, or the prefix of a listing.
        key: String,
        /// The HTTP status.
        status: u16,
        /// The error's name, `NoSuchKey`.
        code: String,
        /// What it said about it.
        message: String,
    },
    /// There was no answer.
    #[error("{operation} s3://{bucket}: {source}")]
    NoAnswer {
        /// What we asked for.
        operation: &'static str,
        /// The bucket.
        bucket: String,
        /// Why.
        source: HttpError,
    },
    /// The call could not be signed.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl S3Error {
    /// The error's name, if S3 gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            S3Error::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether there is no such object. (No such bucket is another matter.)
    pub fn is_missing(&self) -> bool {
        matches!(self, S3Error::Refused { status: 404, code, .. } if code != "NoSuchBucket")
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            S3Error::Refused { status, code, .. } => {
                matches!(status, 408 | 429 | 500..=599)
                    || matches!(code.as_str(), "SlowDown" | "RequestTimeout" | "ExpiredToken")
            }
            S3Error::NoAnswer { .. } => true,
            S3Error::Access(_) => false,
        }
    }
}

/// What a call is about.
#[derive(Clone, Copy)]
struct Call<'a> {
    operation: &'static str,
    bucket: &'a str,
    key: &'a str,
}

impl S3 {
    /// S3 in the region of `access`; or at `endpoint`, or where `AWS_ENDPOINT_URL_S3` says.
    ///
    /// # Errors
    ///
    /// When there is no region to find it by.
    pub async fn new(access: &Access, endpoint: Option<&str>) -> Result<S3, S3Error> {
        let endpoint = endpoint.map(str::to_owned).or_else(|| access.environment().endpoint("S3"));
        let place = match endpoint {
            Some(endpoint) => Place::Endpoint(endpoint.trim_end_matches('/').to_owned()),
            None => Place::Aws { region: access.region().await? },
        };
        let address = match &place {
            Place::Endpoint(endpoint) => endpoint,
            Place::Aws { .. } => "https:",
        };
        let no_client =
            |source| S3Error::NoAnswer { operation: "S3", bucket: String::new(), source };
        let http = Http::for_address(address, &Tls::System).map_err(no_client)?;
        Ok(S3 { http, signer: Signer::new(access.clone(), "s3"), place, owner: None })
    }

    /// The same, but only for buckets of the account `owner`: S3 refuses all others.
    #[must_use]
    pub fn of_owner(self, owner: Option<String>) -> S3 {
        S3 { owner, ..self }
    }

    /// Writes an object and returns its entity tag.
    ///
    /// # Errors
    ///
    /// When S3 refuses or does not answer.
    pub async fn put(&self, bucket: &str, key: &str, body: Bytes) -> Result<String, S3Error> {
        let call = Call { operation: "PutObject", bucket, key };
        let answer = self.send(call, Method::PUT, "", &[], body).await?;
        Ok(etag(&answer))
    }

    /// Reads an object whole.
    ///
    /// # Errors
    ///
    /// When S3 refuses, has no such object, or does not answer.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, S3Error> {
        let call = Call { operation: "GetObject", bucket, key };
        Ok(self.send(call, Method::GET, "", &[], Bytes::new()).await?.body)
    }

    /// Reads a part of an object, and fails if it is no longer the one with `etag`. A range beyond
    /// the end is cut short there.
    ///
    /// # Errors
    ///
    /// As [`S3::get`]; `PreconditionFailed` when the object has changed, `InvalidRange` when the
    /// range begins beyond the end.
    pub async fn get_range(
        &self,
        bucket: &str,
        key: &str,
        range: Range<u64>,
        etag: &str,
    ) -> Result<Bytes, S3Error> {
        let call = Call { operation: "GetObject", bucket, key };
        let last = range.end.saturating_sub(1);
        let range = format!("bytes={}-{last}", range.start);
        let etag = format!("\"{etag}\"");
        let headers = [("range", range.as_str()), ("if-match", etag.as_str())];
        Ok(self.send(call, Method::GET, "", &headers, Bytes::new()).await?.body)
    }

    /// What S3 says of an object; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When S3 refuses or does not answer.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<Option<Object>, S3Error> {
        let call = Call { operation: "HeadObject", bucket, key };
        let answer = match self.send(call, Method::HEAD, "", &[], Bytes::new()).await {
            Ok(answer) => answer,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        };
        let text = |name: header::HeaderName| {
            answer.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned()
        };
        Ok(Some(Object {
            key: key.to_owned(),
            size: text(header::CONTENT_LENGTH).parse().unwrap_or(0),
            etag: etag(&answer),
            last_modified: text(header::LAST_MODIFIED),
        }))
    }

    /// Deletes an object. One that is not there is no error.
    ///
    /// # Errors
    ///
    /// When S3 refuses or does not answer.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), S3Error> {
        let call = Call { operation: "DeleteObject", bucket, key };
        match self.send(call, Method::DELETE, "", &[], Bytes::new()).await {
            Err(error) if !error.is_missing() => Err(error),
            _ => Ok(()),
        }
    }

    /// One page of the objects whose keys begin with `prefix`, after the one that gave `next`.
    ///
    /// # Errors
    ///
    /// When S3 refuses or does not answer, or its answer is no listing.
    pub async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        next: Option<&str>,
    ) -> Result<ObjectPage, S3Error> {
        let call = Call { operation: "ListObjectsV2", bucket, key: prefix };
        let mut query = format!("list-type=2&prefix={}", encode(prefix, false));
        if let Some(next) = next {
            query = format!("continuation-token={}&{query}", encode(next, false));
        }
        let whole = Call { key: "", ..call };
        let answer = self.send(whole, Method::GET, &query, &[], Bytes::new()).await?;
        xml::listing(&answer.body)
            .ok_or_else(|| refused(call, 502, "MalformedAnswer", "the answer is no listing"))
    }

    async fn send(
        &self,
        call: Call<'_>,
        method: Method,
        query: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response, S3Error> {
        let no_answer = |source| S3Error::NoAnswer {
            operation: call.operation,
            bucket: call.bucket.to_owned(),
            source,
        };
        let mut request = Request::builder().method(method).uri(self.address(call, query));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(owner) = &self.owner {
            request = request.header("x-amz-expected-bucket-owner", owner);
        }
        let mut request = request.body(body).map_err(|error| no_answer(error.into()))?;
        self.signer.sign(&mut request).await?;
        let answer = self.http.send(request, CALL_TIMEOUT).await.map_err(no_answer)?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let (code, message) = xml::refusal(&answer.body).unwrap_or_else(|| {
            let code = match answer.status {
                // A HEAD has no body to say so.
                StatusCode::NOT_FOUND => "NoSuchKey",
                StatusCode::FORBIDDEN => "AccessDenied",
                StatusCode::PRECONDITION_FAILED => "PreconditionFailed",
                _ => "UnknownError",
            };
            (code.to_owned(), String::from_utf8_lossy(&answer.body).chars().take(200).collect())
        });
        Err(refused(call, answer.status.as_u16(), &code, &message))
    }

    fn address(&self, call: Call<'_>, query: &str) -> String {
        let (bucket, key) = (call.bucket, encode(call.key, true));
        let mut address = match &self.place {
            Place::Endpoint(endpoint) => format!("{endpoint}/{bucket}/{key}"),
            // A certificate for `*.s3…` covers no name with dots.
            Place::Aws { region } if bucket.contains('.') => {
                format!("https://s3.{region}.{}/{bucket}/{key}", domain(region))
            }
            Place::Aws { region } => {
                format!("https://{bucket}.s3.{region}.{}/{key}", domain(region))
            }
        };
        if !query.is_empty() {
            address.push('?');
            address.push_str(query);
        }
        address
    }
}

fn refused(call: Call<'_>, status: u16, code: &str, message: &str) -> S3Error {
    S3Error::Refused {
        operation: call.operation,
        bucket: call.bucket.to_owned(),
        key: call.key.to_owned(),
        status,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn etag(answer: &Response) -> String {
    let etag = answer.headers.get(header::ETAG).and_then(|it| it.to_str().ok());
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

/// Percent-encodes as the signature wants it: everything but `A-Za-z0-9-._~`, and in a path `/`.
fn encode(text: &str, path: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if path => out.push('/'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
