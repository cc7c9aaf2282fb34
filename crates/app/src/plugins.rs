//! Introduces the plugins to the engine. The only file that names them all.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use aws::{Access, AwsConfig, Environment, JsonService};
use coordination::LeaseStore;
use dynamodb::DynamoDbSource;
use engine::{
    Accounts, Destination, Forward, Noting, Pace, Parts, Pipeline, Step, Target,
    file::{PipelineSpec, PluginSpec, SinkSpec},
};
use opensearch::{DeadLetters, OpenSearchSink, Store, queue_of};
use pipeline::{
    BUDGET_BYTES, Budget, Clock, ConfigError, DeadLetterQueue, Meters, Processor, Sink, SinkError,
    Source, SourceError, nearest,
};

use crate::{
    failure::Failure,
    letters::FailurePipeline,
    rehearsal::{Rehearsal, RehearsedSink},
    stdout::StdoutSink,
};

/// What every plugin of a process shares.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) environment: Environment,
    pub(crate) clock: Clock,
    /// What plugins count. Each gets its own part: `meters.of(pipeline, plugin)`.
    pub(crate) meters: Meters,
    pub(crate) leases: Arc<dyn LeaseStore>,
    pub(crate) dead_letters: std::path::PathBuf,
    /// What became of the events of each pipeline, so that it goes on when one is built anew.
    pub(crate) accounts: Arc<Mutex<BTreeMap<String, Arc<Accounts>>>>,
    /// Where it is noted what would be written, if nothing is to be.
    pub(crate) rehearsal: Option<Rehearsal>,
    /// How much memory events on their way may take, in all pipelines together.
    pub(crate) budget: Budget,
}

impl Surroundings {
    /// Those of pipelines that write nothing and remember nothing.
    pub(crate) fn without_place(environment: Environment) -> Surroundings {
        let meters = Meters::default();
        Surroundings {
            environment,
            clock: Clock::real(),
            budget: budget_of(BUDGET_BYTES, &meters),
            meters,
            leases: Arc::new(coordination::MemoryLeases::default()),
            dead_letters: std::path::PathBuf::new(),
            accounts: Arc::default(),
            rehearsal: None,
        }
    }

    /// The same, with another amount of memory for events on their way.
    pub(crate) fn with_budget(self, n_bytes: Option<usize>) -> Surroundings {
        let n_bytes = n_bytes.unwrap_or(BUDGET_BYTES);
        Surroundings { budget: budget_of(n_bytes, &self.meters), ..self }
    }

    fn accounts_of(&self, pipeline: &str) -> Arc<Accounts> {
        let mut all = self.accounts.lock().expect("no panics while locked");
        Arc::clone(all.entry(pipeline.to_owned()).or_default())
    }
}

fn budget_of(n_bytes: usize, meters: &Meters) -> Budget {
    Budget::counted_in(n_bytes, &meters.of("", "buffer"))
}

/// A pipeline that can be started, and what is worth a warning in its settings.
pub(crate) struct Built {
    pub(crate) pipeline: Pipeline,
    pub(crate) warnings: Vec<ConfigError>,
    /// None if another pipeline feeds it.
    source: Option<dynamodb::Config>,
    /// How far its tables are, across restarts of the source.
    view: dynamodb::View,
    surroundings: Surroundings,
    sinks: Vec<Arc<OpenSearchSink>>,
}

impl Built {
    /// Makes sure that both ends are there, before anything runs.
    ///
    /// # Errors
    ///
    /// When one is not, or does not let us in.
    pub(crate) async fn check(&self) -> Result<(), String> {
        let failed_source = |error: SourceError| error.to_string();
        let failed_sink = |error: SinkError| error.to_string();
        if let Some(source) = self.dynamodb_source() {
            source.check().await.map_err(failed_source)?;
        }
        for it in &self.sinks {
            it.check().await.map_err(failed_sink)?;
        }
        Ok(())
    }

    /// Its sinks.
    pub(crate) fn sinks(&self) -> &[Arc<OpenSearchSink>] {
        &self.sinks
    }

    /// The calls of DynamoDB, as the source makes them.
    ///
    /// # Errors
    ///
    /// When there is no region.
    pub(crate) async fn dynamodb(&self) -> Result<JsonService, String> {
        let source = self.source.as_ref().ok_or("this pipeline has no source of its own")?;
        let aws = source.aws.clone().unwrap_or_default();
        let region = aws.region.or_else(|| Some(source.tables[0].table_arn.region.clone()));
        let access = AwsConfig {
            region,
            sts_role_arn: aws.sts_role_arn,
            sts_external_id: aws.sts_external_id,
            endpoint: aws.endpoint,
        };
        let access = Access::new(access, self.surroundings.environment.clone());
        let service = JsonService::new(&access, "DYNAMODB", "dynamodb", "DynamoDB_20120810").await;
        service.map_err(|error| error.to_string())
    }

    /// A new source, to read on from the checkpoints; none where another pipeline feeds this one.
    pub(crate) fn source(&self) -> Option<Box<dyn Source>> {
        self.dynamodb_source().map(|it| -> Box<dyn Source> { Box::new(it) })
    }

