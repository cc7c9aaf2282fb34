//! Texts with holes: `orders-${/country}-%{yyyy.MM}`. Pure but for the clock it is given.

use std::{fmt, ops::Range};

use jiff::{Timestamp, tz::TimeZone};
use pipeline::{Clock, Event, Value};

use crate::{
    EvalError, Expression, ParseError,
    date::DatePattern,
    eval::{Scope, metadata_name},
    lexer::Quotes,
    operand::write_text,
    pointer::{Pointer, is_key},
};

/// A text in which `${…}` stands for a field or an expression, and `%{…}` for the date.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
    clock: Clock,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Date(DatePattern),
    Hole(Box<Hole>),
}

/// One `${…}`. First it is the name of a field; where there is none, an expression.
#[derive(Clone, Debug)]
struct Hole {
    name: String,
    span: Range<usize>,
    key: Option<Pointer>,
    expression: Option<Expression>,
}

impl Template {
    /// Reads a text in which only `${…}` has a meaning.
    ///
    /// # Errors
    ///
    /// When a `${` is never closed, or what it holds is neither the name of a field nor an expression.
    pub fn parse(text: &str) -> Result<Template, ParseError> {
        read(text, Dates::None)
    }

    /// Reads the name of an index, in which one `%{…}` may stand for the date in UTC.
    ///
    /// # Errors
    ///
    /// As [`Template::parse`]; and when the date is no pattern, is finer than an hour, has
    /// characters that no index may have, or is not the only one.
    pub fn index_name(text: &str) -> Result<Template, ParseError> {
        read(text, Dates::One)
    }

    /// The same template with another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Template {
        Template { clock, ..self }
    }

    /// Appends the text for this event to `out`.
    ///
    /// A hole that is the name of a missing field has no text; one that is an expression (so
    /// `${/missing}`, but not `${missing}`) and amounts to null is empty.
    ///
    /// # Errors
    ///
    /// When a hole has no text for this event. What has been appended by then is of no use.
    pub fn render(&self, event: &Event, out: &mut String) -> Result<(), EvalError> {
        self.parts.iter().try_for_each(|part| match part {
            Part::Literal(text) => {
                out.push_str(text);
                Ok(())
            }
            Part::Date(pattern) => {
                let ms = i64::try_from(self.clock.now().0).unwrap_or(i64::MAX);
                let now = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
                pattern.format(&now.to_zoned(TimeZone::UTC), out);
                Ok(())
            }
            Part::Hole(hole) => hole.render(event, &self.clock, out),
        })
    }

    /// Whether it looks into the document, which must be open then.
    pub fn uses_fields(&self) -> bool {
        self.holes().any(|hole| {
            hole.key.is_some() || hole.expression.as_ref().is_some_and(Expression::uses_fields)
        })
    }

    /// The text, if it is the same for every event and at all times.
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The name, if it is `${getMetadata("name")}` and nothing else.
    pub fn as_metadata(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Hole(hole)] if hole.key.is_none() => {
                hole.expression.as_ref().and_then(|it| metadata_name(it.root()))
            }
            _ => None,
        }
    }

    /// The text with `date` in place of the date, if it is the same for every event.
    pub fn with_date(&self, date: &str) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Date(_) => text.push_str(date),
                Part::Hole(_) => return None,
            }
        }
        Some(text)
    }

    /// Whether a date is a part of it.
    pub fn has_date(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Date(_)))
    }

    /// Whether it differs from event to event.
    pub fn is_dynamic(&self) -> bool {
        self.holes().next().is_some()
    }

    /// What looks right in its expressions but probably is not.
    pub fn warnings(&self) -> Vec<ParseError> {
        let of = |hole: &Hole| -> Vec<ParseError> {
            let warnings = hole.expression.iter().flat_map(Expression::warnings);
            warnings.map(|warning| warning.moved_by(hole.span.start)).collect()
        };
        self.holes().flat_map(of).collect()
    }

    fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole(hole) => Some(&**hole),
            Part::Literal(_) | Part::Date(_) => None,
        })
    }
}

/// As it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Hole {
    fn render(&self, event: &Event, clock: &Clock, out: &mut String) -> Result<(), EvalError> {
        let scope = Scope { event, fields: event.fields(), clock };
        if let Some(key) = &self.key
            && let Some(value) = scope.field(key)?
            && *value != Value::Null
        {
            write_text(value, out);
            return Ok(());
        }
        match &self.expression {
            Some(expression) => {
                scope.eval(expression.root())?.write_text(out);
                Ok(())
            }
            None => Err(EvalError::KeyNotFound { key: self.name.clone(), span: self.span.clone() }),
        }
    }
}

