//! Tests of the calls, without S3.

use super::*;
use crate::{AwsConfig, Environment};

#[test]
fn a_listing_is_read() {
    let body = br#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>p/</Prefix>
<KeyCount>2</KeyCount><IsTruncated>true</IsTruncated><NextContinuationToken>n&amp;x</NextContinuationToken>
<Contents><Key>p/a&lt;b</Key><LastModified>2026-11-27T18:00:00.000Z</LastModified><ETag>&quot;abc-2&quot;</ETag><Size>12</Size></Contents>
<Contents><Key>p/&#233;</Key><Size>0</Size></Contents></ListBucketResult>"#;
    let page = xml::listing(body).unwrap();
    assert_eq!(page.next.as_deref(), Some("n&x"));
    let keys: Vec<_> = page.objects.iter().map(|it| (it.key.as_str(), it.size)).collect();
    assert_eq!(keys, [("p/a<b", 12), ("p/é", 0)]);
    assert_eq!(page.objects[0].etag, "abc-2");
    assert_eq!(page.objects[0].last_modified, "2026-11-27T18:00:00.000Z");
}

#[test]
fn what_is_no_listing_is_refused() {
    for body in ["", "{}", "<a>", "<a></a>", "<ListBucketResult><Contents></a>"] {
        assert_eq!(xml::listing(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn an_error_is_known_by_its_code() {
    let body = b"<Error><Code>NoSuchKey</Code><Message>not there</Message><Key>k</Key></Error>";
    assert_eq!(xml::refusal(body), Some(("NoSuchKey".to_owned(), "not there".to_owned())));
    assert_eq!(xml::refusal(b"<html></html>"), None);
}

#[test]
fn keys_are_encoded_as_signatures_want_it() {
    assert_eq!(encode("a/b c+é~", true), "a/b%20c%2B%C3%A9~");
    assert_eq!(encode("a/b", false), "a%2Fb");
}

#[tokio::test]
async fn an_address_has_the_bucket_in_front_or_in_the_path() {
    let config = AwsConfig { region: Some("eu-west-1".to_owned()), ..AwsConfig::default() };
    let access = Access::new(config, Environment::of([]));
    let aws = S3::new(&access, None).await.unwrap();
    let here = S3::new(&access, Some("http://127.0.0.1:9090/")).await.unwrap();
    let call = |bucket| Call { operation: "GetObject", bucket, key: "a b" };
    for (s3, bucket, address) in [
        (&aws, "books", "https://books.s3.eu-west-1.amazonaws.com/a%20b"),
        (&aws, "my.books", "https://s3.eu-west-1.amazonaws.com/my.books/a%20b"),
        (&here, "books", "http://127.0.0.1:9090/books/a%20b"),
    ] {
        assert_eq!(s3.address(call(bucket), ""), address);
    }
}
