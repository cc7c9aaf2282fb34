//! Functions about where an event comes from, and what is known of it.

use std::borrow::Cow;

use pipeline::Path;

use super::{ANY, Call, Function};
use crate::{error::EvalError, operand::Operand};

pub(super) const ALL: &[Function] = &[
    Function {
        name: "getMetadata",
        arguments: "name",
        n_arguments: (1, 1),
        about: "What is known of the record: `primary_key`, `table_name`, `ttl_delete`, …; null if unknown.",
        example: (r#"getMetadata("color") == null"#, "{}", "true"),
        uses_fields: false,
        call: get_metadata,
    },
    Function {
        name: "getEventType",
        arguments: "",
        n_arguments: (0, 0),
        about: "`STREAM` for a change, `EXPORT` for a row of an export, `event` for anything else.",
        example: ("getEventType()", "{}", r#""event""#),
        uses_fields: false,
        call: |call| {
            let path = call.scope.event.origin.as_ref().map(|origin| origin.path);
            Ok(Operand::Text(Cow::Borrowed(event_type(path))))
        },
    },
    Function {
        name: "hasTags",
        arguments: "tag, …",
        n_arguments: (1, ANY),
        about: "Whether the event has all of these tags.",
        example: (r#"hasTags("late")"#, "{}", "false"),
        uses_fields: false,
        call: has_tags,
    },
    Function {
        name: "generateUuid",
        arguments: "",
        n_arguments: (0, 0),
        about: "A random UUID of version 4, another one each time.",
        example: ("length(generateUuid())", "{}", "36"),
        uses_fields: false,
        call: |_| Ok(Operand::Text(Cow::Owned(crate::chance::uuid()))),
    },
    Function {
        name: "now",
        arguments: "",
        n_arguments: (0, 0),
        about: "The time, in milliseconds since 1970.",
        example: ("now() > 1700000000000", "{}", "true"),
        uses_fields: false,
        call: |call| Ok(Operand::Number(call.scope.clock.now().0.into())),
    },
];

fn get_metadata<'a>(call: &Call<'a, '_>) -> Result<Operand<'a>, EvalError> {
    let name = call.needed_text(0)?;
    let name = name.strip_prefix('/').unwrap_or(&name);
    if name.is_empty() {
        return Ok(Operand::Null);
    }
    if let Some(value) = call.scope.event.metadata.get(name) {
        return Ok(Operand::Field(value));
    }
    if let Some(value) = call.scope.metadata(name)? {
        return Ok(Operand::Made(value));
    }
    let nested = crate::pointer::Pointer::parse(name).find(&call.scope.event.metadata);
    Ok(nested.map_or(Operand::Null, Operand::Field))
}

fn event_type(path: Option<Path>) -> &'static str {
    match path {
        Some(Path::Stream) => "STREAM",
        Some(Path::Export) => "EXPORT",
        None => "event",
    }
}

fn has_tags<'a>(call: &Call<'a, '_>) -> Result<Operand<'a>, EvalError> {
    let mut all = true;
    for n in 0..call.arguments.len() {
        let tag = call.needed_text(n)?;
        if tag.is_empty() {
            return Err(call.wrong("a tag is not empty"));
        }
        all &= call.scope.event.tags.iter().any(|it| *it == tag);
    }
    Ok(Operand::Bool(all))
}
