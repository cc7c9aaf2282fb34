//! How a mapping grows: what may be added to it, and what may not change. Pure.

use std::sync::Arc;

use serde_json::Value;

use super::{Field, Mapping, Node, Object};
use crate::error::{Failure, Result};

/// What a field may be given a new value for; everything else is in the index already.
const CHANGEABLE: [&str; 9] = [
    "ignore_above",
    "ignore_malformed",
    "coerce",
    "copy_to",
    "search_analyzer",
    "search_quote_analyzer",
    "eager_global_ordinals",
    "meta",
    "boost",
];

pub(super) fn mapping(into: &mut Mapping, from: Mapping) -> Result<()> {
    object(&mut into.root, from.root, "")?;
    into.extras.extend(from.extras);
    for template in from.templates {
        match into.templates.iter_mut().find(|it| it.name == template.name) {
            Some(known) => *known = template,
            None => into.templates.push(template),
        }
    }
    Ok(())
}

fn object(into: &mut Object, from: Object, path: &str) -> Result<()> {
    if from.dynamic.is_some() {
        into.dynamic = from.dynamic;
    }
    if !path.is_empty() && into.nested != from.nested && !from.properties.is_empty() && from.nested
    {
        return Err(Failure::illegal_argument(format!(
            "cannot change object mapping from non-nested to nested [{path}]"
        )));
    }
    for (name, node) in from.properties {
        let full = super::read::join(path, &name);
        match (into.properties.get_mut(&name), node) {
            (None, node) => {
                into.properties.insert(name, node);
            }
            (Some(Node::Object(into)), Node::Object(from)) => object(into, from, &full)?,
            (Some(Node::Field(into)), Node::Field(from)) => field(into, &from, &full)?,
            (Some(Node::Object(_)), Node::Field(_)) => {
                return Err(Failure::illegal_argument(format!(
                    "can't merge a non object mapping [{full}] with an object mapping"
                )));
            }
            (Some(Node::Field(field)), Node::Object(_)) => {
                return Err(Failure::illegal_argument(format!(
                    "can't merge a non object mapping [{full}] of type [{}] with an object mapping",
                    field.kind.name()
                )));
            }
        }
    }
    Ok(())
}

fn field(into: &mut Arc<Field>, from: &Arc<Field>, path: &str) -> Result<()> {
    if into.kind.name() != from.kind.name() {
        return Err(Failure::illegal_argument(format!(
            "mapper [{path}] cannot be changed from type [{}] to [{}]",
            into.kind.name(),
            from.kind.name()
        )));
    }
    let changed = |name: &&str| {
        let value = |field: &Field| {
            field.params.get(*name).map_or_else(|| default(name), super::read::text)
        };
        value(into) != value(from) && !CHANGEABLE.contains(name)
    };
    let names = into.params.keys().chain(from.params.keys()).map(String::as_str);
    if let Some(name) = names.clone().find(changed) {
        let shown =
            |field: &Field| field.params.get(name).map_or_else(|| default(name), super::read::text);
        return Err(Failure::illegal_argument(format!(
            "Mapper for [{path}] conflicts with existing mapper:\n\tCannot update parameter \
             [{name}] from [{}] to [{}]",
            shown(into),
            shown(from)
        )));
    }
    let mut merged = Field {
        slot: into.slot,
        fields: into.fields.clone(),
        params: into.params.clone(),
        ..(**from).clone()
    };
    merged.params.extend(from.params.iter().map(|(name, it)| (name.clone(), it.clone())));
    // What was given before and is not mentioned now stays as it is.
    if !from.params.contains_key("ignore_above") {
        merged.ignore_above = into.ignore_above;
    }
    if !from.params.contains_key("copy_to") {
        merged.copy_to.clone_from(&into.copy_to);
    }
    for (name, new) in &from.fields {
        match merged.fields.get_mut(name) {
            Some(known) => field(known, new, &format!("{path}.{name}"))?,
            None => {
                merged.fields.insert(name.clone(), Arc::clone(new));
            }
        }
    }
    *into = Arc::new(merged);
    Ok(())
}

fn default(param: &str) -> String {
    match param {
        "index" | "doc_values" | "coerce" | "norms" => "true".to_owned(),
        "analyzer" | "search_analyzer" => "default".to_owned(),
        "store" | "ignore_malformed" => "false".to_owned(),
        "format" => crate::date::DEFAULT_FORMAT.to_owned(),
        _ => Value::Null.to_string(),
    }
}
