//! How we show who we are: names, tokens, certificates, signatures.

use std::fmt;

use serde::{Deserialize, de::IgnoredAny};

/// Who we are, in one block.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    /// The name.
    #[serde(default)]
    pub username: Option<String>,
    /// The password that goes with it.
    #[serde(default)]
    pub password: Option<String>,
    /// A token, sent as `Authorization: Bearer …`.
    #[serde(default)]
    pub api_token: Option<String>,
    /// Our certificate: PEM, or a file of it.
    #[serde(default)]
    pub client_certificate: Option<String>,
    /// The key that goes with it: PEM, or a file of it.
    #[serde(default)]
    pub client_key: Option<String>,
}

/// Nothing of it may get into a log.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authentication")
    }
}

/// Where the domain or collection is, and as whom to write to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsBlock {
    /// The region of the domain or collection.
    #[serde(default)]
    pub region: Option<String>,
    /// The role to take on.
    #[serde(default)]
    pub sts_role_arn: Option<String>,
    /// What the role's owner asked us to say.
    #[serde(default)]
    pub sts_external_id: Option<String>,
    /// Accepted, and not sent.
    #[serde(default)]
    pub sts_header_overrides: Option<IgnoredAny>,
    /// Whether it is a collection of OpenSearch Serverless.
    #[serde(default)]
    pub serverless: bool,
    /// Accepted. The network policy is not changed.
    #[serde(default)]
    pub serverless_options: Option<IgnoredAny>,
}
