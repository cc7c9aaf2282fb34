//! Text into words: the built-in analyzers. Pure.

use std::{
    iter,
    ops::Range,
    sync::{Arc, OnceLock},
};

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_segmentation::{UWordBoundIndices, UnicodeSegmentation};

/// How many characters a word may have; a longer one is cut into pieces.
const WORD_CHARS_MAX: usize = 255;

/// A way to take text apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Analyzer {
    /// Words by the rules of Unicode, in lower case.
    #[default]
    Standard,
    /// Runs of letters, in lower case.
    Simple,
    /// What stands between white space, as it is.
    Whitespace,
    /// The whole text as one word.
    Keyword,
}

impl Analyzer {
    /// The built-in analyzer of this name.
    pub fn named(name: &str) -> Option<Analyzer> {
        Some(match name {
            "standard" | "default" => Analyzer::Standard,
            "simple" => Analyzer::Simple,
            "whitespace" => Analyzer::Whitespace,
            "keyword" => Analyzer::Keyword,
            _ => return None,
        })
    }

    /// Takes `text` apart.
    pub fn words(self, text: &str) -> Words<'_> {
        let pieces = match self {
            Analyzer::Standard => Pieces::Bounds(text.split_word_bound_indices()),
            Analyzer::Simple => Pieces::Runs(text, 0, char::is_alphabetic),
            Analyzer::Whitespace => Pieces::Runs(text, 0, |it| !it.is_whitespace()),
            Analyzer::Keyword => Pieces::Whole(Some(text)),
        };
        let lowercase = matches!(self, Analyzer::Standard | Analyzer::Simple);
        let token = Token { position: usize::MAX, ..Token::default() };
        Words { pieces, rest: None, lowercase, token }
    }

    /// The words of `text`, each with its place in bytes.
    pub fn places(self, text: &str) -> Vec<(String, Range<usize>)> {
        let mut words = self.words(text);
        let place = |token: &Token| (token.text.clone(), token.offset_from..token.offset_to);
        iter::from_fn(|| words.advance().then(|| place(words.token()))).collect()
    }

    /// The words of `text` alone.
    pub fn terms(self, text: &str) -> Vec<String> {
        let mut words = self.words(text);
        iter::from_fn(|| words.advance().then(|| words.token().text.clone())).collect()
    }
}

/// The words of one text, one after the other.
#[derive(Debug)]
pub struct Words<'a> {
    pieces: Pieces<'a>,
    /// What is left of a word that was too long, and where it begins.
    rest: Option<(usize, &'a str)>,
    lowercase: bool,
    token: Token,
}

enum Pieces<'a> {
    Bounds(UWordBoundIndices<'a>),
    /// The text, how far we are, and which characters belong to a word.
    Runs(&'a str, usize, fn(char) -> bool),
    Whole(Option<&'a str>),
}

impl std::fmt::Debug for Pieces<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pieces")
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<(usize, &'a str)> {
        match self {
            Pieces::Bounds(bounds) => bounds.find(|(_, it)| it.contains(char::is_alphanumeric)),
            Pieces::Runs(text, from, belongs) => {
                let start = *from + text[*from..].find(*belongs)?;
                let len = text[start..].find(|it| !belongs(it)).unwrap_or(text.len() - start);
                *from = start + len;
                Some((start, &text[start..start + len]))
            }
            Pieces::Whole(text) => text.take().filter(|it| !it.is_empty()).map(|it| (0, it)),
        }
    }
}

impl TokenStream for Words<'_> {
    fn advance(&mut self) -> bool {
        let Some((at, word)) = self.rest.take().or_else(|| self.pieces.next()) else {
            return false;
        };
        let is_whole = matches!(self.pieces, Pieces::Whole(_));
        let end = match word.char_indices().nth(WORD_CHARS_MAX) {
            Some((end, _)) if !is_whole => end,
            _ => word.len(),
        };
        if end < word.len() {
            self.rest = Some((at + end, &word[end..]));
        }
        let token = &mut self.token;
        token.offset_from = at;
        token.offset_to = at + end;
        token.position = token.position.wrapping_add(1);
        token.text.clear();
        token.text.push_str(&word[..end]);
        if self.lowercase {
            if word.is_ascii() {
                token.text.make_ascii_lowercase();
            } else {
                token.text = word[..end].chars().flat_map(char::to_lowercase).collect();
            }
        }
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// The tokenizer of a text slot. Its analyzer is filled in when a field is given the slot, which
/// may be after the index was opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotTokenizer(pub Arc<OnceLock<Analyzer>>);

impl Tokenizer for SlotTokenizer {
    type TokenStream<'a> = Words<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Words<'a> {
        self.0.get().copied().unwrap_or_default().words(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_as_the_real_server_finds_them() {
        for (text, words) in [
            ("The DaVinci's code-2", "the|davinci's|code|2"),
            ("foo_bar Baz", "foo_bar|baz"),
            ("日本語", "日|本|語"),
            ("e-mail x.com", "e|mail|x.com"),
            ("3.14 1,000 a,b", "3.14|1,000|a|b"),
            ("ÄÖÜ Straße", "äöü|straße"),
            ("  -- !", ""),
            ("", ""),
        ] {
            assert_eq!(Analyzer::Standard.terms(text).join("|"), words, "{text}");
        }
    }

    #[test]
    fn analyzers_differ() {
        for (name, words) in [
            ("standard", "it's|42|up"),
            ("simple", "it|s|up"),
            ("whitespace", "It's|42|UP!"),
            ("keyword", "It's 42 UP!"),
        ] {
            let analyzer = Analyzer::named(name).unwrap();
            assert_eq!(analyzer.terms("It's 42 UP!").join("|"), words, "{name}");
        }
        assert_eq!(Analyzer::named("klingon"), None);
    }

    #[test]
    fn a_word_too_long_is_cut() {
        let lengths: Vec<usize> = Analyzer::Standard
            .terms(&"é".repeat(600))
            .iter()
            .map(|it| it.chars().count())
            .collect();
        assert_eq!(lengths, [255, 255, 90]);
    }

    #[test]
    fn positions_count_words_and_offsets_count_bytes() {
        let mut words = Analyzer::Standard.words("a, b");
        let places: Vec<_> = iter::from_fn(|| {
            words.advance().then(|| {
                let token = words.token();
                (token.position, token.offset_from, token.offset_to)
            })
        })
        .collect();
        assert_eq!(places, [(0, 0, 1), (1, 3, 4)]);
    }
}
