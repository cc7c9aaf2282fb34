//! Leases in a DynamoDB table, for workers on several machines.
//!
//! One item per partition, with the key attributes and names that Data Prepper's own table has, so
//! that an existing one will do. Every write is conditional on the fencing token; a take-over on the
//! item being exactly as it was seen.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws::{Access, AwsConfig, CallError, Environment, JsonService};
use pipeline::{Clock, Timestamp};
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::{
    Lease, LeaseError, LeaseStore, Seen, TableConfig, Traffic, Watch,
    lease::{lost, released, renewed, taken},
};

/// How often a call is made at most before it counts as failed: about a quarter of a minute.
const TRIES_MAX: u32 = 8;
/// How long to wait before the second try, and at most before any. Half of it is left to chance.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(50);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often to look whether a new table is ready, and how long to wait in between.
const READY_TRIES_MAX: u32 = 60;
const READY_WAIT: Duration = Duration::from_secs(1);
/// How many pages of leases we are ready to read, a megabyte each: millions of leases.
const PAGES_MAX: usize = 1_000;
/// How long a checkpoint may wait for the next one, so that a busy shard costs twelve writes a
/// minute and not three hundred.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// Into how many parts of a term a checkpoint may fall, when the term is short.
const SAVES_PER_TERM: u32 = 3;
/// What all our items have in common, behind the user's prefix.
const KIND: &str = "streamdex";

/// Leases in a table.
#[derive(Debug)]
pub struct TableLeases {
    dynamodb: JsonService,
    config: TableConfig,
    /// The value of the partition key of all our items.
    source: String,
    clock: Clock,
    watch: Mutex<Watch>,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl TableLeases {
    /// The leases in the table that `config` names. Makes sure that it is there, and creates it if
    /// it may.
    ///
    /// # Errors
    ///
    /// When the table is not there and may not be created, is of no use, or we are not let in.
    pub async fn open(
        config: TableConfig,
        environment: Environment,
        clock: Clock,
    ) -> Result<TableLeases, LeaseError> {
        let access = Access::new(
            AwsConfig {
                region: config.region.clone(),
                sts_role_arn: config.sts_role_arn.clone(),
                sts_external_id: config.sts_external_id.clone(),
                endpoint: config.endpoint.clone(),
            },
            environment,
        );
        let service = JsonService::new(&access, "DYNAMODB", "dynamodb", "DynamoDB_20120810").await;
        let source = match &config.partition_prefix {
            Some(prefix) => format!("{prefix}|{KIND}"),
            None => KIND.to_owned(),
        };
        let watch = Mutex::new(Watch::new(config.term));
        let (reads, writes) = (AtomicU64::default(), AtomicU64::default());
        let dynamodb = service.map_err(|error| LeaseError::Store {
            store: store_name(&config),
            reason: error.to_string(),
        })?;
        let leases = TableLeases { dynamodb, config, source, clock, watch, reads, writes };
        leases.make_sure_of_the_table().await?;
        Ok(leases)
    }

    async fn make_sure_of_the_table(&self) -> Result<(), LeaseError> {
        let name = json!({ "TableName": self.config.table });
        let mut is_new = false;
        for _ in 0..READY_TRIES_MAX {
            match self.try_call("DescribeTable", &name).await {
                Ok(answer) => {
                    let table = &answer["Table"];
                    self.check_keys(table)?;
                    match table["TableStatus"].as_str().unwrap_or_default() {
                        "ACTIVE" | "UPDATING" => {
                            if is_new {
                                self.let_old_entries_expire().await;
                            }
                            return Ok(());
                        }
                        "CREATING" => {}
                        status => return Err(self.failed(format!("the table is {status}"))),
                    }
                }
                Err(error) if error.code() == Some("ResourceNotFoundException") => {
                    if self.config.skip_table_creation {
                        return Err(self.failed(format!(
                            "there is no such table at {}; create it with the partition key \
                             `sourceIdentifier` and the sort key `sourcePartitionKey`, both strings, \
                             or leave `skip_table_creation` away",
                            self.dynamodb.endpoint()
                        )));
                    }
                    if !is_new {
                        self.create_table().await?;
                        is_new = true;
                    }
                    continue;
                }
                Err(error) => return Err(self.refused(error)),
            }
            tokio::time::sleep(READY_WAIT).await;
        }
        Err(self.failed("the new table is not ready after a minute; try again".to_owned()))
    }

    fn check_keys(&self, table: &Value) -> Result<(), LeaseError> {
        let key = |kind: &str| {
            let keys = table["KeySchema"].as_array();
            let key = keys.into_iter().flatten().find(|it| it["KeyType"] == kind)?;
            key["AttributeName"].as_str()
        };
        match (key("HASH"), key("RANGE")) {
            (Some("sourceIdentifier"), Some("sourcePartitionKey")) => Ok(()),
            (hash, range) => Err(self.failed(format!(
                "its keys are `{}` and `{}`, not `sourceIdentifier` and `sourcePartitionKey`; \
                 name a table of its own for leases",
                hash.unwrap_or_default(),
                range.unwrap_or("none")
            ))),
        }
    }

    async fn create_table(&self) -> Result<(), LeaseError> {
        let names = ["sourceIdentifier", "sourcePartitionKey"];
        let attributes = names.map(|it| json!({ "AttributeName": it, "AttributeType": "S" }));
        let [hash, range] = names;
        let mut question = json!({
            "TableName": self.config.table,
            "AttributeDefinitions": attributes,
            "KeySchema": [
                { "AttributeName": hash, "KeyType": "HASH" },
                { "AttributeName": range, "KeyType": "RANGE" },
            ],
        });
        match self.config.capacity {
            Some((read, write)) => {
                question["ProvisionedThroughput"] =
                    json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": write });
            }
            None => question["BillingMode"] = "PAY_PER_REQUEST".into(),
        }
        match self.try_call("CreateTable", &question).await {
            Ok(_) => info!(table = self.config.table, "created the table for leases"),
            // Another worker was quicker.
            Err(error) if error.code() == Some("ResourceInUseException") => {}
            Err(error) => return Err(self.refused(error)),
        }
        Ok(())
    }

    /// Without it nothing breaks; a few old entries stay.
    async fn let_old_entries_expire(&self) {
        let question = json!({
            "TableName": self.config.table,
            "TimeToLiveSpecification": { "Enabled": true, "AttributeName": "expirationTime" },
        });
        if let Err(error) = self.try_call("UpdateTimeToLive", &question).await {
            let error = self.refused(error);
            warn!(%error, "old leases will not be removed from the table");
        }
    }

    /// Makes a call until it is answered, or was tried often enough.
    async fn try_call(&self, operation: &'static str, body: &Value) -> Result<Value, CallError> {
        let counter =
            if ["GetItem", "Query"].contains(&operation) { &self.reads } else { &self.writes };
        let mut wait = RETRY_WAIT_MIN;
        for n_tries in 1.. {
            counter.fetch_add(1, Ordering::Relaxed);
            match self.dynamodb.ask(operation, body).await {
                Err(error) if error.is_transient() && n_tries < TRIES_MAX => {
                    warn!(%error, table = self.config.table, "the lease table did not answer, asking again");
                }
                answer => return answer,
            }
            let half_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) / 2;
            tokio::time::sleep(Duration::from_millis(half_ms + fastrand::u64(0..=half_ms))).await;
            wait = (wait * 2).min(RETRY_WAIT_MAX);
        }
        unreachable!("the last try returns")
    }

