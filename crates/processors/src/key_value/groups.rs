//! The parts of a text that stand in quotes or brackets. Pure.

use std::ops::Range;

/// How deep brackets may be nested.
pub(super) const DEPTH_MAX: usize = 32;

const BRACKETS: [(char, char); 4] = [('(', ')'), ('[', ']'), ('<', '>'), ('{', '}')];

/// Where quotes and brackets are, with all that is in them; `Err` with the place of one that is
/// never closed, which is no bracket then.
pub(super) fn groups(
    text: &str,
    quotes: &str,
    brackets: bool,
) -> (Vec<Range<usize>>, Option<usize>) {
    let mut found = Vec::new();
    let mut unclosed = None;
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let end = if quotes.contains(letter) {
            closing_quote(text, at, letter)
        } else if brackets && let Some((_, close)) = BRACKETS.iter().find(|it| it.0 == letter) {
            closing_bracket(text, at, letter, *close)
        } else {
            at += letter.len_utf8();
            continue;
        };
        if let Some(end) = end {
            found.push(at..end);
            at = end;
        } else {
            unclosed.get_or_insert(at);
            at += letter.len_utf8();
        }
    }
    (found, unclosed)
}

/// What stands in the brackets that are all of the text.
pub(super) fn inside_brackets(text: &str) -> Option<&str> {
    let text = text.trim();
    let first = text.chars().next()?;
    let (_, close) = BRACKETS.iter().find(|it| it.0 == first)?;
    let end = closing_bracket(text, 0, first, *close)?;
    (end == text.len()).then(|| &text[1..end - 1])
}

fn closing_quote(text: &str, start: usize, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (n, letter) in text[start + 1..].char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return Some(start + 1 + n + 1),
            _ => {}
        }
    }
    None
}

fn closing_bracket(text: &str, start: usize, open: char, close: char) -> Option<usize> {
    let mut depth = 0usize;
    for (n, letter) in text[start..].char_indices() {
        if letter == open {
            depth += 1;
        } else if letter == close {
            depth -= 1;
            if depth == 0 {
                return Some(start + n + 1);
            }
        }
    }
    None
}
