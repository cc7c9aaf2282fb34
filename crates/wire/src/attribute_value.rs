//! DynamoDB's values as a tree, for those few that are computed with. Pure.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    canonical::LEVELS_MAX,
    json::{Cursor, Malformed, unescape, write_string},
    number::Number,
};

/// Named values: an item, or the inside of an `M`.
pub type Attributes = BTreeMap<String, AttributeValue>;

/// One value of one of the ten types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A string.
    S(String),
    /// A number.
    N(Number),
    /// Bytes.
    B(Vec<u8>),
    /// A truth value.
    Bool(bool),
    /// Nothing, said out loud.
    Null,
    /// A map.
    M(Attributes),
    /// A list.
    L(Vec<AttributeValue>),
    /// A set of strings.
    Ss(BTreeSet<String>),
    /// A set of numbers.
    Ns(BTreeSet<Number>),
    /// A set of bytes.
    Bs(BTreeSet<Vec<u8>>),
}

impl AttributeValue {
    /// Reads canonical JSON: what [`crate::canonical`] has written. Other JSON may pass unchecked.
    ///
    /// # Errors
    ///
    /// When it is no attribute value.
    pub fn read(json: &[u8]) -> Result<AttributeValue, Malformed> {
        read_value(&mut Cursor::new(json), 1)
    }

    /// Appends its canonical JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(self.type_name().as_bytes());
        out.extend_from_slice(b"\":");
        match self {
            AttributeValue::S(text) => write_string(text, out),
            AttributeValue::N(number) => write_number(number, out),
            AttributeValue::B(bytes) => write_bytes(bytes, out),
            AttributeValue::Bool(value) => {
                out.extend_from_slice(if *value { b"true" } else { b"false" });
            }
            AttributeValue::Null => out.extend_from_slice(b"true"),
            AttributeValue::M(attributes) => write_attributes(attributes, out),
            AttributeValue::L(values) => write_list(values, out, AttributeValue::write),
            AttributeValue::Ss(texts) => write_list(texts, out, |it, out| write_string(it, out)),
            AttributeValue::Ns(numbers) => write_list(numbers, out, write_number),
            AttributeValue::Bs(blobs) => write_list(blobs, out, |it, out| write_bytes(it, out)),
        }
        out.push(b'}');
    }

    /// `S`, `N`, `BOOL`, …
    pub fn type_name(&self) -> &'static str {
        match self {
            AttributeValue::S(_) => "S",
            AttributeValue::N(_) => "N",
            AttributeValue::B(_) => "B",
            AttributeValue::Bool(_) => "BOOL",
            AttributeValue::Null => "NULL",
            AttributeValue::M(_) => "M",
            AttributeValue::L(_) => "L",
            AttributeValue::Ss(_) => "SS",
            AttributeValue::Ns(_) => "NS",
            AttributeValue::Bs(_) => "BS",
        }
    }

    /// What it adds to the size of an item.
    pub fn size_bytes(&self) -> usize {
        match self {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(number) => number.size_bytes(),
            AttributeValue::B(bytes) => bytes.len(),
            AttributeValue::Bool(_) | AttributeValue::Null => 1,
            AttributeValue::M(attributes) => 3 + attributes.len() + size_bytes(attributes),
            AttributeValue::L(values) => {
                3 + values.iter().map(|it| 1 + it.size_bytes()).sum::<usize>()
            }
            AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
            AttributeValue::Ns(numbers) => numbers.iter().map(|it| it.size_bytes()).sum(),
            AttributeValue::Bs(blobs) => blobs.iter().map(Vec::len).sum(),
        }
    }
}

/// Reads a canonical map of attributes, `{"name":{"S":"x"},…}`.
///
/// # Errors
///
/// When it is none.
pub fn read_attributes(json: &[u8]) -> Result<Attributes, Malformed> {
    read_map(&mut Cursor::new(json), 0)
}

/// Appends a map of attributes as canonical JSON.
pub fn write_attributes(attributes: &Attributes, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (name, value)) in attributes.iter().enumerate() {
        if at != 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        value.write(out);
    }
    out.push(b'}');
}

/// The size of an item as DynamoDB charges it.
pub fn size_bytes(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

fn read_map(cursor: &mut Cursor<'_>, level: usize) -> Result<Attributes, Malformed> {
    let mut attributes = Attributes::new();
    cursor.object(|cursor, name| {
        attributes.insert(unescape(name)?.into_owned(), read_value(cursor, level + 1)?);
        Ok::<(), Malformed>(())
    })?;
    Ok(attributes)
}

fn read_value(cursor: &mut Cursor<'_>, level: usize) -> Result<AttributeValue, Malformed> {
    if LEVELS_MAX < level {
        return Err(cursor.malformed());
    }
    cursor.expect(b'{')?;
    let kind = cursor.string()?;
    cursor.expect(b':')?;
    let value = match kind {
        b"S" => AttributeValue::S(read_text(cursor)?),
        b"N" => AttributeValue::N(read_number(cursor)?),
        b"B" => AttributeValue::B(read_bytes(cursor)?),
        b"BOOL" => AttributeValue::Bool(cursor.boolean()?),
        b"NULL" => cursor.boolean().map(|_| AttributeValue::Null)?,
        b"M" => AttributeValue::M(read_map(cursor, level)?),
        b"L" => AttributeValue::L(read_list(cursor, |cursor| read_value(cursor, level + 1))?),
        b"SS" => AttributeValue::Ss(read_list(cursor, read_text)?),
        b"NS" => AttributeValue::Ns(read_list(cursor, read_number)?),
        b"BS" => AttributeValue::Bs(read_list(cursor, read_bytes)?),
        _ => return Err(cursor.malformed()),
    };
    cursor.expect(b'}')?;
    Ok(value)
}

fn read_list<T, C: Default + Extend<T>>(
    cursor: &mut Cursor<'_>,
    mut read: impl FnMut(&mut Cursor<'_>) -> Result<T, Malformed>,
) -> Result<C, Malformed> {
    let mut list = C::default();
    cursor.array(|cursor| {
        list.extend([read(cursor)?]);
        Ok::<(), Malformed>(())
    })?;
    Ok(list)
}

fn read_text(cursor: &mut Cursor<'_>) -> Result<String, Malformed> {
    unescape(cursor.string()?).map(std::borrow::Cow::into_owned)
}

fn read_number(cursor: &mut Cursor<'_>) -> Result<Number, Malformed> {
    let text = std::str::from_utf8(cursor.string()?).map_err(|_| cursor.malformed())?;
    Number::parse(text).map_err(|_| cursor.malformed())
}

fn read_bytes(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, Malformed> {
    let text = cursor.string()?;
    STANDARD.decode(text).map_err(|_| cursor.malformed())
}

fn write_number(number: &Number, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\"{number}\"").as_bytes());
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}

fn write_list<T>(
    values: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (at, value) in values.into_iter().enumerate() {
        if at != 0 {
            out.push(b',');
        }
        write(value, out);
    }
    out.push(b']');
}
