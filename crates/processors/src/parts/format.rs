//! `format`: a text with fields in it. Pure but for the clock it is given.

use expression::{DatePattern, Expression, Template};
use pipeline::{Clock, Event, ProcessError};
use serde::Deserialize;

use super::open;

/// A text in which `${key}` stands for a field, with nothing where there is none.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Format {
    parts: Vec<Part>,
    uses_fields: bool,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Template),
    Date(DatePattern, Clock),
}

impl TryFrom<String> for Format {
    type Error = String;

    fn try_from(text: String) -> Result<Format, String> {
        Format::read(&text, false)
    }
}

impl Format {
    /// Reads a key, in which `%{yyyy}` stands for a part of today's date.
    pub(crate) fn key(text: &str) -> Result<Format, String> {
        Format::read(text, true)
    }

    fn read(text: &str, dates: bool) -> Result<Format, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("%{").filter(|_| dates) {
            let (pattern, after) = after.split_once('}').ok_or("`%{` is never closed; add `}`")?;
            let pattern = DatePattern::parse(pattern).map_err(|error| error.to_string())?;
            parts.push(template(before)?);
            parts.push(Part::Date(pattern, Clock::real()));
            rest = after;
        }
        parts.push(template(rest)?);
        let uses_fields =
            parts.iter().any(|part| matches!(part, Part::Text(it) if it.uses_fields()));
        Ok(Format { parts, uses_fields })
    }

    /// The text for this event.
    pub(crate) fn render(&self, event: &mut Event) -> Result<String, ProcessError> {
        if self.uses_fields {
            open(event)?;
        }
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(template) => template
                    .render(event, &mut out)
                    .map_err(|error| ProcessError(error.to_string()))?,
                Part::Date(pattern, clock) => {
                    pattern.format(&super::date::utc(clock.now()), &mut out);
                }
            }
        }
        Ok(out)
    }
}

fn template(text: &str) -> Result<Part, String> {
    Template::parse(&lenient(text)).map(Part::Text).map_err(|error| error.to_string())
}

/// A missing field is an error in `${key}`, but not in `${"/key"}`.
fn lenient(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        out.push_str("${");
        let Some((name, after)) = after.split_once('}').filter(|(name, _)| is_key(name)) else {
            rest = after;
            continue;
        };
        out.extend(["\"/", name.trim().trim_start_matches('/'), "\"}"]);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether it can only be the name of a field.
fn is_key(name: &str) -> bool {
    let allowed = |it: char| it.is_alphanumeric() || "_.@-~/[]$".contains(it);
    let name = name.trim();
    !name.is_empty()
        && name.chars().all(allowed)
        && (!name.starts_with('/') || Expression::parse(name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_field_is_an_empty_text() {
        let mut event = Event::default();
        open(&mut event).unwrap().insert("a-b".to_owned(), "x".into());
        open(&mut event).unwrap().insert("c".to_owned(), 7i64.into());
        for (format, expected) in [
            ("plain", "plain"),
            ("${a-b}", "x"),
            ("<${a-b}-${missing}-${/c}>", "<x--7>"),
            ("${ c }", "7"),
            ("${/missing/deep}", ""),
            ("${missing-too}!", "!"),
            ("${length(/a)}", ""),
            ("100% of %{this}", "100% of %{this}"),
        ] {
            let text = Format::try_from(format.to_owned()).unwrap().render(&mut event).unwrap();
            assert_eq!(text, expected, "{format}");
        }
        assert!(Format::try_from("${a".to_owned()).is_err());
        assert!(Format::key("%{yyyy").is_err());
        let dated = Format::key("y%{yyyy}").unwrap().render(&mut event).unwrap();
        assert_eq!(dated.len(), 5);
    }
}
