//! Which part of an event is written as its document. Pure.

use std::borrow::Cow;

use pipeline::{Event, Key, Map, Value};
use wire::json::Malformed;

use crate::Config;

/// The name that a document gets for what is not a map. As Data Prepper.
const DATA: &str = "data";

/// Which part of an event is written as its document.
#[derive(Debug)]
pub(super) struct DocumentShape {
    root: Option<Key>,
    keys: Keys,
    tags: Option<String>,
}

#[derive(Debug)]
enum Keys {
    All,
    Only(Vec<Key>),
    AllBut(Vec<Key>),
}

impl DocumentShape {
    pub(super) fn new(config: &Config) -> DocumentShape {
        let keys = |names: &[String]| names.iter().map(|it| Key::from(it.as_str())).collect();
        DocumentShape {
            root: config.document_root_key.as_deref().map(Key::from),
            keys: match (config.include_keys.as_slice(), config.exclude_keys.as_slice()) {
                ([], []) => Keys::All,
                ([], names) => Keys::AllBut(keys(names)),
                (names, _) => Keys::Only(keys(names)),
            },
            tags: config.tags_target_key.clone(),
        }
    }

    pub(super) fn uses_fields(&self) -> bool {
        self.root.is_some() || !matches!(self.keys, Keys::All)
    }

    /// Writes the document as JSON.
    ///
    /// # Errors
    ///
    /// When it cannot be read. What has been written by then is of no use.
    pub(super) fn write(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let tags = self.tags.as_ref().filter(|_| !event.tags.is_empty());
        if !self.uses_fields() && tags.is_none() {
            return event.write_document(out);
        }
        let mut opened = Cow::Borrowed(event);
        if event.fields().is_none() {
            opened.to_mut().open()?;
        }
        let mut document = self.chosen(&opened);
        if let Some(name) = tags {
            let tags = event.tags.iter().map(|it| it.as_str().into()).collect();
            document.insert(name.clone(), Value::List(tags));
        }
        Value::Map(document).write_json(out);
        Ok(())
    }

    fn chosen(&self, event: &Event) -> Map {
        let nothing = Map::default();
        let whole = event.fields().unwrap_or(&nothing);
        let made;
        let root = match self.root.as_ref().and_then(|key| event.get(key)) {
            None => whole,
            Some(Value::Map(part)) => part,
            Some(other) => {
                made = Map::from_iter([(DATA.to_owned(), other.clone())]);
                &made
            }
        };
        match &self.keys {
            Keys::All => root.clone(),
            Keys::Only(keys) => only(root, &steps(keys)),
            Keys::AllBut(keys) => all_but(root, &steps(keys)),
        }
    }
}

fn steps(keys: &[Key]) -> Vec<&[String]> {
    keys.iter().map(Key::steps).collect()
}

/// What is left of `paths` behind `name`. An empty one means the field itself.
fn behind<'a>(paths: &[&'a [String]], name: &str) -> Vec<&'a [String]> {
    let behind = |path: &&'a [String]| path.split_first().filter(|(it, _)| *it == name);
    paths.iter().filter_map(|it| behind(it).map(|(_, rest)| rest)).collect()
}

fn only(map: &Map, paths: &[&[String]]) -> Map {
    let chosen = map.iter().filter_map(|(name, value)| {
        let paths = behind(paths, name);
        let value = if paths.iter().any(|it| it.is_empty()) {
            value.clone()
        } else if paths.is_empty() {
            return None;
        } else {
            within(value, &|map| only(map, &paths), false)?
        };
        Some((name.clone(), value))
    });
    chosen.collect()
}

fn all_but(map: &Map, paths: &[&[String]]) -> Map {
    let left = map.iter().filter_map(|(name, value)| {
        let paths = behind(paths, name);
        let value = if paths.iter().any(|it| it.is_empty()) {
            return None;
        } else if paths.is_empty() {
            value.clone()
        } else {
            within(value, &|map| all_but(map, &paths), true)?
        };
        Some((name.clone(), value))
    });
    left.collect()
}

/// Applies `choose` to a map, or to each map of a list. Where there is none, `or_keep` says.
fn within(value: &Value, choose: &dyn Fn(&Map) -> Map, or_keep: bool) -> Option<Value> {
    match value {
        Value::Map(map) => Some(Value::Map(choose(map))),
        Value::List(values) => {
            Some(Value::List(values.iter().filter_map(|it| within(it, choose, or_keep)).collect()))
        }
        other => or_keep.then(|| other.clone()),
    }
}
