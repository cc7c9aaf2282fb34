//! By what hits are sorted. Pure.

use std::cmp::Ordering;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    error::{Failure, Result},
    fields::column,
    mapping::{Kind, Mapping},
};

/// One thing to sort by.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub(super) by: By,
    pub(super) descending: bool,
    /// Whether documents without a value come first.
    pub(super) missing_first: bool,
    unmapped_type: Option<String>,
    /// Whether the greatest of several values counts; by default the one that comes first.
    greatest: Option<bool>,
}

/// What a document is sorted by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum By {
    Score,
    /// The order in which documents lie in the index.
    Place,
    Field(String),
}

/// A [`Key`] in one index.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub by: ResolvedBy,
    pub descending: bool,
    pub missing_first: bool,
    pub greatest: bool,
}

#[derive(Clone, Debug)]
pub(super) enum ResolvedBy {
    Score,
    Place,
    /// The column, and whether its numbers have 32 bits.
    Column {
        name: String,
        is_single: bool,
    },
    /// No document of this index has the field.
    Missing,
}

/// What a hit was sorted by.
#[derive(Clone, Debug, PartialEq)]
pub enum SortValue {
    /// It has no value.
    Missing,
    /// A score or a number of 32 bits.
    Single(f32),
    /// A number with a fraction.
    Double(f64),
    /// A whole number, a date in milliseconds, or the place of a document.
    Whole(i128),
    /// A keyword.
    Text(String),
}

impl Serialize for SortValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            SortValue::Missing => serializer.serialize_none(),
            SortValue::Single(it) => serializer.serialize_f32(*it),
            SortValue::Double(it) => serializer.serialize_f64(*it),
            SortValue::Whole(it) => match i64::try_from(*it) {
                Ok(it) => serializer.serialize_i64(it),
                Err(_) => serializer.serialize_u64(u64::try_from(*it).unwrap_or(u64::MAX)),
            },
            SortValue::Text(it) => serializer.serialize_str(it),
        }
    }
}

impl Key {
    /// The best matches first.
    pub(crate) fn score() -> Key {
        Key {
            by: By::Score,
            descending: true,
            missing_first: false,
            unmapped_type: None,
            greatest: None,
        }
    }

    /// In the order in which they lie.
    pub(super) fn place() -> Key {
        Key::named("_doc", None)
    }

    pub(crate) fn is_score(&self) -> bool {
        self.by == By::Score
    }

    fn named(name: &str, descending: Option<bool>) -> Key {
        let by = match name {
            "_score" => By::Score,
            "_doc" => By::Place,
            _ => By::Field(name.to_owned()),
        };
        let descending = descending.unwrap_or(by == By::Score);
        Key { by, descending, ..Key::score() }
    }

    /// Reads `sort` of a request body.
    ///
    /// # Errors
    ///
    /// When it is not a list of fields.
    pub(super) fn read_all(value: &Value) -> Result<Vec<Key>> {
        match value {
            Value::Array(each) => {
                each.iter().map(Key::read).collect::<Result<Vec<_>>>().map(|it| it.concat())
            }
            one => Key::read(one),
        }
    }

    fn read(value: &Value) -> Result<Vec<Key>> {
        match value {
            Value::String(name) => Ok(vec![Key::named(name, None)]),
            Value::Object(members) => members
                .iter()
                .map(|(name, how)| match how {
                    Value::String(order) => Ok(Key::named(name, Some(descending(order)?))),
                    Value::Object(how) => Key::read_options(name, how),
                    _ => Err(Failure::illegal_argument("malformed sort format, within the sort array, an object, or an actual string are allowed")),
                })
                .collect(),
            _ => Err(Failure::illegal_argument("malformed sort format, within the sort array, an object, or an actual string are allowed")),
        }
    }

    fn read_options(name: &str, how: &serde_json::Map<String, Value>) -> Result<Key> {
        let mut key = Key::named(name, None);
        for (option, value) in how {
            let text = value.as_str().unwrap_or_default();
            match option.as_str() {
                "order" => key.descending = descending(text)?,
                "missing" => match text {
                    "_first" => key.missing_first = true,
                    "_last" => key.missing_first = false,
                    _ => {
                        return Err(Failure::illegal_argument(
                            "[missing] with a value is not supported by this endpoint yet; use _first or _last",
                        ));
                    }
                },
                "unmapped_type" => key.unmapped_type = Some(text.to_owned()),
                "mode" => match text {
                    "min" => key.greatest = Some(false),
                    "max" => key.greatest = Some(true),
                    other => {
                        return Err(Failure::illegal_argument(format!(
                            "[mode] [{other}] is not supported by this endpoint yet; use min or max"
                        )));
                    }
                },
                "format" | "numeric_type" => {}
                unknown => {
                    return Err(Failure::parsing(format!(
                        "[field_sort] unknown field [{unknown}]"
                    )));
                }
            }
        }
        Ok(key)
    }

