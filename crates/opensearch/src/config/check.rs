//! What is wrong with settings of the sink although each can be read, and what deserves a warning.

use expression::Template;
use http::Uri;
use pipeline::{ConfigError, Settings};

use super::{AwsBlock, Config, Distribution, VersionType};
use crate::Op;

/// What the names of types for traces, logs and metrics begin with. Their indices have mappings of
/// their own, for events that no table has.
const ANALYTICS: [&str; 5] =
    ["trace-analytics", "log-analytics", "metric-analytics", "otel", "tsdb"];

/// Refuses the types of indices that are not for tables.
pub(super) fn analytics(settings: &Settings) -> Result<(), ConfigError> {
    let written = settings.get("index_type");
    let Some(name) = written.as_ref().and_then(Settings::text) else { return Ok(()) };
    if ANALYTICS.iter().any(|it| name.starts_with(it)) {
        let problem = format!("`{name}` is for traces, logs and metrics, which no table has");
        let help = "write `custom`, with a `template_file` if the index needs mappings";
        return Err(settings.problem("index_type", problem).with_help(help));
    }
    Ok(())
}

/// A role as IAM writes it.
fn is_role(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", partition, "iam", "", account, role]
        if partition.starts_with("aws") && account.len() == 12 && role.starts_with("role/"))
}

/// The address of a proxy, from `host:port` or an address.
pub(crate) fn proxy_address(text: &str) -> Option<Uri> {
    let address = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: Uri = address.parse().ok()?;
    (uri.scheme_str() == Some("http") && uri.port_u16().is_some()).then_some(uri)
}

impl Config {
    pub(super) fn check(&self, settings: &Settings) -> Result<(), ConfigError> {
        let problems = [
            self.check_hosts(settings),
            self.check_access(settings),
            self.check_deprecated(settings),
            self.check_index(settings),
            self.check_document(settings),
            self.check_limits(settings),
            self.check_dlq(settings),
        ];
        ConfigError::all(problems.into_iter().filter_map(Result::err)).map_or(Ok(()), Err)
    }

