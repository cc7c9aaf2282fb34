//! The source itself: finds the table, its stream and its shards, and has each shard read when its
//! turn comes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws::{Access, AwsConfig, Environment, JsonService};
use coordination::{Lease, LeaseStore, Member, worker_name};
use pipeline::{Clock, Outlet, Source, SourceError, Stop, Stopper};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::{
    Config, Conversion, Described, Pace, Plan, Progress, Start, StartPosition, Todo,
    config::{AwsBlock, StreamConfig},
    discovery::{Streamed, describe_stream, describe_table},
    stream::{End, ReadError, ShardReader},
};

/// How often to look for new shards, beyond whenever one ends.
const DISCOVERY_INTERVAL: Duration = Duration::from_mins(1);
/// How long before the pipeline's first start a change may have been made to be read after a crash
/// that left no checkpoint: clocks differ. Data Prepper takes as much.
const START_SLACK_MS: u64 = 5 * 60 * 1000;
/// How long to leave a shard alone that could not be read or delivered.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// Reads the stream of one table.
pub struct DynamoDbSource {
    config: Config,
    access: Access,
    store: Arc<dyn LeaseStore>,
    /// The worker's name in the leases, and the pipeline's in their partitions.
    owner: String,
    pipeline: String,
    clock: Clock,
}

impl std::fmt::Debug for DynamoDbSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DynamoDbSource({})", self.config.tables[0].table_arn.text)
    }
}

/// A stream being read, and what is known of its shards.
struct Reading {
    streams: JsonService,
    stream_arn: Arc<str>,
    prefix: String,
    conversion: Conversion,
    pace: Pace,
    /// Whether this is the first time ever, and to start at the end.
    first_at_latest: bool,
    shards: Vec<Described>,
    /// The shards being read. What is dropped here is asked to come to an end.
    taken_up: BTreeMap<String, Option<Stopper>>,
    /// This worker among those that share the pipeline.
    member: Member,
    tasks: JoinSet<(String, Result<End, ReadError>)>,
    /// How many shards have not begun yet, plus one until all have been handed out.
    not_begun: Arc<AtomicUsize>,
    all_handed_out: bool,
}

impl DynamoDbSource {
    /// The source that `config` describes. Nothing is asked of AWS yet.
    pub fn new(
        config: Config,
        environment: Environment,
        pipeline: &str,
        store: Arc<dyn LeaseStore>,
        clock: Clock,
    ) -> DynamoDbSource {
        let AwsBlock { region, sts_role_arn, sts_external_id, endpoint, .. } =
            config.aws.clone().unwrap_or_default();
        let region = region.or_else(|| Some(config.tables[0].table_arn.region.clone()));
        let aws = AwsConfig { region, sts_role_arn, sts_external_id, endpoint };
        let owner = worker_name(pipeline);
        let pipeline = pipeline.to_owned();
        DynamoDbSource {
            config,
            access: Access::new(aws, environment),
            store,
            owner,
            pipeline,
            clock,
        }
    }

    /// Makes sure that the table is there and its stream can be read, so that a mistake is known
    /// before anything runs.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be reached, or what it has is not what the settings say.
    pub async fn check(&self) -> Result<(), SourceError> {
        self.find().await.map(drop)
    }

    fn stream_config(&self) -> StreamConfig {
        self.config.tables[0].stream.clone().unwrap_or_default()
    }

    async fn find(&self) -> Result<Streamed, SourceError> {
        let dynamodb =
            JsonService::new(&self.access, "DYNAMODB", "dynamodb", "DynamoDB_20120810").await;
        let dynamodb = dynamodb.map_err(failed)?;
        describe_table(&dynamodb, &self.config.tables[0].table_arn).await.map_err(failed)
    }