/// Whether `%{…}` is a date.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dates {
    None,
    One,
}

fn read(text: &str, dates: Dates) -> Result<Template, ParseError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(['$', '%']).map(|it| at + it) {
        let inside = start + 2;
        let is_date = text[start..].starts_with("%{") && dates == Dates::One;
        if !text[start..].starts_with("${") && !is_date {
            push_literal(&mut parts, &text[at..=start]);
            at = start + 1;
            continue;
        }
        push_literal(&mut parts, &text[at..start]);
        let Some(length) = length_of_hole(&text[inside..], is_date) else {
            let opening = &text[start..inside];
            return Err(ParseError::new(start..text.len(), format!("`{opening}` is never closed"))
                .with_help("add `}`"));
        };
        let span = inside..inside + length;
        at = span.end + 1;
        if is_date {
            if parts.iter().any(|part| matches!(part, Part::Date(_))) {
                return Err(ParseError::new(start..at, "there is a second date")
                    .with_help("keep one `%{…}`"));
            }
            parts.push(Part::Date(index_date(&text[span.clone()], span)?));
        } else {
            parts.push(Part::Hole(Box::new(hole(&text[span.clone()], span)?)));
        }
    }
    push_literal(&mut parts, &text[at..]);
    Ok(Template { source: text.to_owned(), parts, clock: Clock::real() })
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Literal(last)) => last.push_str(text),
        _ => parts.push(Part::Literal(text.to_owned())),
    }
}

/// How many bytes there are up to the closing `}`: not one that closes a set, nor one in quotes.
fn length_of_hole(text: &str, is_date: bool) -> Option<usize> {
    let first = text.find('}')?;
    if is_date {
        return Some(first);
    }
    let (mut n_open, mut quote) = (0usize, None);
    let mut letters = text.char_indices();
    while let Some((n, letter)) = letters.next() {
        match (letter, quote) {
            ('\\', Some(_)) => {
                letters.next();
            }
            (_, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(letter),
            ('{', None) => n_open += 1,
            ('}', None) if n_open == 0 => return Some(n),
            ('}', None) => n_open -= 1,
            _ => {}
        }
    }
    // Quotes or braces that do not match: whoever reads it shall say what is wrong with it.
    Some(first)
}

fn hole(name: &str, span: Range<usize>) -> Result<Hole, ParseError> {
    let expression = Expression::read(name, Quotes::Both);
    // A call is no name of a field, though Java would look for one: parentheses may be in names.
    let is_call = expression.as_ref().is_ok_and(Expression::is_call);
    let key = (is_key(name) && !is_call).then(|| Pointer::parse(name.trim()));
    match expression {
        Err(error) if key.is_none() => Err(error.moved_by(span.start)),
        expression => Ok(Hole { name: name.to_owned(), span, key, expression: expression.ok() }),
    }
}

fn index_date(pattern: &str, span: Range<usize>) -> Result<DatePattern, ParseError> {
    const NOT_IN_AN_INDEX: &[char] = &['#', '\\', '/', '*', '?', '"', '<', '>', '|', ',', ':'];
    const FINER_THAN_AN_HOUR: &str = "msSAnN";
    let wrong = |problem: String| ParseError::new(span.clone(), problem);
    if pattern.contains("%{") {
        return Err(
            wrong("a date cannot hold another".to_owned()).with_help("remove the inner `%{`")
        );
    }
    if let Some(letter) = pattern.chars().find(|it| NOT_IN_AN_INDEX.contains(it)) {
        return Err(wrong(format!("`{letter}` cannot be in the name of an index"))
            .with_help("separate the parts of a date with `.` or `-`"));
    }
    let date = DatePattern::parse(pattern).map_err(|error| {
        let wrong = wrong(error.problem);
        ParseError { help: error.help.map(str::to_owned), ..wrong }
    })?;
    if let Some(letter) = date.letters().find(|it| FINER_THAN_AN_HOUR.contains(*it)) {
        return Err(wrong(format!("`{letter}` would make a new index more often than every hour"))
            .with_help("leave everything finer than `HH` away"));
    }
    Ok(date)
}

#[cfg(test)]
mod tests;
