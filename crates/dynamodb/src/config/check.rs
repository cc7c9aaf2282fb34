//! What the settings of the source may be, beyond their types. Pure.

use std::time::Duration;

use pipeline::{ConfigError, Settings};

use super::{AwsBlock, Config, ExportConfig, Moment, OnGap, ScanConfig, TableConfig};

/// DynamoDB takes up to a million segments; beyond this each is too small to be worth a lease.
const SEGMENTS_MAX: u32 = 1_000;
/// Each file being read holds some megabytes.
const PARALLEL_FILES_MAX: usize = 64;
/// As STS has them.
const ROLE_LENGTH: std::ops::RangeInclusive<usize> = 20..=2048;
const EXTERNAL_ID_LENGTH: std::ops::RangeInclusive<usize> = 2..=1224;

impl Config {
    pub(super) fn check(&self, settings: &Settings) -> Result<(), ConfigError> {
        if self.tables.is_empty() {
            return Err(settings.problem("tables", "name at least one table"));
        }
        let mut errors = Vec::new();
        for (n, table) in self.tables.iter().enumerate() {
            if self.tables[..n].iter().any(|it| it.table_arn == table.table_arn) {
                let problem = "this table is named twice; name each table once";
                errors.push(settings.problem(&format!("tables[{n}].table_arn"), problem));
            }
            errors.extend(table.check(settings, &format!("tables[{n}]")));
        }
        errors.extend(self.aws.as_ref().and_then(|it| it.check(settings).err()));
        ConfigError::all(errors).map_or(Ok(()), Err)
    }

    pub(super) fn warnings(&self, settings: &Settings) -> Vec<ConfigError> {
        let mut warnings = Vec::new();
        if self.acknowledgments == Some(false) {
            let problem = "acknowledgements are always on: a checkpoint never passes a record that is not \
                           safe; `false` changes nothing";
            warnings.push(settings.problem("acknowledgments", problem));
        }
        let waits = [
            ("shard_acknowledgment_timeout", self.shard_acknowledgment_timeout),
            ("s3_data_file_acknowledgment_timeout", self.s3_data_file_acknowledgment_timeout),
        ];
        for (name, _) in waits.iter().filter(|(_, it)| it.is_some()) {
            let problem = "has nothing to do: a worker that is alive keeps what it reads, and one that is \
                           dead loses it after 30 s";
            warnings.push(settings.problem(name, format!("`{name}` {problem}")));
        }
        for (n, table) in self.tables.iter().enumerate() {
            if table.stream.is_none() && table.export.is_none() && table.scan.is_none() {
                // Data Prepper takes it, and does nothing either: `stream:` alone is no stream.
                let problem = "nothing is read of this table; write `stream: {}` for its changes, \
                               `export: {s3_bucket: …}` or `scan: {}` for what it holds";
                warnings.push(settings.problem(&format!("tables[{n}]"), problem));
            } else if table.stream.is_none() {
                let problem = "without `stream: {}` the table is loaded once, and later changes are not \
                               followed";
                warnings.push(settings.problem(&format!("tables[{n}]"), problem));
            }
        }
        warnings
    }
}

impl TableConfig {
    /// Everything that is wrong with it.
    fn check(&self, settings: &Settings, at: &str) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.export.is_some() && self.scan.is_some() {
            let problem = "`export` and `scan` both load the table; write one of them";
            errors.push(settings.problem(&format!("{at}.scan"), problem));
        }
        if let Some(export) = &self.export {
            errors.extend(export.check(settings, &format!("{at}.export")).err());
        }
        if let Some(scan) = &self.scan {
            errors.extend(scan.check(settings, &format!("{at}.scan")).err());
        }
        let Some(stream) = &self.stream else { return errors };
        if stream.shard_discovery_interval.is_some_and(|it| it.0 < Duration::from_secs(1)) {
            let path = format!("{at}.stream.shard_discovery_interval");
            errors.push(settings.problem(&path, "write at least `1s`"));
        }
        if stream.on_gap == Some(OnGap::Export) && self.export.is_none() {
            let problem = "`on_gap: export` needs `export: { s3_bucket: … }`; or write `rescan`";
            errors.push(settings.problem(&format!("{at}.stream.on_gap"), problem));
        }
        errors
    }
}

