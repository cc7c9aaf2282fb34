//! Finds the items in an export file and in an answer of `Scan`. Pure.
//!
//! A [`Row`] is a set of places: in the text it came from, and in the text that is written beside it
//! on the way. Its item is walked over once, to find its end, its keys and its plain JSON.

use std::ops::Range;

use crate::{
    attribute::value_to_plain,
    json::{Cursor, Malformed, unescape, write_string},
};

/// The names of a table's keys.
#[derive(Clone, Copy, Debug)]
pub struct KeyNames<'a> {
    /// Of the partition key.
    pub partition: &'a str,
    /// Of the sort key, if there is one.
    pub sort: Option<&'a str>,
}

/// One item of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The item in DynamoDB JSON, in the text that was read.
    pub item: Range<usize>,
    /// The item as plain JSON, in the text written beside it.
    pub plain: Range<usize>,
    /// Its keys in DynamoDB JSON, `{"author":{"S":"x"}}`, in the text written beside it.
    pub keys: Range<usize>,
}

/// What `Scan` answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanPage {
    /// Its items, in order; where one makes no sense, the place of its text.
    pub rows: Vec<Result<Row, Range<usize>>>,
    /// `LastEvaluatedKey`; empty at the end of the segment.
    pub last_key: Range<usize>,
    /// What the page cost, in read units.
    pub read_units: f64,
}

/// Reads one line of an export, `{"Item":{…}}`, that lies at `place` of `text`.
///
/// # Errors
///
/// When it is none, or the item is no DynamoDB JSON or lacks a key. `beside` is as it was then.
pub fn line(
    text: &[u8],
    place: Range<usize>,
    names: KeyNames<'_>,
    beside: &mut Vec<u8>,
) -> Result<Row, Malformed> {
    let line = &text[..place.end];
    std::str::from_utf8(&line[place.start..])
        .map_err(|error| Malformed { at: place.start + error.valid_up_to() })?;
    let written = beside.len();
    let mut read = || {
        let mut row = None;
        let mut cursor = Cursor::at(line, place.start);
        cursor.object(|cursor, name| {
            if name == b"Item" {
                row = Some(item(cursor, names, beside)?);
            } else {
                cursor.skip()?;
            }
            Ok::<(), Malformed>(())
        })?;
        let row = row.ok_or_else(|| cursor.malformed())?;
        cursor.end()?;
        Ok(row)
    };
    let row = read();
    if row.is_err() {
        beside.truncate(written);
    }
    row
}

/// Reads an answer of `Scan`.
///
/// # Errors
///
/// When it is none. An item that makes no sense spoils no other.
pub fn page(text: &[u8], names: KeyNames<'_>, beside: &mut Vec<u8>) -> Result<ScanPage, Malformed> {
    std::str::from_utf8(text).map_err(|error| Malformed { at: error.valid_up_to() })?;
    let mut page = ScanPage::default();
    let mut cursor = Cursor::new(text);
    cursor.object(|cursor, name| {
        match name {
            b"Items" => cursor.array(|cursor| {
                cursor.peek()?;
                let (start, written) = (cursor.clone(), beside.len());
                let row = if let Ok(row) = item(cursor, names, beside) {
                    Ok(row)
                } else {
                    beside.truncate(written);
                    *cursor = start;
                    let n_bytes = cursor.skip()?.len();
                    Err(cursor.position() - n_bytes..cursor.position())
                };
                page.rows.push(row);
                Ok::<(), Malformed>(())
            })?,
            b"LastEvaluatedKey" if !cursor.null()? => {
                let n_bytes = cursor.skip()?.len();
                page.last_key = cursor.position() - n_bytes..cursor.position();
            }
            b"LastEvaluatedKey" => {}
            b"ConsumedCapacity" => page.read_units = capacity(cursor)?,
            _ => {
                cursor.skip()?;
            }
        }
        Ok::<(), Malformed>(())
    })?;
    cursor.end()?;
    Ok(page)
}

fn capacity(cursor: &mut Cursor<'_>) -> Result<f64, Malformed> {
    let mut units = 0.0;
    if cursor.null()? {
        return Ok(units);
    }
    cursor.object(|cursor, name| {
        if name == b"CapacityUnits" {
            let text = std::str::from_utf8(cursor.number()?).ok();
            units = text.and_then(|it| it.parse().ok()).unwrap_or_default();
        } else {
            cursor.skip()?;
        }
        Ok::<(), Malformed>(())
    })?;
    Ok(units)
}