    fn refused(&self, error: CallError) -> LeaseError {
        let table = &self.config.table;
        self.failed(match error {
            CallError::Refused { operation, code, message, .. }
                if code == "AccessDeniedException" =>
            {
                format!(
                    "not allowed to call {operation}: {message}; grant `dynamodb:{operation}` on \
                     the table `{table}`"
                )
            }
            CallError::Refused { operation, code, .. } if code == "ResourceNotFoundException" => {
                format!("{operation}: the table is gone; start again to have it created")
            }
            error => error.to_string(),
        })
    }

    fn failed(&self, reason: String) -> LeaseError {
        LeaseError::Store { store: store_name(&self.config), reason }
    }

    /// Writes an item if `condition` holds; says whether it did.
    async fn put(&self, lease: &Lease, condition: &str, values: Value) -> Result<bool, LeaseError> {
        let mut question = json!({
            "TableName": self.config.table,
            "Item": self.item(lease),
            "ConditionExpression": condition,
        });
        if !values.is_null() {
            question["ExpressionAttributeValues"] = values;
        }
        match self.try_call("PutItem", &question).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(self.refused(error)),
        }
    }

    async fn get(&self, partition: &str) -> Result<Option<Lease>, LeaseError> {
        let question = json!({
            "TableName": self.config.table, "Key": self.key(partition), "ConsistentRead": true,
        });
        let answer = self.try_call("GetItem", &question).await;
        let answer = answer.map_err(|error| self.refused(error))?;
        match answer.get("Item") {
            None => Ok(None),
            Some(item) => self.lease(item).map(Some),
        }
    }

    /// Writes over what we hold; `Lost` if we do not.
    async fn put_held(&self, lease: &Lease) -> Result<(), LeaseError> {
        // On the token alone: if the answer to a first try was lost, the second must pass.
        let token = json!({ ":token": number(lease.token) });
        if self.put(lease, "fencingToken = :token", token).await? {
            return Ok(());
        }
        Err(lost(self.get(&lease.partition).await?.as_ref(), lease))
    }

    fn key(&self, partition: &str) -> Value {
        json!({ "sourceIdentifier": { "S": self.source }, "sourcePartitionKey": { "S": partition } })
    }

    fn item(&self, lease: &Lease) -> Value {
        let Lease { owner, token, renewals, checkpoint, done, free, passing, partition } = lease;
        let mut item = self.key(partition);
        let status = match (done, free) {
            (true, _) => "COMPLETED",
            (false, true) => "UNASSIGNED",
            (false, false) => "ASSIGNED",
        };
        item["partitionOwner"] = json!({ "S": owner });
        item["fencingToken"] = number(*token);
        item["version"] = number(*renewals);
        item["sourcePartitionStatus"] = json!({ "S": status });
        if let Some(checkpoint) = checkpoint {
            item["partitionProgressState"] = json!({ "S": checkpoint });
        }
        if *passing {
            let expires = self.clock.now().after(self.config.ttl).0 / 1000;
            item["expirationTime"] = number(expires);
        }
        item
    }

    fn lease(&self, item: &Value) -> Result<Lease, LeaseError> {
        let text = |name: &str| Some(item.get(name)?.get("S")?.as_str()?.to_owned());
        let number = |name: &str| item.get(name)?.get("N")?.as_str()?.parse::<u64>().ok();
        let read = || {
            let status = text("sourcePartitionStatus")?;
            Some(Lease {
                partition: text("sourcePartitionKey")?,
                owner: text("partitionOwner")?,
                token: number("fencingToken")?,
                renewals: number("version")?,
                checkpoint: text("partitionProgressState"),
                done: status == "COMPLETED",
                free: status == "UNASSIGNED",
                passing: item.get("expirationTime").is_some(),
            })
        };
        read().ok_or_else(|| {
            self.failed(format!("this item is not a lease of ours: {item}; remove or repair it"))
        })
    }

    fn look(&self, lease: &Lease, now: Timestamp) -> Seen {
        self.watch.lock().expect("no panics while locked").look(lease, now)
    }
}

