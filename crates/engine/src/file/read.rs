//! One pipeline of a file, key by key. Pure.
//!
//! What cannot be read is noted and left out, so that the rest is checked as well.

mod sink;

use std::{num::NonZeroUsize, time::Duration};

use expression::{Expression, ParseError};
use pipeline::{ConfigError, Settings, Shape, nearest};
use serde::Deserialize;

use super::{
    Dialect,
    problems::Found,
    spec::{Buffer, PipelineSpec, PluginSpec, RouteSpec},
};

/// What a pipeline may have.
const KEYS: [&str; 8] =
    ["source", "buffer", "processor", "route", "routes", "sink", "workers", "delay"];
/// Names of keys in other programs, and in older versions.
const OTHER_NAMES: [(&str, &str); 6] = [
    ("input", "source"),
    ("prepper", "processor"),
    ("filter", "processor"),
    ("output", "sink"),
    ("destination", "sink"),
    ("threads", "workers"),
];

/// Reads the pipeline called `name`.
pub(super) fn pipeline(
    name: &str,
    settings: &Settings,
    dialect: Dialect,
    found: &mut Found,
) -> Option<PipelineSpec> {
    if settings.shape() != Shape::Map {
        let problem = format!("expected a pipeline, found {}", settings.describe());
        let help = "write `source:` and `sink:` below its name, indented";
        found.error(settings.problem("", problem).with_help(help));
        return None;
    }
    refuse_unknown(settings, found);
    let part = |key: &str| settings.get(key).filter(|it| it.shape() != Shape::Empty);
    let routes = routes(settings, found);
    let mut spec = PipelineSpec {
        name: name.to_owned(),
        place: settings.key_place(),
        settings: settings.clone(),
        source: part("source").and_then(|it| found.note(plugin("source", &it))),
        processors: plugins("processor", part("processor"), found),
        sinks: Vec::new(),
        workers: part("workers").and_then(|it| found.note(workers(&it))),
        delay: part("delay").and_then(|it| found.note(delay(&it))),
        buffer: part("buffer").and_then(|it| found.note(buffer(&it))),
        routes,
    };
    let names = route_names(settings);
    for sink in plugins("sink", part("sink"), found) {
        spec.sinks.extend(sink::read(&sink, &names, found));
    }
    if part("sink").is_none_or(|it| it.shape() == Shape::List && it.items().is_empty()) {
        let problem = format!("the pipeline `{name}` has no sink");
        found.error(at_key(settings, problem).with_help("add `sink:` with at least one `- name:`"));
    }
    if dialect == Dialect::Osis {
        refuse_what_osis_does(settings, found);
    }
    Some(spec)
}

fn at_key(settings: &Settings, problem: impl Into<String>) -> ConfigError {
    ConfigError::new("", problem).with_place(settings.key_place())
}

fn refuse_unknown(settings: &Settings, found: &mut Found) {
    for (key, value) in settings.entries() {
        if KEYS.contains(&key) {
            continue;
        }
        let other = OTHER_NAMES.iter().find(|(it, _)| *it == key).map(|(_, name)| *name);
        let help = match other.or_else(|| nearest(key, KEYS)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "a pipeline has `source`, `processor`, `route` and `sink`; the settings of a \
                     plugin stand below its name"
                .to_owned(),
        };
        found.error(at_key(&value, format!("a pipeline has no `{key}`")).with_help(help));
    }
}

fn refuse_what_osis_does(settings: &Settings, found: &mut Found) {
    for (key, why) in [
        ("buffer", "it brings its own; remove the block"),
        ("workers", "it sets them by its capacity; remove the line"),
        ("delay", "it sets the delay itself; remove the line"),
    ] {
        if let Some(value) = settings.get(key) {
            let problem = format!("OpenSearch Ingestion allows no `{key}`");
            found.error(at_key(&value, problem).with_help(why));
        }
    }
}

