//! From a page of the stream to events. Pure.
//!
//! Each image is walked over once: what finds its end converts it, too. Events share the page and
//! the converted text.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use pipeline::{Document, Event, Failure, Origin, Path, SequenceNumber, Table};
use wire::{
    json::Malformed,
    stream::{ChangeKind, Record, page},
};

use crate::{Progress, ShardIterator, Versions, ViewOnRemove};

/// A page with this many records or bytes has more behind it: DynamoDB's limits are 1,000 and 1 MB.
const FULL_RECORDS: usize = 1_000;
const FULL_BYTES: usize = 900_000;

/// How to read the records of one table.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The table.
    pub table: Arc<Table>,
    /// Which image a removed item's document is made of.
    pub view_on_remove: ViewOnRemove,
    /// Records made before this (milliseconds since the epoch) are not ours to read.
    pub not_before_ms: u64,
}

/// A page, read.
#[derive(Debug)]
pub struct Page {
    /// Its events, in order.
    pub events: Vec<Event>,
    /// Where it ends, unless it is empty.
    pub last: Option<Progress>,
    /// Whether more is likely to be waiting behind it.
    pub full: bool,
    /// Where the next page is, unless the shard ended here.
    pub next: Option<ShardIterator>,
}

/// Reads an answer of `GetRecords`, numbering its changes with `versions`.
///
/// # Errors
///
/// When the answer as a whole makes no sense. A single record that makes none becomes an event all
/// the same, which says so and ends in the dead letters.
pub fn convert(
    body: &Bytes,
    conversion: &Conversion,
    versions: &mut Versions,
) -> Result<Page, Malformed> {
    // Plain JSON is about half as long, where old images are sent as well.
    let mut plain = Vec::with_capacity(body.len() / 2);
    let page = page(body, &mut plain)?;
    let plain = Bytes::from(plain);
    let full = FULL_RECORDS <= page.records.len() || FULL_BYTES <= body.len();
    let mut events = Vec::with_capacity(page.records.len());
    let mut after = None;
    let mut bad = page.bad.into_iter().peekable();
    for n in 0..=page.records.len() {
        while let Some((_, place)) = bad.next_if(|(before, _)| *before == n) {
            after = Some(
                sequence_number_in(&body[place.clone()]).ok_or(Malformed { at: place.start })?,
            );
            events.push(set_aside(body, place));
        }
        let Some(record) = page.records.get(n) else { break };
        after = Some(sequence_number(body, record)?);
        let version = versions.peek(record.created_ms);
        let event = event(body, &plain, record.clone(), version, conversion);
        if event.failure.is_none() {
            versions.next(record.created_ms);
        }
        if conversion.not_before_ms <= record.created_ms {
            events.push(event);
        }
    }
    let last = after.map(|after| Progress { after: Some(after), version: versions.last() });
    Ok(Page { events, last, full, next: page.next.map(ShardIterator) })
}

fn sequence_number(body: &Bytes, record: &Record) -> Result<SequenceNumber, Malformed> {
    let malformed = Malformed { at: record.sequence_number.start };
    let digits = std::str::from_utf8(&body[record.sequence_number.clone()]);
    digits.ok().and_then(|it| it.parse().ok()).ok_or(malformed)
}

/// The sequence number of what is no record: without one, nobody could read on behind it.
fn sequence_number_in(text: &[u8]) -> Option<SequenceNumber> {
    const NAME: &[u8] = b"\"SequenceNumber\"";
    let rest = &text[memchr::memmem::find(text, NAME)? + NAME.len()..];
    let rest =
        rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    std::str::from_utf8(rest.split(|it| *it == b'"').next()?).ok()?.parse().ok()
}

/// What is no record goes to the dead letters, as it came.
fn set_aside(body: &Bytes, place: Range<usize>) -> Event {
    let reason = "what the stream sent is no record".to_owned();
    Event {
        document: Document::Item(body.slice(place)),
        failure: Some(Failure { plugin: "dynamodb".to_owned(), reason }),
        ..Event::default()
    }
}

