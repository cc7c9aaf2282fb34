//! One spelling for every item: equal items have equal bytes. Pure.
//!
//! Attributes and sets are sorted, numbers normalised, escapes reduced to those that JSON needs and
//! white space dropped. On the way everything that DynamoDB refuses is refused, and the size that it
//! charges is counted. No tree is built: most of it is copying.

use std::ops::Range;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    json::{Cursor, Malformed, unescape, write_string},
    number::{Number, NumberError},
};

/// How deep values may be nested, counting the attribute itself.
pub const LEVELS_MAX: usize = 32;

/// An item in its one spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canonical {
    /// `{"name":{"S":"x"},…}`, sorted by name.
    pub json: Vec<u8>,
    /// Where its attributes are, sorted by name.
    pub members: Vec<Member>,
    /// Its size as DynamoDB charges it.
    pub size_bytes: usize,
}

/// A place in a [`Canonical`]'s `json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The attribute's name, without quotes, escapes kept.
    pub name: Range<usize>,
    /// Its value, `{"S":"x"}`.
    pub value: Range<usize>,
}

impl Canonical {
    /// The name of a member, without quotes, escapes kept.
    pub fn name(&self, member: &Member) -> &[u8] {
        &self.json[member.name.clone()]
    }

    /// The value of a member, `{"S":"x"}`.
    pub fn value(&self, member: &Member) -> &[u8] {
        &self.json[member.value.clone()]
    }
}

/// Why DynamoDB would refuse a value. The messages are DynamoDB's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It is not the JSON that DynamoDB speaks.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// No type is given, or none that exists.
    #[error(
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
    )]
    Empty,
    /// Several types are given.
    #[error(
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
    )]
    SeveralTypes,
    /// A number that cannot be kept.
    #[error("{0}")]
    Number(#[from] NumberError),
    /// A set without elements.
    #[error("One or more parameter values were invalid: {0}")]
    EmptySet(&'static str),
    /// The same element twice in a set of strings.
    #[error("One or more parameter values were invalid: Input collection {0} contains duplicates.")]
    Duplicates(String),
    /// The same element twice in a set of numbers.
    #[error("Input collection contains duplicates")]
    DuplicateNumbers,
    /// `{"NULL":false}`.
    #[error(
        "One or more parameter values were invalid: Null attribute value types must have the value of true"
    )]
    NullIsFalse,
    /// More than 32 levels.
    #[error(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
    )]
    TooDeep,
}

impl Invalid {
    /// Whether it could not even be read, as opposed to making no sense.
    pub fn is_malformed(&self) -> bool {
        matches!(self, Invalid::Malformed(_))
    }
}

/// Passes a map of attributes.
///
/// # Errors
///
/// When it is none, or DynamoDB would refuse a value in it.
pub fn attributes(cursor: &mut Cursor<'_>) -> Result<Canonical, Invalid> {
    let mut json = Vec::with_capacity(512);
    let (members, size_bytes) = map(cursor, &mut json, 0)?;
    Ok(Canonical { json, members, size_bytes })
}

