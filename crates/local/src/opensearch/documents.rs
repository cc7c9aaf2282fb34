//! Calls about one document: `_doc`, `_create`, `_source`, `_update`, `_mget`.

use std::sync::Arc;

use search::{
    Action, Done, Failure, Filter, Found, Index, Operation, Outcome, PRIMARY_TERM, Result, Update,
};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Server,
    answer::{Answer, raw},
    call::{Call, Refresh},
    condition::Said,
};

/// What came of a write, as every write answers.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    #[serde(rename = "_index")]
    index: &'a str,
    #[serde(rename = "_id")]
    id: &'a str,
    #[serde(rename = "_version")]
    version: u64,
    result: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    forced_refresh: bool,
    #[serde(rename = "_shards")]
    shards: Copies,
    #[serde(rename = "_seq_no")]
    seq_no: u64,
    #[serde(rename = "_primary_term")]
    primary_term: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) get: Option<Value>,
}

#[derive(Serialize)]
struct Copies {
    total: u64,
    successful: u64,
    failed: u64,
}

impl<'a> Written<'a> {
    pub(super) fn new(index: &'a Index, id: &'a str, done: &Done, refresh: Refresh) -> Written<'a> {
        let shards = match done.outcome {
            Outcome::Noop => Copies { total: 0, successful: 0, failed: 0 },
            _ => Copies { total: 1 + index.settings().n_replicas(), successful: 1, failed: 0 },
        };
        Written {
            index: &index.name,
            id,
            version: done.stamp.version,
            result: done.outcome.as_str(),
            forced_refresh: refresh == Refresh::Now && done.outcome != Outcome::Noop,
            shards,
            seq_no: done.stamp.seq_no,
            primary_term: PRIMARY_TERM,
            status: None,
            get: None,
        }
    }
}

/// The status of a write.
pub(super) fn status(outcome: Outcome) -> u16 {
    match outcome {
        Outcome::Created => 201,
        Outcome::Updated | Outcome::Deleted | Outcome::Noop => 200,
        Outcome::NotFound => 404,
    }
}

/// A conflict says where it happened.
pub(super) fn located(failure: Failure, index: &Index) -> Failure {
    if failure.kind == "version_conflict_engine_exception"
        || failure.kind == "document_missing_exception"
    {
        failure
            .with("index", index.name.as_str())
            .with("shard", "0")
            .with("index_uuid", index.uuid.as_str())
    } else {
        failure
    }
}

fn said(call: &Call, create: bool) -> Said<'_> {
    Said {
        version: call.param("version"),
        version_type: call.param("version_type"),
        if_seq_no: call.param("if_seq_no"),
        if_primary_term: call.param("if_primary_term"),
        create,
    }
}

fn write(server: &Server, call: &Call, index: &Arc<Index>, operation: Operation) -> Result<Answer> {
    let refresh = call.refresh()?;
    let id = operation.id.clone();
    let done = index.write(vec![operation], call.now_ms).remove(0);
    let done = done.map_err(|it| located(it, index))?;
    if refresh != Refresh::Later {
        index.refresh(server.clock.now_ms())?;
    }
    let mut written = Written::new(index, &id, &done, refresh);
    if let (Some(filter), Some(source)) =
        (wanted_source(call)?.filter(|_| is_update(call)), &done.source)
    {
        let source = filter.apply(&String::from_utf8_lossy(source));
        let source: Value = serde_json::from_str(&source).unwrap_or_default();
        written.get = Some(json!({
            "_seq_no": done.stamp.seq_no, "_primary_term": PRIMARY_TERM, "found": true, "_source": source
        }));
    }
    Ok(Answer::with_status(status(done.outcome), &written))
}

fn is_update(call: &Call) -> bool {
    call.path.contains("/_update/")
        && (call.param("_source").is_some()
            || call.param("_source_includes").is_some()
            || call.param("_source_excludes").is_some())
}

/// `PUT /{index}/_doc/{id}`, `POST /{index}/_doc`
pub(super) fn put(server: &Server, call: &Call) -> Result<Answer> {
    let create = match call.param("op_type") {
        None | Some("index") => false,
        Some("create") => true,
        Some(other) => {
            return Err(Failure::illegal_argument(format!(
                "opType must be 'create' or 'index', found: [{other}]"
            )));
        }
    };
    put_with(server, call, create)
}

/// `PUT /{index}/_create/{id}`
pub(super) fn create(server: &Server, call: &Call) -> Result<Answer> {
    put_with(server, call, true)
}

fn put_with(server: &Server, call: &Call, create: bool) -> Result<Answer> {
    let id = match call.var("id") {
        "" => server.node.new_id(),
        id => id.to_owned(),
    };
    // An id of our own is new.
    let condition = said(call, create || call.var("id").is_empty()).read()?;
    if call.body.is_empty() {
        return Err(Failure::new(400, "parse_exception", "request body is required"));
    }
    let index = index_for_write(server, call)?;
    let action = Action::Put(call.body.clone());
    let routing = call.param("routing").map(str::to_owned);
    write(server, call, &index, Operation { id, routing, condition, action })
}

