//! One write of an item, understood but not done: alone, or as a part of a transaction. Pure.

use wire::{
    attribute_value::{read_attributes, write_attributes},
    canonical::{self, Canonical},
    json::Cursor,
};

use super::parameters::{Names, Values, check, condition, placeholders};
use crate::dynamodb::{
    error::ApiError,
    expression::{Condition, Update},
    item::{Item, ItemError},
    key::{Key, KeySchema},
    table::{Change, Table},
};

/// A write of one item.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) key: Key,
    pub(crate) condition: Option<Condition>,
    /// Whether the item is shown when the condition does not hold.
    pub(crate) returns_item: bool,
    pub(crate) action: Action,
}

/// What is to become of it.
#[derive(Debug)]
pub(crate) enum Action {
    /// Nothing: only the condition counts.
    Check,
    Put(Item),
    Delete,
    Update {
        update: Option<Update>,
        key_attributes: Canonical,
        /// Whether an item that does not exist is made.
        creates: bool,
    },
}

impl Prepared {
    /// The change that it makes to a table, if any.
    ///
    /// # Errors
    ///
    /// When the condition does not hold, or the item would be none that the table may have.
    pub(crate) fn change(&self, table: &Table) -> Result<Option<Change>, ApiError> {
        let old = table.items.get(&self.key);
        check(self.condition.as_ref(), old, self.returns_item)?;
        let new = match &self.action {
            Action::Check => return Ok(None),
            Action::Delete => None,
            Action::Put(item) => Some(item.clone()),
            Action::Update { creates: false, .. } if old.is_none() => return Ok(None),
            Action::Update { update, key_attributes, .. } => {
                let schema = &table.description.schema;
                Some(updated(update.as_ref(), old, key_attributes, schema)?)
            }
        };
        if let Some(item) = &new {
            table.check_indexes(item, &self.key)?;
        }
        Ok(Some(Change { key: self.key.clone(), new, by_ttl: false }))
    }
}

/// The condition of a write that has no other expression.
pub(crate) fn bind_condition(
    text: Option<&str>,
    names: Names,
    values: Values<'_>,
) -> Result<Option<Condition>, ApiError> {
    let mut placeholders = placeholders(names, values, &[text], "ConditionExpression")?;
    let condition = condition(text, &mut placeholders)?;
    placeholders.all_used()?;
    Ok(condition)
}

/// The update and the condition of a write.
pub(crate) fn bind_update(
    update: Option<&str>,
    condition_text: Option<&str>,
    names: Names,
    values: Values<'_>,
) -> Result<(Option<Update>, Option<Condition>), ApiError> {
    let texts = [update, condition_text];
    let mut placeholders = placeholders(names, values, &texts, "UpdateExpression")?;
    let update = update.map(|text| Update::parse(text, &mut placeholders)).transpose()?;
    let condition = condition(condition_text, &mut placeholders)?;
    placeholders.all_used()?;
    Ok((update, condition))
}

/// Refuses an update that would move its item.
pub(crate) fn leaves_key_alone(update: &Update, schema: &KeySchema) -> Result<(), ApiError> {
    match update.paths().iter().find(|it| schema.has(it.attribute())) {
        None => Ok(()),
        Some(path) => Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: Cannot update attribute {}. This attribute is part of the key",
            path.attribute()
        ))),
    }
}

/// What becomes of the item, or of one that does not exist yet.
fn updated(
    update: Option<&Update>,
    old: Option<&Item>,
    key: &Canonical,
    schema: &KeySchema,
) -> Result<Item, ApiError> {
    let before = old.map_or(key.json.as_slice(), Item::json);
    let unreadable = |error: wire::json::Malformed| ApiError::Internal(error.to_string());
    let mut attributes = read_attributes(before).map_err(unreadable)?;
    if let Some(update) = update {
        update.apply(&mut attributes)?;
    }
    let mut json = Vec::with_capacity(before.len() + 64);
    write_attributes(&attributes, &mut json);
    let canonical = canonical::attributes(&mut Cursor::new(&json))?;
    match Item::new(&canonical, schema) {
        Ok((_, item)) => Ok(item),
        Err(ItemError::TooLarge) => {
            Err(ApiError::validation("Item size to update has exceeded the maximum allowed size"))
        }
        Err(error) => Err(error.into()),
    }
}
