//! One table: what DynamoDB says of it, what is durable of it, and how it is read.

use std::{sync::Arc, time::Duration};

use aws::{Access, JsonService, S3};
use coordination::{LeaseStore, acquire_again};
use pipeline::{Clock, SourceError};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::{
    Conversion, Pace, StartPosition, TableArn, TableConfig, View,
    config::StreamConfig,
    deletes::Deletes,
    discovery::{DescribedTable, DiscoveryError, check_recovery, describe_table},
    export::judge,
    gaps::Gaps,
    load::{self, Remedy},
    loader::Loader,
    rows::SLACK_MS,
    table_stream::Stream,
};

/// How often to ask how far an export is: of AWS, and of an endpoint on this machine.
const POLL: Duration = Duration::from_secs(20);
const POLL_LOCAL: Duration = Duration::from_millis(200);
/// How often to look what other workers have done for a load.
const LOOK: Duration = Duration::from_secs(5);
const LOOK_LOCAL: Duration = Duration::from_millis(200);
/// How often to try to write what somebody else is writing.
const WRITES: u32 = 50;
const WRITE_WAIT: Duration = Duration::from_millis(200);
/// How long DynamoDB keeps changes.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;

/// What all tables of a source share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn LeaseStore>,
    /// The worker's name in the leases, and the pipeline's in their partitions.
    pub(crate) owner: String,
    pub(crate) pipeline: String,
    pub(crate) clock: Clock,
    pub(crate) view: View,
    pub(crate) s3_endpoint: Option<String>,
}

/// One table, found.
pub(crate) struct TableReader {
    pub(crate) shared: Shared,
    pub(crate) config: TableConfig,
    pub(crate) dynamodb: JsonService,
    streams: JsonService,
    /// That of the bucket.
    s3_access: Access,
    pub(crate) described: DescribedTable,
    /// Of the table's entries in the store.
    prefix: String,
    pub(crate) deletes: Deletes,
    pub(crate) gaps: Gaps,
}

/// The streams that a table has had, and that are not yet drained. Durable.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Streams {
    /// Their ARNs; the last is the one that goes on.
    pub(crate) arns: Vec<String>,
    /// The greatest version that was given in those before.
    pub(crate) floor: u64,
}

impl TableReader {
    /// Finds the table.
    pub(crate) async fn find(
        shared: &Shared,
        config: &TableConfig,
        access: &Access,
        s3_access: &Access,
    ) -> Result<TableReader, SourceError> {
        let dynamodb = JsonService::new(access, "DYNAMODB", "dynamodb", "DynamoDB_20120810").await;
        let dynamodb = dynamodb.map_err(failed)?;
        let (host, target) = ("streams.dynamodb", "DynamoDBStreams_20120810");
        // Where only the address of DynamoDB is given, its streams are there, too.
        let name = match access.endpoint("DYNAMODB_STREAMS") {
            Some(_) => "DYNAMODB_STREAMS",
            None => "DYNAMODB",
        };
        let streams = JsonService::new(access, name, host, target).await.map_err(failed)?;
        let described = describe_table(&dynamodb, &config.table_arn).await.map_err(failed)?;
        let Shared { store, owner, pipeline, clock, view, .. } = shared.clone();
        let prefix = prefix_of(&pipeline, &config.table_arn);
        let table = described.table.name.clone();
        view.change(&table, |_| {});
        let gaps = Gaps {
            store: Arc::clone(&store),
            clock: clock.clone(),
            owner: owner.clone(),
            prefix: prefix.clone(),
            table: table.clone(),
            view: view.clone(),
            on_gap: config.on_gap(),
        };
        let view_on_remove = stream_config(config).view_on_remove;
        let known = Arc::default();
        let pace = if is_aws(&dynamodb) {
            load::Pace { poll: POLL, look: LOOK }
        } else {
            load::Pace { poll: POLL_LOCAL, look: LOOK_LOCAL }
        };
        let deletes = Deletes {
            store,
            clock,
            owner,
            prefix: prefix.clone(),
            table,
            view,
            view_on_remove,
            known,
            pace,
        };
        Ok(TableReader {
            shared: shared.clone(),
            config: config.clone(),
            dynamodb,
            streams,
            s3_access: s3_access.clone(),
            described,
            prefix,
            deletes,
            gaps,
        })
    }

