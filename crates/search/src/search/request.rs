//! What a search request asks for. Pure.

use serde_json::Value;

use super::{after::After, sort::Key};
use crate::{
    error::{Failure, Result},
    query::{
        Query,
        parse::{self, distance, operator},
        string,
    },
    raw::Filter,
};

/// A search, read from its body and its parameters.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "these are the flags that a request has")]
pub struct Request {
    /// What to look for.
    pub query: Query,
    /// How many of the best to pass over.
    pub from: usize,
    /// How many to answer with.
    pub size: usize,
    /// In which order; by score, if nothing else was said.
    pub sort: Vec<Key>,
    /// Whether the request says in which order.
    pub is_sorted: bool,
    /// Which parts of the documents to send; none at all, if nothing.
    pub source: Option<Filter>,
    /// How exactly to count.
    pub track_total: TotalWanted,
    /// The least score that counts.
    pub min_score: Option<f32>,
    /// Whether to send the version of each document.
    pub version: bool,
    /// Whether to send its sequence number and primary term.
    pub seq_no_primary_term: bool,
    /// Whether to count scores although something else sorts.
    pub track_scores: bool,
    /// Behind what to begin, one value for each key.
    pub after: Option<Vec<After>>,
    /// Whether equals are told apart by their place, so that pages never overlap.
    pub by_place: bool,
    /// In which view to look, instead of what is there now.
    pub point_in_time: Option<PointInTime>,
}

/// A view that was opened before, and how much longer to keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointInTime {
    /// What it is called.
    pub id: String,
    /// A duration, if it is to be kept longer.
    pub keep_alive: Option<String>,
}

/// How exactly the number of matching documents is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalWanted {
    /// Not at all.
    No,
    /// Up to this many; beyond it, "at least".
    UpTo(u64),
    /// Whatever it is.
    Exact,
}

/// Up to how many matches are counted, unless the request says otherwise.
const TOTAL_MAX: u64 = 10_000;

/// Members that OpenSearch has and we do not, yet.
const LATER: [&str; 12] = [
    "aggs",
    "aggregations",
    "highlight",
    "suggest",
    "collapse",
    "rescore",
    "slice",
    "script_fields",
    "docvalue_fields",
    "fields",
    "ext",
    "derived",
];

/// Members we know, to guess what was meant.
const KNOWN: [&str; 16] = [
    "query",
    "from",
    "size",
    "sort",
    "_source",
    "track_total_hits",
    "min_score",
    "version",
    "seq_no_primary_term",
    "post_filter",
    "stored_fields",
    "timeout",
    "track_scores",
    "explain",
    "search_after",
    "pit",
];

impl Default for Request {
    fn default() -> Request {
        Request {
            query: Query::all(),
            from: 0,
            size: 10,
            sort: vec![Key::score()],
            is_sorted: false,
            source: Some(Filter::default()),
            track_total: TotalWanted::UpTo(TOTAL_MAX),
            min_score: None,
            version: false,
            seq_no_primary_term: false,
            track_scores: false,
            after: None,
            by_place: false,
            point_in_time: None,
        }
    }
}

impl Request {
    /// Reads the body of a search.
    ///
    /// # Errors
    ///
    /// When a member is unknown or makes no sense.
    pub fn read(body: &Value) -> Result<Request> {
        let mut request = Request::default();
        let members = body
            .as_object()
            .ok_or_else(|| Failure::parsing("Expected [START_OBJECT] but found something else"))?;
        let mut post_filter = None;
        for (name, value) in members {
            match name.as_str() {
                "query" => request.query = parse::query(value)?,
                "post_filter" => post_filter = Some(parse::query(value)?),
                "from" => request.from = number(name, value)?,
                "size" => request.size = number(name, value)?,
                "sort" => request.set_sort(Key::read_all(value)?),
                "_source" => request.source = source(value)?,
                "stored_fields" if text(value) == "_none_" => request.source = None,
                "track_total_hits" => request.track_total = total(value)?,
                "min_score" => request.min_score = value.as_f64().map(single),
                "version" => request.version = flag(value),
                "seq_no_primary_term" => request.seq_no_primary_term = flag(value),
                "search_after" => request.after = Some(After::read_all(value)?),
                "pit" => request.point_in_time = Some(PointInTime::read(value)?),
                "track_scores" => request.track_scores = flag(value),
                "stored_fields"
                | "timeout"
                | "terminate_after"
                | "explain"
                | "profile"
                | "stats"
                | "indices_boost"
                | "preference"
                | "allow_partial_search_results"
                | "batched_reduce_size" => {}
                later if LATER.contains(&later) => {
                    let is_empty = value.as_object().is_some_and(serde_json::Map::is_empty)
                        || value.as_array().is_some_and(Vec::is_empty)
                        || value.is_null();
                    if !is_empty {
                        return Err(Failure::illegal_argument(format!(
                            "[{later}] is not supported by this endpoint yet"
                        )));
                    }
                }
                unknown => return Err(unknown_key(unknown, value)),
            }
        }
        if let Some(filter) = post_filter {
            request.query = request.query.filtered_by(filter);
        }
        Ok(request)
    }

