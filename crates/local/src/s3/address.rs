//! Which bucket and key a request means, by its host and its path. Pure.

use std::net::Ipv4Addr;

use super::{
    error::{ApiError, Code},
    percent,
};

/// S3's longest key, in bytes.
pub(crate) const KEY_BYTES_MAX: usize = 1024;

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) bucket: Option<String>,
    /// Only ever there with a bucket.
    pub(crate) key: Option<String>,
}

impl Address {
    /// Reads the host and the path, which is not decoded yet.
    ///
    /// # Errors
    ///
    /// When they cannot name a bucket or key.
    pub(crate) fn of(host: &str, path: &str) -> Result<Address, ApiError> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = match bucket_of_host(host) {
            Some(bucket) => (bucket, path),
            None => match path.split_once('/') {
                Some((bucket, key)) => (decoded(bucket)?, key),
                None => (decoded(path)?, ""),
            },
        };
        if bucket.is_empty() && key.is_empty() {
            return Ok(Address::default());
        }
        check_bucket(&bucket)?;
        let key = decoded(key)?;
        check_key(&key)?;
        Ok(Address { bucket: Some(bucket), key: (!key.is_empty()).then_some(key) })
    }
}

/// Refuses what cannot be the name of a bucket. Nothing else can become a folder.
pub(crate) fn check_bucket(name: &str) -> Result<(), ApiError> {
    let is_edge = |it: Option<&u8>| it.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let fits = (3..=63).contains(&name.len())
        && bytes.iter().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err();
    if fits { Ok(()) } else { Err(Code::InvalidBucketName.about("BucketName", name)) }
}

/// Refuses a key that is too long.
pub(crate) fn check_key(key: &str) -> Result<(), ApiError> {
    if key.len() <= KEY_BYTES_MAX {
        return Ok(());
    }
    Err(Code::KeyTooLong
        .about("Size", key.len().to_string())
        .with("MaxSizeAllowed", KEY_BYTES_MAX.to_string()))
}

fn decoded(text: &str) -> Result<String, ApiError> {
    percent::decode(text).ok_or_else(|| Code::InvalidUri.about("URI", text))
}

/// The bucket in front of a host, if it is a host of that kind. Any other host may be the name
/// of the machine, so the bucket is looked for in the path.
fn bucket_of_host(host: &str) -> Option<String> {
    let is_port = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(it, _)| it);
    let host = name.trim().trim_end_matches('.').to_ascii_lowercase();
    let bucket = if let Some((bucket, _)) = host.rsplit_once(".s3.") {
        bucket
    } else if host.starts_with("s3.") {
        return None;
    } else if let Some(bucket) = host.strip_suffix(".localhost") {
        bucket
    } else {
        let at = address_within(&host)?;
        host[..at].strip_suffix('.')?
    };
    (!bucket.is_empty()).then(|| bucket.to_owned())
}

/// Where in a name like `books.127.0.0.1.nip.io` the address begins.
fn address_within(host: &str) -> Option<usize> {
    let starts = host.match_indices('.').map(|(at, _)| at + 1);
    starts.into_iter().find(|start| {
        let labels: Vec<&str> = host[*start..].splitn(5, '.').collect();
        labels.len() == 5 && labels[..4].iter().all(|it| it.parse::<u8>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_bucket_and_key() {
        for (host, path, bucket, key, when) in [
            ("127.0.0.1:9090", "/", "", "", "the service"),
            ("127.0.0.1:9090", "/books", "books", "", "a bucket by its path"),
            ("127.0.0.1:9090", "/books/", "books", "", "with a slash"),
            ("127.0.0.1:9090", "/books/a/b", "books", "a/b", "a key"),
            ("127.0.0.1:9090", "/books//a", "books", "/a", "a key that begins with a slash"),
            ("127.0.0.1:9090", "/books/a%20b%2Fc+d/", "books", "a b/c+d/", "encoded"),
            ("127.0.0.1:9090", "/books/../../etc", "books", "../../etc", "up is only a name"),
            ("[::1]:9090", "/books/a", "books", "a", "another kind of address"),
            ("localhost", "/books/a", "books", "a", "this machine"),
            ("streamdex:9090", "/books/a", "books", "a", "a name in a network of containers"),
            ("minio.example.com", "/books/a", "books", "a", "any name"),
            ("", "/books/a", "books", "a", "no host at all"),
            ("books.localhost:9090", "/a/b", "books", "a/b", "a bucket by its host"),
            ("Books.LOCALHOST", "/", "books", "", "in capitals"),
            ("my.books.localhost:9090", "/a", "my.books", "a", "a dot in the name"),
            ("books.s3.localhost:9090", "/a", "books", "a", "under s3"),
            ("books.s3.eu-west-1.localhost", "/a", "books", "a", "with a region"),
            ("books.s3.us-east-1.amazonaws.com", "/a", "books", "a", "as in AWS"),
            ("s3.localhost:9090", "/books/a", "books", "a", "s3 alone"),
            ("s3.eu-west-1.amazonaws.com", "/books/a", "books", "a", "s3 and a region"),
            ("books.127.0.0.1.nip.io:9090", "/a", "books", "a", "a name that is an address"),
            ("my.books.s3.127.0.0.1.nip.io", "/a", "my.books", "a", "both"),
            ("127.0.0.1.nip.io", "/books/a", "books", "a", "without a bucket"),
        ] {
            let some = |it: &str| (!it.is_empty()).then(|| it.to_owned());
            let expected = Address { bucket: some(bucket), key: some(key) };
            assert_eq!(Address::of(host, path).unwrap(), expected, "{host} {path}: {when}");
        }
    }

    #[test]
    fn refuses_what_cannot_be() {
        let long = format!("/books/{}", "k".repeat(KEY_BYTES_MAX + 1));
        for (path, code, when) in [
            ("/bo", Code::InvalidBucketName, "too short"),
            ("/.s3/about", Code::InvalidBucketName, "our own folder"),
            ("/../etc", Code::InvalidBucketName, "up"),
            ("/%2E%2E/etc", Code::InvalidBucketName, "up, encoded"),
            ("/Books", Code::InvalidBucketName, "a capital"),
            ("/bo..oks", Code::InvalidBucketName, "two dots"),
            ("/-books", Code::InvalidBucketName, "a sign in front"),
            ("/192.168.0.1", Code::InvalidBucketName, "an address"),
            ("//key", Code::InvalidBucketName, "no bucket"),
            ("/books/%zz", Code::InvalidUri, "no escape"),
            ("/books/%ff", Code::InvalidUri, "not UTF-8"),
            (&long, Code::KeyTooLong, "too long"),
        ] {
            let error = Address::of("localhost", path).unwrap_err();
            assert!(error.is(code), "{path}: {when}: {error}");
        }
    }

    proptest! {
        /// No host and no path make it panic.
        #[test]
        fn takes_any_text(host in any::<String>(), path in any::<String>()) {
            let _ = Address::of(&host, &path);
        }

        #[test]
        fn takes_almost_hosts(host in "([0-9]{1,3}|\\.|:|s3|localhost|[a-z]{1,3}){0,12}") {
            let _ = Address::of(&host, "/a");
        }
    }
}
