//! Deletes that came while a table was being loaded, as text that can be kept. Pure.
//!
//! A note is all that is needed to send a delete again: its version, and its record without what
//! nobody asks for. Notes are written before their events go down the pipeline, so that none is
//! missing when the load is through (docs/decisions/0080).

use bytes::Bytes;
use pipeline::{Event, Path};
use wire::{json::Cursor, stream::ChangeKind};

use crate::{Conversion, ViewOnRemove, convert::event};

/// How long a text may get. A store of leases in a table takes no more than 400 KB in one.
const TEXT_BYTES_MAX: usize = 200_000;
/// Beyond this a note goes without the old image: then routes and conditions see an empty document,
/// as they do with `view_on_remove: NEW_IMAGE`.
const NOTE_BYTES_MAX: usize = 100_000;

/// The deletes among `events`, in texts of limited length, each with how many it holds.
pub(crate) fn texts(events: &[Event], view_on_remove: ViewOnRemove) -> Vec<(String, u64)> {
    let mut texts: Vec<(String, u64)> = Vec::new();
    for note in events.iter().filter_map(|event| note(event, view_on_remove)) {
        match texts.last_mut() {
            Some((text, n)) if text.len() + note.len() < TEXT_BYTES_MAX => {
                text.push('\n');
                text.push_str(&note);
                *n += 1;
            }
            _ => texts.push((note, 1)),
        }
    }
    texts
}

/// Whether it is a delete that the stream brought.
pub(crate) fn is_delete(event: &Event) -> bool {
    let of_stream = event.origin.as_ref().filter(|it| it.path == Path::Stream);
    of_stream.is_some_and(|it| it.record.kind == ChangeKind::Remove)
}

fn note(event: &Event, view_on_remove: ViewOnRemove) -> Option<String> {
    let origin = event.origin.as_ref().filter(|_| is_delete(event))?;
    let record = &origin.record;
    // A line end can only stand between two values, where a space does as well.
    let text = |place: &std::ops::Range<usize>| {
        String::from_utf8_lossy(&origin.body[place.clone()]).replace(['\n', '\r', '\t'], " ")
    };
    let old_image = match view_on_remove {
        ViewOnRemove::OldImage if (1..NOTE_BYTES_MAX).contains(&record.old_image.len()) => {
            format!(",\"OldImage\":{}", text(&record.old_image))
        }
        _ => String::new(),
    };
    let identity = if record.by_ttl {
        "\"userIdentity\":{\"type\":\"Service\",\"principalId\":\"dynamodb.amazonaws.com\"},"
    } else {
        ""
    };
    Some(format!(
        "{} {{\"eventName\":\"REMOVE\",{identity}\"dynamodb\":{{\"ApproximateCreationDateTime\":{}.{:03},\
         \"Keys\":{},\"SequenceNumber\":\"{}\"{old_image}}}}}",
        origin.version,
        record.created_ms / 1000,
        record.created_ms % 1000,
        text(&record.keys),
        text(&record.sequence_number),
    ))
}

/// The deletes in a text, as they were. A line that makes no sense is left out; it was not written here.
pub(crate) fn events(text: &str, conversion: &Conversion) -> Vec<Event> {
    let body = Bytes::from(text.to_owned());
    let mut events = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let end = start + line.len();
        let read = || {
            let (version, _) = line.split_once(' ')?;
            let mut cursor = Cursor::at(&body[..end], start + version.len() + 1);
            let record = wire::stream::record(&mut cursor).ok()?;
            let version = version.parse().ok()?;
            Some(event(&body, &Bytes::new(), record, version, conversion))
        };
        events.extend(read());
        start = end + 1;
    }
    events
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pipeline::Table;

    use super::*;
    use crate::{Versions, convert};

    fn conversion(view_on_remove: ViewOnRemove) -> Conversion {
        let table =
            Table { name: "books".to_owned(), partition_key: "author".to_owned(), sort_key: None };
        Conversion { table: Arc::new(table), view_on_remove, not_before_ms: 0 }
    }

    fn page(n: usize, image: &str, conversion: &Conversion) -> Vec<Event> {
        let record = |n: usize| {
            let (name, by) =
                if n.is_multiple_of(2) { ("REMOVE", "lambda") } else { ("REMOVE", "dynamodb") };
            let name = if n == 3 { "INSERT" } else { name };
            format!(
                "{{\"eventName\":\"{name}\",\"userIdentity\":{{\"type\":\"Service\",\"principalId\":\"{by}.amazonaws.com\"}},\
                 \"dynamodb\":{{\"ApproximateCreationDateTime\":7.5,\n\t\"Keys\":{{\n\"author\":{{\"S\":\"a\\n{n}\"}}}},\
                 \"OldImage\":{{\"x\":{{\"S\":\"{image}\"}}}},\"SequenceNumber\":\"{n:021}\"}}}}"
            )
        };
        let records: Vec<String> = (0..n).map(record).collect();
        let body = Bytes::from(format!("{{\"Records\":[{}]}}", records.join(",")));
        convert(&body, conversion, &mut Versions::after(41)).unwrap().events
    }

    /// What a delete is known by.
    fn shown(event: &Event) -> Vec<String> {
        let names = [
            "primary_key",
            "document_version",
            "opensearch_action",
            "ttl_delete",
            "dynamodb_timestamp",
        ];
        let mut shown: Vec<String> =
            names.iter().map(|it| format!("{:?}", event.metadata(it).unwrap())).collect();
        let mut document = Vec::new();
        event.write_document(&mut document).unwrap();
        shown.push(String::from_utf8(document).unwrap());
        shown.push(format!("{:?}", event.origin.as_ref().unwrap().sequence_number()));
        shown
    }

    #[test]
    fn a_delete_comes_back_as_it_was() {
        for view_on_remove in [ViewOnRemove::NewImage, ViewOnRemove::OldImage] {
            let conversion = conversion(view_on_remove);
            let before = page(5, "old", &conversion);
            let texts = texts(&before, view_on_remove);
            assert_eq!(texts.iter().map(|it| it.1).sum::<u64>(), 4, "only deletes");
            let after = events(&texts[0].0, &conversion);
            let deletes =
                before.iter().filter(|it| it.origin.as_ref().unwrap().action() == "delete");
            let deletes: Vec<_> = deletes.map(shown).collect();
            assert_eq!(after.iter().map(shown).collect::<Vec<_>>(), deletes);
        }
    }

    #[test]
    fn texts_are_of_limited_length() {
        let conversion = conversion(ViewOnRemove::OldImage);
        let before = page(30, &"x".repeat(30_000), &conversion);
        let texts = texts(&before, ViewOnRemove::OldImage);
        assert!(1 < texts.len());
        assert!(texts.iter().all(|it| it.0.len() < TEXT_BYTES_MAX + NOTE_BYTES_MAX));
        let n: usize = texts.iter().map(|it| events(&it.0, &conversion).len()).sum();
        assert_eq!(n, 29);
        let huge = page(1, &"x".repeat(150_000), &conversion);
        let texts = super::texts(&huge, ViewOnRemove::OldImage);
        assert!(texts[0].0.len() < 1_000, "the image is left out");
        assert_eq!(events(&texts[0].0, &conversion).len(), 1);
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let conversion = conversion(ViewOnRemove::NewImage);
        for text in ["", "x", "7 {}", "x {}", "7", "\n\n"] {
            assert!(events(text, &conversion).is_empty(), "{text}");
        }
    }
}
