//! Settings as the types a plugin asks for, with every mistake found in one go. Pure.
//!
//! Serde gives up at the first mistake. We note it, leave the mistaken value out, and read again;
//! what goes wrong only because something was left out is not worth telling.

mod access;
mod error;
mod reader;

use std::{cell::RefCell, collections::BTreeMap, fmt, ops::Range};

use serde::de::DeserializeOwned;

pub(super) use self::{error::ReadError, reader::Reader};
use super::{ConfigError, Settings};

/// How many mistakes are reported at once.
const MISTAKES_MAX: usize = 50;

/// Reads `settings` as `T`.
pub(super) fn read<T: DeserializeOwned>(settings: &Settings) -> Result<T, ConfigError> {
    let mut context = Context::default();
    let mut mistakes = Mistakes::new();
    for _ in 0..MISTAKES_MAX {
        let key_span = settings.place().span;
        let reader = Reader { context: &context, node: &settings.node, key_span, path: Path::Root };
        let result = T::deserialize(reader);
        let mistake = match result {
            Ok(value) if mistakes.is_empty() && context.unknown.borrow().is_empty() => {
                return Ok(value);
            }
            Ok(_) => break,
            Err(error) => error.located(&Path::Root, &settings.place().span),
        };
        let at = mistake.at.clone();
        if !context.is_consequence(&mistake) {
            mistakes.insert(mistake.key(), mistake);
        }
        if at.is_empty() || context.left_out.contains(&at) {
            break;
        }
        context.left_out.push(at);
    }
    mistakes.append(&mut context.unknown.take());
    let errors = mistakes.into_values().map(|mistake| mistake.into_error(settings));
    Err(ConfigError::all(errors).unwrap_or_else(|| settings.problem("", "cannot be read")))
}

/// In the order of the file, each once.
type Mistakes = BTreeMap<(usize, String), Mistake>;

/// What is known across attempts.
#[derive(Default)]
struct Context {
    /// Keys that mean nothing, found in any attempt.
    unknown: RefCell<Mistakes>,
    left_out: Vec<String>,
}

impl Context {
    /// Whether it may be wrong only because something below it was left out.
    fn is_consequence(&self, mistake: &Mistake) -> bool {
        let parent = &mistake.at;
        let below = |path: &String| match path.strip_prefix(parent.as_str()) {
            Some(rest) => parent.is_empty() || rest.starts_with(['.', '[']),
            None => false,
        };
        match &mistake.kind {
            Kind::Missing(field) => {
                self.left_out.contains(&join(parent, field)) || self.is_misspelt(parent, field)
            }
            Kind::Misspelt(_) | Kind::SecondSpelling | Kind::Other => {
                self.left_out.iter().any(below)
            }
        }
    }

    /// Whether `field` is missing in `parent` because a key there is a misspelling of it.
    fn is_misspelt(&self, parent: &str, field: &str) -> bool {
        self.unknown.borrow().values().any(|unknown| {
            let (there, _) = unknown.at.rsplit_once('.').unwrap_or(("", ""));
            there == parent && unknown.kind == Kind::Misspelt(field.to_owned())
        })
    }
}

fn join(parent: &str, field: &str) -> String {
    if parent.is_empty() { field.to_owned() } else { format!("{parent}.{field}") }
}

/// The way from the root to a value.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => f.write_str(key),
            Path::Key(parent, key) => write!(f, "{parent}.{key}"),
            Path::Item(parent, n) => write!(f, "{parent}[{n}]"),
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug)]
struct Mistake {
    at: String,
    span: Range<usize>,
    problem: String,
    help: Option<String>,
    kind: Kind,
}

/// The kinds of mistake that are treated differently.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A setting that must be there is not.
    Missing(&'static str),
    /// A key that means nothing is probably this one.
    Misspelt(String),
    /// A setting is there under two names.
    SecondSpelling,
    Other,
}

impl Mistake {
    fn key(&self) -> (usize, String) {
        (self.span.start, self.at.clone())
    }

    fn into_error(self, settings: &Settings) -> ConfigError {
        let place = settings.place_of(self.span);
        let error = ConfigError::new(self.at, self.problem).with_place(place);
        ConfigError { help: self.help, ..error }
    }
}
