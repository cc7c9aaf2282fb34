//! What a user wrote for one plugin, still knowing where it was written. Pure.
//!
//! [`Settings::read`] turns it into the plugin's own type and finds every mistake on the way.
//! What only the plugin can judge it reports with [`Settings::problem`]. Either way the error knows
//! its line, so that whoever prints it can show the line.

mod any;
mod change;
mod error;
mod nearest;
mod node;
mod place;
mod read;
mod show;
mod units;
mod yaml;

use std::{fmt, ops::Range, sync::Arc};

use serde::de::DeserializeOwned;

use self::node::{Entry, Meaning, Node, Tree};
pub use self::{
    change::Substitute,
    error::ConfigError,
    nearest::nearest,
    place::{Place, SourceText},
    units::{ByteCount, NotAByteCount, NotAPeriod, Period, duration},
};

/// The settings of one plugin, or a part of them.
#[derive(Clone)]
pub struct Settings {
    source: Arc<SourceText>,
    node: Arc<Node>,
    key_span: Option<Range<usize>>,
}

/// What a setting is, before anybody asks for a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing: `key:` or `key: null`.
    Empty,
    /// A text, a number, `true` or `false`.
    Scalar,
    /// Several values in order.
    List,
    /// Settings of its own.
    Map,
}

impl Settings {
    /// Reads YAML, of which JSON is a part. For tests and defaults; files are read by the engine.
    ///
    /// # Errors
    ///
    /// When it is not YAML, has a key twice, or is too large to be settings. Names all mistakes.
    pub fn from_yaml(text: &str) -> Result<Settings, ConfigError> {
        Settings::from_source(SourceText { name: "settings".to_owned(), text: text.to_owned() })
    }

    /// Reads a file of settings.
    ///
    /// # Errors
    ///
    /// As [`Settings::from_yaml`].
    pub fn from_source(source: SourceText) -> Result<Settings, ConfigError> {
        match Settings::parse(source) {
            (Some(settings), None) => Ok(settings),
            (_, error) => Err(error.unwrap_or_else(|| ConfigError::new("", "cannot be read"))),
        }
    }

    /// Reads a file of settings as far as it can be read, and says what is wrong with it: a key
    /// that is there twice does not hide what else there is.
    pub fn parse(source: SourceText) -> (Option<Settings>, Option<ConfigError>) {
        let source = Arc::new(source);
        let (node, error) = yaml::parse(&source);
        (node.map(|node| Settings { source, node, key_span: None }), error)
    }