    /// Reads the parameter `sort` of a request: `year:desc,title.keyword`.
    ///
    /// # Errors
    ///
    /// When an order is neither `asc` nor `desc`.
    pub fn parse_all(text: &str) -> Result<Vec<Key>> {
        text.split(',')
            .filter(|it| !it.is_empty())
            .map(|it| match it.rsplit_once(':') {
                Some((name, order)) => Ok(Key::named(name, Some(descending(order)?))),
                None => Ok(Key::named(it, None)),
            })
            .collect()
    }

    pub(super) fn resolve(&self, mapping: &Mapping, index: &str) -> Result<Resolved> {
        let by = match &self.by {
            By::Score => ResolvedBy::Score,
            By::Place => ResolvedBy::Place,
            By::Field(name) if matches!(name.as_str(), "_version" | "_seq_no") => {
                ResolvedBy::Column { name: name.clone(), is_single: false }
            }
            By::Field(name) => match mapping.field(name) {
                Some(field) => match field.kind {
                    Kind::Text => {
                        return Err(Failure::illegal_argument(format!(
                            "Text fields are not optimised for operations that require per-document field data like aggregations and sorting, \
                             so these operations are disabled by default. Please use a keyword field instead. Alternatively, set fielddata=true on [{name}] \
                             in order to load field data by uninverting the inverted index. Note that this can use significant memory."
                        )));
                    }
                    ref kind if !kind.is_searchable() => {
                        return Err(Failure::illegal_argument(format!(
                            "can't sort on field [{name}] of type [{}]",
                            kind.name()
                        )));
                    }
                    ref kind => ResolvedBy::Column {
                        name: column(&field.path),
                        is_single: matches!(kind, Kind::Float | Kind::HalfFloat),
                    },
                },
                None if self.unmapped_type.is_some() => ResolvedBy::Missing,
                None => {
                    let reason = format!("No mapping found for [{name}] in order to sort on");
                    return Err(
                        Failure::new(400, "query_shard_exception", reason).with("index", index)
                    );
                }
            },
        };
        Ok(Resolved {
            by,
            descending: self.descending,
            missing_first: self.missing_first,
            greatest: self.greatest.unwrap_or(self.descending),
        })
    }

    /// Which of two hits comes first.
    pub(super) fn compare(&self, left: &SortValue, right: &SortValue) -> Ordering {
        let missing = |it: &SortValue| *it == SortValue::Missing;
        match (missing(left), missing(right)) {
            (true, true) => return Ordering::Equal,
            (true, false) => {
                return if self.missing_first { Ordering::Less } else { Ordering::Greater };
            }
            (false, true) => {
                return if self.missing_first { Ordering::Greater } else { Ordering::Less };
            }
            (false, false) => {}
        }
        let order = match (left, right) {
            (SortValue::Text(left), SortValue::Text(right)) => left.cmp(right),
            (SortValue::Whole(left), SortValue::Whole(right)) => left.cmp(right),
            (SortValue::Text(_), _) => Ordering::Greater,
            (_, SortValue::Text(_)) => Ordering::Less,
            (left, right) => number(left).total_cmp(&number(right)),
        };
        if self.descending { order.reverse() } else { order }
    }
}

#[expect(clippy::cast_precision_loss, reason = "only to compare with a number that has a fraction")]
fn number(value: &SortValue) -> f64 {
    match value {
        SortValue::Single(it) => f64::from(*it),
        SortValue::Double(it) => *it,
        SortValue::Whole(it) => *it as f64,
        SortValue::Missing | SortValue::Text(_) => f64::NAN,
    }
}

fn descending(order: &str) -> Result<bool> {
    match order {
        "asc" => Ok(false),
        "desc" => Ok(true),
        other => Err(Failure::illegal_argument(format!("Illegal sort order: {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_read_in_all_their_forms() {
        for value in [
            json!(["year", { "title": "desc" }]),
            json!([{ "year": { "order": "asc" } }, { "title": { "order": "desc" } }]),
        ] {
            assert_eq!(
                Key::read_all(&value).unwrap(),
                Key::parse_all("year:asc,title:desc").unwrap()
            );
        }
        assert_eq!(Key::read_all(&json!("_score")).unwrap(), [Key::score()]);
        assert!(Key::read_all(&json!({ "a": "up" })).is_err());
        assert!(Key::parse_all("a:up").is_err());
    }

    #[test]
    fn what_is_missing_comes_last_either_way() {
        for (text, order) in [("a:asc", Ordering::Less), ("a:desc", Ordering::Less)] {
            let key = Key::parse_all(text).unwrap().remove(0);
            assert_eq!(key.compare(&SortValue::Whole(1), &SortValue::Missing), order, "{text}");
        }
    }
}
