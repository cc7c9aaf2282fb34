//! Where the leases are kept, as the user writes it: in Data Prepper's process file, or on the
//! command line. Pure.

use std::time::Duration;

use pipeline::{ConfigError, Period, Settings};
use serde::Deserialize;

use crate::LEASE_TERM;

/// How long finished shards and workers that are gone stay in the table when nobody says. A shard is
/// listed for a day after its end.
const TTL: Duration = Duration::from_hours(7 * 24);
/// The least that may be said: less would forget shards that are still listed.
const TTL_MIN: Duration = Duration::from_hours(2 * 24);
/// A shorter term would take a worker for dead that waits for the network.
const TERM_MIN: Duration = Duration::from_secs(3);
const TERM_MAX: Duration = Duration::from_hours(1);

/// Where the leases are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Coordination {
    /// In the data directory, for one process. `in_memory` of Data Prepper means this, too: it would
    /// lose the checkpoints.
    #[default]
    DataDirectory,
    /// In a DynamoDB table, for several.
    Table(Box<TableConfig>),
}

/// A table for leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableConfig {
    /// Its name.
    pub table: String,
    /// Its region; by default that of the SDK's chain.
    pub region: Option<String>,
    /// The role to take on.
    pub sts_role_arn: Option<String>,
    /// What the role's owner asked us to say.
    pub sts_external_id: Option<String>,
    /// Where to send the calls instead of to AWS.
    pub endpoint: Option<String>,
    /// What all entries begin with, so that several installations can share a table, or one can begin
    /// anew.
    pub partition_prefix: Option<String>,
    /// Whether a table that is not there is a mistake.
    pub skip_table_creation: bool,
    /// Read and write units of a new table. Without them it is billed on demand.
    pub capacity: Option<(u64, u64)>,
    /// How long finished shards and workers that are gone are kept.
    pub ttl: Duration,
    /// How long a worker may be silent before others take its shards.
    pub term: Duration,
}

impl TableConfig {
    /// The table called `table`, and otherwise the defaults.
    pub fn named(table: &str) -> TableConfig {
        TableConfig {
            table: table.to_owned(),
            region: None,
            sts_role_arn: None,
            sts_external_id: None,
            endpoint: None,
            partition_prefix: None,
            skip_table_creation: false,
            capacity: None,
            ttl: TTL,
            term: LEASE_TERM,
        }
    }
}

/// `source_coordination` of `data-prepper-config.yaml`.
#[derive(Debug, Deserialize)]
struct Block {
    #[serde(default, alias = "partitionPrefix")]
    partition_prefix: Option<String>,
    store: Store,
}

#[derive(Debug, Deserialize)]
struct Store {
    #[serde(default)]
    dynamodb: Option<Table>,
    #[serde(default)]
    in_memory: Option<InMemory>,
}

#[derive(Debug, Deserialize)]
struct InMemory {}

#[derive(Debug, Deserialize)]
struct Table {
    #[serde(rename = "table_name", alias = "tableName")]
    name: String,
    region: String,
    #[serde(default, alias = "stsRoleArn")]
    sts_role_arn: Option<String>,
    #[serde(default, alias = "stsExternalId")]
    sts_external_id: Option<String>,
    #[serde(default, alias = "skipTableCreation")]
    skip_table_creation: bool,
    #[serde(default, alias = "provisionedReadCapacityUnits")]
    provisioned_read_capacity_units: Option<u64>,
    #[serde(default, alias = "provisionedWriteCapacityUnits")]
    provisioned_write_capacity_units: Option<u64>,
    #[serde(default)]
    ttl: Option<Period>,
}

/// How many capacity units a table gets when only one kind is given: Data Prepper's default.
const CAPACITY_UNITS: u64 = 10;

