//! Whether a signed request has the form of one. Pure.
//!
//! Signatures are never verified, and requests without one are welcome: this endpoint is yours. But
//! a client that signs wrongly hears of it here rather than in AWS, and a presigned address ends
//! when it says so.

use axum::http::header;

use super::{
    error::{ApiError, Code},
    head::Head,
    time,
};

/// S3's longest life of a presigned address: a week.
const EXPIRES_S_MAX: u64 = 7 * 24 * 3600;

/// Looks at the signature, if there is one.
///
/// # Errors
///
/// When it is malformed, or its time is over.
pub(crate) fn check(head: &Head, now_ms: u64) -> Result<(), ApiError> {
    if let Some(algorithm) = head.query.get("X-Amz-Algorithm") {
        return check_presigned(head, algorithm, now_ms);
    }
    if head.query.has("AWSAccessKeyId") {
        return check_presigned_2(head, now_ms);
    }
    match head.headers.get(header::AUTHORIZATION) {
        None => Ok(()),
        Some(value) => check_header(value.to_str().unwrap_or_default()),
    }
}

fn check_header(authorization: &str) -> Result<(), ApiError> {
    let malformed = |what: &str| {
        Err(Code::AuthorizationHeaderMalformed.because(format!(
            "The authorization header is malformed; {what}; expected \
             `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/s3/aws4_request, SignedHeaders=…, Signature=…`"
        )))
    };
    let (scheme, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
    match scheme {
        // Version 2 has a key, a colon and a signature.
        "AWS" if rest.contains(':') => return Ok(()),
        // The second is over several regions, with a scope that has none.
        "AWS4-HMAC-SHA256" | "AWS4-ECDSA-P256-SHA256" => {}
        _ => return malformed("the scheme is unknown"),
    }
    let part =
        |name: &str| rest.split(',').find_map(|it| it.trim().strip_prefix(name)?.strip_prefix('='));
    match (part("Credential"), part("SignedHeaders"), part("Signature")) {
        (None, _, _) => malformed("it has no Credential"),
        (_, None | Some(""), _) => malformed("it has no SignedHeaders"),
        (_, _, None) => malformed("it has no Signature"),
        (_, _, Some(signature)) if !is_signature(signature) => {
            malformed("the Signature is not hexadecimal")
        }
        (Some(credential), _, _) if !is_credential(credential) => {
            malformed("the Credential has no scope of S3")
        }
        _ => Ok(()),
    }
}

fn check_presigned(head: &Head, algorithm: &str, now_ms: u64) -> Result<(), ApiError> {
    let malformed = |what: &str| {
        Err(Code::AuthorizationQueryParametersError
            .because(format!("the parameters of the presigned address are not valid; {what}")))
    };
    let get = |name: &str| head.query.get(name).unwrap_or_default();
    if !algorithm.starts_with("AWS4-") {
        return malformed("X-Amz-Algorithm only supports AWS4-HMAC-SHA256");
    }
    if !is_credential(get("X-Amz-Credential")) {
        return malformed("X-Amz-Credential has no scope of S3");
    }
    if !is_signature(get("X-Amz-Signature")) {
        return malformed("X-Amz-Signature is not hexadecimal");
    }
    if get("X-Amz-SignedHeaders").is_empty() {
        return malformed("X-Amz-SignedHeaders is empty");
    }
    let Some(signed_ms) = time::parse_basic(get("X-Amz-Date")) else {
        return malformed("X-Amz-Date is not like 20261122T100000Z");
    };
    match get("X-Amz-Expires").parse() {
        Ok(expires_s @ 0..=EXPIRES_S_MAX) => check_time(signed_ms + expires_s * 1000, now_ms),
        _ => malformed("X-Amz-Expires is not a number of seconds up to a week"),
    }
}

fn check_presigned_2(head: &Head, now_ms: u64) -> Result<(), ApiError> {
    let expires_s: Option<u64> = head.query.get("Expires").and_then(|it| it.parse().ok());
    match expires_s {
        Some(expires_s) if head.query.filled("Signature").is_some() => {
            check_time(expires_s.saturating_mul(1000), now_ms)
        }
        _ => Err(Code::AccessDenied
            .because("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")),
    }
}

fn check_time(expires_ms: u64, now_ms: u64) -> Result<(), ApiError> {
    if now_ms < expires_ms {
        return Ok(());
    }
    Err(Code::AccessDenied
        .because("Request has expired")
        .with("Expires", time::iso(expires_ms))
        .with("ServerTime", time::iso(now_ms)))
}

/// `<key>/<date>/<region>/s3/aws4_request`; a key may have slashes of its own.
fn is_credential(credential: &str) -> bool {
    let mut parts = credential.rsplitn(5, '/');
    let ends = parts.next() == Some("aws4_request");
    let service = parts.next().is_some_and(|it| it.starts_with("s3"));
    let has_date_and_key = parts.filter(|it| !it.is_empty()).count() >= 2;
    ends && service && has_date_and_key
}

fn is_signature(signature: &str) -> bool {
    !signature.is_empty() && signature.bytes().all(|it| it.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    /// 2026-11-22T10:00:00Z.
    const NOW_MS: u64 = 1_795_341_600_000;

    #[test]
    fn takes_what_clients_send() {
        for (authorization, query, when) in [
            ("", "", "not signed"),
            (
                "AWS4-HMAC-SHA256 Credential=test/20261122/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=0f1e",
                "",
                "version 4",
            ),
            (
                "AWS4-HMAC-SHA256 Credential=a/b/20261122/eu-west-1/s3/aws4_request,SignedHeaders=host,Signature=0f1e",
                "",
                "no spaces, and slashes in the key",
            ),
            (
                "AWS4-ECDSA-P256-SHA256 Credential=test/20261122/s3/aws4_request, SignedHeaders=host, Signature=0f1e",
                "",
                "over several regions",
            ),
            ("AWS test:frJIUN8DYpKDtOLCwo//yllqDzg=", "", "version 2"),
            (
                "",
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=t%2F20261122%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20261122T095900Z&X-Amz-Expires=61&X-Amz-SignedHeaders=host&X-Amz-Signature=0f",
                "presigned, a second left",
            ),
            (
                "",
                "AWSAccessKeyId=test&Signature=abc%3D&Expires=1795341601",
                "presigned with version 2",
            ),
        ] {
            assert_eq!(checked(authorization, query), None, "{when}");
        }
    }

    #[test]
    fn refuses_what_aws_would() {
        let presigned = |from: &str, to: &str| {
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=t/20261122/r/s3/aws4_request&X-Amz-Date=20261122T095900Z&X-Amz-Expires=61&X-Amz-SignedHeaders=host&X-Amz-Signature=0f"
                .replace(from, to)
        };
        let header = "AuthorizationHeaderMalformed";
        let parameters = "AuthorizationQueryParametersError";
        for (authorization, query, code, when) in [
            ("Basic dGVzdDp0ZXN0", String::new(), header, "another scheme"),
            ("AWS4-HMAC-SHA256", String::new(), header, "nothing behind it"),
            (
                "AWS4-HMAC-SHA256 Credential=test/20261122/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0f",
                String::new(),
                header,
                "for another service",
            ),
            (
                "AWS4-HMAC-SHA256 Credential=test/20261122/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=xy",
                String::new(),
                header,
                "no signature",
            ),
            ("", presigned("=61", "=60"), "AccessDenied", "over just now"),
            ("", presigned("=61", "=604801"), parameters, "longer than a week"),
            ("", presigned("20261122T095900Z", "yesterday"), parameters, "no time"),
            ("", presigned("=0f", "="), parameters, "no signature"),
            ("", presigned("/s3/", "/sqs/"), parameters, "for another service"),
            ("", presigned("AWS4-HMAC-SHA256", "SHA256"), parameters, "another algorithm"),
            ("", "AWSAccessKeyId=t&Signature=a&Expires=1".to_owned(), "AccessDenied", "long over"),
            ("", "AWSAccessKeyId=t&Expires=1795341601".to_owned(), "AccessDenied", "no signature"),
        ] {
            assert_eq!(checked(authorization, &query).as_deref(), Some(code), "{when}");
        }
    }

    /// The code of the error, if there is one.
    fn checked(authorization: &str, query: &str) -> Option<String> {
        let mut request = Request::builder().uri(format!("/books/a?{query}"));
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let head = Head::of(&parts).unwrap();
        check(&head, NOW_MS).err().map(|it| it.code.into_owned())
    }
}
