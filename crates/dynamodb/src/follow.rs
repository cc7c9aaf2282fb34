//! Follows the streams of all tables: looks for their shards, shares them with other workers, and has
//! each read when its turn comes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use coordination::{Lease, LeaseError, Member, acquire_again};
use pipeline::{Outlet, SourceError, Stop, Stopper};
use tokio::{
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};
use tracing::{error, info, warn};

use crate::{
    Progress, Start, Todo,
    discovery::{DiscoveryError, describe_stream},
    ready::Ready,
    stream::{End, ReadError, ShardReader},
    table::{Shared, failed, stream_config},
    table_stream::{Look, Stream},
};

/// How often to look for new shards and streams, beyond whenever a shard ends.
const DISCOVERY_INTERVAL: Duration = Duration::from_mins(1);
/// How long to leave a shard alone that could not be read or delivered; and how long to wait at first,
/// and at most, after a round in which a call failed.
const RETRY_WAIT: Duration = Duration::from_secs(1);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(30);

/// Everything that is being followed.
pub(crate) struct Following {
    shared: Shared,
    /// Of each table in order; only the first of a table is read.
    streams: Vec<Stream>,
    /// The shards being read, by partition. What is dropped here is asked to come to an end.
    taken_up: BTreeMap<String, Option<Stopper>>,
    /// This worker among those that share the pipeline.
    member: Member,
    tasks: JoinSet<(String, Result<End, ReadError>)>,
    ready: Ready,
    all_handed_out: bool,
    /// What failed in this round, and will be tried again.
    trouble: Option<String>,
    wait: Duration,
}

