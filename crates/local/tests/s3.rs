//! The S3 endpoint over HTTP, as a client sees it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "s3/endpoint.rs"]
mod endpoint;
#[path = "s3/files.rs"]
mod files;
#[path = "s3/hostile.rs"]
mod hostile;

use std::{fs, time::Duration};

use endpoint::{Endpoint, escaped};
use hyper::StatusCode;

/// The SHA-256 of nothing.
const PAYLOAD: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    let headers = [("content-type", "text/plain"), ("x-amz-meta-author", "Dan Brown")];
    let put = s3.send("PUT /books/a/b.txt", &headers, "The DaVinci code").await;
    assert_eq!(put.status, 200);
    assert_eq!(put.header("etag"), "\"21db0da8e390742de40efcf036403a31\"");
    assert!(!put.header("x-amz-request-id").is_empty());

    let get = s3.send("GET /books/a/b.txt", &[], "").await;
    assert_eq!((get.status, get.text()), (StatusCode::OK, "The DaVinci code"));
    let head = s3.send("HEAD /books/a/b.txt", &[], "").await;
    for answer in [&get, &head] {
        assert_eq!(answer.header("content-type"), "text/plain");
        assert_eq!(answer.header("content-length"), "16");
        assert_eq!(answer.header("x-amz-meta-author"), "Dan Brown");
        assert_eq!(answer.header("etag"), put.header("etag"));
        assert!(answer.header("last-modified").ends_with("GMT"));
    }
    assert_eq!(fs::read(s3.path("books/a/b.txt")).unwrap(), b"The DaVinci code");

    assert_eq!(s3.send("DELETE /books/a/b.txt", &[], "").await.status, 204);
    assert_eq!(s3.send("DELETE /books/a/b.txt", &[], "").await.status, 204, "once more");
    assert_eq!(s3.send("GET /books/a/b.txt", &[], "").await.code(), "NoSuchKey");
    assert!(!s3.path("books/a").exists(), "an empty folder is left");
}

#[tokio::test]
async fn an_error_has_a_code_and_a_status() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    s3.send("PUT /books/a", &[], "abc").await;
    for (request, headers, body, status, code) in [
        ("GET /nowhere/a", &[][..], "", 404, "NoSuchBucket"),
        ("PUT /nowhere/a", &[], "abc", 404, "NoSuchBucket"),
        ("GET /books/b", &[], "", 404, "NoSuchKey"),
        ("GET /Books", &[], "", 400, "InvalidBucketName"),
        ("GET /.s3/lock", &[], "", 400, "InvalidBucketName"),
        ("GET /../etc/passwd", &[], "", 400, "InvalidBucketName"),
        ("GET /books/%zz", &[], "", 400, "InvalidURI"),
        ("GET /books?acl", &[], "", 501, "NotImplemented"),
        ("PATCH /books/a", &[], "", 405, "MethodNotAllowed"),
        ("GET /books/a", &[("range", "bytes=3-")], "", 416, "InvalidRange"),
        ("GET /books/a", &[("authorization", "Bearer x")], "", 400, "AuthorizationHeaderMalformed"),
        ("PUT /books/a", &[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")], "abc", 400, "BadDigest"),
        ("PUT /books/a", &[("x-amz-checksum-crc32", "AAAAAA==")], "abc", 400, "BadDigest"),
        (
            "PUT /books/a",
            &[("x-amz-content-sha256", PAYLOAD)],
            "abc",
            400,
            "XAmzContentSHA256Mismatch",
        ),
        ("POST /books?delete", &[], "<Delete>", 400, "MalformedXML"),
        ("GET /books?max-keys=x", &[], "", 400, "InvalidArgument"),
        ("GET /books?list-type=2&continuation-token=x", &[], "", 400, "InvalidArgument"),
        ("PUT /books/a?partNumber=1&uploadId=../..", &[], "abc", 404, "NoSuchUpload"),
        ("DELETE /books", &[], "", 409, "BucketNotEmpty"),
    ] {
        let answer = s3.send(request, headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{request}");
        assert!(answer.text().contains("<RequestId>"), "{request}");
    }
    assert_eq!(s3.send("GET /books/a", &[], "").await.text(), "abc", "nothing was overwritten");
    assert_eq!(s3.send("HEAD /books/b", &[], "").await.text(), "", "an answer to HEAD has no body");
}

#[tokio::test]
async fn a_range_of_an_object_is_a_partial_answer() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    s3.send("PUT /books/a", &[], "0123456789").await;
    for (range, status, text, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=8-", 206, "89", "bytes 8-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=0-1,4-5", 200, "0123456789", ""),
    ] {
        let answer = s3.send("GET /books/a", &[("range", range)], "").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, text), "{range}");
        assert_eq!(answer.header("content-range"), content_range, "{range}");
        assert_eq!(answer.header("content-length"), text.len().to_string(), "{range}");
    }
}

