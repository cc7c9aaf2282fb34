//! `streamdex evaluate`: one expression, one event, one line of JSON.

use std::{io::Read, ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use expression::{EvalError, Expression, ParseError, Template};
use pipeline::{Document, Event, Map, Origin, Table, Value};

use crate::{
    cli::{Evaluate, EventType, Mode},
    failure::Failure,
    process::say,
};

/// What an expression came to.
type Outcome = Result<Value, Wrong>;

/// Why it came to nothing, as it is printed.
#[derive(Debug, PartialEq)]
struct Wrong {
    kind: &'static str,
    problem: String,
    span: Option<Range<usize>>,
}

pub(super) fn run(args: &Evaluate) -> Result<(), Failure> {
    let mut event = Event {
        document: Document::Fields(read_map("--event", args.event.as_deref())?),
        metadata: read_map("--metadata", args.metadata.as_deref())?,
        ..Event::default()
    };
    event.tags.clone_from(&args.tags);
    from(&mut event, args.event_type);
    let outcome = evaluate(args.mode, &args.expression, &event);
    say(&line(args.mode, &outcome));
    match outcome {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::told()),
    }
}

/// Has the event come from somewhere, and be known for nothing else: its metadata is what was given.
fn from(event: &mut Event, event_type: EventType) {
    const RECORD: &[u8] = br#"{"Records":[{"eventName":"INSERT","dynamodb":{
        "ApproximateCreationDateTime":1,"Keys":{"k":{"S":""}},"SequenceNumber":"1"}}]}"#;
    let path = match event_type {
        EventType::Event => return,
        EventType::Stream => pipeline::Path::Stream,
        EventType::Export => pipeline::Path::Export,
    };
    let body = Bytes::from_static(RECORD);
    let page = wire::stream::page(&body, &mut Vec::new());
    let Some(record) = page.ok().and_then(|it| it.records.into_iter().next()) else { return };
    let table =
        Arc::new(Table { name: String::new(), partition_key: String::new(), sort_key: None });
    event.origin = Some(Origin { table, body, record, path, version: 0 });
    for name in Origin::NAMES {
        event.metadata.entry(name.to_owned()).or_insert(Value::Null);
    }
}

fn evaluate(mode: Mode, text: &str, event: &Event) -> Outcome {
    let expression = || Expression::parse(text).map_err(|error| not_parsed("parse", &error));
    match mode {
        Mode::Parse => expression().map(|_| true.into()),
        Mode::Evaluate => expression()?.eval(event).map_err(failed),
        Mode::Conditional => match expression()?.is_true(event) {
            Ok(value) => Ok(value.into()),
            // As in a pipeline file: what has no value is not true.
            Err(EvalError::Failed { .. }) => Ok(false.into()),
            Err(error) => Err(failed(error)),
        },
        Mode::Format => {
            let template = Template::parse(text).map_err(|it| not_parsed("malformed", &it))?;
            let mut out = String::new();
            template.render(event, &mut out).map_err(failed)?;
            Ok(out.into())
        }
    }
}

fn not_parsed(kind: &'static str, error: &ParseError) -> Wrong {
    Wrong { kind, problem: error.to_string(), span: Some(error.span.clone()) }
}

fn failed(error: EvalError) -> Wrong {
    let problem = error.to_string();
    let (kind, span) = match error {
        EvalError::NotBoolean { .. } => ("non_boolean", None),
        EvalError::KeyNotFound { span, .. } => ("key_not_found", Some(span)),
        EvalError::Failed { span, .. } => ("evaluation", Some(span)),
        EvalError::Closed | EvalError::Damaged(_) => ("evaluation", None),
    };
    Wrong { kind, problem, span }
}

