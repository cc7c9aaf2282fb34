//! From the items of a table, as an export or a scan gives them, to events. Pure.
//!
//! Every row of a load has one version: five minutes before the moment it was read, in microseconds.
//! So a change that came by the stream always wins, also one made while the load was under way.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use pipeline::{Document, Event, Failure, Origin, Path, Table};
use wire::{
    ion,
    json::Malformed,
    rows::{self, KeyNames, Row},
    stream::{ChangeKind, Record},
};

use crate::ExportFormat;

/// How far before its moment the rows of a load stand, so that clocks may differ. Data Prepper takes
/// as much.
pub(crate) const SLACK_MS: u64 = 5 * 60 * 1000;

/// How to read the items of one load.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The table.
    pub table: Arc<Table>,
    /// The moment whose state they are, in milliseconds since the epoch.
    pub read_ms: u64,
    /// How they are written.
    pub format: ExportFormat,
}

/// A page of a scan, read.
#[derive(Debug)]
pub struct ScanPage {
    /// Its items, in order.
    pub events: Vec<Event>,
    /// Where the next page begins, in DynamoDB JSON; `None` at the end of the segment.
    pub last_key: Option<String>,
    /// What it cost.
    pub read_units: f64,
}

impl Rows {
    /// The version of every row.
    pub fn version(&self) -> u64 {
        self.read_ms.saturating_sub(SLACK_MS).saturating_mul(1000)
    }

    /// Reads whole lines of an export file. A line that makes no sense becomes an event all the same,
    /// which says so and ends in the dead letters. Also says how many lines that were.
    pub fn of_lines(&self, text: Vec<u8>) -> (Vec<Event>, u64) {
        let text = match self.format {
            ExportFormat::DynamodbJson => text,
            ExportFormat::Ion => from_ion(&text),
        };
        let mut beside = Vec::with_capacity(text.len());
        let mut found = Vec::with_capacity(1024);
        let mut start = 0;
        let mut n_lines = 0;
        while start < text.len() {
            let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |it| start + it);
            let place = start..end;
            start = end + 1;
            if text[place.clone()].iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            n_lines += 1;
            let row = rows::line(&text, place.clone(), self.names(), &mut beside);
            found.push(row.map_err(|error| (place, error.to_string())));
        }
        (self.events(text, &beside, found), n_lines)
    }

    /// Reads an answer of `Scan`.
    ///
    /// # Errors
    ///
    /// When the answer as a whole makes no sense.
    pub fn of_page(&self, body: &[u8]) -> Result<ScanPage, Malformed> {
        let mut beside = Vec::with_capacity(body.len());
        let page = rows::page(body, self.names(), &mut beside)?;
        let last_key = (!page.last_key.is_empty())
            .then(|| String::from_utf8_lossy(&body[page.last_key.clone()]).into_owned());
        let failed = |place| (place, "the item is no DynamoDB JSON, or lacks a key".to_owned());
        let found = page.rows.into_iter().map(|row| row.map_err(failed)).collect();
        let events = self.events(body.to_vec(), &beside, found);
        Ok(ScanPage { events, last_key, read_units: page.read_units })
    }

    fn names(&self) -> KeyNames<'_> {
        let Table { partition_key, sort_key, .. } = &*self.table;
        KeyNames { partition: partition_key, sort: sort_key.as_deref() }
    }

    /// Events share one text: what was read, and behind it what was written beside it.
    fn events(
        &self,
        mut text: Vec<u8>,
        beside: &[u8],
        found: Vec<Result<Row, (Range<usize>, String)>>,
    ) -> Vec<Event> {
        let n_read = text.len();
        // A buffer that grows by doubling would be kept half empty.
        text.reserve_exact(beside.len());
        text.extend_from_slice(beside);
        let body = Bytes::from(text);
        let behind = |it: &Range<usize>| n_read + it.start..n_read + it.end;
        let version = self.version();
        let event = |row: Row| {
            let record = Record {
                kind: ChangeKind::Insert,
                whole: row.item.clone(),
                keys: behind(&row.keys),
                new_image: row.item,
                plain: 0..0,
                old_image: 0..0,
                sequence_number: 0..0,
                created_ms: self.read_ms,
                by_ttl: false,
            };
            let table = Arc::clone(&self.table);
            let origin = Origin { table, body: body.clone(), record, path: Path::Export, version };
            let document = Document::Json(body.slice(behind(&row.plain)));
            Event { document, origin: Some(origin), ..Event::default() }
        };
        let set_aside = |(place, reason): (Range<usize>, String)| {
            let reason = format!("a row of table {} cannot be read: {reason}", self.table.name);
            Event {
                document: Document::Item(body.slice(place)),
                failure: Some(Failure { plugin: "dynamodb".to_owned(), reason }),
                ..Event::default()
            }
        };
        found.into_iter().map(|row| row.map_or_else(set_aside, event)).collect()
    }
}

