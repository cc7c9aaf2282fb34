//! `streamdex plan`: what a pipeline would do with given records. Writes nothing.

mod records;

use std::{collections::BTreeMap, sync::Arc};

use aws::Environment;
use dynamodb::{Conversion, ViewOnRemove};
use engine::Pipeline;
use pipeline::{Event, Map, Meters, Origin, Outcome, ReadingValue, Table, Value};
use serde_json::json;

use self::records::{Keys, Line, Source};
use crate::{
    cli::Plan,
    failure::{Failure, warn_of},
    plugins::{Built, Surroundings},
    process::say,
    rehearsal::{Noted, Rehearsal, Write},
    service::{Files, build_all},
};

/// How many items a sample may have.
const SAMPLE_MAX: u32 = 10_000;

pub(super) async fn run(args: Plan) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let files = Files::at(&args.files.files, args.files.osis);
    let loaded = files.read(&environment)?;
    warn_of(&loaded.warnings);
    let rehearsal = Rehearsal::default();
    let surroundings = Surroundings {
        rehearsal: Some(rehearsal.clone()),
        ..Surroundings::without_place(environment)
    };
    let built = build_all(&loaded, &surroundings)?;
    let built = chosen(&built, args.pipeline.as_deref())?;
    let config = built.source_config().ok_or_else(|| {
        Failure::wrong("the pipeline has no source of its own; choose another with --pipeline")
    })?;
    let table = config.tables.first().ok_or_else(|| Failure::wrong("there is no table"))?;
    let view_on_remove =
        table.stream.as_ref().map_or(ViewOnRemove::default(), |it| it.view_on_remove);
    let name = table.table_arn.table.clone();

    let (lines, keys) = match (&args.records, args.sample) {
        (Some(path), _) => {
            let text = records::read(path)?;
            let lines: Vec<Line> = records::lines(&text).collect();
            let keys = match &args.keys {
                Some(keys) => Keys::named(keys)?,
                None => Keys::guessed(&lines)?,
            };
            (lines, keys)
        }
        (None, Some(n)) => sample(built, config, n).await?,
        (None, None) => {
            return Err(Failure::wrong(
                "name a file with --records, or take items with --sample N",
            ));
        }
    };
    let table = Arc::new(Table { name, partition_key: keys.partition, sort_key: keys.sort });
    let conversion = Conversion { table, view_on_remove, not_before_ms: 0 };
    let mut source = Source::new(conversion);
    let planner = Planner { pipeline: &built.pipeline, rehearsal, meters: surroundings.meters };
    for line in lines {
        for event in source.events(line) {
            say(&Value::Map(match event {
                Ok(event) => planner.plan(event).await,
                Err(reason) => dead_letter(reason),
            }));
        }
    }
    Ok(())
}

/// The pipeline called `name`, or the one that has a source.
fn chosen<'a>(built: &'a [Built], name: Option<&str>) -> Result<&'a Built, Failure> {
    let names = || {
        let names: Vec<&str> = built.iter().map(|it| it.pipeline.name()).collect();
        names.join(", ")
    };
    if let Some(name) = name {
        let found = built.iter().find(|it| it.pipeline.name() == name);
        return found.ok_or_else(|| {
            Failure::wrong(format!("there is no pipeline `{name}`; there are {}", names()))
        });
    }
    let mut sources = built.iter().filter(|it| it.source_config().is_some());
    match (sources.next(), sources.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Failure::wrong("no pipeline has a source")),
        _ => Err(Failure::wrong(format!(
            "several pipelines have a source; choose one with --pipeline: {}",
            names()
        ))),
    }
}

/// Takes items from the table.
async fn sample(
    built: &Built,
    config: &dynamodb::Config,
    n: u32,
) -> Result<(Vec<Line>, Keys), Failure> {
    let table = &config.tables[0].table_arn;
    let failed = |error: aws::CallError| Failure::failed(error.to_string());
    let dynamodb = built.dynamodb().await.map_err(Failure::failed)?;
    let request = json!({ "TableName": table.text });
    let described = dynamodb.ask("DescribeTable", &request).await.map_err(failed)?;
    let keys = Keys::described(&described["Table"]["KeySchema"])
        .ok_or_else(|| Failure::failed("DescribeTable: the table has no keys"))?;
    let mut lines = Vec::new();
    let mut start = serde_json::Value::Null;
    let wanted = n.min(SAMPLE_MAX) as usize;
    while lines.len() < wanted {
        let mut request = json!({ "TableName": table.text, "Limit": wanted - lines.len() });
        if !start.is_null() {
            request["ExclusiveStartKey"] = start;
        }
        let mut page = dynamodb.ask("Scan", &request).await.map_err(failed)?;
        let items = page["Items"].as_array().map(Vec::as_slice).unwrap_or_default();
        lines.extend(items.iter().map(|it| Line::item(&it.to_string())));
        start = page["LastEvaluatedKey"].take();
        if start.is_null() {
            break;
        }
    }
    Ok((lines, keys))
}