    /// Finds the table and its stream, and notes when this pipeline first read it.
    async fn begin(&self) -> Result<Reading, SourceError> {
        let Streamed { table, stream_arn } = self.find().await?;
        let (host, target) = ("streams.dynamodb", "DynamoDBStreams_20120810");
        // Where only the address of DynamoDB is given, its streams are there, too.
        let name = match self.access.endpoint("DYNAMODB_STREAMS") {
            Some(_) => "DYNAMODB_STREAMS",
            None => "DYNAMODB",
        };
        let streams = JsonService::new(&self.access, name, host, target).await.map_err(failed)?;
        let prefix = format!("{}/{stream_arn}/", self.pipeline);
        let (first_start, started_ms) = self.mark_start(&prefix).await.map_err(failed)?;
        let config = self.stream_config();
        let at_latest = config.start_position == StartPosition::Latest;
        info!(table = %table.name, stream = %stream_arn, first_start, "reading the stream");
        Ok(Reading {
            pace: if streams.endpoint().contains("amazonaws.com") {
                Pace::AWS
            } else {
                Pace::LOCAL
            },
            streams,
            stream_arn: stream_arn.into(),
            prefix,
            conversion: Conversion {
                table: Arc::new(table),
                view_on_remove: config.view_on_remove,
                not_before_ms: if at_latest {
                    started_ms.saturating_sub(START_SLACK_MS)
                } else {
                    0
                },
            },
            first_at_latest: at_latest && first_start,
            shards: Vec::new(),
            taken_up: BTreeMap::new(),
            member: Member::new(Arc::clone(&self.store), &self.pipeline, &self.owner),
            tasks: JoinSet::new(),
            not_begun: Arc::new(AtomicUsize::new(1)),
            all_handed_out: false,
        })
    }

    /// When this pipeline began to read this stream, and whether that is now. A start that crashed
    /// before its first checkpoint reads from there on, so it loses nothing.
    async fn mark_start(&self, prefix: &str) -> Result<(bool, u64), coordination::LeaseError> {
        let now = self.clock.now();
        let partition = format!("{prefix}start");
        let known = self.store.list(&partition).await?.into_iter().next();
        let started = known.as_ref().and_then(|it| it.checkpoint.as_ref()?.parse().ok());
        match started {
            Some(started_ms) if !self.stream_config().disable_checkpointing => {
                Ok((false, started_ms))
            }
            _ => {
                let acquired = self.store.acquire(&partition, &self.owner, now).await?;
                let is_first = acquired.is_some();
                if let Some(mut lease) = acquired {
                    lease.checkpoint = Some(now.0.to_string());
                    self.store.save(&mut lease, now).await?;
                    self.store.release(lease).await?;
                }
                // Who comes second must not begin later than the first: between the two something
                // may have happened, and the first may be gone.
                Ok((is_first, now.0))
            }
        }
    }

    /// Looks for new shards, and takes up those whose turn has come.
    async fn discover(&self, reading: &mut Reading, outlet: &Outlet) -> Result<(), SourceError> {
        self.list_shards(reading).await?;
        self.take_share(reading, outlet).await
    }

