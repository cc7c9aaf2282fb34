//! Texts taken apart at a delimiter, as Java does it. Pure.

use pipeline::ProcessError;

use super::Pattern;

/// The one delimiter of two settings; `None` if there is neither.
pub(crate) fn delimiter(
    literal: Option<String>,
    pattern: Option<Pattern>,
) -> Result<Option<Pattern>, String> {
    match (literal, pattern) {
        (Some(_), Some(_)) => {
            Err("`delimiter` and `delimiter_regex` cannot both be there; remove one".to_owned())
        }
        (Some(literal), None) if literal.is_empty() => {
            Err("`delimiter` is empty; write what stands between the parts".to_owned())
        }
        (Some(literal), None) => Pattern::literal(&literal).map(Some),
        (None, pattern) => Ok(pattern),
    }
}

/// The parts of `text`, without empty ones at the end.
pub(crate) fn split(delimiter: &Pattern, text: &str) -> Result<Vec<String>, ProcessError> {
    let mut parts = delimiter.split(text)?;
    if 1 < parts.len() {
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
    }
    Ok(parts.into_iter().map(str::to_owned).collect())
}
