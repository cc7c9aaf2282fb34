//! How the items of an export are written: one a line, as DynamoDB JSON or as Amazon Ion. Pure.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use wire::{
    attribute_value::{AttributeValue, Attributes, read_attributes},
    json::{write_escaped, write_string},
};

use super::Format;
use crate::dynamodb::{
    item::Item,
    key::{Key, KeySchema},
    stream::record::Record,
};

/// What became of one item between two moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetChange {
    old: Option<Item>,
    new: Option<Item>,
    /// Any image of it, for its key.
    any: Item,
    written_ms: u64,
}

impl NetChange {
    /// How much of a table it is.
    pub(crate) fn size_bytes(&self) -> usize {
        self.new.as_ref().map_or_else(|| self.any.key_size_bytes(), Item::size_bytes)
    }
}

/// What became of each item, out of all that has happened to it.
pub(crate) fn net_changes<'a>(
    records: impl Iterator<Item = &'a Record>,
    schema: &KeySchema,
) -> Vec<NetChange> {
    let mut changes: BTreeMap<Key, NetChange> = BTreeMap::new();
    for record in records {
        let Some(any) = record.new.as_ref().or(record.old.as_ref()) else { continue };
        let Some(key) = any.key(schema) else { continue };
        let change = changes.entry(key).or_insert_with(|| NetChange {
            old: record.old.clone(),
            new: None,
            any: any.clone(),
            written_ms: 0,
        });
        change.new.clone_from(&record.new);
        change.written_ms = record.created_ms;
    }
    changes.into_values().collect()
}

/// Appends a line of a full export.
pub(crate) fn write_item(format: Format, item: &Item, out: &mut Vec<u8>) {
    match format {
        Format::DynamoDbJson => {
            out.extend_from_slice(b"{\"Item\":");
            out.extend_from_slice(item.json());
            out.extend_from_slice(b"}\n");
        }
        Format::Ion => {
            out.extend_from_slice(b"$ion_1_0 {Item:");
            write_ion_item(item.json(), out);
            out.extend_from_slice(b"}\n");
        }
    }
}

/// Appends a line of an incremental export. An item that came and went again has no image.
pub(crate) fn write_change(format: Format, change: &NetChange, with_old: bool, out: &mut Vec<u8>) {
    let micros = change.written_ms * 1000;
    let mut keys = Vec::new();
    change.any.write_key(&mut keys);
    let images =
        [("OldImage", change.old.as_ref().filter(|_| with_old)), ("NewImage", change.new.as_ref())];
    match format {
        Format::DynamoDbJson => {
            let head = format!(
                "{{\"Metadata\":{{\"WriteTimestampMicros\":{{\"N\":\"{micros}\"}}}},\"Keys\":"
            );
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(&keys);
            for (name, image) in images {
                if let Some(image) = image {
                    out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                    out.extend_from_slice(image.json());
                }
            }
            out.extend_from_slice(b"}\n");
        }
        Format::Ion => {
            let head =
                format!("$ion_1_0 {{Record:{{Metadata:{{WriteTimestampMicros:{micros}.}},Keys:");
            out.extend_from_slice(head.as_bytes());
            write_ion_item(&keys, out);
            for (name, image) in images {
                if let Some(image) = image {
                    out.extend_from_slice(format!(",{name}:").as_bytes());
                    write_ion_item(image.json(), out);
                }
            }
            out.extend_from_slice(b"}}\n");
        }
    }
}

fn write_ion_item(json: &[u8], out: &mut Vec<u8>) {
    // Items are canonical: they can be read.
    write_ion_members(&read_attributes(json).unwrap_or_default(), out);
}

fn write_ion_members(members: &Attributes, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (name, value)) in members.iter().enumerate() {
        if at != 0 {
            out.push(b',');
        }
        write_symbol(name, out);
        out.push(b':');
        write_ion(value, out);
    }
    out.push(b'}');
}

fn write_ion(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::S(text) => write_string(text, out),
        AttributeValue::N(number) => write_decimal(&number.to_string(), out),
        AttributeValue::B(bytes) => write_blob(bytes, out),
        AttributeValue::Bool(it) => out.extend_from_slice(if *it { b"true" } else { b"false" }),
        AttributeValue::Null => out.extend_from_slice(b"null"),
        AttributeValue::M(members) => write_ion_members(members, out),
        AttributeValue::L(values) => write_list("", values, write_ion, out),
        AttributeValue::Ss(texts) => {
            write_list("$dynamodb_SS::", texts, |text, out| write_string(text, out), out);
        }
        AttributeValue::Ns(numbers) => {
            let decimal = |number: &wire::number::Number, out: &mut Vec<u8>| {
                write_decimal(&number.to_string(), out);
            };
            write_list("$dynamodb_NS::", numbers, decimal, out);
        }
        AttributeValue::Bs(blobs) => {
            write_list("$dynamodb_BS::", blobs, |bytes, out| write_blob(bytes, out), out);
        }
    }
}

