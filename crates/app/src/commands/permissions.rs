//! The IAM policy that allows what pipeline files need, and nothing else. Pure.
//!
//! It names the calls that our own code makes: change it together with them.

use std::collections::BTreeSet;

use coordination::Coordination;
use engine::file::{Loaded, PipelineSpec};
use pipeline::Settings;
use serde_json::{Value, json};

/// The policy of all pipelines of the files together, with their leases in `coordination`.
pub(super) fn policy(loaded: &Loaded, coordination: &Coordination) -> Value {
    let mut policy = Policy::default();
    if let Coordination::Table(config) = coordination {
        let mut calls = vec![
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:DeleteItem",
        ];
        if !config.skip_table_creation {
            calls.extend(["dynamodb:CreateTable", "dynamodb:UpdateTimeToLive"]);
        }
        let region = config.region.as_deref().unwrap_or("*");
        let table = format!("arn:aws:dynamodb:{region}:*:table/{}", config.table);
        policy.allow("KeepLeases", &calls, [table]);
        policy.take_on(config.sts_role_arn.as_deref());
    }
    for spec in &loaded.pipelines {
        source(spec, &mut policy);
        for sink in &spec.sinks {
            if sink.plugin.name == "opensearch" {
                opensearch(&sink.plugin.settings, &mut policy);
            }
        }
    }
    for secret in &loaded.extension.secrets {
        let resource = if secret.secret_id.starts_with("arn:") {
            secret.secret_id.clone()
        } else {
            // Six letters that nobody knows are added to the name.
            let region = secret.region.as_deref().unwrap_or("*");
            format!("arn:aws:secretsmanager:{region}:*:secret:{}-??????", secret.secret_id)
        };
        policy.allow("ReadSecrets", &["secretsmanager:GetSecretValue"], [resource]);
        policy.take_on(secret.sts_role_arn.as_deref());
    }
    policy.into_json()
}

/// What is allowed, by the purpose.
#[derive(Default)]
struct Policy(Vec<Statement>);

struct Statement {
    sid: &'static str,
    actions: Vec<&'static str>,
    resources: BTreeSet<String>,
}

