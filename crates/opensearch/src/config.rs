//! Settings of the `opensearch` sink, as the user writes them.

mod check;
mod connection;
mod dlq;

use std::path::PathBuf;

use pipeline::{ConfigError, Map, Settings};
use serde::{Deserialize, de::IgnoredAny};

pub(crate) use self::check::proxy_address;
pub use self::{
    connection::{Authentication, AwsBlock},
    dlq::{Dlq, DlqS3},
};

/// Settings that Data Prepper has and that make no sense here, with the reason. They are refused by
/// name, so that nobody believes in an effect that is not there.
const REFUSED: [(&str, &str); 3] = [
    (
        "query_lookup",
        "it finds duplicates in indices that make up ids; an item of a table has a key: remove it, and write \
         document_id: '${getMetadata(\"primary_key\")}'",
    ),
    (
        "pull_indexing",
        "it writes to Kafka, for an index that pulls from there; we write to the index itself; remove it",
    ),
    ("forward_to", "no pipeline here can be reached from a sink; remove it, and use a second sink"),
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
#[expect(clippy::struct_excessive_bools, reason = "settings are what users know them as")]
pub struct Config {
    /// The addresses of the cluster, with `http://` or `https://`. They take turns; one that is away is left out until it is back.
    pub hosts: Vec<String>,
    /// Who we are, for clusters that ask for a name and password.
    #[serde(default)]
    pub username: Option<String>,
    /// The password that goes with `username`.
    #[serde(default)]
    pub password: Option<String>,
    /// A token, sent as `Authorization: Bearer …`.
    #[serde(default)]
    pub api_token: Option<String>,
    /// Name and password, a token, or a certificate of ours, in one block.
    #[serde(default)]
    pub authentication: Option<Authentication>,
    /// A PEM file with the certificate authorities of the cluster; all in it are trusted.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// Trust any certificate. For test clusters.
    #[serde(default)]
    pub insecure: bool,
    /// Sign requests, for managed domains and collections.
    #[serde(default)]
    pub aws: Option<AwsBlock>,
    /// Deprecated: write an `aws` block.
    #[serde(default)]
    pub aws_sigv4: Option<bool>,
    /// Deprecated: `aws.region`.
    #[serde(default)]
    pub aws_region: Option<String>,
    /// Deprecated: `aws.sts_role_arn`.
    #[serde(default)]
    pub aws_sts_role_arn: Option<String>,
    /// Deprecated: `aws.sts_external_id`.
    #[serde(default)]
    pub aws_sts_external_id: Option<String>,
    /// Deprecated: `aws.sts_header_overrides`.
    #[serde(default)]
    pub aws_sts_header_overrides: Option<IgnoredAny>,
    /// Deprecated: `aws.serverless`.
    #[serde(default)]
    pub serverless: Option<bool>,
    /// Deprecated: `aws.serverless_options`.
    #[serde(default)]
    pub serverless_options: Option<IgnoredAny>,
    /// How long to wait for an answer, in milliseconds.
    #[serde(default)]
    pub socket_timeout: Option<u64>,
    /// How long to wait for a connection, in milliseconds.
    #[serde(default)]
    pub connect_timeout: Option<u64>,
    /// A proxy on the way to the cluster, as `host:port` or an `http://` address.
    #[serde(default)]
    pub proxy: Option<String>,
    /// What stands before the path of every request.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// `es6` for Elasticsearch 6, whose documents have a type.
    #[serde(default)]
    pub distribution_version: Distribution,
    /// Send requests compressed. Costs processor time; pays where the network is what is scarce.
    #[serde(default)]
    pub enable_request_compression: bool,

    /// The index, or an alias of it. `%{yyyy.MM.dd}` stands for the date, `${…}` for a field or expression.
    #[serde(default)]
    pub index: String,
    /// `custom` creates index and template if they are missing; `management_disabled` touches nothing but documents.
    #[serde(default)]
    pub index_type: Option<IndexType>,
    /// The kind of index template: `v1`, or `index-template` for a composable one.
    #[serde(default)]
    pub template_type: Option<TemplateType>,
    /// The index template, as JSON.
    #[serde(default)]
    pub template_content: Option<String>,
    /// A file with the index template, or its address at S3.
    #[serde(default)]
    pub template_file: Option<String>,
    /// How many primary shards an index that we create gets.
    #[serde(default)]
    pub number_of_shards: Option<u32>,
    /// How many replicas an index that we create gets. 0 is allowed.
    #[serde(default)]
    pub number_of_replicas: Option<u32>,
    /// A file with a policy of index state management, or its address at S3.
    #[serde(default)]
    pub ism_policy_file: Option<String>,
    /// Make names of indices acceptable to OpenSearch: lower case, without the characters it refuses.
    #[serde(default)]
    pub normalize_index: bool,

    /// The `_id` of a document. Without it OpenSearch makes one up, and what is sent twice is there twice.
    #[serde(default)]
    pub document_id: Option<String>,
    /// Deprecated: the field that holds the `_id`; write `document_id: '${/field}'`.
    #[serde(default)]
    pub document_id_field: Option<String>,
    /// What decides on the shard of a document, instead of its `_id`.
    #[serde(default)]
    pub routing: Option<String>,
    /// Deprecated: the field that holds the routing; write `routing: '${/field}'`.
    #[serde(default)]
    pub routing_field: Option<String>,
    /// The field whose content is the document.
    #[serde(default)]
    pub document_root_key: Option<String>,
    /// The only fields that are written.
    #[serde(default)]
    pub include_keys: Vec<String>,
    /// Fields that are not written.
    #[serde(default)]
    pub exclude_keys: Vec<String>,
    /// A field that gets the tags of the event.
    #[serde(default)]
    pub tags_target_key: Option<String>,
    /// `index`, `create`, `update`, `upsert` or `delete`; or an expression that gives one of them.
    #[serde(default = "action_default")]
    pub action: String,
    /// Several actions: the first whose condition holds, else the last without a condition.
    #[serde(default)]
    pub actions: Option<Vec<ActionEntry>>,
    /// The version of a document, as an expression.
    #[serde(default)]
    pub document_version: Option<String>,
    /// How OpenSearch compares versions.
    #[serde(default)]
    pub document_version_type: Option<VersionType>,
    /// Changes documents by a script, with `update` and `upsert`.
    #[serde(default)]
    pub script: Option<ScriptBlock>,

    /// How large a request may get, in MiB.
    #[serde(default = "bulk_size_default")]
    pub bulk_size: f64,
    /// Accepted. Requests leave as soon as there is something to send; nothing waits for a timer.
    #[serde(default)]
    pub flush_timeout: Option<i64>,
    /// Accepted. The size of a request is that before compression.
    #[serde(default)]
    pub estimate_bulk_size_using_compression: bool,
    /// Accepted, as above.
    #[serde(default)]
    pub max_local_compressions_for_estimation: Option<u32>,
    /// How often to send what OpenSearch cannot take just now. Without it: until it can.
    #[serde(default)]
    pub max_retries: Option<u32>,
    /// What `create` does where a document is already: true passes over it, false makes a dead letter.
    #[serde(default)]
    pub drop_version_conflicts: bool,
    /// What happens to a document that the index will never take.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Where to keep what OpenSearch will never take: a bucket. By default the data directory.
    #[serde(default)]
    pub dlq: Option<Dlq>,
    /// A file to keep it in.
    #[serde(default)]
    pub dlq_file: Option<PathBuf>,
}

/// One entry of `actions`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionEntry {
    /// The action, or an expression that gives one.
    #[serde(rename = "type")]
    pub action: String,
    /// When it applies.
    #[serde(default)]
    pub when: Option<String>,
}