#[tokio::test]
async fn a_lease_is_taken_by_one() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    let requests: Vec<_> = (0..20)
        .map(|it| {
            let s3 = s3.clone();
            tokio::spawn(async move {
                let owner = it.to_string();
                s3.send("PUT /books/lease", &[("if-none-match", "*")], &owner).await.status.as_u16()
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(request.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[..2], [200, 412]);
    assert_eq!(statuses[19], 412);

    let etag = s3.send("HEAD /books/lease", &[], "").await.header("etag");
    let renewed = s3.send("PUT /books/lease", &[("if-match", &etag)], "renewed").await;
    assert_eq!(renewed.status, 200);
    let late = s3.send("PUT /books/lease", &[("if-match", &etag)], "late").await;
    assert_eq!(late.code(), "PreconditionFailed");
    assert_eq!(s3.send("DELETE /books/lease", &[("if-match", &etag)], "").await.status, 412);
    let known = renewed.header("etag");
    assert_eq!(s3.send("GET /books/lease", &[("if-none-match", &known)], "").await.status, 304);
}

#[tokio::test]
async fn a_bucket_is_named_by_the_host_as_well() {
    let s3 = Endpoint::start().await;
    let host = [("host", "books.localhost:9090")];
    assert_eq!(s3.send("PUT /", &host, "").await.status, 200);
    assert_eq!(s3.send("PUT /a/b", &host, "abc").await.status, 200);
    assert_eq!(s3.send("GET /books/a/b", &[], "").await.text(), "abc");
    let host = [("host", "books.s3.127.0.0.1.nip.io:9090")];
    assert_eq!(s3.send("GET /a/b", &host, "").await.text(), "abc");
    assert_eq!(s3.send("PUT /_local/faults", &host, "abc").await.status, 200, "a key like any");
}

#[tokio::test]
async fn buckets_come_and_go() {
    let s3 = Endpoint::start().await;
    let region = "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    assert_eq!(s3.send("PUT /books-eu", &[], region).await.status, 200);
    assert_eq!(s3.send("PUT /books-eu", &[], region).await.code(), "BucketAlreadyOwnedByYou");
    s3.create("books").await;
    s3.create("books").await;
    let list = s3.send("GET /", &[], "").await;
    assert_eq!(list.all("Name"), ["books", "books-eu"]);
    assert_eq!(
        s3.send("GET /books-eu?location", &[], "")
            .await
            .all("LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""),
        ["eu-west-1"]
    );
    assert_eq!(s3.send("HEAD /books-eu", &[], "").await.header("x-amz-bucket-region"), "eu-west-1");
    assert_eq!(s3.send("DELETE /books-eu", &[], "").await.status, 204);
    assert_eq!(s3.send("HEAD /books-eu", &[], "").await.status, 404);
    assert_eq!(s3.send("DELETE /books-eu", &[], "").await.code(), "NoSuchBucket");
}

#[tokio::test]
async fn a_listing_is_paged_and_rolled_up() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    for key in ["a", "a-b", "a/1", "a/2", "a0", "b/c/d", "b/c/e", "z"] {
        s3.send(&format!("PUT /books/{key}"), &[], key).await;
    }
    for (query, keys, prefixes) in [
        ("", &["a", "a-b", "a/1", "a/2", "a0", "b/c/d", "b/c/e", "z"][..], &[][..]),
        ("prefix=a/", &["a/1", "a/2"], &[]),
        ("prefix=a", &["a", "a-b", "a/1", "a/2", "a0"], &[]),
        ("delimiter=/", &["a", "a-b", "a0", "z"], &["a/", "b/"]),
        ("delimiter=/&prefix=b/", &[], &["b/c/"]),
        ("delimiter=-", &["a", "a/1", "a/2", "a0", "b/c/d", "b/c/e", "z"], &["a-"]),
        ("start-after=a0", &["b/c/d", "b/c/e", "z"], &[]),
        ("start-after=a/1&prefix=a", &["a/2", "a0"], &[]),
        ("prefix=nothing", &[], &[]),
    ] {
        for page in [1, 2, 1000] {
            let (mut seen, mut rolled, mut token) = (Vec::new(), Vec::new(), String::new());
            loop {
                let request = format!("GET /books?list-type=2&max-keys={page}&{query}{token}");
                let answer = s3.send(&request, &[], "").await;
                seen.extend(answer.all("Key"));
                rolled.extend(answer.all("Prefix").into_iter().skip(1));
                match answer.all("NextContinuationToken").first() {
                    Some(next) => token = format!("&continuation-token={next}"),
                    None => break,
                }
            }
            assert_eq!(seen, keys, "{query}, {page} a page");
            assert_eq!(rolled, prefixes, "{query}, {page} a page");
        }
    }
    let (mut seen, mut marker) = (Vec::new(), String::new());
    loop {
        let request = format!("GET /books?max-keys=1&delimiter=/&marker={marker}");
        let answer = s3.send(&request, &[], "").await;
        seen.extend(answer.all("Key"));
        seen.extend(answer.all("Prefix").into_iter().skip(1));
        match answer.all("NextMarker").pop() {
            Some(next) => marker = next,
            None => break,
        }
    }
    assert_eq!(seen, ["a", "a-b", "a/", "a0", "b/", "z"], "the older way");
}

#[tokio::test]
async fn any_key_is_a_key() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    let long = "x".repeat(1024);
    let keys = [
        "a",
        "a/b",
        "a/b/c",
        "a/",
        "a//",
        "/a",
        "..",
        "../../x",
        ".",
        "a%b",
        "a%25b",
        "%empty",
        "a%object",
        "é ñ",
        "a\\b",
        "a\nb",
        "\u{1}",
        "a+b c",
        &long,
        ".s3/about",
    ];
    for key in keys {
        let put = s3.send(&format!("PUT /books/{}", escaped(key)), &[], key).await;
        assert_eq!(put.status, 200, "{key:?}");
    }
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    for key in keys {
        assert_eq!(s3.send(&format!("GET /books/{}", escaped(key)), &[], "").await.text(), key);
    }
    let list = s3.send("GET /books?list-type=2&encoding-type=url", &[], "").await;
    let sorted: Vec<_> = sorted.into_iter().map(escaped).collect();
    let listed: Vec<_> = list.all("Key").iter().map(|it| it.replace('/', "%2F")).collect();
    assert_eq!(listed, sorted);
    let outside: Vec<_> =
        fs::read_dir(s3.path("")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(outside.len(), 2, "only the bucket and what is ours: {outside:?}");
    for key in keys {
        assert_eq!(s3.send(&format!("DELETE /books/{}", escaped(key)), &[], "").await.status, 204);
    }
    assert_eq!(fs::read_dir(s3.path("books")).unwrap().count(), 0, "nothing is left");
    assert_eq!(s3.send("DELETE /books", &[], "").await.status, 204);
}

#[tokio::test]
async fn chunked_bodies_are_put_together() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    let trailer = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("content-encoding", "aws-chunked,gzip"),
        ("x-amz-decoded-content-length", "9"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    let body = "5\r\n12345\r\n4\r\n6789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
    let put = s3.send("PUT /books/a", &trailer, body).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(put.header("x-amz-checksum-crc32"), "y/Q5Jg==");
    let get = s3.send("GET /books/a", &[("x-amz-checksum-mode", "ENABLED")], "").await;
    assert_eq!(get.text(), "123456789");
    assert_eq!(get.header("content-encoding"), "gzip");
    assert_eq!(get.header("x-amz-checksum-crc32"), "y/Q5Jg==");

    let wrong = body.replace("y/Q5Jg==", "AAAAAA==");
    assert_eq!(s3.send("PUT /books/a", &trailer, &wrong).await.code(), "BadDigest");
    let cut = &body[..15];
    assert_eq!(s3.send("PUT /books/a", &trailer, cut).await.code(), "IncompleteBody");

    let signed = [
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("x-amz-decoded-content-length", "3"),
    ];
    let body = "3;chunk-signature=0f\r\nabc\r\n0;chunk-signature=1e\r\n\r\n";
    assert_eq!(s3.send("PUT /books/b", &signed, body).await.status, 200);
    assert_eq!(s3.send("GET /books/b", &[], "").await.text(), "abc");
}

#[tokio::test]
async fn an_upload_in_parts_becomes_an_object() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    let headers = [("x-amz-checksum-algorithm", "CRC32C"), ("x-amz-checksum-type", "FULL_OBJECT")];
    let headers = [&headers[..], &[("content-type", "text/plain")]].concat();
    let id = s3.send("POST /books/a?uploads", &headers, "").await.all("UploadId").remove(0);
    let five = "x".repeat(5 << 20);
    let mut etags = Vec::new();
    for (number, text) in [(1, "replaced"), (1, &five), (3, "the end")] {
        let request = format!("PUT /books/a?partNumber={number}&uploadId={id}");
        let part = s3.send(&request, &[], text).await;
        assert!(!part.header("x-amz-checksum-crc32c").is_empty());
        etags.push(part.header("etag"));
    }
    let parts = s3.send(&format!("GET /books/a?uploadId={id}"), &[], "").await;
    assert_eq!(parts.all("PartNumber"), ["1", "3"]);
    assert_eq!(parts.all("Size"), ["5242880", "7"]);
    assert_eq!(s3.send("GET /books?uploads", &[], "").await.all("UploadId"), [id.as_str()]);
    assert_eq!(s3.send("GET /books/a", &[], "").await.code(), "NoSuchKey", "not yet");

    let request = format!("POST /books/a?uploadId={id}");
    let completion = |parts: &[(u32, &str)]| {
        let part = |(number, etag): &(u32, &str)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        };
        let parts: String = parts.iter().map(part).collect();
        format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
    };
    let [old, first, last] = &etags[..] else { panic!("{etags:?}") };
    for (parts, code) in [
        (&[(1, old.as_str()), (3, last)][..], "InvalidPart"),
        (&[(1, first), (2, last)], "InvalidPart"),
        (&[(3, last), (1, first)], "InvalidPartOrder"),
        (&[], "MalformedXML"),
    ] {
        assert_eq!(s3.send(&request, &[], &completion(parts)).await.code(), code);
    }
    let complete = completion(&[(1, first), (3, last)]);
    let done = s3.send(&request, &[], &complete).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.all("ETag")[0].ends_with("-2&quot;"), "{}", done.text());
    let again = s3.send(&request, &[], &complete).await;
    assert_eq!(again.all("ETag"), done.all("ETag"), "its answer may have been lost");

    let whole = s3.send("GET /books/a", &[("x-amz-checksum-mode", "ENABLED")], "").await;
    assert_eq!(whole.text(), format!("{five}the end"));
    assert_eq!(whole.header("content-type"), "text/plain");
    assert_eq!(whole.header("x-amz-checksum-crc32c"), done.all("ChecksumCRC32C")[0]);
    let second = s3.send("GET /books/a?partNumber=2", &[], "").await;
    assert_eq!((second.status.as_u16(), second.text()), (206, "the end"));
    assert_eq!(second.header("x-amz-mp-parts-count"), "2");
    assert_eq!(fs::read_dir(s3.path(".s3/uploads")).unwrap().count(), 0, "nothing is left");

    let id = s3.send("POST /books/a?uploads", &[], "").await.all("UploadId").remove(0);
    let small = |number| format!("PUT /books/a?partNumber={number}&uploadId={id}");
    let etag = s3.send(&small(1), &[], "small").await.header("etag");
    s3.send(&small(2), &[], "small").await;
    let request = format!("POST /books/a?uploadId={id}");
    let answer = s3.send(&request, &[], &completion(&[(1, &etag), (2, &etag)])).await;
    assert_eq!(answer.code(), "EntityTooSmall");
    let abort = format!("DELETE /books/a?uploadId={id}");
    assert_eq!(s3.send(&abort, &[], "").await.status, 204);
    assert_eq!(s3.send(&abort, &[], "").await.code(), "NoSuchUpload");
}

