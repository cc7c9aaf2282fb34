//! A mapping from the JSON of a request. Pure.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::{Dynamic, Field, Kind, Mapping, Node, Object, Template};
use crate::{
    analysis::Analyzer,
    date::Formats,
    error::{Failure, Result},
};

/// How deep a mapping in a request may be nested before we stop reading it.
const DEPTH_MAX: usize = 50;

/// What may stand beside `properties`.
const EXTRAS: [&str; 9] = [
    "_meta",
    "_source",
    "_routing",
    "_size",
    "_field_names",
    "date_detection",
    "numeric_detection",
    "dynamic_date_formats",
    "_data_stream_timestamp",
];

/// What a field may be given, whatever its type.
const PARAMS: [&str; 36] = [
    "index",
    "store",
    "doc_values",
    "norms",
    "index_options",
    "boost",
    "analyzer",
    "search_analyzer",
    "search_quote_analyzer",
    "normalizer",
    "null_value",
    "copy_to",
    "ignore_above",
    "ignore_malformed",
    "coerce",
    "eager_global_ordinals",
    "similarity",
    "format",
    "locale",
    "scaling_factor",
    "path",
    "meta",
    "term_vector",
    "fielddata",
    "fielddata_frequency_filter",
    "position_increment_gap",
    "index_prefixes",
    "index_phrases",
    "split_queries_on_whitespace",
    "ignore_z_value",
    "value",
    "relations",
    "dimension",
    "method",
    "orientation",
    "print_format",
];

pub(super) fn mapping(value: &Value) -> Result<Mapping> {
    let Value::Object(members) = value else {
        return Err(Failure::mapper_parsing("a mapping must be an object"));
    };
    let mut extras = Map::new();
    let mut templates = Vec::new();
    for (name, value) in members {
        match name.as_str() {
            "properties" | "dynamic" | "enabled" => {}
            "dynamic_templates" => templates = Template::read_all(value)?,
            known if EXTRAS.contains(&known) => {
                extras.insert(name.clone(), value.clone());
            }
            _ => {
                return Err(Failure::mapper_parsing(format!(
                    "Root mapping definition has unsupported parameters:  [{name} : {value}]"
                )));
            }
        }
    }
    Ok(Mapping { root: object(members, "", 0)?, extras, templates })
}

fn object(members: &Map<String, Value>, path: &str, depth: usize) -> Result<Object> {
    if DEPTH_MAX < depth {
        return Err(Failure::mapper_parsing("the mapping is nested too deeply"));
    }
    let mut object = Object { dynamic: None, ..Object::default() };
    if let Some(dynamic) = members.get("dynamic") {
        object.dynamic = Some(match text(dynamic).as_str() {
            "true" => Dynamic::Add,
            "false" | "false_allow_templates" => Dynamic::Ignore,
            "strict" | "strict_allow_templates" => Dynamic::Refuse,
            other => {
                let reason = format!("Could not convert [dynamic] to a dynamic mode: [{other}]");
                return Err(Failure::mapper_parsing(reason));
            }
        });
    }
    if let Some(enabled) = members.get("enabled") {
        object.enabled = text(enabled) != "false";
    }
    let properties = match members.get("properties") {
        None => return Ok(object),
        Some(Value::Object(properties)) => properties,
        // An empty list is how some clients write "none".
        Some(Value::Array(none)) if none.is_empty() => return Ok(object),
        Some(_) => {
            return Err(Failure::mapper_parsing("Expected map for property [properties]"));
        }
    };
    for (name, value) in properties {
        let names: Vec<&str> = name.split('.').collect();
        if names.iter().any(|it| it.trim().is_empty()) {
            return Err(Failure::illegal_argument("field name cannot be an empty string"));
        }
        let full = join(path, name);
        let node = node(value, name, &full, depth + 1)?;
        insert(&mut object, &names, node, path)?;
    }
    Ok(object)
}

/// Puts a node where its name says: `a.b` lies in the object `a`.
fn insert(object: &mut Object, names: &[&str], node: Node, path: &str) -> Result<()> {
    let (first, rest) = names.split_first().expect("a name has a part");
    if rest.is_empty() {
        object.properties.insert((*first).to_owned(), node);
        return Ok(());
    }
    let full = join(path, first);
    let inner = object
        .properties
        .entry((*first).to_owned())
        .or_insert_with(|| Node::Object(Object::default()));
    match inner {
        Node::Object(inner) => insert(inner, rest, node, &full),
        Node::Field(_) => Err(Failure::illegal_argument(format!(
            "can't merge a non object mapping [{full}] with an object mapping"
        ))),
    }
}

