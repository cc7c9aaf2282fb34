//! Calls that look for documents: `_search`, `_count`, `_analyze`.

use search::{
    Answer as Found, Failure, Key, Query, Request, Result, SortValue, Target, TotalWanted,
    analysis::Analyzer,
};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Server,
    answer::{Answer, raw, shards},
    call::Call,
    documents::wanted_source,
    views,
};

#[derive(Serialize)]
pub(super) struct Searched {
    #[serde(rename = "_scroll_id", skip_serializing_if = "Option::is_none")]
    pub(super) scroll_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pit_id: Option<String>,
    took: u64,
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Value,
    hits: Hits,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "so it is called on the wire")]
struct Hits {
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Value>,
    max_score: Option<f32>,
    hits: Vec<Hit>,
}

#[derive(Serialize)]
struct Hit {
    #[serde(rename = "_index")]
    index: String,
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_version", skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(rename = "_seq_no", skip_serializing_if = "Option::is_none")]
    seq_no: Option<u64>,
    #[serde(rename = "_primary_term", skip_serializing_if = "Option::is_none")]
    primary_term: Option<u64>,
    #[serde(rename = "_score")]
    score: Option<f32>,
    #[serde(rename = "_routing", skip_serializing_if = "Option::is_none")]
    routing: Option<String>,
    #[serde(rename = "_source", skip_serializing_if = "Option::is_none")]
    source: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sort: Vec<SortValue>,
}

/// `GET /{index}/_search`
pub(super) fn search(server: &Server, call: &Call) -> Result<Answer> {
    let mut request = match call.json()? {
        Value::Null => Request::default(),
        body => Request::read(&body)?,
    };
    if request.point_in_time.is_some() {
        return views::search_point(server, call, request);
    }
    apply_params(call, &mut request)?;
    if let Some(keep) = call.param("scroll") {
        return views::open_scroll(server, call, request, keep);
    }
    let found = search::search(targets(server, call)?, &request, call.now_ms)?;
    let took = server.clock.now_ms().saturating_sub(call.now_ms);
    let total_as_int = call.flag("rest_total_hits_as_int", false)?;
    Ok(Answer::json(&render(found, &request, took, total_as_int)))
}

pub(super) fn apply_params(call: &Call, request: &mut Request) -> Result<()> {
    if let Some(text) = call.param("q") {
        let operator = call.param("default_operator").map(str::to_owned);
        let lenient = call.flag("lenient", false)?;
        request.set_query_string(text, call.param("df"), operator, lenient)?;
    }
    let number = |name: &str| -> Result<Option<usize>> {
        let Some(text) = call.param(name) else { return Ok(None) };
        let negative = || {
            Failure::illegal_argument(format!(
                "[{name}] parameter cannot be negative but was [{text}]"
            ))
        };
        if text.starts_with('-') {
            return Err(negative());
        }
        Ok(call.number(name)?.map(|it| usize::try_from(it).unwrap_or(usize::MAX)))
    };
    if let Some(from) = number("from")? {
        request.from = from;
    }
    if let Some(size) = number("size")? {
        request.size = size;
    }
    if let Some(text) = call.param("sort") {
        request.set_sort(Key::parse_all(text)?);
    }
    if let Some(text) = call.param("track_total_hits") {
        request.track_total = TotalWanted::parse(text)?;
    }
    let asks_for_source = ["_source", "_source_includes", "_source_excludes"]
        .iter()
        .any(|it| call.param(it).is_some());
    if asks_for_source {
        request.source = wanted_source(call);
    }
    request.version |= call.flag("version", false)?;
    request.seq_no_primary_term |= call.flag("seq_no_primary_term", false)?;
    request.track_scores |= call.flag("track_scores", false)?;
    Ok(())
}

/// The indices to look into, each with what its alias lets us see.
pub(super) fn targets(server: &Server, call: &Call) -> Result<Vec<Target>> {
    let expression = call.var("index");
    let catalog = server.node.catalog();
    let indices = server.node.resolve(expression, call.options()?)?;
    indices
        .into_iter()
        .map(|index| {
            let filter = catalog.filter_of(expression, &index.name)?;
            Ok(Target { index, filter })
        })
        .collect()
}