    /// Reads them as `T`: a struct whose fields are the settings.
    ///
    /// Numbers and booleans may be written as text, because their values may come from a secret or
    /// the environment. A key `T` does not know is a mistake, whether `T` says so or not.
    ///
    /// # Errors
    ///
    /// When a key is unknown, a value has the wrong type or is missing. Names all mistakes, each
    /// with its place and, where one is near, the name that was probably meant.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        read::read(self)
    }

    /// A problem with the setting at `path` (`hosts[0]`; empty for all of them), found after reading.
    pub fn problem(&self, path: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError::new(path, problem).with_place(self.nearest_to(path).place())
    }

    /// A problem with some bytes of the text at `path`: with a part of an expression. Points at
    /// them if they stand in the file as they are, and at the whole text if not.
    pub fn problem_within(
        &self,
        path: &str,
        bytes: Range<usize>,
        problem: impl Into<String>,
    ) -> ConfigError {
        let settings = self.nearest_to(path);
        let place = settings.part_of_text(bytes).unwrap_or_else(|| settings.place());
        ConfigError::new(path, problem).with_place(place)
    }

    /// The setting at `path` (`tables[0].stream`), if there is one.
    pub fn get(&self, path: &str) -> Option<Settings> {
        steps(path).try_fold(self.clone(), |settings, step| settings.step(step))
    }

    /// What it is, before anybody asks for a type.
    pub fn shape(&self) -> Shape {
        match &self.node.tree {
            Tree::List(_) => Shape::List,
            Tree::Map(_) => Shape::Map,
            Tree::Scalar(scalar) if scalar.meaning() == Meaning::Null => Shape::Empty,
            Tree::Scalar(_) => Shape::Scalar,
        }
    }

    /// Its keys and their values, in the order written; none if it is not a map.
    pub fn entries(&self) -> Vec<(&str, Settings)> {
        match &self.node.tree {
            Tree::Map(entries) => {
                entries.iter().map(|entry| (entry.key.as_str(), self.entry(entry))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Its values in order; none if it is not a list.
    pub fn items(&self) -> Vec<Settings> {
        match &self.node.tree {
            Tree::List(nodes) => nodes.iter().map(|node| self.part(node, None)).collect(),
            _ => Vec::new(),
        }
    }

    /// Its text, if it is a text, a number, `true` or `false`.
    pub fn text(&self) -> Option<&str> {
        match &self.node.tree {
            Tree::Scalar(scalar) if scalar.meaning() != Meaning::Null => Some(&scalar.text),
            _ => None,
        }
    }

    /// What it is, for a message: `a list`, `a map`, `nothing`, or the shortened text.
    pub fn describe(&self) -> String {
        self.node.describe()
    }

    /// Where it stands: a map or list by its key, everything else by itself.
    pub fn place(&self) -> Place {
        let by_itself = matches!(&self.node.tree, Tree::Scalar(_)) && !self.node.span.is_empty();
        let span = match &self.key_span {
            Some(key) if !by_itself => key.clone(),
            _ if by_itself => self.node.span.clone(),
            _ => self.first_line(),
        };
        self.place_of(span)
    }

    /// Where its key stands, or itself if it has none.
    pub fn key_place(&self) -> Place {
        self.key_span.clone().map_or_else(|| self.place(), |span| self.place_of(span))
    }

    /// Where some bytes of the text stand, if nothing in it is escaped or folded.
    fn part_of_text(&self, bytes: Range<usize>) -> Option<Place> {
        let (text, written) = (self.text()?, self.source.text.get(self.node.span.clone())?);
        let mut found = written.match_indices(text);
        let (start, _) = found.next()?;
        let is_part = found.next().is_none() && text.get(bytes.clone()).is_some();
        let start = self.node.span.start + start;
        is_part.then(|| self.place_of(start + bytes.start..start + bytes.end))
    }

    fn place_of(&self, span: Range<usize>) -> Place {
        Place { source: Arc::clone(&self.source), span }
    }

    /// Where it begins; all of a large value is too much to point at.
    fn first_line(&self) -> Range<usize> {
        let Range { start, end } = self.node.span;
        let text = self.source.text.get(start..end).unwrap_or_default();
        start..start + text.split(['\n', '\r']).next().unwrap_or_default().len()
    }

    fn part(&self, node: &Arc<Node>, key_span: Option<Range<usize>>) -> Settings {
        Settings { source: Arc::clone(&self.source), node: Arc::clone(node), key_span }
    }

    fn entry(&self, entry: &Entry) -> Settings {
        self.part(&entry.node, Some(entry.key_span.clone()))
    }

    fn step(&self, step: Step<'_>) -> Option<Settings> {
        match (&self.node.tree, step) {
            (Tree::Map(entries), Step::Key(key)) => {
                entries.iter().find(|entry| entry.key == key).map(|entry| self.entry(entry))
            }
            (Tree::List(nodes), Step::Item(n)) => nodes.get(n).map(|node| self.part(node, None)),
            _ => None,
        }
    }

    /// The setting at `path`, or the last one there is on the way.
    fn nearest_to(&self, path: &str) -> Settings {
        let mut nearest = self.clone();
        for step in steps(path) {
            let Some(next) = nearest.step(step) else { break };
            nearest = next;
        }
        nearest
    }
}

/// One part of `tables[0].stream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split(['.', '[']).filter(|step| !step.is_empty()).map(|step| {
        let number = step.strip_suffix(']').and_then(|digits| digits.parse().ok());
        number.map_or(Step::Key(step), Step::Item)
    })
}

/// They may hold secrets, so only their place is shown.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({})", self.place())
    }
}

#[cfg(test)]
mod tests;
