use super::*;
use crate::parts::check::{problem, run, tags};

#[test]
fn pairs_become_fields() {
    for (settings, text, expected) in [
        ("", "a=1&b=2", r#"{"a":"1","b":"2"}"#),
        ("", "a=b=c", r#"{"a":"b=c"}"#),
        ("", "a&b=", r#"{"a":null,"b":""}"#),
        ("", "&&", "{}"),
        ("", "a=1&a=1&a=2", r#"{"a":["1","1","2"]}"#),
        ("skip_duplicate_values: true", "a=1&a=1&a=2", r#"{"a":["1","2"]}"#),
        (
            "field_split_characters: '&&', value_split_characters: '=='",
            "a==1&&b==2",
            r#"{"a":"1","b":"2"}"#,
        ),
        ("field_split_characters: ' ,'", "a=1 b=2,c=3", r#"{"a":"1","b":"2","c":"3"}"#),
        (
            r"field_delimiter_regex: ';\s*', key_value_delimiter_regex: '[:=]'",
            "a:1;  b=2",
            r#"{"a":"1","b":"2"}"#,
        ),
        ("non_match_value: true", "a", r#"{"a":true}"#),
        ("drop_keys_with_no_value: true", "a&b=&c=1", r#"{"c":"1"}"#),
        ("prefix: x_", "a=1", r#"{"x_a":"1"}"#),
        (r"delete_key_regex: '\s', delete_value_regex: '\d'", "a b=x1", r#"{"ab":"x"}"#),
        ("include_keys: [a]", "a=1&b=2", r#"{"a":"1"}"#),
        ("exclude_keys: [a]", "a=1&b=2", r#"{"b":"2"}"#),
        ("default_values: {c: 3, a: 0}", "a=1", r#"{"a":"1","c":3}"#),
        ("transform_key: capitalize", "ab=1", r#"{"Ab":"1"}"#),
        ("whitespace: strict", " a = 1 ", r#"{"a":"1"}"#),
        ("", " a = 1 ", r#"{" a ":" 1 "}"#),
        ("remove_brackets: true", "a=(1)[2]", r#"{"a":"12"}"#),
        ("value_grouping: true", "a=(x&y)&b='p&q'", r#"{"a":"(x&y)","b":"'p&q'"}"#),
        ("value_grouping: true", "a=(x&b=1", r#"{"a":"(x","b":"1"}"#),
        ("string_literal_character: '\"'", "a=\\\"x&y\\\"&b=1", r#"{"a":"x&y","b":"1"}"#),
        ("recursive: true", "a=[b=1&c=(d=2)]", r#"{"a":{"b":"1","c":{"d":"2"}}}"#),
        ("normalize_keys: true", "a:b=1", r#"{"a_b":"1"}"#),
    ] {
        let settings = format!("{{source: t, destination: d, {settings}}}");
        let before = format!(r#"{{"t":"{text}"}}"#);
        let after = format!(r#"{{"t":"{text}","d":{expected}}}"#);
        assert_eq!(run(&FACTORY, &settings, &before).unwrap(), after, "{settings}");
    }
}

#[test]
fn the_destination_may_be_there_already() {
    let keep = "{source: t, destination: d, overwrite_if_destination_exists: false}";
    assert_eq!(run(&FACTORY, keep, r#"{"t":"a=1","d":0}"#).unwrap(), r#"{"t":"a=1","d":0}"#);
    let root = "{source: t, destination: null, overwrite_if_destination_exists: false}";
    assert_eq!(run(&FACTORY, root, r#"{"t":"t=1&b=2"}"#).unwrap(), r#"{"t":"t=1&b=2","b":"2"}"#);
    let marked = "{source: t, tags_on_failure: [x], value_grouping: true, strict_grouping: true}";
    assert_eq!(tags(&FACTORY, marked, r#"{"t":"a=(1"}"#), ["x"]);
    assert!(run(&FACTORY, "{source: t}", r#"{"t":7}"#).is_err());
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (settings, at) in [
        ("{field_split_characters: a, field_delimiter_regex: b}", "field_delimiter_regex"),
        ("{value_split_characters: a, key_value_delimiter_regex: b}", "key_value_delimiter_regex"),
        ("{include_keys: [a], exclude_keys: [a]}", "exclude_keys"),
        ("{strict_grouping: true}", "strict_grouping"),
        ("{field_split_characters: ''}", "field_split_characters"),
        ("{string_literal_character: x}", "string_literal_character"),
        ("{default_values: [a]}", "default_values"),
        ("{transform_key: upper}", "transform_key"),
    ] {
        assert_eq!(problem(&FACTORY, settings).at, at, "{settings}");
    }
}