/// Reads a list of plugins, each a map with one key.
fn plugins(kind: &str, list: Option<Settings>, found: &mut Found) -> Vec<PluginSpec> {
    let Some(list) = list else { return Vec::new() };
    if list.shape() != Shape::List {
        let problem = format!("`{kind}` is a list of plugins, found {}", list.describe());
        found.error(at_key(&list, problem).with_help("write `- ` before each name"));
        return Vec::new();
    }
    list.items().iter().filter_map(|item| found.note(plugin(kind, item))).collect()
}

/// Reads `name: settings`, or `name` alone.
fn plugin(kind: &str, settings: &Settings) -> Result<PluginSpec, ConfigError> {
    if let Some(name) = settings.text() {
        let (place, name) = (settings.place(), name.to_owned());
        return Ok(PluginSpec { name, place, settings: settings.none_given() });
    }
    let entries = settings.entries();
    let [(name, value), others @ ..] = entries.as_slice() else {
        let problem = format!("expected the name of a {kind}, found {}", settings.describe());
        let help = match kind {
            "source" if settings.shape() == Shape::List => {
                "a pipeline has one: write its name without `- `, as in `dynamodb:`".to_owned()
            }
            "source" => "write its name, as in `dynamodb:`".to_owned(),
            "sink" => "write its name, as in `- opensearch:`".to_owned(),
            _ => "write its name, as in `- rename_keys:`".to_owned(),
        };
        return Err(settings.problem("", problem).with_help(help));
    };
    if let Some((other, second)) = others.first() {
        let problem = format!("`{other}` stands beside `{name}`; only one {kind} can stand here");
        let help = if value.shape() == Shape::Empty {
            format!("if it is a setting of `{name}`, indent it more than `{name}`")
        } else if kind == "source" {
            format!("keep one {kind}; a pipeline for each is possible")
        } else {
            "begin a new item with `- `".to_owned()
        };
        return Err(at_key(second, problem).with_help(help));
    }
    let settings = match value.shape() {
        Shape::Map => value.clone(),
        Shape::Empty => value.none_given(),
        Shape::Scalar | Shape::List => {
            let problem = format!("expected the settings of `{name}`, found {}", value.describe());
            return Err(value.problem("", problem).with_help("write them as `setting: value`"));
        }
    };
    Ok(PluginSpec { name: (*name).to_owned(), place: value.key_place(), settings })
}

fn routes(settings: &Settings, found: &mut Found) -> Vec<RouteSpec> {
    let given =
        ["route", "routes"].map(|key| settings.get(key).filter(|it| it.shape() != Shape::Empty));
    let list = match given {
        [Some(_), Some(second)] => {
            let problem = "`route` and `routes` are the same";
            found.error(at_key(&second, problem).with_help("put all routes into `route`"));
            return Vec::new();
        }
        [Some(list), None] => list,
        [None, Some(list)] => {
            found.warn(at_key(&list, "`routes` is an old spelling").with_help("write `route`"));
            list
        }
        [None, None] => return Vec::new(),
    };
    if list.shape() != Shape::List {
        let problem = format!("`route` is a list of conditions, found {}", list.describe());
        found.error(at_key(&list, problem).with_help("write `- name: 'condition'`"));
        return Vec::new();
    }
    let mut routes: Vec<RouteSpec> = Vec::new();
    for item in list.items() {
        let Some(route) = route(&item, found) else { continue };
        if let Some(first) = routes.iter().find(|it| it.name == route.name) {
            let problem = format!("there is a route `{}` already, at {}", route.name, first.place);
            let error = ConfigError::new("", problem).with_place(route.place);
            found.error(error.with_help("join both conditions with `or`, or choose another name"));
            continue;
        }
        routes.push(route);
    }
    routes
}

/// The names of all routes, of those with mistakes as well.
fn route_names(settings: &Settings) -> Vec<String> {
    let items = ["route", "routes"].into_iter().filter_map(|key| settings.get(key));
    let items = items.flat_map(|list| list.items());
    items.filter_map(|item| item.entries().first().map(|(name, _)| (*name).to_owned())).collect()
}