impl Coordination {
    /// Reads the block `source_coordination`. Says in the second part what does not mean here what
    /// it means there.
    ///
    /// # Errors
    ///
    /// When a setting is missing, unknown, or makes no sense.
    pub fn read(settings: &Settings) -> Result<(Coordination, Vec<ConfigError>), ConfigError> {
        let Block { partition_prefix, store } = settings.read()?;
        let mut warnings = Vec::new();
        let table = match store {
            Store { dynamodb: Some(table), in_memory: None } => table,
            Store { dynamodb: None, in_memory } => {
                if in_memory.is_none() && settings.get("store.in_memory").is_none() {
                    let problem = "name a store";
                    let help = "write `dynamodb: { table_name: …, region: … }`, or `in_memory:`";
                    return Err(settings.problem("store", problem).with_help(help));
                }
                if partition_prefix.is_some() {
                    let problem = "has no effect without a table: the data directory is this \
                                   process's own";
                    warnings.push(settings.problem("partition_prefix", problem));
                }
                return Ok((Coordination::DataDirectory, warnings));
            }
            _ => return Err(settings.problem("store", "name one store, not several")),
        };
        let at = |name: &str| format!("store.dynamodb.{name}");
        if let Some(problem) = bad_table_name(&table.name) {
            return Err(settings.problem(&at("table_name"), problem));
        }
        for (name, role) in [("sts_role_arn", &table.sts_role_arn)] {
            if role.as_ref().is_some_and(|it| !it.starts_with("arn:")) {
                let problem =
                    "write the whole ARN of the role: `arn:aws:iam::123456789012:role/name`";
                return Err(settings.problem(&at(name), problem));
            }
        }
        let read = table.provisioned_read_capacity_units;
        let write = table.provisioned_write_capacity_units;
        for (name, units) in
            [("provisioned_read_capacity_units", read), ("provisioned_write_capacity_units", write)]
        {
            if units == Some(0) {
                return Err(settings.problem(&at(name), "write at least 1"));
            }
        }
        let ttl = table.ttl.map_or(TTL, |it| it.0);
        if ttl < TTL_MIN {
            let problem = "finished shards are still listed for a day; write at least `P2D`";
            return Err(settings.problem(&at("ttl"), problem));
        }
        let config = TableConfig {
            region: Some(table.region),
            sts_role_arn: table.sts_role_arn,
            sts_external_id: table.sts_external_id,
            partition_prefix,
            skip_table_creation: table.skip_table_creation,
            capacity: (read.is_some() || write.is_some())
                .then(|| (read.unwrap_or(CAPACITY_UNITS), write.unwrap_or(CAPACITY_UNITS))),
            ttl,
            ..TableConfig::named(&table.name)
        };
        Ok((Coordination::Table(Box::new(config)), warnings))
    }

    /// Reads what is written on the command line: `dynamodb://TABLE?region=eu-west-1&term=30s`.
    /// Understands `region`, `endpoint`, `role`, `external_id`, `prefix`, `create=false` and `term`.
    ///
    /// # Errors
    ///
    /// When it is not written like that; says how it is.
    pub fn from_address(address: &str) -> Result<Coordination, NotAnAddress> {
        let wrong = |problem: String| NotAnAddress { address: address.to_owned(), problem };
        let rest = address.strip_prefix("dynamodb://");
        let rest = rest.ok_or_else(|| wrong("it does not begin with `dynamodb://`".to_owned()))?;
        let (table, options) = rest.split_once('?').unwrap_or((rest, ""));
        if let Some(problem) = bad_table_name(table) {
            return Err(wrong(problem.to_owned()));
        }
        let mut config = TableConfig::named(table);
        for option in options.split('&').filter(|it| !it.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let text = || Some(value.to_owned()).filter(|it| !it.is_empty());
            match name {
                "region" => config.region = text(),
                "endpoint" => config.endpoint = text(),
                "role" => config.sts_role_arn = text(),
                "external_id" => config.sts_external_id = text(),
                "prefix" => config.partition_prefix = text(),
                "create" if ["true", "false"].contains(&value) => {
                    config.skip_table_creation = value == "false";
                }
                "create" => return Err(wrong("`create` is `true` or `false`".to_owned())),
                "term" => {
                    let term: Period = value.parse().map_err(|it| wrong(format!("{it}")))?;
                    if !(TERM_MIN..=TERM_MAX).contains(&term.0) {
                        return Err(wrong("`term` is between 3s and 1h".to_owned()));
                    }
                    config.term = term.0;
                }
                _ => return Err(wrong(format!("there is no option `{name}`"))),
            }
        }
        Ok(Coordination::Table(Box::new(config)))
    }
}

/// What is wrong with the name of a table, if anything is.
fn bad_table_name(name: &str) -> Option<&'static str> {
    let is_good = |it: char| it.is_ascii_alphanumeric() || "_.-".contains(it);
    let fits = (3..=255).contains(&name.len()) && name.chars().all(is_good);
    (!fits).then_some("a table's name has 3 to 255 letters, digits, `_`, `-` or `.`")
}

/// Not a place for leases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{address}` is no place for leases: {problem}; write `dynamodb://TABLE?region=eu-west-1`, with \
     `&endpoint=`, `&role=`, `&external_id=`, `&prefix=`, `&create=false` or `&term=30s` as needed"
)]
pub struct NotAnAddress {
    address: String,
    problem: String,
}

#[cfg(test)]
mod tests;
