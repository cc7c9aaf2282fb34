//! The query language, as a tree. Pure.
//!
//! [`parse`] reads the DSL of a request body, [`string`] the short form of `?q=`; `build` makes
//! a query for tantivy of it, with the mapping of one index.

pub use parse::distance;
pub(crate) mod build;
pub(crate) mod parse;
pub(crate) mod string;

use std::ops::Bound;

use serde_json::Value;

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What it matches.
    pub(crate) kind: Kind,
    /// How much it counts among others.
    pub(crate) boost: f32,
}

/// What a query matches.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    All,
    Nothing,
    Match(Match),
    /// Words one after the other.
    Phrase {
        field: String,
        text: String,
        slop: u32,
    },
    /// The same text in several fields; the best of them counts.
    Multi {
        fields: Vec<(String, f32)>,
        with: Match,
        is_phrase: bool,
    },
    Term {
        field: String,
        value: Value,
        ignores_case: bool,
    },
    Terms {
        field: String,
        values: Vec<Value>,
    },
    Range(Range),
    Exists(String),
    Ids(Vec<String>),
    Prefix {
        field: String,
        value: String,
        ignores_case: bool,
    },
    Bool(Bool),
    /// Every match counts the same.
    Constant(Box<Query>),
    /// The best of several counts.
    Best(Vec<Query>),
}

/// Text to be taken apart into words.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Match {
    pub field: String,
    pub text: String,
    /// Whether all words must be there.
    pub all: bool,
    pub minimum: Option<Minimum>,
    /// Whether a text that does not fit the field matches nothing, rather than being an error.
    pub lenient: bool,
}

/// Values between two others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Range {
    pub field: String,
    pub from: Bound<Value>,
    pub to: Bound<Value>,
    pub format: Option<String>,
}

/// A combination of queries.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bool {
    pub must: Vec<Query>,
    pub filter: Vec<Query>,
    pub should: Vec<Query>,
    pub must_not: Vec<Query>,
    pub minimum: Option<Minimum>,
}

/// How many of several must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Minimum {
    /// This many, or all but this many if negative.
    Count(i64),
    /// This many in a hundred, rounded down; all but that if negative.
    Percent(i64),
}

impl Minimum {
    /// Of `n` queries.
    pub(crate) fn of(self, n: usize) -> usize {
        let n_all = i64::try_from(n).unwrap_or(i64::MAX);
        let count = match self {
            Minimum::Count(count) if count < 0 => n_all + count,
            Minimum::Count(count) => count,
            Minimum::Percent(percent) if percent < 0 => n_all - n_all * -percent / 100,
            Minimum::Percent(percent) => n_all * percent / 100,
        };
        usize::try_from(count.max(0)).unwrap_or(n)
    }
}

impl Query {
    /// Matches every document.
    pub fn all() -> Query {
        Kind::All.into()
    }

    /// At least one of `each` must match.
    pub(crate) fn any(each: Vec<Query>) -> Query {
        Kind::Bool(Bool { should: each, ..Bool::default() }).into()
    }

    /// Both this and `other` must match; only this one counts for the score.
    #[must_use]
    pub fn filtered_by(self, other: Query) -> Query {
        Kind::Bool(Bool { must: vec![self], filter: vec![other], ..Bool::default() }).into()
    }
}

impl From<Kind> for Query {
    fn from(kind: Kind) -> Query {
        Query { kind, boost: 1.0 }
    }
}

#[cfg(test)]
mod tests;
