//! Signature Version 4 for one service.

use std::{borrow::Cow, time::SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign as sigv4,
    },
    sign::v4,
};
use bytes::Bytes;
use http::Request;

use crate::{Access, AccessError};

/// Signs requests for one service.
#[derive(Clone, Debug)]
pub struct Signer {
    access: Access,
    service: Cow<'static, str>,
    /// `aoss` and `s3` want the hash of the body as a header, too; `es` takes it.
    content_hash: bool,
}

impl Signer {
    /// A signer for `service` (`dynamodb`, `es`, `aoss`, `s3`).
    pub fn new(access: Access, service: impl Into<Cow<'static, str>>) -> Signer {
        let service = service.into();
        let content_hash = matches!(service.as_ref(), "aoss" | "es" | "s3");
        Signer { access, service, content_hash }
    }

    /// Whose right it signs with.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Adds the signature to `request`.
    ///
    /// # Errors
    ///
    /// When there are no credentials or no region.
    pub async fn sign(&self, request: &mut Request<Bytes>) -> Result<(), AccessError> {
        let credentials = self.access.credentials().await?;
        let region = self.access.region().await?;
        sign_as(&self.service, self.content_hash, request, credentials, &region, now())
    }
}

/// Adds the signature of `credentials` at the moment `at`.
fn sign_as(
    service: &str,
    content_hash: bool,
    request: &mut Request<Bytes>,
    credentials: Credentials,
    region: &str,
    at: SystemTime,
) -> Result<(), AccessError> {
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    if content_hash {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if service == "s3" {
        // S3 signs the path as it is sent: a key may hold `//` and `..`.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(at)
        .settings(settings)
        .build()
        .expect("everything required is set")
        .into();
    let instructions = {
        let headers = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers,
            SignableBody::Bytes(request.body()),
        );
        let signed = signable.and_then(|signable| sigv4(signable, &parameters));
        signed.map_err(|error| AccessError::NoCredentials(error.to_string()))?.into_parts().0
    };
    instructions.apply_to_request_http1x(request);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "AWS compares the signature's time with its own")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