    async fn list_shards(&self, reading: &mut Reading) -> Result<(), SourceError> {
        match describe_stream(&reading.streams, &reading.stream_arn).await {
            Ok(shards) => reading.shards = shards,
            Err(error) if error.is_transient() => {
                warn!(%error, "cannot list the shards, trying again");
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(())
    }

    /// Takes up this worker's share of the shards whose turn has come, and lets go of what is too much
    /// or somebody else's.
    async fn take_share(&self, reading: &mut Reading, outlet: &Outlet) -> Result<(), SourceError> {
        let survey = match reading.member.look_around(self.clock.now()).await {
            Ok(survey) => survey,
            Err(error) => {
                warn!(%error, "cannot see the leases, trying again");
                return Ok(());
            }
        };
        if survey.finished_some {
            // Another worker may have read a shard to its end, and knows its children; so must we.
            self.list_shards(reading).await?;
        }
        let leases: BTreeMap<String, Lease> = survey
            .seen
            .iter()
            .filter_map(|it| {
                let shard = it.lease.partition.strip_prefix(&reading.prefix)?;
                Some((shard.to_owned(), it.lease.clone()))
            })
            .collect();
        let taken_up: BTreeSet<String> = reading.taken_up.keys().cloned().collect();
        let plan = Plan {
            shards: &reading.shards,
            leases: &leases,
            reading: &taken_up,
            first_at_latest: reading.first_at_latest,
        };
        let todo: Vec<(String, Todo)> =
            plan.todo().into_iter().map(|(shard, todo)| (shard.to_owned(), todo)).collect();
        let partition = |shard: &String| format!("{}{shard}", reading.prefix);
        let ready: Vec<String> = todo
            .iter()
            .filter(|(_, todo)| matches!(todo, Todo::Read(_)))
            .map(|(shard, _)| partition(shard))
            .collect();
        let moves =
            reading.member.moves(&survey, &ready, &taken_up.iter().map(partition).collect());
        for partition in moves.let_go.iter().chain(&moves.lost) {
            let shard = &partition[reading.prefix.len()..];
            if let Some(stopper) = reading.taken_up.get_mut(shard).and_then(Option::take) {
                info!(%shard, "letting go of the shard for another worker");
                stopper.stop();
            }
        }
        let take: BTreeSet<String> = moves.take.into_iter().collect();
        for (shard, todo) in todo {
            let partition = format!("{}{shard}", reading.prefix);
            if todo != Todo::Skip && !take.contains(&partition) {
                continue;
            }
            let acquired = self.store.acquire(&partition, &self.owner, self.clock.now()).await;
            let Some(mut lease) = acquired.map_err(failed)? else {
                continue;
            };
            match todo {
                Todo::Skip => {
                    lease.done = true;
                    lease.passing = true;
                    let released = self.store.release(lease).await;
                    released.map_err(failed)?;
                }
                Todo::Read(start) => self.read_shard(reading, shard, start, lease, outlet)?,
            }
        }
        reading.first_at_latest = false;
        if !reading.all_handed_out {
            reading.all_handed_out = true;
            note_begun(&reading.not_begun, outlet);
        }
        Ok(())
    }

    fn read_shard(
        &self,
        reading: &mut Reading,
        shard: String,
        start: Start,
        mut lease: Lease,
        outlet: &Outlet,
    ) -> Result<(), SourceError> {
        let start = match lease.checkpoint.take_if(|_| self.stream_config().disable_checkpointing) {
            Some(_forgotten) => start,
            None => match &lease.checkpoint {
                Some(text) => Start::After(text.parse::<Progress>().map_err(failed)?),
                None => start,
            },
        };
        let lane = outlet.lane().map_err(failed)?;
        reading.not_begun.fetch_add(1, Ordering::AcqRel);
        let (not_begun, ready) = (Arc::clone(&reading.not_begun), outlet.clone());
        let reader = ShardReader {
            streams: reading.streams.clone(),
            stream_arn: Arc::clone(&reading.stream_arn),
            shard: shard.clone(),
            conversion: reading.conversion.clone(),
            pace: reading.pace,
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            lease,
            lane,
            started: Some(Box::new(move || note_begun(&not_begun, &ready))),
        };
        info!(%shard, ?start, "shard taken up");
        let (stopper, stop) = Stop::pair();
        reading.taken_up.insert(shard.clone(), Some(stopper));
        reading.tasks.spawn(async move { (shard, reader.run(start, stop).await) });
        Ok(())
    }
}

#[async_trait]
impl Source for DynamoDbSource {
    async fn run(self: Box<Self>, outlet: Outlet, mut stop: Stop) -> Result<(), SourceError> {
        let interval = self.stream_config().shard_discovery_interval;
        let mut reading = self.begin().await?;
        let interval = interval.map_or(DISCOVERY_INTERVAL, |it| it.0);
        let mut discovery = tokio::time::interval(interval);
        discovery.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut rounds = tokio::time::interval(reading.member.every());
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first look comes with the first discovery.
        rounds.reset();
        let ended = loop {
            let done = tokio::select! {
                _ = discovery.tick() => self.discover(&mut reading, &outlet).await,
                _ = rounds.tick() => self.take_share(&mut reading, &outlet).await,
                Some(ended) = reading.tasks.join_next() => {
                    let (shard, end) = ended.map_err(failed)?;
                    reading.taken_up.remove(&shard);
                    match end {
                        // Its children may start.
                        Ok(End::Finished) => discovery.reset_immediately(),
                        Ok(End::LetGo) => discovery.reset_after(RETRY_WAIT),
                        Err(error) if is_hopeless(&error) => break Err(failed(error)),
                        Err(error) => {
                            error!(%shard, %error, "cannot read the shard, trying again");
                            discovery.reset_after(RETRY_WAIT);
                        }
                    }
                    Ok(())
                }
                () = &mut stop => break Ok(()),
            };
            if done.is_err() {
                break done;
            }
        };
        if ended.is_err() {
            reading.tasks.shutdown().await;
        }
        reading.taken_up.clear();
        while let Some(ended) = reading.tasks.join_next().await {
            if let Ok((shard, Err(error))) = ended {
                warn!(%shard, %error, "the shard was not ended in good order");
            }
        }
        reading.member.leave().await;
        ended
    }
}

fn failed(error: impl std::fmt::Display) -> SourceError {
    SourceError(error.to_string())
}

/// The last one to begin makes the source ready.
fn note_begun(not_begun: &AtomicUsize, outlet: &Outlet) {
    if not_begun.fetch_sub(1, Ordering::AcqRel) == 1 {
        outlet.set_ready();
    }
}

/// Whether an operator must look, because trying again gives the same.
fn is_hopeless(error: &ReadError) -> bool {
    matches!(error, ReadError::Call(call) if call.code() == Some("AccessDeniedException"))
}
