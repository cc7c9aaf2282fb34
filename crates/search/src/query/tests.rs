//! Queries that are read, and queries that are not.

use serde_json::json;

use super::*;

#[test]
fn what_is_not_a_query_is_refused_by_name() {
    for (query, reason) in [
        (json!({ "mach": {} }), "unknown query [mach] did you mean [match]?"),
        (json!({ "whatever": {} }), "unknown query [whatever]"),
        (json!({}), "query malformed, empty clause found"),
        (json!([]), "[_na] query malformed, must start with start_object"),
        (
            json!({ "match_all": {}, "term": {} }),
            "[match_all] malformed query, expected [END_OBJECT] but found [FIELD_NAME] [term]",
        ),
        (
            json!({ "match": { "a": "x", "b": "y" } }),
            "[match] query doesn't support multiple fields, found [a] and [b]",
        ),
        (
            json!({ "match": { "a": { "query": "x", "quary": 1 } } }),
            "[match] query does not support [quary]",
        ),
        (json!({ "term": { "a": ["x"] } }), "[term] unknown token [START_ARRAY] after [a]"),
        (json!({ "terms": { "a": "x" } }), "[terms] query does not support [a]"),
        (json!({ "bool": { "mst": [] } }), "[bool] query does not support [mst]"),
        (
            json!({ "range": { "a": { "gte": 1, "lte": 2, "gq": 3 } } }),
            "[range] query does not support [gq]",
        ),
        (
            json!({ "fuzzy": { "a": "x" } }),
            "[fuzzy] queries are not supported by this endpoint yet",
        ),
        (json!({ "exists": {} }), "[exists] requires [field]"),
    ] {
        assert_eq!(parse::query(&query).unwrap_err().reason, reason, "{query}");
    }
}

#[test]
fn queries_have_limits() {
    let mut deep = json!({ "match_all": {} });
    for _ in 0..40 {
        deep = json!({ "bool": { "must": [deep] } });
    }
    assert!(parse::query(&deep).unwrap_err().reason.contains("maximum nested depth"));
    let wide = json!({ "bool": { "should": vec![json!({ "match_all": {} }); 1100] } });
    assert_eq!(parse::query(&wide).unwrap_err().kind, "too_many_clauses");
    let text = "(".repeat(1000);
    assert!(string::parse(&text, &string::Options::default()).is_err());
}

#[test]
fn short_and_long_forms_are_the_same() {
    for (short, long) in [
        (json!({ "match": { "a": "x" } }), json!({ "match": { "a": { "query": "x" } } })),
        (json!({ "term": { "a": 1 } }), json!({ "term": { "a": { "value": 1 } } })),
        (
            json!({ "prefix": { "a": "x" } }),
            json!({ "prefix": { "a": { "value": "x", "boost": 1 } } }),
        ),
        (
            json!({ "bool": { "must": { "match_all": {} } } }),
            json!({ "bool": { "must": [{ "match_all": {} }] } }),
        ),
        (
            json!({ "range": { "a": { "gt": 1 } } }),
            json!({ "range": { "a": { "from": 1, "include_lower": false } } }),
        ),
    ] {
        assert_eq!(parse::query(&short), parse::query(&long), "{short}");
    }
}

#[test]
fn a_minimum_counts_from_either_end() {
    for (minimum, n, expected) in [
        (Minimum::Count(2), 5, 2),
        (Minimum::Count(-2), 5, 3),
        (Minimum::Count(-9), 5, 0),
        (Minimum::Percent(75), 4, 3),
        (Minimum::Percent(-25), 4, 3),
    ] {
        assert_eq!(minimum.of(n), expected, "{minimum:?} of {n}");
    }
}

fn shown(query: &Query) -> String {
    let list = |queries: &[Query], mark: &str| -> String {
        queries.iter().map(|it| format!(" {mark}{}", shown(it))).collect()
    };
    match &query.kind {
        Kind::All => "*".into(),
        Kind::Match(it) => format!("{}:{}", it.field, it.text),
        Kind::Multi { with, is_phrase: false, .. } => with.text.clone(),
        Kind::Multi { with, .. } => format!("'{}'", with.text),
        Kind::Phrase { field, text, slop } => format!("{field}:'{text}'~{slop}"),
        Kind::Prefix { field, value, .. } => format!("{field}:{value}*"),
        Kind::Exists(field) => format!("{field}?"),
        Kind::Range(it) => format!("{}:{:?}..{:?}", it.field, it.from, it.to).replace('"', ""),
        Kind::Bool(it) => format!(
            "({})",
            [list(&it.must, "+"), list(&it.should, ""), list(&it.must_not, "-")].concat().trim()
        ),
        other => format!("{other:?}"),
    }
}

#[test]
fn query_strings_are_read_as_people_write_them() {
    for (text, query) in [
        ("dan", "dan"),
        ("dan brown", "(dan brown)"),
        ("dan AND brown", "(+dan +brown)"),
        ("dan OR brown", "(dan brown)"),
        ("dan AND NOT brown", "(+dan -brown)"),
        ("+dan -brown code", "(+dan code -brown)"),
        ("title:code", "title:code"),
        ("title:(dan brown)", "(title:dan title:brown)"),
        ("author.keyword:\"Dan Brown\"", "author.keyword:'Dan Brown'~0"),
        ("\"da vinci\"~2 code", "('da vinci' code)"),
        ("da*", "*:da*"),
        ("title:da*", "title:da*"),
        ("title:*", "title?"),
        ("_exists_:title", "title?"),
        ("*", "*"),
        ("*:*", "*"),
        ("year:[2000 TO 2010}", "year:Included(String(2000))..Excluded(String(2010))"),
        ("year:>=2000", "year:Included(String(2000))..Unbounded"),
        ("a\\:b", "a:b"),
        ("ANDROID", "ANDROID"),
    ] {
        let parsed = string::parse(text, &string::Options::default()).unwrap();
        assert_eq!(shown(&parsed), query, "{text}");
    }
    for text in ["\"dan", "(dan", "dan)", "title:", "[1 TO", "a:[1 2]"] {
        assert!(string::parse(text, &string::Options::default()).is_err(), "{text}");
    }
}

proptest::proptest! {
    /// Whatever is typed into a search box, it is read or refused.
    #[test]
    fn any_text_is_read_or_refused(text in "[a-c:()\\[\\]{}\"\\\\ *~^+!<>=&|-]{0,40}") {
        let _ = string::parse(&text, &string::Options::default());
    }
}
