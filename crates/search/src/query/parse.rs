//! The query DSL of a request body. Pure.

use std::ops::Bound;

use serde_json::{Map, Value};

use super::{Bool, Kind, Match, Minimum, Query, Range, string};
use crate::error::{Failure, Result};

/// How deep queries may lie inside each other.
const DEPTH_MAX: usize = 30;
/// How many queries one request may have.
const CLAUSES_MAX: usize = 1024;
/// How many values a `terms` query may have.
const TERMS_MAX: usize = 65_536;

/// Queries that OpenSearch has and we do not, yet.
const LATER: [&str; 18] = [
    "wildcard",
    "regexp",
    "fuzzy",
    "match_phrase_prefix",
    "match_bool_prefix",
    "boosting",
    "function_score",
    "script_score",
    "nested",
    "geo_distance",
    "geo_bounding_box",
    "more_like_this",
    "distance_feature",
    "intervals",
    "knn",
    "hybrid",
    "has_child",
    "has_parent",
];

/// Queries that we have, to guess what was meant.
const KNOWN: [&str; 16] = [
    "match_all",
    "match_none",
    "match",
    "match_phrase",
    "multi_match",
    "term",
    "terms",
    "range",
    "exists",
    "ids",
    "prefix",
    "bool",
    "constant_score",
    "dis_max",
    "query_string",
    "simple_query_string",
];

/// Reads a query.
///
/// # Errors
///
/// When it is not one we know, or something about it is unknown, missing or too much.
pub(crate) fn query(value: &Value) -> Result<Query> {
    Reader { n_clauses: 0 }.query(value, 0)
}

struct Reader {
    n_clauses: usize,
}

impl Reader {
    fn query(&mut self, value: &Value, depth: usize) -> Result<Query> {
        if DEPTH_MAX < depth {
            return Err(Failure::illegal_argument(format!(
                "The nested depth of the query exceeds the maximum nested depth for bool queries set in [indices.query.bool.max_nested_depth] [{DEPTH_MAX}]"
            )));
        }
        self.n_clauses += 1;
        if CLAUSES_MAX < self.n_clauses {
            return Err(too_many());
        }
        let members = value.as_object().ok_or_else(|| {
            Failure::parsing("[_na] query malformed, must start with start_object")
        })?;
        let mut members_iter = members.iter();
        let (Some((name, body)), None) = (members_iter.next(), members_iter.next()) else {
            return Err(match members.keys().nth(1) {
                None => Failure::illegal_argument("query malformed, empty clause found"),
                Some(second) => {
                    let first = members.keys().next().expect("there are two");
                    Failure::parsing(format!(
                        "[{first}] malformed query, expected [END_OBJECT] but found [FIELD_NAME] [{second}]"
                    ))
                }
            });
        };
        self.named(name, body, depth)
    }

    fn named(&mut self, name: &str, value: &Value, depth: usize) -> Result<Query> {
        let mut body = Body::new(name, value)?;
        let kind = match name {
            "match_all" => Kind::All,
            "match_none" => Kind::Nothing,
            "match" => return one_field(name, value, "query", match_query),
            "match_phrase" => return one_field(name, value, "query", phrase_query),
            "term" => return one_field(name, value, "value", term_query),
            "prefix" => return one_field(name, value, "value", prefix_query),
            "range" => return one_field(name, value, "", range_query),
            "terms" => terms_query(&mut body)?,
            "exists" => Kind::Exists(body.required_text("field")?),
            "ids" => Kind::Ids(match body.take("values") {
                Some(Value::Array(ids)) => ids.iter().map(text).collect(),
                Some(id) => vec![text(&id)],
                None => return Err(body.missing("values")),
            }),
            "multi_match" => multi_match(&mut body)?,
            "bool" => self.bool(&mut body, depth)?,
            "constant_score" => {
                let filter = body.take("filter").ok_or_else(|| body.missing("filter"))?;
                Kind::Constant(Box::new(self.query(&filter, depth + 1)?))
            }
            "dis_max" => {
                body.take("tie_breaker");
                Kind::Best(self.list(body.take("queries"), depth)?)
            }
            "query_string" | "simple_query_string" => query_string(&mut body)?,
            later if LATER.contains(&later) => {
                return Err(Failure::parsing(format!(
                    "[{later}] queries are not supported by this endpoint yet"
                )));
            }
            unknown => return Err(unknown_query(unknown)),
        };
        body.finish(kind)
    }

