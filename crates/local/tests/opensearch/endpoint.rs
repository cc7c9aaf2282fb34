//! An endpoint on a free port, and as much of an HTTP client as it takes to talk to it.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use local::{clock::Clock, opensearch::OpenSearch};
use serde_json::Value;

/// A running endpoint. It ends with the test.
pub(crate) struct Endpoint {
    pub address: SocketAddr,
    pub clock: Clock,
    pub opensearch: OpenSearch,
    runtime: tokio::runtime::Runtime,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }
}

impl Endpoint {
    pub(crate) fn start() -> Endpoint {
        Endpoint::on(None)
    }

    pub(crate) fn on(data_dir: Option<&Path>) -> Endpoint {
        let clock = Clock::default();
        let opensearch = OpenSearch::open(data_dir, clock.clone()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = opensearch.router();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Endpoint { address, clock, opensearch, runtime }
    }

    /// Ends it as a clean shutdown does.
    pub(crate) fn close(self) {
        self.runtime.block_on(self.opensearch.close());
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<Reply> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let length = match headers.contains("content-length") {
            true => String::new(),
            false => format!("content-length: {}\r\n", body.len()),
        };
        let address = self.address;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{length}{headers}\r\n"
        );
        stream.write_all(head.as_bytes())?;
        // A server that has seen enough may close before it has read all.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        let length = head
            .lines()
            .find_map(|it| it.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if method != "HEAD" && length.is_some_and(|it: usize| body.len() < it) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Reply { status: status.unwrap(), head: head.to_owned(), text: body.to_owned() })
    }

    /// Sends JSON, or nothing.
    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        let headers = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        self.send(method, path, headers, body.as_bytes()).unwrap()
    }

    /// `PUT /books/_doc/1 {"a":1}`
    pub(crate) fn ask(&self, request: &str) -> Reply {
        let mut parts = request.splitn(3, ' ');
        let (method, path) = (parts.next().unwrap(), parts.next().unwrap());
        self.call(method, path, parts.next().unwrap_or_default())
    }

    pub(crate) fn bulk(&self, path: &str, lines: &[&str]) -> Reply {
        let body: String = lines.iter().map(|it| format!("{it}\n")).collect();
        let headers = "content-type: application/x-ndjson\r\n";
        self.send("POST", path, headers, body.as_bytes()).unwrap()
    }

    /// One request after the other: each has the status it should have, and says at least what it
    /// should say.
    #[track_caller]
    pub(crate) fn check(&self, story: &[(&str, u16, Value)]) {
        for (request, status, expected) in story {
            let reply = self.ask(request);
            assert_eq!(reply.status, *status, "{request}: {}", reply.text);
            if !expected.is_null() {
                let seen = reply.json();
                if let Some(place) = difference(expected, &seen) {
                    panic!("{request}: at {place}\nexpected {expected}\nseen     {seen}");
                }
            }
        }
    }
}

/// Where `seen` does not say what `expected` says. Lists must be equally long.
pub(crate) fn difference(expected: &Value, seen: &Value) -> Option<String> {
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => {
            expected.iter().find_map(|(name, value)| match seen.get(name) {
                None => Some(format!(".{name} (missing)")),
                Some(seen) => difference(value, seen).map(|it| format!(".{name}{it}")),
            })
        }
        (Value::Array(expected), Value::Array(seen)) if expected.len() == seen.len() => {
            let pairs = expected.iter().zip(seen).enumerate();
            pairs.filter_map(|(n, (e, s))| Some(format!("[{n}]{}", difference(e, s)?))).next()
        }
        (expected, seen) => (expected != seen).then(|| format!(": {expected} is {seen}")),
    }
}