/// Sends one event after the other down the pipeline, and says what became of it.
struct Planner<'a> {
    pipeline: &'a Pipeline,
    rehearsal: Rehearsal,
    meters: Meters,
}

impl Planner<'_> {
    async fn plan(&self, event: Event) -> Map {
        let before = counted(&self.meters);
        let outcome = self.pipeline.deliver_now(vec![event]).await;
        let Noted { writes, dead_letters } = self.rehearsal.take();
        let mut dead_letters: Vec<String> = dead_letters.into_iter().map(|it| it.reason).collect();
        if outcome == Outcome::Failed {
            dead_letters.extend(self.pipeline.accounts().now().problem);
        }
        let mut plan = match writes.first() {
            Some(first) => written(&first.event, &writes),
            None if dead_letters.is_empty() => {
                let reason = self.why_filtered(&before);
                [("filtered".to_owned(), reason.into())].into_iter().collect()
            }
            None => Map::default(),
        };
        if !dead_letters.is_empty() {
            plan.extend(dead_letter(dead_letters.join("; ")));
        }
        plan
    }

    /// Who ended the event, by what was counted since `before`.
    fn why_filtered(&self, before: &BTreeMap<Counted, u64>) -> String {
        let now = counted(&self.meters);
        let grown = |metric: &str, plugin: &str| -> u64 {
            let same = |(it, _): &(&Counted, &u64)| it.metric == metric && it.plugin == plugin;
            let grown = now.iter().filter(same);
            grown.map(|(it, n)| n - before.get(it).copied().unwrap_or_default()).sum()
        };
        let plugins = now.keys().filter(|it| it.metric == "recordsIn").map(|it| it.plugin.as_str());
        let dropping = |it: &&str| grown("recordsOut", it) < grown("recordsIn", it);
        if let Some(plugin) = plugins.into_iter().find(dropping) {
            return format!("dropped by `{plugin}`");
        }
        match grown("unroutedEvents", "pipeline") {
            0 => "dropped by a processor".to_owned(),
            _ => "no sink wants it: none of their routes is true of it".to_owned(),
        }
    }
}

/// A counter of one plugin of one pipeline.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Counted {
    pipeline: String,
    plugin: String,
    metric: &'static str,
}

fn counted(meters: &Meters) -> BTreeMap<Counted, u64> {
    let counters = meters.read().into_iter().filter_map(|it| match it.value {
        ReadingValue::Count(n) => {
            let (pipeline, plugin) = (it.pipeline.to_string(), it.plugin.to_string());
            Some((Counted { pipeline, plugin, metric: it.metric.name }, n))
        }
        _ => None,
    });
    counters.collect()
}

fn dead_letter(reason: String) -> Map {
    [("dead_letter".to_owned(), reason.into())].into_iter().collect()
}

/// What would be written of an event. Where it became several documents, each sink shows its own.
fn written(event: &Event, writes: &[Write]) -> Map {
    let document = document_of(event);
    let sinks = writes.iter().map(|write| {
        let part = |name: &str| match &write.target {
            Value::Map(target) => target.get(name).cloned().unwrap_or(Value::Null),
            _ => Value::Null,
        };
        let mut sink: Map = [
            ("index", part("_index")),
            ("id", part("_id")),
            ("action", write.action.into()),
            ("version", part("version")),
            ("routing", part("routing")),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let own = document_of(&write.event);
        if own != document {
            sink.insert("document".to_owned(), own);
        }
        Value::Map(sink)
    });
    let sinks = Value::List(sinks.collect());
    let metadata = Value::Map(metadata_of(event));
    [("document", document), ("metadata", metadata), ("sinks", sinks)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn document_of(event: &Event) -> Value {
    let mut json = Vec::new();
    match event.write_document(&mut json) {
        Ok(()) => Value::from_json(&json).unwrap_or(Value::Null),
        Err(_) => Value::Null,
    }
}

fn metadata_of(event: &Event) -> Map {
    let known = Origin::NAMES.iter().filter_map(|name| {
        let value = event.metadata(name).ok().flatten()?;
        Some(((*name).to_owned(), value))
    });
    let mut metadata: Map = known.collect();
    metadata.extend(event.metadata.clone());
    metadata.retain(|name, _| !name.starts_with("streamdex_"));
    metadata
}
