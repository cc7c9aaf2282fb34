//! The short form of a query, as `?q=` and `query_string` have it. Pure.
//!
//! `title:code AND -author:brown "exact words" year:[2000 TO 2010] dan*`

use std::ops::Bound;

use serde_json::Value;

use super::{Bool, Kind, Match, Query, Range};
use crate::error::{Failure, Result};

/// How deep parentheses may lie inside each other, and how many words there may be.
const DEPTH_MAX: usize = 20;
const WORDS_MAX: usize = 1024;

/// How to read what is not said in the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// Where to look for words without a field; everywhere, if empty.
    pub fields: Vec<(String, f32)>,
    /// Whether all words must match.
    pub all: bool,
    pub lenient: bool,
}

/// Reads a query string.
///
/// # Errors
///
/// When it does not follow the rules, such as a quote that does not end.
pub(crate) fn parse(text: &str, options: &Options) -> Result<Query> {
    let mut reader = Reader { rest: text, options, n_words: 0 };
    let query = reader.group(0, None)?;
    if reader.rest.trim_start().is_empty() { Ok(query) } else { Err(malformed(text)) }
}

fn malformed(text: &str) -> Failure {
    Failure::new(400, "query_shard_exception", format!("Failed to parse query [{text}]"))
        .caused_by(Failure::new(400, "parse_exception", format!("Cannot parse '{text}'")))
}

struct Reader<'a> {
    rest: &'a str,
    options: &'a Options,
    n_words: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    None,
    Must,
    Not,
}

