//! Settings of the `opensearch` sink, as the user writes them.

use std::path::PathBuf;

use pipeline::{ConfigError, Settings};
use serde::{Deserialize, de::IgnoredAny};

/// Settings that Data Prepper has and this version does not carry out. They are refused by name, so
/// that nobody believes in an effect that is not there.
const NOT_YET: [&str; 20] = [
    "actions",
    "authentication",
    "distribution_version",
    "dlq_file",
    "document_id_field",
    "document_root_key",
    "exclude_keys",
    "forward_to",
    "include_keys",
    "ism_policy_file",
    "normalize_index",
    "path_prefix",
    "proxy",
    "query_lookup",
    "routing",
    "routing_field",
    "script",
    "tags_target_key",
    "template_content",
    "template_file",
];

/// Writes to an OpenSearch index.
///
/// ```yaml
/// opensearch:
///   hosts: ["https://localhost:9200"]
///   index: books
///   document_id: '${getMetadata("primary_key")}'
///   action: '${getMetadata("opensearch_action")}'
///   document_version: '${getMetadata("document_version")}'
///   document_version_type: external
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The addresses of the cluster, with `http://` or `https://`. They are used in turn: when one is away, the next.
    pub hosts: Vec<String>,
    /// Who we are, for clusters that ask for a name and password.
    #[serde(default)]
    pub username: Option<String>,
    /// The password that goes with `username`.
    #[serde(default)]
    pub password: Option<String>,
    /// A PEM file with the certificate authority of the cluster.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// Trust any certificate. For test clusters.
    #[serde(default)]
    pub insecure: bool,
    /// Sign requests, for managed domains and collections.
    #[serde(default)]
    pub aws: Option<AwsBlock>,
    /// The index, or an alias of it.
    pub index: String,
    /// `custom` creates the index if it is missing; `management_disabled` touches nothing but documents.
    #[serde(default)]
    pub index_type: IndexType,
    /// How many primary shards an index that we create gets.
    #[serde(default)]
    pub number_of_shards: Option<u32>,
    /// How many replicas an index that we create gets. 0 is allowed.
    #[serde(default)]
    pub number_of_replicas: Option<u32>,
    /// The `_id` of a document. Without it OpenSearch makes one up, and what is sent twice is there twice.
    #[serde(default)]
    pub document_id: Option<String>,
    /// `index`, `create`, `update`, `upsert` or `delete`; or an expression that gives one of them.
    #[serde(default = "action_default")]
    pub action: String,
    /// The version of a document, as an expression.
    #[serde(default)]
    pub document_version: Option<String>,
    /// How OpenSearch compares versions.
    #[serde(default)]
    pub document_version_type: VersionType,
    /// How large a request may get, in MiB.
    #[serde(default = "bulk_size_default")]
    pub bulk_size: f64,
    /// Accepted. Requests leave as soon as the one before is answered; nothing waits for a timer.
    #[serde(default)]
    pub flush_timeout: Option<i64>,
    /// How often to send what OpenSearch cannot take just now. Without it: until it can.
    #[serde(default)]
    pub max_retries: Option<u32>,
    /// Where to keep what OpenSearch will never take.
    #[serde(default)]
    pub dlq: Option<IgnoredAny>,
    /// The kind of index template.
    #[serde(default)]
    pub template_type: Option<String>,
    /// How long to wait for an answer, in milliseconds.
    #[serde(default)]
    pub socket_timeout: Option<u64>,
    /// Accepted.
    #[serde(default)]
    pub connect_timeout: Option<u64>,
    /// Accepted.
    #[serde(default)]
    pub enable_request_compression: Option<bool>,
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

/// What we do about the index itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexType {
    /// Create it if it is missing.
    #[default]
    Custom,
    /// Nothing. OpenSearch may create it when the first document comes.
    ManagementDisabled,
}

/// How OpenSearch compares versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionType {
    /// It counts for itself.
    #[default]
    Internal,
    /// A document is taken if its version is higher.
    External,
    /// A document is taken if its version is higher or the same.
    ExternalGte,
}

impl VersionType {
    /// As a request names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            VersionType::Internal => "internal",
            VersionType::External => "external",
            VersionType::ExternalGte => "external_gte",
        }
    }
}

fn action_default() -> String {
    "index".to_owned()
}

const fn bulk_size_default() -> f64 {
    5.0
}

impl Config {
    /// Reads the settings and checks what can be checked without asking the cluster. Says in the
    /// second part what is accepted but does nothing.
    ///
    /// # Errors
    ///
    /// When a setting is missing, unknown, or contradicts another.
    pub fn read(settings: &Settings) -> Result<(Config, Vec<ConfigError>), ConfigError> {
        for name in NOT_YET {
            if settings.get(name).is_some() {
                let problem = "this version does not carry it out yet; remove it";
                return Err(settings.problem(name, problem));
            }
        }
        let config: Config = settings.read()?;
        config.check(settings)?;
        let mut warnings = Vec::new();
        if config.dlq.is_some() {
            let problem =
                "`dlq` is not yet carried out: dead letters are kept in the data directory";
            warnings.push(settings.problem("dlq", problem));
        }
        if config.document_id.is_none() {
            let problem = "without `document_id` what is sent again after a crash is indexed twice";
            let help = "write document_id: '${getMetadata(\"primary_key\")}'";
            warnings.push(settings.problem("", problem).with_help(help));
        }
        Ok((config, warnings))
    }

    fn check(&self, settings: &Settings) -> Result<(), ConfigError> {
        if self.hosts.is_empty() {
            return Err(
                settings.problem("hosts", "name at least one, as in [\"http://localhost:9200\"]")
            );
        }
        for (n, host) in self.hosts.iter().enumerate() {
            let is_address = host.strip_prefix("http://").or(host.strip_prefix("https://"));
            if is_address.is_none_or(|it| it.is_empty() || it.contains(char::is_whitespace)) {
                let problem =
                    format!("`{host}` is not an address; write it as `https://host:9200`");
                return Err(settings.problem(&format!("hosts[{n}]"), problem));
            }
        }
        if self.index.is_empty() {
            return Err(settings.problem("index", "write the name of the index"));
        }
        if self.bulk_size == 0.0 || self.bulk_size.is_nan() {
            return Err(settings.problem("bulk_size", "write how many MiB, as in `5`"));
        }
        if self.max_retries == Some(0) {
            return Err(settings.problem("max_retries", "write at least 1, or leave it out"));
        }
        if self.username.is_some() && self.aws.is_some() {
            return Err(settings.problem(
                "username",
                "either sign requests with `aws`, or give a name and password; not both",
            ));
        }
        if self.username.is_some() != self.password.is_some() {
            return Err(
                settings.problem("username", "`username` and `password` go together; write both")
            );
        }
        Ok(())
    }

    /// How large a request may get.
    pub(crate) fn bulk_bytes_max(&self) -> usize {
        const MIB: f64 = 1024.0 * 1024.0;
        /// OpenSearch takes no more than 100 MB unless told otherwise.
        const LIMIT: f64 = 95.0;
        let mib = if self.bulk_size < 0.0 { LIMIT } else { self.bulk_size.min(LIMIT) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 95 MiB")]
        let bytes = (mib * MIB) as usize;
        bytes.max(1)
    }
}
