//! Calls about indices: made, shown, deleted; mappings, settings, refresh and the like.

use std::sync::Arc;

use search::{Failure, Index, Mapping, Options, Result, Settings};
use serde_json::{Map, Value, json};

use super::{
    Server, VERSION,
    aliases::shown_aliases,
    answer::{Answer, shards},
    call::Call,
};

/// `PUT /{index}`
pub(super) fn create(server: &Server, call: &Call) -> Result<Answer> {
    let body = call.json()?;
    if let Some(members) = body.as_object() {
        let known = ["settings", "mappings", "aliases"];
        if let Some(unknown) = members.keys().find(|it| !known.contains(&it.as_str())) {
            return Err(Failure::new(
                400,
                "parse_exception",
                format!("unknown key [{unknown}] for create index"),
            ));
        }
    } else if !body.is_null() {
        return Err(Failure::new(400, "parse_exception", "request body must be an object"));
    }
    let index = server.node.create(call.var("index"), &body, call.now_ms)?;
    Ok(Answer::json(&json!({
        "acknowledged": true, "shards_acknowledged": true, "index": index.name
    })))
}

/// `DELETE /{index}`
pub(super) fn delete(server: &Server, call: &Call) -> Result<Answer> {
    let catalog = server.node.catalog();
    let mut names = Vec::new();
    for part in call.var("index").split(',') {
        if catalog.aliases.contains_key(part) {
            return Err(Failure::illegal_argument(format!(
                "The provided expression [{part}] matches an alias, specify the corresponding concrete indices instead."
            )));
        }
        let options = call.options()?;
        // A wildcard means indices here, not what aliases stand for.
        let matched = catalog.resolve(part, options)?;
        let is_direct = |it: &String| !part.contains('*') || search::matches_wildcard(part, it);
        names.extend(matched.into_iter().filter(is_direct));
    }
    names.sort_unstable();
    names.dedup();
    server.node.delete(&names)?;
    Ok(Answer::acknowledged())
}

fn named(server: &Server, call: &Call) -> Result<Vec<Arc<Index>>> {
    server.node.resolve(call.var("index"), call.options()?)
}

fn per_index(indices: &[Arc<Index>], show: impl Fn(&Index) -> Value) -> Answer {
    let all: Map<String, Value> = indices.iter().map(|it| (it.name.clone(), show(it))).collect();
    Answer::json(&all)
}

/// `GET /{index}`
pub(super) fn get(server: &Server, call: &Call) -> Result<Answer> {
    let catalog = server.node.catalog();
    let flat = call.flag("flat_settings", false)?;
    Ok(per_index(&named(server, call)?, |index| {
        json!({
            "aliases": shown_aliases(&catalog, &index.name, |_| true),
            "mappings": index.mapping().to_json(),
            "settings": shown_settings(index, flat),
        })
    }))
}

/// `HEAD /{index}`
pub(super) fn exists(server: &Server, call: &Call) -> Result<Answer> {
    let options = Options { allow_no_indices: false, ..call.options()? };
    Ok(match server.node.resolve(call.var("index"), options) {
        Ok(_) => Answer::empty(200),
        Err(failure) if failure.status == 404 => Answer::empty(404),
        Err(failure) => return Err(failure),
    })
}

/// `GET /{index}/_mapping`
pub(super) fn get_mapping(server: &Server, call: &Call) -> Result<Answer> {
    Ok(per_index(&named(server, call)?, |it| json!({ "mappings": it.mapping().to_json() })))
}

/// `PUT /{index}/_mapping`
pub(super) fn put_mapping(server: &Server, call: &Call) -> Result<Answer> {
    let body = match call.json()? {
        Value::Null => return Err(Failure::validation(&["mapping source is missing"])),
        body => body,
    };
    let addition = Mapping::read(&body)?;
    let options = Options { allow_no_indices: false, ..call.options()? };
    let indices = server.node.resolve(call.var("index"), options)?;
    // All or none, as far as the mappings decide it.
    for index in &indices {
        (*index.mapping()).clone().merge(addition.clone())?;
    }
    for index in &indices {
        index.put_mapping(addition.clone())?;
    }
    Ok(Answer::acknowledged())
}

fn all_settings(index: &Index) -> Settings {
    let mut settings = (*index.settings()).clone();
    let added = [
        ("index.uuid", index.uuid.clone()),
        ("index.provided_name", index.name.clone()),
        ("index.creation_date", index.created_ms.to_string()),
        ("index.version.created", "136408127".to_owned()),
    ];
    settings.0.extend(added.map(|(name, value)| (name.to_owned(), value)));
    settings
}

