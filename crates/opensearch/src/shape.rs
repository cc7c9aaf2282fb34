//! What becomes of one event: its index, id, operation and version, and its lines in the request. Pure.

mod action;
mod document;
mod name;
mod script;
mod text;

use std::{collections::BTreeMap, ops::Range};

use expression::Template;
use pipeline::{Clock, ConfigError, Event, Settings};
use serde_json::value::RawValue;
use wire::json::unescape;

pub use self::action::Op;
use self::{action::Operation, document::DocumentShape, script::Script, text::Text};
use crate::{
    Config,
    config::{Distribution, VersionType},
    template::Names,
};

/// OpenSearch takes no longer `_id`.
const ID_BYTES_MAX: usize = 512;
/// How often OpenSearch itself tries a script again when another write came between. As Data Prepper.
const SCRIPT_RETRIES: &[u8] = b",\"retry_on_conflict\":3";

/// What every document of a data stream has.
const MOMENT: &str = "@timestamp";

/// Why an event can never be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable {
    /// One word, to count and to sort by.
    pub cause: &'static str,
    /// The reason, in a sentence.
    pub reason: String,
}

impl Unwritable {
    pub(crate) const INDEX: &'static str = "invalid_index";
    pub(crate) const ID: &'static str = "invalid_id";
    pub(crate) const ROUTING: &'static str = "invalid_routing";
    pub(crate) const VERSION: &'static str = "invalid_version";
    pub(crate) const ACTION: &'static str = "invalid_action";
    pub(crate) const DOCUMENT: &'static str = "unreadable_document";
    pub(crate) const SCRIPT: &'static str = "invalid_script";

    fn new(cause: &'static str, reason: String) -> Unwritable {
        Unwritable { cause, reason }
    }
}

/// The lines of one event, as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The operation.
    pub op: Op,
    /// Where the name of the index stands in the request.
    pub index: Range<usize>,
    /// Where the id stands; `None` if OpenSearch makes one up.
    pub id: Option<Range<usize>>,
}

/// How events become lines of a request.
#[derive(Debug)]
pub struct Shape {
    index: Text,
    normalizes: bool,
    has_type: bool,
    id: Option<Text>,
    routing: Option<Text>,
    op: Operation,
    version: Option<Text>,
    version_type: VersionType,
    document: DocumentShape,
    script: Option<Script>,
}

impl Shape {
    /// The shape that the settings describe.
    ///
    /// # Errors
    ///
    /// When an expression is none, or an action is unknown.
    pub fn new(config: &Config, settings: &Settings) -> Result<Shape, ConfigError> {
        let index = Template::index_name(&config.index)
            .map_err(|error| settings.problem("index", error.to_string()))?;
        if let Some(name) = index.with_date("2026.01.01") {
            name::check(&name).map_err(|problem| settings.problem("index", problem))?;
        }
        let text = |name: &str, source: Option<&String>| -> Result<Option<Text>, ConfigError> {
            source.map(|it| Text::parse(settings, name, it)).transpose()
        };
        let version = text("document_version", config.document_version.as_ref())?;
        if let Some(Text::Same(_)) = version {
            let problem = "write an expression: '${getMetadata(\"document_version\")}'";
            return Err(settings.problem("document_version", problem));
        }
        Ok(Shape {
            normalizes: config.normalize_index && index.is_dynamic(),
            index: Text::of(index),
            has_type: config.distribution_version == Distribution::Es6,
            id: text("document_id", config.document_id.as_ref())?,
            routing: text("routing", config.routing.as_ref())?,
            op: Operation::new(config, settings)?,
            version,
            version_type: config.document_version_type.unwrap_or_default(),
            document: DocumentShape::new(config),
            script: config.script.as_ref().map(|it| Script::new(it, settings)).transpose()?,
        })
    }

    /// The same shape with another clock, for dates in the name of the index.
    #[must_use]
    pub fn with_clock(self, clock: &Clock) -> Shape {
        let of = |text: Option<Text>| text.map(|it| it.with_clock(clock));
        Shape {
            index: self.index.with_clock(clock),
            id: of(self.id),
            routing: of(self.routing),
            version: of(self.version),
            op: self.op.with_clock(clock),
            ..self
        }
    }