impl ExportConfig {
    fn check(&self, settings: &Settings, at: &str) -> Result<(), ConfigError> {
        let problem = |name: &str, problem: &str| {
            Err(settings.problem(&format!("{at}.{name}"), problem.to_owned()))
        };
        if self.s3_bucket.trim().is_empty() {
            let said = "name the bucket to export to: `s3_bucket: my-bucket`";
            return Err(settings.problem(at, said));
        }
        if self.s3_bucket.contains('/') || self.s3_bucket.contains(':') {
            let said =
                "write the bucket's name only: `my-bucket`; what comes behind it is `s3_prefix`";
            return problem("s3_bucket", said);
        }
        if self.s3_region.as_ref().is_some_and(String::is_empty) {
            return problem("s3_region", "write a region: `eu-west-1`; or leave the setting away");
        }
        if self.s3_sse_kms_key_id.as_ref().is_some_and(|it| !is_key_arn(it)) {
            let said = "write the whole ARN of the key: `arn:aws:kms:eu-west-1:123456789012:key/…`";
            return problem("s3_sse_kms_key_id", said);
        }
        let is_account = |it: &String| it.len() == 12 && it.bytes().all(|it| it.is_ascii_digit());
        if self.s3_bucket_owner.as_ref().is_some_and(|it| !is_account(it)) {
            return problem("s3_bucket_owner", "write the 12 digits of the account");
        }
        if !(1..=PARALLEL_FILES_MAX).contains(&self.parallel_files) {
            return problem("parallel_files", "write a number from 1 to 64");
        }
        Ok(())
    }
}

/// `arn:partition:service:region:account:resource`, all of it.
fn is_key_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    matches!(parts[..], ["arn", _, "kms", _, _, resource] if !resource.is_empty())
}

impl ScanConfig {
    fn check(&self, settings: &Settings, at: &str) -> Result<(), ConfigError> {
        if !(1..=SEGMENTS_MAX).contains(&self.segments) {
            let path = format!("{at}.segments");
            return Err(settings.problem(&path, "write a number from 1 to 1000"));
        }
        if self.read_units_per_second == Some(0) {
            let path = format!("{at}.read_units_per_second");
            return Err(settings.problem(&path, "write at least 1, or leave the setting away"));
        }
        Ok(())
    }
}