pub(super) fn render(found: Found, request: &Request, took: u64, total_as_int: bool) -> Searched {
    let total = match request.track_total {
        _ if total_as_int => Some(json!(found.total)),
        TotalWanted::No => None,
        TotalWanted::UpTo(most) if most < found.total => {
            Some(json!({ "value": most, "relation": "gte" }))
        }
        TotalWanted::UpTo(_) | TotalWanted::Exact => {
            Some(json!({ "value": found.total, "relation": "eq" }))
        }
    };
    let hits = found.hits.into_iter().map(|hit| {
        let stamp = hit.found.stamp;
        let source = request.source.as_ref();
        Hit {
            index: hit.index,
            id: hit.found.id,
            version: request.version.then_some(stamp.version),
            seq_no: request.seq_no_primary_term.then_some(stamp.seq_no),
            primary_term: request.seq_no_primary_term.then_some(search::PRIMARY_TERM),
            score: hit.score,
            routing: hit.found.routing,
            source: source.map(|it| raw(it.apply(&String::from_utf8_lossy(&hit.found.source)))),
            sort: hit.sort,
        }
    });
    let max_score = if found.n_shards == 0 { Some(0.0) } else { found.max_score };
    let shards =
        json!({ "total": found.n_shards, "successful": found.n_shards, "skipped": 0, "failed": 0 });
    Searched {
        scroll_id: None,
        pit_id: None,
        took,
        timed_out: false,
        shards,
        hits: Hits { total, max_score, hits: hits.collect() },
    }
}

/// `GET /{index}/_count`
pub(super) fn count(server: &Server, call: &Call) -> Result<Answer> {
    let mut request = Request::default();
    match call.json()? {
        Value::Null => request.query = Query::all(),
        body => request.query = Request::read_count(&body)?,
    }
    apply_params(call, &mut request)?;
    let targets = targets(server, call)?;
    let n_shards: u64 = targets.iter().map(|it| it.index.settings().n_shards()).sum();
    let count = search::count(&targets, &request.query, call.now_ms)?;
    let mut shards = shards(n_shards);
    shards["skipped"] = json!(0);
    Ok(Answer::json(&json!({ "count": count, "_shards": shards })))
}

/// `POST /_analyze`
pub(super) fn analyze(server: &Server, call: &Call) -> Result<Answer> {
    let body = call.json()?;
    let get = |name: &str| match body.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => call.param(name).map(str::to_owned),
    };
    let texts: Vec<String> = match body.get("text") {
        Some(Value::Array(texts)) => {
            texts.iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect()
        }
        _ => get("text").into_iter().collect(),
    };
    if texts.is_empty() {
        return Err(Failure::validation(&["text is missing"]));
    }
    let analyzer = match (get("analyzer"), get("field")) {
        (Some(name), _) => Analyzer::named(&name).ok_or_else(|| {
            Failure::illegal_argument(format!("failed to find global analyzer [{name}]"))
        })?,
        (None, Some(field)) => {
            let catalog = server.node.catalog();
            let name = catalog.single(call.var("index"))?;
            let index = server.node.index(name);
            index.and_then(|it| it.mapping().analyzer(&field)).unwrap_or_default()
        }
        (None, None) => Analyzer::default(),
    };
    let mut tokens = Vec::new();
    let mut position = 0;
    let mut offset = 0;
    for text in &texts {
        let words = analyzer.places(text);
        let n_words = words.len();
        tokens.extend(words.into_iter().enumerate().map(|(n, (word, bytes))| {
            let utf16 = |at: usize| offset + text[..at].encode_utf16().count();
            let is_number = word.chars().all(char::is_numeric);
            json!({
                "token": word, "start_offset": utf16(bytes.start), "end_offset": utf16(bytes.end),
                "type": if is_number { "<NUM>" } else { "<ALPHANUM>" }, "position": position + n
            })
        }));
        // Between the values of a list lies a gap.
        position += n_words + 100;
        offset += text.encode_utf16().count() + 1;
    }
    Ok(Answer::json(&json!({ "tokens": tokens })))
}
