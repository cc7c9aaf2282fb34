//! What the head of a request says about its body. Pure.

use axum::http::header;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    checksum::{Algorithm, Checksum},
    error::{ApiError, Code},
    head::Head,
    percent,
};

/// S3's largest object that is put at once, and largest part: 5 GiB.
pub(crate) const PUT_BYTES_MAX: u64 = 5 << 30;

/// What must come, or else the body is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) n_bytes: u64,
    /// Whether it comes in the pieces of `aws-chunked`.
    pub(crate) is_chunked: bool,
    /// In the form of an etag.
    md5: Option<String>,
    /// The hash that was signed in place of the body.
    payload: Option<String>,
    checksum: Option<Claim>,
}

/// A checksum that the client says is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Claim {
    Header(Algorithm, String),
    /// Its value follows the body.
    Trailer(Algorithm),
}

impl Expected {
    /// Reads the head.
    ///
    /// # Errors
    ///
    /// When the body would be too large, of unknown size, or something it says is malformed.
    pub(crate) fn of(head: &Head) -> Result<Expected, ApiError> {
        let hash = head.header("x-amz-content-sha256").unwrap_or("UNSIGNED-PAYLOAD");
        check_hash(hash)?;
        let encoding = head.header(header::CONTENT_ENCODING.as_str()).unwrap_or_default();
        let is_chunked = hash.starts_with("STREAMING-")
            || encoding.split(',').any(|it| it.trim().eq_ignore_ascii_case("aws-chunked"));
        let length = if is_chunked {
            "x-amz-decoded-content-length"
        } else {
            header::CONTENT_LENGTH.as_str()
        };
        let n_bytes = head
            .header(length)
            .and_then(|it| it.parse().ok())
            .ok_or_else(|| Code::MissingContentLength.about("Header", length))?;
        if PUT_BYTES_MAX < n_bytes {
            return Err(Code::EntityTooLarge
                .about("ProposedSize", n_bytes.to_string())
                .with("MaxSizeAllowed", PUT_BYTES_MAX.to_string()));
        }
        let md5 = head.header("content-md5").map(md5).transpose()?;
        let payload = is_hash(hash).then(|| hash.to_ascii_lowercase());
        Ok(Expected { n_bytes, is_chunked, md5, payload, checksum: claim(head)? })
    }

    /// Which checksum must be computed to compare it.
    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        self.checksum.as_ref().map(|it| match it {
            Claim::Header(algorithm, _) | Claim::Trailer(algorithm) => *algorithm,
        })
    }

    /// Whether the body's SHA-256 must be computed to compare it.
    pub(crate) fn has_payload_hash(&self) -> bool {
        self.payload.is_some()
    }

    /// Compares what came with what was said.
    ///
    /// # Errors
    ///
    /// When they differ.
    pub(crate) fn check(
        &self,
        n_bytes: u64,
        md5: &str,
        payload: Option<&str>,
        checksum: Option<&Checksum>,
        trailers: &[(String, String)],
    ) -> Result<(), ApiError> {
        if n_bytes != self.n_bytes {
            return Err(Code::IncompleteBody
                .about("NumberBytesExpected", self.n_bytes.to_string())
                .with("NumberBytesProvided", n_bytes.to_string()));
        }
        if self.md5.as_ref().is_some_and(|it| it != md5) {
            return Err(Code::BadDigest
                .because("The Content-MD5 you specified did not match what we received.")
                .with("CalculatedDigest", md5));
        }
        if let (Some(said), Some(computed)) = (&self.payload, payload)
            && said != computed
        {
            return Err(Code::PayloadMismatch
                .about("ClientComputedContentSHA256", said)
                .with("S3ComputedContentSHA256", computed));
        }
        let (algorithm, claimed) = match &self.checksum {
            None => return Ok(()),
            Some(Claim::Header(algorithm, value)) => (algorithm, value),
            Some(Claim::Trailer(algorithm)) => {
                let trailer = trailers.iter().find(|(name, _)| name == algorithm.header());
                let (_, value) = trailer
                    .ok_or_else(|| Code::MalformedTrailer.about("Trailer", algorithm.header()))?;
                (algorithm, value)
            }
        };
        if checksum.is_some_and(|it| it.value == *claimed) {
            return Ok(());
        }
        let name = algorithm.name();
        Err(Code::BadDigest
            .because(format!("The {name} you specified did not match the calculated checksum.")))
    }
}

/// Whether this is the hash of a body.
fn is_hash(hash: &str) -> bool {
    hash.len() == 64 && hash.bytes().all(|it| it.is_ascii_hexdigit())
}

/// Refuses what cannot stand in `x-amz-content-sha256`.
fn check_hash(hash: &str) -> Result<(), ApiError> {
    if is_hash(hash) || hash == "UNSIGNED-PAYLOAD" || hash.starts_with("STREAMING-") {
        return Ok(());
    }
    Err(Code::InvalidArgument
        .because(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
             STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        )
        .with("ArgumentName", "x-amz-content-sha256")
        .with("ArgumentValue", hash))
}

