//! What is read from settings, and what is said about mistakes in them.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::Value;

/// Settings like those of a real plugin: every kind of field we know.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Sink {
    hosts: Vec<String>,
    index: Option<String>,
    bulk_size: Option<u32>,
    ratio: Option<f64>,
    insecure: bool,
    flush_timeout: i64,
    #[serde(alias = "version_type")]
    document_version_type: Option<VersionType>,
    timeout: Option<Period>,
    #[serde(deserialize_with = "duration")]
    delay: Duration,
    aws: Option<Aws>,
    actions: Vec<Action>,
    value: Value,
    headers: BTreeMap<String, String>,
    dlq: Option<Dlq>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum VersionType {
    Internal,
    External,
    ExternalGte,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Aws {
    region: Option<String>,
    serverless: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Action {
    r#type: String,
    when: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Dlq {
    S3 { bucket: String },
    File(String),
    Nowhere,
}

fn read(text: &str) -> Result<Sink, String> {
    let settings = Settings::from_yaml(text).map_err(|error| error.to_string())?;
    settings.read().map_err(|error| error.to_string())
}

#[track_caller]
fn check_wrong(text: &str, expected: &[&str]) {
    let found = read(text).unwrap_err();
    let found: Vec<&str> =
        found.lines().map(|line| line.strip_prefix("settings:").unwrap()).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn every_kind_of_setting_is_read() {
    let found = read(
        r#"
hosts: [http://a:9200, "http://b:9200"]
index: 7
bulk_size: "5"          # as it comes from a secret
ratio: 0.5
insecure: "true"
flush_timeout: -1
version_type: external_gte
timeout: " 1800 s "
delay: PT1.5S
aws: {region: eu-west-1}
actions:
  - {type: delete, when: 'getMetadata("x") == "y"'}
  - type: index
value: {a: [1.10, 12345678901234567890123456789012345678, "1", yes, true, null]}
headers: {n: 1, b: false}
dlq: {s3: {bucket: failed}}
"#,
    )
    .unwrap();
    let value = br#"{"a":[1.10,12345678901234567890123456789012345678,"1","yes",true,null]}"#;
    let expected = Sink {
        hosts: vec!["http://a:9200".into(), "http://b:9200".into()],
        index: Some("7".into()),
        bulk_size: Some(5),
        ratio: Some(0.5),
        insecure: true,
        flush_timeout: -1,
        document_version_type: Some(VersionType::ExternalGte),
        timeout: Some(Period(Duration::from_mins(30))),
        delay: Duration::from_millis(1500),
        aws: Some(Aws { region: Some("eu-west-1".into()), serverless: false }),
        actions: vec![
            Action { r#type: "delete".into(), when: Some(r#"getMetadata("x") == "y""#.into()) },
            Action { r#type: "index".into(), when: None },
        ],
        value: Value::from_json(value).unwrap(),
        headers: [("b", "false"), ("n", "1")].map(|(k, v)| (k.into(), v.into())).into(),
        dlq: Some(Dlq::S3 { bucket: "failed".into() }),
    };
    assert_eq!(found, expected);
}

#[test]
fn nothing_at_all_is_the_defaults() {
    for text in ["", "~", "{}", "# only a comment", "aws:\nindex: null\ndlq: ~"] {
        assert_eq!(read(text), Ok(Sink::default()), "{text}");
    }
    assert_eq!(read("aws: {}").unwrap().aws, Some(Aws::default()), "given, with nothing in it");
}

#[test]
fn choices_are_read_with_and_without_settings_of_their_own() {
    for (text, dlq) in [
        ("dlq: nowhere", Dlq::Nowhere),
        ("dlq: {nowhere: }", Dlq::Nowhere),
        ("dlq: {file: /tmp/x}", Dlq::File("/tmp/x".into())),
        ("dlq: {s3: {bucket: b}}", Dlq::S3 { bucket: "b".into() }),
    ] {
        assert_eq!(read(text).unwrap().dlq, Some(dlq), "{text}");
    }
}

#[test]
fn a_mistake_says_where_and_what_to_write_instead() {
    for (text, expected) in [
        ("hots: [a]", "1:1: hots: there is no setting `hots`; did you mean `hosts`?"),
        (
            "aws: {regoin: x}",
            "1:7: aws.regoin: there is no setting `regoin`; did you mean `region`?",
        ),
        (
            "aws: {endpoint: x}",
            "1:7: aws.endpoint: there is no setting `endpoint`; known are `region`, `serverless`",
        ),
        ("hosts: http://a", "1:8: hosts: expected a list, found `http://a`; write `[http://a]`"),
        ("hosts:\n - [a]", "2:4: hosts[0]: expected a text, found a list"),
        ("index: {a: 1}", "1:1: index: expected a text, found a map"),
        ("aws: [x]", "1:1: aws: expected settings (`name: value`), found a list"),
        ("aws: eu-west-1", "1:6: aws: expected settings (`name: value`), found `eu-west-1`"),
        ("bulk_size: -1", "1:12: bulk_size: expected a whole number, 0 or more, found `-1`"),
        ("bulk_size: 5.5", "1:12: bulk_size: expected a whole number, 0 or more, found `5.5`"),
        ("flush_timeout: soon", "1:16: flush_timeout: expected a whole number, found `soon`"),
        ("flush_timeout:", "1:1: flush_timeout: expected a whole number, found nothing"),
        ("insecure: yes", "1:11: insecure: expected `true` or `false`, found `yes`"),
        (
            "document_version_type: newest",
            "1:24: document_version_type: `newest` is not one of `internal`, `external`, \
             `external_gte`",
        ),
        (
            "document_version_type: externalgte",
            "1:24: document_version_type: `externalgte` is not one of `internal`, `external`, \
             `external_gte`; did you mean `external_gte`?",
        ),
        (
            "timeout: 5",
            "1:10: timeout: `5` is not a duration; write `60s`, `100ms`, `5m`, `2h`, `1d`, or \
             ISO 8601 as in `PT1H30M`",
        ),
        ("actions: [{when: x}]", "1:11: actions[0]: `type` is missing"),
        ("dlq: {s3: {}}", "1:7: dlq.s3: `bucket` is missing"),
        ("dlq: s3", "1:6: dlq: its settings are missing"),
        (
            "version_type: internal\ndocument_version_type: internal",
            "2:1: document_version_type: `document_version_type` is given in two spellings; keep \
             one of them",
        ),
        (
            "dlq: {s3: {buket: b}}",
            "1:12: dlq.s3.buket: there is no setting `buket`; did you mean `bucket`?",
        ),
        ("[a, b]", "1:1: expected settings (`name: value`), found a list"),
    ] {
        check_wrong(text, &[expected]);
    }
}

#[test]
fn all_mistakes_are_found_at_once_and_told_in_their_order() {
    check_wrong(
        "
aws:
  regoin: x
  serverless: maybe
hots: [a]
actions:
  - type: index
  - when: x
  - {type: [], wen: y}
bulk_size: many
",
        &[
            "3:3: aws.regoin: there is no setting `regoin`; did you mean `region`?",
            "4:15: aws.serverless: expected `true` or `false`, found `maybe`",
            "5:1: hots: there is no setting `hots`; did you mean `hosts`?",
            "8:5: actions[1]: `type` is missing",
            "9:6: actions[2].type: expected a text, found a list",
            "9:16: actions[2].wen: there is no setting `wen`; did you mean `when`?",
            "10:12: bulk_size: expected a whole number, 0 or more, found `many`",
        ],
    );
}

#[test]
fn what_is_not_yaml_is_refused_with_its_place() {
    for (text, expected) in [
        (
            "hosts: [a]\nindex: a\nhosts: [b]",
            "3:1: `hosts` is given twice; the first is in line 1; remove one of them",
        ),
        (
            "a: 1\n---\nb: 2",
            "2:1: a second document begins here, and would never be read; put it into a file of \
             its own, or remove the `---`",
        ),
        ("a: &x {<<: 1}", "1:8: merging with `<<` is not supported; write the keys out"),
        (
            "? [a]\n: 1",
            "1:3: a key must be a name, not a list or a map; put texts that begin with `{` or `[` \
             in quotes",
        ),
        (
            "a: !Sub x",
            "1:4: the tag `!Sub` means nothing here; remove it, or put the text in quotes",
        ),
    ] {
        check_wrong(text, &[expected]);
    }
    for (text, place) in
        [("a: [1, 2", ":1:4:"), ("a: b: c", ":1:5:"), ("a:\n\t- b", ":2:2:"), ("a: *b", ":1:4:")]
    {
        let error = read(text).unwrap_err();
        assert!(error.contains(&format!("{place} this is not YAML:")), "{text}: {error}");
    }
}

#[test]
fn aliases_may_be_used_but_not_to_blow_up() {
    let found = read("hosts: &h [a]\nactions: []\nheaders: {x: &v y, z: *v}").unwrap();
    assert_eq!(found.headers["z"], "y");
    let bomb = (1..30).map(|n| {
        let a = format!("*a{}", n - 1);
        format!("a{n}: &a{n} [{a}, {a}, {a}, {a}, {a}]\n")
    });
    let bomb = format!("a0: &a0 [x]\n{}", bomb.collect::<String>());
    assert!(read(&bomb).unwrap_err().contains("more than 200000 values"));
    assert!(read("a: &a [*a]").unwrap_err().contains("inside the value it refers to"));
    let deep = "[".repeat(10_000);
    assert!(read(&deep).is_err());
    let deep = (1..100).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1));
    let deep = format!("a0: &a0 [x]\n{}", deep.collect::<String>());
    assert!(read(&deep).unwrap_err().contains("deeper than 64 levels"));
}

#[test]
fn a_problem_found_later_points_at_its_setting() {
    let settings = Settings::from_yaml("tables:\n  - table_arn: x\nhosts: [a, b]\n").unwrap();
    for (path, place) in [
        ("", "settings:1:1"),
        ("tables[0].table_arn", "settings:2:16"),
        ("tables[0].stream", "settings:2:5"),
        ("tables", "settings:1:1"),
        ("hosts[1]", "settings:3:12"),
        ("hosts[7]", "settings:3:1"),
        ("nowhere.at[0].all", "settings:1:1"),
    ] {
        let error = settings.problem(path, "is wrong");
        assert_eq!(error.place.unwrap().to_string(), place, "{path}");
    }
    assert_eq!(settings.get("tables[0].table_arn").unwrap().text(), Some("x"));
    assert!(settings.get("tables[1]").is_none());
}

#[test]
fn a_problem_within_a_text_points_at_the_part_of_it() {
    for (text, place) in [
        ("when: '/a == '", "settings:1:12"),
        ("when: /a ==  # nothing", "settings:1:11"),
        ("when: \"/a\\u0020== \"", "settings:1:7"),
        ("when: >-\n  /a\n  ==", "settings:2:3"),
        ("when: |-\n  /a ==", "settings:2:7"),
    ] {
        let settings = Settings::from_yaml(text).unwrap();
        let error = settings.problem_within("when", 4..5, "is wrong");
        assert_eq!(error.place.unwrap().to_string(), place, "{text}");
    }
}

proptest! {
    /// Whatever the text, reading it ends with an answer.
    #[test]
    fn no_text_makes_it_panic(text in "[ \\[\\]{}:,&*a-c0-9!<>|\"'#\n\\-]{0,60}") {
        let _ = read(&text);
    }
}
