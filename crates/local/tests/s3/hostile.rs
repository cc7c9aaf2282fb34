//! Requests that no client would send: an answer comes all the same, and nothing leaves the folder.

use std::{fmt::Write, fs, path::Path, time::Duration};

use fastrand::Rng;
use local::{clock::Clock, s3::S3};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::endpoint::Endpoint;

/// A second's worth.
const REQUESTS: usize = 2500;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

const METHODS: [&str; 8] = ["GET", "GET", "PUT", "PUT", "POST", "DELETE", "HEAD", "PATCH"];
const HOSTS: [&str; 5] = ["localhost", "books.localhost", "..localhost", "a.b.c.s3.x", "\u{e9}"];
#[rustfmt::skip]
const PIECES: [&str; 26] = [
    "/", "/", "/books/", "/books/a", "/other/", "..", "/../", "%2e%2e/", "%2E%2E%2F", "%2f", "%5c..%5c", ".s3/",
    "/.s3/about/", "%00", "%ff", "%", "%zz", "//", "a", "secret.txt", "%empty", "%25object", "%more", "+", "~", "_local/faults",
];
#[rustfmt::skip]
const PARAMETERS: [&str; 22] = [
    "uploads", "uploadId=x", "uploadId=../..", "uploadId=%2e%2e%2f%2e%2e", "partNumber=1", "partNumber=0", "partNumber=99999999999999999999",
    "list-type=2", "prefix=..%2f", "delimiter=%2f", "delimiter=", "max-keys=-1", "max-keys=99999999999", "continuation-token=AAAA",
    "start-after=%ff", "marker=a", "encoding-type=url", "delete", "location", "acl", "response-content-type=%0d%0ax:y", "X-Amz-Algorithm=AWS4-HMAC-SHA256",
];
#[rustfmt::skip]
const HEADERS: [&str; 30] = [
    "range: bytes=0-", "range: bytes=-0", "range: bytes=9-1", "range: bytes=99999999999999999999-", "range: bytes=a-b", "range: x",
    "content-md5: x", "content-md5: AAAAAAAAAAAAAAAAAAAAAA==", "x-amz-content-sha256: x", "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "x-amz-decoded-content-length: 3", "x-amz-decoded-content-length: -3", "content-encoding: aws-chunked", "x-amz-trailer: x-amz-checksum-crc32",
    "x-amz-checksum-crc32: x", "x-amz-checksum-crc32: AAAAAA==", "x-amz-checksum-algorithm: X", "x-amz-sdk-checksum-algorithm: CRC32",
    "x-amz-copy-source: /books/a", "x-amz-copy-source: ../../secret.txt", "x-amz-copy-source: books/%2e%2e/%2e%2e/secret.txt", "x-amz-copy-source: %ff",
    "x-amz-copy-source-range: bytes=5-1", "if-match: *", "if-none-match: *", "if-modified-since: never",
    "authorization: AWS4-HMAC-SHA256 Credential=", "authorization: \u{e9}", "x-amz-meta-\u{1f}: x",
];
#[rustfmt::skip]
const BODIES: [&str; 12] = [
    "", "abc", "3\r\nabc\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "<Delete><Object><Key>../../secret.txt</Key></Object></Delete>",
    "<Delete><Object></Object></Delete>", "<Delete>", "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><Delete><Object><Key>&a;</Key></Object></Delete>",
    "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>", "<a><a><a><a><a><a>", "\0\0\0", "{\"status\":503}",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_break_the_endpoint_or_leave_its_folder() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("some/where/s3");
    fs::create_dir_all(&inner).unwrap();
    let secret = outer.path().join("secret.txt");
    fs::write(&secret, "nobody may read this").unwrap();
    fs::write(inner.join("../secret.txt"), "nobody may read this").unwrap();
    let s3 = S3::open(&inner, Clock::default()).unwrap();
    let s3 = Endpoint::serve(s3, &inner, Clock::default()).await;
    let before = files(outer.path(), &inner);

    let mut random = Rng::with_seed(20_261_127);
    let (mut n_fine, mut n_refused) = (0, 0);
    for _ in 0..REQUESTS {
        // Most find a bucket and an object.
        if random.u8(0..20) == 0 {
            s3.send("PUT /books", &[], "").await;
            s3.send("PUT /books/a", &[], "abc").await;
        }
        let (request, is_whole) = request(&mut random);
        let shown = String::from_utf8_lossy(&request).into_owned();
        let answer = ask(&s3, &request, is_whole).await;
        let status: Option<u16> = answer.get(9..12).and_then(|it| it.parse().ok());
        assert!(!answer.contains("nobody may read this"), "{shown}\n\n{answer}");
        match status {
            Some(200..300) => n_fine += 1,
            Some(status @ (304 | 400..=499 | 501)) => {
                n_refused += 1;
                let has_code = answer.contains("<Code>") || answer.contains("\"error\"");
                // Without a body: answers to HEAD, and those of hyper to what is no HTTP.
                let has_body = !answer.ends_with("\r\n\r\n");
                assert!(has_code || !has_body, "{status} without a code\n{shown}\n\n{answer}");
            }
            None if !is_whole => {}
            _ => panic!("{shown}\n\nis answered with\n\n{answer}"),
        }
    }
    assert!(REQUESTS / 20 < n_fine && REQUESTS / 5 < n_refused, "{n_fine} {n_refused}");
    s3.send("DELETE /_local/faults", &[], "").await;
    s3.send("PUT /books", &[], "").await;
    s3.send("PUT /books/a", &[], "abc").await;
    assert_eq!(s3.send("GET /books/a", &[], "").await.text(), "abc", "it still works");
    assert_eq!(files(outer.path(), &inner), before, "something was written elsewhere");
}

