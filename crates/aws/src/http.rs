//! One pooled HTTP client, with TLS and a proxy as the user asked for them.

mod dial;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use self::dial::Dial;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection nobody uses stays open. Load balancers close theirs after a minute.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// The largest answer we read. A page of `GetRecords` is 1 MB, the answer to a bulk request a few.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// How much memory is made ready for an answer because it says that it is so large.
const RESERVED_BYTES_MAX: usize = 16 << 20;

/// Whom to trust on an `https` connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Whom the operating system trusts.
    #[default]
    System,
    /// Who shows a certificate signed by one in this PEM file.
    Certificate(PathBuf),
    /// Anyone. For test clusters with certificates of their own making.
    Anyone,
}

/// How connections are made.
#[derive(Clone, Debug, Default)]
pub struct Connecting {
    /// Whom to trust.
    pub tls: Tls,
    /// Who we are, for those who ask for a certificate.
    pub identity: Option<Identity>,
    /// How long to wait for a connection; 5 s by default.
    pub timeout: Option<Duration>,
    /// An `http://` proxy on the way.
    pub proxy: Option<Uri>,
}

/// A certificate of ours with its key, in PEM form.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, and those above it.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// The key must not get into a log.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

/// A client with its connections. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client<HttpsConnector<Dial>, Full<Bytes>>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody is there, or they hung up. The request may or may not have been carried out.
    #[error("cannot reach {to}: {reason}")]
    Unreachable {
        /// The address.
        to: String,
        /// What the system said.
        reason: String,
    },
    /// They took longer than we wait.
    #[error("{to} did not answer within {} s", after.as_secs())]
    Timeout {
        /// The address.
        to: String,
        /// How long we waited.
        after: Duration,
    },
    /// The certificate file is of no use.
    #[error("cannot use the certificate file {}: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Our own certificate or its key is of no use.
    #[error("cannot use our own certificate: {0}; give it and its key as PEM, or as files of it")]
    Identity(String),
    /// The request could not even be made.
    #[error("not a valid request: {0}")]
    Invalid(#[from] http::Error),
}

impl Http {
    /// A client that trusts whom `tls` says.
    ///
    /// # Errors
    ///
    /// When the certificate file cannot be read, or holds no certificate.
    pub fn new(tls: &Tls) -> Result<Http, HttpError> {
        Http::with(Connecting { tls: tls.clone(), ..Connecting::default() })
    }

    /// A client that connects as `connecting` says.
    ///
    /// # Errors
    ///
    /// When a certificate cannot be read, or is of no use.
    pub fn with(connecting: Connecting) -> Result<Http, HttpError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connecting.timeout.unwrap_or(CONNECT_TIMEOUT)));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(&connecting.tls, connecting.identity.as_ref())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Dial { tcp, proxy: connecting.proxy });
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Http { client })
    }

    /// A client for connections without TLS. It costs nothing to make: certificates are not read.
    pub fn plain() -> Http {
        Http::new(&Tls::Anyone).expect("no file is read")
    }

    /// The client for one address: with `tls` when it begins with `https`.
    ///
    /// # Errors
    ///
    /// As [`Http::new`].
    pub fn for_address(address: &str, tls: &Tls) -> Result<Http, HttpError> {
        if address.starts_with("https:") { Http::new(tls) } else { Ok(Http::plain()) }
    }

    /// Sends a request and reads the answer to its end.
    ///
    /// # Errors
    ///
    /// When there is no whole answer within `timeout`.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> Result<Response, HttpError> {
        let to = address(request.uri());
        let exchange = async {
            let answer = self.client.request(request.map(Full::new)).await.map_err(|error| {
                HttpError::Unreachable { to: to.clone(), reason: innermost(&error) }
            })?;
            let (head, body) = answer.into_parts();
            let body = whole(body).await.map_err(|error| HttpError::Unreachable {
                to: to.clone(),
                reason: innermost(error.as_ref()),
            })?;
            Ok(Response { status: head.status, headers: head.headers, body })
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::Timeout { to, after: timeout }),
        }
    }
}

/// Reads a body into one piece of memory of its size. What arrives is a view of larger buffers, so
/// none of it is kept; a large body would be held twice.
async fn whole(body: Incoming) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let size = body.size_hint().exact().and_then(|it| usize::try_from(it).ok());
    let mut whole = Vec::with_capacity(size.unwrap_or(0).min(RESERVED_BYTES_MAX));
    let mut body = Limited::new(body, ANSWER_BYTES_MAX);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.into())
}

fn address(uri: &Uri) -> String {
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
        _ => uri.to_string(),
    }
}

/// The last of a chain of causes says most: “connection refused”.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn tls_config(tls: &Tls, identity: Option<&Identity>) -> Result<ClientConfig, HttpError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the usual protocol versions");
    let builder = match tls {
        Tls::System => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            builder.with_root_certificates(roots)
        }
        Tls::Certificate(path) => {
            let bad = |reason: String| HttpError::Certificate { path: path.clone(), reason };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path).map_err(bad)? {
                roots.add(certificate).map_err(|error| bad(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(bad("it holds no certificate in PEM form".to_owned()));
            }
            builder.with_root_certificates(roots)
        }
        Tls::Anyone => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(trust::Anyone))
        }
    };
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let bad = |error: &dyn std::fmt::Display| HttpError::Identity(error.to_string());
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| bad(&error))?;
    let key =
        PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|error| bad(&error))?;
    builder.with_client_auth_cert(certificates, key).map_err(|error| bad(&error))
}

fn certificates(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_file_iter(path)
        .map_err(|error| error.to_string())?
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// `insecure: true`.
mod trust {
    use rustls::{
        DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime},
    };

    /// Takes any certificate; still checks that the other side owns it.
    #[derive(Debug)]
    pub(super) struct Anyone;

    impl ServerCertVerifier for Anyone {
        fn verify_server_cert(
            &self,
            _end_entity: &CertificateDer<'_>,
            _intermediates: &[CertificateDer<'_>],
            _server_name: &ServerName<'_>,
            _ocsp_response: &[u8],
            _now: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = ring::default_provider().signature_verification_algorithms;
            verify_tls12_signature(message, certificate, signature, &algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = ring::default_provider().signature_verification_algorithms;
            verify_tls13_signature(message, certificate, signature, &algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            ring::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
}
