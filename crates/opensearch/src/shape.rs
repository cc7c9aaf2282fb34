//! What becomes of one event: its index, id, operation and version, and its lines in the request. Pure.

use expression::Template;
use pipeline::{Clock, ConfigError, Event, Settings, Value};
use wire::json::{unescape, write_escaped};

use crate::{Config, config::VersionType};

/// OpenSearch takes no longer `_id`.
const ID_BYTES_MAX: usize = 512;

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
    fn in_request(self) -> &'static str {
        if self == Op::Upsert { "update" } else { self.name() }
    }

    /// Whether OpenSearch takes a version with it. An update carries none: it is refused with the
    /// whole request.
    fn takes_version(self) -> bool {
        !matches!(self, Op::Update | Op::Upsert)
    }
}

/// How events become lines of a request.
#[derive(Debug)]
pub struct Shape {
    index: Text,
    id: Option<Text>,
    op: Operation,
    version: Option<Text>,
    version_type: VersionType,
}

/// A text that is always the same, or made of the event.
#[derive(Debug)]
enum Text {
    /// As it stands inside a JSON string.
    Same(Vec<u8>),
    /// `${getMetadata("primary_key")}`: the fast and usual way.
    PrimaryKey,
    /// `${getMetadata("document_version")}`: likewise.
    Version,
    Made(Template),
}

#[derive(Debug)]
enum Operation {
    Same(Op),
    /// `${getMetadata("opensearch_action")}`: the fast and usual way.
    OfOrigin,
    Made(Template),
}

impl Shape {
    /// The shape that the settings describe.
    ///
    /// # Errors
    ///
    /// When an expression is none, or an action is unknown.
    pub fn new(config: &Config, settings: &Settings) -> Result<Shape, ConfigError> {
        let text = |name: &str, source: &str| -> Result<Text, ConfigError> {
            // Only the name of an index may have a date in it.
            let read = if name == "index" { Template::index_name } else { Template::parse };
            let template =
                read(source).map_err(|error| settings.problem(name, error.to_string()))?;
            Ok(match (template.literal(), template.as_metadata()) {
                (Some(literal), _) => {
                    let mut escaped = Vec::new();
                    write_escaped(literal, &mut escaped);
                    Text::Same(escaped)
                }
                (_, Some("primary_key")) => Text::PrimaryKey,
                (_, Some("document_version")) => Text::Version,
                _ => Text::Made(template),
            })
        };
        let op = match text("action", &config.action)? {
            Text::Same(_) => Operation::Same(Op::named(&config.action).ok_or_else(|| {
                let names: Vec<_> = Op::ALL.iter().map(|(name, _)| *name).collect();
                let problem =
                    format!("`{}` is no action; write one of {}", config.action, names.join(", "));
                settings.problem("action", problem)
            })?),
            Text::Made(template) if template.as_metadata() == Some("opensearch_action") => {
                Operation::OfOrigin
            }
            Text::Made(template) => Operation::Made(template),
            Text::PrimaryKey | Text::Version => {
                let problem = "it gives no action; write '${getMetadata(\"opensearch_action\")}'";
                return Err(settings.problem("action", problem));
            }
        };
        let version = match &config.document_version {
            Some(version) => match text("document_version", version)? {
                Text::Same(_) => {
                    let problem = "write an expression: '${getMetadata(\"document_version\")}'";
                    return Err(settings.problem("document_version", problem));
                }
                version => Some(version),
            },
            None => None,
        };
        Ok(Shape {
            index: text("index", &config.index)?,
            id: config.document_id.as_deref().map(|it| text("document_id", it)).transpose()?,
            op,
            version,
            version_type: config.document_version_type,
        })
    }

    /// The same shape with another clock, for dates in the name of the index.
    #[must_use]
    pub fn with_clock(mut self, clock: &Clock) -> Shape {
        if let Text::Made(template) = self.index {
            self.index = Text::Made(template.with_clock(clock.clone()));
        }
        self
    }

    /// The one index that all documents go to, if it is one.
    pub fn same_index(&self) -> Option<String> {
        match &self.index {
            Text::Same(escaped) => unescape(escaped).ok().map(std::borrow::Cow::into_owned),
            _ => None,
        }
    }

    /// Whether documents must be opened to find their index, id or action.
    pub fn uses_fields(&self) -> bool {
        let texts = [Some(&self.index), self.id.as_ref(), self.version.as_ref()];
        let templates = texts.into_iter().flatten().filter_map(|it| match it {
            Text::Made(template) => Some(template),
            _ => None,
        });
        let op = match &self.op {
            Operation::Made(template) => Some(template),
            _ => None,
        };
        templates.chain(op).any(Template::uses_fields)
    }

