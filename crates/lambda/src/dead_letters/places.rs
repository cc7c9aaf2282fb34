//! Calls of SQS and S3, one each.

use std::{fmt, sync::Arc, time::Duration};

use aws::{Access, AccessError, AwsConfig, Environment, Http, HttpError, Signer, Tls};
use bytes::Bytes;
use http::{Request, header};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a letter was not taken.
#[derive(Debug)]
pub(super) struct NotTaken {
    reason: String,
    /// Whether it may be taken later.
    pub(super) is_transient: bool,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl From<AccessError> for NotTaken {
    fn from(error: AccessError) -> NotTaken {
        NotTaken { reason: error.to_string(), is_transient: false }
    }
}

impl From<HttpError> for NotTaken {
    fn from(error: HttpError) -> NotTaken {
        NotTaken { reason: error.to_string(), is_transient: true }
    }
}

/// One service: signs, sends, and reads a refusal. Connects when it is first needed, because most
/// functions never write a dead letter.
#[derive(Clone, Debug)]
struct Service {
    signer: Signer,
    http: Arc<OnceCell<Http>>,
}

impl Service {
    fn new(name: &'static str, region: Option<String>, environment: Environment) -> Service {
        let access = Access::new(AwsConfig { region, ..AwsConfig::default() }, environment);
        Service { signer: Signer::new(access, name), http: Arc::default() }
    }

    async fn send(&self, mut request: Request<Bytes>) -> Result<(), NotTaken> {
        let address = request.uri().to_string();
        let http = self
            .http
            .get_or_try_init(|| async { Http::for_address(&address, &Tls::System) })
            .await?;
        self.signer.sign(&mut request).await?;
        let answer = http.send(request, CALL_TIMEOUT).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let text: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
        let throttled = ["Throttl", "SlowDown", "RequestLimit"].iter().any(|it| text.contains(it));
        let is_transient = answer.status.is_server_error() || throttled;
        Err(NotTaken { reason: format!("{}: {text}", answer.status), is_transient })
    }
}

/// A queue.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    service: Service,
    url: String,
    /// Whether it keeps order, and wants to know of what.
    is_fifo: bool,
    /// Where its calls go: the queue's own host unless the user says otherwise.
    endpoint: String,
}

impl Queue {
    pub(super) fn new(url: &str, environment: Environment) -> Queue {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let host = rest.split('/').next().unwrap_or_default();
        let endpoint = environment.endpoint("SQS").unwrap_or_else(|| format!("{scheme}://{host}"));
        // `sqs.eu-west-1.amazonaws.com`
        let region = host.strip_prefix("sqs.").and_then(|it| it.split('.').next());
        let region = region.filter(|_| host.contains(".amazonaws.")).map(str::to_owned);
        Queue {
            service: Service::new("sqs", region, environment),
            url: url.to_owned(),
            is_fifo: url.strip_suffix(".fifo").is_some(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
        }
    }

    pub(super) async fn send(&self, body: &str, group: &str, name: &str) -> Result<(), NotTaken> {
        let mut message = json!({ "QueueUrl": self.url, "MessageBody": body });
        if self.is_fifo {
            message["MessageGroupId"] = Value::String(token(group));
            message["MessageDeduplicationId"] = Value::String(token(name));
        }
        let request = Request::post(format!("{}/", self.endpoint))
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
            .header("x-amz-target", "AmazonSQS.SendMessage")
            .body(Bytes::from(message.to_string()))
            .map_err(HttpError::from)?;
        self.service.send(request).await
    }
}

/// Queues take at most 128 letters, digits and marks here.
fn token(text: &str) -> String {
    let plain = |it: char| if it.is_ascii_graphic() { it } else { '_' };
    text.chars().map(plain).take(128).collect()
}

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    service: Service,
    environment: Environment,
    name: String,
    prefix: String,
}

impl Bucket {
    pub(super) fn new(bucket: &str, prefix: &str, environment: Environment) -> Bucket {
        Bucket {
            service: Service::new("s3", None, environment.clone()),
            environment,
            name: bucket.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    /// Where the letter `name` is. A letter written twice is there once.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}.json", self.prefix)
    }

    pub(super) fn address(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    pub(super) async fn put(&self, key: &str, body: &str) -> Result<(), NotTaken> {
        let bucket = &self.name;
        let url = if let Some(endpoint) = self.environment.endpoint("S3") {
            format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/'))
        } else {
            let region = self.service.signer.access().region().await?;
            let is_china = region.starts_with("cn-");
            let domain = if is_china { "amazonaws.com.cn" } else { "amazonaws.com" };
            if bucket.contains('.') {
                // A name with dots is not covered by the certificate.
                format!("https://s3.{region}.{domain}/{bucket}/{key}")
            } else {
                format!("https://{bucket}.s3.{region}.{domain}/{key}")
            }
        };
        let request = Request::put(url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .map_err(HttpError::from)?;
        self.service.send(request).await
    }
}
