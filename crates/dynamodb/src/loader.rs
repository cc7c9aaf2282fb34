//! Loads a table: does what [`Load`] says, and has the parts read. Also looks for gaps, and begins
//! another load where one is to be healed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use aws::{JsonService, S3};
use coordination::{Lease, LeaseError, LeaseStore, acquire_again, workers};
use pipeline::{Clock, Outlet, Stop, Timestamp};
use tracing::{error, info, warn};

use crate::{
    Conversion, OnGap, TableConfig, View,
    deletes::{Deletes, ReapplyError, record_name},
    export::Exports,
    gaps::is_wish,
    load::{Action, Input, Load, Method, Pace, Parts, Record, Remedy, Stage, WAIT_MAX},
    reading::Reading,
};

/// How often to renew the lease of the load.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How many segments a scan has that heals a gap of a table that was not loaded by one.
const SEGMENTS: u32 = 4;

/// Loads one table. Made once for each start of the source.
#[derive(Clone)]
pub(crate) struct Loader {
    pub(crate) config: TableConfig,
    pub(crate) dynamodb: JsonService,
    /// Where exports are, if any are made.
    pub(crate) s3: Option<S3>,
    /// The table's ARN, as DynamoDB tells it, and what to call it in a scan.
    pub(crate) table_arn: String,
    pub(crate) table_name: String,
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) clock: Clock,
    pub(crate) owner: String,
    /// Of the table's entries in the store.
    pub(crate) prefix: String,
    pub(crate) pipeline: String,
    pub(crate) conversion: Conversion,
    pub(crate) deletes: Deletes,
    pub(crate) view: View,
    pub(crate) pace: Pace,
}