    /// Makes sure that what is to be read can be, so that a mistake is known before anything runs.
    pub(crate) async fn check(&self) -> Result<(), SourceError> {
        if self.config.stream.is_some() {
            self.described.stream_arn().map_err(failed)?;
        }
        let Some(export) = &self.config.export else { return Ok(()) };
        let oldest = self.shared.clock.now().0.saturating_sub(KEPT_MS);
        let is_loaded = self.loader().await?.is_loaded().await.map_err(failed)?;
        if is_loaded {
            return Ok(());
        }
        if self.config.stream.is_some() && export.export_time.is_some_and(|it| it.ms < oldest) {
            return Err(failed(
                "`export_time` lies more than a day back, and the stream no longer has the changes since; \
                 name a later moment, or leave the setting away",
            ));
        }
        match check_recovery(&self.dynamodb, &self.described).await {
            // What may not be asked is seen when the export is.
            Err(error @ (DiscoveryError::NotAllowed { .. } | DiscoveryError::Call(_))) => {
                warn!(%error, "cannot look whether the table can be exported");
            }
            checked => checked.map_err(failed)?,
        }
        let s3 = self.s3().await?;
        let prefix = export.s3_prefix.as_deref().unwrap_or_default();
        match s3.list(&export.s3_bucket, prefix, None).await {
            Ok(_) => Ok(()),
            // To list is not needed.
            Err(error) if error.code() == Some("AccessDenied") => Ok(()),
            Err(error) if error.is_transient() => {
                warn!(%error, "cannot look at the bucket of the export");
                Ok(())
            }
            Err(error) => {
                let (reason, _): (String, Remedy) = judge(&error);
                Err(failed(reason))
            }
        }
    }

    async fn s3(&self) -> Result<S3, SourceError> {
        S3::new(&self.s3_access, self.shared.s3_endpoint.as_deref()).await.map_err(failed)
    }

    fn is_aws(&self) -> bool {
        is_aws(&self.dynamodb)
    }

    /// Whether the table has, or had, something to load.
    pub(crate) async fn loader(&self) -> Result<Loader, SourceError> {
        let Shared { store, owner, pipeline, clock, view, .. } = self.shared.clone();
        let s3 = match &self.config.export {
            Some(_) => Some(self.s3().await?),
            None => None,
        };
        Ok(Loader {
            config: self.config.clone(),
            dynamodb: self.dynamodb.clone(),
            s3,
            table_arn: self.described.arn.clone(),
            table_name: self.described.name.clone(),
            store,
            clock,
            owner,
            prefix: self.prefix.clone(),
            pipeline,
            conversion: self.conversion(0),
            deletes: self.deletes.clone(),
            view,
            pace: self.deletes.pace,
        })
    }

    fn conversion(&self, not_before_ms: u64) -> Conversion {
        let table = Arc::new(self.described.table.clone());
        let view_on_remove = stream_config(&self.config).view_on_remove;
        Conversion { table, view_on_remove, not_before_ms }
    }

