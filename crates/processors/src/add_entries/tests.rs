use super::*;
use crate::parts::check::{problem, run};

#[test]
fn what_is_there_stays_or_is_replaced_or_becomes_a_list() {
    for (settings, before, after, why) in [
        ("{key: a, value: 2}", r#"{"a":1}"#, r#"{"a":1}"#, "it stays by default"),
        ("{key: a, value: 2}", r#"{"a":null}"#, r#"{"a":null}"#, "null is there, too"),
        ("{key: a, value: 2, overwrite_if_key_exists: true}", r#"{"a":1}"#, r#"{"a":2}"#, ""),
        ("{key: a, value: 2, append_if_key_exists: true}", r#"{"a":[1]}"#, r#"{"a":[1,2]}"#, ""),
        (
            "{key: a, value: 2, append_if_key_exists: true}",
            "{}",
            r#"{"a":2}"#,
            "nothing to append to",
        ),
        ("{key: a, value: null}", "{}", r#"{"a":null}"#, "null is a value"),
        (
            "{key: a, value: 12345678901234567890.10}",
            "{}",
            r#"{"a":12345678901234567890.10}"#,
            "digits",
        ),
        ("{key: a, value: {b: [1, x]}}", "{}", r#"{"a":{"b":[1,"x"]}}"#, "any value"),
        ("{key: a, value_expression: /missing}", "{}", r#"{"a":null}"#, "null for what is missing"),
        (
            "{key: 'x-${b}', value: 1}",
            r#"{"b":"y"}"#,
            r#"{"b":"y","x-y":1}"#,
            "a key with a field in it",
        ),
        (
            "{key: a, format: '${b}'}",
            r#"{"b":1E+2}"#,
            r#"{"b":1E+2,"a":"1E+2"}"#,
            "a number as it is",
        ),
        ("{key: a, value: 1, add_when: /b == 1}", r#"{"b":2}"#, r#"{"b":2}"#, "not now"),
    ] {
        let settings = format!("{{entries: [{settings}]}}");
        assert_eq!(run(&FACTORY, &settings, before).unwrap(), after, "{settings}: {why}");
    }
}

#[test]
fn an_entry_that_fails_leaves_the_others_alone() {
    let settings = "{entries: [{key: a/b, value: 1}, {key: c, value: 2}]}";
    let processor = (FACTORY.build)(&Settings::from_yaml(settings).unwrap()).unwrap();
    let mut event = Event::default();
    event.open().unwrap().insert("a".to_owned(), "text".into());
    assert!(processor.process(&mut event).is_err());
    let fields = Value::Map(event.fields().unwrap().clone());
    assert_eq!(fields.to_string(), r#"{"a":"text","c":2}"#);
}

#[test]
fn each_element_gets_the_field() {
    for (more, after) in [
        ("key: x/y, value: 1", r#"{"n":9,"l":[{"n":1,"x/y":1},{"n":2,"x/y":1}]}"#),
        (
            "key: x/y, value: 1, flatten_key: false",
            r#"{"n":9,"l":[{"n":1,"x":{"y":1}},{"n":2,"x":{"y":1}}]}"#,
        ),
        ("key: x, value_expression: /n", r#"{"n":9,"l":[{"n":1,"x":1},{"n":2,"x":2}]}"#),
        (
            "key: x, format: '${n}', disable_root_keys: false",
            r#"{"n":9,"l":[{"n":1,"x":"9"},{"n":2,"x":"9"}]}"#,
        ),
        ("key: x, value: 1, add_to_element_when: /n == 2", r#"{"n":9,"l":[{"n":1},{"n":2}]}"#),
        (
            "key: x, value: 1, add_to_element_when: /n == 2, evaluate_when_on_element: true",
            r#"{"n":9,"l":[{"n":1},{"n":2,"x":1}]}"#,
        ),
    ] {
        let settings = format!("{{entries: [{{iterate_on: l, {more}}}]}}");
        let found = run(&FACTORY, &settings, r#"{"n":9,"l":[{"n":1},{"n":2}]}"#).unwrap();
        assert_eq!(found, after, "{more}");
    }
    assert!(
        run(&FACTORY, "{entries: [{iterate_on: l, key: x, value: 1}]}", r#"{"l":[1]}"#).is_err()
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (entry, at, because) in [
        ("{key: k, value: 1, format: x}", "entries[0]", "Exactly one of value"),
        ("{key: k}", "entries[0]", "Exactly one of value"),
        ("{value: 1}", "entries[0]", "exactly one of `key`"),
        ("{key: k, value: 1, add_when: '/a =='}", "entries[0].add_when", ""),
        ("{key: k, value_expression: '/a +'}", "entries[0].value_expression", ""),
        ("{key: k, format: '${a'}", "entries[0].format", "never closed"),
        (
            "{key: k, value: 1, add_to_element_when: /a}",
            "entries[0].add_to_element_when",
            "iterate_on",
        ),
        (
            "{key: k, value: 1, overwrite_if_key_exists: true, append_if_key_exists: true}",
            "entries[0].append_if_key_exists",
            "overwrite",
        ),
    ] {
        let error = problem(&FACTORY, &format!("{{entries: [{entry}]}}"));
        assert_eq!(error.at, at, "{entry}: {error}");
        assert!(error.problem.contains(because), "{entry}: {error}");
    }
}
