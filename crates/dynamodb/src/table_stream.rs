//! The stream of a table, and what is to be done with its shards.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aws::JsonService;
use coordination::{Lease, Seen};
use pipeline::{SourceError, Stopper, Timestamp};
use tracing::{info, warn};

use crate::{Conversion, Described, Pace, Plan, Todo, table::TableReader};

/// How many leases of old shards to forget in a round at most. Nothing hurries.
const FORGOTTEN_MAX: usize = 25;

/// A stream, and what is known of its shards.
pub(crate) struct Stream {
    pub(crate) table: Arc<TableReader>,
    pub(crate) streams: JsonService,
    pub(crate) arn: Arc<str>,
    /// Of its shards' names in the leases.
    pub(crate) prefix: String,
    pub(crate) conversion: Conversion,
    pub(crate) pace: Pace,
    /// Whether this is the first time ever, and to start at the end.
    pub(crate) first_at_latest: bool,
    pub(crate) started_ms: u64,
    /// The greatest version given in the stream before.
    pub(crate) floor: u64,
    pub(crate) shards: Vec<Described>,
    /// Whether all shards have been asked for.
    pub(crate) is_listed: bool,
    /// Whether the table was seen without a stream.
    pub(crate) is_off: bool,
}

/// What a stream's leases and shards say is to be done.
pub(crate) struct Look {
    pub(crate) todo: Vec<(String, Todo)>,
    pub(crate) lost: Vec<String>,
    pub(crate) drained: Option<u64>,
    pub(crate) old: Vec<Lease>,
}

impl Stream {
    /// Whether the table has another stream by now, and this one is the last that we know.
    pub(crate) async fn find_next(&mut self) -> Result<Option<Stream>, SourceError> {
        let latest = match self.table.latest_stream().await {
            Ok(Some(latest)) => latest,
            Ok(None) => {
                if !std::mem::replace(&mut self.is_off, true) {
                    warn!(table = %self.table.described.table.name,
                        "the stream of the table is off: changes are not seen until it is on again");
                }
                return Ok(None);
            }
            Err(error) => {
                warn!(%error, "cannot look whether the table has a new stream");
                return Ok(None);
            }
        };
        let (streams, is_new) = self.table.note_stream(&latest).await?;
        if !is_new {
            return Ok(None);
        }
        info!(table = %self.table.described.table.name, stream = %latest, "the table has a new stream");
        self.table.stream(&latest, streams.floor, true).await.map(Some)
    }

    /// What is to be done, given everybody's leases and what we are reading.
    pub(crate) fn look(
        &self,
        seen: &[Seen],
        taken_up: &BTreeMap<String, Option<Stopper>>,
        now: Timestamp,
    ) -> Look {
        let shard = |partition: &str| partition.strip_prefix(&self.prefix).map(str::to_owned);
        let leases: BTreeMap<String, Lease> = seen
            .iter()
            .filter_map(|it| Some((shard(&it.lease.partition)?, it.lease.clone())))
            .collect();
        let reading: BTreeSet<String> = taken_up.keys().filter_map(|it| shard(it)).collect();
        let plan = Plan {
            shards: &self.shards,
            leases: &leases,
            reading: &reading,
            first_at_latest: self.first_at_latest,
            floor: self.floor,
            started_ms: self.started_ms,
        };
        Look {
            todo: plan.todo().into_iter().map(|(it, todo)| (it.to_owned(), todo)).collect(),
            lost: plan.lost().into_iter().map(str::to_owned).collect(),
            drained: plan.is_drained().then(|| plan.last_version()),
            old: plan
                .old(now.0)
                .take(FORGOTTEN_MAX)
                .map(|(shard, it)| Lease {
                    partition: format!("{}{shard}", self.prefix),
                    ..it.clone()
                })
                .collect(),
        }
    }
}
