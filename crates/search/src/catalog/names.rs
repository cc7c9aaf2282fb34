//! What index names may be, and what a list of names, wildcards and aliases stands for. Pure.

use std::collections::BTreeSet;

use super::Catalog;
use crate::{
    error::{Failure, Result},
    raw::matches_wildcard,
};

/// The longest name of an index, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// What to do about names that stand for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Pass over them.
    pub ignore_unavailable: bool,
    /// Accept that a wildcard matches nothing.
    pub allow_no_indices: bool,
    /// Whether wildcards also mean names that begin with a dot.
    pub hidden: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { ignore_unavailable: false, allow_no_indices: true, hidden: false }
    }
}

/// Refuses what cannot be the name of an index.
///
/// # Errors
///
/// With the rule that it breaks.
pub(crate) fn check_index_name(name: &str) -> Result<()> {
    const FORBIDDEN: &str = " \"*\\<|,>/?";
    let problem = if name.is_empty() {
        "must not be empty".to_owned()
    } else if name == "." || name == ".." {
        "must not be '.' or '..'".to_owned()
    } else if name.contains(|it| FORBIDDEN.contains(it)) {
        "must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?]".to_owned()
    } else if name.contains('#') {
        "must not contain '#'".to_owned()
    } else if name.contains(':') {
        "must not contain ':'".to_owned()
    } else if name.starts_with(['_', '-', '+']) {
        "must not start with '_', '-', or '+'".to_owned()
    } else if NAME_BYTES_MAX < name.len() {
        format!("index name is too long, ({} > {NAME_BYTES_MAX})", name.len())
    } else if name != name.to_lowercase() {
        "must be lowercase".to_owned()
    } else {
        return Ok(());
    };
    Err(Failure::new(
        400,
        "invalid_index_name_exception",
        format!("Invalid index name [{name}], {problem}"),
    )
    .with("index", name)
    .with("index_uuid", "_na_"))
}

impl Catalog {
    /// The indices that `expression` stands for: names, aliases, wildcards and `-exclusions`,
    /// separated by commas; empty and `_all` are all of them.
    ///
    /// # Errors
    ///
    /// When a name stands for nothing, unless `options` allow it.
    pub fn resolve(&self, expression: &str, options: Options) -> Result<Vec<String>> {
        let expression =
            if expression.is_empty() || expression == "_all" { "*" } else { expression };
        let mut found: BTreeSet<String> = BTreeSet::new();
        let mut wildcard_seen = false;
        for part in expression.split(',').filter(|it| !it.is_empty()) {
            if let Some(excluded) = part.strip_prefix('-').filter(|_| wildcard_seen) {
                for name in self.indices_of(excluded, true) {
                    found.remove(&name);
                }
                continue;
            }
            let is_wildcard = part.contains('*');
            wildcard_seen |= is_wildcard;
            let before = found.len();
            let matched = self.indices_of(part, options.hidden || part.starts_with('.'));
            let is_empty = matched.is_empty();
            found.extend(matched);
            if is_empty && !is_wildcard && !options.ignore_unavailable {
                if part.starts_with('_') {
                    check_index_name(part)?;
                }
                return Err(Failure::no_such_index(part, "index_or_alias"));
            }
            if is_wildcard && before == found.len() && is_empty && !options.allow_no_indices {
                return Err(Failure::no_such_index(part, "index_or_alias"));
            }
        }
        if found.is_empty() && !options.allow_no_indices {
            return Err(Failure::no_such_index(expression, "index_or_alias"));
        }
        Ok(found.into_iter().collect())
    }

    fn indices_of(&self, pattern: &str, hidden: bool) -> Vec<String> {
        if !pattern.contains('*') {
            if self.indices.contains_key(pattern) {
                return vec![pattern.to_owned()];
            }
            let aliased = self.aliases.get(pattern);
            return aliased.map(|it| it.keys().cloned().collect()).unwrap_or_default();
        }
        let matches =
            |name: &str| matches_wildcard(pattern, name) && (hidden || !name.starts_with('.'));
        let direct = self.indices.keys().filter(|it| matches(it)).cloned();
        let aliased = self.aliases.iter().filter(|(name, _)| matches(name));
        direct.chain(aliased.flat_map(|(_, indices)| indices.keys().cloned())).collect()
    }

    /// The index that a write to `name` goes to; the name itself if there is none yet.
    ///
    /// # Errors
    ///
    /// When it is an alias of several indices and none of them is the one to write to.
    pub fn write_target<'a>(&'a self, name: &'a str) -> Result<&'a str> {
        let Some(indices) = self.aliases.get(name) else { return Ok(name) };
        if let Some((index, _)) = indices.iter().find(|(_, it)| it.is_write_index == Some(true)) {
            return Ok(index);
        }
        match indices.iter().next() {
            Some((index, how)) if indices.len() == 1 && how.is_write_index != Some(false) => {
                Ok(index)
            }
            _ => Err(Failure::illegal_argument(format!(
                "no write index is defined for alias [{name}]. The write index may be explicitly disabled using is_write_index=false or the alias points to multiple indices without one being designated as a write index"
            ))),
        }
    }

    /// The one index that `name` stands for, when a document is read.
    ///
    /// # Errors
    ///
    /// When there is none, or more than one.
    pub fn single<'a>(&'a self, name: &'a str) -> Result<&'a str> {
        if self.indices.contains_key(name) {
            return Ok(name);
        }
        match self.aliases.get(name).map(|it| it.keys().collect::<Vec<_>>()) {
            None => Err(Failure::no_such_index(name, "index_expression")),
            Some(indices) if indices.len() == 1 => Ok(indices[0]),
            Some(indices) => {
                let names: Vec<&str> = indices.into_iter().map(String::as_str).collect();
                Err(Failure::illegal_argument(format!(
                    "alias [{name}] has more than one index associated with it [{}], can't execute a single index op",
                    names.join(", ")
                )))
            }
        }
    }
}
