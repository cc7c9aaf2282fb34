//! Finds the records in an answer of `GetRecords`. Pure.
//!
//! A [`Record`] is a set of places in the body it came from: nothing of it is copied.

use std::ops::Range;

use crate::{
    attribute::map_to_plain,
    json::{Cursor, Malformed},
};

/// What `GetRecords` answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Its records, in the order of the shard.
    pub records: Vec<Record>,
    /// What stands among them and is none: how many records come before it, and where it is.
    pub bad: Vec<(usize, Range<usize>)>,
    /// Where the next page begins; `None` at the end of the shard.
    pub next: Option<String>,
}

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Insert,
    /// It has changed.
    Modify,
    /// It is gone.
    Remove,
}

/// A stream record, as places in the body that holds it.
///
/// Where a place is empty (`0..0`), the record does not have that part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What happened.
    pub kind: ChangeKind,
    /// The whole record.
    pub whole: Range<usize>,
    /// `Keys`, in DynamoDB JSON.
    pub keys: Range<usize>,
    /// `NewImage`, in DynamoDB JSON.
    pub new_image: Range<usize>,
    /// `NewImage` as plain JSON, in the text that [`page`] wrote beside the body; empty if it is
    /// missing or no DynamoDB JSON.
    pub plain: Range<usize>,
    /// `OldImage`, in DynamoDB JSON.
    pub old_image: Range<usize>,
    /// `SequenceNumber`, without its quotes.
    pub sequence_number: Range<usize>,
    /// `ApproximateCreationDateTime` in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Whether DynamoDB itself removed the item, because its time to live was over.
    pub by_ttl: bool,
}

/// Reads an answer of `GetRecords`. On the way it writes each new image to `plain`, as plain JSON:
/// its bytes are walked over once, to find their end and to convert them.
///
/// # Errors
///
/// When it is not one. A record that makes no sense spoils no other, and one whose images make none
/// is found all the same.
pub fn page(body: &[u8], plain: &mut Vec<u8>) -> Result<Page, Malformed> {
    let mut page = Page::default();
    let mut cursor = Cursor::new(body);
    cursor.object(|cursor, key| {
        match key {
            b"Records" => cursor.array(|cursor| {
                cursor.peek()?;
                let (start, written) = (cursor.clone(), plain.len());
                if let Ok(record) = read(cursor, Some(plain)) {
                    page.records.push(record);
                } else {
                    plain.truncate(written);
                    *cursor = start;
                    let n_bytes = cursor.skip()?.len();
                    let place = cursor.position() - n_bytes..cursor.position();
                    page.bad.push((page.records.len(), place));
                }
                Ok::<(), Malformed>(())
            })?,
            b"NextShardIterator" => {
                if !cursor.null()? {
                    page.next = Some(crate::json::unescape(cursor.string()?)?.into_owned());
                }
            }
            _ => {
                cursor.skip()?;
            }
        }
        Ok::<(), Malformed>(())
    })?;
    cursor.end()?;
    Ok(page)
}

/// Passes one stream record, as `GetRecords` or a Lambda event delivers it.
///
/// # Errors
///
/// When it is not one, or lacks its name, keys or sequence number.
pub fn record(cursor: &mut Cursor<'_>) -> Result<Record, Malformed> {
    read(cursor, None)
}

fn read(cursor: &mut Cursor<'_>, mut plain: Option<&mut Vec<u8>>) -> Result<Record, Malformed> {
    cursor.peek()?;
    let start = cursor.position();
    let mut kind = None;
    let mut record = Record {
        kind: ChangeKind::Modify,
        whole: 0..0,
        keys: 0..0,
        new_image: 0..0,
        plain: 0..0,
        old_image: 0..0,
        sequence_number: 0..0,
        created_ms: 0,
        by_ttl: false,
    };
    cursor.object(|cursor, key| {
        match key {
            b"eventName" => {
                kind = match cursor.string()? {
                    b"INSERT" => Some(ChangeKind::Insert),
                    b"MODIFY" => Some(ChangeKind::Modify),
                    b"REMOVE" => Some(ChangeKind::Remove),
                    _ => return Err(cursor.malformed()),
                };
            }
            b"dynamodb" => change(cursor, &mut record, plain.as_deref_mut())?,
            b"userIdentity" => {
                if !cursor.null()? {
                    record.by_ttl = is_ttl(cursor)?;
                }
            }
            _ => {
                cursor.skip()?;
            }
        }
        Ok::<(), Malformed>(())
    })?;
    record.whole = start..cursor.position();
    record.kind = kind.ok_or_else(|| cursor.malformed())?;
    if record.keys.is_empty() || record.sequence_number.is_empty() {
        return Err(cursor.malformed());
    }
    Ok(record)
}

fn change(
    cursor: &mut Cursor<'_>,
    record: &mut Record,
    mut plain: Option<&mut Vec<u8>>,
) -> Result<(), Malformed> {
    cursor.object(|cursor, key| {
        match key {
            b"Keys" => record.keys = place(cursor)?,
            b"NewImage" => match plain.as_deref_mut() {
                Some(plain) => (record.new_image, record.plain) = converted(cursor, plain)?,
                None => record.new_image = place(cursor)?,
            },
            b"OldImage" => record.old_image = place(cursor)?,
            b"SequenceNumber" => {
                let n_bytes = cursor.string()?.len();
                let end = cursor.position() - 1;
                record.sequence_number = end - n_bytes..end;
            }
            b"ApproximateCreationDateTime" => {
                record.created_ms = epoch_ms(cursor.number()?).ok_or_else(|| cursor.malformed())?;
            }
            _ => {
                cursor.skip()?;
            }
        }
        Ok(())
    })
}

