//! What records go through: the pipeline that the variables describe, or those of a file.

use std::{collections::BTreeMap, sync::Arc};

use aws::Environment;
use engine::{
    Destination, Forward, Noting, Parts, Pipeline, Step, Target,
    file::{Loaded, PipelineSpec, PluginSpec, Problems, SinkSpec},
};
use pipeline::{Clock, ConfigError, Document, Event, Outcome, Processor, Sink};
use tokio::sync::Mutex;
use tracing::warn;

use super::{
    fields::SafeFields,
    sink::{LedgerLetters, LedgerSink, Nowhere},
};
use crate::settings::{Settings, SettingsError, StreamSettings};

/// All pipelines that records enter.
#[derive(Debug)]
pub(super) struct Pipelines {
    roots: Vec<Root>,
    /// There if a processor keeps events back: then batches go one after the other, so that what is
    /// kept back is of one batch.
    alone: Option<Mutex<()>>,
}

/// A pipeline that records enter.
#[derive(Debug)]
struct Root {
    pipeline: Pipeline,
    /// The tables that its source names.
    tables: Vec<String>,
    /// Whether a removal brings the old image.
    shows_removed: bool,
}

impl Pipelines {
    /// The one pipeline that the variables describe.
    ///
    /// # Errors
    ///
    /// When the sink cannot be set up with them.
    pub(super) fn of_variables(
        name: &str,
        settings: &Settings,
        stream: &StreamSettings,
        environment: &Environment,
        clock: &Clock,
    ) -> Result<Pipelines, SettingsError> {
        let sink = LedgerSink::of_variables(settings, stream, environment, clock)
            .map_err(|error| SettingsError(vec![error.to_string()]))?;
        let mut processors: Vec<Box<dyn Processor>> = Vec::new();
        if let Some(fields) = SafeFields::new(stream) {
            processors.push(Box::new(fields));
        }
        let target = Target::from(Box::new(sink) as Box<dyn Sink>);
        let pipeline = Pipeline::new(name, processors, Vec::new(), vec![target], clock.clone());
        let root = Root { pipeline, tables: Vec::new(), shows_removed: false };
        Ok(Pipelines { roots: vec![root], alone: None })
    }

    /// Those of a file.
    ///
    /// # Errors
    ///
    /// When a plugin is unknown, does not like its settings, or asks for what a function cannot do.
    pub(super) fn of_file(
        loaded: &Loaded,
        environment: &Environment,
        clock: &Clock,
    ) -> Result<Pipelines, SettingsError> {
        let mut built: BTreeMap<&str, Pipeline> = BTreeMap::new();
        let (mut roots, mut errors) = (Vec::new(), Vec::new());
        let mut keeps_back = false;
        for spec in loaded.fed_first() {
            let mut builder = Builder { spec, others: &built, environment, clock, keeps_back };
            match builder.build() {
                Ok(pipeline) => {
                    keeps_back = builder.keeps_back;
                    let own = spec.source.as_ref().filter(|it| !it.is_connector());
                    roots.extend(own.map(|it| Root::of(pipeline.clone(), it)));
                    built.insert(&spec.name, pipeline);
                }
                Err(more) => errors.extend(more),
            }
        }
        if !errors.is_empty() {
            let problems: Problems = errors.into_iter().collect();
            return Err(SettingsError(vec![problems.to_string()]));
        }
        Ok(Pipelines { roots, alone: keeps_back.then(Mutex::default) })
    }

    /// Whether a processor keeps events back, so that nobody sees the end of each.
    pub(super) fn keep_back(&self) -> bool {
        self.alone.is_some()
    }

    /// Takes events through.
    ///
    /// # Errors
    ///
    /// When they are of a table that no pipeline reads. Nothing was delivered then.
    pub(super) async fn deliver(&self, mut events: Vec<Event>) -> Result<Outcome, String> {
        if let Some(table) = self.stray(&events) {
            return Err(format!(
                "the pipeline file has no source for the table {table}; add a pipeline whose \
                 `table_arn` names it, or remove the trigger"
            ));
        }
        let _alone = match &self.alone {
            Some(alone) => Some(alone.lock().await),
            None => None,
        };
        let mut outcome = Outcome::Delivered;
        for root in &self.roots {
            let (mut own, others): (Vec<Event>, Vec<Event>) =
                events.into_iter().partition(|it| self.is_only_one() || root.reads(it));
            events = others;
            if own.is_empty() {
                continue;
            }
            if root.shows_removed {
                own.iter_mut().for_each(show_removed);
            }
            if root.pipeline.deliver_now(own).await != Outcome::Delivered {
                outcome = Outcome::Failed;
            }
        }
        Ok(outcome)
    }

    /// One pipeline is for whatever the trigger brings.
    fn is_only_one(&self) -> bool {
        self.roots.len() == 1
    }

    fn stray<'a>(&self, events: &'a [Event]) -> Option<&'a str> {
        let is_read = |event: &&Event| self.roots.iter().any(|it| it.reads(event));
        let stray = events.iter().find(|it| !self.is_only_one() && !is_read(it));
        stray.map(table_of)
    }
}