fn index_for_write(server: &Server, call: &Call) -> Result<Arc<Index>> {
    let name = call.var("index");
    if call.flag("require_alias", false)? && !server.node.catalog().aliases.contains_key(name) {
        return Err(no_alias(name));
    }
    server.node.index_for_write(name, call.now_ms)
}

/// A write that wants an alias found none.
pub(super) fn no_alias(name: &str) -> Failure {
    let mut failure = Failure::no_such_index(name, "index_expression");
    failure.reason = format!(
        "no such index [{name}] and [require_alias] request flag is [true] and [{name}] is not an alias"
    );
    failure
}

/// `DELETE /{index}/_doc/{id}`
pub(super) fn delete(server: &Server, call: &Call) -> Result<Answer> {
    let condition = said(call, false).read()?;
    let index =
        index_for_delete(server, call.var("index"), condition.version.is_some(), call.now_ms)?;
    let id = call.var("id").to_owned();
    let routing = call.param("routing").map(str::to_owned);
    write(server, call, &index, Operation { id, routing, condition, action: Action::Delete })
}

/// A delete makes an index only if it has to remember the version.
pub(super) fn index_for_delete(
    server: &Server,
    name: &str,
    external: bool,
    now_ms: u64,
) -> Result<Arc<Index>> {
    if external {
        return server.node.index_for_write(name, now_ms);
    }
    let catalog = server.node.catalog();
    let target = catalog.write_target(name)?;
    server.node.index(target).ok_or_else(|| Failure::no_such_index(target, "index_expression"))
}

/// `POST /{index}/_update/{id}`
pub(super) fn update(server: &Server, call: &Call) -> Result<Answer> {
    if call.param("version").is_some() || call.param("version_type").is_some() {
        return Err(Failure::validation(&[NO_VERSIONS]));
    }
    let condition = said(call, false).read()?;
    let update = read_update(&call.body)?;
    let index = index_for_write(server, call)?;
    let id = call.var("id").to_owned();
    let routing = call.param("routing").map(str::to_owned);
    let action = Action::Update(update);
    write(server, call, &index, Operation { id, routing, condition, action })
}

/// Why an update has no version.
pub(super) const NO_VERSIONS: &str = "Update requests do not support versioning. Please use `if_seq_no` and `if_primary_term` instead";

/// Reads the body of an update; the documents in it stay as they were written.
pub(super) fn read_update(body: &[u8]) -> Result<Update> {
    let text = std::str::from_utf8(body)
        .map_err(|it| Failure::new(400, "json_parse_exception", it.to_string()))?;
    let members = search::Object::read(text)
        .map_err(|it| Failure::new(400, "json_parse_exception", it.to_string()))?;
    let mut update = Update { detect_noop: true, ..Update::default() };
    for (name, value) in &members.0 {
        match name.as_ref() {
            "doc" => update.doc = Some((*value).to_owned()),
            "upsert" => update.upsert = Some((*value).to_owned()),
            "doc_as_upsert" => update.doc_as_upsert = *value == "true",
            "detect_noop" => update.detect_noop = *value != "false",
            "_source" | "fields" | "lang" | "params" => {}
            "script" | "scripted_upsert" => {
                return Err(Failure::illegal_argument(
                    "scripts are not supported by this endpoint; send [doc] instead",
                ));
            }
            unknown => {
                return Err(Failure::new(
                    400,
                    "x_content_parse_exception",
                    format!("[UpdateRequest] unknown field [{unknown}]"),
                ));
            }
        }
    }
    if update.doc.is_none() && (update.upsert.is_none() || update.doc_as_upsert) {
        return Err(Failure::validation(&[if update.doc_as_upsert {
            "doc must be specified if doc_as_upsert is enabled"
        } else {
            "script or doc is missing"
        }]));
    }
    Ok(update)
}

/// A document as it is read.
#[derive(Serialize)]
struct Got<'a> {
    #[serde(rename = "_index")]
    index: &'a str,
    #[serde(rename = "_id")]
    id: &'a str,
    #[serde(flatten)]
    stamp: Option<GotStamp>,
    #[serde(rename = "_routing", skip_serializing_if = "Option::is_none")]
    routing: Option<String>,
    found: bool,
    #[serde(rename = "_source", skip_serializing_if = "Option::is_none")]
    source: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct GotStamp {
    #[serde(rename = "_version")]
    version: u64,
    #[serde(rename = "_seq_no")]
    seq_no: u64,
    #[serde(rename = "_primary_term")]
    primary_term: u64,
}

