//! Mappings that are read, grow, refuse, and come back.

use super::*;

fn read(value: &Value) -> Mapping {
    Mapping::read(value).unwrap()
}

#[test]
fn a_mapping_comes_back_as_it_was_given() {
    let given = json!({
        "dynamic": "strict",
        "_meta": { "migrationMappingPropertyHashes": { "a": "1" } },
        "dynamic_templates": [{ "strings": { "match_mapping_type": "string", "mapping": { "type": "keyword" } } }],
        "properties": {
            "author": { "type": "text", "fields": { "keyword": { "type": "keyword", "ignore_above": 256 } } },
            "price": { "type": "scaled_float", "scaling_factor": 100 },
            "seen": { "type": "date", "format": "yyyy/MM/dd" },
            "who": { "properties": { "name": { "type": "keyword" } } },
            "any": { "type": "object" },
            "off": { "enabled": false },
            "many": { "type": "nested", "properties": { "n": { "type": "byte" } } }
        }
    });
    assert_eq!(read(&given).to_json(), given);
}

#[test]
fn a_field_is_found_by_its_path() {
    let mapping = read(&json!({ "properties": {
        "a": { "properties": { "b": { "type": "text", "fields": { "raw": { "type": "keyword" } } } } },
        "c.d": { "type": "long" },
        "e": { "type": "alias", "path": "a.b" }
    }}));
    for (path, kind) in [
        ("a.b", Some("text")),
        ("a.b.raw", Some("keyword")),
        ("c.d", Some("long")),
        ("e", Some("text")),
        ("a", None),
        ("a.x", None),
        ("a.b.raw.x", None),
    ] {
        assert_eq!(mapping.field(path).map(|it| it.kind.name()), kind, "{path}");
    }
    assert_eq!(mapping.matching("a.*").len(), 2);
    assert_eq!(mapping.matching("a").len(), 2);
}

#[test]
fn what_cannot_be_mapped_is_refused() {
    for (mapping, reason) in [
        (
            json!({ "properties": { "a": { "type": "txet" } } }),
            "No handler for type [txet] declared on field [a]",
        ),
        (json!({ "properties": { "a": {} } }), "No type specified for field [a]"),
        (
            json!({ "properties": { "a": { "type": "text", "indx": true } } }),
            "unknown parameter [indx] on mapper [a] of type [text]",
        ),
        (
            json!({ "propertys": {} }),
            "Root mapping definition has unsupported parameters:  [propertys : {}]",
        ),
        (
            json!({ "properties": { "a": { "type": "scaled_float" } } }),
            "Field [a] misses required parameter [scaling_factor]",
        ),
        (
            json!({ "properties": { "a": { "type": "text", "analyzer": "klingon" } } }),
            "analyzer [klingon] has not been configured in mappings",
        ),
    ] {
        assert_eq!(Mapping::read(&mapping).unwrap_err().reason, reason);
    }
}

#[test]
fn a_mapping_grows_but_a_type_stays() {
    let base = json!({ "properties": { "a": { "type": "keyword" }, "o": { "properties": { "x": { "type": "long" } } } } });
    for (addition, reason) in [
        (json!({ "properties": { "b": { "type": "text" } } }), None),
        (json!({ "properties": { "o": { "properties": { "y": { "type": "long" } } } } }), None),
        (json!({ "properties": { "a": { "type": "keyword", "ignore_above": 9 } } }), None),
        (
            json!({ "properties": { "a": { "type": "text" } } }),
            Some("mapper [a] cannot be changed from type [keyword] to [text]"),
        ),
        (
            json!({ "properties": { "o": { "type": "long" } } }),
            Some("can't merge a non object mapping [o] with an object mapping"),
        ),
        (
            json!({ "properties": { "a": { "properties": { "z": { "type": "long" } } } } }),
            Some("can't merge a non object mapping [a] of type [keyword] with an object mapping"),
        ),
        (
            json!({ "properties": { "a": { "type": "keyword", "index": false } } }),
            Some(
                "Mapper for [a] conflicts with existing mapper:\n\tCannot update parameter [index] from [true] to [false]",
            ),
        ),
    ] {
        let result = read(&base).merge(read(&addition));
        assert_eq!(result.err().map(|it| it.reason).as_deref(), reason, "{addition}");
    }
}

#[test]
fn the_first_value_decides_the_type() {
    let text = |it: &str| Sight::String(it.to_owned());
    let number = |it: &str| Sight::Number(it.to_owned());
    for (sight, kind) in [
        (text("Volume-1"), "text"),
        (text("2024-01-01"), "date"),
        (text("42"), "text"),
        (number("42"), "long"),
        (number("4.2"), "float"),
        (number("1e3"), "float"),
        (Sight::Boolean, "boolean"),
    ] {
        let mut mapping = Mapping::default();
        mapping.add("a.b", &sight).unwrap();
        assert_eq!(mapping.field("a.b").unwrap().kind.name(), kind, "{sight:?}");
    }
    assert!(Mapping::default().add("n", &number("9223372036854775808")).is_err());
}

#[test]
fn a_template_decides_before_the_value() {
    let mut mapping = read(&json!({ "dynamic_templates": [
        { "ids": { "match": "*_id", "mapping": { "type": "keyword" } } },
        { "words": { "match_mapping_type": "string", "path_match": "raw.*", "mapping": { "type": "{dynamic_type}", "index": false } } }
    ]}));
    mapping.add("user_id", &Sight::Number("7".into())).unwrap();
    mapping.add("raw.x", &Sight::String("y".into())).unwrap();
    mapping.add("x", &Sight::String("y".into())).unwrap();
    assert_eq!(mapping.field("user_id").unwrap().kind, Kind::Keyword);
    assert!(!mapping.field("raw.x").unwrap().index);
    assert!(mapping.field("x.keyword").is_some());
}

#[test]
fn slots_are_kept_and_handed_out_in_order() {
    let mut mapping = read(&json!({ "properties": {
        "b": { "type": "text" }, "n": { "type": "long" },
        "k": { "type": "keyword", "fields": { "words": { "type": "text" } } }
    }}));
    mapping.give_slots(&BTreeMap::new());
    let before = mapping.slots();
    assert_eq!(before, BTreeMap::from([("b".into(), 0), ("k.words".into(), 1)]));
    mapping.add("a", &Sight::String("x".into())).unwrap();
    mapping.give_slots(&before);
    assert_eq!(mapping.slots()["a"], 2);
    assert_eq!(mapping.slots()["b"], 0);
}

#[test]
fn a_mapping_has_limits() {
    let mut mapping = Mapping::default();
    for n in 0..10 {
        mapping.add(&format!("f{n}"), &Sight::Boolean).unwrap();
    }
    assert!(mapping.check_limits("books", 10).is_ok());
    assert_eq!(
        mapping.check_limits("books", 9).unwrap_err().reason,
        "Limit of total fields [9] in index [books] has been exceeded"
    );
    mapping.add(&vec!["d"; DEPTH_MAX + 1].join("."), &Sight::Boolean).unwrap();
    assert!(mapping.check_limits("books", 1000).is_err());
}
