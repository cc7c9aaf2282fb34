//! Signatures against AWS's published test vectors, and against botocore.

use std::{
    fmt::Write as _,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use http::{Method, header::AUTHORIZATION};
use serde_json::{Value, json};

use super::*;

/// 2015-08-30T12:36:00Z, the moment of the vectors.
const THEN: u64 = 1_440_938_160;

fn credentials() -> Credentials {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    Credentials::new("AKIDEXAMPLE", secret, None, None, "test")
}

fn signed(service: &str, request: &mut Request<Bytes>) -> String {
    let content_hash = matches!(service, "es" | "aoss" | "s3");
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(THEN);
    sign_as(service, content_hash, request, credentials(), "us-east-1", at).unwrap();
    request.headers()[AUTHORIZATION].to_str().unwrap().to_owned()
}

#[test]
fn the_published_vectors_are_signed_alike() {
    for (name, method, target, headers, body, signature) in [
        (
            "get-vanilla",
            "GET",
            "/",
            &[][..],
            "",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-vanilla-empty-query-key",
            "GET",
            "/?Param1=value1",
            &[],
            "",
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ),
        (
            "get-unreserved",
            "GET",
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            &[],
            "",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        (
            "post-vanilla",
            "POST",
            "/",
            &[],
            "",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-x-www-form-urlencoded",
            "POST",
            "/",
            &[("content-type", "application/x-www-form-urlencoded")],
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ] {
        let mut request =
            Request::builder().method(method).uri(format!("https://example.amazonaws.com{target}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Bytes::from(body)).unwrap();
        let shown = signed("service", &mut request);
        assert!(shown.ends_with(&format!("Signature={signature}")), "{name}: {shown}");
    }
}

/// Signs each request of the list with botocore, at the moment it names.
const BOTOCORE: &str = r#"
import datetime, json, sys
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
who = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
for it in json.load(sys.stdin):
    request = AWSRequest(it["method"], it["url"], headers=it["headers"], data=it["body"].encode())
    request.context["timestamp"] = "20150830T123600Z"
    kind = S3SigV4Auth if it["service"] == "s3" else SigV4Auth
    auth = kind(who, it["service"], "us-east-1")
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    canonical = auth.canonical_request(request)
    text = auth.string_to_sign(request, canonical)
    print(auth.signature(text, request))
"#;

/// A Python that has botocore, if this machine has one.
fn python() -> Option<PathBuf> {
    // `cargo xtask test` sets it: from then on a Python without botocore is a failure.
    if let Some(given) = std::env::var_os("STREAMDEX_CLIENTS_PYTHON") {
        return Some(given.into());
    }
    let python =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients/python/bin/python");
    if !python.exists() {
        eprintln!("not compared with botocore; `cargo xtask clients` brings it in");
    }
    python.exists().then_some(python)
}

/// Text as it stands in an address.
fn encoded(random: &mut fastrand::Rng, keeps: &str) -> String {
    const LETTERS: [&str; 16] =
        ["a", "Z", "7", "-", "_", ".", "~", "|", "+", "*", ",", " ", "é", "日", "%", "="];
    let mut text = String::from("x");
    for _ in 0..random.usize(..6) {
        let letter = LETTERS[random.usize(..LETTERS.len())];
        for byte in letter.bytes() {
            let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
            if plain || keeps.as_bytes().contains(&byte) {
                text.push(char::from(byte));
            } else {
                write!(text, "%{byte:02X}").unwrap();
            }
        }
    }
    text
}

#[test]
fn botocore_signs_random_requests_alike() {
    let Some(python) = python() else { return };
    let mut random = fastrand::Rng::with_seed(11);
    let (mut asked, mut ours) = (Vec::new(), Vec::new());
    for n in 0..300 {
        let service = ["es", "aoss", "s3", "dynamodb"][n % 4];
        let segments: Vec<_> = (0..random.usize(..4)).map(|_| encoded(&mut random, "")).collect();
        let query: Vec<_> = (0..random.usize(..4))
            .map(|_| format!("{}={}", encoded(&mut random, ""), encoded(&mut random, "")))
            .collect();
        let mut url = format!("https://host{n}.us-east-1.es.amazonaws.com/{}", segments.join("/"));
        if !query.is_empty() {
            url = format!("{url}?{}", query.join("&"));
        }
        let method = [Method::GET, Method::POST, Method::PUT][random.usize(..3)].clone();
        let body: String =
            (0..random.usize(..2_000)).map(|_| random.char('\u{1}'..'\u{2fff}')).collect();
        let mut request = Request::builder()
            .method(method.clone())
            .uri(&url)
            .header("content-type", "application/x-ndjson")
            .header("x-amz-meta-note", "two  blanks")
            .body(Bytes::from(body.clone()))
            .unwrap();
        let shown = signed(service, &mut request);
        let names = shown.split_once("SignedHeaders=").unwrap().1.split(',').next().unwrap();
        let mut headers = serde_json::Map::new();
        for name in names.split(';').filter(|it| *it != "host" && *it != "x-amz-date") {
            headers.insert(name.to_owned(), request.headers()[name].to_str().unwrap().into());
        }
        ours.push((shown.rsplit_once("Signature=").unwrap().1.to_owned(), url.clone()));
        asked.push(json!({
            "method": method.as_str(), "url": url, "headers": headers, "body": body, "service": service,
        }));
    }
    let mut child = Command::new(python)
        .args(["-c", BOTOCORE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = Value::Array(asked).to_string();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let answer = child.wait_with_output().unwrap();
    assert!(answer.status.success());
    let theirs = String::from_utf8(answer.stdout).unwrap();
    let theirs: Vec<&str> = theirs.lines().collect();
    assert_eq!(theirs.len(), ours.len());
    for ((signature, url), other) in ours.iter().zip(theirs) {
        assert_eq!(signature, other, "{url}");
    }
}
