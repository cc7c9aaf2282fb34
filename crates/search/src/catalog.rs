//! Which indices, aliases and templates there are, and what a name in a request stands for. Pure.

mod names;
mod template;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use names::Options;
pub(crate) use names::check_index_name;
pub use template::{Resolved, Templates, shown as shown_template};

use crate::{
    error::{Failure, Result},
    query::Query,
    raw::matches_wildcard,
};

/// Everything that has a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// The folder of each index.
    pub indices: BTreeMap<String, String>,
    /// Which indices each alias stands for.
    pub aliases: BTreeMap<String, BTreeMap<String, Alias>>,
    /// What new indices begin with.
    #[serde(default)]
    pub templates: Templates,
}

/// What an alias says of one index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// Whether writes through the alias go to this index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_write_index: Option<bool>,
    /// Which documents are seen through the alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Value>,
    /// Everything else, kept and shown.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

impl Alias {
    /// Reads what a request says of an alias.
    ///
    /// # Errors
    ///
    /// When a member is unknown or makes no sense.
    pub fn read(value: &Value) -> Result<Alias> {
        let known =
            ["filter", "is_write_index", "routing", "index_routing", "search_routing", "is_hidden"];
        let members = match value {
            Value::Null => return Ok(Alias::default()),
            Value::Object(members) => members,
            _ => return Err(Failure::parsing("an alias must be an object")),
        };
        if let Some(unknown) = members.keys().find(|it| !known.contains(&it.as_str())) {
            return Err(Failure::parsing(format!("Unknown field [{unknown}] in alias")));
        }
        let mut members = members.clone();
        if let Some(routing) = members.remove("routing") {
            members.entry("index_routing").or_insert_with(|| routing.clone());
            members.entry("search_routing").or_insert(routing);
        }
        if let Some(filter) = members.get("filter") {
            crate::query::parse::query(filter)?;
        }
        serde_json::from_value(Value::Object(members))
            .map_err(|it| Failure::parsing(format!("an alias cannot be read: {it}")))
    }
}

/// One of the steps of `POST /_aliases`; all of them happen, or none.
#[derive(Clone, Debug, PartialEq)]
pub enum AliasAction {
    /// Let an alias stand for an index.
    Add {
        /// The index.
        index: String,
        /// The alias.
        alias: String,
        /// What it says of the index.
        how: Alias,
    },
    /// Let it no longer stand for the index.
    Remove {
        /// The index.
        index: String,
        /// The alias, which may have `*` in it.
        alias: String,
        /// Whether it is an error if there is none.
        must_exist: bool,
    },
    /// Delete an index.
    RemoveIndex(String),
}

impl Catalog {
    /// Does all of `actions`; returns the indices that are to be deleted.
    ///
    /// # Errors
    ///
    /// When one of them cannot be done; then none was.
    pub fn apply(&mut self, actions: &[AliasAction]) -> Result<Vec<String>> {
        let mut next = self.clone();
        let mut removed = Vec::new();
        // Indices go first, so that an alias may take the name of one.
        for action in actions {
            if let AliasAction::RemoveIndex(index) = action {
                next.remove_index(index)?;
                removed.push(index.clone());
            }
        }
        for action in actions {
            match action {
                AliasAction::Add { index, alias, how } => next.add_alias(index, alias, how)?,
                AliasAction::Remove { index, alias, must_exist } => {
                    next.remove_alias(index, alias, *must_exist)?;
                }
                AliasAction::RemoveIndex(_) => {}
            }
        }
        *self = next;
        Ok(removed)
    }

    /// Lets `alias` stand for `index`.
    ///
    /// # Errors
    ///
    /// When the name cannot be that of an alias, or two indices would be written through it.
    pub fn add_alias(&mut self, index: &str, alias: &str, how: &Alias) -> Result<()> {
        if self.indices.contains_key(alias) {
            return Err(invalid_alias(alias, "an index exists with the same name as the alias"));
        }
        check_index_name(alias).map_err(|it| {
            invalid_alias(alias, it.reason.rsplit("], ").next().unwrap_or_default())
        })?;
        let entry = self.aliases.entry(alias.to_owned()).or_default();
        entry.insert(index.to_owned(), how.clone());
        let writers: Vec<&str> = entry
            .iter()
            .filter(|(_, it)| it.is_write_index == Some(true))
            .map(|(name, _)| name.as_str())
            .collect();
        if 1 < writers.len() {
            return Err(Failure::new(
                500,
                "illegal_state_exception",
                format!("alias [{alias}] has more than one write index [{}]", writers.join(",")),
            ));
        }
        Ok(())
    }

    fn remove_alias(&mut self, index: &str, pattern: &str, must_exist: bool) -> Result<()> {
        let mut found = false;
        for (alias, indices) in &mut self.aliases {
            if pattern == "_all" || matches_wildcard(pattern, alias) {
                found |= indices.remove(index).is_some();
            }
        }
        self.aliases.retain(|_, indices| !indices.is_empty());
        if !found && must_exist && !pattern.contains('*') {
            return Err(Failure::new(
                404,
                "aliases_not_found_exception",
                format!("aliases [{pattern}] missing"),
            )
            .with("resource.type", "aliases")
            .with("resource.id", pattern));
        }
        Ok(())
    }

    /// Forgets an index and what its aliases say of it.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub fn remove_index(&mut self, index: &str) -> Result<String> {
        if self.aliases.contains_key(index) {
            return Err(Failure::illegal_argument(format!(
                "The provided expression [{index}] matches an alias, specify the corresponding concrete indices instead."
            )));
        }
        let folder = self
            .indices
            .remove(index)
            .ok_or_else(|| Failure::no_such_index(index, "index_or_alias"))?;
        for indices in self.aliases.values_mut() {
            indices.remove(index);
        }
        self.aliases.retain(|_, indices| !indices.is_empty());
        Ok(folder)
    }

    /// Which documents of `index` a search of `expression` may see; all, if nothing.
    ///
    /// # Errors
    ///
    /// When the filter of an alias cannot be read.
    pub fn filter_of(&self, expression: &str, index: &str) -> Result<Option<Query>> {
        let mut filters = Vec::new();
        for part in expression.split(',') {
            if part.is_empty() || part == "_all" || matches_wildcard(part, index) {
                return Ok(None);
            }
            for (name, how) in self.aliases_of(index) {
                match &how.filter {
                    _ if !matches_wildcard(part, name) => {}
                    None => return Ok(None),
                    Some(filter) => filters.push(crate::query::parse::query(filter)?),
                }
            }
        }
        Ok(match filters.len() {
            0 => None,
            _ => Some(Query::any(filters)),
        })
    }

    /// The aliases of an index.
    pub fn aliases_of<'a>(&'a self, index: &'a str) -> impl Iterator<Item = (&'a str, &'a Alias)> {
        let aliases = self.aliases.iter();
        aliases.filter_map(move |(name, indices)| Some((name.as_str(), indices.get(index)?)))
    }
}

fn invalid_alias(alias: &str, why: &str) -> Failure {
    let reason = format!("Invalid alias name [{alias}], {why}");
    Failure::new(400, "invalid_alias_name_exception", reason)
}

#[cfg(test)]
mod tests;
