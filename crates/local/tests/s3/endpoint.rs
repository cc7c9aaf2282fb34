//! An endpoint to test, and a client that hides nothing.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use local::{clock::Clock, s3::S3};
use tempfile::TempDir;

/// An endpoint on a free port, over a folder of its own.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) s3: S3,
    pub(crate) clock: Clock,
    address: SocketAddr,
    folder: Arc<Folder>,
    client: Client<HttpConnector, Full<Bytes>>,
    server: tokio::task::AbortHandle,
}

enum Folder {
    Temporary(TempDir),
    Given(PathBuf),
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Endpoint {
    pub(crate) async fn start() -> Endpoint {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let s3 = S3::open(folder.path(), clock.clone()).unwrap();
        let endpoint = Endpoint::serve(s3, folder.path(), clock).await;
        Endpoint { folder: Arc::new(Folder::Temporary(folder)), ..endpoint }
    }

    pub(crate) async fn serve(s3: S3, folder: &Path, clock: Clock) -> Endpoint {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = s3.router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Endpoint {
            s3,
            clock,
            address,
            folder: Arc::new(Folder::Given(folder.to_owned())),
            client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http(),
            server: server.abort_handle(),
        }
    }

    /// Ends the server, and waits until it has let go of the folder.
    pub(crate) async fn stop(self) {
        let Endpoint { s3, folder, server, client, .. } = self;
        drop(client);
        server.abort();
        drop(s3);
        let Folder::Given(folder) = &*folder else { return };
        for _ in 0..500 {
            if S3::open(folder, Clock::default()).is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match &*self.folder {
            Folder::Temporary(folder) => folder.path().join(name),
            Folder::Given(folder) => folder.join(name),
        }
    }

    pub(crate) async fn create(&self, bucket: &str) {
        assert_eq!(self.send(&format!("PUT /{bucket}"), &[], "").await.status, 200);
    }

    pub(crate) async fn send(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.try_send(request, headers, body).await.expect("an answer")
    }

    /// `None` if the connection breaks.
    pub(crate) async fn try_send(
        &self,
        request: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Answer> {
        let (method, uri) = request.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let mut request =
            Request::builder().method(method).uri(format!("http://{}{uri}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() || request.method_ref() == Some(&Method::PUT) {
            request = request.header(header::CONTENT_LENGTH, body.len());
        }
        let request = request.body(Full::from(body.to_owned())).unwrap();
        let answer = self.client.request(request).await.ok()?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer { status: parts.status, headers: parts.headers, body })
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> String {
        self.all("Code").pop().unwrap_or_default()
    }

    /// The texts of all elements of this name.
    pub(crate) fn all(&self, element: &str) -> Vec<String> {
        let text = self.text();
        let start = format!("<{element}>");
        let parts = text.split(&start).skip(1);
        parts.map(|it| it.split("</").next().unwrap().to_owned()).collect()
    }
}

/// A key as part of an address.
pub(crate) fn escaped(key: &str) -> String {
    let fits = |it: u8| it.is_ascii_alphanumeric() || b"-_.~*".contains(&it);
    let byte = |it| if fits(it) { char::from(it).to_string() } else { format!("%{it:02X}") };
    key.bytes().map(byte).collect()
}