/// The line. Asked only whether it is an expression, it says `"result": false` as well.
fn line(mode: Mode, outcome: &Outcome) -> String {
    match outcome {
        Ok(value) => format!("{{\"result\":{value}}}"),
        Err(Wrong { kind, problem, span }) => {
            let result = if mode == Mode::Parse { "\"result\":false," } else { "" };
            let problem = Value::from(problem.as_str());
            let span =
                span.as_ref().map_or("null".to_owned(), |it| format!("[{},{}]", it.start, it.end));
            format!("{{{result}\"error\":{problem},\"kind\":\"{kind}\",\"span\":{span}}}")
        }
    }
}

/// A JSON object from a file; `-` is standard input, and no file an empty object.
fn read_map(option: &str, path: Option<&Path>) -> Result<Map, Failure> {
    let Some(path) = path else { return Ok(Map::default()) };
    let name = path.display();
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut text).map(drop)
    } else {
        std::fs::read(path).map(|it| text = it)
    };
    read.map_err(|error| Failure::wrong(format!("{option} {name} cannot be read: {error}")))?;
    match Value::from_json(&text) {
        Ok(Value::Map(map)) => Ok(map),
        _ => Err(Failure::wrong(format!(
            "{option} {name} is not a JSON object; write one, such as {{\"price\": 12.5}}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mode: Mode, text: &str, expected: &str) {
        let Ok(Value::Map(fields)) = Value::from_json(br#"{"price":10.250,"name":"x"}"#) else {
            panic!("a document")
        };
        let event = Event { document: Document::Fields(fields), ..Event::default() };
        assert_eq!(line(mode, &evaluate(mode, text, &event)), expected, "{text}");
    }

    #[test]
    fn an_event_comes_from_where_it_is_said_to() {
        for (event_type, expected) in [
            (EventType::Event, r#"{"result":"event"}"#),
            (EventType::Stream, r#"{"result":"STREAM"}"#),
            (EventType::Export, r#"{"result":"EXPORT"}"#),
        ] {
            let mut event = Event::default();
            event.metadata.insert("table_name".to_owned(), "books".into());
            from(&mut event, event_type);
            let told = |text| line(Mode::Evaluate, &evaluate(Mode::Evaluate, text, &event));
            assert_eq!(told("getEventType()"), expected);
            assert_eq!(told(r#"getMetadata("table_name")"#), r#"{"result":"books"}"#);
            assert_eq!(told(r#"getMetadata("primary_key")"#), r#"{"result":null}"#);
        }
    }

    #[test]
    fn every_outcome_is_one_line_of_json() {
        check(Mode::Conditional, "/price > 10.25", r#"{"result":false}"#);
        check(Mode::Conditional, "/price == 10.25", r#"{"result":true}"#);
        check(Mode::Conditional, "/name - 1 > 2", r#"{"result":false}"#);
        check(
            Mode::Conditional,
            "/price",
            r#"{"error":"the value is a number, neither true nor false","kind":"non_boolean","span":null}"#,
        );
        check(Mode::Evaluate, "/price", r#"{"result":10.250}"#);
        check(Mode::Evaluate, "/missing", r#"{"result":null}"#);
        check(
            Mode::Evaluate,
            "/name - 1",
            r#"{"error":"`/name` is a text; `-` needs numbers","kind":"evaluation","span":[0,5]}"#,
        );
        check(
            Mode::Evaluate,
            "/a = 1",
            r#"{"error":"`=` compares nothing; write `==`","kind":"parse","span":[3,4]}"#,
        );
        check(Mode::Parse, "/a == 1", r#"{"result":true}"#);
        check(
            Mode::Parse,
            "",
            r#"{"result":false,"error":"the expression is empty","kind":"parse","span":[0,0]}"#,
        );
        check(Mode::Format, "${name}-${/missing}!", r#"{"result":"x-!"}"#);
        check(
            Mode::Format,
            "${missing}",
            r#"{"error":"the event has no field `missing`","kind":"key_not_found","span":[2,9]}"#,
        );
        check(
            Mode::Format,
            "a${b",
            r#"{"error":"`${` is never closed; add `}`","kind":"malformed","span":[1,4]}"#,
        );
    }
}