/// Each line in DynamoDB JSON; one that is no Ion as it was, so that it can be shown.
fn from_ion(text: &[u8]) -> Vec<u8> {
    let mut json = Vec::with_capacity(text.len() * 3 / 2);
    for line in text.split(|it| *it == b'\n') {
        if ion::line_to_dynamodb_json(line, &mut json).is_err() {
            json.extend_from_slice(line);
        }
        json.push(b'\n');
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(format: ExportFormat) -> Rows {
        let table = Table {
            name: "books".to_owned(),
            partition_key: "author".to_owned(),
            sort_key: Some("n".to_owned()),
        };
        Rows { table: Arc::new(table), read_ms: 1_700_020_441_123, format }
    }

    fn documents(events: &[Event]) -> Vec<String> {
        let document = |event: &Event| {
            let mut out = Vec::new();
            match event.write_document(&mut out) {
                Ok(()) => String::from_utf8(out).unwrap(),
                Err(_) => event.failure.clone().unwrap().reason,
            }
        };
        events.iter().map(document).collect()
    }

    const JSON: &str = "{\"Item\":{\"author\":{\"S\":\"a|b\"},\"n\":{\"N\":\"860670\"},\"x\":{\"SS\":[\"y\"]}}}\n\
        \n{\"Item\":{\"author\":{\"S\":\"c\"}}}\n{\"Item\":{\"n\":{\"N\":\"-1.5\"},\"author\":{\"S\":\"é\"}}}";
    const ION: &str = "$ion_1_0 {Item:{author:\"a|b\",n:86067d1,x:$dynamodb_SS::[\"y\"]}}\n\n\
        $ion_1_0 {Item:{author:\"c\"}}\n$ion_1_0 {Item:{n:-1.50,author:\"\\u00e9\"}}";

    #[test]
    fn both_languages_of_an_export_give_the_same_events() {
        for (format, text) in [(ExportFormat::DynamodbJson, JSON), (ExportFormat::Ion, ION)] {
            let (events, n_lines) = rows(format).of_lines(text.as_bytes().to_vec());
            assert_eq!(n_lines, 3);
            let documents = documents(&events);
            assert_eq!(documents[0], r#"{"author":"a|b","n":860670,"x":["y"]}"#);
            assert!(documents[1].contains("books cannot be read"), "{documents:?}");
            assert_eq!(documents[2], r#"{"n":-1.5,"author":"é"}"#);
            let metadata = |name: &str| events[0].metadata(name).unwrap();
            assert_eq!(metadata("primary_key"), Some("a|b|860670".into()));
            assert_eq!(metadata("sort_key"), Some("860670".into()));
            assert_eq!(metadata("document_version"), Some(1_700_020_141_123_000u64.into()));
            assert_eq!(metadata("dynamodb_timestamp"), Some(1_700_020_441_123u64.into()));
            assert_eq!(metadata("opensearch_action"), Some("index".into()));
            assert_eq!(metadata("dynamodb_event_name"), None);
            assert_eq!(metadata("ttl_delete"), Some(false.into()));
        }
    }

    #[test]
    fn what_is_no_line_at_all_is_set_aside_as_it_came() {
        for format in [ExportFormat::DynamodbJson, ExportFormat::Ion] {
            let (events, n_lines) = rows(format).of_lines(b"garbage\n\xff\n".to_vec());
            assert_eq!((events.len(), n_lines), (2, 2));
            assert!(events.iter().all(|it| it.failure.is_some()));
            assert_eq!(events[0].document, Document::Item(Bytes::from_static(b"garbage")));
        }
    }

    #[test]
    fn a_page_of_a_scan_gives_the_same_events_too() {
        let text = r#"{"Items":[{"author":{"S":"a|b"},"n":{"N":"860670"},"x":{"SS":["y"]}},{"x":1}],
            "LastEvaluatedKey":{"n":{"N":"1"}},"ConsumedCapacity":{"CapacityUnits":2}}"#;
        let page = rows(ExportFormat::DynamodbJson).of_page(text.as_bytes()).unwrap();
        assert_eq!(documents(&page.events)[0], r#"{"author":"a|b","n":860670,"x":["y"]}"#);
        assert!(page.events[1].failure.is_some());
        assert_eq!(page.events[0].metadata("primary_key").unwrap(), Some("a|b|860670".into()));
        assert_eq!(page.last_key.as_deref(), Some(r#"{"n":{"N":"1"}}"#));
    }
}