impl Policy {
    fn allow(
        &mut self,
        sid: &'static str,
        actions: &[&'static str],
        resources: impl IntoIterator<Item = String>,
    ) {
        match self.0.iter_mut().find(|it| it.sid == sid) {
            Some(statement) => statement.resources.extend(resources),
            None => self.0.push(Statement {
                sid,
                actions: actions.to_vec(),
                resources: resources.into_iter().collect(),
            }),
        }
    }

    /// A role is taken on by whoever runs the process, and allows the rest.
    fn take_on(&mut self, role: Option<&str>) {
        if let Some(role) = role {
            self.allow("TakeOnRoles", &["sts:AssumeRole"], [role.to_owned()]);
        }
    }

    fn into_json(self) -> Value {
        let statements = self.0.into_iter().map(|it| {
            let resources: Vec<String> = it.resources.into_iter().collect();
            json!({
                "Sid": it.sid,
                "Effect": "Allow",
                "Action": it.actions,
                "Resource": resources,
            })
        });
        json!({ "Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>() })
    }
}

fn text(settings: &Settings, path: &str) -> Option<String> {
    settings.get(path)?.text().map(str::to_owned)
}

fn source(spec: &PipelineSpec, policy: &mut Policy) {
    let Some(source) = spec.source.as_ref().filter(|it| it.name == "dynamodb") else { return };
    let settings = &source.settings;
    policy.take_on(text(settings, "aws.sts_role_arn").as_deref());
    for table in settings.get("tables").iter().flat_map(Settings::items) {
        let Some(arn) = text(&table, "table_arn") else { continue };
        policy.allow("DescribeTable", &["dynamodb:DescribeTable"], [arn.clone()]);
        if table.get("stream").is_some_and(|it| it.shape() != pipeline::Shape::Empty) {
            policy.allow(
                "ReadStream",
                &["dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"],
                [format!("{arn}/stream/*")],
            );
        }
        if let Some(export) = table.get("export").filter(|it| it.shape() != pipeline::Shape::Empty)
        {
            load(&arn, &export, policy);
        }
    }
}

/// What the table holds at first: an export to a bucket.
fn load(arn: &str, export: &Settings, policy: &mut Policy) {
    policy.allow(
        "ExportTable",
        &["dynamodb:DescribeContinuousBackups", "dynamodb:ExportTableToPointInTime"],
        [arn.to_owned()],
    );
    policy.allow("FollowExport", &["dynamodb:DescribeExport"], [format!("{arn}/export/*")]);
    if let Some(bucket) = text(export, "s3_bucket") {
        let prefix = text(export, "s3_prefix").unwrap_or_default();
        let prefix = prefix.trim_end_matches('/');
        let within = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        policy.allow(
            "WriteAndReadExport",
            &["s3:GetObject", "s3:PutObject", "s3:PutObjectAcl", "s3:AbortMultipartUpload"],
            [format!("arn:aws:s3:::{bucket}/{within}*")],
        );
    }
    if let Some(key) = text(export, "s3_sse_kms_key_id") {
        policy.allow("UseExportKey", &["kms:Decrypt", "kms:GenerateDataKey"], [key]);
    }
}

fn opensearch(settings: &Settings, policy: &mut Policy) {
    let is_signed = settings.get("aws").is_some();
    let is_serverless = text(settings, "aws.serverless").is_some_and(|it| it == "true");
    policy.take_on(text(settings, "aws.sts_role_arn").as_deref());
    if is_signed && is_serverless {
        let hosts = settings.get("hosts").iter().flat_map(Settings::items).collect::<Vec<_>>();
        let collections = hosts.iter().filter_map(|it| {
            let (id, region) = labels(it.text()?)?;
            Some(format!("arn:aws:aoss:{region}:*:collection/{id}"))
        });
        policy.allow("WriteToCollection", &["aoss:APIAccessAll"], collections);
    } else if is_signed {
        let hosts = settings.get("hosts").iter().flat_map(Settings::items).collect::<Vec<_>>();
        let domains = hosts.iter().filter_map(|it| domain(it.text()?));
        policy.allow(
            "WriteToDomain",
            &["es:ESHttpHead", "es:ESHttpGet", "es:ESHttpPost", "es:ESHttpPut"],
            domains,
        );
    }
    if let Some(bucket) = text(settings, "dlq.s3.bucket") {
        let bucket = bucket.trim_start_matches("s3://").trim_end_matches('/').to_owned();
        let prefix = text(settings, "dlq.s3.key_path_prefix").unwrap_or_default();
        // A date in it is another every day.
        let fixed = prefix.split("%{").next().unwrap_or_default();
        let keys = format!("arn:aws:s3:::{bucket}/{fixed}*");
        policy.allow("WriteDeadLetters", &["s3:PutObject"], [keys]);
        policy.take_on(text(settings, "dlq.s3.sts_role_arn").as_deref());
    }
    for name in ["template_file", "ism_policy_file"] {
        if let Some(object) = text(settings, name)
            && let Some(object) = object.strip_prefix("s3://")
        {
            policy.allow("ReadTemplates", &["s3:GetObject"], [format!("arn:aws:s3:::{object}")]);
        }
    }
}

/// The first label of a host name, and the region in it.
fn labels(host: &str) -> Option<(&str, &str)> {
    let name = host.split_once("://").map_or(host, |(_, it)| it);
    let mut labels = name.split(['.', ':', '/']);
    Some((labels.next()?, labels.next()?))
}

/// The ARN of a domain. In `search-books-abc123.eu-west-1.es.amazonaws.com` the name stands between
/// what AWS puts before and behind it.
fn domain(host: &str) -> Option<String> {
    let (label, region) = labels(host)?;
    if !host.contains(".es.amazonaws.com") {
        // An address of the user's own: it does not say which domain it is.
        return Some("arn:aws:es:*:*:domain/*".to_owned());
    }
    let label = label.strip_prefix("vpc-").or(label.strip_prefix("search-")).unwrap_or(label);
    let name = label.rsplit_once('-').map_or(label, |(name, _)| name);
    Some(format!("arn:aws:es:{region}:*:domain/{name}/*"))
}