/// Why a round did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    /// It is tried again.
    #[error(transparent)]
    Leases(#[from] LeaseError),
    /// Nothing here can be.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl Following {
    pub(crate) fn new(shared: &Shared, streams: Vec<Stream>, ready: Ready) -> Following {
        let Shared { store, owner, pipeline, .. } = shared;
        Following {
            shared: shared.clone(),
            streams,
            taken_up: BTreeMap::new(),
            member: Member::new(Arc::clone(store), pipeline, owner),
            tasks: JoinSet::new(),
            ready,
            all_handed_out: false,
            trouble: None,
            wait: RETRY_WAIT,
        }
    }

    /// Reads until `stop` is asked.
    pub(crate) async fn run(mut self, outlet: &Outlet, mut stop: Stop) -> Result<(), SourceError> {
        let intervals = self.streams.iter().filter_map(|it| {
            stream_config(&it.table.config).shard_discovery_interval.map(|it| it.0)
        });
        let mut discovery = ticks(intervals.min().unwrap_or(DISCOVERY_INTERVAL));
        let mut rounds = ticks(self.member.every());
        // The first look comes with the first discovery.
        rounds.reset();
        let ended = loop {
            let mut is_round = true;
            let done = tokio::select! {
                _ = discovery.tick() => match self.discover(outlet).await {
                    Ok(true) => Ok(()),
                    Ok(false) => {
                        discovery.reset_after(RETRY_WAIT);
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                _ = rounds.tick() => self.take_share(outlet).await,
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok((partition, end)) => {
                        is_round = false;
                        self.ended(&partition, end, outlet, &mut discovery).await
                    }
                    Err(error) => Err(failed(error).into()),
                },
                () = &mut stop => break Ok(()),
            };
            match done {
                Ok(()) => {}
                Err(Broken::Leases(error)) => {
                    warn!(%error, "the leases cannot be written, trying again");
                    self.trouble = Some(error.to_string());
                }
                Err(Broken::Source(error)) => break Err(error),
            }
            self.tell_trouble(outlet, is_round, &mut discovery);
        };
        if ended.is_err() {
            self.tasks.shutdown().await;
        }
        self.taken_up.clear();
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok((partition, Err(error))) = ended {
                warn!(%partition, %error, "the shard was not ended in good order");
            }
        }
        self.member.leave().await;
        ended
    }

    /// Shows what failed in health, until a round comes to its end; that is tried later and later.
    fn tell_trouble(&mut self, outlet: &Outlet, is_round: bool, discovery: &mut Interval) {
        match self.trouble.take() {
            Some(trouble) => {
                outlet.set_problem("stream", Some(trouble));
                discovery.reset_after(self.wait);
                self.wait = (self.wait * 2).min(RETRY_WAIT_MAX);
            }
            None if is_round => {
                outlet.set_problem("stream", None);
                self.wait = RETRY_WAIT;
            }
            None => {}
        }
    }

    async fn ended(
        &mut self,
        partition: &str,
        end: Result<End, ReadError>,
        outlet: &Outlet,
        discovery: &mut Interval,
    ) -> Result<(), Broken> {
        self.taken_up.remove(partition);
        self.show_shards();
        match end {
            // Its children may start.
            Ok(End::Finished) => {
                if self.find_children(partition).await {
                    return self.take_share(outlet).await;
                }
                discovery.reset_immediately();
            }
            Ok(End::LetGo) => discovery.reset_after(RETRY_WAIT),
            Err(error @ ReadError::NotAllowed { .. }) => return Err(failed(error).into()),
            Err(error) => {
                error!(%partition, %error, "cannot read the shard, trying again");
                discovery.reset_after(RETRY_WAIT);
            }
        }
        Ok(())
    }

    /// Asks for the children of a shard alone; says whether that worked.
    async fn find_children(&mut self, partition: &str) -> bool {
        let found = self.streams.iter_mut().find(|it| partition.starts_with(&it.prefix));
        let Some(stream) = found else { return false };
        let shard = &partition[stream.prefix.len()..];
        let children = describe_stream(&stream.streams, &stream.arn, Some(shard)).await;
        let Ok(children) = children else { return false };
        let is_any = children.iter().any(|it| it.parent.as_deref() == Some(shard));
        for child in children {
            match stream.shards.iter_mut().find(|it| it.id == child.id) {
                Some(known) => *known = child,
                None => stream.shards.push(child),
            }
        }
        is_any
    }

    /// Looks for new shards and streams, and takes up those shards whose turn has come. Says whether
    /// everything was seen.
    async fn discover(&mut self, outlet: &Outlet) -> Result<bool, Broken> {
        let is_all = self.list_shards().await?;
        self.take_share(outlet).await?;
        Ok(is_all)
    }

    async fn list_shards(&mut self) -> Result<bool, Broken> {
        let mut found = Vec::new();
        let mut is_all = true;
        for (n, stream) in self.streams.iter_mut().enumerate() {
            match describe_stream(&stream.streams, &stream.arn, None).await {
                Ok(shards) => (stream.shards, stream.is_listed) = (shards, true),
                // What was not read of it is lost, which the plan will see.
                Err(DiscoveryError::StreamGone(arn)) => {
                    warn!(%arn, "the stream is gone");
                    (stream.shards, stream.is_listed) = (Vec::new(), true);
                }
                Err(error) if error.is_transient() => {
                    warn!(%error, "cannot list the shards, trying again");
                    self.trouble = Some(error.to_string());
                    is_all = false;
                }
                Err(error) => return Err(failed(error).into()),
            }
            match stream.find_next().await {
                Ok(next) => found.extend(next.map(|it| (n + 1, it))),
                Err(error) => {
                    warn!(%error, "cannot note the streams of the table, trying again");
                    self.trouble = Some(error.to_string());
                    is_all = false;
                }
            }
        }
        for (at, next) in found.into_iter().rev() {
            // Its shards are asked for next time.
            is_all = false;
            self.streams.insert(at, next);
        }
        Ok(is_all)
    }

    /// Takes up this worker's share of the shards whose turn has come, and lets go of what is too much
    /// or somebody else's.
    async fn take_share(&mut self, outlet: &Outlet) -> Result<(), Broken> {
        let survey = match self.member.look_around(self.shared.clock.now()).await {
            Ok(survey) => survey,
            Err(error) => {
                warn!(%error, "cannot see the leases, trying again");
                self.trouble = Some(error.to_string());
                return Ok(());
            }
        };
        if survey.finished_some {
            // Another worker may have read a shard to its end, and knows its children; so must we.
            self.list_shards().await?;
        }
        let mut looks = Vec::new();
        let mut tables = BTreeSet::new();
        for (n, stream) in self.streams.iter().enumerate() {
            // Those behind it wait until it is drained.
            if stream.is_listed && tables.insert(stream.table.config.table_arn.clone()) {
                let now = self.shared.clock.now();
                looks.push((n, stream.look(&survey.seen, &self.taken_up, now)));
            } else {
                tables.insert(stream.table.config.table_arn.clone());
            }
        }
        let partitions = |n: usize, look: &Look| {
            let prefix = self.streams[n].prefix.clone();
            let ready = look.todo.iter().filter(|(_, todo)| matches!(todo, Todo::Read(_)));
            ready.map(|(shard, _)| format!("{prefix}{shard}")).collect::<Vec<_>>()
        };
        let ready: Vec<String> = looks.iter().flat_map(|(n, look)| partitions(*n, look)).collect();
        let reading = self.taken_up.keys().cloned().collect();
        let moves = self.member.moves(&survey, &ready, &reading);
        for partition in moves.let_go.iter().chain(&moves.lost) {
            if let Some(stopper) = self.taken_up.get_mut(partition).and_then(Option::take) {
                info!(%partition, "letting go of the shard for another worker");
                stopper.stop();
            }
        }
        let take: BTreeSet<String> = moves.take.into_iter().collect();
        let mut drained = Vec::new();
        for (n, look) in looks {
            for shard in look.lost {
                self.give_up(n, &shard).await?;
            }
            for (shard, todo) in look.todo {
                self.take_up(n, &shard, todo, &take, outlet).await?;
            }
            for old in look.old {
                // Others may be doing the same.
                match self.shared.store.remove(old).await {
                    Err(error) if !error.is_lost() => return Err(error.into()),
                    _ => {}
                }
            }
            self.streams[n].first_at_latest = false;
            drained.extend(look.drained.map(|version| (n, version)));
        }
        for (n, version) in drained.into_iter().rev() {
            if let Err(error) = self.drained(n, version).await {
                warn!(%error, "cannot note that the old stream is drained, trying again");
                self.trouble = Some(error.to_string());
            }
        }
        if !self.all_handed_out && self.streams.iter().all(|it| it.is_listed) {
            self.all_handed_out = true;
            self.ready.note();
        }
        self.show_shards();
        Ok(())
    }

    async fn take_up(
        &mut self,
        n: usize,
        shard: &str,
        todo: Todo,
        take: &BTreeSet<String>,
        outlet: &Outlet,
    ) -> Result<(), Broken> {
        let Shared { store, owner, clock, .. } = &self.shared;
        let partition = format!("{}{shard}", self.streams[n].prefix);
        if todo != Todo::Skip && !take.contains(&partition) {
            return Ok(());
        }
        let acquired = acquire_again(&**store, &partition, owner, clock.now()).await?;
        let Some(mut lease) = acquired else { return Ok(()) };
        match todo {
            Todo::Skip => {
                lease.done = true;
                lease.passing = true;
                Ok(store.release(lease).await?)
            }
            Todo::Read(start) => Ok(self.read_shard(n, shard, start, lease, outlet)?),
        }
    }

    /// Notes that DynamoDB has forgotten a shard, and that nobody need wait for it.
    async fn give_up(&self, n: usize, shard: &str) -> Result<(), Broken> {
        let (stream, Shared { store, owner, clock, .. }) = (&self.streams[n], &self.shared);
        let partition = format!("{}{shard}", stream.prefix);
        let acquired = acquire_again(&**store, &partition, owner, clock.now()).await?;
        let Some(mut lease) = acquired else { return Ok(()) };
        let place = lease.checkpoint.as_deref().unwrap_or("start").replace(' ', "-");
        let why = "the shard is older than a day, and gone";
        stream.table.gaps.note(shard, &place, why).await?;
        lease.done = true;
        lease.passing = true;
        Ok(store.release(lease).await?)
    }

    /// A stream that was replaced and is safe makes room for the next.
    async fn drained(&mut self, n: usize, version: u64) -> Result<(), SourceError> {
        let table = self.streams[n].table.config.table_arn.clone();
        let follows = self.streams.get(n + 1).is_some_and(|it| it.table.config.table_arn == table);
        if !follows {
            return Ok(());
        }
        let (reader, arn) = (Arc::clone(&self.streams[n].table), Arc::clone(&self.streams[n].arn));
        reader.note_drained(&arn, version).await?;
        info!(stream = %arn, "the old stream is drained; going on with the new one");
        self.streams.remove(n);
        for next in self.streams.iter_mut().filter(|it| it.table.config.table_arn == table) {
            next.floor = next.floor.max(version);
        }
        Ok(())
    }

    fn read_shard(
        &mut self,
        n: usize,
        shard: &str,
        start: Start,
        mut lease: Lease,
        outlet: &Outlet,
    ) -> Result<(), SourceError> {
        let stream = &self.streams[n];
        let known = lease.checkpoint.as_deref().map(str::parse::<Progress>);
        let known = known.transpose().map_err(failed)?;
        let start = match known {
            None => start,
            Some(known) if stream_config(&stream.table.config).disable_checkpointing => {
                lease.checkpoint = None;
                start.above(known.version)
            }
            Some(known) => Start::After(known),
        };
        let lane = outlet.lane().map_err(failed)?;
        self.ready.wait_for_one_more();
        let ready = self.ready.clone();
        let reader = ShardReader {
            streams: stream.streams.clone(),
            stream_arn: Arc::clone(&stream.arn),
            shard: shard.to_owned(),
            conversion: stream.conversion.clone(),
            pace: stream.pace,
            store: Arc::clone(&self.shared.store),
            clock: self.shared.clock.clone(),
            deletes: stream.table.deletes.of_shard(shard, &lease),
            gaps: stream.table.gaps.clone(),
            lease,
            lane,
            started: Some(Box::new(move || ready.note())),
        };
        info!(%shard, ?start, "shard taken up");
        let partition = format!("{}{shard}", stream.prefix);
        let (stopper, stop) = Stop::pair();
        self.taken_up.insert(partition.clone(), Some(stopper));
        self.tasks.spawn(async move { (partition, reader.run(start, stop).await) });
        Ok(())
    }

    fn show_shards(&self) {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for stream in &self.streams {
            let n = self.taken_up.keys().filter(|it| it.starts_with(&stream.prefix)).count();
            *counts.entry(&stream.table.described.table.name).or_default() += n as u64;
        }
        for (table, n) in counts {
            self.shared.view.change(table, |it| it.shards = n);
        }
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
