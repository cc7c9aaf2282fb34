//! Where an item has its place in a secondary index. Pure.
//!
//! As in a table: a hash of the partition key, then its length and bytes. The sort key is written so
//! that none is the beginning of another, since behind it stands the key of the table: several items
//! may have the same place.

use std::ops::Bound;

use wire::attribute_value::AttributeValue;

use super::{Key, KeyAttribute, KeyError, KeySchema, SORT_KEY_BYTES_MAX, end_of, key};
use crate::dynamodb::expression::{ast::Comparator, document, key_condition::SortCondition};

impl KeySchema {
    /// The place of an item, given as canonical JSON, in an index of this schema. `None` if it lacks
    /// a key attribute: such items are not in the index.
    ///
    /// # Errors
    ///
    /// When an attribute has the wrong type or no value that a key may have.
    pub(crate) fn index_key(&self, item: &[u8], in_table: &Key) -> Result<Option<Key>, KeyError> {
        let of = |attribute: &KeyAttribute| match document::attribute(item, &attribute.name) {
            None => Ok(None),
            Some(json) => attribute.encode_text(json).map(Some),
        };
        let partition = of(&self.partition)?;
        let sort = self.sort.as_ref().map(of).transpose()?;
        let (Some(partition), false) = (partition, sort == Some(None)) else { return Ok(None) };
        let mut behind = Vec::new();
        if let Some(sort) = sort.flatten() {
            if SORT_KEY_BYTES_MAX < sort.len() {
                return Err(KeyError::SortTooLong);
            }
            push_escaped(&sort, &mut behind);
            behind.extend_from_slice(&END);
        }
        behind.extend_from_slice(&in_table.bytes);
        key(&partition, &behind).map(Some)
    }

    /// The range of places that a query on an index of this schema asks for.
    ///
    /// # Errors
    ///
    /// When a value has the wrong type or is too long.
    pub(crate) fn index_range(
        &self,
        partition: &AttributeValue,
        sort: Option<&SortCondition>,
    ) -> Result<(Bound<Key>, Bound<Key>), KeyError> {
        let partition = self.partition.encode(partition)?;
        let first = key(&partition, &[])?;
        let end = end_of(&first);
        let at = |value: &AttributeValue| -> Result<Key, KeyError> {
            let mut bytes = Vec::new();
            if let Some(attribute) = &self.sort {
                push_escaped(&attribute.encode(value)?, &mut bytes);
                bytes.extend_from_slice(&END);
            }
            key(&partition, &bytes)
        };
        // What is excluded as an end is included as a beginning.
        let behind = |key: &Key| match end_of(key) {
            Bound::Excluded(next) => Bound::Included(next),
            other => other,
        };
        Ok(match sort {
            None => (Bound::Included(first), end),
            Some(SortCondition::Compare(comparator, value)) => {
                let at = at(value)?;
                match comparator {
                    Comparator::Less => (Bound::Included(first), Bound::Excluded(at)),
                    Comparator::LessOrEqual => (Bound::Included(first), end_of(&at)),
                    Comparator::Greater => (behind(&at), end),
                    Comparator::GreaterOrEqual => (Bound::Included(at), end),
                    Comparator::Equal | Comparator::NotEqual => {
                        let end = end_of(&at);
                        (Bound::Included(at), end)
                    }
                }
            }
            Some(SortCondition::Between(low, high)) => {
                (Bound::Included(at(low)?), end_of(&at(high)?))
            }
            Some(SortCondition::BeginsWith(start)) => {
                let mut bytes = Vec::new();
                match start {
                    // An empty beginning fits everything.
                    AttributeValue::S(text) if text.is_empty() => {}
                    AttributeValue::B(bytes) if bytes.is_empty() => {}
                    start => {
                        if let Some(attribute) = &self.sort {
                            push_escaped(&attribute.encode(start)?, &mut bytes);
                        }
                    }
                }
                let start = key(&partition, &bytes)?;
                let end = end_of(&start);
                (Bound::Included(start), end)
            }
        })
    }
}

