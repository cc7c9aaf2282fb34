//! What the language means, case by case.
//!
//! `cases.jsonl` holds what users of Data Prepper may rely on. Where we differ on purpose, a case
//! says what Data Prepper gives as well.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use bytes::Bytes;
use expression::{EvalError, Expression, Template};
use pipeline::{Document, Event, Map, Origin, Path, Table, Value};
use wire::stream;

#[test]
fn every_case_comes_out_as_it_says() {
    let wrong: Vec<String> = include_str!("cases.jsonl").lines().filter_map(check).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with a case, if anything is.
fn check(line: &str) -> Option<String> {
    let Value::Map(case) = Value::from_json(line.as_bytes()).unwrap() else {
        panic!("not an object: {line}");
    };
    let expected = match case.get("error") {
        Some(kind) => Err(text(kind).to_owned()),
        None => Ok(case["expected"].clone()),
    };
    let found = outcome(text(&case["mode"]), text(&case["expression"]), &event(&case));
    let same = match (&found, &expected) {
        (Ok(Value::Number(a)), Ok(Value::Number(b))) => {
            pipeline::compare_numbers(a.as_str(), b.as_str()).is_some_and(std::cmp::Ordering::is_eq)
        }
        (found, expected) => found == expected,
    };
    (!same).then(|| format!("{line}\n  found {found:?}"))
}

fn outcome(mode: &str, text: &str, event: &Event) -> Result<Value, String> {
    match mode {
        "parse" => Ok(Expression::parse(text).is_ok().into()),
        "format_valid" => Ok(Template::parse(text).is_ok().into()),
        "format" => {
            let mut out = String::new();
            let template = Template::parse(text).map_err(|_| "malformed".to_owned())?;
            template.render(event, &mut out).map(|()| out.into()).map_err(|error| kind(&error))
        }
        "evaluate" => expression(text)?.eval(event).map_err(|error| kind(&error)),
        "conditional" => match expression(text)?.is_true(event).map_err(|error| kind(&error)) {
            Ok(value) => Ok(value.into()),
            Err(kind) if kind == "evaluation" => Ok(false.into()),
            Err(kind) => Err(kind),
        },
        other => panic!("there is no mode `{other}`"),
    }
}

fn expression(text: &str) -> Result<Expression, String> {
    Expression::parse(text).map_err(|_| "parse".to_owned())
}

fn kind(error: &EvalError) -> String {
    match error {
        EvalError::NotBoolean { .. } => "non_boolean",
        EvalError::KeyNotFound { .. } => "key_not_found",
        _ => "evaluation",
    }
    .to_owned()
}

fn event(case: &Map) -> Event {
    let map = |name: &str| match case.get(name) {
        Some(Value::Map(map)) => map.clone(),
        _ => Map::default(),
    };
    let tags = match case.get("tags") {
        Some(Value::List(tags)) => tags.iter().map(|it| text(it).to_owned()).collect(),
        _ => Vec::new(),
    };
    let is_change = case.get("event_type").is_some_and(|it| text(it) == "STREAM");
    let origin = is_change.then(change);
    Event {
        document: Document::Fields(map("event")),
        origin,
        metadata: map("metadata"),
        tags,
        failure: None,
    }
}

/// The smallest stream record.
fn change() -> Origin {
    let table = Table { name: "t".into(), partition_key: "pk".into(), sort_key: None };
    let body = Bytes::from_static(
        br#"{"Records":[{"eventName":"INSERT","dynamodb":{"ApproximateCreationDateTime":1,
        "Keys":{"pk":{"S":"a"}},"SequenceNumber":"000000000000000000001"}}]}"#,
    );
    let record = stream::page(&body, &mut Vec::new()).unwrap().records.remove(0);
    Origin { table: Arc::new(table), body, record, path: Path::Stream, version: 1 }
}

fn text(value: &Value) -> &str {
    match value {
        Value::String(text) => text,
        other => panic!("{other} is no text"),
    }
}