/// Passes one attribute value, writes it, and returns its size.
///
/// # Errors
///
/// As [`attributes`].
pub fn value(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<usize, Invalid> {
    value_at(cursor, out, 1)
}

/// Writes `{…}` with its members sorted; returns them, and their size together.
fn map(
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    level: usize,
) -> Result<(Vec<Member>, usize), Invalid> {
    let start = out.len();
    let mut members: Vec<Member> = Vec::new();
    let mut size_bytes = 0;
    let mut is_sorted = true;
    out.push(b'{');
    cursor.object(|cursor, name| {
        if !members.is_empty() {
            out.push(b',');
        }
        let name_start = out.len() + 1;
        size_bytes += string(name, out)?;
        let name = name_start..out.len() - 1;
        out.push(b':');
        let value_start = out.len();
        size_bytes += value_at(cursor, out, level + 1)?;
        if let Some(last) = members.last() {
            is_sorted &= is_less(&out[last.name.clone()], &out[name.clone()]);
        }
        members.push(Member { name, value: value_start..out.len() });
        Ok::<(), Invalid>(())
    })?;
    out.push(b'}');
    if !is_sorted {
        sort(&mut members, out, start, cursor)?;
    }
    Ok((members, size_bytes))
}

/// Brings the members of the map that begins at `start` into order.
fn sort(
    members: &mut [Member],
    out: &mut Vec<u8>,
    start: usize,
    cursor: &Cursor<'_>,
) -> Result<(), Malformed> {
    members.sort_by(|a, b| {
        let (a, b) = (&out[a.name.clone()], &out[b.name.clone()]);
        if a == b {
            std::cmp::Ordering::Equal
        } else if is_less(a, b) {
            std::cmp::Ordering::Less
        } else {
            std::cmp::Ordering::Greater
        }
    });
    if members.windows(2).any(|it| out[it[0].name.clone()] == out[it[1].name.clone()]) {
        return Err(cursor.malformed());
    }
    let mut sorted = Vec::with_capacity(out.len() - start);
    for member in members {
        sorted.push(if sorted.is_empty() { b'{' } else { b',' });
        // From the quote before the name to the end of the value.
        let text = member.name.start - 1..member.value.end;
        let name_start = start + sorted.len() + 1;
        let value_start = name_start + (member.value.start - member.name.start);
        sorted.extend_from_slice(&out[text]);
        *member = Member {
            name: name_start..name_start + member.name.len(),
            value: value_start..value_start + member.value.len(),
        };
    }
    sorted.push(b'}');
    out.truncate(start);
    out.extend_from_slice(&sorted);
    Ok(())
}

/// Whether one canonical name stands before another. By the text, not by its escapes.
fn is_less(a: &[u8], b: &[u8]) -> bool {
    if memchr::memchr2(b'\\', b'\\', a).is_none() && memchr::memchr(b'\\', b).is_none() {
        return a < b;
    }
    match (unescape(a), unescape(b)) {
        (Ok(a), Ok(b)) => a < b,
        _ => a < b,
    }
}

fn value_at(cursor: &mut Cursor<'_>, out: &mut Vec<u8>, level: usize) -> Result<usize, Invalid> {
    if LEVELS_MAX < level {
        return Err(Invalid::TooDeep);
    }
    let mut size_bytes = None;
    cursor.object(|cursor, kind| {
        let Some(kind) = Kind::named(kind) else {
            // DynamoDB ignores members that it does not know.
            cursor.skip()?;
            return Ok(());
        };
        if size_bytes.is_some() {
            return Err(Invalid::SeveralTypes);
        }
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(kind.name());
        out.extend_from_slice(b"\":");
        size_bytes = Some(content(kind, cursor, out, level)?);
        out.push(b'}');
        Ok(())
    })?;
    size_bytes.ok_or(Invalid::Empty)
}

/// DynamoDB's ten types.
#[derive(Clone, Copy)]
enum Kind {
    S,
    N,
    B,
    Bool,
    Null,
    M,
    L,
    Ss,
    Ns,
    Bs,
}

impl Kind {
    fn named(name: &[u8]) -> Option<Kind> {
        Some(match name {
            b"S" => Kind::S,
            b"N" => Kind::N,
            b"B" => Kind::B,
            b"BOOL" => Kind::Bool,
            b"NULL" => Kind::Null,
            b"M" => Kind::M,
            b"L" => Kind::L,
            b"SS" => Kind::Ss,
            b"NS" => Kind::Ns,
            b"BS" => Kind::Bs,
            _ => return None,
        })
    }

    fn name(self) -> &'static [u8] {
        match self {
            Kind::S => b"S",
            Kind::N => b"N",
            Kind::B => b"B",
            Kind::Bool => b"BOOL",
            Kind::Null => b"NULL",
            Kind::M => b"M",
            Kind::L => b"L",
            Kind::Ss => b"SS",
            Kind::Ns => b"NS",
            Kind::Bs => b"BS",
        }
    }
}

fn content(
    kind: Kind,
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    level: usize,
) -> Result<usize, Invalid> {
    Ok(match kind {
        Kind::S => string(cursor.string()?, out)?,
        Kind::N => number(cursor.string()?, out)?,
        Kind::B => binary(cursor.string()?, out)?.len(),
        Kind::Bool => {
            let value: &[u8] = if cursor.boolean()? { b"true" } else { b"false" };
            out.extend_from_slice(value);
            1
        }
        Kind::Null => {
            if !cursor.boolean()? {
                return Err(Invalid::NullIsFalse);
            }
            out.extend_from_slice(b"true");
            1
        }
        Kind::M => {
            let (members, size_bytes) = map(cursor, out, level)?;
            3 + members.len() + size_bytes
        }
        Kind::L => {
            let mut size_bytes = 3;
            let mut is_first = true;
            out.push(b'[');
            cursor.array(|cursor| {
                if !std::mem::take(&mut is_first) {
                    out.push(b',');
                }
                size_bytes += 1 + value_at(cursor, out, level + 1)?;
                Ok::<(), Invalid>(())
            })?;
            out.push(b']');
            size_bytes
        }
        Kind::Ss => strings(cursor, out)?,
        Kind::Ns => numbers(cursor, out)?,
        Kind::Bs => binaries(cursor, out)?,
    })
}