fn md5(header: &str) -> Result<String, ApiError> {
    let bytes = STANDARD.decode(header).ok().filter(|it| it.len() == 16);
    let bytes = bytes.ok_or_else(|| Code::InvalidDigest.about("Content-MD5", header))?;
    Ok(percent::hex(&bytes))
}

fn claim(head: &Head) -> Result<Option<Claim>, ApiError> {
    let claims = Algorithm::ALL.into_iter().filter_map(|it| Some((it, head.header(it.header())?)));
    let claims: Vec<_> = claims.collect();
    match (&claims[..], head.header("x-amz-trailer")) {
        ([], None) => Ok(None),
        ([], Some(trailer)) => {
            let algorithm = Algorithm::of_header(&trailer.trim().to_ascii_lowercase());
            let algorithm = algorithm.ok_or_else(|| {
                Code::InvalidRequest
                    .because("The value specified in the x-amz-trailer header is not supported")
            })?;
            Ok(Some(Claim::Trailer(algorithm)))
        }
        ([(algorithm, value)], _) if algorithm.fits(value) => {
            Ok(Some(Claim::Header(*algorithm, (*value).to_owned())))
        }
        ([(algorithm, _)], _) => Err(Code::InvalidRequest
            .because(format!("Value for {} header is invalid.", algorithm.header()))),
        _ => Err(Code::InvalidRequest.because(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const PAYLOAD: &str = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";
    const EMPTY_PAYLOAD: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    const CRC32: (&str, &str) = ("x-amz-checksum-crc32", "y/Q5Jg==");

    #[test]
    fn a_body_is_what_its_head_says() {
        let trailer = [("x-amz-checksum-crc32".to_owned(), "y/Q5Jg==".to_owned())];
        let wrong = [("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned())];
        let chunked =
            [("x-amz-decoded-content-length", "9"), ("x-amz-trailer", "x-amz-checksum-crc32")];
        let chunked = [&chunked[..], &[("content-encoding", "aws-chunked")]].concat();
        for (headers, trailers, code, when) in [
            (vec![("content-length", "9")], &[][..], "", "only a length"),
            (vec![("content-length", "8")], &[], "IncompleteBody", "more than said"),
            (vec![("content-length", "10")], &[], "IncompleteBody", "less than said"),
            (vec![], &[], "MissingContentLength", "no length"),
            (vec![("content-length", "-1")], &[], "MissingContentLength", "no number"),
            (vec![("content-length", "5368709121")], &[], "EntityTooLarge", "a byte too long"),
            (vec![("content-length", "9"), CRC32], &[], "", "the right checksum"),
            (
                vec![("content-length", "9"), ("x-amz-checksum-crc32", "AAAAAA==")],
                &[],
                "BadDigest",
                "another checksum",
            ),
            (
                vec![("content-length", "9"), ("x-amz-checksum-crc32", "AAAA")],
                &[],
                "InvalidRequest",
                "no checksum",
            ),
            (
                vec![("content-length", "9"), CRC32, ("x-amz-checksum-sha1", "AAAA")],
                &[],
                "InvalidRequest",
                "two checksums",
            ),
            (
                vec![("content-length", "9"), ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")],
                &[],
                "",
                "the right MD5",
            ),
            (
                vec![("content-length", "9"), ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")],
                &[],
                "BadDigest",
                "another MD5",
            ),
            (vec![("content-length", "9"), ("content-md5", "x")], &[], "InvalidDigest", "no MD5"),
            (
                vec![("content-length", "9"), ("x-amz-content-sha256", "x")],
                &[],
                "InvalidArgument",
                "no hash",
            ),
            (
                vec![("content-length", "9"), ("x-amz-content-sha256", PAYLOAD)],
                &[],
                "",
                "the right hash",
            ),
            (
                vec![("content-length", "9"), ("x-amz-content-sha256", EMPTY_PAYLOAD)],
                &[],
                "XAmzContentSHA256Mismatch",
                "another hash",
            ),
            (chunked.clone(), &trailer, "", "the right trailer"),
            (chunked.clone(), &wrong, "BadDigest", "another trailer"),
            (chunked, &[], "MalformedTrailerError", "a trailer that did not come"),
        ] {
            assert_eq!(checked(&headers, trailers), code, "{when}");
        }
    }

    /// The code of the error of a body that is `123456789`, if there is one.
    fn checked(headers: &[(&'static str, &str)], trailers: &[(String, String)]) -> String {
        let mut request = Request::builder().uri("/books/a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let head = Head::of(&request.body(()).unwrap().into_parts().0).unwrap();
        let mut hasher = Algorithm::Crc32.hasher();
        hasher.update(b"123456789");
        let checksum = hasher.finish();
        let md5 = "25f9e794323b453885f5181f1b624d0b";
        Expected::of(&head)
            .and_then(|it| it.check(9, md5, Some(PAYLOAD), Some(&checksum), trailers))
            .map_or_else(|it| it.code.into_owned(), |()| String::new())
    }
}