/// A script, and what it is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptBlock {
    /// The script, in Painless. The document is `params.doc`.
    pub source: String,
    /// More parameters; texts may hold `${…}`.
    #[serde(default)]
    pub params: Map,
}

/// What we do about the index itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum IndexType {
    /// Create it if it is missing.
    #[default]
    #[serde(rename = "custom")]
    Custom,
    /// Nothing. OpenSearch may create it when the first document comes.
    #[serde(rename = "management_disabled")]
    ManagementDisabled,
}

/// The kind of an index template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TemplateType {
    /// `_template`.
    #[default]
    #[serde(rename = "v1")]
    V1,
    /// `_index_template`, composable. AWS's pages spell it with an underscore, too.
    #[serde(rename = "index-template", alias = "index_template")]
    IndexTemplate,
}

/// What kind of cluster it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// OpenSearch, or Elasticsearch 7.
    #[default]
    Default,
    /// Elasticsearch 6.
    Es6,
}

/// What happens to a document that the index will never take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It becomes a dead letter, and the pipeline goes on.
    #[default]
    DeadLetter,
    /// The pipeline stops as unhealthy, and nothing behind it is written before someone helps.
    Stop,
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
    /// second part what is accepted but does nothing, or not what one would think.
    ///
    /// # Errors
    ///
    /// When a setting is missing, unknown, or contradicts another.
    pub fn read(settings: &Settings) -> Result<(Config, Vec<ConfigError>), ConfigError> {
        for (name, problem) in REFUSED {
            if settings.get(name).is_some() {
                return Err(settings.problem(name, problem));
            }
        }
        check::analytics(settings)?;
        let mut config: Config = settings.read()?;
        config.check(settings)?;
        let warnings = config.warnings(settings);
        config.take_deprecated();
        Ok((config, warnings))
    }

    /// What we do about the index itself; a collection takes care of its own.
    pub(crate) fn index_type(&self) -> IndexType {
        let serverless = self.aws.as_ref().is_some_and(|it| it.serverless);
        let default = if serverless { IndexType::ManagementDisabled } else { IndexType::Custom };
        self.index_type.unwrap_or(default)
    }

    /// The kind of template.
    pub(crate) fn template_type(&self) -> TemplateType {
        match (&self.aws, self.distribution_version) {
            (Some(aws), _) if aws.serverless => TemplateType::IndexTemplate,
            (_, Distribution::Es6) => TemplateType::V1,
            _ => self.template_type.unwrap_or_default(),
        }
    }

    /// Whether the index compares versions that we send.
    pub(crate) fn has_external_versions(&self) -> bool {
        let kind = self.document_version_type.unwrap_or_default();
        self.document_version.is_some() && kind != VersionType::Internal
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

#[cfg(test)]
mod tests;
