//! Introduces the plugins to the engine. The only file that names them all.

use std::sync::Arc;

use aws::{Access, AwsConfig, Environment, JsonService};
use coordination::LeaseStore;
use dynamodb::DynamoDbSource;
use engine::{
    Pipeline, Target, Wants,
    file::{PipelineSpec, PluginSpec, RouteSpec, SinkSpec},
};
use opensearch::{OpenSearchSink, Store, queue_of};
use pipeline::{Clock, ConfigError, Meters, Processor, SinkError, Source, SourceError};

use crate::failure::Failure;

/// What every plugin of a process shares.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) environment: Environment,
    pub(crate) clock: Clock,
    /// What plugins count. Each gets its own part: `meters.of(pipeline, plugin)`.
    pub(crate) meters: Meters,
    pub(crate) leases: Arc<dyn LeaseStore>,
    pub(crate) dead_letters: std::path::PathBuf,
}

/// A pipeline that can be started, and what is worth a warning in its settings.
pub(crate) struct Built {
    pub(crate) pipeline: Pipeline,
    pub(crate) warnings: Vec<ConfigError>,
    source: dynamodb::Config,
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
        let source = |error: SourceError| error.to_string();
        let sink = |error: SinkError| error.to_string();
        self.dynamodb_source().check().await.map_err(source)?;
        for it in &self.sinks {
            it.check().await.map_err(sink)?;
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
        let aws = self.source.aws.clone().unwrap_or_default();
        let region = aws.region.or_else(|| Some(self.source.tables[0].table_arn.region.clone()));
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

    /// A new source, to read on from the checkpoints.
    pub(crate) fn source(&self) -> Box<dyn Source> {
        Box::new(self.dynamodb_source())
    }

    fn dynamodb_source(&self) -> DynamoDbSource {
        let Surroundings { environment, clock, leases, .. } = self.surroundings.clone();
        let name = self.pipeline.name();
        DynamoDbSource::new(self.source.clone(), environment, name, leases, clock)
            .shown_in(&self.view)
    }
}

/// Builds one pipeline.
///
/// # Errors
///
/// When a plugin is unknown, or does not like its settings. All mistakes are told.
pub(crate) fn build(
    spec: &PipelineSpec,
    surroundings: &Surroundings,
) -> Result<Built, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let source = if let Some(plugin) = &spec.source {
        note(read_source(plugin), &mut errors, &mut warnings)
    } else {
        let problem = format!("the pipeline `{}` has no `source`", spec.name);
        errors.push(ConfigError::new("", problem).with_place(spec.place.clone()));
        None
    };
    let mut processors = Vec::new();
    for processor in &spec.processors {
        match build_processor(processor) {
            Ok(it) => processors.push(it),
            Err(error) => errors.push(error),
        }
    }
    let mut sinks = Vec::new();
    for sink in &spec.sinks {
        let read = read_sink(sink, &spec.name, surroundings);
        sinks.extend(note(read, &mut errors, &mut warnings).map(Arc::new));
    }
    let (true, Some(source)) = (errors.is_empty(), source) else { return Err(errors) };
    let targets = sinks.iter().zip(&spec.sinks).map(|(sink, spec_of_sink)| Target {
        sink: Box::new(Arc::clone(sink)),
        wants: wants(spec_of_sink, &spec.routes),
    });
    let routes = spec.routes.iter().map(|it| it.condition.clone()).collect();
    let pipeline = Pipeline::new(
        &spec.name,
        processors,
        routes,
        targets.collect(),
        surroundings.clock.clone(),
    );
    let view = dynamodb::View::counted_in(&surroundings.meters.of(&spec.name, "dynamodb"));
    Ok(Built { pipeline, warnings, source, view, surroundings: surroundings.clone(), sinks })
}

/// Which events a sink wants, by the places of its routes. That they exist was checked with the file.
fn wants(sink: &SinkSpec, routes: &[RouteSpec]) -> Wants {
    if sink.routes.is_empty() {
        return Wants::Everything;
    }
    let place = |name: &String| routes.iter().position(|it| it.name == *name);
    Wants::Routes {
        any_of: sink.routes.iter().filter_map(place).collect(),
        unrouted: sink.routes.iter().any(|it| it == SinkSpec::UNROUTED),
    }
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

fn build_processor(plugin: &PluginSpec) -> Result<Box<dyn Processor>, ConfigError> {
    match processors::find(&plugin.name) {
        Some(factory) => (factory.build)(&plugin.settings),
        None => Err(unknown(plugin, "processor", &processors::what_instead(&plugin.name))),
    }
}

fn read_source(plugin: &PluginSpec) -> Result<(dynamodb::Config, Vec<ConfigError>), ConfigError> {
    match plugin.name.as_str() {
        "dynamodb" => dynamodb::Config::read(&plugin.settings),
        _ => Err(unknown(plugin, "source", "this version has `dynamodb`")),
    }
}

fn read_sink(
    sink: &SinkSpec,
    pipeline: &str,
    surroundings: &Surroundings,
) -> Result<(OpenSearchSink, Vec<ConfigError>), ConfigError> {
    let Surroundings { environment, clock, dead_letters, meters, .. } = surroundings.clone();
    // The rest of what every sink understands is refused by name, until it is carried out.
    let settings = sink.plugin.settings.without(&["routes"]);
    match sink.plugin.name.as_str() {
        "opensearch" => {
            let (config, warnings) = opensearch::Config::read(&settings)?;
            let letters =
                queue_of(&config, &settings, &dead_letters, pipeline, &environment, &clock)?;
            let sink = OpenSearchSink::new(config, &settings, environment, letters, clock)?;
            Ok((sink.with_meters(&meters.of(pipeline, "opensearch")), warnings))
        }
        _ => Err(unknown(&sink.plugin, "sink", "this version has `opensearch`")),
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

fn unknown(plugin: &PluginSpec, kind: &str, what: &str) -> ConfigError {
    ConfigError::new("", format!("there is no {kind} `{}`", plugin.name))
        .with_help(what)
        .with_place(plugin.place.clone())
}
