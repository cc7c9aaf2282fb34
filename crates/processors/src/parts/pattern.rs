//! Regular expressions as settings. Pure.

use fancy_regex::{Captures, Regex, RegexBuilder};
use pipeline::ProcessError;
use serde::Deserialize;

/// How much memory one compiled pattern may take.
const SIZE_MAX: usize = 4 << 20;
/// How often a pattern with look-around may try again before it is called a failure.
const BACKTRACK_MAX: usize = 1_000_000;

/// A regular expression, compiled when the pipeline starts.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Pattern, String> {
        Pattern::new(&text)
    }
}

impl Pattern {
    /// Compiles `source`.
    pub(crate) fn new(source: &str) -> Result<Pattern, String> {
        RegexBuilder::new(source)
            .delegate_size_limit(SIZE_MAX)
            .backtrack_limit(BACKTRACK_MAX)
            .build()
            .map(Pattern)
            .map_err(|error| format!("`{source}` is not a regular expression: {error}"))
    }

    /// A pattern that matches `text` and nothing else.
    pub(crate) fn literal(text: &str) -> Result<Pattern, String> {
        Pattern::new(&fancy_regex::escape(text))
    }

    /// The same pattern, to match a whole text and nothing less.
    pub(crate) fn whole(&self) -> Result<Pattern, String> {
        Pattern::new(&format!("\\A(?:{})\\z", self.0.as_str()))
    }

    pub(crate) fn is_match(&self, text: &str) -> Result<bool, ProcessError> {
        self.0.is_match(text).map_err(|_| self.too_slow())
    }

    /// What its groups matched, the whole match first; `None` if it does not match.
    pub(crate) fn groups<'a>(
        &self,
        text: &'a str,
    ) -> Result<Option<Vec<Option<&'a str>>>, ProcessError> {
        let found = self.0.captures(text).map_err(|_| self.too_slow())?;
        Ok(found.map(|found| found.iter().map(|it| it.map(|it| it.as_str())).collect()))
    }

    /// How many groups it has, the whole match included.
    pub(crate) fn n_groups(&self) -> usize {
        self.0.captures_len()
    }

    /// Where it matches.
    pub(crate) fn find_all(&self, text: &str) -> Result<Vec<std::ops::Range<usize>>, ProcessError> {
        self.0
            .find_iter(text)
            .map(|found| found.map(|it| it.range()).map_err(|_| self.too_slow()))
            .collect()
    }

    /// Whether it has a group of this name.
    pub(crate) fn has_group(&self, name: &str) -> bool {
        self.0.capture_names().flatten().any(|it| it == name)
    }

    /// The pieces between the matches, all of them.
    pub(crate) fn split<'a>(&self, text: &'a str) -> Result<Vec<&'a str>, ProcessError> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for found in self.0.find_iter(text) {
            let found = found.map_err(|_| self.too_slow())?;
            // Java does not split where nothing matched at the very beginning.
            if found.end() == 0 || (found.start() == found.end() && found.end() == text.len()) {
                continue;
            }
            pieces.push(&text[start..found.start()]);
            start = found.end();
        }
        pieces.push(&text[start..]);
        Ok(pieces)
    }

    /// `text` with what `replace` makes of each match; `None` if there is none.
    pub(crate) fn replace(
        &self,
        text: &str,
        mut replace: impl FnMut(&Captures<'_, str>, &mut String),
    ) -> Result<Option<String>, ProcessError> {
        let mut out = String::new();
        let (mut start, mut found_any) = (0, false);
        for found in self.0.captures_iter(text) {
            let found = found.map_err(|_| self.too_slow())?;
            found_any = true;
            let Some(whole) = found.get(0) else { continue };
            out.push_str(&text[start..whole.start()]);
            replace(&found, &mut out);
            start = whole.end();
        }
        if !found_any {
            return Ok(None);
        }
        out.push_str(&text[start..]);
        Ok(Some(out))
    }

    fn too_slow(&self) -> ProcessError {
        ProcessError(format!("`{}` takes too long for this text", self.0.as_str()))
    }
}
