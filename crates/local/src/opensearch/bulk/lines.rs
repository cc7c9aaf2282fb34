//! The lines of a bulk request: an action, and for most of them a document.

use bytes::Bytes;
use memchr::memchr;
use search::{Action, Condition, Failure, Object, Result};

use super::super::{
    Server,
    call::Call,
    condition::Said,
    documents::{NO_VERSIONS, read_update},
};

/// What a line wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Index,
    Create,
    Update,
    Delete,
}

impl Verb {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Verb::Index => "index",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
        }
    }

    fn named(name: &str) -> Option<Verb> {
        Some(match name {
            "index" => Verb::Index,
            "create" => Verb::Create,
            "update" => Verb::Update,
            "delete" => Verb::Delete,
            _ => return None,
        })
    }
}

/// One action with its document.
#[derive(Debug)]
pub(super) struct Line {
    pub verb: Verb,
    pub index: String,
    pub id: String,
    pub routing: Option<String>,
    pub condition: Condition,
    pub action: Action,
    pub require_alias: bool,
    /// Why this one alone cannot be done.
    pub refused: Option<Failure>,
}

/// Reads all lines.
///
/// # Errors
///
/// When one of them cannot be understood: then nothing of the request is done.
pub(super) fn read(server: &Server, call: &Call) -> Result<Vec<Line>> {
    if call.body.is_empty() {
        return Err(Failure::new(400, "parse_exception", "request body is required"));
    }
    let mut lines = Vec::new();
    let mut rest = Rest { body: &call.body, at: 0, number: 0 };
    while let Some(text) = rest.next()? {
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let number = rest.number;
        let mut line = head(call, text, number)?;
        if line.verb != Verb::Delete {
            let document = rest.next()?.ok_or_else(missing_newline)?;
            let document = call.body.slice_ref(document);
            match action(line.verb, document) {
                Ok(action) => line.action = action,
                // What stands there is not even an update; the others may be fine.
                Err(failure) if failure.kind == "action_request_validation_exception" => {
                    return Err(failure);
                }
                Err(failure) => line.refused = Some(failure),
            }
        }
        if line.id.is_empty() {
            match line.verb {
                Verb::Index | Verb::Create if line.condition.version.is_none() => {
                    line.id = server.node.new_id();
                }
                Verb::Index | Verb::Create => {
                    return Err(Failure::validation(&[
                        "an id must be provided if version type or value are set",
                    ]));
                }
                Verb::Update | Verb::Delete => return Err(Failure::validation(&["id is missing"])),
            }
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return Err(Failure::validation(&["no requests added"]));
    }
    Ok(lines)
}

fn action(verb: Verb, document: Bytes) -> Result<Action> {
    Ok(match verb {
        Verb::Update => Action::Update(read_update(&document)?),
        _ => Action::Put(document),
    })
}

fn missing_newline() -> Failure {
    Failure::illegal_argument("The bulk request must be terminated by a newline [\\n]")
}

struct Rest<'a> {
    body: &'a [u8],
    at: usize,
    /// The number of the line that was read last.
    number: usize,
}

impl<'a> Rest<'a> {
    fn next(&mut self) -> Result<Option<&'a [u8]>> {
        let rest = &self.body[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let end = memchr(b'\n', rest).ok_or_else(missing_newline)?;
        self.at += end + 1;
        self.number += 1;
        Ok(Some(rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end])))
    }
}

/// Reads `{"index": {"_index": …, "_id": …}}`.
fn head(call: &Call, text: &[u8], number: usize) -> Result<Line> {
    let malformed = |expected: &str, found: &str| {
        Failure::illegal_argument(format!(
            "Malformed action/metadata line [{number}], expected {expected} but found [{found}]"
        ))
    };
    let text = std::str::from_utf8(text).map_err(|_| malformed("START_OBJECT", "bytes"))?;
    let outer = Object::read(text.trim()).map_err(|_| malformed("START_OBJECT", token(text)))?;
    let (name, value) = match outer.0.as_slice() {
        [one] => one,
        [] => return Err(malformed("FIELD_NAME", "END_OBJECT")),
        _ => return Err(malformed("END_OBJECT", "FIELD_NAME")),
    };
    let verb = Verb::named(name).ok_or_else(|| {
        Failure::illegal_argument(format!(
            "Malformed action/metadata line [{number}], expected field [create], [delete], [index] or [update] but found [{name}]"
        ))
    })?;
    let members = Object::read(value).map_err(|_| malformed("START_OBJECT", token(value)))?;
    let mut line = Line {
        verb,
        index: call.var("index").to_owned(),
        id: String::new(),
        routing: call.param("routing").map(str::to_owned),
        condition: Condition::default(),
        action: Action::Delete,
        require_alias: call.flag("require_alias", false)?,
        refused: None,
    };
    let mut said = [const { None }; 4];
    for (name, value) in &members.0 {
        let text = || value_text(name, value, number);
        match name.as_ref() {
            "_index" => line.index = text()?,
            "_id" => {
                line.id = text()?;
                if line.id.is_empty() {
                    line.refused =
                        Some(Failure::illegal_argument("if _id is specified it must not be empty"));
                }
            }
            "routing" | "_routing" => line.routing = Some(text()?).filter(|_| *value != "null"),
            "version" | "_version" => said[0] = Some(text()?),
            "version_type" | "_version_type" => said[1] = Some(text()?),
            "if_seq_no" => said[2] = Some(text()?),
            "if_primary_term" => said[3] = Some(text()?),
            "require_alias" => line.require_alias = *value == "true",
            "pipeline" | "retry_on_conflict" | "_retry_on_conflict" | "_source"
            | "dynamic_templates" => {}
            unknown => {
                return Err(Failure::illegal_argument(format!(
                    "Action/metadata line [{number}] contains an unknown parameter [{unknown}]"
                )));
            }
        }
    }
    if line.index.is_empty() {
        return Err(Failure::validation(&["index is missing"]));
    }
    if verb == Verb::Update && (said[0].is_some() || said[1].is_some()) {
        return Err(Failure::validation(&[NO_VERSIONS]));
    }
    let [version, version_type, if_seq_no, if_primary_term] = &said;
    line.condition = Said {
        version: version.as_deref(),
        version_type: version_type.as_deref(),
        if_seq_no: if_seq_no.as_deref(),
        if_primary_term: if_primary_term.as_deref(),
        create: verb == Verb::Create,
    }
    .read()?;
    Ok(line)
}

fn value_text(name: &str, value: &str, number: usize) -> Result<String> {
    match value.as_bytes().first() {
        Some(b'"') => search::string(value)
            .map(std::borrow::Cow::into_owned)
            .map_err(|it| Failure::new(400, "json_parse_exception", it.to_string())),
        Some(b'{' | b'[') => Err(Failure::illegal_argument(format!(
            "Malformed action/metadata line [{number}], expected a simple value for field [{name}] but found [{}]",
            token(value)
        ))),
        _ if value == "null" => Ok(String::new()),
        _ => Ok(value.to_owned()),
    }
}

fn token(text: &str) -> &'static str {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => "START_OBJECT",
        Some(b'[') => "START_ARRAY",
        Some(b'"') => "VALUE_STRING",
        Some(b't' | b'f') => "VALUE_BOOLEAN",
        Some(b'n') => "VALUE_NULL",
        _ => "VALUE_NUMBER",
    }
}
