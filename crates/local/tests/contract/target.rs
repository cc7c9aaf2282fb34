//! A DynamoDB to ask.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use local::{clock::Clock, dynamodb::DynamoDb};
use serde_json::{Value, json};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Any signature of the right form will do.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=local/20261127/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0f";

pub(crate) struct Target {
    /// As in `differences.json`.
    pub(crate) name: String,
    address: String,
    http: Client<HttpConnector, Full<Bytes>>,
    /// Ends with us.
    process: Option<Child>,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// `ValidationException`.
    pub(crate) kind: String,
    pub(crate) message: String,
}

pub(crate) type Outcome = Result<Value, Refusal>;

impl Target {
    /// Ours, in this process.
    pub(crate) async fn ours() -> Target {
        let router = DynamoDb::open(None, Clock::default()).unwrap().router();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Target::at("streamdex", address)
    }

    /// The one whose address a person has given.
    pub(crate) fn given() -> Option<Target> {
        let address = std::env::var("STREAMDEX_TEST_DYNAMODB_URL").ok()?;
        let name = std::env::var("STREAMDEX_TEST_DYNAMODB_NAME");
        let name = name.unwrap_or_else(|_| "dynamodb-local".to_owned());
        Some(Target::at(&name, address.trim_end_matches('/').to_owned()))
    }

    /// Starts dynalite. `None` if it is not installed, unless `cargo xtask` says that it is.
    pub(crate) fn dynalite() -> Option<Target> {
        let given = std::env::var_os("STREAMDEX_ORACLE").map(PathBuf::from);
        let installed = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../target/clients/oracle/node_modules/dynalite/cli.js");
        let Some(program) = given.or_else(|| installed.exists().then_some(installed)) else {
            eprintln!("not compared with dynalite; `cargo xtask clients` installs it");
            return None;
        };
        // It takes no port 0. Between letting go of one and its taking it lies a moment.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut process = Command::new("node")
            .arg(&program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--createTableMs", "1", "--deleteTableMs", "1", "--updateTableMs", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run node {}: {error}", program.display()));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("listening"), "dynalite did not start: {line}");
        let mut target = Target::at("dynalite", format!("http://127.0.0.1:{port}"));
        target.process = Some(process);
        Some(target)
    }

    fn at(name: &str, address: String) -> Target {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Target { name: name.to_owned(), address, http, process: None }
    }

    /// What it says to a request.
    pub(crate) async fn ask(&self, call: &str, body: &Value) -> Outcome {
        let request = Request::post(&self.address)
            .header("X-Amz-Target", format!("DynamoDB_20120810.{call}"))
            .header("Content-Type", "application/x-amz-json-1.0")
            .header("X-Amz-Date", "20261127T120000Z")
            .header("Authorization", SIGNATURE)
            .body(Full::from(body.to_string()))
            .unwrap();
        let answer = async {
            let answer = self.http.request(request).await.unwrap();
            let is_success = answer.status().is_success();
            (is_success, answer.into_body().collect().await.unwrap().to_bytes())
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let (is_success, bytes) =
            answer.unwrap_or_else(|_| panic!("{} does not answer {call} {body}", self.name));
        let answer: Value = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| json!({ "message": String::from_utf8_lossy(&bytes) }));
        if is_success {
            return Ok(answer);
        }
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        let kind = text("__type");
        let kind = kind.rsplit('#').next().unwrap_or_default().to_owned();
        let message =
            if answer.get("message").is_some() { text("message") } else { text("Message") };
        Err(Refusal { kind, message })
    }

    /// Makes a table and waits until it can be used.
    pub(crate) async fn create(&self, table: &Value) {
        match self.ask("CreateTable", table).await {
            Err(refusal) if refusal.kind != "ResourceInUseException" => {
                panic!("{}: {refusal:?}", self.name);
            }
            _ => {}
        }
        let name = json!({ "TableName": table["TableName"] });
        for _ in 0..1000 {
            let table = self.ask("DescribeTable", &name).await.unwrap();
            if table["Table"]["TableStatus"] == "ACTIVE" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{}: {name} is not ready", self.name);
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