    /// The streams to read, one after the other.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<Vec<Stream>, SourceError> {
        if self.config.stream.is_none() {
            return Ok(Vec::new());
        }
        let latest = self.described.stream_arn().map_err(failed)?;
        let (streams, _) = self.note_stream(latest).await?;
        let mut begun = Vec::new();
        for (n, arn) in streams.arns.iter().enumerate() {
            // Only the first that was ever read has a beginning that is ours to choose.
            let is_later = n != 0 || streams.floor != 0;
            begun.push(self.stream(arn, streams.floor, is_later).await?);
        }
        Ok(begun)
    }

    /// Notes that the table has this stream now; says whether it is new. One that follows another
    /// leaves out what changed in between.
    pub(crate) async fn note_stream(&self, latest: &str) -> Result<(Streams, bool), SourceError> {
        let mut is_new = false;
        let streams = self.change_streams(|streams| {
            is_new = !streams.arns.iter().any(|it| it == latest);
            if is_new {
                streams.arns.push(latest.to_owned());
            }
        });
        let streams = streams.await?;
        if is_new && (1 < streams.arns.len() || streams.floor != 0) {
            let why = "the stream was switched off, and on again as a new one";
            self.gaps.note("stream", latest, why).await.map_err(failed)?;
        }
        Ok((streams, is_new))
    }

    /// Notes that all of a stream is safe.
    pub(crate) async fn note_drained(&self, arn: &str, floor: u64) -> Result<(), SourceError> {
        let streams = self.change_streams(|streams| {
            streams.arns.retain(|it| it != arn);
            streams.floor = streams.floor.max(floor).max(1);
        });
        streams.await.map(drop)
    }

    async fn change_streams(
        &self,
        change: impl FnOnce(&mut Streams),
    ) -> Result<Streams, SourceError> {
        let Shared { store, owner, clock, .. } = &self.shared;
        let partition = format!("{}streams/", self.prefix);
        for _ in 0..WRITES {
            let lease =
                acquire_again(&**store, &partition, owner, clock.now()).await.map_err(failed)?;
            let Some(mut lease) = lease else {
                tokio::time::sleep(WRITE_WAIT).await;
                continue;
            };
            let text = lease.checkpoint.as_deref();
            let known = text.map(serde_json::from_str::<Streams>).transpose().map_err(failed)?;
            let mut streams = known.unwrap_or_default();
            change(&mut streams);
            lease.checkpoint = Some(serde_json::to_string(&streams).map_err(failed)?);
            store.release(lease).await.map_err(failed)?;
            return Ok(streams);
        }
        Err(failed("another worker does not finish noting the streams of the table"))
    }

    /// One stream, about to be read.
    pub(crate) async fn stream(
        self: &Arc<Self>,
        arn: &str,
        floor: u64,
        is_later: bool,
    ) -> Result<Stream, SourceError> {
        let config = stream_config(&self.config);
        let prefix = format!("{}/{arn}/", self.shared.pipeline);
        let (first_start, started_ms) = self.mark_start(&prefix).await.map_err(failed)?;
        let at_latest = config.start_position == StartPosition::Latest && !is_later;
        // A load needs every change since its moment, whatever the clocks say.
        let is_loaded = self.config.export.is_some() || self.config.scan.is_some();
        let moment = self.config.export.as_ref().and_then(|it| it.export_time);
        let since_ms = moment.map_or(started_ms, |it| it.ms.min(started_ms));
        let since_ms = since_ms.saturating_sub(SLACK_MS).saturating_add(1);
        info!(table = %self.described.table.name, stream = %arn, first_start, "reading the stream");
        Ok(Stream {
            table: Arc::clone(self),
            streams: self.streams.clone(),
            arn: arn.into(),
            prefix,
            conversion: self.conversion(if at_latest { since_ms } else { 0 }),
            pace: if self.is_aws() { Pace::AWS } else { Pace::LOCAL },
            first_at_latest: at_latest && first_start && !is_loaded,
            started_ms,
            floor,
            shards: Vec::new(),
            is_listed: false,
            is_off: false,
        })
    }

    /// When this pipeline began to read this stream, and whether that is now. A start that crashed
    /// before its first checkpoint reads from there on, so it loses nothing.
    async fn mark_start(&self, prefix: &str) -> Result<(bool, u64), coordination::LeaseError> {
        let Shared { store, owner, clock, .. } = &self.shared;
        let now = clock.now();
        let partition = format!("{prefix}start");
        let known = store.list(&partition).await?.into_iter().next();
        let started = known.as_ref().and_then(|it| it.checkpoint.as_ref()?.parse().ok());
        match started {
            Some(started_ms) if !stream_config(&self.config).disable_checkpointing => {
                Ok((false, started_ms))
            }
            _ => {
                let acquired = acquire_again(&**store, &partition, owner, now).await?;
                let is_first = acquired.is_some();
                if let Some(mut lease) = acquired {
                    lease.checkpoint = Some(now.0.to_string());
                    store.save(&mut lease, now).await?;
                    store.release(lease).await?;
                }
                // Who comes second must not begin later than the first: between the two something
                // may have happened, and the first may be gone.
                Ok((is_first, now.0))
            }
        }
    }

    /// The stream that the table has now, if it is on.
    pub(crate) async fn latest_stream(&self) -> Result<Option<String>, DiscoveryError> {
        let described = describe_table(&self.dynamodb, &self.config.table_arn).await?;
        match described.stream_arn() {
            Ok(arn) => Ok(Some(arn.to_owned())),
            Err(DiscoveryError::NoStream { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Of a table's entries in the store. Apart from those of shards, which all workers look at again and
/// again.
pub(crate) fn prefix_of(pipeline: &str, table: &TableArn) -> String {
    format!(".tables/{pipeline}/{}/", table.text)
}

fn is_aws(dynamodb: &JsonService) -> bool {
    dynamodb.endpoint().contains("amazonaws.com")
}

pub(crate) fn stream_config(config: &TableConfig) -> StreamConfig {
    config.stream.clone().unwrap_or_default()
}

pub(crate) fn failed(error: impl std::fmt::Display) -> SourceError {
    SourceError(error.to_string())
}