/// Ends a sort key: smaller than any byte that could follow instead.
const END: [u8; 2] = [0, 0];

/// Appends bytes so that they sort as they do, whatever follows [`END`].
fn push_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(u8::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeBounds;

    use proptest::{prelude::*, test_runner::TestCaseResult};

    use super::*;
    use crate::dynamodb::key::KeyType;

    fn schema() -> KeySchema {
        let attribute = |name: &str| KeyAttribute { name: name.to_owned(), kind: KeyType::B };
        KeySchema { partition: attribute("p"), sort: Some(attribute("s")) }
    }

    fn place(sort: &[u8], in_table: &[u8]) -> Key {
        use base64::Engine;
        let sort = base64::engine::general_purpose::STANDARD.encode(sort);
        let item = format!(r#"{{"p":{{"B":"AA=="}},"s":{{"B":"{sort}"}}}}"#);
        let in_table = Key { hash: 7, bytes: in_table.into() };
        schema().index_key(item.as_bytes(), &in_table).unwrap().unwrap()
    }

    proptest! {
        /// Places sort by sort key and then by the key of the table, whatever bytes they have; and a
        /// range has exactly what its condition says.
        #[test]
        fn places_sort_as_their_keys(
            a in prop::collection::vec(0..3u8, 1..4), b in prop::collection::vec(0..3u8, 1..4),
            t in prop::collection::vec(any::<u8>(), 0..3), u in prop::collection::vec(any::<u8>(), 0..3),
        ) {
            check_places_sort_as_their_keys(&a, &b, &t, &u)?;
        }
    }

    fn check_places_sort_as_their_keys(a: &[u8], b: &[u8], t: &[u8], u: &[u8]) -> TestCaseResult {
        prop_assert_eq!(place(a, t).cmp(&place(b, u)), (a, t).cmp(&(b, u)));
        let value = AttributeValue::B(b.to_vec());
        for (comparator, is_in) in [
            (Comparator::Less, a < b),
            (Comparator::LessOrEqual, a <= b),
            (Comparator::Equal, a == b),
            (Comparator::GreaterOrEqual, a >= b),
            (Comparator::Greater, a > b),
        ] {
            let condition = SortCondition::Compare(comparator, value.clone());
            let range = range(&condition);
            prop_assert_eq!(
                range.contains(&place(a, t)),
                is_in,
                "{:?} {:?} {:?}",
                a,
                comparator,
                b
            );
        }
        let begins = range(&SortCondition::BeginsWith(value.clone()));
        prop_assert_eq!(begins.contains(&place(a, t)), a.starts_with(b));
        let between = range(&SortCondition::Between(value.clone(), value));
        prop_assert_eq!(between.contains(&place(a, t)), a == b);
        Ok(())
    }

    fn range(condition: &SortCondition) -> (Bound<Key>, Bound<Key>) {
        schema().index_range(&AttributeValue::B(vec![0]), Some(condition)).unwrap()
    }

    #[test]
    fn items_without_a_key_attribute_have_no_place() {
        let in_table = Key { hash: 7, bytes: Box::default() };
        for (item, expected, when) in [
            (r#"{"p":{"B":"AA=="}}"#, Ok(false), "no sort key"),
            (r#"{"s":{"B":"AA=="}}"#, Ok(false), "no partition key"),
            (r#"{"p":{"B":"AA=="},"s":{"B":"AA=="}}"#, Ok(true), "both"),
            (r#"{"p":{"B":"AA=="},"s":{"S":"x"}}"#, Err(()), "another type"),
            (r#"{"p":{"B":""},"s":{"B":"AA=="}}"#, Err(()), "empty"),
        ] {
            let place = schema().index_key(item.as_bytes(), &in_table);
            assert_eq!(place.map(|it| it.is_some()).map_err(|_| ()), expected, "{when}");
        }
    }
}
