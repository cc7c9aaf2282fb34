//! Certificates: what is trusted, what is not, and what people are told.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    rig::{USUAL, try_sink},
    server::Server,
};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

/// A cluster that shows this certificate, and wants to see one if it is asked to. Gives its port.
async fn cluster(certificate: &str, wants_client: bool) -> u16 {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if wants_client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let shown = vec![CertificateDer::from_pem_file(file(certificate)).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(shown, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = vec![0; 8 << 10];
                // One request after the other, each small enough to come at once.
                while stream.read(&mut request).await.is_ok_and(|n| 0 < n) {
                    let body = r#"{"version":{"number":"2.19.0"}}"#;
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    let is_head = request.starts_with(b"HEAD");
                    let answer = if is_head { head } else { format!("{head}{body}") };
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

async fn told(host: &str, more: &str) -> String {
    let (sink, ..) = match try_sink(&[host], &format!("{USUAL}{more}")) {
        Ok(it) => it,
        Err(error) => return error.to_string(),
    };
    sink.check().await.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
}

#[tokio::test]
async fn certificates_are_checked_and_mistakes_explained() {
    let cert = format!("cert: {}", file("ca.pem").display());
    let (certificate, key) = (file("client.pem"), file("client.key"));
    let client = format!(
        "{cert}\nauthentication: {{ client_certificate: {}, client_key: {} }}",
        certificate.display(),
        key.display()
    );
    for (shown, wants_client, more, says) in [
        ("good.pem", false, cert.as_str(), "fine"),
        ("good.pem", false, "", "name its authority with `cert`"),
        ("good.pem", false, "insecure: true", "fine"),
        ("expired.pem", false, &cert, "has expired"),
        ("expired.pem", false, "insecure: true", "fine"),
        ("other.pem", false, &cert, "for another name"),
        ("good.pem", true, &client, "fine"),
        ("good.pem", true, &cert, "cannot reach"),
    ] {
        let port = cluster(shown, wants_client).await;
        let told = told(&format!("https://127.0.0.1:{port}"), more).await;
        assert!(told.contains(says), "{shown} with {more}: {told}");
    }
    let port = cluster("good.pem", false).await;
    let plain = told(&format!("http://127.0.0.1:{port}"), "").await;
    assert!(plain.contains("write `https://`"), "{plain}");
    let key_only =
        format!("{cert}\nauthentication: {{ client_certificate: /nowhere, client_key: /nowhere }}");
    let missing = told(&format!("https://127.0.0.1:{port}"), &key_only).await;
    assert!(missing.contains("/nowhere"), "{missing}");
}

#[tokio::test]
async fn a_proxy_opens_a_tunnel_for_tls() {
    let port = cluster("good.pem", false).await;
    // A proxy of one connection after the other.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let to =
                    head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
                let mut there = tokio::net::TcpStream::connect(to).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
            });
        }
    });
    let more = format!("cert: {}\nproxy: '{proxy}'", file("ca.pem").display());
    assert_eq!(told(&format!("https://127.0.0.1:{port}"), &more).await, "fine");
    let server = Server::start().await;
    let closed = format!("proxy: '{}'", server.address.trim_start_matches("http://"));
    let told =
        told(&format!("https://127.0.0.1:{port}"), &format!("insecure: true\n{closed}")).await;
    assert!(!told.contains("fine"), "a server that answers CONNECT with a page is no tunnel");
}