impl AwsBlock {
    fn check(&self, settings: &Settings) -> Result<(), ConfigError> {
        if self.region.as_ref().is_some_and(String::is_empty) {
            let problem =
                "write a region: `eu-west-1`; or leave the setting away, for the table's own";
            return Err(settings.problem("aws.region", problem));
        }
        if self.sts_role_arn.as_ref().is_some_and(|it| !ROLE_LENGTH.contains(&it.len())) {
            let problem = "write the whole ARN of the role: `arn:aws:iam::123456789012:role/name`";
            return Err(settings.problem("aws.sts_role_arn", problem));
        }
        if self.sts_external_id.as_ref().is_some_and(|it| !EXTERNAL_ID_LENGTH.contains(&it.len())) {
            let problem = "an external id has 2 to 1224 characters";
            return Err(settings.problem("aws.sts_external_id", problem));
        }
        if self.sts_header_overrides.as_ref().is_some_and(|it| !it.is_empty()) {
            let problem = "`sts_header_overrides` is not carried out by this version: headers of the call to \
                           STS cannot be set; remove it, and use `sts_external_id` if the role asks for one";
            return Err(settings.problem("aws.sts_header_overrides", problem));
        }
        Ok(())
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Moment, String> {
        crate::manifest::epoch_ms(&text)
            .map(|ms| Moment { ms })
            .ok_or_else(|| format!("`{text}` is not a moment; write `2026-11-20T08:00:00Z`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExportFormat, StartPosition};

    const TABLE: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/books";

    fn read(table: &str, rest: &str) -> Result<(Config, Vec<ConfigError>), ConfigError> {
        let text = format!("tables: [{{table_arn: '{TABLE}'{table}}}]\n{rest}");
        Config::read(&Settings::from_yaml(&text).unwrap())
    }

    #[test]
    fn every_setting_has_its_default() {
        let (config, warnings) = read(", export: {s3_bucket: b}, stream: {}", "aws: {}").unwrap();
        let export = config.tables[0].export.clone().unwrap();
        assert_eq!((export.parallel_files, export.export_format), (4, ExportFormat::DynamodbJson));
        assert_eq!(config.tables[0].on_gap(), OnGap::Export);
        let stream = config.tables[0].stream.clone().unwrap();
        assert_eq!(stream.start_position, StartPosition::Latest);
        assert!(warnings.is_empty(), "{warnings:?}");

        let (config, _) = read(", scan: {max_rcu: 7}, stream: {}", "").unwrap();
        let scan = config.tables[0].scan.clone().unwrap();
        assert_eq!((scan.segments, scan.read_units_per_second), (4, Some(7)));
        assert_eq!(config.tables[0].on_gap(), OnGap::Rescan);
        let (config, _) = read(", stream: {start_position: TRIM_HORIZON}", "").unwrap();
        assert_eq!(config.tables[0].on_gap(), OnGap::Continue);
    }

    #[test]
    fn what_makes_no_sense_is_refused_at_its_place() {
        for (table, rest, at) in [
            (", export: {}", "", "tables[0].export"),
            (", export: {s3_bucket: ' '}", "", "tables[0].export"),
            (", export: {s3_bucket: 's3://b'}", "", "tables[0].export.s3_bucket"),
            (", export: {s3_bucket: b, s3_region: ''}", "", "tables[0].export.s3_region"),
            (
                ", export: {s3_bucket: b, s3_sse_kms_key_id: abc}",
                "",
                "tables[0].export.s3_sse_kms_key_id",
            ),
            (
                ", export: {s3_bucket: b, s3_bucket_owner: me}",
                "",
                "tables[0].export.s3_bucket_owner",
            ),
            (", export: {s3_bucket: b, parallel_files: 0}", "", "tables[0].export.parallel_files"),
            (", export: {s3_bucket: b, export_format: CSV}", "", "tables[0].export.export_format"),
            (", export: {s3_bucket: b, export_time: now}", "", "tables[0].export.export_time"),
            (", export: {s3_bucket: b}, scan: {}", "", "tables[0].scan"),
            (", scan: {segments: 0}", "", "tables[0].scan.segments"),
            (", scan: {max_rcu: 0}", "", "tables[0].scan.read_units_per_second"),
            (", stream: {on_gap: export}", "", "tables[0].stream.on_gap"),
            (", stream: {on_gap: panic}", "", "tables[0].stream.on_gap"),
            (", stream: {start_position: BEGINNING}", "", "tables[0].stream.start_position"),
            (
                ", stream: {shard_discovery_interval: 10ms}",
                "",
                "tables[0].stream.shard_discovery_interval",
            ),
            (", stream: {}", "aws: {region: ''}", "aws.region"),
            (", stream: {}", "aws: {sts_role_arn: short}", "aws.sts_role_arn"),
            (", stream: {}", "aws: {sts_external_id: x}", "aws.sts_external_id"),
            (", stream: {}", "aws: {sts_header_overrides: {a: b}}", "aws.sts_header_overrides"),
        ] {
            let error = read(table, rest).unwrap_err();
            assert!(error.to_string().contains(at) || error.at == at, "{table} {rest}: {error}");
        }
    }

    #[test]
    fn a_table_of_which_nothing_is_read_is_warned_of() {
        for table in ["", ", stream:"] {
            let (_, warnings) = read(table, "").unwrap();
            assert_eq!(warnings.len(), 1);
            assert!(warnings[0].to_string().contains("nothing is read"), "{warnings:?}");
        }
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let wrong =
            ", scan: {segments: 0}, stream: {shard_discovery_interval: 1ms, on_gap: export}";
        let error = read(wrong, "aws: {region: ''}").unwrap_err();
        assert_eq!(error.each().len(), 4);
    }

    #[test]
    fn a_table_is_named_once_and_there_is_one() {
        let read = |text: &str| Config::read(&Settings::from_yaml(text).unwrap());
        assert!(read("tables: []").is_err());
        let table = format!("{{table_arn: '{TABLE}', stream: {{}}}}");
        let twice = read(&format!("tables: [{table}, {table}]")).unwrap_err();
        assert_eq!(twice.at, "tables[1].table_arn");
        let other = table.replace("books", "orders");
        assert_eq!(read(&format!("tables: [{table}, {other}]")).unwrap().0.tables.len(), 2);
    }

    #[test]
    fn what_has_nothing_to_do_is_warned_of() {
        let rest = "acknowledgments: false\nshard_acknowledgment_timeout: 30m\n\
                    s3_data_file_acknowledgment_timeout: 5m";
        let (_, warnings) = read(", scan: {}", rest).unwrap();
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        let (_, warnings) = read(", stream: {}", "acknowledgments: true").unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}
