//! What files say about all pipelines: secrets, and credentials for whoever has none.

use std::time::Duration;

use pipeline::{ConfigError, Period, Settings, Value, nearest};
use serde::Deserialize;

use super::{PipelineSpec, problems::Found};

/// What `extension` may hold.
const KNOWN: [&str; 2] = ["aws", "geoip_service"];
/// What it may hold in Data Prepper, and what there is instead.
const NOT_HERE: [(&str, &str); 3] = [
    ("encryption", "events are not encrypted inside this process; remove it"),
    ("kafka_cluster_config", "there is no Kafka here; remove it"),
    ("otel_standard_proto_decoder", "there are no traces here; remove it"),
];
/// How often a secret is read again, where nothing else is said; and Data Prepper's minimum.
const REFRESH_INTERVAL: Duration = Duration::from_hours(1);
/// Our minimum.
const REFRESH_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// The databases of `MaxMind` that `geoip` knows.
const DATABASES: [&str; 4] = ["city", "country", "asn", "enterprise"];
/// How addresses begin that are no paths.
const NOT_LOCAL: [&str; 3] = ["http://", "https://", "s3://"];

/// The extension of all files. Empty if there is none.
#[derive(Clone, Debug, Default)]
pub struct Extension {
    /// Secrets by the names that references use.
    pub secrets: Vec<SecretSpec>,
    /// `region`, `sts_role_arn` and the like, for `aws` blocks that lack them.
    defaults: Option<Settings>,
    /// The files of `geoip` processors that name none.
    databases: Option<Settings>,
}

/// A secret of AWS Secrets Manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSpec {
    /// What references call it.
    pub id: String,
    /// Its name or ARN.
    pub secret_id: String,
    /// Where it is.
    pub region: Option<String>,
    /// Who may read it, if not we.
    pub sts_role_arn: Option<String>,
    /// How often to read it again, if at all.
    pub refresh_interval: Option<Duration>,
}

/// One secret, as it stands there.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_field_names, reason = "it is the name of the setting")]
struct Secret {
    secret_id: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    sts_role_arn: Option<String>,
    #[serde(default)]
    sts_header_overrides: Option<Value>,
    #[serde(default)]
    refresh_interval: Option<Period>,
    #[serde(default)]
    disable_refresh: bool,
    #[serde(default)]
    skip_validation_on_start: bool,
}

/// `extension.aws.configurations.default`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Defaults {
    region: Option<String>,
    sts_role_arn: Option<String>,
    sts_external_id: Option<String>,
    sts_header_overrides: Option<Value>,
}

impl Extension {
    /// Reads the block, if there is one.
    pub(super) fn read(settings: Option<&Settings>, found: &mut Found) -> Extension {
        let Some(settings) = settings else { return Extension::default() };
        for (key, value) in settings.entries() {
            if KNOWN.contains(&key) {
                continue;
            }
            let at_key =
                |problem: String| ConfigError::new("", problem).with_place(value.key_place());
            if let Some((_, instead)) = NOT_HERE.iter().find(|(name, _)| *name == key) {
                let problem = format!("the extension `{key}` is not carried out");
                found.warn(at_key(problem).with_help(*instead));
            } else {
                let help = match nearest(key, KNOWN) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "an extension has `aws`, with `secrets` and `configurations`, and \
                             `geoip_service`"
                        .into(),
                };
                found.error(at_key(format!("there is no extension `{key}`")).with_help(help));
            }
        }
        let databases = settings.get("geoip_service").and_then(|it| databases(&it, found));
        let Some(aws) = settings.get("aws") else {
            return Extension { databases, ..Extension::default() };
        };
        refuse_unknown(&aws, &["secrets", "configurations"], found);
        let secrets = aws.get("secrets");
        let secrets = secrets.iter().flat_map(|it| {
            let entries = it.entries().into_iter().map(|(id, it)| (id.to_owned(), it));
            entries.collect::<Vec<_>>()
        });
        let secrets = secrets.filter_map(|(id, at)| {
            let help = "write `{secret_id: name-or-arn, region: us-east-1}`";
            let secret = found.note(at.read::<Secret>().map_err(|error| or_help(error, help)))?;
            Some(spec(id, secret, &at, found))
        });
        let secrets = secrets.collect();
        let mut defaults = None;
        for (name, at) in aws.get("configurations").iter().flat_map(Settings::entries) {
            if name == "default" {
                let at = at.without(&["use_aws_sdk_default"]);
                let help = "write `{region: us-east-1, sts_role_arn: arn:aws:iam::…}`";
                let read = at.read::<Defaults>().map_err(|error| or_help(error, help));
                defaults = found.note(read).map(|_| at);
            } else {
                let problem = format!("the configuration `{name}` is used by nobody");
                let warning = ConfigError::new("", problem).with_place(at.key_place());
                found.warn(warning.with_help("only `default` has an effect"));
            }
        }
        Extension { secrets, defaults, databases }
    }

    /// Adds the default credentials to the `aws` blocks of a pipeline. A sink without such a block
    /// is no service of AWS, and gets none. Adds the files to `geoip` processors that name none.
    pub(super) fn complete(&self, pipeline: &mut PipelineSpec) {
        if let Some(databases) = &self.databases {
            let geoip = pipeline.processors.iter_mut().filter(|it| it.name == "geoip");
            for it in geoip.filter(|it| it.settings.get("databases").is_none()) {
                it.settings = it.settings.with_defaults("databases", databases, true);
            }
        }
        let Some(defaults) = &self.defaults else { return };
        if let Some(source) = pipeline.source.as_mut().filter(|it| !it.is_connector()) {
            source.settings = source.settings.with_defaults("aws", defaults, true);
        }
        for sink in &mut pipeline.sinks {
            sink.plugin.settings = sink.plugin.settings.with_defaults("aws", defaults, false);
        }
    }
}