/// Why loading has to be begun again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error("cannot send the deletes again: {0}")]
    Reapply(#[from] ReapplyError),
    #[error("{0}")]
    Closed(#[from] pipeline::PipelineClosed),
    #[error("the record of the load makes no sense: {0}")]
    Record(#[from] serde_json::Error),
}

/// How an effort ended.
pub(crate) enum Effort {
    Done(Input),
    /// We were asked to stop, or somebody else leads now.
    Left,
}

impl Loader {
    /// Makes sure that everybody knows of the load before a change is read.
    pub(crate) async fn announce(&self) -> Result<(), LoadError> {
        if self.record().await?.is_none()
            && let Some(method) = self.method()
            && let Some(mut lease) = self.acquire_record().await?
        {
            if lease.checkpoint.is_none() {
                let wait =
                    if self.is_alone().await? { Duration::ZERO } else { self.pace.announcement() };
                let wanted = Record::wanted(1, method, self.clock.now(), wait);
                lease.checkpoint = Some(serde_json::to_string(&wanted)?);
            }
            self.store.release(lease).await?;
        }
        let now = self.clock.now();
        self.deletes.keep_for(
            now,
            match self.record().await? {
                // A load that failed is tried again by this start.
                Some(record) if record.stage != Stage::Done => record.generation,
                None if self.method().is_some() => 1,
                _ => 0,
            },
        );
        Ok(())
    }

    /// Whether no other worker reads the stream, which might not know of a load.
    async fn is_alone(&self) -> Result<bool, LeaseError> {
        let workers = self.store.list(&workers(&self.pipeline)).await?;
        Ok(workers.iter().all(|it| it.free || it.owner == self.owner))
    }

    fn method(&self) -> Option<Method> {
        match (&self.config.export, &self.config.scan) {
            (Some(_), _) => Some(Method::Export),
            (None, Some(_)) => Some(Method::Scan),
            (None, None) => None,
        }
    }

    fn record_name(&self) -> String {
        record_name(&self.prefix)
    }

    /// Of the names of the parts of a load.
    pub(crate) fn parts_of(&self, record: &Record) -> String {
        format!("{}part/{}/", self.prefix, record.name())
    }

    pub(crate) async fn record(&self) -> Result<Option<Record>, LoadError> {
        let lease = self.store.list(&self.record_name()).await?.into_iter().next();
        let text = lease.and_then(|it| it.checkpoint);
        Ok(text.as_deref().map(serde_json::from_str).transpose()?)
    }

    async fn acquire_record(&self) -> Result<Option<Lease>, LeaseError> {
        acquire_again(&*self.store, &self.record_name(), &self.owner, self.clock.now()).await
    }

    /// Whether there is nothing left to load.
    pub(crate) async fn is_loaded(&self) -> Result<bool, LoadError> {
        Ok(self.record().await?.is_some_and(|it| it.stage == Stage::Done))
    }

    /// Loads the table, and heals gaps, until asked to stop; or until it is loaded, where there is no
    /// stream to wait for.
    pub(crate) async fn run(&self, outlet: &Outlet, mut stop: Stop) -> Result<(), LoadError> {
        let mut is_first = true;
        let mut tidied = None;
        loop {
            let now = self.clock.now();
            let record = self.record().await?;
            let wanted = record.as_ref().is_some_and(Record::is_under_way);
            let is_retried =
                is_first && record.as_ref().is_some_and(|it| matches!(it.stage, Stage::Failed(_)));
            let under_way = record.as_ref().filter(|_| wanted || is_retried);
            self.deletes.keep_for(now, under_way.map_or(0, |it| it.generation));
            if let Some(record) = record {
                self.show(&record);
                if (wanted || is_retried)
                    && let Some(lease) = self.acquire_record().await?
                {
                    Box::pin(self.lead(lease, outlet, &stop)).await?;
                } else if let Stage::Loading(parts) = &record.stage {
                    Box::pin(self.help(&record, parts, outlet, &stop)).await?;
                } else if record.stage == Stage::Done && tidied != Some(record.generation) {
                    tidied = Some(record.generation);
                    self.tidy(record.generation).await?;
                    if self.config.stream.is_none() {
                        return Ok(());
                    }
                }
            }
            is_first = false;
            if stop.is_asked() {
                return Ok(());
            }
            self.heal().await?;
            tokio::select! {
                () = tokio::time::sleep(self.pace.look) => {}
                () = &mut stop => return Ok(()),
            }
        }
    }

    /// Forgets what nobody needs once a load is done: its parts, which are as many as the export has
    /// files, and deletes that were kept while others were sent again. The same of the load before,
    /// which may have failed. The next one may have been announced already, and is left alone.
    async fn tidy(&self, generation: u32) -> Result<(), LoadError> {
        for generation in generation.saturating_sub(1)..=generation {
            for kind in [
                format!("part/{generation}-"),
                format!("deleted/{generation}/"),
                format!("deletes/{generation}/"),
            ] {
                for lease in self.store.list(&format!("{}{kind}", self.prefix)).await? {
                    match self.store.remove(lease).await {
                        Err(error) if !error.is_lost() => return Err(error.into()),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn show(&self, record: &Record) {
        self.view.change(&self.conversion.table.name, |it| {
            record.stage_name().clone_into(&mut it.stage);
        });
    }

    /// Takes the load through its stages, as the only one who does.
    async fn lead(&self, mut lease: Lease, outlet: &Outlet, stop: &Stop) -> Result<(), LoadError> {
        let record = match lease.checkpoint.as_deref() {
            Some(text) => serde_json::from_str(text)?,
            None => return Ok(self.store.release(lease).await?),
        };
        let (mut load, actions) = Load::resume(record, self.pace, self.clock.now());
        let mut todo = VecDeque::from(actions);
        while let Some(action) = todo.pop_front() {
            let input = match action {
                Action::Save(record) => {
                    info!(
                        table = %self.conversion.table.name, stage = record.stage_name(),
                        load = record.name(), "the load of the table goes on"
                    );
                    self.show(&record);
                    lease.checkpoint = Some(serde_json::to_string(&record)?);
                    match self.store.save(&mut lease, self.clock.now()).await {
                        Err(error) if error.is_lost() => return Ok(()),
                        saved => saved?,
                    }
                    continue;
                }
                Action::End => break,
                action => {
                    let effort = self.act(action, load.record().clone(), outlet, stop);
                    match self.holding(&mut lease, Box::pin(effort), stop).await? {
                        Effort::Done(input) => input,
                        Effort::Left => break,
                    }
                }
            };
            self.tell(&input);
            self.show_problem(outlet);
            let segments = self.config.scan.as_ref().map_or(SEGMENTS, |it| it.segments);
            todo.extend(load.handle(self.clock.now(), segments, input));
        }
        if let Stage::Failed(reason) = &load.record().stage {
            error!(
                table = %self.conversion.table.name, %reason,
                "the load of the table was given up; changes are followed all the same, and the next start \
                 of the program tries again"
            );
        }
        if !load.record().is_under_way() {
            self.deletes.keep_for(self.clock.now(), 0);
        }
        match self.store.release(lease).await {
            Err(error) if !error.is_lost() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Renews the lease while something takes its time.
    async fn holding(
        &self,
        lease: &mut Lease,
        effort: impl Future<Output = Result<Effort, LoadError>> + Send,
        stop: &Stop,
    ) -> Result<Effort, LoadError> {
        let mut renew = tokio::time::interval(RENEW_EVERY);
        renew.reset();
        tokio::pin!(effort);
        let mut stop = stop.clone();
        let mut stop_heard = false;
        loop {
            tokio::select! {
                done = &mut effort => return done,
                _ = renew.tick() => match self.store.save(lease, self.clock.now()).await {
                    Err(error) if error.is_lost() => return Ok(Effort::Left),
                    Err(error) => warn!(%error, "cannot renew the lease of the load"),
                    Ok(()) => {}
                },
                // What reads parts hears it, too, and brings them to a good end; nothing else needs one.
                () = &mut stop, if !stop_heard => {
                    stop_heard = true;
                    if !lease.checkpoint.as_deref().is_some_and(|it| it.contains("\"Loading\"")) {
                        return Ok(Effort::Left);
                    }
                }
            }
        }
    }

    async fn act(
        &self,
        action: Action,
        record: Record,
        outlet: &Outlet,
        stop: &Stop,
    ) -> Result<Effort, LoadError> {
        Ok(Effort::Done(match action {
            Action::Wait(until) => {
                self.sleep_until(until).await;
                Input::Waited
            }
            Action::Request => match self.exports() {
                Some(exports) => {
                    exports
                        .request(&format!(
                            "{}-{}-{}",
                            self.token(),
                            record.wanted_ms,
                            record.name()
                        ))
                        .await
                }
                None => Input::Refused("no bucket is configured".to_owned(), Remedy::None),
            },
            Action::Describe(arn, not_before) => {
                self.sleep_until(not_before).await;
                match self.exports() {
                    Some(exports) => exports.describe(&arn).await,
                    None => Input::Refused("no bucket is configured".to_owned(), Remedy::None),
                }
            }
            Action::Plan(arn, key) => match self.exports() {
                Some(exports) => exports.plan(&arn, &key).await,
                None => Input::Refused("no bucket is configured".to_owned(), Remedy::None),
            },
            Action::Load(parts) => return self.load(&record, &parts, outlet, stop, false).await,
            Action::Reapply => {
                let mut lane = outlet.lane()?;
                self.deletes.send_again(record.generation, &mut lane, &self.conversion).await?;
                Input::Reapplied
            }
            Action::Save(_) | Action::End => unreachable!("done by whoever leads"),
        }))
    }

    /// What tells our requests from those of other pipelines.
    fn token(&self) -> String {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
        self.pipeline.chars().filter(|it| is_plain(*it)).collect()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let wait = Duration::from_millis(until.0.saturating_sub(self.clock.now().0));
        tokio::time::sleep(wait.min(WAIT_MAX)).await;
    }

    fn exports(&self) -> Option<Exports<'_>> {
        let (s3, config) = (self.s3.as_ref()?, self.config.export.as_ref()?);
        Some(Exports { dynamodb: &self.dynamodb, s3, config, table_arn: &self.table_arn })
    }

    /// Says what happened, to whoever looks.
    fn tell(&self, input: &Input) {
        let table = &self.conversion.table.name;
        match input {
            Input::Requested(arn) => {
                info!(%table, export = %arn, "an export was begun");
                self.view.change(table, |it| it.exports_requested += 1);
            }
            Input::Planned(_) => self.view.change(table, |it| it.exports_completed += 1),
            Input::Described(crate::load::Described::Failed(reason)) => {
                error!(%table, %reason, "the export failed");
                self.view.change(table, |it| it.exports_failed += 1);
            }
            Input::Described(crate::load::Described::Vanished) => {
                error!(%table, "the export vanished");
                self.view.change(table, |it| it.exports_failed += 1);
            }
            Input::Refused(reason, Remedy::Wait) => {
                warn!(%table, %reason, "the load has to wait");
                return self.view.change(table, |it| it.problem.clone_from(reason));
            }
            Input::Refused(reason, _) => error!(%table, %reason, "the load cannot go on like this"),
            // The moment to try again has come; whether that helps is not yet known.
            Input::Waited => return,
            _ => {}
        }
        self.view.change(table, |it| it.problem.clear());
    }

    /// Shows in health what keeps the load from going on.
    pub(crate) fn show_problem(&self, outlet: &Outlet) {
        let table = &self.conversion.table.name;
        let tables = self.view.tables();
        let problem = tables.get(table).map(|it| it.problem.clone()).filter(|it| !it.is_empty());
        outlet.set_problem(&format!("load of {table}"), problem);
    }

    /// Reads parts beside whoever leads.
    async fn help(
        &self,
        record: &Record,
        parts: &Parts,
        outlet: &Outlet,
        stop: &Stop,
    ) -> Result<(), LoadError> {
        self.load(record, parts, outlet, stop, true).await.map(drop)
    }

    /// Reads parts that nobody reads, several at a time, until all are safe.
    async fn load(
        &self,
        record: &Record,
        parts: &Parts,
        outlet: &Outlet,
        stop: &Stop,
        is_help: bool,
    ) -> Result<Effort, LoadError> {
        let files = match record.method {
            Method::Scan => Vec::new(),
            Method::Export => match self.exports() {
                None => return Ok(refused("no bucket is configured".to_owned(), Remedy::None)),
                Some(exports) => {
                    match exports.files(&parts.files_key, parts.items.unwrap_or_default()).await {
                        Ok(files) if files.len() == parts.n as usize => files,
                        Ok(_) => {
                            let reason = "manifest-files.json has changed".to_owned();
                            return Ok(refused(reason, Remedy::Anew));
                        }
                        Err((reason, remedy)) => return Ok(refused(reason, remedy)),
                    }
                }
            },
        };
        let reading = Reading { loader: self, record, parts, files: &files, outlet, stop, is_help };
        reading.run().await
    }

    /// Begins another load where changes were lost, as configured.
    async fn heal(&self) -> Result<(), LoadError> {
        let prefix = format!("{}gap/", self.prefix);
        let gaps = self.store.list(&prefix).await?;
        let open: Vec<&Lease> = gaps.iter().filter(|it| !it.done).collect();
        if open.is_empty() {
            return Ok(());
        }
        let record = self.record().await?;
        if record.as_ref().is_some_and(Record::is_under_way) {
            return Ok(());
        }
        let is_wished = open.iter().any(|it| is_wish(&it.partition, &self.prefix));
        let method = match self.config.on_gap() {
            _ if is_wished => self.method(),
            OnGap::Continue => None,
            OnGap::Export => Some(Method::Export),
            OnGap::Rescan => Some(Method::Scan),
        };
        if let Some(method) = method {
            let Some(mut lease) = self.acquire_record().await? else { return Ok(()) };
            let now = self.clock.now();
            let generation = record.map_or(1, |it| it.generation + 1);
            let wanted = Record::wanted(generation, method, now, self.pace.announcement());
            lease.checkpoint = Some(serde_json::to_string(&wanted)?);
            let table = &self.conversion.table.name;
            if is_wished {
                info!(%table, "the table is loaded once more, as was asked for");
            } else {
                warn!(
                    %table, gaps = open.len(),
                    "changes were lost, so the table is read again; items deleted in between stay in \
                     the index until `verify --repair` finds them"
                );
            }
            self.deletes.keep_for(now, generation);
            self.store.release(lease).await?;
        }
        for gap in open {
            let now = self.clock.now();
            if let Some(mut lease) = self.store.acquire(&gap.partition, &self.owner, now).await? {
                lease.done = true;
                self.store.release(lease).await?;
            }
        }
        Ok(())
    }
}

pub(crate) fn refused(reason: String, remedy: Remedy) -> Effort {
    Effort::Done(Input::Refused(reason, remedy))
}
