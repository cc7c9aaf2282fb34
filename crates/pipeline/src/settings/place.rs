//! A place in a text somebody wrote, so that an error can point at it. Pure.

use std::{fmt, ops::Range, sync::Arc};

/// A file of settings, kept so that errors can show its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// How the user calls it: the path as given.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// Some characters of a [`SourceText`]. Prints as `file:line:column`.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The text it lies in.
    pub source: Arc<SourceText>,
    /// Which bytes of the text.
    pub span: Range<usize>,
}

impl Place {
    /// The line it begins in, counted from 1.
    pub fn line(&self) -> usize {
        1 + self.before().matches('\n').count()
    }

    /// The character of the line it begins at, counted from 1.
    pub fn column(&self) -> usize {
        1 + self.before().rsplit('\n').next().unwrap_or_default().chars().count()
    }

    /// The whole line it begins in.
    pub fn line_text(&self) -> &str {
        let start = self.before().rfind('\n').map_or(0, |at| at + 1);
        let line = self.source.text.get(start..).unwrap_or_default();
        line.split('\n').next().unwrap_or_default().trim_end_matches('\r')
    }

    /// How many characters of its first line it covers; at least one.
    pub fn width(&self) -> usize {
        let text = self.source.text.get(self.span.clone()).unwrap_or_default();
        text.split(['\n', '\r']).next().unwrap_or_default().trim_end().chars().count().max(1)
    }

    fn before(&self) -> &str {
        self.source.text.get(..self.span.start).unwrap_or(&self.source.text)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source.name, self.line(), self.column())
    }
}

/// The text itself may hold secrets, and is long.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let source =
            Arc::new(SourceText { name: "a.yaml".into(), text: "é: 1\r\nbü: zwei\n".into() });
        for (text, place, line) in [("é", "a.yaml:1:1", "é: 1"), ("zwei", "a.yaml:2:5", "bü: zwei")]
        {
            let start = source.text.find(text).unwrap();
            let span = start..start + text.len();
            let found = Place { source: Arc::clone(&source), span };
            assert_eq!((found.to_string().as_str(), found.line_text()), (place, line));
            assert_eq!(found.width(), text.chars().count());
        }
        let end = Place { source: Arc::clone(&source), span: 999..1000 };
        assert_eq!((end.line(), end.line_text(), end.width()), (3, "", 1));
    }
}
