//! The pipelines themselves, as the comparison asks what they would write.

use std::sync::Arc;

use async_trait::async_trait;
use dynamodb::{ExportFormat, Rows};
use engine::Pipeline;
use pipeline::{Clock, Event, Outcome, Table, Value};
use tokio::sync::Mutex;
use verify::{Address, EndError, Expected, Planned, Row, Through};

use super::{index::Indices, tables::Scanned};
use crate::{
    plugins::Built,
    rehearsal::{MARK, Noted, Rehearsal, Write, mark_of},
};

/// Pipelines that write nothing, and note what they would write.
pub(super) struct Rehearsed {
    /// The pipeline of each table, and how its items are read.
    tables: Vec<(Pipeline, Arc<Table>)>,
    /// One at a time: what is noted does not say who asked.
    rehearsal: Mutex<Rehearsal>,
    /// Which sinks keep the pipeline's versions.
    external: Vec<bool>,
    clock: Clock,
}

impl Rehearsed {
    pub(super) fn new(
        built: &[Built],
        tables: &Scanned,
        rehearsal: Rehearsal,
        index: &Indices,
    ) -> Rehearsed {
        let external = (0..rehearsal.sinks().len()).map(|it| index.has_external_versions(it));
        let external = external.collect();
        let tables = tables
            .each()
            .map(|(pipeline, table)| (built[pipeline].pipeline.clone(), Arc::clone(table)))
            .collect();
        Rehearsed { tables, rehearsal: Mutex::new(rehearsal), external, clock: Clock::real() }
    }

    /// What one sink would write.
    fn expected(&self, write: &Write) -> Option<Expected> {
        let Value::Map(target) = &write.target else { return None };
        let text = |name: &str| match target.get(name) {
            Some(Value::String(it)) => Some(it.clone()),
            _ => None,
        };
        let (partial, comparable, json) = match write.action {
            "index" | "create" => (false, true, write.document.clone()),
            "delete" => return None,
            _ => match updated(&write.document) {
                Some(json) => (true, true, json),
                None => (true, false, Vec::new()),
            },
        };
        Some(Expected {
            // A document whose id the index makes up cannot be found again.
            address: Address {
                sink: write.sink,
                index: text("_index")?,
                id: text("_id")?,
                routing: text("routing"),
            },
            json,
            partial,
            comparable,
            external: self.external[write.sink],
        })
    }
}

/// The fields that an update writes; none where a script writes them.
fn updated(body: &[u8]) -> Option<Vec<u8>> {
    let Ok(Value::Map(mut body)) = Value::from_json(body) else { return None };
    if body.contains_key("script") {
        return None;
    }
    body.swap_remove("doc").map(|it| it.to_string().into_bytes())
}

#[async_trait]
impl Through for Rehearsed {
    async fn planned(&self, rows: &[Row]) -> Result<Vec<Planned>, EndError> {
        let rehearsal = self.rehearsal.lock().await;
        let mut planned: Vec<Option<Planned>> = vec![None; rows.len()];
        for (table, (pipeline, about)) in self.tables.iter().enumerate() {
            let wanted: Vec<usize> = (0..rows.len()).filter(|n| rows[*n].table == table).collect();
            let mut text = Vec::new();
            for n in &wanted {
                text.extend_from_slice(b"{\"Item\":");
                text.extend_from_slice(rows[*n].item.as_bytes());
                text.extend_from_slice(b"}\n");
            }
            let reading = Rows {
                table: Arc::clone(about),
                read_ms: self.clock.now().0,
                format: ExportFormat::DynamodbJson,
            };
            let (mut events, _): (Vec<Event>, u64) = reading.of_lines(text);
            for (event, n) in events.iter_mut().zip(&wanted) {
                event.metadata.insert(MARK.to_owned(), (*n as u64).into());
            }
            if events.is_empty() {
                continue;
            }
            let outcome = pipeline.deliver_now(events).await;
            let Noted { writes, dead_letters } = rehearsal.take();
            if outcome == Outcome::Failed {
                let problem = pipeline.accounts().now().problem.unwrap_or_default();
                return Err(EndError(format!("pipeline {}: {problem}", pipeline.name())));
            }
            let place = |mark: Option<u64>| usize::try_from(mark?).ok().filter(|n| *n < rows.len());
            for write in &writes {
                let Some(n) = place(mark_of(&write.event)) else { continue };
                let Some(expected) = self.expected(write) else { continue };
                match &mut planned[n] {
                    Some(Planned::Documents(all)) => all.push(expected),
                    it => *it = Some(Planned::Documents(vec![expected])),
                }
            }
            for refused in dead_letters {
                let Some(n) = place(refused.mark) else { continue };
                planned[n].get_or_insert(Planned::DeadLetter(refused.reason));
            }
        }
        Ok(planned.into_iter().map(|it| it.unwrap_or(Planned::Filtered)).collect())
    }
}
