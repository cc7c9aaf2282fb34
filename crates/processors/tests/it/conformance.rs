//! Runs the folders of `conformance/`: a pipeline file, documents in, documents out.
//!
//! | File | Holds |
//! |---|---|
//! | `pipeline.yaml` | a pipeline as users write it; its processors are run |
//! | `in.jsonl` | on each line `document` (plain JSON) or `item` (as DynamoDB has it), and perhaps `metadata` |
//! | `out.jsonl` | on each line what becomes of one: `document` and perhaps `tags`, or `failed` with the reason; failures first |
//!
//! A document is compared as text, so that a digit or the order of fields counts.

use std::{fmt::Write, fs, path::Path};

use bytes::Bytes;
use pipeline::{Document, Event, Flow, Map, Processor, Settings, SourceText, Timestamp, Value};

#[test]
fn every_folder_gives_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let mut folders: Vec<_> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let mut used = Vec::new();
    let mut problems = String::new();
    for folder in &folders {
        let (names, out) = run(folder);
        used.extend(names);
        let expected = fs::read_to_string(folder.join("out.jsonl")).unwrap();
        if out != expected {
            let name = folder.file_name().unwrap().display();
            writeln!(problems, "{name}: expected\n{expected}but there is\n{out}").unwrap();
        }
    }
    assert!(problems.is_empty(), "{problems}");
    for factory in processors::ALL {
        assert!(used.iter().any(|it| it == factory.name), "no folder uses `{}`", factory.name);
    }
}

/// The processors of a folder, and the lines that come out of them.
fn run(folder: &Path) -> (Vec<String>, String) {
    let name = folder.join("pipeline.yaml").display().to_string();
    let text = fs::read_to_string(&name).unwrap();
    let file = Settings::from_source(SourceText { name, text }).unwrap();
    let pipelines = file.entries();
    let (_, pipeline) = pipelines.iter().find(|(name, _)| *name != "version").unwrap();
    let mut names = Vec::new();
    let mut processors = Vec::new();
    for plugin in pipeline.get("processor").unwrap().items() {
        let entries = plugin.entries();
        let (name, settings) = &entries[0];
        let factory = processors::find(name).unwrap_or_else(|| panic!("there is no `{name}`"));
        let built = (factory.build)(settings);
        processors.push(built.unwrap_or_else(|error| panic!("{}: {error}", folder.display())));
        names.push(factory.name.to_owned());
    }
    let lines = fs::read_to_string(folder.join("in.jsonl")).unwrap();
    let mut out = String::new();
    let mut events = Vec::new();
    for line in lines.lines() {
        let Value::Map(line) = Value::from_json(line.as_bytes()).unwrap() else { panic!("{line}") };
        events.push(event(line));
    }
    for event in process(&processors, events, &mut out) {
        let mut line = Map::from_iter([("document".to_owned(), document(&event))]);
        if !event.tags.is_empty() {
            let tags = event.tags.iter().map(|it| it.as_str().into()).collect();
            line.insert("tags".to_owned(), Value::List(tags));
        }
        writeln!(out, "{}", Value::Map(line)).unwrap();
    }
    (names, out)
}

/// Runs all events through one processor after the other; what fails becomes a line at once.
fn process(
    processors: &[Box<dyn Processor>],
    mut events: Vec<Event>,
    out: &mut String,
) -> Vec<Event> {
    let mut fail = |error: &dyn std::fmt::Display| {
        let line = Map::from_iter([("failed".to_owned(), error.to_string().into())]);
        writeln!(out, "{}", Value::Map(line)).unwrap();
    };
    for processor in processors {
        let mut after = Vec::new();
        if let Some(stateful) = processor.stateful() {
            let taken = stateful.take(events, &[], Timestamp(0));
            taken.failed.iter().for_each(|(_, error)| fail(error));
            after.extend(taken.events);
            let released = stateful.release(Timestamp(0), true);
            after.extend(released.into_iter().flat_map(|it| it.events));
        } else {
            for mut event in events {
                match processor.process(&mut event) {
                    Ok(Flow::Keep) => after.push(event),
                    Ok(Flow::Drop) => {}
                    Ok(Flow::Replace(events)) => after.extend(events),
                    Err(error) => fail(&error),
                }
            }
        }
        events = after;
    }
    events
}

fn event(mut line: Map) -> Event {
    let document = match (line.shift_remove("document"), line.shift_remove("item")) {
        (Some(Value::Map(fields)), None) => Document::Fields(fields),
        (None, Some(item)) => Document::Item(Bytes::from(item.to_string())),
        other => panic!("{other:?}"),
    };
    let metadata = match line.shift_remove("metadata") {
        Some(Value::Map(metadata)) => metadata,
        None => Map::default(),
        other => panic!("{other:?}"),
    };
    assert!(line.is_empty(), "{line:?}");
    Event { document, metadata, ..Event::default() }
}

fn document(event: &Event) -> Value {
    let mut out = Vec::new();
    event.write_document(&mut out).unwrap();
    Value::from_json(&out).unwrap()
}