/// Writes the string whose inside is `raw`, with quotes; returns its length in UTF-8.
fn string(raw: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
    if raw.iter().all(|it| *it != b'\\' && b' ' <= *it) {
        std::str::from_utf8(raw).map_err(|error| Malformed { at: error.valid_up_to() })?;
        out.push(b'"');
        out.extend_from_slice(raw);
        out.push(b'"');
        return Ok(raw.len());
    }
    let text = unescape(raw)?;
    write_string(&text, out);
    Ok(text.len())
}

fn number(raw: &[u8], out: &mut Vec<u8>) -> Result<usize, Invalid> {
    out.push(b'"');
    let size_bytes = if is_normal_integer(raw) {
        out.extend_from_slice(raw);
        let significant = raw.iter().rposition(|it| *it != b'0').map_or(1, |it| it + 1);
        let is_negative = raw[0] == b'-';
        (significant - usize::from(is_negative)).div_ceil(2) + 1 + usize::from(is_negative)
    } else {
        let number = Number::parse(&unescape(raw)?)?;
        out.extend_from_slice(number.to_string().as_bytes());
        number.size_bytes()
    };
    out.push(b'"');
    Ok(size_bytes)
}

/// The common case: digits that mean themselves.
fn is_normal_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    digits.len() <= 38
        && digits.iter().all(u8::is_ascii_digit)
        && (matches!(digits.first(), Some(b'1'..=b'9')) || text == b"0")
}

/// Writes Base64 with quotes; returns what it stands for.
fn binary(raw: &[u8], out: &mut Vec<u8>) -> Result<Vec<u8>, Malformed> {
    let text = unescape(raw)?;
    let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| Malformed { at: 0 })?;
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(bytes)
}

fn strings(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<usize, Invalid> {
    let mut texts = Vec::new();
    cursor.array(|cursor| {
        texts.push(unescape(cursor.string()?)?);
        Ok::<(), Malformed>(())
    })?;
    let as_sent = || format!("[{}]", texts.join(", "));
    if texts.is_empty() {
        return Err(Invalid::EmptySet("An string set  may not be empty"));
    }
    let mut sorted: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|it| it[0] == it[1]) {
        return Err(Invalid::Duplicates(as_sent()));
    }
    elements(out, &sorted, |text, out| write_string(text, out));
    Ok(sorted.iter().map(|it| it.len()).sum())
}

fn numbers(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<usize, Invalid> {
    let mut numbers = Vec::new();
    cursor.array(|cursor| {
        numbers.push(Number::parse(&unescape(cursor.string()?)?)?);
        Ok::<(), Invalid>(())
    })?;
    if numbers.is_empty() {
        return Err(Invalid::EmptySet("An number set  may not be empty"));
    }
    numbers.sort_unstable();
    if numbers.windows(2).any(|it| it[0] == it[1]) {
        return Err(Invalid::DuplicateNumbers);
    }
    elements(out, &numbers, |number, out| {
        out.extend_from_slice(format!("\"{number}\"").as_bytes());
    });
    Ok(numbers.iter().map(|it| it.size_bytes()).sum())
}

fn binaries(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<usize, Invalid> {
    let mut pairs = Vec::new();
    cursor.array(|cursor| {
        let mut text = Vec::new();
        pairs.push((binary(cursor.string()?, &mut text)?, text));
        Ok::<(), Malformed>(())
    })?;
    if pairs.is_empty() {
        return Err(Invalid::EmptySet("Binary sets should not be empty"));
    }
    pairs.sort_unstable();
    if pairs.windows(2).any(|it| it[0] == it[1]) {
        return Err(Invalid::Duplicates("of type BS".to_owned()));
    }
    elements(out, &pairs, |(_, text), out| out.extend_from_slice(text));
    Ok(pairs.iter().map(|(bytes, _)| bytes.len()).sum())
}

fn elements<T>(out: &mut Vec<u8>, elements: &[T], write: impl Fn(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (at, element) in elements.iter().enumerate() {
        if at != 0 {
            out.push(b',');
        }
        write(element, out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests;
