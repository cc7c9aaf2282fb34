//! Documents that fit, make the mapping grow, or are refused.

use serde_json::{Value, json};

use super::*;

fn mapping(properties: &Value) -> Mapping {
    let mut mapping = Mapping::read(&json!({ "properties": properties })).unwrap();
    mapping.give_slots(&Default::default());
    mapping
}

fn parsed(mapping: &Mapping, source: &str) -> Parsed {
    match parse(mapping, "1", source).unwrap() {
        Outcome::Parsed(parsed) => parsed,
        Outcome::Unmapped(fields) => panic!("{fields:?} are not mapped"),
    }
}

#[test]
fn values_are_made_to_fit_their_field() {
    let mapping = mapping(&json!({
        "l": { "type": "long" }, "b": { "type": "byte" }, "f": { "type": "float" }, "t": { "type": "boolean" },
        "d": { "type": "date" }, "s": { "type": "scaled_float", "scaling_factor": 100 }, "u": { "type": "unsigned_long" },
        "k": { "type": "keyword", "ignore_above": 3 }, "n": { "type": "long", "null_value": 7 }, "ip": { "type": "ip" },
        "low": { "type": "keyword", "normalizer": "lowercase" }, "h": { "type": "half_float" }
    }));
    for (source, values) in [
        (r#"{"l":1.9}"#, vec![Leaf::I64(1)]),
        (r#"{"l":"7"}"#, vec![Leaf::I64(7)]),
        (r#"{"l":[1,2]}"#, vec![Leaf::I64(1), Leaf::I64(2)]),
        (r#"{"l":null}"#, vec![]),
        (r#"{"n":null}"#, vec![Leaf::I64(7)]),
        (r#"{"f":0.1}"#, vec![Leaf::F64(f64::from(0.1f32))]),
        (r#"{"h":0.1}"#, vec![Leaf::F64(0.099_975_585_937_5)]),
        (r#"{"t":"false"}"#, vec![Leaf::Bool(false)]),
        (r#"{"t":""}"#, vec![Leaf::Bool(false)]),
        (r#"{"d":"1970-01-02"}"#, vec![Leaf::I64(86_400_000)]),
        (r#"{"d":86400000}"#, vec![Leaf::I64(86_400_000)]),
        (r#"{"s":1.239}"#, vec![Leaf::F64(1.24)]),
        (r#"{"u":18446744073709551615}"#, vec![Leaf::U64(u64::MAX)]),
        (r#"{"k":"abc"}"#, vec![Leaf::Str("abc".into())]),
        (r#"{"k":"abcd"}"#, vec![]),
        (r#"{"k":12}"#, vec![Leaf::Str("12".into())]),
        (r#"{"low":"ABC"}"#, vec![Leaf::Str("abc".into())]),
        (r#"{"ip":"10.0.0.1"}"#, vec![Leaf::Str("00000000000000000000ffff0a000001".into())]),
    ] {
        let seen: Vec<Leaf> = parsed(&mapping, source).values.into_iter().map(|it| it.1).collect();
        assert_eq!(seen, values, "{source}");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    let mapping = mapping(&json!({
        "i": { "type": "long" }, "y": { "type": "byte" }, "o": { "properties": { "x": { "type": "text" } } }, "t": { "type": "boolean" },
        "w": { "type": "text" }, "d": { "type": "date" }, "k": { "type": "keyword" }
    }));
    let long = format!(r#"{{"k":"{}"}}"#, "x".repeat(TERM_BYTES_MAX + 1));
    for (source, reason, cause) in [
        (
            r#"{"i":"abc"}"#,
            "failed to parse field [i] of type [long] in document with id '1'. Preview of field's value: 'abc'",
            "For input string: \"abc\"",
        ),
        (
            r#"{"i":9223372036854775808}"#,
            "failed to parse field [i] of type [long] in document with id '1'. Preview of field's value: '9223372036854775808'",
            "Numeric value (9223372036854775808) out of range of long (-9223372036854775808 - 9223372036854775807)",
        ),
        (
            r#"{"y":128}"#,
            "failed to parse field [y] of type [byte] in document with id '1'. Preview of field's value: '128'",
            "Value [128] is out of range for a byte",
        ),
        (
            r#"{"o":1}"#,
            "object mapping for [o] tried to parse field [o] as object, but found a concrete value",
            "",
        ),
        (
            r#"{"w":{"a":1}}"#,
            "failed to parse field [w] of type [text] in document with id '1'. Preview of field's value: '{\"a\":1}'",
            "Can't get text on a START_OBJECT at w",
        ),
        (
            r#"{"t":"yes"}"#,
            "failed to parse field [t] of type [boolean] in document with id '1'. Preview of field's value: 'yes'",
            "Failed to parse value [yes] as only [true] or [false] are allowed.",
        ),
        (
            r#"{"d":"soon"}"#,
            "failed to parse field [d] of type [date] in document with id '1'. Preview of field's value: 'soon'",
            "failed to parse date field [soon] with format [strict_date_optional_time||epoch_millis]",
        ),
        (
            r#"{"_id":1}"#,
            "Field [_id] is a metadata field and cannot be added inside a document. Use the index API request parameters.",
            "",
        ),
        (r#"{"":1}"#, "failed to parse", "field name cannot be an empty string"),
        (
            r#"{"a..b":1}"#,
            "failed to parse",
            "object field starting or ending with a [.] makes object resolution ambiguous: [a..b]",
        ),
        (r#"{"a":1,"a":2}"#, "failed to parse", "Duplicate field 'a'"),
        (
            long.as_str(),
            "Document contains at least one immense term in field=\"k\" (whose UTF8 encoding is longer than the max length 32766), all of which were skipped. Please correct the analyzer to not produce such terms.",
            "",
        ),
    ] {
        let failure = parse(&mapping, "1", source).unwrap_err();
        assert_eq!(failure.reason, reason, "{source:.80}");
        let seen = failure.cause.map(|it| it.reason).unwrap_or_default();
        assert_eq!(seen, cause, "{source:.80}");
    }
    for source in ["", "[]", "1", "{", r#"{"a":}"#, r#"{"a":1} x"#] {
        assert!(parse(&mapping, "1", source).is_err(), "{source}");
    }
}

#[test]
fn words_go_to_the_slot_and_the_keyword_to_its_path() {
    let mapping = mapping(
        &json!({ "title": { "type": "text", "fields": { "keyword": { "type": "keyword" } } } }),
    );
    let parsed = parsed(&mapping, r#"{"title":["The DaVinci code","Inferno"]}"#);
    assert_eq!(parsed.words, [(0, "The DaVinci code".into()), (0, "Inferno".into())]);
    assert_eq!(parsed.present, ["title".into()]);
    let keywords: Vec<_> = parsed.values.iter().map(|(path, _)| &**path).collect();
    assert_eq!(keywords, ["title.keyword"; 2]);
}

#[test]
fn unknown_fields_are_reported_not_refused() {
    let sights = |source: &str| match parse(&Mapping::default(), "1", source).unwrap() {
        Outcome::Unmapped(fields) => {
            fields.into_iter().map(|it| it.0).collect::<Vec<_>>().join(" ")
        }
        Outcome::Parsed(_) => String::new(),
    };
    for (source, fields) in [
        (r#"{"a":1,"b":{"c":"x","d":null}}"#, "a b.c"),
        (r#"{"a":[null,1,2]}"#, "a"),
        (r#"{"a":[{"x":1},{"y":1}]}"#, "a.x a.y"),
        (r#"{"a.b":1}"#, "a.b"),
        (r#"{"a":{}}"#, "a"),
        (r#"{"a":[],"b":null}"#, ""),
    ] {
        assert_eq!(sights(source), fields, "{source}");
    }
}

#[test]
fn dynamic_says_what_to_do_with_the_unknown() {
    let strict = Mapping::read(&json!({ "dynamic": "strict" })).unwrap();
    assert_eq!(
        parse(&strict, "1", r#"{"a":1}"#).unwrap_err().reason,
        "mapping set to strict, dynamic introduction of [a] within [_doc] is not allowed"
    );
    let ignoring = Mapping::read(&json!({ "dynamic": false })).unwrap();
    assert_eq!(parsed(&ignoring, r#"{"a":1}"#), Parsed::default());
}

#[test]
fn malformed_values_may_be_ignored_and_others_copied() {
    let mapping = mapping(&json!({
        "n": { "type": "long", "ignore_malformed": true },
        "a": { "type": "keyword", "copy_to": "all" }, "all": { "type": "keyword" }
    }));
    let paths = |source: &str| {
        let values = parsed(&mapping, source).values;
        values.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(paths(r#"{"n":"abc"}"#), "_ignored");
    assert_eq!(paths(r#"{"a":"x"}"#), "a all");
}

#[test]
fn a_document_too_deep_is_refused() {
    let deep = r#"{"a":"#.repeat(DEPTH_MAX + 2) + "1" + &"}".repeat(DEPTH_MAX + 2);
    assert!(parse(&Mapping::default(), "1", &deep).is_err());
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    assert!(parse(&Mapping::default(), "1", &deep).is_err());
}
