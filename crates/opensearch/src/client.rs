//! Requests to the cluster: its hosts in turn, our name or signature on each.

use std::{
    io::Write,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws::{
    Access, AccessError, AwsConfig, Connecting, Environment, Http, HttpError, Identity, Response,
    Signer, Tls,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderValue, Method, Request, header};
use pipeline::Clock;

use crate::{AwsBlock, Config, answer::Refusal, config::proxy_address, hosts::Hosts};

/// How long to wait for an answer, unless the user says otherwise.
const TIMEOUT: Duration = Duration::from_mins(1);
/// A smaller body is not worth compressing.
const COMPRESS_BYTES_MIN: usize = 1 << 10;

/// A cluster.
#[derive(Debug)]
pub(crate) struct Client {
    http: Http,
    /// With the prefix of every path.
    addresses: Vec<String>,
    hosts: Mutex<Hosts>,
    /// The host that was asked last, for messages.
    last: AtomicUsize,
    authorization: Option<HeaderValue>,
    signer: Option<Signer>,
    /// Whether credentials were fetched anew because the cluster did not take the old.
    refreshed: AtomicBool,
    compresses: bool,
    timeout: Duration,
    clock: Clock,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("{source}{hint}")]
    Http { source: HttpError, hint: &'static str },
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl From<HttpError> for RequestError {
    fn from(source: HttpError) -> RequestError {
        let hint = hint(&source.to_string());
        RequestError::Http { source, hint }
    }
}

impl RequestError {
    /// Whether the cluster may answer later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            RequestError::Http { source, .. } => {
                matches!(source, HttpError::Unreachable { .. } | HttpError::Timeout { .. })
            }
            RequestError::Access(error) => matches!(error, AccessError::NoRole { .. }),
        }
    }

    /// Whether the request may have been carried out all the same.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, RequestError::Http { source: HttpError::Timeout { .. }, .. })
    }
}

/// What to do about a connection that does not come about, by what the system said.
fn hint(reason: &str) -> &'static str {
    let hints: [(&[&str], &str); 6] = [
        (
            &["certificate expired", "CertExpired", "Expired"],
            "; its certificate has expired: renew it there, or set `insecure: true` for a test",
        ),
        (
            &["UnknownIssuer", "unknown issuer", "CaUsedAsEndEntity"],
            "; nobody we trust signed its certificate: name its authority with `cert`, or set `insecure: true` for a test",
        ),
        (
            &["NotValidForName", "not valid for name"],
            "; its certificate is for another name: write that name in `hosts`",
        ),
        (
            &["InvalidContentType", "corrupt message"],
            "; it does not speak TLS: write `http://` in `hosts`",
        ),
        (
            &[
                "invalid HTTP version",
                "message head is too large",
                "invalid token",
                "connection closed before message completed",
                "HTTP/1 message parsed",
            ],
            "; if the cluster speaks TLS, write `https://` in `hosts`",
        ),
        (
            &["dns error", "failed to lookup", "Name or service not known"],
            "; there is no such host: check `hosts`",
        ),
    ];
    let fits = |parts: &[&str]| parts.iter().any(|it| reason.contains(it));
    hints.iter().find(|(parts, _)| fits(parts)).map_or("", |(_, hint)| hint)
}

impl Client {
    pub(crate) fn new(
        config: &Config,
        environment: Environment,
        clock: Clock,
    ) -> Result<Client, HttpError> {
        let tls = match (&config.cert, config.insecure) {
            (_, true) => Tls::Anyone,
            (Some(path), false) => Tls::Certificate(path.clone()),
            (None, false) => Tls::System,
        };
        let is_tls = config.hosts.iter().any(|it| it.starts_with("https:"));
        let signer = config.aws.as_ref().map(|aws| {
            let service = if aws.serverless { "aoss" } else { "es" };
            Signer::new(access_of(aws, environment), service)
        });
        let connecting = Connecting {
            // Reading the certificates of the system takes time that a plain connection need not.
            tls: if is_tls { tls } else { Tls::Anyone },
            identity: identity(config)?,
            timeout: config.connect_timeout.map(Duration::from_millis),
            proxy: config.proxy.as_deref().and_then(proxy_address),
        };
        let prefix = config.path_prefix.as_deref().unwrap_or_default().trim_matches('/');
        let address = |host: &String| match (host.trim_end_matches('/'), prefix) {
            (host, "") => host.to_owned(),
            (host, prefix) => format!("{host}/{prefix}"),
        };
        Ok(Client {
            http: Http::with(connecting)?,
            addresses: config.hosts.iter().map(address).collect(),
            hosts: Mutex::new(Hosts::new(config.hosts.len())),
            last: AtomicUsize::new(0),
            authorization: authorization(config),
            signer,
            refreshed: AtomicBool::new(false),
            compresses: config.enable_request_compression,
            timeout: config.socket_timeout.map_or(TIMEOUT, Duration::from_millis),
            clock,
        })
    }