#[tokio::test]
async fn copies_are_objects_of_their_own() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    s3.create("copies").await;
    let headers = [("content-type", "text/plain"), ("x-amz-meta-a", "1")];
    s3.send("PUT /books/a%20b", &headers, "0123456789").await;
    let source = ("x-amz-copy-source", "/books/a%20b");
    let copy = s3.send("PUT /copies/c", &[source], "").await;
    assert_eq!(copy.status, 200, "{}", copy.text());
    s3.send("DELETE /books/a%20b", &[], "").await;
    let get = s3.send("GET /copies/c", &[], "").await;
    assert_eq!((get.text(), get.header("x-amz-meta-a").as_str()), ("0123456789", "1"));

    let source = ("x-amz-copy-source", "copies/c");
    assert_eq!(s3.send("PUT /copies/c", &[source], "").await.code(), "InvalidRequest");
    let replace = ("x-amz-metadata-directive", "REPLACE");
    let headers = [source, replace, ("x-amz-meta-b", "2")];
    assert_eq!(s3.send("PUT /copies/c", &headers, "").await.status, 200);
    let get = s3.send("GET /copies/c", &[], "").await;
    assert_eq!(
        (get.header("x-amz-meta-a"), get.header("x-amz-meta-b")),
        (String::new(), "2".into())
    );
    let stale = ("x-amz-copy-source-if-match", "\"x\"");
    assert_eq!(s3.send("PUT /copies/d", &[source, stale], "").await.status, 412);

    let id = s3.send("POST /copies/p?uploads", &[], "").await.all("UploadId").remove(0);
    let range = ("x-amz-copy-source-range", "bytes=2-4");
    let request = format!("PUT /copies/p?partNumber=1&uploadId={id}");
    let etag = s3.send(&request, &[source, range], "").await.all("ETag").remove(0);
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    assert_eq!(s3.send(&format!("POST /copies/p?uploadId={id}"), &[], &body).await.status, 200);
    assert_eq!(s3.send("GET /copies/p", &[], "").await.text(), "234");
}

