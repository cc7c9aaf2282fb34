//! Mistakes as a person wants to see them: place, line, caret, and what to write instead. Pure.
//!
//! ```text
//! books.yaml:7:7: error: there is no setting `acknowledgements`
//!   |
//! 7 |       acknowledgements: true
//!   |       ^^^^^^^^^^^^^^^^ did you mean `acknowledgments`?
//! ```

use std::fmt;

use pipeline::{ConfigError, Place};

/// Longer lines are cut around the mistake.
const LINE_CHARS_MAX: usize = 110;

/// Why a pipeline file cannot be run. Prints as described above, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<ConfigError>);

/// What is worth knowing about a pipeline file that can be run. Prints as [`Problems`] do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings(Vec<ConfigError>);

impl Problems {
    /// Every problem by itself, in the order of the files.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl Warnings {
    /// Every warning by itself, in the order of the files.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    /// Whether there is nothing to warn of.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// So that what plugins find wrong later is shown in the same way.
impl FromIterator<ConfigError> for Problems {
    fn from_iter<I: IntoIterator<Item = ConfigError>>(errors: I) -> Problems {
        Problems(in_order(errors))
    }
}

impl FromIterator<ConfigError> for Warnings {
    fn from_iter<I: IntoIterator<Item = ConfigError>>(errors: I) -> Warnings {
        Warnings(in_order(errors))
    }
}

impl From<ConfigError> for Problems {
    fn from(error: ConfigError) -> Problems {
        [error].into_iter().collect()
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all("error", &self.0, f)
    }
}

impl fmt::Display for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all("warning", &self.0, f)
    }
}

/// What has been found so far, while files are being read.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) errors: Vec<ConfigError>,
    warnings: Vec<ConfigError>,
}

impl Found {
    pub(super) fn error(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    pub(super) fn warn(&mut self, warning: ConfigError) {
        self.warnings.push(warning);
    }

    /// The value, unless it is an error.
    pub(super) fn note<T>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|error| self.error(error)).ok()
    }

    /// All errors, or else the result, with the warnings.
    pub(super) fn finish<T>(self, result: impl FnOnce(Warnings) -> T) -> Result<T, Problems> {
        if self.errors.is_empty() {
            return Ok(result(self.warnings.into_iter().collect()));
        }
        Err(self.errors.into_iter().collect())
    }
}

/// One file after the other as they came, each from top to bottom, nothing twice.
fn in_order(errors: impl IntoIterator<Item = ConfigError>) -> Vec<ConfigError> {
    let mut errors: Vec<ConfigError> = errors.into_iter().flat_map(ConfigError::each).collect();
    let mut files: Vec<String> = Vec::new();
    for error in &errors {
        let name = error.place.as_ref().map(|place| place.source.name.clone()).unwrap_or_default();
        if !files.contains(&name) {
            files.push(name);
        }
    }
    errors.sort_by_key(|error| match &error.place {
        Some(place) => (files.iter().position(|it| *it == place.source.name), place.span.start),
        None => (None, 0),
    });
    errors.dedup();
    errors
}

fn write_all(kind: &str, errors: &[ConfigError], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    errors.iter().enumerate().try_for_each(|(n, error)| {
        f.write_str(if n == 0 { "" } else { "\n\n" })?;
        write_one(kind, error, f)
    })
}

fn write_one(kind: &str, error: &ConfigError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(place) = &error.place else {
        return write!(f, "{kind}: {error}");
    };
    writeln!(f, "{place}: {kind}: {}", error.problem)?;
    let line = place.line().to_string();
    let margin = " ".repeat(line.len());
    let (text, indent, carets) = excerpt(place);
    writeln!(f, "{margin} |")?;
    writeln!(f, "{line} | {}", text.trim_end())?;
    write!(f, "{margin} | {}{}", " ".repeat(indent), "^".repeat(carets))?;
    match &error.help {
        Some(help) => write!(f, " {help}"),
        None => Ok(()),
    }
}

/// The line, how many characters come before the mistake in it, and how many it has.
fn excerpt(place: &Place) -> (String, usize, usize) {
    let letters: Vec<char> =
        place.line_text().chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    let start = (place.column() - 1).min(letters.len());
    let cut = match start {
        _ if letters.len() <= LINE_CHARS_MAX => 0,
        start => start.saturating_sub(LINE_CHARS_MAX / 2),
    };
    let dots = if cut == 0 { "" } else { "…" };
    let mut text: String =
        dots.chars().chain(letters[cut..].iter().copied()).take(LINE_CHARS_MAX).collect();
    if cut + LINE_CHARS_MAX < letters.len() {
        text.push('…');
    }
    let indent = start - cut + dots.chars().count();
    let room = text.chars().count().saturating_sub(indent).max(1);
    (text, indent, place.width().min(room))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pipeline::SourceText;

    use super::*;

    fn at(text: &str, part: &str) -> ConfigError {
        let source = Arc::new(SourceText { name: "a.yaml".into(), text: text.into() });
        let start = text.find(part).unwrap();
        ConfigError::new("x", "is wrong")
            .with_place(Place { source, span: start..start + part.len() })
            .with_help("write y")
    }

    #[test]
    fn the_caret_stands_under_the_mistake() {
        let text = format!("ä: 1\n\tb: [wrong]\n{}here{}", "x".repeat(300), "y".repeat(300));
        let problems: Problems = [at(&text, "here"), at(&text, "wrong")].into_iter().collect();
        let expected = format!(
            "a.yaml:2:6: error: is wrong\n  |\n2 |  b: [wrong]\n  |      ^^^^^ write y\n\n\
             a.yaml:3:301: error: is wrong\n  |\n3 | …{}here{}…\n  | {}^^^^ write y",
            "x".repeat(55),
            "y".repeat(50),
            " ".repeat(56)
        );
        assert_eq!(problems.to_string(), expected);
    }

    #[test]
    fn what_has_no_place_comes_first_and_nothing_comes_twice() {
        let nowhere = ConfigError::new("a folder", "is empty");
        let errors = [at("k: v", "v"), nowhere, at("k: v", "k"), at("k: v", "v")];
        let problems: Problems = errors.into_iter().collect();
        let firsts: Vec<_> =
            problems.iter().map(|it| it.place.as_ref().map_or(0, Place::column)).collect();
        assert_eq!(firsts, [0, 1, 4]);
        assert!(
            problems.to_string().starts_with("error: a folder: is empty\n\na.yaml:1:1: error:")
        );
    }
}