    fn bool(&mut self, body: &mut Body, depth: usize) -> Result<Kind> {
        let mut lists = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for (list, name) in lists.iter_mut().zip(["must", "filter", "should", "must_not"]) {
            *list = self.list(body.take(name), depth)?;
        }
        let [must, filter, should, must_not] = lists;
        body.take("adjust_pure_negative");
        let minimum = body.take("minimum_should_match").map(|it| minimum(&it)).transpose()?;
        Ok(Kind::Bool(Bool { must, filter, should, must_not, minimum }))
    }

    fn list(&mut self, value: Option<Value>, depth: usize) -> Result<Vec<Query>> {
        match value {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(each)) => each.iter().map(|it| self.query(it, depth + 1)).collect(),
            Some(one) => Ok(vec![self.query(&one, depth + 1)?]),
        }
    }
}

fn too_many() -> Failure {
    Failure::new(400, "too_many_clauses", format!("maxClauseCount is set to {CLAUSES_MAX}"))
}

fn unknown_query(name: &str) -> Failure {
    let near = KNOWN.iter().filter(|it| distance(it, name) <= 2).map(|it| format!("[{it}]"));
    let near: Vec<String> = near.collect();
    let hint = match near.len() {
        0 => String::new(),
        1 => format!(" did you mean {}?", near[0]),
        _ => format!(" did you mean any of {near:?}?").replace('"', ""),
    };
    Failure::parsing(format!("unknown query [{name}]{hint}"))
}

