//! One record of a batch, read as far as we need it, and what is wrong with it if anything is. Pure.
//!
//! `wire` reads what DynamoDB itself answers and refuses everything else. Here a record may have come
//! through other hands, and one that cannot be used must still be kept, told and counted.

use std::ops::Range;

use pipeline::SequenceNumber;
use wire::{
    json::{Cursor, Malformed, unescape},
    stream::{ChangeKind, Record},
};

use super::moment;

/// What could be read of a record, whether or not it can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sighting {
    /// `eventName`, as it was written.
    pub event_name: String,
    /// `eventID`.
    pub event_id: String,
    /// `eventSourceARN`.
    pub stream_arn: String,
    /// `StreamViewType`.
    pub view_type: String,
    /// Where in the shard it is.
    pub sequence_number: Option<SequenceNumber>,
    /// The same, as it was written.
    pub sequence_text: String,
    /// When it happened, in milliseconds since the Unix epoch.
    pub created_ms: Option<u64>,
    keys: Range<usize>,
    new_image: Range<usize>,
    old_image: Range<usize>,
    sequence_place: Range<usize>,
    by_ttl: bool,
}

/// Why a record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    /// The record itself can never be written. It goes to the dead letters.
    #[error("{0}")]
    Poison(String),
    /// Something is set up wrong, and all records will be like this one. None may be lost over it.
    #[error("{0}")]
    Configuration(String),
}

impl Sighting {
    /// Reads the record at `place` of `payload`. What is missing or odd is left empty.
    ///
    /// # Errors
    ///
    /// When it is not even an object.
    pub(super) fn read(payload: &[u8], place: &Range<usize>) -> Result<Sighting, Malformed> {
        let mut seen = Sighting::default();
        let mut cursor = Cursor::at(&payload[..place.end], place.start);
        cursor.object(|cursor, key| {
            match key {
                b"eventName" => seen.event_name = text(cursor)?,
                b"eventID" => seen.event_id = text(cursor)?,
                b"eventSourceARN" => seen.stream_arn = text(cursor)?,
                b"userIdentity" if cursor.peek()? == b'{' => seen.by_ttl = is_ttl(cursor)?,
                b"dynamodb" if cursor.peek()? == b'{' => seen.read_change(cursor)?,
                _ => {
                    cursor.skip()?;
                }
            }
            Ok::<(), Malformed>(())
        })?;
        Ok(seen)
    }

    fn read_change(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
        cursor.object(|cursor, key| {
            match key {
                b"Keys" => self.keys = map_place(cursor)?,
                b"NewImage" => self.new_image = map_place(cursor)?,
                b"OldImage" => self.old_image = map_place(cursor)?,
                b"StreamViewType" => self.view_type = text(cursor)?,
                b"ApproximateCreationDateTime" => self.created_ms = moment::read(cursor.skip()?),
                b"SequenceNumber" => {
                    let number = text(cursor)?;
                    let end = cursor.position().saturating_sub(1);
                    self.sequence_place = end.saturating_sub(number.len())..end;
                    self.sequence_number = number.parse().ok();
                    self.sequence_text = number;
                }
                _ => {
                    cursor.skip()?;
                }
            }
            Ok(())
        })
    }

    /// The name of the table, from the address of its stream.
    pub(super) fn table(&self) -> Option<&str> {
        let (_, rest) = self.stream_arn.split_once(":table/")?;
        rest.split('/').next().filter(|it| !it.is_empty())
    }

    /// The keys, in DynamoDB JSON.
    pub(super) fn keys<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        &payload[self.keys.clone()]
    }

    /// The record as the rest of the program knows it.
    ///
    /// # Errors
    ///
    /// When it can never be written, or the stream does not send what it takes.
    pub(super) fn record(&self, whole: Range<usize>, created_ms: u64) -> Result<Record, Unusable> {
        let poison = |text: String| Err(Unusable::Poison(text));
        let kind = match self.event_name.as_str() {
            "INSERT" => ChangeKind::Insert,
            "MODIFY" => ChangeKind::Modify,
            "REMOVE" => ChangeKind::Remove,
            "" => return poison("the record has no `eventName`".to_owned()),
            other => {
                return poison(format!(
                    "`eventName` is `{other}`; expected INSERT, MODIFY or REMOVE"
                ));
            }
        };
        if self.keys.is_empty() {
            return poison("the record has no `Keys`".to_owned());
        }
        if self.sequence_number.is_none() {
            return poison("the record has no `SequenceNumber`".to_owned());
        }
        if kind != ChangeKind::Remove && self.new_image.is_empty() {
            return Err(self.no_image());
        }
        Ok(Record {
            kind,
            whole,
            keys: self.keys.clone(),
            new_image: self.new_image.clone(),
            plain: 0..0,
            old_image: self.old_image.clone(),
            sequence_number: self.sequence_place.clone(),
            created_ms,
            by_ttl: self.by_ttl,
        })
    }

    fn no_image(&self) -> Unusable {
        let Sighting { event_name, view_type, .. } = self;
        if matches!(view_type.as_str(), "KEYS_ONLY" | "OLD_IMAGE") {
            let table = self.table().unwrap_or("the table");
            return Unusable::Configuration(format!(
                "the stream of {table} sends {view_type}, which has no new image to index; enable it \
                 again with the view type NEW_AND_OLD_IMAGES (or NEW_IMAGE), and point the trigger at \
                 the new stream"
            ));
        }
        Unusable::Poison(format!("the {event_name} record has no `NewImage`"))
    }
}

