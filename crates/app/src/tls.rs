//! TLS for the API: a certificate and its key from PEM files, and a listener that speaks it.

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::debug;

/// How long a client may take until it and we have agreed on keys.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How many clients may be agreeing on keys at once; others wait in the system's queue.
const HANDSHAKES_MAX: usize = 64;
/// How long to wait after the system had no connection for us, such as when files are used up.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
/// What begins a key that is itself encrypted.
const ENCRYPTED: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// A certificate with its key, ready to be shown to clients.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

/// What is secret in it stays so.
impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads the certificates in one PEM file, the server's own first, and the key in another or in
    /// the same.
    ///
    /// # Errors
    ///
    /// When there is none in it, or they do not belong together. Says what to do.
    pub(crate) fn read(certificates: &Path, key: &Path) -> Result<Tls, String> {
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(&read(certificates)?).collect();
        let chain =
            chain.map_err(|error| format!("{} is no PEM file: {error}", certificates.display()))?;
        if chain.is_empty() {
            return Err(format!(
                "{}: no `BEGIN CERTIFICATE` in it; {}",
                certificates.display(),
                to_pem()
            ));
        }
        let text = read(key)?;
        let is_encrypted = ENCRYPTED.iter().any(|it| String::from_utf8_lossy(&text).contains(it));
        if is_encrypted {
            return Err(format!(
                "{}: the key is encrypted, and nobody could type its password; write it decrypted with \
                 `openssl pkey -in key.pem -out plain.pem`, and let nobody else read the file",
                key.display()
            ));
        }
        let key_der = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
            format!("{}: no `BEGIN PRIVATE KEY` in it; {}", key.display(), to_pem())
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|it| it.with_no_client_auth().with_single_cert(chain, key_der))
            .map_err(|error| {
                let (certificates, key) = (certificates.display(), key.display());
                format!("{certificates} and {key} cannot be used together: {error}")
            })?;
        Ok(Tls(TlsAcceptor::from(Arc::new(config))))
    }

    /// Speaks TLS with whoever comes to `listener`.
    ///
    /// # Errors
    ///
    /// When the system does not say where it listens.
    pub(crate) fn listen(self, listener: TcpListener) -> io::Result<TlsListener> {
        let address = listener.local_addr()?;
        let (greeted, accepted) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, self.0, greeted));
        Ok(TlsListener { address, accepted, accepting })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn to_pem() -> &'static str {
    "make PEM of a key store with `openssl pkcs12 -in keystore.p12 -nodes -out api.pem`"
}

/// Clients that speak TLS. One that is slow to greet keeps nobody waiting.
pub(crate) struct TlsListener {
    address: SocketAddr,
    accepted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    accepting: JoinHandle<()>,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

type Greeted = mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>;

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, greeted: Greeted) {
    let slots = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let mut handshakes = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(%error, "no connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        while handshakes.try_join_next().is_some() {}
        let (acceptor, greeted) = (acceptor.clone(), greeted.clone());
        handshakes.spawn(async move {
            let _slot = slot;
            // What is small must not wait for what comes next: clients do not send before they have it.
            let _ = stream.set_nodelay(true);
            match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(greeted.send((stream, from)).await),
                Ok(Err(error)) => debug!(%from, %error, "a client and we found no common TLS"),
                Err(_) => debug!(%from, "a client did not greet in time"),
            }
        });
    }
}