/// How many letters must be added, dropped or changed to make one of the other.
pub fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (n, l) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], n + 1);
        for (m, r) in right.iter().enumerate() {
            let changed = diagonal + usize::from(l != *r);
            diagonal = row[m + 1];
            row[m + 1] = changed.min(row[m] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

/// The members of a query, ticked off as they are read; what is left over is an error.
struct Body {
    name: String,
    members: Map<String, Value>,
}

impl Body {
    fn new(name: &str, value: &Value) -> Result<Body> {
        match value {
            Value::Object(members) => Ok(Body { name: name.to_owned(), members: members.clone() }),
            _ => Err(Failure::parsing(format!(
                "[{name}] query malformed, no start_object after query name"
            ))),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    fn take_text(&mut self, name: &str) -> Option<String> {
        self.take(name).map(|it| text(&it))
    }

    fn required_text(&mut self, name: &str) -> Result<String> {
        self.take_text(name).ok_or_else(|| self.missing(name))
    }

    fn take_flag(&mut self, name: &str) -> bool {
        self.take(name).is_some_and(|it| text(&it) == "true")
    }

    fn missing(&self, name: &str) -> Failure {
        Failure::illegal_argument(format!("[{}] requires [{name}]", self.name))
    }

    /// What every query may have, and an end to it.
    fn finish(mut self, kind: Kind) -> Result<Query> {
        self.take("_name");
        let boost = match self.take("boost") {
            None => 1.0,
            Some(value) => text(&value)
                .parse::<f32>()
                .ok()
                .filter(|it| it.is_finite() && 0.0 <= *it)
                .ok_or_else(|| {
                    Failure::illegal_argument(format!(
                        "negative [boost] are not allowed in [{}]",
                        self.name
                    ))
                })?,
        };
        match self.members.keys().next() {
            None => Ok(Query { kind, boost }),
            Some(unknown) => {
                Err(Failure::parsing(format!("[{}] query does not support [{unknown}]", self.name)))
            }
        }
    }
}

/// A query whose body is one field: `{"title": "x"}` or `{"title": {"query": "x", …}}`.
fn one_field(
    name: &str,
    value: &Value,
    main: &str,
    read: fn(String, &mut Body) -> Result<Kind>,
) -> Result<Query> {
    let mut body = Body::new(name, value)?;
    let boost = body.take("boost");
    body.take("_name");
    let mut members = std::mem::take(&mut body.members).into_iter();
    let (field, value) = match (members.next(), members.next()) {
        (Some(one), None) => one,
        (Some((first, _)), Some((second, _))) => {
            return Err(Failure::parsing(format!(
                "[{name}] query doesn't support multiple fields, found [{first}] and [{second}]"
            )));
        }
        (None, _) => return Err(Failure::illegal_argument("fieldName must not be null or empty")),
    };
    body.members = match value {
        Value::Object(members) => members,
        Value::Array(_) => {
            return Err(Failure::parsing(format!(
                "[{name}] unknown token [START_ARRAY] after [{field}]"
            )));
        }
        other if !main.is_empty() => Map::from_iter([(main.to_owned(), other)]),
        _ => {
            return Err(Failure::parsing(format!(
                "[{name}] query malformed, no start_object after query name"
            )));
        }
    };
    let kind = read(field, &mut body)?;
    if let Some(boost) = boost {
        body.members.entry("boost").or_insert(boost);
    }
    body.finish(kind)
}

fn match_query(field: String, body: &mut Body) -> Result<Kind> {
    let text = body.required_text("query")?;
    let with = read_match(field, text, body)?;
    if with.text.is_empty() && body.members.contains_key("fuzziness") {
        return Ok(Kind::Nothing);
    }
    Ok(Kind::Match(with))
}

fn read_match(field: String, text: String, body: &mut Body) -> Result<Match> {
    for accepted in ["zero_terms_query", "auto_generate_synonyms_phrase_query", "analyzer"] {
        body.take(accepted);
    }
    let all = operator(body.take_text("operator"))?;
    let minimum = body.take("minimum_should_match").map(|it| minimum(&it)).transpose()?;
    Ok(Match { field, text, all, minimum, lenient: body.take_flag("lenient") })
}

fn phrase_query(field: String, body: &mut Body) -> Result<Kind> {
    let text = body.required_text("query")?;
    body.take("zero_terms_query");
    body.take("analyzer");
    let slop = body.take("slop").and_then(|it| it.as_u64()).unwrap_or_default();
    Ok(Kind::Phrase { field, text, slop: u32::try_from(slop).unwrap_or(u32::MAX) })
}

fn term_query(field: String, body: &mut Body) -> Result<Kind> {
    let value = body.take("value").ok_or_else(|| body.missing("value"))?;
    if value.is_null() {
        return Err(Failure::illegal_argument("value cannot be null"));
    }
    if value.is_array() || value.is_object() {
        return Err(Failure::parsing("[term] query does not support array of values"));
    }
    Ok(Kind::Term { field, value, ignores_case: body.take_flag("case_insensitive") })
}

fn prefix_query(field: String, body: &mut Body) -> Result<Kind> {
    let value = body.required_text("value")?;
    body.take("rewrite");
    Ok(Kind::Prefix { field, value, ignores_case: body.take_flag("case_insensitive") })
}

fn range_query(field: String, body: &mut Body) -> Result<Kind> {
    let mut from = Bound::Unbounded;
    let mut to = Bound::Unbounded;
    let is_true = |it: Option<Value>| it.is_none_or(|it| text(&it) != "false");
    let include_lower = is_true(body.take("include_lower"));
    let include_upper = is_true(body.take("include_upper"));
    let bound = |value: Value, included: bool| match (value, included) {
        (Value::Null, _) => Bound::Unbounded,
        (value, true) => Bound::Included(value),
        (value, false) => Bound::Excluded(value),
    };
    for (name, is_from, included) in [
        ("from", true, include_lower),
        ("to", false, include_upper),
        ("gte", true, true),
        ("gt", true, false),
        ("lte", false, true),
        ("lt", false, false),
    ] {
        if let Some(value) = body.take(name) {
            *if is_from { &mut from } else { &mut to } = bound(value, included);
        }
    }
    for accepted in ["relation", "time_zone"] {
        body.take(accepted);
    }
    Ok(Kind::Range(Range { field, from, to, format: body.take_text("format") }))
}

fn terms_query(body: &mut Body) -> Result<Kind> {
    let special = ["boost", "_name", "value_type"];
    body.take("value_type");
    let mut fields = body.members.keys().filter(|it| !special.contains(&it.as_str())).cloned();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return Err(Failure::parsing(
            "[terms] query requires a field name, followed by array of terms or a document lookup specification",
        ));
    };
    match body.take(&field) {
        Some(Value::Array(values)) if TERMS_MAX < values.len() => {
            Err(Failure::illegal_argument(format!(
                "The number of terms [{}] used in the Terms Query request has exceeded the allowed maximum of [{TERMS_MAX}]. This maximum can be set by changing the [index.max_terms_count] index level setting.",
                values.len()
            )))
        }
        Some(Value::Array(values)) => Ok(Kind::Terms { field, values }),
        Some(Value::Object(_)) => {
            Err(Failure::parsing("[terms] lookups are not supported by this endpoint yet"))
        }
        _ => Err(Failure::parsing(format!("[terms] query does not support [{field}]"))),
    }
}

fn multi_match(body: &mut Body) -> Result<Kind> {
    let text = body.required_text("query")?;
    let fields = weighted_fields(body.take("fields"))?;
    let kind = body.take_text("type").unwrap_or_else(|| "best_fields".into());
    for accepted in ["tie_breaker", "slop"] {
        body.take(accepted);
    }
    let with = read_match(String::new(), text, body)?;
    match kind.as_str() {
        "best_fields" | "most_fields" | "cross_fields" => {
            Ok(Kind::Multi { fields, with, is_phrase: false })
        }
        "phrase" => Ok(Kind::Multi { fields, with, is_phrase: true }),
        other => Err(Failure::parsing(format!(
            "[multi_match] queries of type [{other}] are not supported by this endpoint yet"
        ))),
    }
}

fn query_string(body: &mut Body) -> Result<Kind> {
    let text = body.required_text("query")?;
    let mut fields = weighted_fields(body.take("fields"))?;
    if let Some(field) = body.take_text("default_field") {
        fields = vec![(field, 1.0)];
    }
    let all = operator(body.take_text("default_operator"))?;
    let lenient = body.take_flag("lenient");
    for accepted in [
        "analyze_wildcard",
        "allow_leading_wildcard",
        "analyzer",
        "quote_analyzer",
        "time_zone",
        "minimum_should_match",
        "flags",
        "fuzziness",
        "phrase_slop",
        "rewrite",
        "type",
        "auto_generate_synonyms_phrase_query",
        "max_determinized_states",
    ] {
        body.take(accepted);
    }
    string::parse(&text, &string::Options { fields, all, lenient }).map(|it| it.kind)
}

/// `["title^2", "author"]`.
fn weighted_fields(value: Option<Value>) -> Result<Vec<(String, f32)>> {
    let names: Vec<String> = match value {
        None => Vec::new(),
        Some(Value::Array(names)) => names.iter().map(text).collect(),
        Some(name) => vec![text(&name)],
    };
    names
        .into_iter()
        .map(|name| match name.split_once('^') {
            None => Ok((name, 1.0)),
            Some((field, boost)) => match boost.parse::<f32>() {
                Ok(boost) if boost.is_finite() => Ok((field.to_owned(), boost)),
                _ => Err(Failure::illegal_argument(format!("For input string: \"{boost}\""))),
            },
        })
        .collect()
}

pub(crate) fn operator(text: Option<String>) -> Result<bool> {
    match text.map(|it| it.to_ascii_lowercase()).as_deref() {
        None | Some("or") => Ok(false),
        Some("and") => Ok(true),
        Some(other) => Err(Failure::illegal_argument(format!(
            "operator needs to be either OR or AND, but found [{other}]"
        ))),
    }
}

fn minimum(value: &Value) -> Result<Minimum> {
    let text = text(value);
    let read = match text.trim().strip_suffix('%') {
        Some(percent) => percent.parse().ok().map(Minimum::Percent),
        None => text.trim().parse().ok().map(Minimum::Count),
    };
    read.ok_or_else(|| Failure::illegal_argument(format!("For input string: \"{text}\"")))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