    fn check_hosts(&self, settings: &Settings) -> Result<(), ConfigError> {
        if self.hosts.is_empty() {
            return Err(
                settings.problem("hosts", "name at least one, as in [\"http://localhost:9200\"]")
            );
        }
        for (n, host) in self.hosts.iter().enumerate() {
            let uri: Option<Uri> = host.parse().ok();
            let is_address = uri.is_some_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
            });
            if !is_address {
                let problem =
                    format!("`{host}` is not an address; write it as `https://host:9200`");
                return Err(settings.problem(&format!("hosts[{n}]"), problem));
            }
        }
        if let Some(proxy) = &self.proxy
            && proxy_address(proxy).is_none()
        {
            let problem =
                format!("`{proxy}` is no proxy; write `host:port`, or `http://host:port`");
            return Err(settings.problem("proxy", problem));
        }
        Ok(())
    }

    fn check_access(&self, settings: &Settings) -> Result<(), ConfigError> {
        let block = self.authentication.as_ref();
        if block.is_some() && (self.username.is_some() || self.password.is_some()) {
            let problem =
                "`username` and `password` stand in `authentication` already; write them once";
            return Err(settings.problem("username", problem));
        }
        let name = self.username.as_ref().or(block.and_then(|it| it.username.as_ref()));
        let password = self.password.as_ref().or(block.and_then(|it| it.password.as_ref()));
        let token = self.api_token.as_ref().or(block.and_then(|it| it.api_token.as_ref()));
        let place = if block.is_some() { "authentication" } else { "username" };
        if name.is_some() != password.is_some() {
            return Err(
                settings.problem(place, "`username` and `password` go together; write both")
            );
        }
        let signs = self.aws.is_some() || self.aws_sigv4 == Some(true);
        let n_ways =
            usize::from(name.is_some()) + usize::from(token.is_some()) + usize::from(signs);
        if 1 < n_ways {
            let problem = "either sign requests with `aws`, or give a name and password, or a token; not both";
            let place = if name.is_some() { place } else { "api_token" };
            return Err(settings.problem(place, problem));
        }
        if block.is_some_and(|it| it.client_certificate.is_some() != it.client_key.is_some()) {
            let problem = "`client_certificate` and `client_key` go together; write both";
            return Err(settings.problem("authentication", problem));
        }
        Ok(())
    }

    /// The spellings of before there was an `aws` block.
    fn check_deprecated(&self, settings: &Settings) -> Result<(), ConfigError> {
        let old = [
            ("aws_sigv4", self.aws_sigv4.is_some()),
            ("aws_region", self.aws_region.is_some()),
            ("aws_sts_role_arn", self.aws_sts_role_arn.is_some()),
            ("aws_sts_external_id", self.aws_sts_external_id.is_some()),
            ("aws_sts_header_overrides", self.aws_sts_header_overrides.is_some()),
            ("serverless", self.serverless.is_some()),
            ("serverless_options", self.serverless_options.is_some()),
        ];
        if self.aws.is_some()
            && let Some((name, _)) = old.iter().find(|(_, is_there)| *is_there)
        {
            let problem = format!("`{name}` cannot be used along with `aws`; move it in there");
            return Err(settings.problem(name, problem));
        }
        let aws = self.aws.as_ref();
        for (place, role) in [
            ("aws_sts_role_arn", &self.aws_sts_role_arn),
            ("aws.sts_role_arn", aws.map_or(&None, |it| &it.sts_role_arn)),
        ] {
            check_role(settings, place, role.as_deref())?;
        }
        for (place, id) in [
            ("aws_sts_external_id", &self.aws_sts_external_id),
            ("aws.sts_external_id", aws.map_or(&None, |it| &it.sts_external_id)),
        ] {
            if id.as_ref().is_some_and(|it| !(2..=1224).contains(&it.len())) {
                return Err(settings.problem(place, "an external id has 2 to 1224 characters"));
            }
        }
        Ok(())
    }

    fn check_index(&self, settings: &Settings) -> Result<(), ConfigError> {
        if self.index.is_empty() {
            return Err(settings.problem("index", "write the name of the index"));
        }
        if let (Some(_), Some(_)) = (&self.template_content, &self.template_file) {
            let problem = "`template_content` and `template_file` cannot both be given";
            return Err(settings.problem("template_file", problem));
        }
        if self.number_of_shards == Some(0) {
            return Err(settings.problem("number_of_shards", "an index has at least 1"));
        }
        let manages = self.index_type() == super::IndexType::Custom;
        let needs_management = [
            ("template_content", self.template_content.is_some()),
            ("template_file", self.template_file.is_some()),
            ("ism_policy_file", self.ism_policy_file.is_some()),
        ];
        if let Some((name, _)) = needs_management.iter().find(|(_, is_there)| *is_there && !manages)
        {
            let problem = "with `index_type: management_disabled` nothing but documents is touched; remove one of them";
            return Err(settings.problem(name, problem));
        }
        let of_s3 =
            [("template_file", &self.template_file), ("ism_policy_file", &self.ism_policy_file)];
        for (name, file) in of_s3 {
            let is_there = file.as_ref().is_some_and(|it| it.starts_with("s3://"));
            if is_there && self.aws.is_none() && self.aws_sigv4 != Some(true) {
                let problem = "a file at S3 needs an `aws` block, which says as whom to read it";
                return Err(settings.problem(name, problem));
            }
        }
        Ok(())
    }

    fn check_document(&self, settings: &Settings) -> Result<(), ConfigError> {
        for (old, new, both) in [
            (
                "document_id_field",
                "document_id",
                self.document_id.is_some() && self.document_id_field.is_some(),
            ),
            ("routing_field", "routing", self.routing.is_some() && self.routing_field.is_some()),
        ] {
            if both {
                let problem = format!("both `{new}` and `{old}` are given; remove `{old}`");
                return Err(settings.problem(old, problem));
            }
        }
        if self.document_root_key.as_deref() == Some("") {
            return Err(settings.problem("document_root_key", "write the name of a field"));
        }
        if !self.include_keys.is_empty() && !self.exclude_keys.is_empty() {
            let problem = "`include_keys` and `exclude_keys` cannot both be given; remove one";
            return Err(settings.problem("exclude_keys", problem));
        }
        if self.actions.as_ref().is_some_and(Vec::is_empty) {
            return Err(settings.problem("actions", "write at least one `- type: …`"));
        }
        self.check_script(settings)
    }

    fn check_script(&self, settings: &Settings) -> Result<(), ConfigError> {
        let Some(script) = &self.script else { return Ok(()) };
        if script.source.trim().is_empty() {
            return Err(settings.problem("script.source", "write the script"));
        }
        let can_run =
            |action: &str| Op::named(action).is_none_or(|it| matches!(it, Op::Update | Op::Upsert));
        let actions: Vec<&str> = match &self.actions {
            Some(entries) => entries.iter().map(|it| it.action.as_str()).collect(),
            None => vec![self.action.as_str()],
        };
        if !actions.iter().any(|it| can_run(it)) {
            let problem = "a script runs with `update` or `upsert` only; write `action: upsert`";
            return Err(settings.problem("script", problem));
        }
        let kind = self.document_version_type;
        if kind.is_some_and(|it| it != VersionType::Internal) {
            let problem = "OpenSearch takes no version with a script; remove it, or the script";
            return Err(settings.problem("document_version_type", problem));
        }
        Ok(())
    }

    fn check_limits(&self, settings: &Settings) -> Result<(), ConfigError> {
        if self.bulk_size == 0.0 || self.bulk_size.is_nan() {
            return Err(settings.problem("bulk_size", "write how many MiB, as in `5`"));
        }
        if self.max_retries == Some(0) {
            return Err(settings.problem("max_retries", "write at least 1, or leave it out"));
        }
        for (name, value) in
            [("socket_timeout", self.socket_timeout), ("connect_timeout", self.connect_timeout)]
        {
            if value == Some(0) {
                return Err(settings.problem(name, "write at least 1 ms, or leave it out"));
            }
        }
        Ok(())
    }

    fn check_dlq(&self, settings: &Settings) -> Result<(), ConfigError> {
        if self.dlq.is_some() && self.dlq_file.is_some() {
            let problem = "`dlq_file` cannot be used along with `dlq`; remove one of them";
            return Err(settings.problem("dlq_file", problem));
        }
        let Some(s3) = self.dlq.as_ref().map(|it| &it.s3) else { return Ok(()) };
        let bucket = s3.bucket.trim_start_matches("s3://");
        if !(3..=500).contains(&bucket.len()) || bucket.contains('/') {
            let problem = format!("`{}` is no bucket; write its name only", s3.bucket);
            return Err(settings.problem("dlq.s3.bucket", problem));
        }
        if s3.key_path_prefix.as_ref().is_some_and(|it| !(1..=1024).contains(&it.len())) {
            let problem = "write 1 to 1024 characters, or leave it out";
            return Err(settings.problem("dlq.s3.key_path_prefix", problem));
        }
        let is_account = |it: &String| it.len() == 12 && it.bytes().all(|it| it.is_ascii_digit());
        if s3.bucket_owner.as_ref().is_some_and(|it| !is_account(it)) {
            return Err(settings.problem("dlq.s3.bucket_owner", "an account has 12 digits"));
        }
        check_role(settings, "dlq.s3.sts_role_arn", s3.sts_role_arn.as_deref())
    }

    /// What is accepted and does nothing, or not what one would think.
    pub(super) fn warnings(&self, settings: &Settings) -> Vec<ConfigError> {
        let mut warnings = Vec::new();
        let mut warn = |place: &str, problem: &str| warnings.push(settings.problem(place, problem));
        if self.document_id.is_none() && self.document_id_field.is_none() {
            warn(
                "",
                "without `document_id` what is sent again after a crash is indexed twice; \
                write document_id: '${getMetadata(\"primary_key\")}'",
            );
        }
        if self.document_id.as_ref().is_some_and(|it| !it.contains("${")) {
            warn(
                "document_id",
                "there is no `${…}` in it, so every item is written to the same document; write \
                 document_id: '${getMetadata(\"primary_key\")}'",
            );
        }
        let replaced = [
            ("document_id_field", self.document_id_field.is_some(), "document_id: '${/field}'"),
            ("routing_field", self.routing_field.is_some(), "routing: '${/field}'"),
            ("aws_sigv4", self.aws_sigv4.is_some(), "an `aws` block"),
            ("serverless", self.serverless.is_some(), "`serverless` in an `aws` block"),
        ];
        for (name, is_there, new) in replaced {
            if is_there {
                warn(name, &format!("`{name}` is deprecated; write {new}"));
            }
        }
        if let Some(last) = self.actions.as_ref().and_then(|it| it.last())
            && last.when.is_some()
        {
            warn(
                "actions",
                "the last action has a condition: an event that fits none of them becomes a \
                dead letter, where Data Prepper takes the last action all the same; end with an action \
                without `when`",
            );
        }
        let is_update = |it: &str| matches!(Op::named(it), Some(Op::Update | Op::Upsert));
        if self.document_version.is_some() && self.actions.is_none() && is_update(&self.action) {
            warn("document_version", "OpenSearch takes no version with an update: it is left out");
        }
        if self.estimate_bulk_size_using_compression {
            warn(
                "estimate_bulk_size_using_compression",
                "`bulk_size` is the size before compression; this has no effect",
            );
        }
        if self.distribution_version == Distribution::Es6 && self.template_type.is_some() {
            warn(
                "template_type",
                "Elasticsearch 6 has templates of type `v1` only; this has no effect",
            );
        }
        let headers = [
            (
                "aws.sts_header_overrides",
                self.aws.as_ref().is_some_and(|it| it.sts_header_overrides.is_some()),
            ),
            ("aws_sts_header_overrides", self.aws_sts_header_overrides.is_some()),
            (
                "dlq.s3.sts_header_overrides",
                self.dlq.as_ref().is_some_and(|it| it.s3.sts_header_overrides.is_some()),
            ),
        ];
        for (name, is_there) in headers {
            if is_there {
                warn(name, "these headers are not sent to STS; this has no effect");
            }
        }
        if self.aws.as_ref().is_some_and(|it| it.serverless_options.is_some())
            || self.serverless_options.is_some()
        {
            warn(
                "aws.serverless_options",
                "the network policy of the collection is not changed; \
                let it accept the VPC endpoint yourself",
            );
        }
        if let Ok(index) = Template::index_name(&self.index)
            && self.normalize_index
            && !index.is_dynamic()
        {
            warn("normalize_index", "it applies to names with `${…}` only; this has no effect");
        }
        warnings
    }

    /// Puts what was written in old ways where it stands today.
    pub(super) fn take_deprecated(&mut self) {
        if self.aws_sigv4 == Some(true) || self.serverless == Some(true) {
            self.aws = Some(AwsBlock {
                region: self.aws_region.take(),
                sts_role_arn: self.aws_sts_role_arn.take(),
                sts_external_id: self.aws_sts_external_id.take(),
                sts_header_overrides: None,
                serverless: self.serverless == Some(true),
                serverless_options: None,
            });
        }
        let as_hole = |field: String| format!("${{/{}}}", field.trim_start_matches('/'));
        if let Some(field) = self.document_id_field.take() {
            self.document_id = Some(as_hole(field));
        }
        if let Some(field) = self.routing_field.take() {
            self.routing = Some(as_hole(field));
        }
    }
}

fn check_role(settings: &Settings, place: &str, role: Option<&str>) -> Result<(), ConfigError> {
    match role {
        Some(role) if !is_role(role) => {
            let problem =
                format!("`{role}` is not a role; write `arn:aws:iam::<account>:role/<name>`");
            Err(settings.problem(place, problem))
        }
        _ => Ok(()),
    }
}
