//! One pipeline of the service: running, paused, or yet to be started.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use engine::{Pipeline, file::Loaded, file::PipelineSpec, supervise};
use pipeline::{Stop, Stopper, Value};
use tokio::{sync::Notify, task::JoinHandle, time::Instant};

use super::NotDone;
use crate::plugins::Built;

/// A pipeline and its task.
pub(crate) struct Running {
    built: Arc<Built>,
    definition: Value,
    fingerprint: String,
    fed: bool,
    task: Task,
}

/// What it does.
enum Task {
    Waiting,
    Paused(Option<JoinHandle<()>>),
    Going { stop: Option<Stopper>, end: Option<Stopper>, handle: JoinHandle<()> },
    Ended,
}

impl Running {
    /// Those of a file, none started yet.
    pub(super) fn all(built: Vec<Built>, loaded: &Loaded) -> Vec<Running> {
        let specs: BTreeMap<&str, &PipelineSpec> =
            loaded.pipelines.iter().map(|it| (it.name.as_str(), it)).collect();
        let one = |built: Built| {
            let spec = specs.get(built.pipeline.name());
            Running {
                definition: spec.map_or(Value::Null, |it| it.settings.masked()),
                fingerprint: spec.map(|it| fingerprint(it)).unwrap_or_default(),
                fed: built.source_config().is_none(),
                built: Arc::new(built),
                task: Task::Waiting,
            }
        };
        built.into_iter().map(one).collect()
    }

    pub(super) fn name(&self) -> &str {
        self.built.pipeline.name()
    }

    pub(super) fn pipeline(&self) -> &Pipeline {
        &self.built.pipeline
    }

    pub(super) fn built(&self) -> Arc<Built> {
        Arc::clone(&self.built)
    }

    /// Its name, and what its file says.
    pub(super) fn definition(&self) -> (String, Value) {
        (self.name().to_owned(), self.definition.clone())
    }

    /// Whether other pipelines feed it.
    pub(super) fn is_fed(&self) -> bool {
        self.fed
    }

    pub(super) fn is_paused(&self) -> bool {
        matches!(self.task, Task::Paused(_))
    }

    /// Whether it has nothing more to do, unless somebody changes something.
    pub(super) fn has_ended(&self) -> bool {
        match &self.task {
            Task::Ended => true,
            Task::Going { handle, .. } => self.fed || handle.is_finished(),
            Task::Waiting | Task::Paused(_) => false,
        }
    }

    /// Itself, leaving behind one that looks the same and does nothing.
    pub(super) fn handle(&mut self) -> Running {
        let (definition, fingerprint) = (self.definition.clone(), self.fingerprint.clone());
        let task = std::mem::replace(&mut self.task, Task::Waiting);
        Running { built: self.built(), definition, fingerprint, fed: self.fed, task }
    }

    /// Starts its source, or serves those that feed it. Tells `ended` when it is over.
    pub(super) fn start(&mut self, ended: &Arc<Notify>) {
        let (stop, asked) = Stop::pair();
        let (end, nobody) = Stop::pair();
        let (built, ended) = (self.built(), Arc::clone(ended));
        let handle = tokio::spawn(async move {
            if built.source_config().is_some() {
                supervise(&built.pipeline, || built.source(), asked).await;
            } else {
                built.pipeline.serve(asked, nobody).await;
            }
            ended.notify_one();
        });
        self.task = Task::Going { stop: Some(stop), end: Some(end), handle };
    }

    /// Asks it to stop.
    pub(super) fn ask(&mut self) {
        if let Task::Going { stop, .. } = &mut self.task {
            drop(stop.take());
        }
    }

    /// Says that no more events will come from other pipelines.
    pub(super) fn nobody_feeds_it(&mut self) {
        if let Task::Going { end, .. } = &mut self.task {
            drop(end.take());
        }
    }

    /// Remembers that it is not to go on.
    pub(super) fn set_paused(&mut self) {
        self.task = match std::mem::replace(&mut self.task, Task::Ended) {
            Task::Going { handle, .. } => Task::Paused(Some(handle)),
            other => match other {
                Task::Paused(handle) => Task::Paused(handle),
                _ => Task::Paused(None),
            },
        };
    }

    /// Waits until it has ended, and ends it by force then. Whether it ended by itself.
    pub(super) async fn ended_by(&mut self, until: Instant) -> bool {
        let (Task::Going { handle, .. } | Task::Paused(Some(handle))) = &mut self.task else {
            return true;
        };
        let in_time = tokio::time::timeout_at(until, &mut *handle).await.is_ok();
        handle.abort();
        self.task = match self.task {
            Task::Paused(_) => Task::Paused(None),
            _ => Task::Ended,
        };
        in_time
    }
}

/// What must be the same for a pipeline to stay as it is: also what is filled in from elsewhere.
fn fingerprint(spec: &PipelineSpec) -> String {
    let plugins = spec.source.iter().chain(spec.sinks.iter().map(|it| &it.plugin));
    let filled_in: String = plugins.map(|it| it.settings.fingerprint()).collect();
    spec.settings.fingerprint() + &filled_in
}

/// Which pipelines are not as they were: those that differ, came or went; or the one called `name`.
pub(super) fn changed(
    old: &[Running],
    new: &[Running],
    name: Option<&str>,
) -> Result<BTreeSet<String>, NotDone> {
    if let Some(name) = name {
        let is_it = |it: &Running| it.name() == name;
        if !old.iter().any(is_it) && !new.iter().any(is_it) {
            return Err(NotDone::Unknown);
        }
        return Ok([name.to_owned()].into());
    }
    let by_name = |all: &[Running]| -> BTreeMap<String, String> {
        all.iter().map(|it| (it.name().to_owned(), it.fingerprint.clone())).collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    Ok(names.into_iter().filter(|it| old.get(*it) != new.get(*it)).cloned().collect())
}

/// Pipelines that hang together, because one feeds another.
pub(super) fn linked(loaded: &Loaded) -> Vec<BTreeSet<String>> {
    let has_failures = loaded.pipelines.iter().any(|it| it.name == PipelineSpec::FAILURE);
    let mut groups: Vec<BTreeSet<String>> = Vec::new();
    for spec in &loaded.pipelines {
        let mut group: BTreeSet<String> = targets(spec).into_iter().collect();
        if has_failures {
            group.insert(PipelineSpec::FAILURE.to_owned());
        }
        group.insert(spec.name.clone());
        let (touching, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|it| !it.is_disjoint(&group));
        group.extend(touching.into_iter().flatten());
        groups = others;
        groups.push(group);
    }
    groups
}

/// The pipelines that `spec` feeds.
fn targets(spec: &PipelineSpec) -> Vec<String> {
    let forwarded = spec.sinks.iter().filter_map(|it| it.forward_to.as_ref());
    let forwarded = forwarded.flat_map(|it| it.pipelines.iter().cloned());
    spec.sinks.iter().filter_map(engine::file::SinkSpec::downstream).chain(forwarded).collect()
}