fn write_list<T>(
    annotation: &str,
    values: impl IntoIterator<Item = T>,
    write: impl Fn(T, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(annotation.as_bytes());
    crate::dynamodb::answer::write_list(out, values, write);
}

/// A decimal: without a point or an exponent it would be an integer.
fn write_decimal(number: &str, out: &mut Vec<u8>) {
    if let Some((digits, exponent)) = number.split_once(['e', 'E']) {
        out.extend_from_slice(digits.as_bytes());
        out.push(b'd');
        out.extend_from_slice(exponent.trim_start_matches('+').as_bytes());
        return;
    }
    out.extend_from_slice(number.as_bytes());
    if !number.contains('.') {
        out.push(b'.');
    }
}

fn write_blob(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{{");
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.extend_from_slice(b"}}");
}

/// The name of a field: as it is where that is an identifier, else between quotes.
fn write_symbol(name: &str, out: &mut Vec<u8>) {
    let is_word = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'$');
    let is_plain = name.bytes().all(is_word)
        && !name.starts_with(|it: char| it.is_ascii_digit() || it == '$')
        && !matches!(name, "" | "null" | "true" | "false" | "nan");
    if is_plain {
        return out.extend_from_slice(name.as_bytes());
    }
    out.push(b'\'');
    let mut escaped = Vec::new();
    write_escaped(name, &mut escaped);
    for byte in escaped {
        if byte == b'\'' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use wire::{canonical, json::Cursor};

    use super::*;
    use crate::dynamodb::{
        key::{KeyAttribute, KeyType},
        stream::Sequence,
    };

    fn schema() -> KeySchema {
        KeySchema {
            partition: KeyAttribute { name: "id".to_owned(), kind: KeyType::S },
            sort: None,
        }
    }

    fn item(json: &str) -> Item {
        let canonical = canonical::attributes(&mut Cursor::new(json.as_bytes())).unwrap();
        Item::new(&canonical, &schema()).unwrap().1
    }

    #[test]
    fn every_type_has_its_ion() {
        for (value, expected) in [
            (r#"{"S":"a\"b\n"}"#, r#""a\"b\n""#),
            (r#"{"N":"103"}"#, "103."),
            (r#"{"N":"-8.50"}"#, "-8.5"),
            (r#"{"B":"AAE="}"#, "{{AAE=}}"),
            (r#"{"BOOL":true}"#, "true"),
            (r#"{"NULL":true}"#, "null"),
            (r#"{"SS":["b","a"]}"#, r#"$dynamodb_SS::["a","b"]"#),
            (r#"{"NS":["2","1.5"]}"#, "$dynamodb_NS::[1.5,2.]"),
            (r#"{"BS":["AA=="]}"#, "$dynamodb_BS::[{{AA==}}]"),
            (r#"{"L":[{"N":"1"},{"S":"x"}]}"#, r#"[1.,"x"]"#),
            (
                r#"{"M":{"it's":{"N":"1"},"null":{"N":"2"},"a1":{"N":"3"},"1a":{"N":"4"}}}"#,
                r"{'1a':4.,a1:3.,'it\'s':1.,'null':2.}",
            ),
        ] {
            let mut out = Vec::new();
            write_item(
                Format::Ion,
                &item(&format!(r#"{{"id":{{"S":"k"}},"v":{value}}}"#)),
                &mut out,
            );
            let expected = format!("$ion_1_0 {{Item:{{id:\"k\",v:{expected}}}}}\n");
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_change_is_the_sum_of_its_changes() {
        let image =
            |id: &str, n: u32| Some(item(&format!(r#"{{"id":{{"S":"{id}"}},"n":{{"N":"{n}"}}}}"#)));
        let mut sequence = Sequence::default();
        let mut record = |created_ms, old: Option<Item>, new: Option<Item>| {
            let sequence = sequence.advance();
            Record { sequence, created_ms, old, new, by_ttl: false }
        };
        let records = [
            record(1, None, image("new", 1)),
            record(2, image("old", 1), image("old", 2)),
            record(3, image("new", 1), image("new", 2)),
            record(4, image("gone", 1), None),
            record(5, None, image("brief", 1)),
            record(6, image("brief", 1), None),
        ];
        let changes = net_changes(records.iter(), &schema());
        let mut lines: Vec<String> = changes
            .iter()
            .map(|change| {
                let mut out = Vec::new();
                write_change(Format::DynamoDbJson, change, true, &mut out);
                String::from_utf8(out).unwrap()
            })
            .collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "{\"Metadata\":{\"WriteTimestampMicros\":{\"N\":\"2000\"}},\"Keys\":{\"id\":{\"S\":\"old\"}},\"OldImage\":{\"id\":{\"S\":\"old\"},\"n\":{\"N\":\"1\"}},\"NewImage\":{\"id\":{\"S\":\"old\"},\"n\":{\"N\":\"2\"}}}\n",
                "{\"Metadata\":{\"WriteTimestampMicros\":{\"N\":\"3000\"}},\"Keys\":{\"id\":{\"S\":\"new\"}},\"NewImage\":{\"id\":{\"S\":\"new\"},\"n\":{\"N\":\"2\"}}}\n",
                "{\"Metadata\":{\"WriteTimestampMicros\":{\"N\":\"4000\"}},\"Keys\":{\"id\":{\"S\":\"gone\"}},\"OldImage\":{\"id\":{\"S\":\"gone\"},\"n\":{\"N\":\"1\"}}}\n",
                "{\"Metadata\":{\"WriteTimestampMicros\":{\"N\":\"6000\"}},\"Keys\":{\"id\":{\"S\":\"brief\"}}}\n",
            ]
        );
        let mut out = Vec::new();
        write_change(Format::Ion, &changes[0], false, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("$ion_1_0 {Record:{Metadata:{WriteTimestampMicros:"), "{text}");
        assert!(!text.contains("OldImage") && text.ends_with("}}\n"), "{text}");
    }
}
