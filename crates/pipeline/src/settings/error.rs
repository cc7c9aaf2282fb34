//! What is wrong with settings: where, what, and what to write instead. Pure.

use std::fmt;

use super::Place;

/// Settings we cannot run with. Says where, what, and what would do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The setting, seen from the plugin it belongs to: `tables[0].table_arn`.
    pub at: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Where it stands in the file.
    pub place: Option<Place>,
    /// What else is wrong with the same settings, in the order of the file.
    pub more: Vec<ConfigError>,
}

impl ConfigError {
    /// A problem with the setting `at`.
    pub fn new(at: impl Into<String>, problem: impl Into<String>) -> ConfigError {
        let (at, problem) = (at.into(), problem.into());
        ConfigError { at, problem, help: None, place: None, more: Vec::new() }
    }

    /// The same problem, with what to write instead.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> ConfigError {
        ConfigError { help: Some(help.into()), ..self }
    }

    /// The same problem, with its place in the file.
    #[must_use]
    pub fn with_place(self, place: Place) -> ConfigError {
        ConfigError { place: Some(place), ..self }
    }

    /// Several problems as one, in the order given; `None` if there are none.
    pub fn all(errors: impl IntoIterator<Item = ConfigError>) -> Option<ConfigError> {
        let mut errors = errors.into_iter().flat_map(ConfigError::each);
        let first = errors.next()?;
        Some(ConfigError { more: errors.collect(), ..first })
    }

    /// Every problem by itself.
    pub fn each(mut self) -> Vec<ConfigError> {
        let mut each = Vec::with_capacity(1 + self.more.len());
        let more = std::mem::take(&mut self.more);
        each.push(self);
        each.extend(more.into_iter().flat_map(ConfigError::each));
        each
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.at.is_empty() {
            write!(f, "{}: ", self.at)?;
        }
        f.write_str(&self.problem)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        self.more.iter().try_for_each(|error| write!(f, "\n{error}"))
    }
}