    /// Has the tables of its source loaded once more; says which.
    ///
    /// # Errors
    ///
    /// When there is nothing to load, or nobody can be told.
    pub(crate) async fn load_again(&self) -> Result<Vec<String>, String> {
        let source = self.dynamodb_source().ok_or("this pipeline has no source of its own")?;
        source.load_again().await.map_err(|error| error.to_string())
    }

    /// The settings of its source, if it has one of its own.
    pub(crate) fn source_config(&self) -> Option<&dynamodb::Config> {
        self.source.as_ref()
    }

    fn dynamodb_source(&self) -> Option<DynamoDbSource> {
        let Surroundings { environment, clock, leases, .. } = self.surroundings.clone();
        let name = self.pipeline.name();
        let config = self.source.clone()?;
        let source = DynamoDbSource::new(config, environment, name, leases, clock);
        Some(source.shown_in(&self.view))
    }
}

/// Builds one pipeline. `others` are those it feeds, which are built already.
///
/// # Errors
///
/// When a plugin is unknown, or does not like its settings. All mistakes are told.
pub(crate) fn build(
    spec: &PipelineSpec,
    others: &BTreeMap<&str, Pipeline>,
    surroundings: &Surroundings,
) -> Result<Built, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let own = spec.source.as_ref().filter(|it| !it.is_connector());
    let source = own.and_then(|it| note(read_source(it), &mut errors, &mut warnings));
    let mut parts = Parts::named(&spec.name, surroundings.clock.clone());
    for processor in &spec.processors {
        let meters = surroundings.meters.of(&spec.name, &processor.name);
        let built = build_processor(processor, &mut warnings);
        match built {
            Ok(it) => parts.steps.push(Step::new(&processor.name, it, &meters)),
            Err(error) => errors.push(error),
        }
    }
    let mut sinks = Vec::new();
    let failures = failures(&spec.name, others, surroundings);
    for sink in &spec.sinks {
        let mut letters = None;
        let to = if let Some(name) = sink.downstream() {
            // That it exists was checked with the file; one with mistakes was not built.
            others.get(name.as_str()).cloned().map(Destination::Pipeline)
        } else {
            let mut place = SinkPlace { pipeline: &spec.name, failures: &failures, letters: None };
            let read = build_sink(sink, &mut place, surroundings, &mut sinks);
            letters = place.letters;
            note(read, &mut errors, &mut warnings).map(Destination::Sink)
        };
        if let (None, Some(letters)) = (&parts.dead_letters, &letters) {
            parts.dead_letters = Some(Arc::clone(letters) as Arc<dyn DeadLetterQueue>);
        }
        let forward = sink.forward_to.as_ref().map(|it| Forward {
            pipelines: it.pipelines.iter().filter_map(|it| others.get(&**it)).cloned().collect(),
            data: it.with_data.clone(),
            metadata: it.with_metadata.clone(),
            letters: letters
                .unwrap_or_else(|| Arc::new(Noting::new(in_folder(&spec.name, surroundings)))),
        });
        let wants = sink.wants(&spec.routes);
        parts.targets.extend(to.map(|to| Target { to, wants, forward }));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    parts.routes = spec.routes.iter().map(|it| it.condition.clone()).collect();
    parts.meters = surroundings.meters.clone();
    parts.budget = surroundings.budget.clone();
    parts.accounts = surroundings.accounts_of(&spec.name);
    let default = || failures.clone().unwrap_or_else(|| in_folder(&spec.name, surroundings));
    parts.dead_letters = Some(parts.dead_letters.unwrap_or_else(default));
    parts.pace = Pace {
        workers: spec.workers,
        delay: spec.delay,
        batch_events: spec.buffer.and_then(|it| it.n_batch_events),
        buffer_events: spec.buffer.and_then(|it| it.n_events),
    };
    let pipeline = Pipeline::from(parts);
    let view = dynamodb::View::counted_in(&surroundings.meters.of(&spec.name, "dynamodb"));
    Ok(Built { pipeline, warnings, source, view, surroundings: surroundings.clone(), sinks })
}

/// Where what `pipeline` gives up on goes whatever its sinks say: to the pipeline for that, if there
/// is one.
fn failures(
    pipeline: &str,
    others: &BTreeMap<&str, Pipeline>,
    surroundings: &Surroundings,
) -> Option<Arc<dyn DeadLetterQueue>> {
    if let Some(rehearsal) = &surroundings.rehearsal {
        return Some(Arc::new(rehearsal.clone()));
    }
    let failures = others.get(PipelineSpec::FAILURE)?;
    Some(Arc::new(FailurePipeline::new(failures.clone(), pipeline)))
}

/// Dead letters in the data directory.
fn in_folder(pipeline: &str, surroundings: &Surroundings) -> Arc<dyn DeadLetterQueue> {
    Arc::new(DeadLetters::in_folder(Path::new(&surroundings.dead_letters), pipeline))
}

fn note<T>(
    read: Result<(T, Vec<ConfigError>), ConfigError>,
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<ConfigError>,
) -> Option<T> {
    match read {
        Ok((plugin, more)) => {
            warnings.extend(more);
            Some(plugin)
        }
        Err(error) => {
            errors.push(error);
            None
        }
    }
}