#[async_trait]
impl LeaseStore for TableLeases {
    async fn acquire(
        &self,
        partition: &str,
        owner: &str,
        now: Timestamp,
    ) -> Result<Option<Lease>, LeaseError> {
        let held = self.get(partition).await?;
        if held.as_ref().is_some_and(|it| !self.look(it, now).available) {
            return Ok(None);
        }
        let lease = taken(held.as_ref(), partition, owner);
        let is_ours = match &held {
            None => self.put(&lease, "attribute_not_exists(fencingToken)", Value::Null).await?,
            Some(held) => {
                let seen =
                    json!({ ":token": number(held.token), ":version": number(held.renewals) });
                self.put(&lease, "fencingToken = :token AND version = :version", seen).await?
            }
        };
        // If the answer to a first try was lost, the second finds the item taken: by ourselves.
        if is_ours || self.get(partition).await?.as_ref() == Some(&lease) {
            self.look(&lease, now);
            return Ok(Some(lease));
        }
        Ok(None)
    }

    async fn save(&self, lease: &mut Lease, now: Timestamp) -> Result<(), LeaseError> {
        let next = renewed(lease);
        self.put_held(&next).await?;
        self.look(&next, now);
        *lease = next;
        Ok(())
    }

    async fn release(&self, lease: Lease) -> Result<(), LeaseError> {
        self.put_held(&released(lease)).await
    }

    async fn remove(&self, lease: Lease) -> Result<(), LeaseError> {
        let question = json!({
            "TableName": self.config.table,
            "Key": self.key(&lease.partition),
            "ConditionExpression": "attribute_not_exists(fencingToken) OR fencingToken = :token",
            "ExpressionAttributeValues": { ":token": number(lease.token) },
        });
        match self.try_call("DeleteItem", &question).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => {
                Err(lost(self.get(&lease.partition).await?.as_ref(), &lease))
            }
            Err(error) => Err(self.refused(error)),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Lease>, LeaseError> {
        let mut question = json!({
            "TableName": self.config.table,
            "ConsistentRead": true,
            "KeyConditionExpression": "sourceIdentifier = :source",
            "ExpressionAttributeValues": { ":source": { "S": self.source } },
        });
        if !prefix.is_empty() {
            question["KeyConditionExpression"] =
                "sourceIdentifier = :source AND begins_with(sourcePartitionKey, :prefix)".into();
            question["ExpressionAttributeValues"][":prefix"] = json!({ "S": prefix });
        }
        let mut leases = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self.try_call("Query", &question).await;
            let mut answer = answer.map_err(|error| self.refused(error))?;
            for item in answer["Items"].as_array().into_iter().flatten() {
                leases.push(self.lease(item)?);
            }
            match answer["LastEvaluatedKey"].take() {
                Value::Null => return Ok(leases),
                last => question["ExclusiveStartKey"] = last,
            }
        }
        Err(self.failed(format!("more than {PAGES_MAX} MB of leases begin with `{prefix}`")))
    }

    async fn survey(&self, prefix: &str, now: Timestamp) -> Result<Vec<Seen>, LeaseError> {
        let leases = self.list(prefix).await?;
        Ok(self.watch.lock().expect("no panics while locked").survey(prefix, leases, now))
    }

    fn term(&self) -> Duration {
        self.config.term
    }

    fn save_every(&self) -> Duration {
        SAVE_EVERY.min(self.config.term / SAVES_PER_TERM)
    }

    fn traffic(&self) -> Option<Traffic> {
        let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
        Some(Traffic { reads: count(&self.reads), writes: count(&self.writes) })
    }
}

fn store_name(config: &TableConfig) -> String {
    format!("dynamodb table `{}`", config.table)
}

fn number(number: u64) -> Value {
    json!({ "N": number.to_string() })
}
