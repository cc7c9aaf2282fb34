//! Cuts an expression into tokens. Pure.
//!
//! It never fails: what no expression may contain becomes a token that the parser will not accept,
//! so that there is one place where syntax errors are worded.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `price`, and keywords too.
    Word,
    /// `#p`.
    Name,
    /// `:v`.
    Value,
    /// `12`.
    Digits,
    /// One of `= <> < <= > >= + - ( ) [ ] , .`
    Symbol,
    /// Anything else.
    Unknown,
    /// The end of the text.
    End,
}

/// A piece of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

/// All tokens of `text`, and one [`Kind::End`].
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while let Some(first) = rest.chars().next() {
        let (kind, n_bytes) = next(rest, first);
        let start = text.len() - rest.len();
        tokens.push(Token { kind, span: start..start + n_bytes });
        rest = rest[n_bytes..].trim_start_matches(is_space);
    }
    tokens.push(Token { kind: Kind::End, span: text.len()..text.len() });
    tokens
}

fn is_space(it: char) -> bool {
    matches!(it, ' ' | '\t' | '\n' | '\r')
}

fn is_word(it: char) -> bool {
    it.is_ascii_alphanumeric() || it == '_'
}

/// The kind and length of the token that `text` begins with.
fn next(text: &str, first: char) -> (Kind, usize) {
    let run = |from: usize, belongs: fn(char) -> bool| {
        text[from..].find(|it| !belongs(it)).map_or(text.len(), |n_bytes| from + n_bytes)
    };
    match first {
        'a'..='z' | 'A'..='Z' => (Kind::Word, run(1, is_word)),
        '0'..='9' => (Kind::Digits, run(1, |it| it.is_ascii_digit())),
        '#' | ':' => match run(1, is_word) {
            1 => (Kind::Unknown, 1),
            end if first == '#' => (Kind::Name, end),
            end => (Kind::Value, end),
        },
        '<' if text[1..].starts_with(['>', '=']) => (Kind::Symbol, 2),
        '>' if text[1..].starts_with('=') => (Kind::Symbol, 2),
        '=' | '<' | '>' | '+' | '-' | '(' | ')' | '[' | ']' | ',' | '.' => (Kind::Symbol, 1),
        '"' => (Kind::Unknown, text[1..].find('"').map_or(text.len(), |end| end + 2)),
        _ => (Kind::Unknown, first.len_utf8()),
    }
}