    /// The host that was asked last.
    pub(crate) fn host(&self) -> &str {
        &self.addresses[self.last.load(Ordering::Relaxed)]
    }

    /// Sends a request to the host whose turn it is; when it cannot be reached, to the others, too.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<Response, RequestError> {
        let (body, is_packed) = self.packed(body).await;
        let mut n_left = self.addresses.len();
        loop {
            n_left -= 1;
            let host = self.hosts().pick(self.clock.now());
            self.last.store(host, Ordering::Relaxed);
            let mut request = Request::builder()
                .method(method.clone())
                .uri(format!("{}{path}", self.addresses[host]))
                .header(header::CONTENT_TYPE, content_type)
                .body(body.clone())
                .map_err(HttpError::from)?;
            let headers = request.headers_mut();
            if is_packed {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            if let Some(authorization) = &self.authorization {
                headers.insert(header::AUTHORIZATION, authorization.clone());
            }
            if let Some(signer) = &self.signer {
                signer.sign(&mut request).await?;
            }
            match self.http.send(request, self.timeout).await {
                Ok(answer) if self.has_lapsed(&answer).await => n_left += 1,
                Ok(answer) => {
                    self.hosts().is_well(host);
                    return Ok(answer);
                }
                Err(error) => {
                    let others_are_well = self.hosts().is_away(host, self.clock.now());
                    let error = RequestError::from(error);
                    // After a timeout the request may be at work there; it need not be here, too.
                    if n_left == 0
                        || !others_are_well
                        || !error.is_transient()
                        || error.is_timeout()
                    {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Whether our credentials have lapsed before they should. They are fetched anew, once in a row.
    async fn has_lapsed(&self, answer: &Response) -> bool {
        let Some(signer) = &self.signer else { return false };
        if answer.status != 403 && answer.status != 401 {
            self.refreshed.store(false, Ordering::Relaxed);
            return false;
        }
        let reason = Refusal::of_body(&answer.body).reason.to_lowercase();
        if !reason.contains("expired") || self.refreshed.swap(true, Ordering::Relaxed) {
            return false;
        }
        signer.access().forget().await;
        true
    }

    /// How many hosts do not answer.
    pub(crate) fn n_away(&self) -> usize {
        self.hosts().n_away(self.clock.now())
    }

    async fn packed(&self, body: Bytes) -> (Bytes, bool) {
        if !self.compresses || body.len() < COMPRESS_BYTES_MIN {
            return (body, false);
        }
        let plain = body.clone();
        let packing = tokio::task::spawn_blocking(move || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&plain).and_then(|()| encoder.finish())
        });
        match packing.await {
            Ok(Ok(packed)) => (packed.into(), true),
            // Memory does not fail to be written to.
            Ok(Err(_)) | Err(_) => (body, false),
        }
    }

    fn hosts(&self) -> std::sync::MutexGuard<'_, Hosts> {
        self.hosts.lock().expect("no panics while locked")
    }
}

/// As whom to make calls.
pub(crate) fn access_of(aws: &AwsBlock, environment: Environment) -> Access {
    let config = AwsConfig {
        region: aws.region.clone(),
        sts_role_arn: aws.sts_role_arn.clone(),
        sts_external_id: aws.sts_external_id.clone(),
        endpoint: None,
    };
    Access::new(config, environment)
}

fn authorization(config: &Config) -> Option<HeaderValue> {
    let block = config.authentication.clone().unwrap_or_default();
    let name = config.username.clone().or(block.username);
    let password = config.password.clone().or(block.password);
    let token = config.api_token.clone().or(block.api_token);
    let text = match (name.zip(password), token) {
        (Some((name, password)), _) => {
            format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
        }
        (None, Some(token)) => format!("Bearer {token}"),
        (None, None) => return None,
    };
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn identity(config: &Config) -> Result<Option<Identity>, HttpError> {
    let Some(block) = &config.authentication else { return Ok(None) };
    let (Some(certificate), Some(key)) = (&block.client_certificate, &block.client_key) else {
        return Ok(None);
    };
    let pem = |text: &String| {
        if text.contains("-----BEGIN") {
            return Ok(text.clone());
        }
        std::fs::read_to_string(text)
            .map_err(|error| HttpError::Identity(format!("{text}: {error}")))
    };
    Ok(Some(Identity { certificate: pem(certificate)?, key: pem(key)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_fails_comes_with_advice() {
        for (reason, advice) in [
            ("invalid peer certificate: certificate expired: verification time 1", "renew"),
            ("invalid peer certificate: UnknownIssuer", "`cert`"),
            ("invalid peer certificate: certificate not valid for name \"x\"", "another name"),
            ("received corrupt message of type InvalidContentType", "`http://`"),
            ("invalid HTTP version parsed", "`https://`"),
            ("dns error: failed to lookup address information", "no such host"),
            ("connection refused", ""),
        ] {
            assert!(hint(reason).contains(advice), "{reason}: {}", hint(reason));
            assert_eq!(hint(reason).is_empty(), advice.is_empty());
        }
    }
}