    /// Writes the lines of `event`, and says what operation they are.
    ///
    /// # Errors
    ///
    /// Why this event can never be written. What has been written by then is of no use.
    pub fn write(&self, event: &Event, out: &mut Vec<u8>) -> Result<Op, String> {
        let op = self.op(event)?;
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(op.in_request().as_bytes());
        out.extend_from_slice(b"\":{\"_index\":\"");
        write_text(&self.index, event, out)
            .map_err(|it| format!("its index cannot be told: {it}"))?;
        if let Some(id) = &self.id {
            out.extend_from_slice(b"\",\"_id\":\"");
            let start = out.len();
            write_text(id, event, out).map_err(|it| format!("its id cannot be told: {it}"))?;
            check_id(&out[start..])?;
        }
        out.push(b'"');
        if let Some(version) = self.version.as_ref().filter(|_| op.takes_version()) {
            out.extend_from_slice(b",\"version\":");
            let start = out.len();
            write_text(version, event, out)
                .map_err(|it| format!("its version cannot be told: {it}"))?;
            let is_version =
                std::str::from_utf8(&out[start..]).is_ok_and(|it| it.parse::<i64>().is_ok());
            if !is_version {
                let version = String::from_utf8_lossy(&out[start..]).into_owned();
                return Err(format!("`{version}` is not a version: it must be a whole number"));
            }
            out.extend_from_slice(b",\"version_type\":\"");
            out.extend_from_slice(self.version_type.name().as_bytes());
            out.push(b'"');
        }
        out.extend_from_slice(b"}}\n");
        match op {
            Op::Delete => return Ok(op),
            Op::Index | Op::Create => write_document(event, out)?,
            Op::Update => {
                out.extend_from_slice(b"{\"doc\":");
                write_document(event, out)?;
                out.push(b'}');
            }
            Op::Upsert => {
                out.extend_from_slice(b"{\"doc\":");
                write_document(event, out)?;
                out.extend_from_slice(b",\"doc_as_upsert\":true}");
            }
        }
        out.push(b'\n');
        Ok(op)
    }

    fn op(&self, event: &Event) -> Result<Op, String> {
        let name = match &self.op {
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
        };
        Op::named(&name).ok_or_else(|| format!("`{name}` is no action"))
    }
}

fn write_document(event: &Event, out: &mut Vec<u8>) -> Result<(), String> {
    event.write_document(out).map_err(|error| format!("its image cannot be read: {error}"))
}

/// Writes a text as it stands inside a JSON string.
fn write_text(text: &Text, event: &Event, out: &mut Vec<u8>) -> Result<(), String> {
    match (text, &event.origin) {
        (Text::Same(escaped), _) => out.extend_from_slice(escaped),
        (Text::PrimaryKey, Some(origin)) if event.metadata.is_empty() => {
            origin
                .write_primary_key(out)
                .map_err(|error| format!("its keys cannot be read: {error}"))?;
        }
        (Text::Version, Some(origin)) if event.metadata.is_empty() => {
            write_digits(origin.version, out);
        }
        (Text::PrimaryKey, _) => write_metadata("primary_key", event, out)?,
        (Text::Version, _) => write_metadata("document_version", event, out)?,
        (Text::Made(template), _) => {
            let mut made = String::new();
            template.render(event, &mut made).map_err(|error| error.to_string())?;
            write_escaped(&made, out);
        }
    }
    Ok(())
}

fn write_metadata(name: &str, event: &Event, out: &mut Vec<u8>) -> Result<(), String> {
    match event.metadata(name).map_err(|error| error.to_string())? {
        Some(Value::String(text)) => write_escaped(&text, out),
        Some(value) => write_escaped(&value.to_string(), out),
        None => return Err(format!("it has no metadata `{name}`")),
    }
    Ok(())
}

fn write_digits(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).expect("one digit");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// An id that OpenSearch would refuse together with everything else in the request.
fn check_id(escaped: &[u8]) -> Result<(), String> {
    if escaped.is_empty() {
        return Err("its id is empty".to_owned());
    }
    if escaped.len() <= ID_BYTES_MAX {
        return Ok(());
    }
    let n_bytes = unescape(escaped).map_err(|error| error.to_string())?.len();
    if n_bytes <= ID_BYTES_MAX {
        return Ok(());
    }
    Err(format!("its id is {n_bytes} bytes long; OpenSearch takes at most {ID_BYTES_MAX}"))
}

#[cfg(test)]
mod tests;
