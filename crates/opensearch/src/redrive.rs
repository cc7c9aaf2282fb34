//! From a dead letter back to the lines of a request: never one that would make the index older. Pure.

use serde_json::json;
use wire::json::write_string;

use crate::{Op, letter::Letter};

/// What to do with a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redrive {
    /// Send these lines.
    Lines {
        /// The operation.
        op: Op,
        /// As in a request.
        lines: Vec<u8>,
    },
    /// It never came as far as a request: take its record through the pipeline again.
    Record,
    /// It cannot be sent again like this.
    Not(String),
}

/// What becomes of a letter when it is sent again.
pub fn plan(letter: &Letter) -> Redrive {
    let was_in_sink = letter.plugin == "opensearch";
    if (!was_in_sink || letter.index.is_empty()) && letter.record.is_some() {
        return Redrive::Record;
    }
    if letter.index.is_empty() {
        return Redrive::Not("it says no index, and holds no record of the table".to_owned());
    }
    let wanted = letter.action.as_deref().unwrap_or("index");
    let Some(op) = Op::named(wanted) else {
        return Redrive::Not(format!("`{wanted}` is no action"));
    };
    let op = match (op, letter.version, &letter.document_id) {
        // Its version keeps it from going before something newer.
        (Op::Index | Op::Delete, Some(_), Some(_)) => op,
        // It adds a document of its own; the id made of the letter keeps it from adding two.
        (Op::Index | Op::Create, _, None) => Op::Create,
        // Without a version, only what is not there can be written without harm.
        (Op::Index | Op::Create, _, Some(_)) => Op::Create,
        (Op::Delete, None, _) | (Op::Delete, _, None) => {
            let why = "a delete without a version could undo a later change; use --from-table";
            return Redrive::Not(why.to_owned());
        }
        (Op::Update | Op::Upsert, ..) => {
            let why =
                "an update carries no version and could undo a later change; use --from-table";
            return Redrive::Not(why.to_owned());
        }
    };
    if letter.document.is_none() && op != Op::Delete {
        return match letter.record {
            Some(_) => Redrive::Record,
            None => Redrive::Not("it holds no document".to_owned()),
        };
    }
    Redrive::Lines { op, lines: lines(letter, op) }
}

fn lines(letter: &Letter, op: Op) -> Vec<u8> {
    let id = letter.document_id.clone().unwrap_or_else(|| format!("redriven-{}", letter.id));
    let mut about = json!({ "_index": letter.index, "_id": id });
    if let Some(routing) = &letter.routing {
        about["routing"] = routing.as_str().into();
    }
    if let Some(version) = letter.version.filter(|_| op.takes_version()) {
        about["version"] = version.into();
        // Whatever it was: only an external version is compared.
        let kind = letter.version_type.as_deref().filter(|it| *it == "external_gte");
        about["version_type"] = kind.unwrap_or("external").into();
    }
    let mut lines = b"{".to_vec();
    write_string(op.in_request(), &mut lines);
    lines.extend_from_slice(format!(":{about}}}\n").as_bytes());
    if op != Op::Delete {
        // One line, whoever wrote the letter.
        let document = letter.document.as_deref().unwrap_or("{}");
        lines.extend(document.bytes().filter(|it| *it != b'\n' && *it != b'\r'));
        lines.push(b'\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(action: Option<&str>, version: Option<u64>, id: Option<&str>) -> Letter {
        Letter {
            id: "f00".to_owned(),
            plugin: "opensearch".to_owned(),
            index: "books".to_owned(),
            action: action.map(str::to_owned),
            version,
            document_id: id.map(str::to_owned),
            document: Some("{\"n\": 1.50,\n\"o\":2}".to_owned()),
            ..Letter::default()
        }
    }

    #[test]
    fn nothing_is_sent_that_could_make_the_index_older() {
        let (index, delete) = (Some("index"), Some("delete"));
        for (letter, sent) in [
            (
                letter(index, Some(7), Some("a")),
                "{\"index\":{\"_id\":\"a\",\"_index\":\"books\",\"version\":7,\"version_type\":\"external\"}}\n{\"n\": 1.50,\"o\":2}\n",
            ),
            (
                letter(delete, Some(7), Some("a")),
                "{\"delete\":{\"_id\":\"a\",\"_index\":\"books\",\"version\":7,\"version_type\":\"external\"}}\n",
            ),
            (
                letter(None, None, Some("a")),
                "{\"create\":{\"_id\":\"a\",\"_index\":\"books\"}}\n{\"n\": 1.50,\"o\":2}\n",
            ),
            (
                letter(None, None, None),
                "{\"create\":{\"_id\":\"redriven-f00\",\"_index\":\"books\"}}\n{\"n\": 1.50,\"o\":2}\n",
            ),
        ] {
            let Redrive::Lines { lines, .. } = plan(&letter) else { panic!("{letter:?}") };
            assert_eq!(String::from_utf8(lines).unwrap(), sent);
        }
        for (letter, why) in [
            (letter(delete, None, Some("a")), "--from-table"),
            (letter(Some("update"), Some(7), Some("a")), "--from-table"),
            (letter(Some("upsert"), None, Some("a")), "--from-table"),
            (letter(Some("put"), None, Some("a")), "no action"),
            (Letter { document: None, ..letter(index, Some(7), Some("a")) }, "no document"),
            (Letter { index: String::new(), ..letter(index, Some(7), Some("a")) }, "no index"),
        ] {
            let Redrive::Not(told) = plan(&letter) else { panic!("{letter:?}") };
            assert!(told.contains(why), "{told}");
        }
        let record = Some(crate::letter::Record::default());
        let of_processor =
            Letter { plugin: "parse_json".to_owned(), record, ..letter(index, Some(1), None) };
        assert_eq!(plan(&of_processor), Redrive::Record);
    }
}
