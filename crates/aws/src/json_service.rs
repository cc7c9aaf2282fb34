//! Calls of a service that speaks JSON: DynamoDB, its streams, and their kin.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, header};
use serde_json::Value;

use crate::{Access, AccessError, Http, HttpError, Signer, Tls};

/// How long a call may take. AWS answers within seconds or not at all.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// One service at one endpoint.
#[derive(Clone, Debug)]
pub struct JsonService {
    http: Http,
    signer: Signer,
    endpoint: String,
    target: &'static str,
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service said no.
    #[error("{operation}: {code}: {message}")]
    Refused {
        /// What we asked for.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// The error's name, `ResourceNotFoundException`.
        code: String,
        /// What it said about it.
        message: String,
    },
    /// There was no answer.
    #[error("{operation}: {source}")]
    NoAnswer {
        /// What we asked for.
        operation: String,
        /// Why.
        source: HttpError,
    },
    /// The call could not be signed.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl CallError {
    /// The error's name, if the service gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            CallError::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            CallError::Refused { status, .. } if 500 <= *status => true,
            CallError::Refused { code, .. } => matches!(
                code.as_str(),
                "LimitExceededException"
                    | "ProvisionedThroughputExceededException"
                    | "RequestLimitExceeded"
                    | "Throttling"
                    | "ThrottlingException"
                    | "RequestTimeout"
                    | "ExpiredTokenException"
            ),
            CallError::NoAnswer { .. } => true,
            CallError::Access(_) => false,
        }
    }
}

impl JsonService {
    /// The service `name` as `DYNAMODB`, signed as `dynamodb`, whose operations are `target.Name`.
    ///
    /// # Errors
    ///
    /// When there is no region to find its endpoint by.
    pub async fn new(
        access: &Access,
        name: &str,
        host: &str,
        target: &'static str,
    ) -> Result<JsonService, CallError> {
        let endpoint = if let Some(endpoint) = access.endpoint(name) {
            endpoint.trim_end_matches('/').to_owned()
        } else {
            let region = access.region().await?;
            format!("https://{host}.{region}.{}", domain(&region))
        };
        let no_client = |source| CallError::NoAnswer { operation: name.to_owned(), source };
        let http = Http::for_address(&endpoint, &Tls::System).map_err(no_client)?;
        // `streams.dynamodb` is signed as `dynamodb`, and every other one by its own name.
        let signed_as = match host {
            "secretsmanager" => "secretsmanager",
            _ => "dynamodb",
        };
        Ok(JsonService { http, signer: Signer::new(access.clone(), signed_as), endpoint, target })
    }

    /// Where the calls go.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What time it is there, in milliseconds since the epoch, rounded down to a second: a clock of
    /// ours may be wrong. Asks without a signature, because any answer tells.
    ///
    /// # Errors
    ///
    /// When there is no answer, or it does not tell.
    pub async fn now_ms(&self) -> Result<u64, CallError> {
        let no_answer =
            |source| CallError::NoAnswer { operation: "what time it is".to_owned(), source };
        let request = Request::get(format!("{}/", self.endpoint)).body(Bytes::new());
        let request = request.map_err(|error| no_answer(error.into()))?;
        let answer = self.http.send(request, CALL_TIMEOUT).await.map_err(no_answer)?;
        let date = answer.headers.get(header::DATE).and_then(|it| it.to_str().ok());
        let date = date.and_then(|it| httpdate::parse_http_date(it).ok());
        let since = date.and_then(|it| it.duration_since(UNIX_EPOCH).ok());
        since.and_then(|it| u64::try_from(it.as_millis()).ok()).ok_or_else(|| CallError::Refused {
            operation: "what time it is".to_owned(),
            status: answer.status.as_u16(),
            code: "NoDate".to_owned(),
            message: "the answer has no date".to_owned(),
        })
    }

    /// Makes one call and returns the answer as it came.
    ///
    /// # Errors
    ///
    /// When the service refuses, or does not answer.
    pub async fn call(&self, operation: &str, body: impl Into<Bytes>) -> Result<Bytes, CallError> {
        let no_answer = |source| CallError::NoAnswer { operation: operation.to_owned(), source };
        let mut request = Request::post(format!("{}/", self.endpoint))
            .header(header::CONTENT_TYPE, content_type(self.target))
            .header("x-amz-target", format!("{}.{operation}", self.target))
            .body(body.into())
            .map_err(|error| no_answer(error.into()))?;
        self.signer.sign(&mut request).await?;
        let answer = self.http.send(request, CALL_TIMEOUT).await.map_err(no_answer)?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let (code, message) = refusal(&answer.body);
        let operation = operation.to_owned();
        Err(CallError::Refused { operation, status: answer.status.as_u16(), code, message })
    }

    /// Makes one call whose answer is small, and reads it.
    ///
    /// # Errors
    ///
    /// As [`JsonService::call`]; an answer that is not JSON counts as none.
    pub async fn ask(&self, operation: &str, body: &Value) -> Result<Value, CallError> {
        let answer = self.call(operation, body.to_string()).await?;
        serde_json::from_slice(&answer).map_err(|error| CallError::Refused {
            operation: operation.to_owned(),
            status: 502,
            code: "MalformedAnswer".to_owned(),
            message: error.to_string(),
        })
    }
}

/// Secrets Manager speaks a later version, in which nothing that we use differs.
fn content_type(target: &str) -> &'static str {
    match target {
        "secretsmanager" => "application/x-amz-json-1.1",
        _ => "application/x-amz-json-1.0",
    }
}

/// What the names of a region's services end in.
pub(crate) fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// The name and text of an error: `{"__type":"namespace#Name","message":"…"}`.
fn refusal(body: &[u8]) -> (String, String) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return (
            "UnknownError".to_owned(),
            String::from_utf8_lossy(body).chars().take(200).collect(),
        );
    };
    let text = |names: &[&str]| {
        names.iter().find_map(|name| body.get(name)?.as_str()).unwrap_or_default().to_owned()
    };
    let code = text(&["__type", "code"]);
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    (code, text(&["message", "Message"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_known_by_its_name() {
        for (body, code, message) in [
            (
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no"}"#,
                "ResourceNotFoundException",
                "no",
            ),
            (
                r#"{"__type":"ExpiredIteratorException","Message":"old"}"#,
                "ExpiredIteratorException",
                "old",
            ),
            ("<html>", "UnknownError", "<html>"),
        ] {
            assert_eq!(refusal(body.as_bytes()), (code.to_owned(), message.to_owned()));
        }
    }

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        for (status, code, transient) in [
            (400, "ProvisionedThroughputExceededException", true),
            (400, "ThrottlingException", true),
            (500, "InternalServerError", true),
            (503, "", true),
            (400, "ResourceNotFoundException", false),
            (400, "AccessDeniedException", false),
            (400, "TrimmedDataAccessException", false),
        ] {
            let error = CallError::Refused {
                operation: "GetRecords".to_owned(),
                status,
                code: code.to_owned(),
                message: String::new(),
            };
            assert_eq!(error.is_transient(), transient, "{status} {code}");
        }
    }
}