    /// Takes over a query in the short form of `?q=`.
    ///
    /// # Errors
    ///
    /// When it does not follow the rules.
    pub fn set_query_string(
        &mut self,
        text: &str,
        default_field: Option<&str>,
        default_operator: Option<String>,
        lenient: bool,
    ) -> Result<()> {
        let fields = default_field.map(|it| (it.to_owned(), 1.0)).into_iter().collect();
        let options = string::Options { fields, all: operator(default_operator)?, lenient };
        self.query = string::parse(text, &options)?;
        Ok(())
    }

    /// Takes over how to sort.
    pub fn set_sort(&mut self, keys: Vec<Key>) {
        self.is_sorted = !keys.is_empty();
        if self.is_sorted {
            self.sort = keys;
        }
    }

    /// All it is sorted by.
    pub(super) fn keys(&self) -> Vec<Key> {
        let place = self.by_place.then(Key::place);
        self.sort.iter().cloned().chain(place).collect()
    }

    /// Makes sure that `search_after` fits how to sort.
    pub(super) fn check_after(&self) -> Result<()> {
        let Some(after) = &self.after else { return Ok(()) };
        if !self.is_sorted && !self.by_place {
            return Err(Failure::illegal_argument("Sort must contain at least one field."));
        }
        let n_keys = self.sort.len() + usize::from(self.by_place);
        if after.len() != n_keys {
            return Err(Failure::illegal_argument(format!(
                "search_after has {} value(s) but sort has {n_keys}.",
                after.len()
            )));
        }
        if 0 < self.from {
            return Err(Failure::illegal_argument(
                "`from` parameter must be set to 0 when `search_after` is used.",
            ));
        }
        Ok(())
    }

    /// Whether the answer has scores.
    pub fn counts_scores(&self) -> bool {
        self.track_scores || self.sort.iter().any(Key::is_score)
    }

    /// Reads the body of a count: a query, and nothing else.
    ///
    /// # Errors
    ///
    /// When there is something else, or the query makes no sense.
    pub fn read_count(body: &Value) -> Result<Query> {
        let members = body
            .as_object()
            .ok_or_else(|| Failure::parsing("Expected [START_OBJECT] but found something else"))?;
        match members.keys().find(|it| *it != "query") {
            Some(unknown) => Err(Failure::parsing(format!("request does not support [{unknown}]"))),
            None => members.get("query").map_or_else(|| Ok(Query::all()), parse::query),
        }
    }
}

impl PointInTime {
    fn read(value: &Value) -> Result<PointInTime> {
        let Some(id) = value["id"].as_str() else {
            return Err(Failure::illegal_argument("point int time id is not provided"));
        };
        let keep_alive = value["keep_alive"].as_str().map(str::to_owned);
        Ok(PointInTime { id: id.to_owned(), keep_alive })
    }
}

fn unknown_key(name: &str, value: &Value) -> Failure {
    let token = match value {
        Value::Object(_) => "START_OBJECT",
        Value::Array(_) => "START_ARRAY",
        Value::String(_) => "VALUE_STRING",
        Value::Number(_) => "VALUE_NUMBER",
        Value::Bool(_) => "VALUE_BOOLEAN",
        Value::Null => "VALUE_NULL",
    };
    let near = KNOWN.iter().find(|it| distance(it, name) <= 2);
    let hint = near.map(|it| format!(" did you mean [{it}]?")).unwrap_or_default();
    Failure::parsing(format!("Unknown key for a {token} in [{name}].{hint}"))
}