impl Root {
    /// What the source says of it. All else in it is the trigger's here.
    fn of(pipeline: Pipeline, source: &PluginSpec) -> Root {
        let tables = source.settings.get("tables").map(|it| it.items()).unwrap_or_default();
        let names = tables.iter().filter_map(|it| {
            let arn = it.get("table_arn")?;
            let (_, name) = arn.text()?.split_once(":table/")?;
            Some(name.split('/').next().unwrap_or(name).to_owned())
        });
        let shows_removed = tables.iter().any(|it| {
            let view = it.get("stream.view_on_remove");
            view.is_some_and(|it| it.text() == Some("OLD_IMAGE"))
        });
        Root { pipeline, tables: names.collect(), shows_removed }
    }

    fn reads(&self, event: &Event) -> bool {
        self.tables.iter().any(|it| it == table_of(event))
    }
}

fn table_of(event: &Event) -> &str {
    event.origin.as_ref().map_or("", |it| it.table.name.as_str())
}

/// Makes the old image the document of a removal.
fn show_removed(event: &mut Event) {
    let Some(origin) = event.origin.as_ref().filter(|it| it.action() == "delete") else { return };
    if !origin.record.old_image.is_empty() {
        event.document = Document::Item(origin.body.slice(origin.record.old_image.clone()));
    }
}

/// Builds one pipeline.
struct Builder<'a> {
    spec: &'a PipelineSpec,
    /// Those it feeds.
    others: &'a BTreeMap<&'a str, Pipeline>,
    environment: &'a Environment,
    clock: &'a Clock,
    keeps_back: bool,
}

impl Builder<'_> {
    fn build(&mut self) -> Result<Pipeline, Vec<ConfigError>> {
        let PipelineSpec { name, place, source, processors, routes, sinks, .. } = self.spec;
        let mut errors = Vec::new();
        let wrong = |problem: &str, help: &str| {
            ConfigError::new("", problem).with_place(place.clone()).with_help(help)
        };
        if name == PipelineSpec::FAILURE {
            errors.push(wrong(
                "a function has no pipeline for failures",
                "set DLQ_URL, or `dlq` in the sink, and remove it",
            ));
        }
        if let Some(source) = source.as_ref().filter(|it| !it.is_connector()) {
            if source.name != "dynamodb" {
                errors.push(unknown(source, "source", "a function has `dynamodb`"));
            }
            warn!(
                pipeline = name,
                "of the source, only `table_arn` and `view_on_remove` have an effect here: the trigger reads the stream"
            );
        }
        if self.spec.workers.is_some() || self.spec.delay.is_some() || self.spec.buffer.is_some() {
            warn!(
                pipeline = name,
                "`workers`, `delay` and `buffer` have no effect here: the trigger says how large batches are"
            );
        }
        let mut parts = Parts::named(name, self.clock.clone());
        for processor in processors {
            let meters = parts.meters.of(name, &processor.name);
            match build_processor(processor) {
                Ok(it) => {
                    self.keeps_back |= it.stateful().is_some();
                    parts.steps.push(Step::new(&processor.name, it, &meters));
                }
                Err(error) => errors.push(error),
            }
        }
        for sink in sinks {
            match self.target(sink) {
                Ok(target) => parts.targets.extend(target),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        parts.routes = routes.iter().map(|it| it.condition.clone()).collect();
        parts.dead_letters = Some(Arc::new(LedgerLetters));
        Ok(Pipeline::from(parts))
    }

    /// `None` if it leads to a pipeline with mistakes, which are told elsewhere.
    fn target(&self, sink: &SinkSpec) -> Result<Option<Target>, ConfigError> {
        let noting = Arc::new(Noting::new(Arc::new(Nowhere)));
        let to = match (sink.downstream(), sink.plugin.name.as_str()) {
            (Some(name), _) => match self.others.get(name.as_str()) {
                Some(pipeline) => Destination::Pipeline(pipeline.clone()),
                None => return Ok(None),
            },
            (None, "opensearch") => {
                let settings = sink.plugin.settings.without(&["routes", "forward_to"]);
                let (environment, clock) = (self.environment, self.clock);
                let name = &self.spec.name;
                let sink = LedgerSink::of_file(&settings, name, &noting, environment, clock)?;
                Destination::Sink(Box::new(sink))
            }
            _ => {
                let what = "a function has `opensearch` and `pipeline`";
                return Err(unknown(&sink.plugin, "sink", what));
            }
        };
        let forward = sink.forward_to.as_ref().map(|it| {
            let named = it.pipelines.iter().filter_map(|it| self.others.get(it.as_str()));
            Forward {
                pipelines: named.cloned().collect(),
                data: it.with_data.clone(),
                metadata: it.with_metadata.clone(),
                letters: Arc::clone(&noting),
            }
        });
        Ok(Some(Target { to, wants: sink.wants(&self.spec.routes), forward }))
    }
}

fn build_processor(plugin: &PluginSpec) -> Result<Box<dyn Processor>, ConfigError> {
    match processors::find(&plugin.name) {
        Some(factory) => (factory.build)(&plugin.settings),
        None => Err(unknown(plugin, "processor", &processors::what_instead(&plugin.name))),
    }
}

fn unknown(plugin: &PluginSpec, kind: &str, what: &str) -> ConfigError {
    ConfigError::new("", format!("there is no {kind} `{}` here", plugin.name))
        .with_help(what)
        .with_place(plugin.place.clone())
}
