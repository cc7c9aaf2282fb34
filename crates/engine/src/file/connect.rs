//! Which pipelines feed which: both ends must say so, and nothing may go round in circles. Pure.

use std::collections::BTreeMap;

use pipeline::{ConfigError, Settings, nearest};

use super::{Dialect, PipelineSpec, PluginSpec, SinkSpec, problems::Found};

/// How many pipelines OpenSearch Ingestion recommends to connect at most.
const OSIS_PIPELINES_MAX: usize = 5;

/// Checks the names of pipelines, and what they say about each other.
pub(super) fn check(pipelines: &[PipelineSpec], dialect: Dialect, found: &mut Found) {
    let mut by_name: BTreeMap<&str, &PipelineSpec> = BTreeMap::new();
    for pipeline in pipelines {
        if let Some(first) = by_name.get(pipeline.name.as_str()) {
            let problem =
                format!("there is a pipeline `{}` already, at {}", pipeline.name, first.place);
            let error = ConfigError::new("", problem).with_place(pipeline.place.clone());
            found.error(error.with_help("choose another name"));
        } else {
            by_name.insert(&pipeline.name, pipeline);
        }
    }
    for pipeline in pipelines {
        check_sinks(pipeline, &by_name, found);
        check_source(pipeline, &by_name, found);
    }
    for pipeline in by_name.values() {
        check_circle(pipeline, &by_name, found);
    }
    if dialect == Dialect::Osis {
        check_osis(pipelines, found);
    }
}

type ByName<'a> = BTreeMap<&'a str, &'a PipelineSpec>;

fn check_sinks(pipeline: &PipelineSpec, by_name: &ByName<'_>, found: &mut Found) {
    for sink in &pipeline.sinks {
        if sink.plugin.is_connector() {
            check_sink(pipeline, &sink.own_settings(), by_name, found);
        }
        for (n, name) in sink.forward_to.iter().flat_map(|it| it.pipelines.iter().enumerate()) {
            let path = format!("forward_to.pipelines[{n}]");
            match by_name.get(name.as_str()) {
                None => found.error(unknown(&sink.plugin.settings, &path, name, by_name)),
                Some(target) if target.source.is_some() => {
                    let problem = format!("`{name}` has a source of its own");
                    let error = sink.plugin.settings.problem(&path, problem);
                    found.error(error.with_help("forward to a pipeline without `source`"));
                }
                Some(_) => {}
            }
        }
    }
}

fn check_sink(
    pipeline: &PipelineSpec,
    settings: &Settings,
    by_name: &ByName<'_>,
    found: &mut Found,
) {
    let Some(name) = connector_name(settings, found) else { return };
    let Some(target) = by_name.get(name.as_str()) else {
        found.error(unknown(settings, "name", &name, by_name));
        return;
    };
    if target.upstream().as_deref() != Some(pipeline.name.as_str()) {
        let problem = format!("`{name}` does not read from `{}`", pipeline.name);
        let help = format!("write `source: {{pipeline: {{name: {}}}}}` in `{name}`", pipeline.name);
        found.error(settings.problem("name", problem).with_help(help));
    }
}

fn check_source(pipeline: &PipelineSpec, by_name: &ByName<'_>, found: &mut Found) {
    let Some(source) = &pipeline.source else {
        if !is_fed(pipeline, by_name) {
            let problem = format!("nothing feeds the pipeline `{}`", pipeline.name);
            let warning = ConfigError::new("", problem).with_place(pipeline.place.clone());
            found.warn(warning.with_help("add a `source`, or `forward_to` it from a sink"));
        }
        return;
    };
    if !source.is_connector() {
        return;
    }
    let PluginSpec { settings, .. } = source;
    let Some(name) = connector_name(settings, found) else { return };
    let Some(upstream) = by_name.get(name.as_str()) else {
        found.error(unknown(settings, "name", &name, by_name));
        return;
    };
    // A connector to nowhere was told already, and is probably the one that is missing here.
    let feeds_us = |sink: &SinkSpec| {
        sink.plugin.is_connector()
            && sink.downstream().is_none_or(|it| it == pipeline.name || !by_name.contains_key(&*it))
    };
    if !upstream.sinks.iter().any(feeds_us) {
        let problem = format!("`{name}` does not write to `{}`", pipeline.name);
        let help =
            format!("write `- pipeline: {{name: {}}}` in the `sink` of `{name}`", pipeline.name);
        found.error(settings.problem("name", problem).with_help(help));
    }
}