/// A string with its escapes resolved; empty for anything else.
fn text(cursor: &mut Cursor<'_>) -> Result<String, Malformed> {
    if cursor.peek()? != b'"' {
        cursor.skip()?;
        return Ok(String::new());
    }
    Ok(unescape(cursor.string()?).unwrap_or_default().into_owned())
}

/// Where a map lies; nowhere if it is something else.
fn map_place(cursor: &mut Cursor<'_>) -> Result<Range<usize>, Malformed> {
    let is_map = cursor.peek()? == b'{';
    let n_bytes = cursor.skip()?.len();
    let end = cursor.position();
    Ok(if is_map { end - n_bytes..end } else { 0..0 })
}

/// DynamoDB signs what it deletes because of a time to live like this.
fn is_ttl(cursor: &mut Cursor<'_>) -> Result<bool, Malformed> {
    let (mut principal, mut kind) = (String::new(), String::new());
    cursor.object(|cursor, key| {
        match key {
            b"principalId" | b"PrincipalId" => principal = text(cursor)?,
            b"type" | b"Type" => kind = text(cursor)?,
            _ => {
                cursor.skip()?;
            }
        }
        Ok::<(), Malformed>(())
    })?;
    Ok(principal == "dynamodb.amazonaws.com" && kind == "Service")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(record: &str) -> Result<Record, Unusable> {
        let whole = 0..record.len();
        let seen = Sighting::read(record.as_bytes(), &whole).unwrap();
        seen.record(whole, seen.created_ms.unwrap_or_default())
    }

    #[test]
    fn a_record_is_read_as_wire_reads_it() {
        for record in [
            r#"{"eventName":"INSERT","dynamodb":{"ApproximateCreationDateTime":7,"Keys":{"a":{"S":"x"}},"NewImage":{"a":{"S":"x"}},"SequenceNumber":"123"}}"#,
            r#"{"userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"},"eventName":"REMOVE","dynamodb":{"SequenceNumber":"9","Keys":{"a":{"S":"x"}},"OldImage":{"a":{"S":"x"}},"NewImage":null}}"#,
        ] {
            let wire = wire::stream::record(&mut Cursor::new(record.as_bytes())).unwrap();
            assert_eq!(read(record), Ok(wire));
        }
    }

    #[test]
    fn a_table_is_named_by_its_stream() {
        for (arn, table) in [
            ("arn:aws:dynamodb:us-east-1:1:table/books/stream/2026", Some("books")),
            (
                "arn:aws-cn:dynamodb:cn-north-1:1:table/Books.V2_test-1/stream/x",
                Some("Books.V2_test-1"),
            ),
            ("arn:aws:kinesis:us-east-1:1:stream/x", None),
            ("", None),
        ] {
            let seen = Sighting { stream_arn: arn.to_owned(), ..Sighting::default() };
            assert_eq!(seen.table(), table, "{arn}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let keys = r#""Keys":{"a":{"S":"x"}},"SequenceNumber":"1""#;
        for (record, says) in [
            (r#"{"eventName":"INSERT"}"#.to_owned(), "no `Keys`"),
            (r#"{"dynamodb":{}}"#.to_owned(), "no `eventName`"),
            (format!(r#"{{"eventName":"PURGE","dynamodb":{{{keys}}}}}"#), "`PURGE`"),
            (format!(r#"{{"eventName":"INSERT","dynamodb":{{{keys}}}}}"#), "no `NewImage`"),
            (
                format!(r#"{{"eventName":"MODIFY","dynamodb":{{{keys},"StreamViewType":"KEYS_ONLY"}}}}"#),
                "sends KEYS_ONLY",
            ),
            (
                r#"{"eventName":"REMOVE","dynamodb":{"Keys":{"a":{"S":"x"}},"SequenceNumber":"x"}}"#
                    .to_owned(),
                "no `SequenceNumber`",
            ),
        ] {
            let error = read(&record).unwrap_err().to_string();
            assert!(error.contains(says), "{record}: {error}");
        }
    }
}