#[tokio::test]
async fn many_objects_go_at_once() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    for key in ["a", "b&c", "d"] {
        s3.send(&format!("PUT /books/{key}"), &[], key).await;
    }
    let body = "<Delete><Object><Key>a</Key></Object><Object><Key>b&amp;c</Key></Object>\
                <Object><Key>never</Key></Object>\
                <Object><Key>d</Key><ETag>x</ETag></Object></Delete>";
    let answer = s3.send("POST /books?delete", &[], body).await;
    assert_eq!(answer.all("Key"), ["a", "b&amp;c", "never", "d"]);
    assert_eq!(answer.all("Code"), ["PreconditionFailed"]);
    let quiet = body.replace("<Delete>", "<Delete><Quiet>true</Quiet>");
    assert_eq!(s3.send("POST /books?delete", &[], &quiet).await.all("Key"), ["d"]);
    assert_eq!(s3.send("GET /books", &[], "").await.all("Key"), ["d"]);
}

#[tokio::test]
async fn faults_come_to_order() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    let order = r#"{"operation":"PutObject","status":503,"times":2}"#;
    assert_eq!(s3.send("POST /_local/faults", &[], order).await.status, 200);
    for (status, when) in [(503, "first"), (503, "second"), (200, "then it is over")] {
        assert_eq!(s3.send("PUT /books/a", &[], "abc").await.status.as_u16(), status, "{when}");
    }
    s3.send("POST /_local/faults", &[], r#"{"operation":"GetObject","reset":true,"times":1}"#)
        .await;
    assert!(s3.try_send("GET /books/a", &[], "").await.is_none(), "the connection breaks");
    assert_eq!(s3.send("GET /books/a", &[], "").await.text(), "abc");

    s3.send("POST /_local/faults", &[], r#"{"status":500,"for_ms":60000}"#).await;
    assert_eq!(s3.send("GET /books/a", &[], "").await.code(), "InternalError");
    s3.clock.advance(Duration::from_mins(1));
    assert_eq!(s3.send("GET /books/a", &[], "").await.status, 200);

    let order = r#"{"operation":"PutObject","status":500,"times":1,"performed":true}"#;
    s3.send("POST /_local/faults", &[], order).await;
    assert_eq!(s3.send("PUT /books/a", &[], "done").await.status, 500);
    assert_eq!(s3.send("GET /books/a", &[], "").await.text(), "done", "although it said otherwise");

    s3.send("POST /_local/faults", &[], r#"{"status":500,"times":9}"#).await;
    s3.send("DELETE /_local/faults", &[], "").await;
    assert_eq!(s3.send("GET /books/a", &[], "").await.status, 200);
    assert_eq!(s3.send("POST /_local/faults", &[], "{}").await.status, 400);
}
