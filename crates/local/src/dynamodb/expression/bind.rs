//! `ExpressionAttributeNames` and `ExpressionAttributeValues`: what `#n` and `:v` stand for. Pure.

use std::collections::{BTreeMap, BTreeSet};

use wire::attribute_value::AttributeValue;

use super::{
    ExpressionError, Role,
    ast::{Path, Step},
};

/// Names and values that the expressions of a request may refer to.
#[derive(Debug, Default)]
pub(crate) struct Placeholders {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, AttributeValue>,
    used: BTreeSet<String>,
}

impl Placeholders {
    /// What a request defines. `None` means that it does not say; an empty map is a mistake.
    ///
    /// # Errors
    ///
    /// When a map is empty, or a key in it is not a placeholder.
    pub(crate) fn new(
        names: Option<BTreeMap<String, String>>,
        values: Option<BTreeMap<String, AttributeValue>>,
    ) -> Result<Placeholders, ExpressionError> {
        if let Some(names) = &names {
            check_keys("ExpressionAttributeNames", '#', names.keys())?;
        }
        if let Some(values) = &values {
            check_keys("ExpressionAttributeValues", ':', values.keys())?;
        }
        Ok(Placeholders {
            names: names.unwrap_or_default(),
            values: values.unwrap_or_default(),
            used: BTreeSet::new(),
        })
    }

    /// Replaces the names in a path.
    pub(crate) fn path(&mut self, role: Role, path: Path) -> Result<Path, ExpressionError> {
        let steps = path.0.into_iter().map(|step| match step {
            Step::Name(name) if name.starts_with('#') => {
                let Some(actual) = self.names.get(&name) else {
                    return Err(role.invalid(format_args!(
                        "An expression attribute name used in the document path is not defined; attribute name: {name}"
                    )));
                };
                self.used.insert(name);
                Ok(Step::Name(actual.clone()))
            }
            step => Ok(step),
        });
        steps.collect::<Result<_, _>>().map(Path)
    }

    /// The value that `:name` stands for.
    pub(crate) fn value(
        &mut self,
        role: Role,
        name: String,
    ) -> Result<AttributeValue, ExpressionError> {
        let Some(value) = self.values.get(&name).cloned() else {
            return Err(role.invalid(format_args!(
                "An expression attribute value used in expression is not defined; attribute value: {name}"
            )));
        };
        self.used.insert(name);
        Ok(value)
    }

    /// Makes sure that nothing was defined in vain, once all expressions are bound.
    ///
    /// # Errors
    ///
    /// When something was.
    pub(crate) fn all_used(&self) -> Result<(), ExpressionError> {
        let unused = |keys: Vec<&String>| {
            let unused: Vec<&str> = keys
                .into_iter()
                .filter(|it| !self.used.contains(*it))
                .map(String::as_str)
                .collect();
            (!unused.is_empty()).then(|| unused.join(", "))
        };
        let (names, values) = (self.names.keys().collect(), self.values.keys().collect());
        for (parameter, unused) in [
            ("ExpressionAttributeNames", unused(names)),
            ("ExpressionAttributeValues", unused(values)),
        ] {
            if let Some(unused) = unused {
                return Err(ExpressionError(format!(
                    "Value provided in {parameter} unused in expressions: keys: {{{unused}}}"
                )));
            }
        }
        Ok(())
    }
}

fn check_keys<'a>(
    parameter: &str,
    sigil: char,
    keys: impl ExactSizeIterator<Item = &'a String>,
) -> Result<(), ExpressionError> {
    if keys.len() == 0 {
        return Err(ExpressionError(format!("{parameter} must not be empty")));
    }
    for key in keys {
        let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let name = key.strip_prefix(sigil);
        if !name.is_some_and(|name| !name.is_empty() && name.chars().all(is_word)) {
            return Err(ExpressionError(format!(
                "{parameter} contains invalid key: Syntax error; key: \"{key}\""
            )));
        }
    }
    Ok(())
}

/// Refuses paths of which one lies inside another, or which need one place to be a list and a map.
pub(crate) fn check_disjoint(role: Role, paths: &[&Path]) -> Result<(), ExpressionError> {
    // Sorted, a path is followed by those inside it; but the message names them as they were written.
    for (at, second) in paths.iter().enumerate() {
        for first in &paths[..at] {
            let how = match relation(first, second) {
                Relation::Apart => continue,
                Relation::Overlap => "overlap",
                Relation::Conflict => "conflict",
            };
            let (a, b) =
                if second.0.len() < first.0.len() { (second, first) } else { (first, second) };
            return Err(role.invalid(format_args!(
                "Two document paths {how} with each other; must remove or rewrite one of these paths; path one: {}, path two: {}",
                a.listed(),
                b.listed()
            )));
        }
    }
    Ok(())
}

enum Relation {
    Apart,
    Overlap,
    Conflict,
}

fn relation(a: &Path, b: &Path) -> Relation {
    for (a, b) in a.0.iter().zip(&b.0) {
        match (a, b) {
            (a, b) if a == b => {}
            (Step::Name(_), Step::Index(_)) | (Step::Index(_), Step::Name(_)) => {
                return Relation::Conflict;
            }
            _ => return Relation::Apart,
        }
    }
    Relation::Overlap
}
