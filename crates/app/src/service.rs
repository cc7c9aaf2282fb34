//! Pipelines as a service: built, checked, run until asked to stop, then drained.

use std::{path::Path, sync::Arc, time::Duration};

use aws::Environment;
use coordination::LeaseStore;
use engine::{Pipeline, file::Loaded, supervise};
use pipeline::{Clock, Meters, Stop};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::{
    failure::{Failure, warn_of},
    plugins::{Built, Surroundings, build},
};

/// How long what is on its way may take to become safe once we are asked to stop. What is not safe
/// by then is read again at the next start.
const DRAIN_MAX: Duration = Duration::from_secs(8);

/// Pipelines that are ready to run.
pub(crate) struct Service {
    meters: Meters,
    built: Vec<Arc<Built>>,
}

impl Service {
    /// Builds the pipelines of a file, with their checkpoints in `leases` and the rest of their state
    /// in `data_dir`.
    ///
    /// # Errors
    ///
    /// When a setting makes no sense.
    pub(crate) fn build(
        loaded: &Loaded,
        data_dir: &Path,
        leases: Arc<dyn LeaseStore>,
        environment: Environment,
    ) -> Result<Service, Failure> {
        let meters = Meters::default();
        let surroundings = Surroundings {
            environment,
            clock: Clock::real(),
            meters: meters.clone(),
            leases,
            dead_letters: data_dir.join("dead-letters"),
        };
        let built = build_all(loaded, &surroundings)?.into_iter().map(Arc::new).collect();
        Ok(Service { meters, built })
    }

    /// What the plugins count.
    pub(crate) fn meters(&self) -> Meters {
        self.meters.clone()
    }

    /// The pipelines, to look at.
    pub(crate) fn pipelines(&self) -> Vec<Pipeline> {
        self.built.iter().map(|it| it.pipeline.clone()).collect()
    }

    /// Makes sure that every source and sink is there.
    ///
    /// # Errors
    ///
    /// When one is not, or does not let us in.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        for built in &self.built {
            let name = built.pipeline.name();
            built.check().await.map_err(|it| Failure::failed(format!("pipeline {name}: {it}")))?;
        }
        Ok(())
    }

    /// Runs every pipeline until `stop` is asked, then waits for what is on its way.
    pub(crate) async fn run(&self, mut stop: Stop) {
        let mut running = JoinSet::new();
        for built in &self.built {
            let (built, stop) = (Arc::clone(built), stop.clone());
            running.spawn(async move {
                supervise(&built.pipeline, || built.source(), stop).await;
            });
        }
        let all = async { while running.join_next().await.is_some() {} };
        tokio::pin!(all);
        tokio::select! {
            () = &mut all => return,
            () = &mut stop => info!("asked to stop; waiting for what is on its way"),
        }
        if tokio::time::timeout(DRAIN_MAX, all).await.is_err() {
            warn!("not everything became safe in time; the rest is read again at the next start");
        }
    }
}

/// Builds every pipeline, and tells every mistake of all of them.
///
/// # Errors
///
/// When there is one.
pub(crate) fn build_all(
    loaded: &Loaded,
    surroundings: &Surroundings,
) -> Result<Vec<Built>, Failure> {
    let mut built = Vec::new();
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for spec in &loaded.pipelines {
        match build(spec, surroundings) {
            Ok(it) => {
                warnings.extend(it.warnings.clone());
                built.push(it);
            }
            Err(more) => errors.extend(more),
        }
    }
    if !errors.is_empty() {
        return Err(Failure::mistakes(&errors.into_iter().collect()));
    }
    warn_of(&warnings.into_iter().collect());
    Ok(built)
}
