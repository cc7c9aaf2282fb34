//! Requests to the cluster: its hosts in turn, our name or signature on each.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use aws::{Access, AccessError, AwsConfig, Environment, Http, HttpError, Response, Signer, Tls};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};

use crate::Config;

/// How long to wait for an answer, unless the user says otherwise.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A cluster.
#[derive(Debug)]
pub(crate) struct Client {
    http: Http,
    hosts: Vec<String>,
    /// The host that answered last.
    at: AtomicUsize,
    authorization: Option<HeaderValue>,
    signer: Option<Signer>,
    timeout: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl RequestError {
    /// Whether the cluster may answer later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self,
            RequestError::Http(HttpError::Unreachable { .. } | HttpError::Timeout { .. })
        )
    }
}

impl Client {
    pub(crate) fn new(config: &Config, environment: Environment) -> Result<Client, HttpError> {
        let tls = match (&config.cert, config.insecure) {
            (_, true) => Tls::Anyone,
            (Some(path), false) => Tls::Certificate(path.clone()),
            (None, false) => Tls::System,
        };
        let is_tls = config.hosts.iter().any(|it| it.starts_with("https:"));
        let signer = config.aws.clone().map(|aws| {
            let service = if aws.serverless { "aoss" } else { "es" };
            let access = AwsConfig {
                region: aws.region,
                sts_role_arn: aws.sts_role_arn,
                sts_external_id: aws.sts_external_id,
                endpoint: None,
            };
            Signer::new(Access::new(access, environment), service)
        });
        let authorization = config.username.as_ref().zip(config.password.as_ref());
        let authorization = authorization.map(|(username, password)| {
            let token = STANDARD.encode(format!("{username}:{password}"));
            let mut value = HeaderValue::try_from(format!("Basic {token}")).expect("base64");
            value.set_sensitive(true);
            value
        });
        Ok(Client {
            http: if is_tls { Http::new(&tls)? } else { Http::plain() },
            hosts: config.hosts.iter().map(|it| it.trim_end_matches('/').to_owned()).collect(),
            at: AtomicUsize::new(0),
            authorization,
            signer,
            timeout: config.socket_timeout.map_or(TIMEOUT, Duration::from_millis),
        })
    }

    /// The host that requests go to now.
    pub(crate) fn host(&self) -> &str {
        &self.hosts[self.at.load(Ordering::Relaxed) % self.hosts.len()]
    }

    /// Sends a request to the host that answered last; when it cannot be reached, the next request
    /// goes to the next host.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<Response, RequestError> {
        let at = self.at.load(Ordering::Relaxed);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.host()))
            .header(header::CONTENT_TYPE, content_type)
            .body(body)
            .map_err(HttpError::from)?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        if let Some(signer) = &self.signer {
            signer.sign(&mut request).await?;
        }
        let answer = self.http.send(request, self.timeout).await;
        if answer.is_err() {
            let next = at.wrapping_add(1);
            let _ = self.at.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        Ok(answer?)
    }
}