fn node(value: &Value, name: &str, path: &str, depth: usize) -> Result<Node> {
    let Value::Object(members) = value else {
        return Err(Failure::mapper_parsing(format!(
            "Expected map for property [fields] on field [{name}] but got a class java.lang.String"
        )));
    };
    match members.get("type").map(text).as_deref() {
        None if members.contains_key("properties")
            || members.contains_key("enabled")
            || members.contains_key("dynamic")
            || members.is_empty() =>
        {
            if members.is_empty() {
                let reason = format!("No type specified for field [{name}]");
                return Err(Failure::mapper_parsing(reason));
            }
            object(members, path, depth).map(Node::Object)
        }
        Some("object") => object(members, path, depth).map(Node::Object),
        Some("nested") => {
            Ok(Node::Object(Object { nested: true, ..object(members, path, depth)? }))
        }
        None => Err(Failure::mapper_parsing(format!("No type specified for field [{name}]"))),
        Some(kind) => field(kind, members, name, path).map(|it| Node::Field(Arc::new(it))),
    }
}

/// Reads one field; also used for the fields that dynamic mapping adds.
pub(super) fn field(
    kind_name: &str,
    members: &Map<String, Value>,
    name: &str,
    path: &str,
) -> Result<Field> {
    let mut kind = Kind::named(kind_name).ok_or_else(|| {
        Failure::mapper_parsing(format!(
            "No handler for type [{kind_name}] declared on field [{name}]"
        ))
    })?;
    let bad = |name: &str, value: &Value| {
        Failure::mapper_parsing(format!("Failed to parse value [{value}] of parameter [{name}]"))
    };
    let mut params = members.clone();
    params.remove("type");
    params.remove("fields");
    if let Some(unknown) = params.keys().find(|it| !PARAMS.contains(&it.as_str())) {
        return Err(Failure::mapper_parsing(format!(
            "unknown parameter [{unknown}] on mapper [{name}] of type [{kind_name}]"
        )));
    }
    match &mut kind {
        Kind::Alias(target) => {
            let path = params.get("path").and_then(Value::as_str).ok_or_else(|| {
                Failure::mapper_parsing(format!(
                    "The [path] property must be specified for field [{name}]."
                ))
            })?;
            path.clone_into(target);
        }
        Kind::ScaledFloat(factor) => {
            *factor = params
                .get("scaling_factor")
                .and_then(Value::as_f64)
                .filter(|it| 0.0 < *it)
                .ok_or_else(|| {
                Failure::mapper_parsing(format!(
                    "Field [{name}] misses required parameter [scaling_factor]"
                ))
            })?;
        }
        _ => {}
    }
    let flag = |name: &str, default: bool| match params.get(name).map(|it| (it, text(it))) {
        None => Ok(default),
        Some((_, it)) if it == "true" => Ok(true),
        Some((_, it)) if it == "false" => Ok(false),
        Some((value, _)) => Err(bad(name, value)),
    };
    let formats = match params.get("format").and_then(Value::as_str) {
        Some(format) => Formats::new(format).map_err(|_| {
            Failure::illegal_argument(format!("Invalid format: [{format}]: Unknown pattern letter"))
        })?,
        None => Formats::default(),
    };
    let analyzer = |param: &str| match params.get(param).and_then(Value::as_str) {
        None => Ok(None),
        Some(analyzer) => Analyzer::named(analyzer).map(Some).ok_or_else(|| {
            Failure::mapper_parsing(format!(
                "analyzer [{analyzer}] has not been configured in mappings"
            ))
        }),
    };
    let ignore_above = match params.get("ignore_above") {
        None => None,
        Some(value) => Some(text(value).parse::<usize>().map_err(|_| bad("ignore_above", value))?),
    };
    let lowercase = match params.get("normalizer").and_then(Value::as_str) {
        None => false,
        Some("lowercase") => true,
        Some(other) => {
            return Err(Failure::mapper_parsing(format!(
                "normalizer [{other}] not found for field [{name}]"
            )));
        }
    };
    let copy_to = match params.get("copy_to") {
        None => Vec::new(),
        Some(Value::Array(paths)) => paths.iter().map(text).collect(),
        Some(path) => vec![text(path)],
    };
    Ok(Field {
        path: path.into(),
        index: flag("index", true)?,
        ignore_above,
        ignore_malformed: flag("ignore_malformed", false)?,
        coerce: flag("coerce", true)?,
        null_value: params.get("null_value").filter(|it| !it.is_null()).cloned(),
        copy_to,
        formats,
        analyzer: analyzer("analyzer")?.unwrap_or_default(),
        search_analyzer: analyzer("search_analyzer")?,
        lowercase,
        slot: None,
        fields: multi_fields(members, path)?,
        kind,
        params,
    })
}

fn multi_fields(members: &Map<String, Value>, path: &str) -> Result<BTreeMap<String, Arc<Field>>> {
    let Some(Value::Object(fields)) = members.get("fields") else { return Ok(BTreeMap::new()) };
    fields
        .iter()
        .map(|(name, value)| {
            let full = join(path, name);
            match node(value, name, &full, DEPTH_MAX)? {
                Node::Field(field) if field.fields.is_empty() => Ok((name.clone(), field)),
                _ => Err(Failure::mapper_parsing(format!(
                    "Type [object] cannot be used in multi field [{full}]"
                ))),
            }
        })
        .collect()
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A value as its text: settings may be written as strings, numbers or booleans.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