/// Passes an item; writes it as plain JSON, and its keys behind that.
fn item(
    cursor: &mut Cursor<'_>,
    names: KeyNames<'_>,
    beside: &mut Vec<u8>,
) -> Result<Row, Malformed> {
    cursor.peek()?;
    let text = cursor.clone();
    let (start, plain_start) = (cursor.position(), beside.len());
    let (mut partition, mut sort) = (0..0, 0..0);
    cursor.expect(b'{')?;
    beside.push(b'{');
    if cursor.peek()? == b'}' {
        return Err(cursor.malformed());
    }
    loop {
        let name = cursor.quoted()?;
        beside.extend_from_slice(name);
        cursor.expect(b':')?;
        beside.push(b':');
        cursor.peek()?;
        let value_start = cursor.position();
        value_to_plain(cursor, beside)?;
        let name = &name[1..name.len() - 1];
        if is_named(name, names.partition) {
            partition = value_start..cursor.position();
        } else if names.sort.is_some_and(|it| is_named(name, it)) {
            sort = value_start..cursor.position();
        }
        if !cursor.comma_or(b'}')? {
            break;
        }
        beside.push(b',');
    }
    beside.push(b'}');
    let plain = plain_start..beside.len();
    if partition.is_empty() || (names.sort.is_some() && sort.is_empty()) {
        return Err(cursor.malformed());
    }
    write_key(b'{', names.partition, text.between(&partition), beside);
    if let Some(name) = names.sort {
        write_key(b',', name, text.between(&sort), beside);
    }
    beside.push(b'}');
    Ok(Row { item: start..cursor.position(), keys: plain.end..beside.len(), plain })
}

fn is_named(raw: &[u8], name: &str) -> bool {
    raw == name.as_bytes()
        || (memchr::memchr(b'\\', raw).is_some() && unescape(raw).is_ok_and(|it| it == name))
}

fn write_key(before: u8, name: &str, value: &[u8], beside: &mut Vec<u8>) {
    beside.push(before);
    write_string(name, beside);
    beside.push(b':');
    beside.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: KeyNames<'_> = KeyNames { partition: "pk", sort: Some("s\"k") };

    fn read(text: &str) -> Option<(String, String, String)> {
        let mut beside = b"before".to_vec();
        let padded = format!("xx{text}yy");
        let row = line(padded.as_bytes(), 2..padded.len() - 2, NAMES, &mut beside);
        let Ok(row) = row else {
            assert_eq!(beside, b"before", "{text}");
            return None;
        };
        let part = |it: Range<usize>| String::from_utf8(beside[it].to_vec()).unwrap();
        Some((padded[row.item].to_owned(), part(row.plain), part(row.keys)))
    }

    #[test]
    fn a_line_is_an_item_with_its_keys() {
        let item = r#"{"a":{"N":"1"},"s\"k":{"B":"AQ=="},"pk":{"S":"x\ny"}}"#;
        let (found, plain, keys) = read(&format!(r#" {{"Item":{item}, "More":[1]}} "#)).unwrap();
        assert_eq!(found, item);
        assert_eq!(plain, r#"{"a":1,"s\"k":"AQ==","pk":"x\ny"}"#);
        assert_eq!(keys, r#"{"pk":{"S":"x\ny"},"s\"k":{"B":"AQ=="}}"#);
        let escaped = item.replace("pk", "\\u0070k");
        assert_eq!(read(&format!(r#"{{"Item":{escaped}}}"#)).unwrap().2, keys);
    }

    #[test]
    fn a_line_that_is_no_item_is_refused() {
        for text in [
            "",
            "{}",
            r#"{"Item":{}}"#,
            r#"{"Item":{"pk":{"S":"x"}}}"#,
            r#"{"Item":{"s\"k":{"S":"x"}}}"#,
            r#"{"Item":{"pk":{"S":"x"},"s\"k":{"S":"x"},"a":{}}}"#,
            r#"{"Item":{"pk":{"S":"x"},"s\"k":{"S":"x"}"#,
            r#"{"Item":{"pk":{"S":"x"},"s\"k":{"S":"x"}}} {}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let broken = b"{\"Item\":{\"pk\":{\"S\":\"\xff\"},\"s\\\"k\":{\"S\":\"x\"}}}";
        assert!(line(broken, 0..broken.len(), NAMES, &mut Vec::new()).is_err());
    }

    #[test]
    fn a_page_of_a_scan_is_read_around_an_item_that_makes_no_sense() {
        let names = KeyNames { partition: "pk", sort: None };
        let text = r#"{"ConsumedCapacity":{"TableName":"t","CapacityUnits":12.5},"Count":3,
            "Items":[{"pk":{"S":"a"}},{"pk":{"S":"b"},"x":{}},{"pk":{"N":"3"}}],
            "LastEvaluatedKey":{"pk":{"N":"3"}}}"#;
        let mut beside = Vec::new();
        let page = page(text.as_bytes(), names, &mut beside).unwrap();
        let seen: Vec<_> = page
            .rows
            .iter()
            .map(|row| match row {
                Ok(row) => String::from_utf8(beside[row.plain.clone()].to_vec()).unwrap(),
                Err(place) => text[place.clone()].to_owned(),
            })
            .collect();
        assert_eq!(seen, [r#"{"pk":"a"}"#, r#"{"pk":{"S":"b"},"x":{}}"#, r#"{"pk":3}"#]);
        assert_eq!(&text[page.last_key], r#"{"pk":{"N":"3"}}"#);
        assert!((page.read_units - 12.5).abs() < f64::EPSILON);
    }

    #[test]
    fn the_last_page_of_a_scan_has_no_key() {
        let names = KeyNames { partition: "pk", sort: None };
        for text in [r#"{"Items":[],"Count":0}"#, r#"{"Items":[],"LastEvaluatedKey":null}"#] {
            let page = page(text.as_bytes(), names, &mut Vec::new()).unwrap();
            assert!(page.last_key.is_empty() && page.rows.is_empty());
        }
    }
}