/// `geoip_service: {maxmind: {databases: {city: …}}}`. Nothing is downloaded, so they must be files.
fn databases(service: &Settings, found: &mut Found) -> Option<Settings> {
    refuse_unknown(service, &["maxmind"], found);
    let maxmind = service.get("maxmind")?;
    for (key, value) in maxmind.entries() {
        if key != "databases" {
            let problem =
                format!("`{key}` has no effect: files are read once, whole, from the disk");
            let warning = ConfigError::new("", problem).with_place(value.key_place());
            found.warn(warning.with_help("remove it"));
        }
    }
    let databases = maxmind.get("databases");
    let help = "download the files, and write `databases: {city: GeoLite2-City.mmdb}`";
    let Some(databases) = databases.filter(|it| !it.entries().is_empty()) else {
        // A `geoip` processor that names none either is refused for that.
        let problem = "no file of MaxMind is named, and none is downloaded";
        found.warn(maxmind.problem("", problem).with_help(help));
        return None;
    };
    refuse_unknown(&databases, &DATABASES, found);
    for (_, path) in databases.entries() {
        if path.text().is_some_and(|it| NOT_LOCAL.iter().any(|start| it.starts_with(start))) {
            found.error(path.problem("", "files of MaxMind are not downloaded").with_help(help));
        }
    }
    Some(databases)
}

fn refuse_unknown(settings: &Settings, known: &[&str], found: &mut Found) {
    for (key, value) in settings.entries() {
        if !known.contains(&key) {
            let help = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are `{}`", known.join("` and `")),
            };
            let error = ConfigError::new("", format!("there is no setting `{key}`"));
            found.error(error.with_place(value.key_place()).with_help(help));
        }
    }
}

/// So that whoever made the mistake knows what to write.
fn or_help(error: ConfigError, help: &str) -> ConfigError {
    let each = error.each().into_iter().map(|it| match it.help {
        Some(_) => it,
        None => it.with_help(help),
    });
    ConfigError::all(each).unwrap_or_else(|| ConfigError::new("", "cannot be read"))
}

fn spec(id: String, secret: Secret, at: &Settings, found: &mut Found) -> SecretSpec {
    if !(1..=512).contains(&secret.secret_id.len()) {
        let problem = "a secret has a name of 1 to 512 characters";
        found.error(at.problem("secret_id", problem).with_help("write its name or ARN"));
    }
    if secret.sts_role_arn.as_ref().is_some_and(|it| !(20..=2048).contains(&it.len())) {
        let problem = "this is not the ARN of a role";
        let help = "write it whole: `arn:aws:iam::123456789012:role/name`";
        found.error(at.problem("sts_role_arn", problem).with_help(help));
    }
    if secret.sts_header_overrides.is_some() {
        let problem = "`sts_header_overrides` is accepted, and not sent";
        found.warn(at.problem("sts_header_overrides", problem).with_help("remove it"));
    }
    if secret.skip_validation_on_start {
        let problem = "`skip_validation_on_start` has no effect: what is not known cannot be used";
        found.warn(at.problem("skip_validation_on_start", problem).with_help("remove it"));
    }
    let interval = secret.refresh_interval.map_or(REFRESH_INTERVAL, |it| it.0);
    if interval < REFRESH_INTERVAL_MIN {
        let problem = "a secret is read again every second at most";
        found.error(at.problem("refresh_interval", problem).with_help("write `PT1H`"));
    } else if interval < REFRESH_INTERVAL {
        let problem = "Data Prepper refuses less than an hour, and every reading is paid for";
        found.warn(at.problem("refresh_interval", problem).with_help("write `PT1H` or more"));
    }
    SecretSpec {
        id,
        secret_id: secret.secret_id,
        region: secret.region,
        sts_role_arn: secret.sts_role_arn,
        refresh_interval: (!secret.disable_refresh).then_some(interval),
    }
}
