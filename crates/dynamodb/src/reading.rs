//! Reads the parts of a load that nobody else reads, several at a time.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use coordination::Lease;
use pipeline::{Outlet, Stop};
use tokio::task::JoinSet;
use tracing::info;

use crate::{
    ExportFormat, Rows,
    files::{FilePieces, State},
    load::{Input, Method, Parts, Record, Remedy},
    loader::{Effort, LoadError, Loader, refused},
    manifest::DataFile,
    part::{Mark, PartEnd, PartError, PartReader, Pieces},
    scan::{Budget, SegmentPieces},
};

/// How often to write how far the load is.
const REPORT_EVERY: Duration = Duration::from_secs(30);
/// How long to wait at first before a file is read again that did not come, at most.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(1);
/// How many segments to read at a time.
const PARALLEL_SEGMENTS_MAX: usize = 32;

/// The parts of a load, being read.
pub(crate) struct Reading<'a> {
    pub(crate) loader: &'a Loader,
    pub(crate) record: &'a Record,
    pub(crate) parts: &'a Parts,
    pub(crate) files: &'a [DataFile],
    pub(crate) outlet: &'a Outlet,
    pub(crate) stop: &'a Stop,
    /// Whether somebody else leads the load, and may have gone on without us.
    pub(crate) is_help: bool,
}

impl Reading<'_> {
    pub(crate) async fn run(self) -> Result<Effort, LoadError> {
        let Loader { store, clock, view, conversion, config, .. } = self.loader;
        let table = &conversion.table.name;
        let prefix = self.loader.parts_of(self.record);
        let scan = config.scan.clone().unwrap_or_default();
        let budget = Budget::new(scan.read_units_per_second);
        let parallel = match self.record.method {
            Method::Export => config.export.as_ref().map_or(4, |it| it.parallel_files),
            Method::Scan => PARALLEL_SEGMENTS_MAX,
        };
        let began = clock.now();
        view.change(table, |it| {
            it.loading_since = Some(began);
            (it.items, it.parts) = (self.parts.items, u64::from(self.parts.n));
        });
        let mut tasks: JoinSet<(u32, Result<PartEnd, PartError>)> = JoinSet::new();
        let mut running: BTreeSet<u32> = BTreeSet::new();
        let mut report = tokio::time::interval(REPORT_EVERY);
        report.reset();
        let mut stop = self.stop.clone();
        loop {
            let leases = store.list(&prefix).await?;
            let number = |lease: &Lease| {
                lease.partition[prefix.len()..].trim_end_matches('/').parse::<u32>().ok()
            };
            let done: BTreeSet<u32> =
                leases.iter().filter(|it| it.done).filter_map(number).collect();
            let rows = leases.iter().filter_map(|it| it.checkpoint.as_deref());
            let rows: u64 = rows.map(|it| Mark::read(it).rows).sum();
            view.change(table, |it| {
                it.parts_loaded = done.len() as u64;
                it.loaded(clock.now(), rows);
            });
            self.loader.show_problem(self.outlet);
            if done.len() == self.parts.n as usize {
                info!(%table, items = rows, parts = self.parts.n, "the table is loaded");
                return Ok(Effort::Done(Input::Loaded));
            }
            // Rows of a load that was given up must not come after its deletes were sent again.
            if self.is_help && self.loader.record().await?.as_ref() != Some(self.record) {
                tasks.shutdown().await;
                return Ok(Effort::Left);
            }
            if !stop.is_asked() {
                for n in (0..self.parts.n).filter(|it| !done.contains(it)) {
                    if parallel <= running.len() {
                        break;
                    }
                    if running.contains(&n) {
                        continue;
                    }
                    let partition = format!("{prefix}{n:06}/");
                    // What we hold and do not read is left from an effort that failed half way.
                    let is_ours = |it: &&Lease| {
                        it.partition == partition && it.owner == self.loader.owner && !it.free
                    };
                    let lease = match leases.iter().find(is_ours) {
                        Some(lease) => Some(lease.clone()),
                        None => store.acquire(&partition, &self.loader.owner, clock.now()).await?,
                    };
                    let Some(lease) = lease else { continue };
                    running.insert(n);
                    let mark = lease.checkpoint.as_deref().map(Mark::read).unwrap_or_default();
                    let pieces = self.pieces(n, mark, &budget);
                    let lane = self.outlet.lane()?;
                    let reader =
                        PartReader { store: Arc::clone(store), clock: clock.clone(), lease, lane };
                    let stop = self.stop.clone();
                    tasks.spawn(async move { (n, reader.run(pieces, stop).await) });
                }
            } else if tasks.is_empty() {
                return Ok(Effort::Left);
            }
            tokio::select! {
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    let (n, end) = match ended {
                        Ok(ended) => ended,
                        Err(error) => std::panic::resume_unwind(error.into_panic()),
                    };
                    running.remove(&n);
                    match end {
                        Ok(_) => {}
                        Err(PartError::Missing(reason)) => {
                            tasks.shutdown().await;
                            return Ok(refused(reason, Remedy::Anew));
                        }
                        Err(PartError::Hopeless(reason)) => {
                            tasks.shutdown().await;
                            return Ok(refused(reason, Remedy::None));
                        }
                        Err(PartError::Lease(error)) => return Err(error.into()),
                    }
                }
                () = tokio::time::sleep(self.loader.pace.look) => {}
                _ = report.tick() => self.report(),
                () = &mut stop, if !stop.is_asked() => {}
            }
        }
    }

    fn pieces(&self, n: u32, mark: Mark, budget: &Budget) -> Box<dyn Pieces> {
        let Loader { dynamodb, clock, view, conversion, config, .. } = self.loader;
        let format = if self.parts.is_ion { ExportFormat::Ion } else { ExportFormat::DynamodbJson };
        let table = Arc::clone(&conversion.table);
        let rows = Rows { table, read_ms: self.parts.read_ms, format };
        match (self.files.get(n as usize), &self.loader.s3) {
            (Some(file), Some(s3)) => Box::new(FilePieces {
                s3: s3.clone(),
                bucket: config.export.as_ref().map(|it| it.s3_bucket.clone()).unwrap_or_default(),
                file: file.clone(),
                rows,
                skip: mark.rows,
                view: view.clone(),
                retry_wait: self.loader.pace.poll.min(RETRY_WAIT_MAX),
                state: State::New,
            }),
            _ => Box::new(SegmentPieces {
                dynamodb: dynamodb.clone(),
                table: self.loader.table_name.clone(),
                segment: n,
                segments: self.parts.n,
                consistent_read: config.scan.as_ref().is_some_and(|it| it.consistent_read),
                budget: budget.clone(),
                rows,
                clock: clock.clone(),
                view: view.clone(),
                mark: Some(mark),
            }),
        }
    }

    fn report(&self) {
        let name = &self.loader.conversion.table.name;
        let tables = self.loader.view.tables();
        let Some(it) = tables.get(name) else { return };
        let left = it.loaded_by.map(|by| by.0.saturating_sub(self.loader.clock.now().0) / 1000);
        info!(
            table = %name, items = it.items_loaded, of = it.items, percent = it.percent_loaded(),
            parts = it.parts_loaded, of_parts = it.parts, left_s = left, "loading the table"
        );
    }
}
