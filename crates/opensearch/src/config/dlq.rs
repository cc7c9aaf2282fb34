//! The `dlq:` block: where documents are kept that the index will never take.

use serde::{Deserialize, de::IgnoredAny};

/// Where dead letters are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dlq {
    /// In a bucket.
    pub s3: DlqS3,
}

/// A bucket for dead letters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DlqS3 {
    /// Its name.
    pub bucket: String,
    /// What the names of the objects begin with. `%{yyyy-MM-dd}` stands for the date.
    #[serde(default)]
    pub key_path_prefix: Option<String>,
    /// Its region.
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
    /// The account that the bucket must belong to: 12 digits.
    #[serde(default)]
    pub bucket_owner: Option<String>,
    /// Put the name of the bucket into the path, not into the host.
    #[serde(default)]
    pub force_path_style: bool,
    /// Accepted. We send SHA-256, which every store takes.
    #[serde(default)]
    pub legacy_md5_checksum: bool,
    /// Where the bucket is, if not at AWS.
    #[serde(default)]
    pub endpoint: Option<String>,
}
