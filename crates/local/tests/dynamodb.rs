//! The embedded DynamoDB over real HTTP, as any client sees it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod client {
    //! A small HTTP client and a server to talk to.

    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::{SocketAddr, TcpStream},
        path::Path,
    };

    use local::{clock::Clock, dynamodb::DynamoDb};
    use serde_json::Value;

    /// An endpoint on a port of its own.
    pub(crate) struct Server {
        pub(crate) address: SocketAddr,
        pub(crate) db: DynamoDb,
        /// Serves until it is dropped.
        _runtime: tokio::runtime::Runtime,
    }

    impl Server {
        pub(crate) fn start(data_dir: Option<&Path>) -> Server {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let db = DynamoDb::open(data_dir, Clock::default()).unwrap();
            let listener =
                runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
            let address = listener.local_addr().unwrap();
            let router = db.router();
            runtime.spawn(async move { axum::serve(listener, router).await });
            Server { address, db, _runtime: runtime }
        }

        pub(crate) fn client(&self) -> Client {
            connect(self.address)
        }
    }

    /// A client of any endpoint.
    pub(crate) fn connect(address: SocketAddr) -> Client {
        Client { address, stream: None, authorization: String::new() }
    }

    /// What came back.
    #[derive(Debug)]
    pub(crate) struct Answer {
        pub(crate) status: u16,
        pub(crate) headers: Vec<(String, String)>,
        pub(crate) body: Vec<u8>,
    }

    impl Answer {
        pub(crate) fn header(&self, name: &str) -> Option<&str> {
            self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
        }

        pub(crate) fn json(&self) -> Value {
            serde_json::from_slice(&self.body).unwrap()
        }
    }

    /// A client with one connection.
    pub(crate) struct Client {
        address: SocketAddr,
        stream: Option<BufReader<TcpStream>>,
        pub(crate) authorization: String,
    }

    impl Client {
        /// Signs what follows, as far as anyone looks.
        pub(crate) fn sign(&mut self, access_key: &str, region: &str) {
            self.authorization = format!(
                "AWS4-HMAC-SHA256 Credential={access_key}/20261122/{region}/dynamodb/aws4_request, SignedHeaders=host, Signature=0f"
            );
        }

        /// Calls an operation that succeeds.
        #[track_caller]
        pub(crate) fn call(&mut self, operation: &str, body: &Value) -> Value {
            let answer = self.send(operation, body);
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!(answer.status, 200, "{operation} {body}: {text}");
            if answer.body.is_empty() { Value::Null } else { answer.json() }
        }

        /// Calls an operation that fails; returns the name of the error.
        #[track_caller]
        pub(crate) fn error(&mut self, operation: &str, body: &Value) -> String {
            let answer = self.send(operation, body);
            let text = String::from_utf8_lossy(&answer.body);
            assert_ne!(answer.status, 200, "{operation} {body}: {text}");
            let name = answer.json()["__type"].as_str().unwrap().to_owned();
            name.split_once('#').unwrap().1.to_owned()
        }

        pub(crate) fn send(&mut self, operation: &str, body: &Value) -> Answer {
            self.send_bytes(operation, body.to_string().as_bytes()).unwrap()
        }

        pub(crate) fn send_bytes(
            &mut self,
            operation: &str,
            body: &[u8],
        ) -> std::io::Result<Answer> {
            let streams = ["ListStreams", "DescribeStream", "GetShardIterator", "GetRecords"];
            let service = if streams.contains(&operation) { "DynamoDBStreams" } else { "DynamoDB" };
            let target = format!(
                "X-Amz-Target: {service}_20120810.{operation}\r\nContent-Type: application/x-amz-json-1.0\r\n"
            );
            self.http("POST", "/", &target, body)
        }

        /// Calls `/_local/…`.
        #[track_caller]
        pub(crate) fn local(&mut self, method: &str, path: &str, body: &Value) -> Value {
            let answer = self.http(method, path, "", body.to_string().as_bytes()).unwrap();
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            answer.json()
        }

        pub(crate) fn http(
            &mut self,
            method: &str,
            path: &str,
            headers: &str,
            body: &[u8],
        ) -> std::io::Result<Answer> {
            let mut stream = if let Some(stream) = self.stream.take() {
                stream
            } else {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            };
            let authorization = match self.authorization.as_str() {
                "" => String::new(),
                it => format!("Authorization: {it}\r\n"),
            };
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{authorization}Content-Length: {}\r\n\r\n",
                body.len()
            );
            stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
            let answer = read(&mut stream)?;
            self.stream = Some(stream);
            Ok(answer)
        }
    }

    fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Answer> {
        let bad = |why: &str| std::io::Error::other(why.to_owned());
        let mut line = String::new();
        let mut next = |stream: &mut BufReader<TcpStream>| {
            line.clear();
            match stream.read_line(&mut line)? {
                0 => Err(bad("closed")),
                _ => Ok(line.trim_end().to_owned()),
            }
        };
        let first = next(stream)?;
        let status = first.split(' ').nth(1).and_then(|it| it.parse().ok()).ok_or(bad("status"))?;
        let mut headers = Vec::new();
        loop {
            let line = next(stream)?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = Vec::new();
        match length {
            Some((_, length)) => {
                body.resize(length.parse().map_err(|_| bad("length"))?, 0);
                stream.read_exact(&mut body)?;
            }
            None => loop {
                let size = next(stream)?;
                let size = usize::from_str_radix(&size, 16).map_err(|_| bad("chunk"))?;
                let mut chunk = vec![0; size + 2];
                stream.read_exact(&mut chunk)?;
                body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            },
        }
        Ok(Answer { status, headers, body })
    }
}

#[path = "dynamodb/api.rs"]
mod api;
#[path = "dynamodb/crash.rs"]
mod crash;
#[path = "dynamodb/expiry.rs"]
mod expiry;
#[path = "dynamodb/exports.rs"]
mod exports;
#[path = "dynamodb/indexes.rs"]
mod indexes;
#[path = "dynamodb/killed.rs"]
mod killed;
#[path = "dynamodb/legacy.rs"]
mod legacy;
#[path = "dynamodb/lineage.rs"]
mod lineage;
#[path = "dynamodb/transactions.rs"]
mod transactions;

use client::{Client, Server};
use serde_json::{Value, json};

/// The table of the walkthrough.
fn create_books(client: &mut Client) -> Value {
    client.call(
        "CreateTable",
        &json!({
            "TableName": "books",
            "KeySchema": [
                { "AttributeName": "author", "KeyType": "HASH" },
                { "AttributeName": "bookTitle", "KeyType": "RANGE" },
            ],
            "AttributeDefinitions": [
                { "AttributeName": "author", "AttributeType": "S" },
                { "AttributeName": "bookTitle", "AttributeType": "S" },
            ],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
        }),
    )
}

fn book(author: &str, title: &str) -> Value {
    json!({ "author": { "S": author }, "bookTitle": { "S": title } })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