fn shown_settings(index: &Index, flat: bool) -> Value {
    let settings = all_settings(index);
    if flat { json!(settings.0) } else { settings.nested() }
}

/// `GET /{index}/_settings`
pub(super) fn get_settings(server: &Server, call: &Call) -> Result<Answer> {
    let flat = call.flag("flat_settings", false)?;
    let pattern = call.var("name").to_owned();
    Ok(per_index(&named(server, call)?, |index| {
        let mut settings = all_settings(index);
        if !pattern.is_empty() && pattern != "_all" {
            settings
                .0
                .retain(|name, _| pattern.split(',').any(|it| search::matches_wildcard(it, name)));
        }
        json!({ "settings": if flat { json!(settings.0) } else { settings.nested() } })
    }))
}

/// `PUT /{index}/_settings`
pub(super) fn put_settings(server: &Server, call: &Call) -> Result<Answer> {
    let body = call.required_json()?;
    let changes = Settings::read(body.get("settings").unwrap_or(&body))?;
    for index in named(server, call)? {
        index.put_settings(&changes)?;
    }
    Ok(Answer::acknowledged())
}

fn on_each(server: &Server, call: &Call, act: impl Fn(&Index) -> Result<()>) -> Result<Answer> {
    let indices = named(server, call)?;
    let mut n_shards = 0;
    for index in &indices {
        act(index)?;
        n_shards += index.settings().n_shards() * (1 + index.settings().n_replicas());
    }
    let n_primaries: u64 = indices.iter().map(|it| it.settings().n_shards()).sum();
    let mut shards = shards(n_shards);
    shards["successful"] = json!(n_primaries);
    Ok(Answer::json(&json!({ "_shards": shards })))
}

/// `POST /{index}/_refresh`
pub(super) fn refresh(server: &Server, call: &Call) -> Result<Answer> {
    on_each(server, call, |it| it.refresh(call.now_ms))
}

/// `POST /{index}/_flush`
pub(super) fn flush(server: &Server, call: &Call) -> Result<Answer> {
    on_each(server, call, |it| it.checkpoint(call.now_ms))
}

/// `POST /{index}/_forcemerge`
pub(super) fn force_merge(server: &Server, call: &Call) -> Result<Answer> {
    on_each(server, call, |it| it.force_merge(call.now_ms))
}

/// `POST /{index}/_cache/clear`
pub(super) fn clear_cache(server: &Server, call: &Call) -> Result<Answer> {
    on_each(server, call, |_| Ok(()))
}

/// `GET /{index}/_stats`
pub(super) fn stats(server: &Server, call: &Call) -> Result<Answer> {
    let indices = named(server, call)?;
    let one = |index: &Index| {
        json!({
            "docs": { "count": index.n_searchable(), "deleted": index.n_deleted() },
            "store": { "size_in_bytes": index.size_bytes() },
            "segments": { "count": index.n_segments(), "version_map_memory_in_bytes": index.version_bytes() },
            "refresh": { "total": index.n_refreshes() },
        })
    };
    let shown: Map<String, Value> = indices
        .iter()
        .map(|it| {
            let stats = one(it);
            (it.name.clone(), json!({ "uuid": it.uuid, "primaries": stats, "total": stats }))
        })
        .collect();
    let sum = |number: fn(&Index) -> u64| indices.iter().map(|it| number(it)).sum::<u64>();
    let all = json!({
        "docs": { "count": sum(Index::n_searchable), "deleted": sum(Index::n_deleted) },
        "store": { "size_in_bytes": sum(Index::size_bytes) },
    });
    let n_shards = indices.iter().map(|it| it.settings().n_shards()).sum();
    Ok(Answer::json(&json!({
        "_shards": shards(n_shards), "_all": { "primaries": all, "total": all }, "indices": shown
    })))
}

/// `GET /`
pub(super) fn root(_: &Server, _: &Call) -> Result<Answer> {
    Ok(Answer::json(&json!({
        "name": "streamdex",
        "cluster_name": "streamdex",
        "cluster_uuid": "streamdex-local-clusters",
        "version": {
            "distribution": "opensearch",
            "number": VERSION,
            "build_type": "streamdex",
            "build_hash": "unknown",
            "build_date": "2026-11-22T00:00:00.000000Z",
            "build_snapshot": false,
            "lucene_version": "9.12.1",
            "minimum_wire_compatibility_version": "7.10.0",
            "minimum_index_compatibility_version": "7.0.0"
        },
        "tagline": "The OpenSearch Project: https://opensearch.org/"
    })))
}