/// Every file and folder that is not ours.
fn files(folder: &Path, but: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path != but {
            if path.is_dir() {
                found.extend(files(&path, but));
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A request, and whether its body is as long as it says.
fn request(random: &mut Rng) -> (Vec<u8>, bool) {
    let mut target = one(random, &["/books/a", "/books/", "/books", "/"]).to_owned();
    if random.bool() {
        target = String::from("/");
        for _ in 0..random.usize(1..6) {
            target.push_str(one(random, &PIECES));
        }
    }
    for n in 0..random.usize(0..3) {
        target.push(if n == 0 { '?' } else { '&' });
        target.push_str(one(random, &PARAMETERS));
    }
    let mut body = one(random, &BODIES).as_bytes().to_vec();
    if random.u8(0..5) == 0 {
        body = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
    }
    let is_whole = random.u8(0..10) != 0;
    let n_bytes = if is_whole { body.len() } else { body.len() + 5 };
    let method = one(random, &METHODS);
    let n_hosts = if random.u8(0..4) == 0 { HOSTS.len() } else { 1 };
    let host = one(random, &HOSTS[..n_hosts]);
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for _ in 0..random.usize(0..4) {
        head.push_str(one(random, &HEADERS));
        head.push_str("\r\n");
    }
    let _ = write!(head, "content-length: {n_bytes}\r\n\r\n");
    let mut request = head.into_bytes();
    request.extend(body);
    // A wrong byte somewhere: often no HTTP any more.
    if random.u8(0..10) == 0 {
        let at = random.usize(0..request.len());
        request[at] = random.u8(..);
        return (request, false);
    }
    (request, is_whole)
}

async fn ask(s3: &Endpoint, request: &[u8], is_whole: bool) -> String {
    let answer = async {
        let mut stream = TcpStream::connect(s3.address()).await.unwrap();
        // It may have answered and hung up before it has heard all.
        let _ = stream.write_all(request).await;
        if !is_whole {
            // Or it would wait for the rest.
            let _ = stream.shutdown().await;
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.unwrap_or_else(|_| panic!("no answer to {}", String::from_utf8_lossy(request)))
}

fn one(random: &mut Rng, of: &[&'static str]) -> &'static str {
    of[random.usize(0..of.len())]
}
