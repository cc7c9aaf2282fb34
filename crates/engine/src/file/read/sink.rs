//! What every sink understands, whatever plugin it is. Pure.

use pipeline::{ConfigError, Map, Settings, nearest};
use serde::Deserialize;

use crate::file::{
    problems::Found,
    spec::{ForwardSpec, PluginSpec, SinkSpec},
};

/// The settings that every sink has, as they stand there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Common {
    routes: Option<Vec<String>>,
    tags_target_key: Option<String>,
    include_keys: Option<Vec<String>>,
    exclude_keys: Option<Vec<String>>,
    forward_to: Option<Forward>,
}

#[derive(Debug, Deserialize)]
struct Forward {
    pipelines: Vec<String>,
    #[serde(default)]
    with_data: Map,
    #[serde(default)]
    with_metadata: Map,
}

/// Takes the common settings out of those of the plugin.
pub(super) fn read(plugin: &PluginSpec, routes: &[String], found: &mut Found) -> Option<SinkSpec> {
    let settings = &plugin.settings;
    let common: Common = found.note(only_common(settings).read())?;
    let list = |names: Option<Vec<String>>| names.unwrap_or_default();
    let sink = SinkSpec {
        routes: list(common.routes),
        tags_target_key: common.tags_target_key,
        include_keys: list(common.include_keys),
        exclude_keys: list(common.exclude_keys),
        forward_to: common.forward_to.map(|it| ForwardSpec {
            pipelines: it.pipelines,
            with_data: it.with_data,
            with_metadata: it.with_metadata,
        }),
        plugin: plugin.clone(),
    };
    for (n, name) in sink.routes.iter().enumerate() {
        if name != SinkSpec::UNROUTED && !routes.contains(name) {
            found.error(unknown_route(settings, n, name, routes));
        }
    }
    // Only the sink that writes documents reaches into them.
    let shallow = [("include_keys", &sink.include_keys), ("exclude_keys", &sink.exclude_keys)];
    for (key, names) in shallow.into_iter().filter(|_| plugin.name != "opensearch") {
        for (n, name) in names.iter().enumerate().filter(|(_, name)| name.contains('/')) {
            let path = format!("{key}[{n}]");
            let first = name.split('/').find(|it| !it.is_empty()).unwrap_or_default();
            let problem = format!("`{name}` reaches into a field, which `{key}` cannot");
            found.error(settings.problem(&path, problem).with_help(format!(
                "name a field of the document: `{first}`; for parts of it use a processor"
            )));
        }
    }
    if !sink.include_keys.is_empty() && !sink.exclude_keys.is_empty() {
        let problem = "`include_keys` and `exclude_keys` cannot both be given";
        found.error(settings.problem("exclude_keys", problem).with_help("remove one of them"));
    }
    if sink.forward_to.as_ref().is_some_and(|it| it.pipelines.is_empty()) {
        let problem = "`forward_to` names no pipeline";
        let error = settings.problem("forward_to.pipelines", problem);
        found.error(error.with_help("name at least one, or remove it"));
    }
    Some(sink)
}

/// The settings without those that only the plugin knows.
fn only_common(settings: &Settings) -> Settings {
    let entries = settings.entries();
    let others: Vec<&str> =
        entries.iter().map(|(key, _)| *key).filter(|key| !SinkSpec::COMMON.contains(key)).collect();
    settings.without(&others)
}

fn unknown_route(settings: &Settings, n: usize, name: &str, routes: &[String]) -> ConfigError {
    let names = || routes.iter().map(String::as_str);
    let help = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if routes.is_empty() => {
            format!("add `route:` to the pipeline, with `- {name}: 'condition'`")
        }
        None => {
            let known: Vec<_> = names().map(|it| format!("`{it}`")).collect();
            format!("routes are {} and `{}`", known.join(", "), SinkSpec::UNROUTED)
        }
    };
    settings.problem(&format!("routes[{n}]"), format!("there is no route `{name}`")).with_help(help)
}