impl Reader<'_> {
    /// Clauses up to a closing parenthesis or the end.
    fn group(&mut self, depth: usize, field: Option<&str>) -> Result<Query> {
        if DEPTH_MAX < depth {
            return Err(malformed(self.rest));
        }
        let mut clauses: Vec<(Sign, Query)> = Vec::new();
        // What stands before a clause also says something of the one before it.
        let mut joined_by_and = false;
        let mut is_or = false;
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() || self.rest.starts_with(')') {
                break;
            }
            if self.skip_word("AND") || self.skip("&&") {
                joined_by_and = true;
                if let Some((sign @ Sign::None, _)) = clauses.last_mut() {
                    *sign = Sign::Must;
                }
                continue;
            }
            if self.skip_word("OR") || self.skip("||") {
                is_or = true;
                continue;
            }
            let mut sign = Sign::None;
            if self.skip_word("NOT") || self.skip("!") || self.skip("-") {
                sign = Sign::Not;
            } else if self.skip("+") {
                sign = Sign::Must;
            }
            let query = self.clause(depth, field)?;
            if sign == Sign::None && (joined_by_and || self.options.all && !is_or) {
                sign = Sign::Must;
            }
            (joined_by_and, is_or) = (false, false);
            clauses.push((sign, query));
        }
        Ok(combine(clauses))
    }

    fn clause(&mut self, depth: usize, outer: Option<&str>) -> Result<Query> {
        self.rest = self.rest.trim_start();
        self.n_words += 1;
        if WORDS_MAX < self.n_words {
            return Err(Failure::new(400, "too_many_clauses", "maxClauseCount is set to 1024"));
        }
        let named = self.field_name();
        let field = named.as_deref().or(outer);
        let query = if self.skip("(") {
            let group = self.group(depth + 1, field)?;
            if !self.skip(")") {
                return Err(malformed(self.rest));
            }
            group
        } else if self.skip("\"") {
            let text = self.quoted()?;
            let slop = self.number_after('~').unwrap_or(0.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it saturates"
            )]
            self.phrase(field, text, slop as u32)
        } else if self.rest.starts_with(['[', '{']) {
            self.range(field)?
        } else if let Some(query) = self.comparison(field) {
            query
        } else {
            let word = self.word();
            if word.is_empty() {
                return Err(malformed(self.rest));
            }
            // How far a word may differ is for later; the word itself matches.
            self.number_after('~');
            self.word_query(field, &word)
        };
        let boost = self.number_after('^').unwrap_or(1.0);
        Ok(Query { boost: query.boost * boost, ..query })
    }

    fn field_name(&mut self) -> Option<String> {
        let end = self
            .rest
            .find(|it: char| it == ':' || it.is_whitespace() || "\"()[]{}".contains(it))?;
        let (name, rest) = self.rest.split_at(end);
        let rest = rest.strip_prefix(':')?;
        if name.is_empty() || name.ends_with('\\') {
            return None;
        }
        self.rest = rest.trim_start();
        Some(unescape(name))
    }

    fn quoted(&mut self) -> Result<String> {
        let mut escaped = false;
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    let text = unescape(&self.rest[..at]);
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                _ => {}
            }
        }
        Err(malformed(self.rest))
    }

    /// A word as it is written, escapes and all.
    fn word(&mut self) -> String {
        let mut escaped = false;
        let end = self.rest.char_indices().find(|(_, c)| {
            if std::mem::take(&mut escaped) {
                return false;
            }
            escaped = *c == '\\';
            c.is_whitespace() || "\"()[]{}^~".contains(*c)
        });
        let (word, rest) = self.rest.split_at(end.map_or(self.rest.len(), |it| it.0));
        self.rest = rest;
        word.to_owned()
    }

    fn word_query(&self, field: Option<&str>, word: &str) -> Query {
        if word == "*" {
            return match field {
                None | Some("*") => Query::all(),
                Some(field) => Kind::Exists(field.to_owned()).into(),
            };
        }
        if field == Some("_exists_") {
            return Kind::Exists(unescape(word)).into();
        }
        match word.strip_suffix('*') {
            Some(prefix) if !prefix.ends_with('\\') => {
                let value = unescape(prefix);
                self.over_fields(field, |field| Kind::Prefix {
                    field,
                    value: value.clone(),
                    ignores_case: false,
                })
            }
            _ => {
                let text = unescape(word);
                let with = Match {
                    text,
                    all: self.options.all,
                    lenient: self.options.lenient || field.is_none(),
                    ..Match::default()
                };
                match field {
                    Some(field) => Kind::Match(Match { field: field.to_owned(), ..with }).into(),
                    None => {
                        Kind::Multi { fields: self.options.fields.clone(), with, is_phrase: false }
                            .into()
                    }
                }
            }
        }
    }

    fn phrase(&self, field: Option<&str>, text: String, slop: u32) -> Query {
        if let Some(field) = field {
            Kind::Phrase { field: field.to_owned(), text, slop }.into()
        } else {
            let with = Match { text, lenient: true, ..Match::default() };
            Kind::Multi { fields: self.options.fields.clone(), with, is_phrase: true }.into()
        }
    }

    fn over_fields(&self, field: Option<&str>, make: impl Fn(String) -> Kind) -> Query {
        match (field, self.options.fields.as_slice()) {
            (Some(field), _) => make(field.to_owned()).into(),
            (None, []) => make("*".to_owned()).into(),
            (None, fields) => {
                let each = fields
                    .iter()
                    .map(|(name, boost)| Query { kind: make(name.clone()), boost: *boost });
                Kind::Best(each.collect()).into()
            }
        }
    }

    /// `[1 TO 5}`
    fn range(&mut self, field: Option<&str>) -> Result<Query> {
        let from_included = self.rest.starts_with('[');
        self.rest = &self.rest[1..];
        let end = self.rest.find([']', '}']).ok_or_else(|| malformed(self.rest))?;
        let (inner, rest) = self.rest.split_at(end);
        let to_included = rest.starts_with(']');
        self.rest = &rest[1..];
        let (from, to) = inner.split_once(" TO ").ok_or_else(|| malformed(inner))?;
        let bound = |text: &str, included: bool| match text.trim().trim_matches('"') {
            "*" => Bound::Unbounded,
            text if included => Bound::Included(Value::from(text)),
            text => Bound::Excluded(Value::from(text)),
        };
        let field = field.unwrap_or("*").to_owned();
        let (from, to) = (bound(from, from_included), bound(to, to_included));
        Ok(Kind::Range(Range { field, from, to, format: None }).into())
    }

    /// `>=5`
    fn comparison(&mut self, field: Option<&str>) -> Option<Query> {
        let field = field?.to_owned();
        let operator = [">=", "<=", ">", "<"].into_iter().find(|it| self.rest.starts_with(it))?;
        self.rest = &self.rest[operator.len()..];
        let value = Value::from(unescape(&self.word()));
        let (from, to) = match operator {
            ">=" => (Bound::Included(value), Bound::Unbounded),
            ">" => (Bound::Excluded(value), Bound::Unbounded),
            "<=" => (Bound::Unbounded, Bound::Included(value)),
            _ => (Bound::Unbounded, Bound::Excluded(value)),
        };
        Some(Kind::Range(Range { field, from, to, format: None }).into())
    }

    fn number_after(&mut self, mark: char) -> Option<f32> {
        let rest = self.rest.strip_prefix(mark)?;
        let end = rest.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(rest.len());
        self.rest = &rest[end..];
        rest[..end].parse().ok()
    }

    fn skip(&mut self, mark: &str) -> bool {
        self.rest.strip_prefix(mark).map(|rest| self.rest = rest).is_some()
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(word) else { return false };
        let ends = rest.is_empty() || rest.starts_with(|it: char| it.is_whitespace() || it == '(');
        if ends {
            self.rest = rest;
        }
        ends
    }
}

fn combine(mut clauses: Vec<(Sign, Query)>) -> Query {
    if let [(Sign::None | Sign::Must, _)] = clauses.as_slice() {
        return clauses.remove(0).1;
    }
    if clauses.is_empty() {
        return Kind::Nothing.into();
    }
    let mut bool = Bool::default();
    for (sign, query) in clauses {
        match sign {
            Sign::None => bool.should.push(query),
            Sign::Must => bool.must.push(query),
            Sign::Not => bool.must_not.push(query),
        }
    }
    Kind::Bool(bool).into()
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}