fn route(item: &Settings, found: &mut Found) -> Option<RouteSpec> {
    let entries = item.entries();
    let [(name, value), others @ ..] = entries.as_slice() else {
        let problem = format!("expected a route, found {}", item.describe());
        found.error(item.problem("", problem).with_help("write `- name: 'condition'`"));
        return None;
    };
    if let Some((other, second)) = others.first() {
        let problem = format!("`{other}` stands beside `{name}`; a route has one name");
        found.error(at_key(second, problem).with_help("begin a new item with `- `"));
        return None;
    }
    if *name == super::SinkSpec::UNROUTED {
        let problem = format!("a route cannot be called `{name}`");
        let help = "the name stands for events of which no route is true; choose another";
        found.error(at_key(value, problem).with_help(help));
        return None;
    }
    let Some(text) = value.text() else {
        let problem = format!("expected the condition of `{name}`, found {}", value.describe());
        found.error(
            value.problem("", problem).with_help("write an expression: '/type == \"book\"'"),
        );
        return None;
    };
    let within = |error: ParseError| {
        let wrong = value.problem_within("", error.span, error.problem);
        ConfigError { help: error.help, ..wrong }
    };
    let condition = match Expression::parse(text) {
        Ok(condition) => condition,
        Err(error) => {
            let problem = format!("this is not an expression: {}", error.problem);
            let help = error.help.clone().unwrap_or_else(|| {
                "expressions look like `/price > 10 and /type == \"book\"`".to_owned()
            });
            found.error(within(ParseError { problem, help: Some(help), ..error }));
            return None;
        }
    };
    if condition.is_condition() == Some(false) {
        let problem = format!("`{condition}` is neither true nor false");
        found.error(value.problem("", problem).with_help("compare it: `/price > 10`"));
        return None;
    }
    for warning in condition.warnings() {
        found.warn(within(warning));
    }
    Some(RouteSpec { name: (*name).to_owned(), place: value.key_place(), condition })
}

fn workers(value: &Settings) -> Result<NonZeroUsize, ConfigError> {
    let n: i64 = value.read().map_err(|error| error.with_help("write 1 or more"))?;
    usize::try_from(n).ok().and_then(NonZeroUsize::new).ok_or_else(|| {
        let problem = format!("a pipeline cannot have {n} workers");
        value.problem("", problem).with_help("write 1 or more, or remove the line")
    })
}

fn delay(value: &Settings) -> Result<Duration, ConfigError> {
    let ms: i64 =
        value.read().map_err(|error| error.with_help("write milliseconds, as in `100`"))?;
    u64::try_from(ms).map(Duration::from_millis).map_err(|_| {
        let problem = format!("a pipeline cannot wait {ms} milliseconds");
        value.problem("", problem).with_help("write 0 or more, or remove the line")
    })
}

/// What the buffers of Data Prepper can be told; it concerns the room of our queues only.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BoundedBlocking {
    buffer_size: Option<NonZeroUsize>,
    batch_size: Option<NonZeroUsize>,
}

fn buffer(value: &Settings) -> Result<Buffer, ConfigError> {
    const KNOWN: [&str; 3] = ["bounded_blocking", "zero", "kafka"];
    let PluginSpec { name, place, settings } = plugin("buffer", value)?;
    match name.as_str() {
        "bounded_blocking" | "zero" => {
            let BoundedBlocking { buffer_size, batch_size } = settings.read()?;
            if let (Some(n_events), Some(n_batch_events)) = (buffer_size, batch_size)
                && n_events < n_batch_events
            {
                let problem = "`batch_size` is larger than `buffer_size`";
                return Err(settings.problem("batch_size", problem).with_help("make it smaller"));
            }
            Ok(Buffer { n_events: buffer_size, n_batch_events: batch_size })
        }
        // It keeps what a source cannot read again. Ours can, from its checkpoint.
        "kafka" => Ok(Buffer::default()),
        _ => {
            let help = match nearest(&name, KNOWN) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove the block".to_owned(),
            };
            let problem = format!("there is no buffer `{name}`");
            Err(ConfigError::new("", problem).with_place(place).with_help(help))
        }
    }
}
