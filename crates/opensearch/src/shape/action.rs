//! What is to be done with a document. Pure.

use expression::{Expression, Template};
use pipeline::{Clock, ConfigError, Event, Settings, Value};

use crate::{Config, config::ActionEntry};

/// An operation of `_bulk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Put the document there, whatever was there before.
    Index,
    /// Put it there unless there is one.
    Create,
    /// Change the one that is there.
    Update,
    /// Change the one that is there, or put it there.
    Upsert,
    /// Remove it.
    Delete,
}

impl Op {
    const ALL: [(&'static str, Op); 5] = [
        ("index", Op::Index),
        ("create", Op::Create),
        ("update", Op::Update),
        ("upsert", Op::Upsert),
        ("delete", Op::Delete),
    ];

    /// The operation called `name`, in letters of either case.
    pub fn named(name: &str) -> Option<Op> {
        Op::ALL.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, op)| *op)
    }

    /// Its name in a pipeline file.
    pub fn name(self) -> &'static str {
        Op::ALL.iter().find(|(_, op)| *op == self).map_or("index", |(name, _)| name)
    }

    /// Its name in a request.
    pub(crate) fn in_request(self) -> &'static str {
        if self == Op::Upsert { "update" } else { self.name() }
    }

    /// Whether OpenSearch takes a version with it. With an update or a create it is refused, and
    /// the whole request with it.
    pub(crate) fn takes_version(self) -> bool {
        matches!(self, Op::Index | Op::Delete)
    }
}

/// How the operation of an event is found.
#[derive(Debug)]
pub(super) enum Operation {
    Same(Op),
    /// `${getMetadata("opensearch_action")}`: the fast and usual way.
    OfOrigin,
    Made(Template),
    /// The first whose condition holds, else the last without one.
    FirstOf(Vec<(Operation, Option<Expression>)>),
}

impl Operation {
    pub(super) fn new(config: &Config, settings: &Settings) -> Result<Operation, ConfigError> {
        match &config.actions {
            None => parse(settings, "action", &config.action),
            Some(entries) => {
                let entries = entries.iter().enumerate();
                let read = entries.map(|(n, it)| entry(settings, n, it));
                Ok(Operation::FirstOf(read.collect::<Result<_, _>>()?))
            }
        }
    }

    pub(super) fn of(&self, event: &Event) -> Result<Op, String> {
        let name = match self {
            Operation::Same(op) => return Ok(*op),
            Operation::OfOrigin => match &event.origin {
                Some(origin) if event.metadata.is_empty() => origin.action().to_owned(),
                _ => match event.metadata("opensearch_action") {
                    Ok(Some(Value::String(name))) => name,
                    _ => return Err("it has no `opensearch_action`".to_owned()),
                },
            },
            Operation::Made(template) => {
                let mut name = String::new();
                template.render(event, &mut name).map_err(|error| error.to_string())?;
                name
            }
            Operation::FirstOf(entries) => return first(entries, event),
        };
        Op::named(&name).ok_or_else(|| format!("`{name}` is no action"))
    }

    pub(super) fn uses_fields(&self) -> bool {
        match self {
            Operation::Same(_) | Operation::OfOrigin => false,
            Operation::Made(template) => template.uses_fields(),
            Operation::FirstOf(entries) => entries.iter().any(|(operation, when)| {
                operation.uses_fields() || when.as_ref().is_some_and(Expression::uses_fields)
            }),
        }
    }

    pub(super) fn with_clock(self, clock: &Clock) -> Operation {
        match self {
            Operation::Made(template) => Operation::Made(template.with_clock(clock.clone())),
            Operation::FirstOf(entries) => Operation::FirstOf(
                entries
                    .into_iter()
                    .map(|(operation, when)| {
                        let when = when.map(|it| it.with_clock(clock.clone()));
                        (operation.with_clock(clock), when)
                    })
                    .collect(),
            ),
            same => same,
        }
    }
}

/// An entry without a condition stands in for those behind it that do not apply.
fn first(entries: &[(Operation, Option<Expression>)], event: &Event) -> Result<Op, String> {
    let mut otherwise = None;
    for (operation, when) in entries {
        match when {
            Some(when) if when.holds(event) => return operation.of(event),
            Some(_) => {}
            None => otherwise = Some(operation),
        }
    }
    match otherwise {
        Some(operation) => operation.of(event),
        None => Err("none of `actions` applies, and the last has a condition, too".to_owned()),
    }
}

fn entry(
    settings: &Settings,
    n: usize,
    entry: &ActionEntry,
) -> Result<(Operation, Option<Expression>), ConfigError> {
    let place = |name: &str| format!("actions[{n}].{name}");
    let operation = parse(settings, &place("type"), &entry.action)?;
    let when = entry.when.as_deref().map(|text| {
        let place = place("when");
        Expression::parse(text).map_err(|error| settings.problem(&place, error.to_string()))
    });
    Ok((operation, when.transpose()?))
}

fn parse(settings: &Settings, place: &str, source: &str) -> Result<Operation, ConfigError> {
    let template =
        Template::parse(source).map_err(|error| settings.problem(place, error.to_string()))?;
    match (template.literal(), template.as_metadata()) {
        (Some(name), _) => Op::named(name).map(Operation::Same).ok_or_else(|| {
            let names: Vec<_> = Op::ALL.iter().map(|(name, _)| *name).collect();
            let problem = format!("`{name}` is no action; write one of {}", names.join(", "));
            settings.problem(place, problem)
        }),
        (None, Some("opensearch_action")) => Ok(Operation::OfOrigin),
        (None, Some("primary_key" | "document_version")) => {
            let problem = "it gives no action; write '${getMetadata(\"opensearch_action\")}'";
            Err(settings.problem(place, problem))
        }
        _ => Ok(Operation::Made(template)),
    }
}
