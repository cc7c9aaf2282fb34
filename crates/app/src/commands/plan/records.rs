//! Records from a file: changes as `GetRecords` or Lambda deliver them, and lines of an export.

use std::path::Path;

use bytes::Bytes;
use dynamodb::{Conversion, Versions, convert};
use pipeline::{Clock, Event, Map, Path as Way, Value};

use crate::failure::Failure;

/// How large a file of records may be.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Names that many give to their keys.
const USUAL_KEYS: [(&str, &str); 3] = [("pk", "sk"), ("PK", "SK"), ("id", "sort")];

/// What is said of a line that nobody knows.
const NEITHER: &str = "the line is neither a change, `{\"eventName\": …, \"dynamodb\": …}`, nor of an \
                       export, `{\"Item\": …}`";

/// One line of the file, or one item of a sample.
#[derive(Debug)]
pub(super) enum Line {
    /// Changes, as text: `{"eventName": …}`.
    Changes(Vec<String>),
    /// An item in DynamoDB JSON.
    Item(Map),
    /// Neither, and why.
    Wrong(String),
}

/// The names of the table's keys.
#[derive(Debug, PartialEq)]
pub(super) struct Keys {
    pub(super) partition: String,
    pub(super) sort: Option<String>,
}

/// Reads the file; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::wrong(format!("--records {} cannot be read: {error}", path.display()))
    };
    if path == Path::new("-") {
        return std::io::read_to_string(std::io::stdin()).map_err(cannot);
    }
    if FILE_BYTES_MAX < std::fs::metadata(path).map_err(cannot)?.len() {
        let problem = format!("--records {} is larger than 1 GiB; take a part", path.display());
        return Err(Failure::wrong(problem));
    }
    std::fs::read_to_string(path).map_err(cannot)
}

/// The lines of a file that are not empty. A file may also be one answer or one call of Lambda over
/// several lines.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line> {
    let is_one = text.trim_start().starts_with('{')
        && text.lines().next().is_some_and(|it| Value::from_json(it.as_bytes()).is_err());
    let parts: Vec<&str> = if is_one { vec![text] } else { text.lines().collect() };
    parts.into_iter().filter(|it| !it.trim().is_empty()).map(Line::read)
}

impl Line {
    /// An item by itself.
    pub(super) fn item(json: &str) -> Line {
        Line::read(&format!("{{\"Item\":{json}}}"))
    }

    fn read(text: &str) -> Line {
        let mut fields = match Value::from_json(text.trim().as_bytes()) {
            Ok(Value::Map(fields)) => fields,
            Ok(_) => return Line::Wrong(NEITHER.to_owned()),
            Err(error) => return Line::Wrong(format!("the line is not JSON: {error}")),
        };
        match (fields.shift_remove("Records"), fields.shift_remove("Item")) {
            (Some(Value::List(records)), _) => {
                Line::Changes(records.iter().map(Value::to_string).collect())
            }
            (_, Some(Value::Map(item))) => Line::Item(item),
            _ if fields.contains_key("dynamodb") => Line::Changes(vec![text.trim().to_owned()]),
            _ => Line::Wrong(NEITHER.to_owned()),
        }
    }
}

impl Keys {
    /// `author,bookTitle`, or `id`.
    pub(super) fn named(text: &str) -> Result<Keys, Failure> {
        let mut names = text.split(',').map(str::trim);
        match (names.next(), names.next(), names.next()) {
            (Some(partition), sort, None) if !partition.is_empty() && sort != Some("") => {
                Ok(Keys { partition: partition.to_owned(), sort: sort.map(str::to_owned) })
            }
            _ => Err(Failure::wrong("--keys: write the partition key, or `partition,sort`")),
        }
    }

    /// As `DescribeTable` says.
    pub(super) fn described(schema: &serde_json::Value) -> Option<Keys> {
        let of = |kind: &str| {
            let key = schema.as_array()?.iter().find(|it| it["KeyType"] == kind)?;
            key["AttributeName"].as_str().map(str::to_owned)
        };
        Some(Keys { partition: of("HASH")?, sort: of("RANGE") })
    }

    /// As the first change shows them, in their order; else by the names that many use.
    pub(super) fn guessed(lines: &[Line]) -> Result<Keys, Failure> {
        let changes = lines.iter().filter_map(|it| match it {
            Line::Changes(records) => records.first(),
            _ => None,
        });
        for record in changes {
            if let Some(names) = key_names(record) {
                let mut names = names.into_iter();
                if let Some(partition) = names.next() {
                    return Ok(Keys { partition, sort: names.next() });
                }
            }
        }
        let Some(item) = lines.iter().find_map(|it| match it {
            Line::Item(item) => Some(item),
            _ => None,
        }) else {
            return Ok(Keys { partition: "id".to_owned(), sort: None });
        };
        let has = |name: &str| item.contains_key(name);
        match USUAL_KEYS.iter().find(|(partition, _)| has(partition)) {
            Some((partition, sort)) => {
                let sort = has(sort).then(|| (*sort).to_owned());
                Ok(Keys { partition: (*partition).to_owned(), sort })
            }
            None => Err(Failure::wrong(
                "an export does not say which attributes are the keys; name them with --keys, \
                 such as --keys author,bookTitle",
            )),
        }
    }
}