    /// The one index that all documents go to, if it is one.
    pub fn same_index(&self) -> Option<String> {
        match &self.index {
            Text::Same(escaped) => unescape(escaped).ok().map(std::borrow::Cow::into_owned),
            _ => None,
        }
    }

    /// The index that documents go to now, if it is the same for all of them.
    pub fn index_now(&self) -> Option<String> {
        match &self.index {
            Text::Made(template) if !template.is_dynamic() => {
                let mut name = String::new();
                template.render(&Event::default(), &mut name).ok()?;
                Some(name)
            }
            _ => self.same_index(),
        }
    }

    /// The name of an index with the pattern of all its names.
    pub(crate) fn names(&self, index: &str) -> Names {
        let pattern = match &self.index {
            Text::Made(template) => template.with_date("*"),
            _ => None,
        };
        Names { index: index.to_owned(), pattern: pattern.unwrap_or_else(|| index.to_owned()) }
    }

    /// Whether documents must be opened to find their index, id or action, or to take parts of them.
    pub fn uses_fields(&self) -> bool {
        let texts =
            [Some(&self.index), self.id.as_ref(), self.routing.as_ref(), self.version.as_ref()];
        texts.into_iter().flatten().any(Text::uses_fields)
            || self.op.uses_fields()
            || self.document.uses_fields()
            || self.script.as_ref().is_some_and(Script::uses_fields)
    }

    /// Writes the lines of `event`, and says what they are.
    ///
    /// # Errors
    ///
    /// Why this event can never be written. What has been written by then is of no use.
    pub fn write(&self, event: &Event, out: &mut Vec<u8>) -> Result<Written, Unwritable> {
        let op = self.op.of(event).map_err(|reason| Unwritable::new(Unwritable::ACTION, reason))?;
        self.write_as(op, event, out)
    }

    /// Writes the lines of `event` for a data stream, which takes nothing but additions, whatever the
    /// action is; each with a moment, `at` if the document has none. As Data Prepper.
    ///
    /// # Errors
    ///
    /// As [`Shape::write`].
    pub(crate) fn write_addition(
        &self,
        event: &Event,
        at: &str,
        out: &mut Vec<u8>,
    ) -> Result<Written, Unwritable> {
        let start = out.len();
        let written = self.write_as(Op::Create, event, out)?;
        // Behind the line of the operation, and the brace of the document.
        let document = memchr::memchr(b'\n', &out[start..]).map_or(out.len(), |it| start + it + 1);
        if has_moment(&out[document..]) {
            return Ok(written);
        }
        let rest = out.split_off(document + 1);
        out.extend_from_slice(format!("\"{MOMENT}\":\"{at}\"").as_bytes());
        if !rest.trim_ascii_start().starts_with(b"}") {
            out.push(b',');
        }
        out.extend_from_slice(&rest);
        Ok(written)
    }

    fn write_as(&self, op: Op, event: &Event, out: &mut Vec<u8>) -> Result<Written, Unwritable> {
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(op.in_request().as_bytes());
        out.extend_from_slice(b"\":{\"_index\":\"");
        let index = self.write_index(event, out)?;
        if self.has_type {
            out.extend_from_slice(b"\",\"_type\":\"_doc");
        }
        let id = self.write_id(event, out)?;
        if let Some(routing) = &self.routing {
            out.extend_from_slice(b"\",\"routing\":\"");
            let start = out.len();
            let wrong = |it| {
                Unwritable::new(Unwritable::ROUTING, format!("its routing cannot be told: {it}"))
            };
            routing.write(event, out).map_err(wrong)?;
            if out.len() == start {
                return Err(wrong("it is empty".to_owned()));
            }
        }
        out.push(b'"');
        if let Some(version) = self.version.as_ref().filter(|_| op.takes_version()) {
            self.write_version(version, event, out)?;
        }
        let script = self.script.as_ref().filter(|_| matches!(op, Op::Update | Op::Upsert));
        if script.is_some() {
            out.extend_from_slice(SCRIPT_RETRIES);
        }
        out.extend_from_slice(b"}}\n");
        if op != Op::Delete {
            self.write_document(op, script, event, out)?;
            out.push(b'\n');
        }
        Ok(Written { op, index, id })
    }