/// Converts an image while looking for its end. One that is no DynamoDB JSON is only passed.
fn converted(
    cursor: &mut Cursor<'_>,
    plain: &mut Vec<u8>,
) -> Result<(Range<usize>, Range<usize>), Malformed> {
    if cursor.null()? {
        return Ok((0..0, 0..0));
    }
    let (start, written) = (cursor.clone(), plain.len());
    if map_to_plain(cursor, plain).is_ok() {
        return Ok((start.position()..cursor.position(), written..plain.len()));
    }
    plain.truncate(written);
    *cursor = start;
    Ok((place(cursor)?, 0..0))
}

fn place(cursor: &mut Cursor<'_>) -> Result<Range<usize>, Malformed> {
    if cursor.null()? {
        return Ok(0..0);
    }
    let n_bytes = cursor.skip()?.len();
    Ok(cursor.position() - n_bytes..cursor.position())
}

/// DynamoDB signs what it deletes because of a time to live like this.
fn is_ttl(cursor: &mut Cursor<'_>) -> Result<bool, Malformed> {
    let (mut principal, mut kind): (&[u8], &[u8]) = (b"", b"");
    cursor.object(|cursor, key| {
        match key {
            b"principalId" | b"PrincipalId" => principal = cursor.string()?,
            b"type" | b"Type" => kind = cursor.string()?,
            _ => {
                cursor.skip()?;
            }
        }
        Ok::<(), Malformed>(())
    })?;
    Ok(principal == b"dynamodb.amazonaws.com" && kind == b"Service")
}

/// Seconds since the epoch, as JSON writes them (`1699336310`, `1.69933631E9`), in milliseconds.
fn epoch_ms(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(1000);
    }
    let ms = (text.parse::<f64>().ok()? * 1000.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked: not negative, and far below 2^53"
    )]
    (0.0..9e15).contains(&ms).then_some(ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"NextShardIterator":"arn|1|\/abc","Records":[{"awsRegion":"us-east-1",
        "dynamodb":{"ApproximateCreationDateTime":1.764000001E9,"Keys":{"author":{"S":"Dan Brown"}},
        "NewImage":{"author":{"S":"Dan Brown"},"n":{"N":"1"}},"SequenceNumber":"000000000000000000179",
        "SizeBytes":2,"StreamViewType":"NEW_AND_OLD_IMAGES"},"eventName":"INSERT","userIdentity":null},
        {"eventName":"REMOVE","userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"},
        "dynamodb":{"Keys":{"author":{"S":"x"}},"OldImage":{"author":{"S":"x"}},"SequenceNumber":"000000000000000000180"}}]}"#;

    #[test]
    fn records_are_places_in_the_body() {
        let mut plain = Vec::new();
        let page = page(BODY.as_bytes(), &mut plain).unwrap();
        let [insert, remove] = &page.records[..] else { panic!("{page:?}") };

        assert_eq!(page.next.as_deref(), Some("arn|1|/abc"));
        assert_eq!(insert.kind, ChangeKind::Insert);
        assert_eq!(insert.created_ms, 1_764_000_001_000);
        assert_eq!(&BODY[insert.keys.clone()], r#"{"author":{"S":"Dan Brown"}}"#);
        assert_eq!(
            &BODY[insert.new_image.clone()],
            r#"{"author":{"S":"Dan Brown"},"n":{"N":"1"}}"#
        );
        assert_eq!(&plain[insert.plain.clone()], br#"{"author":"Dan Brown","n":1}"#);
        assert_eq!(&BODY[insert.sequence_number.clone()], "000000000000000000179");
        assert!(insert.old_image.is_empty() && !insert.by_ttl);
        assert_eq!(remove.kind, ChangeKind::Remove);
        assert!(remove.by_ttl && remove.new_image.is_empty());
        assert!(BODY[remove.whole.clone()].starts_with(r#"{"eventName":"REMOVE""#));
        assert!(BODY[remove.whole.clone()].ends_with("}}"));
    }

    #[test]
    fn an_image_that_makes_no_sense_spoils_no_other_record() {
        let body = BODY.replace(r#"{"N":"1"}"#, r#"{"N":"one"}"#);
        let mut plain = Vec::new();
        let page = page(body.as_bytes(), &mut plain).unwrap();
        assert_eq!((page.records.len(), plain.len()), (2, 0));
        assert!(page.records[0].plain.is_empty() && !page.records[0].new_image.is_empty());
    }

    #[test]
    fn a_record_that_makes_no_sense_spoils_no_other() {
        let insert = &BODY
            [BODY.find(r#"{"awsRegion"#).unwrap()..BODY.find(r#"{"eventName":"REMOVE"#).unwrap()];
        for bad in [
            "7,",
            r#"{"eventName":"RENAME"},"#,
            &insert.replace("Keys", "keys"),
            &insert.replace("INSERT", "X"),
        ] {
            let mut plain = Vec::new();
            let body = BODY.replace(insert, bad);
            let page = page(body.as_bytes(), &mut plain).unwrap();
            assert_eq!((page.records.len(), plain.len()), (1, 0), "{bad}");
            let [(0, place)] = &page.bad[..] else { panic!("{:?}", page.bad) };
            assert_eq!(&body[place.clone()], bad.trim_end().trim_end_matches(','));
        }
    }

    #[test]
    fn the_last_page_of_a_shard_has_no_next() {
        for body in [r#"{"Records":[]}"#, r#"{"NextShardIterator":null,"Records":[]}"#] {
            assert_eq!(page(body.as_bytes(), &mut Vec::new()), Ok(Page::default()), "{body}");
        }
    }

    #[test]
    fn a_body_cut_anywhere_is_malformed() {
        for end in 0..BODY.len() {
            assert!(page(&BODY.as_bytes()[..end], &mut Vec::new()).is_err(), "{end}");
        }
    }
}
