//! Characters in, words out. Pure.

use std::{fmt, ops::Range};

use crate::{error::ParseError, pointer::is_bare_byte};

/// A word, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) span: Range<usize>,
    /// Whether there is white space before it, and behind it.
    pub(crate) apart: (bool, bool),
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind<'a> {
    Number(&'a str),
    /// What stands between the quotes; escapes still escaped.
    Text(&'a str),
    /// `"/a b"`: a pointer, unless a text is needed here.
    QuotedPointer(&'a str),
    Pointer(&'a str),
    Name(&'a str),
    Symbol(&'static str),
    End,
}

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Text(text) | Kind::QuotedPointer(text) => write!(f, "`\"{text}\"`"),
            Kind::Number(text) | Kind::Pointer(text) | Kind::Name(text) => write!(f, "`{text}`"),
            Kind::Symbol(text) => write!(f, "`{text}`"),
            Kind::End => f.write_str("the end"),
        }
    }
}

/// Longer before shorter.
const SYMBOLS: [&str; 19] = [
    "==", "!=", "=~", "!~", "<=", ">=", "<", ">", "(", ")", "{", "}", ",", "+", "-", "*", "/", "%",
    "=",
];

/// Which quotes a text may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// `"…"`, as in Data Prepper.
    Double,
    /// `'…'` as well, for `${getMetadata('primary_key')}`, which AWS documents in places.
    Both,
}

/// Takes a text apart. The last token is [`Kind::End`].
pub(crate) fn tokens(text: &str, quotes: Quotes) -> Result<Vec<Token<'_>>, ParseError> {
    let mut lexer = Lexer { text, at: 0, quotes };
    let mut tokens: Vec<Token<'_>> = Vec::new();
    loop {
        let before = lexer.at;
        lexer.skip_space();
        let start = lexer.at;
        if let Some(last) = tokens.last_mut() {
            last.apart.1 = before < start || start == text.len();
        }
        let kind = lexer.next()?;
        let apart = (before < start || start == 0, false);
        tokens.push(Token { kind, span: start..lexer.at, apart });
        if kind == Kind::End {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    quotes: Quotes,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at +=
            self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn next(&mut self) -> Result<Kind<'a>, ParseError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Kind::End) };
        match first {
            '"' if rest.starts_with("\"\"\"") => self.triple_quoted(),
            '"' => self.quoted('"'),
            '\'' if self.quotes == Quotes::Both => self.quoted('\''),
            '\'' => Err(self.trouble(1, "`'` is no quote here").with_help("write `\"`")),
            '0'..='9' => self.number(),
            '/' => Ok(self.pointer_or_slash()),
            'a'..='z' | 'A'..='Z' | '_' => {
                Ok(Kind::Name(self.take(|it| it.is_ascii_alphanumeric() || it == b'_')))
            }
            '$' => Err(self
                .trouble(1, "`${…}` has no meaning inside an expression")
                .with_help("write the field as `/name`")),
            _ => self.symbol(first),
        }
    }

    fn symbol(&mut self, first: char) -> Result<Kind<'a>, ParseError> {
        let Some(symbol) = SYMBOLS.into_iter().find(|it| self.rest().starts_with(it)) else {
            let help = match first {
                '&' => Some("write `and`"),
                '|' => Some("write `or`"),
                '!' => Some("write `not `"),
                '.' => Some("a number begins with a digit, a field with `/`"),
                '[' => Some("a set is written `{1, 2}`"),
                _ => None,
            };
            let error = self.trouble(first.len_utf8(), format!("`{first}` has no meaning here"));
            return Err(ParseError { help: help.map(str::to_owned), ..error });
        };
        if symbol == "=" {
            return Err(self.trouble(1, "`=` compares nothing").with_help("write `==`"));
        }
        self.at += symbol.len();
        Ok(Kind::Symbol(symbol))
    }

    fn pointer_or_slash(&mut self) -> Kind<'a> {
        let bytes = self.rest().as_bytes();
        let mut end = 0;
        while bytes.get(end) == Some(&b'/')
            && bytes.get(end + 1).is_some_and(|it| is_bare_byte(*it))
        {
            end += 1 + bytes[end + 1..].iter().take_while(|it| is_bare_byte(**it)).count();
        }
        let pointer = &self.rest()[..end];
        self.at += end.max(1);
        if end == 0 { Kind::Symbol("/") } else { Kind::Pointer(pointer) }
    }

    fn number(&mut self) -> Result<Kind<'a>, ParseError> {
        let start = self.at;
        let whole = self.take(|it| it.is_ascii_digit());
        if 1 < whole.len() && whole.starts_with('0') {
            self.at = start;
            return Err(self
                .trouble(whole.len(), format!("`{whole}` is not a number"))
                .with_help("write it without zeros in front"));
        }
        if self.rest().starts_with('.') {
            self.at += 1;
            if self.take(|it| it.is_ascii_digit()).is_empty() {
                return Err(self.not_a_number(start));
            }
            if self.rest().starts_with(['e', 'E']) {
                self.at += 1;
                self.at += usize::from(self.rest().starts_with('-'));
                if self.take(|it| it.is_ascii_digit()).is_empty() {
                    return Err(self.not_a_number(start));
                }
            }
        }
        if self.rest().starts_with(|it: char| it.is_alphanumeric() || matches!(it, '.' | '_' | '@'))
        {
            return Err(self.not_a_number(start));
        }
        Ok(Kind::Number(&self.text[start..self.at]))
    }

    fn not_a_number(&mut self, start: usize) -> ParseError {
        self.take(|it| is_bare_byte(it) || it == b'+');
        let text = &self.text[start..self.at];
        let help = "numbers are written `5`, `0.25` or `1.5E-3`";
        ParseError::new(start..self.at, format!("`{text}` is not a number")).with_help(help)
    }

    fn quoted(&mut self, quote: char) -> Result<Kind<'a>, ParseError> {
        let start = self.at;
        self.at += 1;
        let inside = self.inside(start, |rest| rest.starts_with(quote))?;
        self.at += 1;
        let is_pointer = quote == '"' && inside.starts_with('/') && inside.contains(|it| it != '/');
        Ok(if is_pointer { Kind::QuotedPointer(inside) } else { Kind::Text(inside) })
    }

    fn triple_quoted(&mut self) -> Result<Kind<'a>, ParseError> {
        let start = self.at;
        self.at += 3;
        let inside = self.inside(start, |rest| rest.starts_with('"'))?;
        if !self.rest().starts_with("\"\"\"") {
            let error = self.trouble(1, "`\"` cannot stand in a text");
            return Err(error.with_help("write `\\\"`"));
        }
        self.at += 3;
        Ok(Kind::Text(inside))
    }

    /// Everything up to where `ends` says so. A backslash takes the next character with it.
    fn inside(&mut self, start: usize, ends: impl Fn(&str) -> bool) -> Result<&'a str, ParseError> {
        let inside = self.at;
        while !ends(self.rest()) {
            let mut rest = self.rest().chars();
            let length = match (rest.next(), rest.next()) {
                (Some('\\'), Some(next)) => 1 + next.len_utf8(),
                (Some('$'), _) => {
                    let error = self.trouble(1, "`$` cannot stand in a text");
                    return Err(error.with_help("write `\\$`"));
                }
                (Some('\\') | None, None) | (None, Some(_)) => {
                    let error = ParseError::new(start..self.text.len(), "this text does not end");
                    return Err(error.with_help("close it with the same quotes"));
                }
                (Some(one), _) => one.len_utf8(),
            };
            self.at += length;
        }
        Ok(&self.text[inside..self.at])
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let length = self.rest().bytes().take_while(|it| wanted(*it)).count();
        let taken = &self.rest()[..length];
        self.at += length;
        taken
    }

    fn trouble(&self, length: usize, problem: impl Into<String>) -> ParseError {
        ParseError::new(self.at..self.at + length, problem)
    }
}

/// What a text means once its escapes are undone.
pub(crate) fn unescape(inside: &str, at: usize) -> Result<String, ParseError> {
    let mut text = String::with_capacity(inside.len());
    let mut letters = inside.char_indices();
    while let Some((n, letter)) = letters.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        let escaped = letters.next().map_or('\\', |(_, letter)| letter);
        text.push(match escaped {
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'f' => '\u{c}',
            'r' => '\r',
            '"' | '\'' | '\\' | '$' => escaped,
            _ => {
                let span = at + n..at + n + 1 + escaped.len_utf8();
                let problem = format!("`\\{escaped}` means nothing in a text");
                return Err(
                    ParseError::new(span, problem).with_help("write `\\\\` for a backslash")
                );
            }
        });
    }
    Ok(text)
}

/// A text with its escapes, as it stands between quotes.
pub(crate) fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.chars().try_for_each(|letter| match letter {
        '\u{8}' => f.write_str("\\b"),
        '\u{c}' => f.write_str("\\f"),
        '\t' => f.write_str("\\t"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '"' | '\\' | '$' => write!(f, "\\{letter}"),
        _ => write!(f, "{letter}"),
    })
}