    fn write_index(&self, event: &Event, out: &mut Vec<u8>) -> Result<Range<usize>, Unwritable> {
        let wrong = |it: String| {
            Unwritable::new(Unwritable::INDEX, format!("its index cannot be told: {it}"))
        };
        let start = out.len();
        self.index.write(event, out).map_err(wrong)?;
        if self.normalizes {
            let name = unescape(&out[start..]).map_err(|it| wrong(it.to_string()))?;
            let name = name::normalized(&name);
            out.truncate(start);
            // None of what is left needs to be escaped.
            out.extend_from_slice(name.as_bytes());
        }
        if out.len() == start {
            return Err(wrong("it is empty".to_owned()));
        }
        Ok(start..out.len())
    }

    fn write_id(
        &self,
        event: &Event,
        out: &mut Vec<u8>,
    ) -> Result<Option<Range<usize>>, Unwritable> {
        let Some(id) = &self.id else { return Ok(None) };
        let wrong = |it: String| Unwritable::new(Unwritable::ID, it);
        out.extend_from_slice(b"\",\"_id\":\"");
        let start = out.len();
        id.write(event, out).map_err(|it| wrong(format!("its id cannot be told: {it}")))?;
        check_id(&out[start..]).map_err(wrong)?;
        Ok(Some(start..out.len()))
    }

    fn write_version(
        &self,
        version: &Text,
        event: &Event,
        out: &mut Vec<u8>,
    ) -> Result<(), Unwritable> {
        let wrong = |it: String| Unwritable::new(Unwritable::VERSION, it);
        out.extend_from_slice(b",\"version\":");
        let start = out.len();
        version
            .write(event, out)
            .map_err(|it| wrong(format!("its version cannot be told: {it}")))?;
        let is_version = std::str::from_utf8(&out[start..])
            .is_ok_and(|it| it.parse::<i64>().is_ok_and(|it| 0 <= it));
        if !is_version {
            let version = String::from_utf8_lossy(&out[start..]).into_owned();
            return Err(wrong(format!("`{version}` is not a version: it must be a whole number")));
        }
        out.extend_from_slice(b",\"version_type\":\"");
        out.extend_from_slice(self.version_type.name().as_bytes());
        out.push(b'"');
        Ok(())
    }

    fn write_document(
        &self,
        op: Op,
        script: Option<&Script>,
        event: &Event,
        out: &mut Vec<u8>,
    ) -> Result<(), Unwritable> {
        let document = |out: &mut Vec<u8>| {
            self.document.write(event, out).map_err(|error| {
                let reason = format!("its image cannot be read: {error}");
                Unwritable::new(Unwritable::DOCUMENT, reason)
            })
        };
        match (op, script) {
            (Op::Delete, _) => {}
            (Op::Index | Op::Create, _) => document(out)?,
            (Op::Update | Op::Upsert, Some(script)) => {
                out.extend_from_slice(b"{\"script\":");
                script.write_head(out);
                document(out)?;
                script
                    .write_rest(event, out)
                    .map_err(|reason| Unwritable::new(Unwritable::SCRIPT, reason))?;
                if op == Op::Upsert {
                    out.extend_from_slice(b",\"upsert\":");
                    document(out)?;
                    out.extend_from_slice(b",\"scripted_upsert\":true");
                }
                out.push(b'}');
            }
            (Op::Update, None) => {
                out.extend_from_slice(b"{\"doc\":");
                document(out)?;
                out.push(b'}');
            }
            (Op::Upsert, None) => {
                out.extend_from_slice(b"{\"doc\":");
                document(out)?;
                out.extend_from_slice(b",\"doc_as_upsert\":true}");
            }
        }
        Ok(())
    }
}

/// Whether a document has the field that every document of a data stream must have.
fn has_moment(document: &[u8]) -> bool {
    // Seldom asked, and hardly ever more than the first look.
    memchr::memmem::find(document, MOMENT.as_bytes()).is_some()
        && serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(document)
            .is_ok_and(|it| it.contains_key(MOMENT))
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
