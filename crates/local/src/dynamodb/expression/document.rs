//! Finds values in the text of an item, without taking the rest apart. Pure.

use wire::{
    attribute_value::AttributeValue,
    json::{Cursor, Malformed, unescape},
};

use super::ast::{Path, Step};

/// The value at `path` in an item, given as canonical JSON.
pub(crate) fn find(item: &[u8], path: &Path) -> Option<AttributeValue> {
    AttributeValue::read(find_text(item, path)?).ok()
}

/// The text of the value at `path`: `{"S":"x"}`.
pub(crate) fn find_text<'a>(item: &'a [u8], path: &Path) -> Option<&'a [u8]> {
    let (first, rest) = path.0.split_first()?;
    let Step::Name(name) = first else { return None };
    let mut value = member(item, name)?;
    for step in rest {
        value = match step {
            Step::Name(name) => member(inside(value, b"M")?, name)?,
            Step::Index(index) => element(inside(value, b"L")?, *index)?,
        };
    }
    Some(value)
}

/// Whether the raw name of a member means `name`.
pub(crate) fn is_named(raw: &[u8], name: &str) -> bool {
    raw == name.as_bytes() || (raw.contains(&b'\\') && unescape(raw).is_ok_and(|it| it == name))
}

/// Why a walk ends before its end.
enum Stop<'a> {
    Found(&'a [u8]),
    Malformed,
}

impl From<Malformed> for Stop<'_> {
    fn from(_: Malformed) -> Self {
        Stop::Malformed
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what walking returns")]
fn found(walk: Result<(), Stop<'_>>) -> Option<&[u8]> {
    match walk {
        Err(Stop::Found(text)) => Some(text),
        _ => None,
    }
}

/// The text of an attribute of an item.
pub(crate) fn attribute<'a>(item: &'a [u8], name: &str) -> Option<&'a [u8]> {
    member(item, name)
}

fn member<'a>(map: &'a [u8], name: &str) -> Option<&'a [u8]> {
    found(Cursor::new(map).object(|cursor, raw| {
        let value = cursor.skip()?;
        if is_named(raw, name) { Err(Stop::Found(value)) } else { Ok(()) }
    }))
}

fn element(list: &[u8], index: usize) -> Option<&[u8]> {
    let mut at = 0;
    found(Cursor::new(list).array(|cursor| {
        let value = cursor.skip()?;
        at += 1;
        if at == index + 1 { Err(Stop::Found(value)) } else { Ok(()) }
    }))
}

/// What `{"M":…}` holds, if it is of that type.
fn inside<'a>(value: &'a [u8], kind: &[u8]) -> Option<&'a [u8]> {
    found(Cursor::new(value).object(|cursor, raw| {
        let content = cursor.skip()?;
        if raw == kind { Err(Stop::Found(content)) } else { Err(Stop::Malformed) }
    }))
}