/// Whether a pipeline without a source can get events at all.
fn is_fed(pipeline: &PipelineSpec, by_name: &ByName<'_>) -> bool {
    let mut forwards =
        by_name.values().flat_map(|it| &it.sinks).filter_map(|it| it.forward_to.as_ref());
    pipeline.name == PipelineSpec::FAILURE
        || forwards.any(|it| it.pipelines.contains(&pipeline.name))
}

/// The name in `pipeline: {name: …}`, which knows nothing else.
fn connector_name(settings: &Settings, found: &mut Found) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Connector {
        name: String,
    }
    let read = settings.read::<Connector>().map_err(|mut error| {
        error.help.get_or_insert_with(|| "write `pipeline: {name: other-pipeline}`".to_owned());
        error
    });
    found.note(read).map(|connector| connector.name)
}

fn unknown(settings: &Settings, path: &str, name: &str, by_name: &ByName<'_>) -> ConfigError {
    let help = match nearest(name, by_name.keys().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("define it: `{name}:`"),
    };
    settings.problem(path, format!("there is no pipeline `{name}`")).with_help(help)
}

/// Follows every way from `start`; one that comes back is told once, at its first pipeline by name.
fn check_circle(start: &PipelineSpec, by_name: &ByName<'_>, found: &mut Found) {
    let mut ways = vec![vec![start]];
    let mut seen = vec![start.name.as_str()];
    while let Some(way) = ways.pop() {
        let Some(last) = way.last() else { continue };
        for (target, plugin) in targets(last) {
            let Some(next) = by_name.get(target.as_str()) else { continue };
            let is_first = way.iter().all(|it| start.name <= it.name);
            if next.name == start.name && is_first {
                let names: Vec<&str> = way.iter().map(|it| it.name.as_str()).collect();
                let problem =
                    format!("events go round in circles: {} → {target}", names.join(" → "));
                let error = ConfigError::new("", problem).with_place(plugin.place.clone());
                found.error(error.with_help("remove one of these connections"));
            } else if !seen.contains(&next.name.as_str()) {
                seen.push(&next.name);
                ways.push(way.iter().chain([next]).copied().collect());
            }
        }
    }
}

/// Where the events of a pipeline go on to, and which sink says so.
fn targets(pipeline: &PipelineSpec) -> Vec<(String, &PluginSpec)> {
    let mut targets = Vec::new();
    for sink in &pipeline.sinks {
        let forwarded = sink.forward_to.iter().flat_map(|it| it.pipelines.iter().cloned());
        targets.extend(sink.downstream().into_iter().chain(forwarded).map(|it| (it, &sink.plugin)));
    }
    targets
}

/// The pipelines, each after those it feeds.
pub(super) fn fed_first(specs: &[PipelineSpec]) -> Vec<&PipelineSpec> {
    let mut ordered: Vec<&PipelineSpec> = Vec::new();
    let failures = |it: &&PipelineSpec| it.name == PipelineSpec::FAILURE;
    for spec in specs.iter().filter(failures).chain(specs) {
        add_after_fed(spec, specs, &mut ordered);
    }
    ordered
}

/// That this ends was checked with the files: nothing goes round in circles.
fn add_after_fed<'a>(
    spec: &'a PipelineSpec,
    specs: &'a [PipelineSpec],
    ordered: &mut Vec<&'a PipelineSpec>,
) {
    if ordered.iter().any(|it| it.name == spec.name) {
        return;
    }
    for (name, _) in targets(spec) {
        if let Some(target) = specs.iter().find(|it| it.name == name) {
            add_after_fed(target, specs, ordered);
        }
    }
    ordered.push(spec);
}

fn check_osis(pipelines: &[PipelineSpec], found: &mut Found) {
    let is_outside = |it: &&PipelineSpec| it.source.as_ref().is_some_and(|it| !it.is_connector());
    for second in pipelines.iter().filter(is_outside).skip(1) {
        let problem = "OpenSearch Ingestion allows one source from outside, and this is another";
        let place = second.source.as_ref().map_or(&second.place, |it| &it.place).clone();
        let error = ConfigError::new("", problem).with_place(place);
        found.error(error.with_help("make a pipeline of its own of it"));
    }
    if let Some(first) = pipelines.get(OSIS_PIPELINES_MAX) {
        let problem = format!(
            "OpenSearch Ingestion recommends {OSIS_PIPELINES_MAX} connected pipelines at most"
        );
        let warning = ConfigError::new("", problem).with_place(first.place.clone());
        found.warn(warning.with_help("divide them among several files"));
    }
}
