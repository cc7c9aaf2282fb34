//! What a query or scan looks at: a table, or one of its indexes.

use std::{collections::BTreeSet, ops::Bound};

use serde_json::value::RawValue;

use super::{
    capacity::{Used, read_units},
    page::Page,
    parameters::{attributes, key_or},
};
use crate::dynamodb::{
    endpoint::{Cell, Endpoint, no_index},
    error::ApiError,
    expression::{Condition, KeyCondition, Projection},
    item::Item,
    key::{Key, KeyError, KeySchema},
    table::{
        Table,
        index::{IndexDescription, projection},
    },
};

/// A range of places.
pub(crate) type Range = (Bound<Key>, Bound<Key>);

/// A table, or one of its indexes.
#[derive(Debug)]
pub(crate) struct View<'a> {
    cell: &'a Cell,
    index: Option<IndexDescription>,
    /// Whether what is asked for must be fetched from the table.
    fetches: bool,
}

impl<'a> View<'a> {
    /// Finds what is meant, and refuses what an index cannot do.
    pub(crate) fn of(
        cell: &'a Cell,
        index: Option<&str>,
        is_consistent: bool,
    ) -> Result<View<'a>, ApiError> {
        let index = index.map(|name| Endpoint::index(cell, name)).transpose()?;
        if is_consistent && index.as_ref().is_some_and(|it| it.is_global) {
            return Err(ApiError::validation(
                "Consistent reads are not supported on global secondary indexes",
            ));
        }
        Ok(View { cell, index, fetches: false })
    }

    pub(crate) fn is_index(&self) -> bool {
        self.index.is_some()
    }

    /// The key attributes that conditions are about.
    pub(crate) fn schema(&self) -> &KeySchema {
        self.index.as_ref().map_or(&self.cell.schema, |it| &it.schema)
    }

    /// Looks at what is wanted of the items: a local index fetches what it has not, a global one cannot.
    pub(crate) fn show(
        &mut self,
        select: Option<&str>,
        projection: Option<&Projection>,
        filter: Option<&Condition>,
    ) -> Result<(), ApiError> {
        let Some(index) = &self.index else { return Ok(()) };
        let mut missing: BTreeSet<String> = BTreeSet::new();
        let mut look = |name: &str| {
            if !index.projects(name, &self.cell.schema) {
                missing.insert(name.to_owned());
            }
        };
        projection.iter().flat_map(|it| it.attributes()).for_each(&mut look);
        if let Some(filter) = filter {
            filter.visit_paths(&mut |path| look(path.attribute()));
        }
        let is_whole = index.projected == crate::dynamodb::table::index::Projected::All;
        let wants_all = select == Some("ALL_ATTRIBUTES") && !is_whole;
        if index.is_global && wants_all {
            return Err(ApiError::Validation(format!(
                "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its projection type is not ALL",
                index.name
            )));
        }
        if index.is_global && !missing.is_empty() {
            return Err(ApiError::Validation(format!(
                "One or more parameter values were invalid: Global secondary index {} does not project [{}]",
                index.name,
                missing.into_iter().collect::<Vec<_>>().join(", ")
            )));
        }
        self.fetches = wants_all || !missing.is_empty();
        Ok(())
    }

    /// The places of the items that a key condition asks for.
    pub(crate) fn range(&self, condition: &KeyCondition) -> Result<Range, ApiError> {
        let (partition, sort) = (&condition.partition, condition.sort.as_ref());
        let range = match &self.index {
            None => self.cell.schema.range(partition, sort),
            Some(index) => index.schema.index_range(partition, sort),
        };
        range.map_err(|error| match error {
            KeyError::WrongType { .. } => ApiError::validation(
                "One or more parameter values were invalid: Condition parameter type does not match schema type",
            ),
            error => error.into(),
        })
    }

    /// `ExclusiveStartKey`.
    pub(crate) fn start_key(&self, json: Option<&RawValue>) -> Result<Option<Key>, ApiError> {
        let Some(json) = json else { return Ok(None) };
        let invalid = "The provided starting key is invalid";
        let Some(index) = &self.index else {
            return key_or(json, &self.cell.schema, invalid).map(|(key, _)| Some(key));
        };
        let invalid = || ApiError::validation(invalid);
        let canonical = attributes(json)?;
        if canonical.members.len() != index.key_names(&self.cell.schema).len() {
            return Err(invalid());
        }
        let (in_table, ..) = self.cell.schema.key_of(&canonical).map_err(|_| invalid())?;
        let place = index.schema.index_key(&canonical.json, &in_table).map_err(|_| invalid())?;
        place.ok_or_else(invalid).map(Some)
    }

    /// A page of items, and the name of the table.
    pub(crate) fn page(
        &self,
        range: Range,
        limit: Option<usize>,
        is_forward: bool,
    ) -> Result<(Page, String), ApiError> {
        let table = self.cell.read();
        let entries = match &self.index {
            None => &table.items,
            Some(index) => match table.index(&index.name) {
                Some(index) => &index.entries,
                // It was there a moment ago.
                None => return Err(no_index(&index.name)),
            },
        };
        let items = entries.range(range).filter_map(|(_, entry)| self.fetched(entry, &table));
        let page = if is_forward { Page::of(items, limit) } else { Page::of(items.rev(), limit) };
        Ok((page, table.description.name.clone()))
    }

    fn fetched<'t>(&self, entry: &'t Item, table: &'t Table) -> Option<&'t Item> {
        if self.fetches { table.items.get(&entry.key(&self.cell.schema)?) } else { Some(entry) }
    }

    /// What `LastEvaluatedKey` shows of an item.
    pub(crate) fn last_key(&self) -> Option<Projection> {
        let index = self.index.as_ref()?;
        Some(projection(index.key_names(&self.cell.schema).into_iter()))
    }

    /// What it cost to read so much.
    pub(crate) fn used(&self, size_bytes: usize, is_consistent: bool) -> Used {
        let units = read_units(size_bytes, is_consistent);
        match &self.index {
            None => units.into(),
            Some(index) => {
                let name = (index.is_global, index.name.clone());
                Used { table: 0.0, indexes: [(name, units)].into() }
            }
        }
    }
}