pub(crate) fn event(
    body: &Bytes,
    plain: &Bytes,
    record: Record,
    version: u64,
    conversion: &Conversion,
) -> Event {
    let document = match (record.kind, conversion.view_on_remove) {
        (ChangeKind::Remove, ViewOnRemove::OldImage) if !record.old_image.is_empty() => {
            Document::Item(body.slice(record.old_image.clone()))
        }
        // DynamoDB sends no new image, and the document of a removed item is empty.
        (ChangeKind::Remove, _) if record.plain.is_empty() => Document::default(),
        // What could not be converted is shown as it came.
        _ if record.plain.is_empty() => Document::Item(body.slice(record.new_image.clone())),
        _ => Document::Json(plain.slice(record.plain.clone())),
    };
    let table = Arc::clone(&conversion.table);
    let failure = matches!(document, Document::Item(_) if record.kind != ChangeKind::Remove);
    let failure = failure.then(|| Failure {
        plugin: "dynamodb".to_owned(),
        reason: "the new image of the record is missing, or is no DynamoDB JSON".to_owned(),
    });
    let origin = Origin { table, body: body.clone(), record, path: Path::Stream, version };
    Event { document, origin: Some(origin), failure, ..Event::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversion(view_on_remove: ViewOnRemove, not_before_ms: u64) -> Conversion {
        let table = Table {
            name: "books".to_owned(),
            partition_key: "author".to_owned(),
            sort_key: Some("bookTitle".to_owned()),
        };
        Conversion { table: Arc::new(table), view_on_remove, not_before_ms }
    }

    fn body() -> Bytes {
        let record = |name: &str, second: u64, n: u64, image: &str| {
            format!(
                r#"{{"eventName":"{name}","dynamodb":{{"ApproximateCreationDateTime":{second},"Keys":{{"bookTitle":{{"S":"t\"{n}"}},"author":{{"S":"a|b"}}}},{image}"SequenceNumber":"{n:021}"}}}}"#
            )
        };
        let new = r#""NewImage":{"x":{"N":"1.50"}},"#;
        let old = r#""OldImage":{"x":{"N":"2"}},"#;
        let records =
            [record("INSERT", 7, 1, new), record("MODIFY", 7, 2, new), record("REMOVE", 8, 3, old)];
        Bytes::from(format!(r#"{{"Records":[{}],"NextShardIterator":"n"}}"#, records.join(",")))
    }

    fn documents(page: &Page) -> Vec<String> {
        page.events
            .iter()
            .map(|event| {
                let mut out = Vec::new();
                event.write_document(&mut out).unwrap();
                String::from_utf8(out).unwrap()
            })
            .collect()
    }

    #[test]
    fn records_become_events_in_their_order() {
        let mut versions = Versions::after(7_000_004);
        let conversion = conversion(ViewOnRemove::NewImage, 0);
        let page = convert(&body(), &conversion, &mut versions).unwrap();

        assert_eq!(documents(&page), [r#"{"x":1.50}"#, r#"{"x":1.50}"#, "{}"]);
        let metadata = |n: usize, name: &str| page.events[n].metadata(name).unwrap().unwrap();
        assert_eq!(metadata(0, "primary_key"), r#"a|b|t"1"#.into());
        assert_eq!(metadata(0, "document_version"), 7_000_005u64.into());
        assert_eq!(metadata(1, "document_version"), 7_000_006u64.into());
        assert_eq!(metadata(2, "document_version"), 8_000_000u64.into());
        assert_eq!(metadata(1, "opensearch_action"), "index".into());
        assert_eq!(metadata(2, "opensearch_action"), "delete".into());
        assert_eq!(metadata(2, "dynamodb_event_name"), "REMOVE".into());
        assert_eq!(page.last.unwrap().to_string(), "000000000000000000003 version 8000000");
        assert_eq!(page.next, Some(ShardIterator("n".to_owned())));
    }

    #[test]
    fn a_removed_item_can_show_its_old_image() {
        let conversion = conversion(ViewOnRemove::OldImage, 0);
        let page = convert(&body(), &conversion, &mut Versions::default()).unwrap();
        assert_eq!(documents(&page)[2], r#"{"x":2}"#);
    }

    #[test]
    fn what_happened_before_the_start_is_passed_but_counted() {
        let conversion = conversion(ViewOnRemove::NewImage, 8_000);
        let page = convert(&body(), &conversion, &mut Versions::default()).unwrap();
        assert_eq!(page.events.len(), 1);
        assert_eq!(page.last.unwrap().version, 8_000_000);
    }

    #[test]
    fn what_makes_no_sense_is_set_aside_in_its_place() {
        let text = String::from_utf8(body().to_vec()).unwrap();
        let second = text.find("{\"eventName\":\"MODIFY\"").unwrap();
        for (bad, has_origin) in [
            (text[second..].replacen("MODIFY", "RENAME", 1), false),
            (text[second..].replacen("\"N\":\"1.50\"", "\"N\":\"one\"", 1), true),
            (text[second..].replacen("NewImage", "NoImage", 1), true),
        ] {
            let body = Bytes::from(format!("{}{bad}", &text[..second]));
            let conversion = conversion(ViewOnRemove::NewImage, 0);
            let page = convert(&body, &conversion, &mut Versions::default()).unwrap();
            let failed: Vec<bool> = page.events.iter().map(|it| it.failure.is_some()).collect();
            assert_eq!(failed, [false, true, false], "{bad}");
            assert_eq!(page.events[1].origin.is_some(), has_origin);
            assert_eq!(page.last.unwrap().to_string(), "000000000000000000003 version 8000000");
        }
    }

    #[test]
    fn one_can_read_on_behind_what_is_no_record() {
        let body = Bytes::from_static(br#"{"Records":[{"x":{"SequenceNumber" : "17"}}]}"#);
        let conversion = conversion(ViewOnRemove::NewImage, 0);
        let page = convert(&body, &conversion, &mut Versions::after(5)).unwrap();
        assert_eq!(page.last, "17 version 5".parse().ok());
        let nowhere = Bytes::from_static(br#"{"Records":[{"x":7}]}"#);
        assert!(convert(&nowhere, &conversion, &mut Versions::default()).is_err());
    }
}