fn got<'a>(index: &'a str, id: &'a str, found: Option<Found>, filter: Option<&Filter>) -> Got<'a> {
    match found {
        None => Got { index, id, stamp: None, routing: None, found: false, source: None },
        Some(found) => Got {
            index,
            id,
            stamp: Some(GotStamp {
                version: found.stamp.version,
                seq_no: found.stamp.seq_no,
                primary_term: PRIMARY_TERM,
            }),
            routing: found.routing,
            found: true,
            source: filter.map(|it| raw(it.apply(&String::from_utf8_lossy(&found.source)))),
        },
    }
}

/// Which parts of the document the parameters ask for; none, if they say so.
pub(super) fn wanted_source(call: &Call) -> Result<Option<Filter>> {
    let list = |name: &str| -> Vec<String> {
        let paths = call.param(name).unwrap_or_default().split(',');
        paths.filter(|it| !it.is_empty()).map(str::to_owned).collect()
    };
    let mut filter =
        Filter { includes: list("_source_includes"), excludes: list("_source_excludes") };
    match call.param("_source") {
        Some("false") => return Ok(None),
        None | Some("" | "true") => {}
        Some(_) => filter.includes = list("_source"),
    }
    Ok(Some(filter))
}

fn find(server: &Server, call: &Call) -> Result<(Arc<Index>, Option<Found>)> {
    let catalog = server.node.catalog();
    let name = catalog.single(call.var("index"))?;
    let index =
        server.node.index(name).ok_or_else(|| Failure::no_such_index(name, "index_expression"))?;
    if call.flag("refresh", false)? {
        index.refresh(call.now_ms)?;
    }
    let found = index.get(call.var("id"))?;
    if let (Some(version), Some(found)) = (call.number("version")?, &found)
        && version != found.stamp.version
    {
        let reason = format!(
            "[{}]: version conflict, current version [{}] is different than the one provided [{version}]",
            found.id, found.stamp.version
        );
        return Err(located(
            Failure::new(409, "version_conflict_engine_exception", reason),
            &index,
        ));
    }
    Ok((index, found))
}

/// `GET /{index}/_doc/{id}`
pub(super) fn get(server: &Server, call: &Call) -> Result<Answer> {
    let (index, found) = find(server, call)?;
    let status = if found.is_some() { 200 } else { 404 };
    let filter = wanted_source(call)?;
    Ok(Answer::with_status(status, &got(&index.name, call.var("id"), found, filter.as_ref())))
}

/// `GET /{index}/_source/{id}`
pub(super) fn source(server: &Server, call: &Call) -> Result<Answer> {
    let (_, found) = find(server, call)?;
    let Some(found) = found else {
        let reason = format!("Document not found [{}]/[{}]", call.var("index"), call.var("id"));
        return Err(Failure::new(404, "resource_not_found_exception", reason));
    };
    let filter = wanted_source(call)?.unwrap_or_default();
    Ok(Answer::json(&raw(filter.apply(&String::from_utf8_lossy(&found.source)))))
}

/// `POST /_mget`
pub(super) fn mget(server: &Server, call: &Call) -> Result<Answer> {
    let body = call.required_json()?;
    let mut wanted: Vec<(String, String, Option<Filter>)> = Vec::new();
    let default = wanted_source(call)?;
    let here = call.var("index").to_owned();
    for id in body["ids"].as_array().into_iter().flatten() {
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        wanted.push((here.clone(), id, default.clone()));
    }
    for doc in body["docs"].as_array().into_iter().flatten() {
        let text = |name: &str| doc[name].as_str().map(str::to_owned);
        let id = text("_id").or_else(|| doc["_id"].as_i64().map(|it| it.to_string()));
        let (Some(id), index) = (id, text("_index").unwrap_or_else(|| here.clone())) else {
            return Err(Failure::validation(&["id is missing for doc 0"]));
        };
        let filter = match doc.get("_source") {
            None => default.clone(),
            Some(source) => search::Request::read(&json!({ "_source": source }))?.source,
        };
        wanted.push((index, id, filter));
    }
    if wanted.is_empty() {
        return Err(Failure::validation(&["no documents to get"]));
    }
    if wanted.iter().any(|it| it.0.is_empty()) {
        return Err(Failure::validation(&["index is missing for doc 0"]));
    }
    let catalog = server.node.catalog();
    let docs = wanted.iter().map(|(index, id, filter)| {
        let read = catalog.single(index).and_then(|name| {
            let found = match server.node.index(name) {
                Some(index) => index.get(id)?,
                None => return Err(Failure::no_such_index(name, "index_expression")),
            };
            Ok(got(name, id, found, filter.as_ref()))
        });
        match read {
            Ok(got) => raw(serde_json::to_string(&got).unwrap_or_default()),
            Err(failure) => {
                let error = json!({ "_index": index, "_id": id, "error": failure.body()["error"] });
                raw(error.to_string())
            }
        }
    });
    let docs: Vec<Box<RawValue>> = docs.collect();
    #[derive(Serialize)]
    struct Docs {
        docs: Vec<Box<RawValue>>,
    }
    Ok(Answer::json(&Docs { docs }))
}