fn build_processor(
    plugin: &PluginSpec,
    warnings: &mut Vec<ConfigError>,
) -> Result<Box<dyn Processor>, ConfigError> {
    let Some(factory) = processors::find(&plugin.name) else {
        return Err(unknown(plugin, "processor", &processors::what_instead(&plugin.name)));
    };
    if factory.name != plugin.name {
        let problem = format!("`{}` is an old spelling", plugin.name);
        let warning = ConfigError::new("", problem).with_place(plugin.place.clone());
        warnings.push(warning.with_help(format!("write `{}`", factory.name)));
    }
    for (_, old, new) in processors::RENAMED_SETTINGS.iter().filter(|it| it.0 == factory.name) {
        if let Some(setting) = plugin.settings.get(old) {
            let warning = ConfigError::new("", format!("`{old}` is an old spelling"));
            let warning = warning.with_place(setting.key_place());
            warnings.push(warning.with_help(format!("write `{new}`")));
        }
    }
    (factory.build)(&plugin.settings)
}

fn read_source(plugin: &PluginSpec) -> Result<(dynamodb::Config, Vec<ConfigError>), ConfigError> {
    if plugin.name == "dynamodb" {
        return dynamodb::Config::read(&plugin.settings);
    }
    let help = or_nearest(&plugin.name, &["dynamodb", "pipeline"], "this version has `dynamodb`");
    Err(unknown(plugin, "source", &help))
}

/// Where a sink stands.
struct SinkPlace<'a> {
    pipeline: &'a str,
    /// Who keeps its dead letters whatever its settings say.
    failures: &'a Option<Arc<dyn DeadLetterQueue>>,
    /// Who keeps them, once it is built.
    letters: Option<Arc<Noting>>,
}

/// Builds a sink; adds it to `sinks` if it can be asked whether it is there.
fn build_sink(
    sink: &SinkSpec,
    place: &mut SinkPlace<'_>,
    surroundings: &Surroundings,
    sinks: &mut Vec<Arc<OpenSearchSink>>,
) -> Result<(Box<dyn Sink>, Vec<ConfigError>), ConfigError> {
    let Surroundings { environment, clock, dead_letters, meters, .. } = surroundings.clone();
    // Routes are ours to carry out; the rest of what every sink understands is the plugin's, because
    // only it knows what it writes.
    let settings = sink.plugin.settings.without(&["routes", "forward_to"]);
    match sink.plugin.name.as_str() {
        "opensearch" => {
            let (config, warnings) = opensearch::Config::read(&settings)?;
            let queue = if let Some(queue) = place.failures {
                Arc::clone(queue)
            } else {
                let pipeline = place.pipeline;
                queue_of(&config, &settings, &dead_letters, pipeline, &environment, &clock)?
            };
            let letters = Arc::new(Noting::new(queue));
            place.letters = Some(Arc::clone(&letters));
            if let Some(rehearsal) = &surroundings.rehearsal {
                let shape = opensearch::Shape::new(&config, &settings)?;
                let sink = RehearsedSink::new(config, shape, letters, rehearsal);
                return Ok((Box::new(sink), warnings));
            }
            let sink = OpenSearchSink::new(config, &settings, environment, letters, clock)?;
            let sink = sink.with_meters(&meters.of(place.pipeline, "opensearch"));
            let sink = Arc::new(sink);
            sinks.push(Arc::clone(&sink));
            Ok((Box::new(sink), warnings))
        }
        "stdout" => Ok((Box::new(StdoutSink::new(&settings)?), Vec::new())),
        _ => {
            let all = "this version has `opensearch`, `pipeline` and `stdout`";
            let help = or_nearest(&sink.plugin.name, &["opensearch", "pipeline", "stdout"], all);
            Err(unknown(&sink.plugin, "sink", &help))
        }
    }
}

/// Where the sinks of a pipeline keep dead letters, beyond the data directory.
///
/// # Errors
///
/// When a sink does not like its settings.
pub(crate) fn stores(
    spec: &PipelineSpec,
    environment: &Environment,
) -> Result<Vec<Store>, Failure> {
    let mut stores = Vec::new();
    for sink in spec.sinks.iter().filter(|it| it.plugin.name == "opensearch") {
        let settings = sink.plugin.settings.without(&["routes"]);
        let (config, _) = opensearch::Config::read(&settings)
            .map_err(|error| Failure::wrong(error.to_string()))?;
        if let Some(dlq) = &config.dlq {
            stores.push(Store::in_bucket(&dlq.s3, environment.clone()));
        }
        if let Some(path) = config.dlq_file {
            stores.push(Store::Files(vec![path]));
        }
    }
    Ok(stores)
}

/// The name that was probably meant, or else what there is.
fn or_nearest(name: &str, known: &[&str], all: &str) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => all.to_owned(),
    }
}

fn unknown(plugin: &PluginSpec, kind: &str, what: &str) -> ConfigError {
    ConfigError::new("", format!("there is no {kind} `{}`", plugin.name))
        .with_help(what)
        .with_place(plugin.place.clone())
}
