//! Calls about aliases.

use std::collections::BTreeMap;

use search::{Alias, AliasAction, Catalog, Failure, Options, Result, matches_wildcard};
use serde_json::{Value, json};

use super::{Server, answer::Answer, call::Call};

/// The aliases of an index, as they are shown.
pub(super) fn shown_aliases(
    catalog: &Catalog,
    index: &str,
    wanted: impl Fn(&str) -> bool,
) -> BTreeMap<String, Alias> {
    let aliases = catalog.aliases_of(index).filter(|(name, _)| wanted(name));
    aliases.map(|(name, how)| (name.to_owned(), how.clone())).collect()
}

/// `GET /{index}/_alias/{name}`
pub(super) fn get(server: &Server, call: &Call) -> Result<Answer> {
    let catalog = server.node.catalog();
    let names = catalog.resolve(call.var("index"), Options { hidden: true, ..call.options()? })?;
    let patterns: Vec<&str> =
        call.var("name").split(',').filter(|it| !it.is_empty() && *it != "_all").collect();
    let wanted =
        |alias: &str| patterns.is_empty() || patterns.iter().any(|it| matches_wildcard(it, alias));
    let mut shown: BTreeMap<&str, Value> = BTreeMap::new();
    for name in &names {
        let aliases = shown_aliases(&catalog, name, wanted);
        if patterns.is_empty() || !aliases.is_empty() {
            shown.insert(name, json!({ "aliases": aliases }));
        }
    }
    let missing: Vec<&str> = patterns
        .iter()
        .filter(|it| !it.contains('*'))
        .filter(|it| {
            !names.iter().any(|index| catalog.aliases_of(index).any(|(name, _)| name == **it))
        })
        .copied()
        .collect();
    if missing.is_empty() {
        return Ok(Answer::json(&shown));
    }
    let plural = if missing.len() == 1 { "alias" } else { "aliases" };
    let error = format!("{plural} [{}] missing", missing.join(","));
    if shown.is_empty() {
        return Err(Failure::plain(404, error));
    }
    let mut body = json!(shown);
    body["error"] = json!(error);
    body["status"] = json!(404);
    Ok(Answer::with_status(404, &body))
}

/// `HEAD /{index}/_alias/{name}`
pub(super) fn exists(server: &Server, call: &Call) -> Result<Answer> {
    let status = get(server, call).map_or(404, |it| it.status);
    Ok(Answer::empty(status))
}

/// `PUT /{index}/_alias/{name}`
pub(super) fn put(server: &Server, call: &Call) -> Result<Answer> {
    let how = Alias::read(&call.json()?)?;
    let alias = call.var("name").to_owned();
    let options = Options { allow_no_indices: false, ..call.options()? };
    server.node.change(|catalog| {
        let indices = catalog.resolve(call.var("index"), options)?;
        let actions: Vec<AliasAction> = indices
            .into_iter()
            .map(|index| AliasAction::Add { index, alias: alias.clone(), how: how.clone() })
            .collect();
        catalog.apply(&actions)
    })?;
    Ok(Answer::acknowledged())
}

/// `DELETE /{index}/_alias/{name}`
pub(super) fn delete(server: &Server, call: &Call) -> Result<Answer> {
    let options = Options { allow_no_indices: false, ..call.options()? };
    server.node.change(|catalog| {
        let indices = catalog.resolve(call.var("index"), options)?;
        let patterns: Vec<&str> = call.var("name").split(',').collect();
        let has = |pattern: &str| {
            indices.iter().any(|it| {
                catalog
                    .aliases_of(it)
                    .any(|(name, _)| pattern == "_all" || matches_wildcard(pattern, name))
            })
        };
        if let Some(missing) = patterns.iter().find(|it| !has(it)) {
            let reason = format!("aliases [{missing}] missing");
            return Err(Failure::new(404, "aliases_not_found_exception", reason)
                .with("resource.type", "aliases")
                .with("resource.id", *missing));
        }
        let mut actions = Vec::new();
        for index in &indices {
            for alias in &patterns {
                actions.push(AliasAction::Remove {
                    index: index.clone(),
                    alias: (*alias).to_owned(),
                    must_exist: false,
                });
            }
        }
        catalog.apply(&actions)
    })?;
    Ok(Answer::acknowledged())
}

/// `POST /_aliases`
pub(super) fn update(server: &Server, call: &Call) -> Result<Answer> {
    let body = call.required_json()?;
    let actions = body["actions"]
        .as_array()
        .ok_or_else(|| Failure::validation(&["Must specify at least one alias action"]))?;
    if actions.is_empty() {
        return Err(Failure::validation(&["Must specify at least one alias action"]));
    }
    server.node.change(|catalog| {
        let mut steps = Vec::new();
        for action in actions {
            read(catalog, action, &mut steps)?;
        }
        catalog.apply(&steps)
    })?;
    Ok(Answer::acknowledged())
}

fn read(catalog: &Catalog, action: &Value, steps: &mut Vec<AliasAction>) -> Result<()> {
    let bad = |reason: String| Failure::parsing(format!("[aliases] failed to parse: {reason}"));
    let members = action.as_object().filter(|it| it.len() == 1);
    let (verb, how) = members
        .and_then(|it| it.iter().next())
        .ok_or_else(|| bad("an action has one name".into()))?;
    let mut how =
        how.as_object().cloned().ok_or_else(|| bad(format!("[{verb}] must be an object")))?;
    let mut list = |one: &str, many: &str| -> Vec<String> {
        let texts = |value: Value| match value {
            Value::Array(each) => {
                each.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Value::String(text) => text.split(',').map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        how.remove(one).or_else(|| how.remove(many)).map(texts).unwrap_or_default()
    };
    let (names, aliases) = (list("index", "indices"), list("alias", "aliases"));
    let must_exist = how.remove("must_exist").is_some_and(|it| it == json!(true));
    if names.is_empty() {
        return Err(Failure::illegal_argument("One of [index] or [indices] is required"));
    }
    if aliases.is_empty() && verb != "remove_index" {
        return Err(Failure::illegal_argument("One of [alias] or [aliases] is required"));
    }
    let indices = catalog
        .resolve(&names.join(","), Options { allow_no_indices: false, ..Options::default() })?;
    match verb.as_str() {
        "add" => {
            let how = Alias::read(&Value::Object(how))?;
            for index in indices {
                for alias in &aliases {
                    let (index, alias) = (index.clone(), alias.clone());
                    steps.push(AliasAction::Add { index, alias, how: how.clone() });
                }
            }
        }
        "remove" => {
            let exists = |alias: &str| {
                indices
                    .iter()
                    .any(|it| catalog.aliases_of(it).any(|(name, _)| matches_wildcard(alias, name)))
            };
            for alias in &aliases {
                let missing = !alias.contains('*') && !exists(alias);
                for index in &indices {
                    let must_exist = must_exist || missing;
                    steps.push(AliasAction::Remove {
                        index: index.clone(),
                        alias: alias.clone(),
                        must_exist,
                    });
                }
            }
        }
        "remove_index" => steps.extend(names.into_iter().map(AliasAction::RemoveIndex)),
        other => return Err(bad(format!("unknown action [{other}]"))),
    }
    Ok(())
}
