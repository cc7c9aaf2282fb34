use super::*;
use crate::parts::check::{problem, run};

#[test]
fn a_value_is_looked_up() {
    for (target, before, after) in [
        ("map: {a: x}", r#"{"s":"a"}"#, r#"{"s":"a","t":"x"}"#),
        ("map: {a: x}", r#"{"s":"b"}"#, r#"{"s":"b"}"#),
        ("map: {a: x}", r#"{}"#, r#"{}"#),
        ("map: {1: x}", r#"{"s":1}"#, r#"{"s":1,"t":"x"}"#),
        ("map: {1: x}", r#"{"s":"1"}"#, r#"{"s":"1","t":"x"}"#),
        (
            "map: {'1-2.5,7': x}",
            r#"{"s":2.49999999999999999999999999}"#,
            r#"{"s":2.49999999999999999999999999,"t":"x"}"#,
        ),
        ("map: {'1-2.5,7': x}", r#"{"s":2.51}"#, r#"{"s":2.51}"#),
        ("map: {'-5--1': x}", r#"{"s":-3}"#, r#"{"s":-3,"t":"x"}"#),
        ("map: {a: '7'}, type: integer", r#"{"s":"a"}"#, r#"{"s":"a","t":7}"#),
        ("map: {a: x}, default: y", r#"{"s":"b"}"#, r#"{"s":"b","t":"y"}"#),
        ("map: {a: x}, regex: {patterns: {'a.*': y}}", r#"{"s":"ab"}"#, r#"{"s":"ab","t":"y"}"#),
        ("regex: {patterns: {'2..': ok}}", r#"{"s":204}"#, r#"{"s":204,"t":"ok"}"#),
        ("regex: {patterns: {'2..': ok}}", r#"{"s":2045}"#, r#"{"s":2045}"#),
        ("regex: {exact: false, patterns: {b: X}}", r#"{"s":"abc"}"#, r#"{"s":"abc","t":"aXc"}"#),
        ("map: {a: x}, translate_when: /s == 1", r#"{"s":"a"}"#, r#"{"s":"a"}"#),
    ] {
        let settings = format!("{{mappings: [{{source: s, targets: [{{target: t, {target}}}]}}]}}");
        assert_eq!(run(&FACTORY, &settings, before).unwrap(), after, "{target}");
    }
}

#[test]
fn the_result_stands_beside_the_source() {
    for (source, before, after) in [
        ("a/s", r#"{"a":{"s":"x"}}"#, r#"{"a":{"s":"x","t":"X"}}"#),
        ("a/s", r#"{"a":[{"s":"x"},{"s":"y"},7]}"#, r#"{"a":[{"s":"x","t":"X"},{"s":"y"},7]}"#),
        (
            "a/b/s",
            r#"{"a":[{"b":{"s":"x"}},{"b":[{"s":"x"}]}]}"#,
            r#"{"a":[{"b":{"s":"x","t":"X"}},{"b":[{"s":"x","t":"X"}]}]}"#,
        ),
        ("[p, q]", r#"{"p":"x","q":7}"#, r#"{"p":"x","q":7}"#),
    ] {
        let settings = format!(
            "{{mappings: [{{source: {source}, targets: [{{target: t, map: {{x: X}}}}]}}]}}"
        );
        assert_eq!(run(&FACTORY, &settings, before).unwrap(), after, "{source}");
    }
    let settings =
        "{mappings: [{source: [p, q], targets: [{target: t, regex: {patterns: {'x,7': X}}}]}]}";
    assert_eq!(
        run(&FACTORY, settings, r#"{"p":"x","q":7}"#).unwrap(),
        r#"{"p":"x","q":7,"t":"X"}"#
    );
}

#[test]
fn a_file_has_more_mappings() {
    let path = std::env::temp_dir().join(format!("translate-{}.yaml", std::process::id()));
    let text =
        "mappings: [{source: s, targets: [{target: t, map: {a: file}}, {target: u, map: {a: U}}]}]";
    fs::write(&path, text).unwrap();
    let settings = format!(
        "{{mappings: [{{source: s, targets: [{{target: t, map: {{a: here}}}}]}}], file: {{name: '{}'}}}}",
        path.display()
    );
    let after = run(&FACTORY, &settings, r#"{"s":"a"}"#);
    fs::remove_file(&path).unwrap();
    assert_eq!(after.unwrap(), r#"{"s":"a","t":"here","u":"U"}"#);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (settings, at) in [
        ("{}", ""),
        ("{mappings: [{source: s, targets: []}]}", "mappings[0].targets"),
        (
            "{mappings: [{source: [a/b, c/d], targets: [{target: t, map: {}}]}]}",
            "mappings[0].source",
        ),
        ("{mappings: [{source: s, targets: [{target: t}]}]}", "mappings[0].targets[0]"),
        (
            "{mappings: [{source: s, targets: [{target: t, map: {'1-5': a, '5-9': b}}]}]}",
            "mappings[0].targets[0].map",
        ),
        (
            "{mappings: [{source: s, targets: [{target: t, map: {'a,b': a, b: c}}]}]}",
            "mappings[0].targets[0].map",
        ),
        (
            "{mappings: [{source: s, targets: [{target: t, map: {a: b}, type: integer}]}]}",
            "mappings[0].targets[0].map",
        ),
        ("{file: {name: /nowhere/x.yaml}}", "file.name"),
        ("{file: {name: x, aws: {bucket: b}}}", "file.aws"),
    ] {
        assert_eq!(problem(&FACTORY, settings).at, at, "{settings}");
    }
}
