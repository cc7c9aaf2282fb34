//! Pipelines as a service: built, checked, run until asked to stop, then drained; paused, resumed
//! and built anew from changed files in between, without losing their place.

mod load;
mod running;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws::Environment;
use coordination::LeaseStore;
use engine::{Pipeline, file::Loaded};
use pipeline::{Clock, Meters, Stop, Value};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tracing::{debug, info, warn};

pub(crate) use self::load::{Files, build_all};
use self::{
    load::build_quietly,
    running::{Running, linked},
};
use crate::{
    failure::{Failure, warn_of},
    plugins::Surroundings,
};

/// How long what is on its way may take to become safe once we are asked to stop. What is not safe
/// by then is read again at the next start.
const DRAIN_MAX: Duration = Duration::from_secs(8);

/// Pipelines that are ready to run, or run.
pub(crate) struct Service {
    files: Files,
    surroundings: Surroundings,
    running: Mutex<Vec<Running>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
    /// Told whenever a pipeline has ended by itself.
    ended: Arc<Notify>,
    drain_max: Mutex<Duration>,
    /// How often secrets are to be read again, by what the files said last.
    refresh: watch::Sender<Option<Duration>>,
    /// True once everything has stopped.
    stopped: watch::Sender<bool>,
}

/// Why a pipeline could not be paused, resumed or built anew.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// There is none of this name.
    Unknown,
    /// As it was asked for.
    Refused(String),
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
        files: Files,
        data_dir: &Path,
        leases: Arc<dyn LeaseStore>,
        environment: Environment,
        event_bytes: Option<usize>,
    ) -> Result<Service, Failure> {
        let surroundings = Surroundings {
            leases,
            dead_letters: data_dir.join("dead-letters"),
            ..Surroundings::without_place(environment).with_budget(event_bytes)
        };
        let running = Running::all(build_all(loaded, &surroundings)?, loaded);
        Ok(Service {
            files,
            surroundings,
            running: Mutex::new(running),
            changing: tokio::sync::Mutex::default(),
            ended: Arc::default(),
            drain_max: Mutex::new(DRAIN_MAX),
            refresh: watch::Sender::new(load::refresh_interval(loaded)),
            stopped: watch::Sender::new(false),
        })
    }

    /// Sets how long what is on its way may take when it stops.
    pub(crate) fn set_drain_max(&self, drain_max: Duration) {
        *self.drain_max.lock().expect("no panics while locked") = drain_max;
    }

    fn drained_until(&self) -> Instant {
        Instant::now() + *self.drain_max.lock().expect("no panics while locked")
    }

    /// Resolves once everything has stopped.
    pub(crate) async fn stopped(&self) {
        // The sender is ours, so it cannot be gone.
        let _ = self.stopped.subscribe().wait_for(|it| *it).await;
    }

    /// What the plugins count.
    pub(crate) fn meters(&self) -> Meters {
        self.surroundings.meters.clone()
    }

    /// What time it is.
    pub(crate) fn clock(&self) -> Clock {
        self.surroundings.clock.clone()
    }

    /// The pipelines, to look at.
    pub(crate) fn pipelines(&self) -> Vec<Pipeline> {
        self.look(|all| all.iter().map(|it| it.pipeline().clone()).collect())
    }

    /// What the files say about each pipeline, without what is secret.
    pub(crate) fn definitions(&self) -> Vec<(String, Value)> {
        self.look(|all| all.iter().map(Running::definition).collect())
    }

    /// The pipelines that are paused.
    pub(crate) fn paused(&self) -> BTreeSet<String> {
        let paused = |all: &mut Vec<Running>| {
            all.iter().filter(|it| it.is_paused()).map(|it| it.name().to_owned()).collect()
        };
        self.look(paused)
    }

    fn look<T>(&self, look: impl FnOnce(&mut Vec<Running>) -> T) -> T {
        look(&mut self.running.lock().expect("no panics while locked"))
    }

    /// Makes sure that every source and sink is there.
    ///
    /// # Errors
    ///
    /// When one is not, or does not let us in.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        for built in self.look(|all| all.iter().map(Running::built).collect::<Vec<_>>()) {
            let name = built.pipeline.name();
            built.check().await.map_err(|it| Failure::failed(format!("pipeline {name}: {it}")))?;
        }
        Ok(())
    }

    /// Runs every pipeline until `stop` is asked, then waits for what is on its way. Ends earlier
    /// when every pipeline has nothing more to read.
    pub(crate) async fn run(&self, mut stop: Stop) {
        self.look(|all| all.iter_mut().for_each(|it| it.start(&self.ended)));
        loop {
            tokio::select! {
                () = self.ended.notified() => {
                    // While something is changed, what ended is only on its way out.
                    let _changing = self.changing.lock().await;
                    if self.look(|all| all.iter().all(Running::has_ended)) {
                        info!("every pipeline has read all there is");
                        break;
                    }
                }
                () = &mut stop => {
                    info!("asked to stop; waiting for what is on its way");
                    break;
                }
            }
        }
        let _changing = self.changing.lock().await;
        let all = self.look(std::mem::take);
        let mut stopped = self.stop(all).await;
        self.look(|all| all.append(&mut stopped));
        self.stopped.send_replace(true);
    }

    /// Stops pipelines, those that feed others first, and waits for what is on its way.
    async fn stop(&self, mut all: Vec<Running>) -> Vec<Running> {
        let until = self.drained_until();
        let mut in_time = true;
        all.iter_mut().for_each(Running::ask);
        for it in all.iter_mut().filter(|it| !it.is_fed()) {
            in_time &= it.ended_by(until).await;
        }
        for it in all.iter_mut().filter(|it| it.is_fed()) {
            it.nobody_feeds_it();
            in_time &= it.ended_by(until).await;
        }
        if !in_time {
            warn!("not everything became safe in time; the rest is read again at the next start");
        }
        all
    }

    /// Stops the source of a pipeline, and remembers that somebody wanted it so.
    ///
    /// # Errors
    ///
    /// When there is no such pipeline, or it has no source of its own.
    pub(crate) async fn pause(&self, name: &str) -> Result<(), NotDone> {
        let _changing = self.changing.lock().await;
        let mut taken = self.take_source(name)?;
        if !taken.is_paused() {
            taken.ask();
            taken.set_paused();
            taken.ended_by(self.drained_until()).await;
            info!(pipeline = name, "paused");
        }
        self.put(taken);
        Ok(())
    }

    /// Starts the source of a paused pipeline again, from its checkpoints.
    ///
    /// # Errors
    ///
    /// As [`Service::pause`].
    pub(crate) async fn resume(&self, name: &str) -> Result<(), NotDone> {
        let _changing = self.changing.lock().await;
        let mut taken = self.take_source(name)?;
        if taken.is_paused() {
            taken.start(&self.ended);
            info!(pipeline = name, "resumed");
        }
        self.put(taken);
        Ok(())
    }

    /// Has the tables of a pipeline loaded once more, beside their streams; says which.
    ///
    /// # Errors
    ///
    /// When there is no such pipeline, or none of its tables has an `export` or `scan`.
    pub(crate) async fn load_again(&self, name: &str) -> Result<Vec<String>, NotDone> {
        let built = self.look(|all| all.iter().find(|it| it.name() == name).map(Running::built));
        built.ok_or(NotDone::Unknown)?.load_again().await.map_err(NotDone::Refused)
    }

    /// A pipeline with a source of its own, to change it. It must be put back.
    fn take_source(&self, name: &str) -> Result<Running, NotDone> {
        self.look(|all| {
            let n = all.iter().position(|it| it.name() == name).ok_or(NotDone::Unknown)?;
            if all[n].is_fed() {
                let problem = format!("`{name}` has no source; pause the pipeline that feeds it");
                return Err(NotDone::Refused(problem));
            }
            Ok(all[n].handle())
        })
    }

    fn put(&self, changed: Running) {
        self.look(|all| {
            if let Some(it) = all.iter_mut().find(|it| it.name() == changed.name()) {
                *it = changed;
            }
        });
    }

    /// Reads the files again, and builds anew what has changed, together with all that is connected
    /// to it. With a name: that one, changed or not. Says which.
    ///
    /// # Errors
    ///
    /// When the files have mistakes, or an end is not there. Everything goes on as before then.
    pub(crate) async fn reload(&self, name: Option<&str>) -> Result<Vec<String>, NotDone> {
        let _changing = self.changing.lock().await;
        let refused = |failure: Failure| NotDone::Refused(failure.text().to_owned());
        let loaded = self.files.load(&self.surroundings.environment).await.map_err(refused)?;
        let (built, warnings) = build_quietly(&loaded, &self.surroundings).map_err(refused)?;
        let new = Running::all(built, &loaded);
        let changed = self.look(|old| running::changed(old, &new, name))?;
        let groups = linked(&loaded);
        let is_affected = |name: &str| {
            let group = groups.iter().find(|it| it.contains(name));
            changed.contains(name)
                || group.is_some_and(|it| it.iter().any(|it| changed.contains(it)))
        };
        if changed.is_empty() {
            self.refresh.send_if_modified(|it| {
                let now = load::refresh_interval(&loaded);
                std::mem::replace(it, now) != now
            });
            return Ok(Vec::new());
        }
        // Every hour the same warnings, of files that nobody touched, would be no news.
        warn_of(&loaded.warnings);
        warn_of(&warnings);
        for it in new.iter().filter(|it| is_affected(it.name())) {
            let problem = |problem| NotDone::Refused(format!("pipeline {}: {problem}", it.name()));
            it.built().check().await.map_err(problem)?;
        }
        let old = self.look(std::mem::take);
        let (leaving, staying): (Vec<_>, Vec<_>) =
            old.into_iter().partition(|it| is_affected(it.name()));
        // What stays must be seen, and go on, while the others drain.
        self.look(|all| *all = staying);
        let left = self.stop(leaving).await;
        let mut names = Vec::new();
        self.look(|all| {
            for mut it in new.into_iter().filter(|it| is_affected(it.name())) {
                names.push(it.name().to_owned());
                if left.iter().any(|old| old.name() == it.name() && old.is_paused()) {
                    it.set_paused();
                } else {
                    it.start(&self.ended);
                }
                all.push(it);
            }
        });
        self.refresh.send_replace(load::refresh_interval(&loaded));
        info!(pipelines = names.join(", "), "built anew from their files");
        Ok(names)
    }

    /// Reads secrets again whenever their time has come, and builds anew what they changed. Never
    /// ends.
    pub(crate) async fn refresh_secrets(&self) {
        let mut refresh = self.refresh.subscribe();
        loop {
            let every = *refresh.borrow_and_update();
            let due = async {
                match every {
                    Some(every) => tokio::time::sleep(every).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                // Changed files may want it sooner, or not at all.
                _ = refresh.changed() => continue,
            }
            match self.reload(None).await {
                Ok(names) if names.is_empty() => debug!("the secrets are what they were"),
                Err(NotDone::Refused(problem)) => {
                    warn!(problem, "secrets cannot be read again, going on with those we have");
                }
                Ok(_) | Err(NotDone::Unknown) => {}
            }
        }
    }
}
