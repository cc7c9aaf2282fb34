//! Requests to the domain and Dashboards, passed on.
//!
//! `request` reads the event, `rules` says whether it may pass, `headers` and `path` what is sent,
//! `rewrite` and `reply` what comes back: all of them pure. Here it is sent.

mod headers;
pub(crate) mod path;
mod reply;
mod request;
mod rewrite;
pub(crate) mod rules;

use std::time::Duration;

use aws::{Access, AwsConfig, Environment, Http, HttpError, Signer, Tls};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Method, Request, header};
use pipeline::Clock;
use tokio::sync::OnceCell;
use tracing::info;

use self::{
    reply::{Format, Reply},
    request::Asked,
};
use crate::{
    Context,
    event::Trigger,
    metrics::Metric,
    settings::{Auth, ProxySettings, Settings},
};

/// How long the domain may take: API Gateway gives up after 29 s, and then nobody would be told.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(25);
/// What is left of the function's own time when we give up.
const MARGIN: Duration = Duration::from_secs(2);

/// Passes requests on.
#[derive(Debug)]
pub(crate) struct Proxy {
    settings: ProxySettings,
    host: String,
    auth: Auth,
    signer: Signer,
    /// Connected when it is first needed.
    http: OnceCell<Http>,
    clock: Clock,
}

/// What became of a request, in numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    pub(crate) status: u16,
    /// Whether it was not passed on because it may not be.
    pub(crate) refused: bool,
    pub(crate) took_ms: u64,
}

impl Passed {
    pub(crate) fn metrics(&self) -> [Metric; 4] {
        [
            ("Requests", "Count", 1),
            ("RequestsRefused", "Count", i64::from(self.refused)),
            ("RequestsFailed", "Count", i64::from(500 <= self.status)),
            ("RequestMs", "Milliseconds", i64::try_from(self.took_ms).unwrap_or(i64::MAX)),
        ]
    }
}

impl Proxy {
    pub(crate) fn new(
        settings: &Settings,
        proxy: &ProxySettings,
        environment: &Environment,
        clock: &Clock,
    ) -> Proxy {
        let service = match settings.auth {
            Auth::Aws { serverless: true } => "aoss",
            _ => "es",
        };
        let access = Access::new(AwsConfig::default(), environment.clone());
        Proxy {
            settings: proxy.clone(),
            host: settings.host.clone(),
            auth: settings.auth.clone(),
            signer: Signer::new(access, service),
            http: OnceCell::new(),
            clock: clock.clone(),
        }
    }

    /// Answers the request in `payload`. There is always an answer: what went wrong is one, too.
    pub(crate) async fn handle(
        &self,
        trigger: &Trigger,
        payload: &[u8],
        context: &Context,
    ) -> (String, Passed) {
        let began = self.clock.now();
        let id = &context.request_id;
        let (format, asked) = match trigger {
            Trigger::RestV1 => (Format::V1, request::rest_v1(payload, &self.settings)),
            _ => (Format::V2, request::http_v2(payload, &self.settings)),
        };
        let mut refused = false;
        let reply = match asked {
            Err(error) => Reply::problem(400, "bad_request", &error.to_string(), id),
            Ok(asked) => match rules::judge(self.settings.mode, &asked) {
                Err(refusal) => {
                    refused = true;
                    info!(method = asked.method, status = refusal.status, "request not passed on");
                    Reply::problem(refusal.status, "not_passed_on", &refusal.reason, id)
                }
                Ok(()) => self.pass_on(&asked, context).await,
            },
        };
        let took_ms = self.clock.now().0.saturating_sub(began.0);
        let passed = Passed { status: reply.status, refused, took_ms };
        (reply.write_within_limit(format, id), passed)
    }

    async fn pass_on(&self, asked: &Asked, context: &Context) -> Reply {
        let left = context.time_left(self.clock.now());
        let timeout = ANSWER_TIME_MAX.min(left.saturating_sub(MARGIN.min(left / 2)));
        let id = &context.request_id;
        let began = self.clock.now();
        let mut sent = self.send(asked, timeout).await;
        // Between events we are frozen, and connections die unseen. Reading twice does no harm.
        let reads = matches!(asked.method.as_str(), "GET" | "HEAD");
        if reads && matches!(&sent, Err(NoAnswer::Http(HttpError::Unreachable { .. }))) {
            let took_ms = self.clock.now().0.saturating_sub(began.0);
            sent = self.send(asked, timeout.saturating_sub(Duration::from_millis(took_ms))).await;
        }
        match sent {
            Ok(reply) => reply.for_client(asked, &self.host),
            Err(NoAnswer::Http(error @ HttpError::Timeout { .. })) => {
                let reason = format!("{error}; it may still be at work on the request");
                Reply::problem(504, "no_answer_in_time", &reason, id)
            }
            Err(NoAnswer::Http(HttpError::Invalid(error))) => {
                Reply::problem(400, "bad_request", &error.to_string(), id)
            }
            Err(error) => Reply::problem(502, "no_answer", &error.to_string(), id),
        }
    }

    async fn send(&self, asked: &Asked, timeout: Duration) -> Result<Reply, NoAnswer> {
        let http = self
            .http
            .get_or_try_init(|| async { Http::for_address(&self.host, &Tls::System) })
            .await?;
        let mut url = format!("{}{}", self.host, asked.path);
        if !asked.query.is_empty() {
            url.push('?');
            url.push_str(&asked.query);
        }
        let mut request = Request::builder()
            .method(
                Method::from_bytes(asked.method.as_bytes())
                    .map_err(http::Error::from)
                    .map_err(HttpError::from)?,
            )
            .uri(url)
            .body(asked.body.clone())
            .map_err(HttpError::from)?;
        // Signed is what says where and what; other headers may be changed on the way.
        match &self.auth {
            Auth::Aws { .. } => self.signer.sign(&mut request).await?,
            Auth::Basic { username, password } => {
                let token = STANDARD.encode(format!("{username}:{password}"));
                let mut value =
                    HeaderValue::try_from(format!("Basic {token}")).expect("base64 is plain");
                value.set_sensitive(true);
                request.headers_mut().insert(header::AUTHORIZATION, value);
            }
            Auth::None => {}
        }
        let rewrites = rewrite::may_concern(&asked.path, &asked.prefix);
        for (name, value) in headers::to_send(asked, rewrites) {
            // A header nobody can send is left out, as a gateway would.
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()))
            {
                request.headers_mut().append(name, value);
            }
        }
        let answer = http.send(request, timeout).await?;
        let headers = answer.headers.iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Ok(Reply {
            status: answer.status.as_u16(),
            headers: headers.collect(),
            body: answer.body.to_vec(),
        })
    }
}

#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Access(#[from] aws::AccessError),
}
