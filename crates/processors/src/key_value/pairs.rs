//! The pairs of a text. Pure.

use std::ops::Range;

use pipeline::ProcessError;

use super::groups::groups;
use crate::parts::{Pattern, failed};

/// Takes a text apart into keys and values.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) between_pairs: Pattern,
    pub(super) within_pair: Pattern,
    /// Delimiters within quotes or brackets are none.
    pub(super) grouping: bool,
    /// What is not closed is a failure.
    pub(super) strict: bool,
    /// A quote around values that may hold anything.
    pub(super) literal: Option<char>,
}

impl Reader {
    /// Keys and values in order; a key may have none.
    pub(super) fn pairs<'a>(
        &self,
        text: &'a str,
    ) -> Result<Vec<(&'a str, Option<&'a str>)>, ProcessError> {
        let protected = self.protected(text)?;
        let mut pairs = Vec::new();
        let mut start = 0;
        let delimiters = self.between_pairs.find_all(text)?;
        for delimiter in delimiters.into_iter().filter(|it| !is_within(it, &protected)) {
            pairs.push(&text[start..delimiter.start]);
            start = delimiter.end;
        }
        pairs.push(&text[start..]);
        pairs.into_iter().filter(|pair| !pair.is_empty()).map(|pair| self.pair(pair)).collect()
    }

    /// Whether there is a key with a value in it.
    pub(super) fn is_pair(&self, text: &str) -> Result<bool, ProcessError> {
        self.within_pair.is_match(text)
    }

    fn pair<'a>(&self, pair: &'a str) -> Result<(&'a str, Option<&'a str>), ProcessError> {
        let protected = self.protected(pair)?;
        let delimiters = self.within_pair.find_all(pair)?;
        let first = delimiters.into_iter().find(|it| !is_within(it, &protected));
        Ok(match first {
            Some(delimiter) => (&pair[..delimiter.start], Some(&pair[delimiter.end..])),
            None => (pair, None),
        })
    }

    fn protected(&self, text: &str) -> Result<Vec<Range<usize>>, ProcessError> {
        let mut quotes = self.literal.map(String::from).unwrap_or_default();
        if self.grouping {
            quotes.push_str("\"'");
        }
        if quotes.is_empty() {
            return Ok(Vec::new());
        }
        let (found, unclosed) = groups(text, &quotes, self.grouping);
        match unclosed {
            Some(at) if self.strict => {
                failed(format!("what is opened at byte {at} of the text is never closed"))
            }
            _ => Ok(found),
        }
    }
}

fn is_within(range: &Range<usize>, groups: &[Range<usize>]) -> bool {
    groups.iter().any(|group| group.start <= range.start && range.end <= group.end)
}
