//! Who asks, and for what: read from the head of a request. Pure.

use http::HeaderMap;

use super::error::ApiError;

/// The account of whoever does not say which.
pub(crate) const ACCOUNT_DEFAULT: &str = "000000000000";
/// The region of whoever does not say which.
const REGION_DEFAULT: &str = "us-east-1";

/// Who asks. Signatures are never verified: this endpoint is yours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Out of the scope of the signature.
    pub(crate) region: String,
    /// The access key, if it looks like an account.
    pub(crate) account: String,
    pub(crate) access_key: String,
}

impl Caller {
    /// Reads the `Authorization` header.
    ///
    /// # Errors
    ///
    /// When there is one that is not a signature of version 4.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Caller, ApiError> {
        let Some(value) = headers.get(http::header::AUTHORIZATION).filter(|it| !it.is_empty())
        else {
            return Ok(Caller::new(REGION_DEFAULT, ""));
        };
        let value = value.to_str().unwrap_or_default();
        let malformed = || {
            ApiError::IncompleteSignature(format!(
                "Authorization header requires 'Credential' parameter with <access key>/<date>/<region>/<service>/aws4_request. Authorization={value}"
            ))
        };
        let rest = value.strip_prefix("AWS4-").ok_or_else(malformed)?;
        let (_, parameters) = rest.split_once(' ').ok_or_else(malformed)?;
        let credential = parameters
            .split(',')
            .find_map(|it| it.trim().strip_prefix("Credential="))
            .ok_or_else(malformed)?;
        // An access key may have slashes in it; the scope has four parts.
        let mut parts = credential.rsplitn(5, '/');
        match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("aws4_request"), Some(_service), Some(region), Some(_date), Some(access_key))
                if is_region(region) =>
            {
                Ok(Caller::new(region, access_key))
            }
            _ => Err(malformed()),
        }
    }

    fn new(region: &str, access_key: &str) -> Caller {
        let is_account = access_key.len() == 12 && access_key.bytes().all(|it| it.is_ascii_digit());
        Caller {
            region: region.to_owned(),
            account: if is_account { access_key } else { ACCOUNT_DEFAULT }.to_owned(),
            access_key: access_key.to_owned(),
        }
    }
}

/// A region becomes part of ARNs, so it may not hold what would break them.
fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'*'))
}

/// Service and operation out of `X-Amz-Target`.
pub(crate) fn target(headers: &HeaderMap) -> Option<(&str, &str)> {
    headers.get("x-amz-target")?.to_str().ok()?.split_once('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_known_by_the_signature() {
        let signed = |credential: &str| {
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0f")
        };
        for (authorization, expected, when) in [
            (String::new(), Some(("us-east-1", ACCOUNT_DEFAULT)), "not signed"),
            (
                signed("test/20261122/eu-west-1/dynamodb/aws4_request"),
                Some(("eu-west-1", ACCOUNT_DEFAULT)),
                "any key",
            ),
            (
                signed("123456789012/20261122/cn-north-1/dynamodb/aws4_request"),
                Some(("cn-north-1", "123456789012")),
                "the key is an account",
            ),
            (
                signed("a/b/20261122/us-east-1/sts/aws4_request"),
                Some(("us-east-1", ACCOUNT_DEFAULT)),
                "slashes in the key",
            ),
            (signed("test/20261122/us-east-1"), None, "the scope is cut"),
            (signed("t/20261122/us:east/dynamodb/aws4_request"), None, "no region"),
            ("Basic abc".to_owned(), None, "another scheme"),
            ("AWS4-HMAC-SHA256".to_owned(), None, "nothing behind it"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", authorization.parse().unwrap());
            let caller = Caller::of(&headers).ok();
            let seen = caller.as_ref().map(|it| (it.region.as_str(), it.account.as_str()));
            assert_eq!(seen, expected, "{when}");
        }
    }
}
