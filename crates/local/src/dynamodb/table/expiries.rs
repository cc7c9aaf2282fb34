//! When the items of a table expire, soonest first. Pure.
//!
//! Cut into as many parts as the items are, so that a picture of it is cheap as well.

use std::{collections::BTreeSet, sync::Arc};

use wire::attribute_value::AttributeValue;

use crate::dynamodb::{
    expression::document,
    item::Item,
    key::Key,
    partitions::{N_PARTS, part},
};

/// What lies further in the past is taken for something else than a time to live: five years.
const PAST_SECONDS_MAX: u64 = 5 * 366 * 86_400;

/// Keys, soonest first.
type Part = Arc<BTreeSet<(u64, Key)>>;

/// Keys by the second in which their items expire. A clone is a picture of this moment.
#[derive(Clone, Debug)]
pub(crate) struct Expiries {
    /// The attribute that says when.
    attribute: String,
    parts: Box<[Part]>,
}

impl Expiries {
    pub(crate) fn of(attribute: String) -> Expiries {
        // They differ as soon as they are written to.
        let empty = Part::default();
        Expiries { attribute, parts: vec![empty; N_PARTS].into() }
    }

    /// Follows a change of an item.
    pub(crate) fn apply(&mut self, key: &Key, old: Option<&Item>, new: Option<&Item>) {
        let (old, new) = (self.second_of(old), self.second_of(new));
        if old == new {
            return;
        }
        let part = Arc::make_mut(&mut self.parts[part(key.hash)]);
        if let Some(old) = old {
            part.remove(&(old, key.clone()));
        }
        if let Some(new) = new {
            part.insert((new, key.clone()));
        }
    }

    /// Up to `max` keys whose time is over.
    pub(crate) fn due(&self, now_ms: u64, max: usize) -> Vec<Key> {
        let now = now_ms / 1000;
        let from = now.saturating_sub(PAST_SECONDS_MAX);
        let first = (from, Key { hash: 0, bytes: Box::default() });
        let due = self.parts.iter().flat_map(|part| {
            part.range(first.clone()..).take_while(|(second, _)| *second < now).map(|(_, key)| key)
        });
        due.take(max).cloned().collect()
    }

    fn second_of(&self, item: Option<&Item>) -> Option<u64> {
        let json = document::attribute(item?.json(), &self.attribute)?;
        // The common case of an attribute that is no time needs no value to be built.
        if !json.starts_with(b"{\"N\"") {
            return None;
        }
        match AttributeValue::read(json).ok()? {
            // A fraction of a second does not count.
            AttributeValue::N(number) => number.to_string().split('.').next()?.parse().ok(),
            _ => None,
        }
    }
}