/// `false`, a path, paths, or `includes` and `excludes`.
fn source(value: &Value) -> Result<Option<Filter>> {
    let list = |value: Option<&Value>| match value {
        None => Vec::new(),
        Some(Value::Array(paths)) => paths.iter().map(text).collect(),
        Some(path) => vec![text(path)],
    };
    Ok(match value {
        Value::Bool(false) => None,
        Value::Bool(true) => Some(Filter::default()),
        Value::String(it) if it == "false" => None,
        Value::String(it) if it == "true" => Some(Filter::default()),
        Value::String(_) | Value::Array(_) => {
            Some(Filter { includes: list(Some(value)), excludes: Vec::new() })
        }
        Value::Object(members) => {
            let known = ["includes", "include", "excludes", "exclude"];
            if let Some(unknown) = members.keys().find(|it| !known.contains(&it.as_str())) {
                return Err(Failure::parsing(format!(
                    "Unknown key for a START_ARRAY in [{unknown}]."
                )));
            }
            let get =
                |long: &str, short: &str| list(members.get(long).or_else(|| members.get(short)));
            Some(Filter {
                includes: get("includes", "include"),
                excludes: get("excludes", "exclude"),
            })
        }
        _ => {
            return Err(Failure::parsing(
                "Expected one of [VALUE_BOOLEAN, VALUE_STRING, START_ARRAY, START_OBJECT] for [_source]",
            ));
        }
    })
}

fn total(value: &Value) -> Result<TotalWanted> {
    match text(value).as_str() {
        "true" => Ok(TotalWanted::Exact),
        "false" => Ok(TotalWanted::No),
        other => other.parse().map(TotalWanted::UpTo).map_err(|_| {
            Failure::illegal_argument(format!("[track_total_hits] cannot be [{other}]"))
        }),
    }
}

impl TotalWanted {
    /// Reads the parameter of a request.
    ///
    /// # Errors
    ///
    /// When it is neither a flag nor a number.
    pub fn parse(text: &str) -> Result<TotalWanted> {
        total(&Value::from(text))
    }
}

fn number(name: &str, value: &Value) -> Result<usize> {
    match text(value).parse::<i64>() {
        Ok(number) => usize::try_from(number).map_err(|_| {
            Failure::illegal_argument(format!(
                "[{name}] parameter cannot be negative but was [{number}]"
            ))
        }),
        Err(_) => Err(Failure::parsing(format!(
            "Failed to parse int parameter [{name}] with value [{}]",
            text(value)
        ))),
    }
}

fn flag(value: &Value) -> bool {
    text(value) == "true"
}

#[expect(clippy::cast_possible_truncation, reason = "a score has 32 bits")]
fn single(number: f64) -> f32 {
    number as f32
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_says_what_it_does_not_understand() {
        for (body, reason) in [
            (
                json!({ "qurey": {} }),
                "Unknown key for a START_OBJECT in [qurey]. did you mean [query]?",
            ),
            (json!({ "xyz": 1 }), "Unknown key for a VALUE_NUMBER in [xyz]."),
            (json!({ "size": -1 }), "[size] parameter cannot be negative but was [-1]"),
            (json!({ "size": "x" }), "Failed to parse int parameter [size] with value [x]"),
            (json!({ "aggs": { "a": {} } }), "[aggs] is not supported by this endpoint yet"),
        ] {
            assert_eq!(Request::read(&body).unwrap_err().reason, reason, "{body}");
        }
        assert!(Request::read(&json!({ "aggs": {}, "timeout": "1s" })).is_ok());
    }

    #[test]
    fn a_source_may_be_thinned_out_or_left_out() {
        let source = |value: Value| Request::read(&json!({ "_source": value })).unwrap().source;
        assert_eq!(source(json!(false)), None);
        assert_eq!(source(json!(true)), Some(Filter::default()));
        assert_eq!(source(json!("a.*")).unwrap().includes, ["a.*"]);
        assert_eq!(source(json!({ "excludes": ["b"] })).unwrap().excludes, ["b"]);
    }
}
