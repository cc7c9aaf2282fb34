//! `POST /_bulk`: many writes in one request, each with its own answer.

mod lines;

use std::{collections::BTreeMap, sync::Arc};

use search::{Done, Failure, Index, Operation, Result};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{
    Server,
    answer::{Answer, Body},
    call::{Call, Refresh},
    documents::{Written, index_for_delete, located, no_alias, status},
};
use lines::{Line, Verb};

/// The writes that go to one index, and where their answers belong.
struct Group {
    index: Arc<Index>,
    places: Vec<usize>,
    operations: Vec<Operation>,
}

/// What came of one line.
enum Item {
    Written(Arc<Index>, Done),
    Refused(Option<Arc<Index>>, Failure),
}

/// `POST /_bulk`
pub(super) fn bulk(server: &Server, call: &Call) -> Result<Answer> {
    let refresh = call.refresh()?;
    let lines = lines::read(server, call)?;
    let mut items: Vec<Option<Item>> = lines.iter().map(|_| None).collect();
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut targets: BTreeMap<&str, Arc<Index>> = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        match prepare(server, call, line, &mut targets) {
            Ok((index, operation)) => {
                let group = groups.entry(index.name.clone()).or_insert_with(|| Group {
                    index,
                    places: Vec::new(),
                    operations: Vec::new(),
                });
                group.places.push(place);
                group.operations.push(operation);
            }
            Err(failure) => items[place] = Some(Item::Refused(None, failure)),
        }
    }
    for group in groups.into_values() {
        let Group { index, places, operations } = group;
        let results = index.write(operations, call.now_ms);
        for (place, result) in places.into_iter().zip(results) {
            items[place] = Some(match result {
                Ok(done) => Item::Written(Arc::clone(&index), done),
                Err(failure) => Item::Refused(Some(Arc::clone(&index)), failure),
            });
        }
        if refresh != Refresh::Later {
            index.refresh(server.clock.now_ms())?;
        }
    }
    let took_ms = server.clock.now_ms().saturating_sub(call.now_ms);
    Ok(render(&lines, items, refresh, took_ms))
}

fn prepare<'a>(
    server: &Server,
    call: &Call,
    line: &'a Line,
    targets: &mut BTreeMap<&'a str, Arc<Index>>,
) -> Result<(Arc<Index>, Operation)> {
    if let Some(failure) = server.faults.strike_item(call.now_ms) {
        return Err(failure);
    }
    if let Some(failure) = &line.refused {
        return Err(failure.clone());
    }
    let operation = Operation {
        id: line.id.clone(),
        routing: line.routing.clone(),
        condition: line.condition,
        action: line.action.clone(),
    };
    if let Some(index) = targets.get(line.index.as_str()) {
        return Ok((Arc::clone(index), operation));
    }
    if line.require_alias && !server.node.catalog().aliases.contains_key(&line.index) {
        return Err(no_alias(&line.index));
    }
    let index = match line.verb {
        Verb::Delete => {
            let external = line.condition.version.is_some();
            index_for_delete(server, &line.index, external, call.now_ms)?
        }
        _ => server.node.index_for_write(&line.index, call.now_ms)?,
    };
    targets.insert(&line.index, Arc::clone(&index));
    Ok((index, operation))
}

#[derive(Serialize)]
struct RefusedItem<'a> {
    #[serde(rename = "_index")]
    index: &'a str,
    #[serde(rename = "_id")]
    id: &'a str,
    status: u16,
    error: Value,
}

fn render(lines: &[Line], items: Vec<Option<Item>>, refresh: Refresh, took_ms: u64) -> Answer {
    let has_errors = items.iter().any(|it| !matches!(it, Some(Item::Written(..))));
    let mut out: Vec<u8> = Vec::with_capacity(64 + lines.len() * 192);
    out.extend_from_slice(
        format!("{{\"took\":{took_ms},\"errors\":{has_errors},\"items\":[").as_bytes(),
    );
    for (n, (line, item)) in lines.iter().zip(items).enumerate() {
        if n != 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(line.verb.as_str().as_bytes());
        out.extend_from_slice(b"\":");
        let written = match item {
            Some(Item::Written(index, done)) => {
                let mut written = Written::new(&index, &line.id, &done, refresh);
                written.status = Some(status(done.outcome));
                serde_json::to_writer(&mut out, &written)
            }
            Some(Item::Refused(index, failure)) => {
                let failure = match &index {
                    Some(index) => located(failure, index),
                    None => failure,
                };
                let name = index.as_ref().map_or(line.index.as_str(), |it| &it.name);
                let error = failure.flat();
                let refused =
                    RefusedItem { index: name, id: &line.id, status: failure.status, error };
                serde_json::to_writer(&mut out, &refused)
            }
            None => unreachable!("every line was written or refused"),
        };
        written.expect("our answers can be written");
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    debug_assert!(serde_json::from_str::<&RawValue>(&text).is_ok(), "{text}");
    Answer { status: 200, body: Body::Json(text) }
}
