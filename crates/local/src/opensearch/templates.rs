//! Calls about templates: the legacy ones, index templates and the components they are made of.

use std::collections::BTreeMap;

use search::{Catalog, Failure, Result, Templates, matches_wildcard, shown_template};
use serde_json::{Map, Value, json};

use super::{Server, answer::Answer, call::Call};

type Kind = fn(&mut Catalog) -> &mut BTreeMap<String, Value>;

const LEGACY: Kind = |it| &mut it.templates.legacy;
const INDEX: Kind = |it| &mut it.templates.index;
const COMPONENT: Kind = |it| &mut it.templates.component;

fn put(
    server: &Server,
    call: &Call,
    what: &str,
    kind: Kind,
    check: fn(&Templates, &str, &Value) -> Result<()>,
) -> Result<Answer> {
    let body = call.required_json()?;
    let name = call.var("name").to_owned();
    let create = call.flag("create", false)?;
    server.node.change(|catalog| {
        check(&catalog.templates, &name, &body)?;
        if create && kind(catalog).contains_key(&name) {
            return Err(Failure::illegal_argument(format!("{what} [{name}] already exists")));
        }
        kind(catalog).insert(name, body);
        Ok(())
    })?;
    Ok(Answer::acknowledged())
}

fn delete(server: &Server, call: &Call, what: &str, kind: Kind) -> Result<Answer> {
    let pattern = call.var("name").to_owned();
    server.node.change(|catalog| {
        let templates = kind(catalog);
        let n_before = templates.len();
        templates.retain(|name, _| !matches_wildcard(&pattern, name));
        if templates.len() == n_before && pattern != "*" {
            let reason = format!("{what} [{pattern}] missing");
            return Err(Failure::new(404, "index_template_missing_exception", reason));
        }
        Ok(())
    })?;
    Ok(Answer::acknowledged())
}

fn matching(call: &Call, templates: &BTreeMap<String, Value>) -> Vec<(String, Value)> {
    let patterns: Vec<&str> = call.var("name").split(',').filter(|it| !it.is_empty()).collect();
    let wanted =
        |name: &str| patterns.is_empty() || patterns.iter().any(|it| matches_wildcard(it, name));
    let found = templates.iter().filter(|(name, _)| wanted(name));
    found.map(|(name, body)| (name.clone(), body.clone())).collect()
}

fn is_one(call: &Call) -> bool {
    !call.var("name").is_empty() && !call.var("name").contains('*')
}

fn list(
    call: &Call,
    templates: &BTreeMap<String, Value>,
    what: &str,
    member: &str,
) -> Result<Answer> {
    let found = matching(call, templates);
    if found.is_empty() && is_one(call) {
        let reason = format!("{what} matching [{}] not found", call.var("name"));
        return Err(Failure::new(404, "resource_not_found_exception", reason));
    }
    let each: Vec<Value> =
        found.into_iter().map(|(name, body)| json!({ "name": name, member: body })).collect();
    Ok(Answer::json(&json!({ (format!("{member}s")): each })))
}

fn head(answer: Result<Answer>) -> Answer {
    Answer::empty(answer.map_or(404, |it| it.status))
}

/// `PUT /_index_template/{name}`
pub(super) fn put_index(server: &Server, call: &Call) -> Result<Answer> {
    put(server, call, "index template", INDEX, Templates::check_index)
}

/// `GET /_index_template/{name}`
pub(super) fn get_index(server: &Server, call: &Call) -> Result<Answer> {
    list(call, &server.node.catalog().templates.index, "index template", "index_template")
}

/// `HEAD /_index_template/{name}`
pub(super) fn has_index(server: &Server, call: &Call) -> Result<Answer> {
    Ok(head(get_index(server, call)))
}

/// `DELETE /_index_template/{name}`
pub(super) fn delete_index(server: &Server, call: &Call) -> Result<Answer> {
    delete(server, call, "index_template", INDEX)
}

/// `PUT /_component_template/{name}`
pub(super) fn put_component(server: &Server, call: &Call) -> Result<Answer> {
    put(server, call, "component template", COMPONENT, |_, _, body| {
        Templates::check_component(body)
    })
}

/// `GET /_component_template/{name}`
pub(super) fn get_component(server: &Server, call: &Call) -> Result<Answer> {
    let catalog = server.node.catalog();
    list(call, &catalog.templates.component, "component template", "component_template")
}

/// `HEAD /_component_template/{name}`
pub(super) fn has_component(server: &Server, call: &Call) -> Result<Answer> {
    Ok(head(get_component(server, call)))
}

/// `DELETE /_component_template/{name}`
pub(super) fn delete_component(server: &Server, call: &Call) -> Result<Answer> {
    delete(server, call, "component_template", COMPONENT)
}

/// `PUT /_template/{name}`
pub(super) fn put_legacy(server: &Server, call: &Call) -> Result<Answer> {
    put(server, call, "index_template", LEGACY, |_, _, body| Templates::check_legacy(body))
}

/// `GET /_template/{name}`
pub(super) fn get_legacy(server: &Server, call: &Call) -> Result<Answer> {
    let found = matching(call, &server.node.catalog().templates.legacy);
    let status = if found.is_empty() && is_one(call) { 404 } else { 200 };
    let shown: Map<String, Value> =
        found.into_iter().map(|(name, body)| (name, shown_template(&body))).collect();
    Ok(Answer::with_status(status, &shown))
}

/// `HEAD /_template/{name}`
pub(super) fn has_legacy(server: &Server, call: &Call) -> Result<Answer> {
    Ok(head(get_legacy(server, call)))
}

/// `DELETE /_template/{name}`
pub(super) fn delete_legacy(server: &Server, call: &Call) -> Result<Answer> {
    delete(server, call, "index_template", LEGACY)
}

/// `POST /_index_template/_simulate_index/{name}`
pub(super) fn simulate(server: &Server, call: &Call) -> Result<Answer> {
    let resolved = server.node.catalog().templates.resolve(call.var("name"))?;
    Ok(Answer::json(&json!({
        "template": {
            "settings": resolved.settings.nested(),
            "mappings": resolved.mapping.to_json(),
            "aliases": resolved.aliases,
        },
        "overlapping": []
    })))
}