/// The names in `Keys`, in the order in which they stand there.
fn key_names(record: &str) -> Option<Vec<String>> {
    let Value::Map(record) = Value::from_json(record.as_bytes()).ok()? else { return None };
    let Value::Map(change) = record.get("dynamodb")? else { return None };
    let Value::Map(keys) = change.get("Keys")? else { return None };
    Some(keys.keys().cloned().collect())
}

/// Makes events of lines, as the source does.
pub(super) struct Source {
    conversion: Conversion,
    versions: Versions,
    clock: Clock,
    n: u64,
}

impl Source {
    /// One that has read nothing yet.
    pub(super) fn new(conversion: Conversion) -> Source {
        Source { conversion, versions: Versions::default(), clock: Clock::real(), n: 0 }
    }

    /// The events of a line; why not, where one has none.
    pub(super) fn events(&mut self, line: Line) -> Vec<Result<Event, String>> {
        match line {
            Line::Wrong(problem) => vec![Err(problem)],
            Line::Changes(records) => records.iter().map(|it| self.change(it)).collect(),
            Line::Item(item) => vec![self.row(&item)],
        }
    }

    fn change(&mut self, record: &str) -> Result<Event, String> {
        let body = Bytes::from(format!("{{\"Records\":[{record}]}}"));
        let page = convert(&body, &self.conversion, &mut self.versions);
        let page = page.map_err(|error| format!("dynamodb: the record makes no sense: {error}"))?;
        page.events.into_iter().next().ok_or_else(|| "there is no record".to_owned())
    }

    /// A row of an export is converted as the change that put it there would be.
    fn row(&mut self, item: &Map) -> Result<Event, String> {
        self.n += 1;
        let table = &self.conversion.table;
        let names = [Some(&table.partition_key), table.sort_key.as_ref()];
        let keys: Map = names
            .into_iter()
            .flatten()
            .filter_map(|name| Some((name.clone(), item.get(name)?.clone())))
            .collect();
        let (keys, item) = (Value::Map(keys), Value::Map(item.clone()));
        let (second, n) = (self.clock.now().0 / 1000, self.n);
        let record = format!(
            r#"{{"eventName":"INSERT","dynamodb":{{"ApproximateCreationDateTime":{second},"Keys":{keys},"NewImage":{item},"SequenceNumber":"{n:021}"}}}}"#
        );
        let mut event = self.change(&record)?;
        if let Some(origin) = &mut event.origin {
            origin.path = Way::Export;
        }
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGE: &str =
        r#"{"eventName":"INSERT","dynamodb":{"Keys":{"b":{"S":"1"},"a":{"S":"2"}}}}"#;

    #[test]
    fn lines_are_changes_calls_or_items() {
        let call = format!("{{\"Records\":[{CHANGE},{CHANGE}]}}");
        let text =
            format!("{CHANGE}\n\n{call}\n{{\"Item\":{{\"id\":{{\"S\":\"x\"}}}}}}\nx\n{{}}\n");
        let kinds: Vec<String> = lines(&text)
            .map(|it| match it {
                Line::Changes(records) => format!("{} changes", records.len()),
                Line::Item(item) => Value::Map(item).to_string(),
                Line::Wrong(problem) => problem.chars().take(20).collect(),
            })
            .collect();
        let expected = [
            "1 changes",
            "2 changes",
            r#"{"id":{"S":"x"}}"#,
            "the line is not JSON",
            "the line is neither ",
        ];
        assert_eq!(kinds, expected);
        assert_eq!(lines("{\"Records\":\n[]}").count(), 1, "over several lines");
    }

    #[test]
    fn keys_are_named_described_or_guessed() {
        let keys = |partition: &str, sort: Option<&str>| Keys {
            partition: partition.to_owned(),
            sort: sort.map(str::to_owned),
        };
        assert_eq!(Keys::named("a, b").ok(), Some(keys("a", Some("b"))));
        assert_eq!(Keys::named("a").ok(), Some(keys("a", None)));
        assert!(Keys::named("a,b,c").is_err() && Keys::named("").is_err());
        let guessed = |text: &str| Keys::guessed(&lines(text).collect::<Vec<_>>()).ok();
        assert_eq!(guessed(CHANGE), Some(keys("b", Some("a"))));
        assert_eq!(
            guessed(r#"{"Item":{"SK":{"S":"x"},"PK":{"S":"x"}}}"#),
            Some(keys("PK", Some("SK")))
        );
        assert_eq!(guessed(r#"{"Item":{"author":{"S":"x"}}}"#), None);
    }
}
