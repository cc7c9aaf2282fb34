//! Walks over JSON text without building anything. Pure.
//!
//! A [`Cursor`] checks what it has to look at and no more: a value that is skipped is only
//! searched for its end.

/// Where in the text something else was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the JSON expected at byte {at}")]
pub struct Malformed {
    /// Counted from the start of the text.
    pub at: usize,
}

type Result<T> = std::result::Result<T, Malformed>;

/// How deep a value that is skipped may be nested, and a value that is walked.
pub const DEPTH_MAX: usize = 128;

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the beginning of `text`.
    #[inline]
    pub fn new(text: &'a [u8]) -> Cursor<'a> {
        Cursor { text, at: 0 }
    }

    /// Starts at byte `at` of `text`.
    #[inline]
    pub fn at(text: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor { text, at }
    }

    /// How many bytes lie behind it.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// What lies at `place` of the text it walks over.
    #[inline]
    pub fn between(&self, place: &std::ops::Range<usize>) -> &'a [u8] {
        &self.text[place.clone()]
    }

    /// The next byte that is not white space, without passing it.
    ///
    /// # Errors
    ///
    /// When the text ends here.
    #[inline]
    pub fn peek(&mut self) -> Result<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if b' ' < *byte {
                return Ok(*byte);
            }
            self.at += 1;
        }
        Err(self.malformed())
    }

    /// Passes `byte`.
    ///
    /// # Errors
    ///
    /// When something else comes next.
    #[inline]
    pub fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek()? == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    /// Passes a comma and says `true`, or passes `close` and says `false`.
    ///
    /// # Errors
    ///
    /// When neither comes next.
    #[inline]
    pub fn comma_or(&mut self, close: u8) -> Result<bool> {
        match self.peek()? {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            byte if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.malformed()),
        }
    }

    /// Passes a string and returns what stands between its quotes, escapes kept.
    ///
    /// # Errors
    ///
    /// When no string comes next, or it does not end.
    #[inline]
    pub fn string(&mut self) -> Result<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at;
        let end = self.string_end()?;
        Ok(&self.text[start..end])
    }

    /// Passes a string and returns it with its quotes, escapes kept.
    ///
    /// # Errors
    ///
    /// When no string comes next, or it does not end.
    #[inline]
    pub fn quoted(&mut self) -> Result<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at - 1;
        let end = self.string_end()?;
        Ok(&self.text[start..=end])
    }

    /// Passes `true` or `false`.
    ///
    /// # Errors
    ///
    /// When neither comes next.
    #[inline]
    pub fn boolean(&mut self) -> Result<bool> {
        let value = self.peek()? == b't';
        self.literal(if value { b"true" } else { b"false" })?;
        Ok(value)
    }

    /// Passes `null` and says whether there was one; anything else is left where it is.
    ///
    /// # Errors
    ///
    /// When the text ends here.
    #[inline]
    pub fn null(&mut self) -> Result<bool> {
        if self.peek()? != b'n' {
            return Ok(false);
        }
        self.literal(b"null").map(|()| true)
    }

    /// Passes a number and returns its text.
    ///
    /// # Errors
    ///
    /// When no number comes next.
    #[inline]
    pub fn number(&mut self) -> Result<&'a [u8]> {
        self.peek()?;
        let start = self.at;
        while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
        }
        if start == self.at { Err(self.malformed()) } else { Ok(&self.text[start..self.at]) }
    }

    /// Passes one value of any kind and returns its text.
    ///
    /// # Errors
    ///
    /// When it does not end, or is nested deeper than [`DEPTH_MAX`].
    #[inline]
    pub fn skip(&mut self) -> Result<&'a [u8]> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => {
                self.at += 1;
                self.string_end()?;
            }
            b'{' | b'[' => self.skip_nested()?,
            _ => {
                while let Some(byte) = self.text.get(self.at) {
                    if matches!(byte, b',' | b'}' | b']' | b':' | b'"') || *byte <= b' ' {
                        break;
                    }
                    self.at += 1;
                }
                if start == self.at {
                    return Err(self.malformed());
                }
            }
        }
        Ok(&self.text[start..self.at])
    }

    /// Walks over an object: calls `member` at each value with its key, escapes kept.
    ///
    /// # Errors
    ///
    /// When no object comes next, or `member` fails.
    #[inline]
    pub fn object<E: From<Malformed>>(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a [u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            member(self, key)?;
            if !self.comma_or(b'}')? {
                return Ok(());
            }
        }
    }

    /// Walks over an array: calls `element` at each value.
    ///
    /// # Errors
    ///
    /// When no array comes next, or `element` fails.
    #[inline]
    pub fn array<E: From<Malformed>>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.expect(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            element(self)?;
            if !self.comma_or(b']')? {
                return Ok(());
            }
        }
    }

    /// Makes sure that nothing but white space is left.
    ///
    /// # Errors
    ///
    /// When something is.
    pub fn end(mut self) -> Result<()> {
        match self.peek() {
            Ok(_) => Err(self.malformed()),
            Err(_) => Ok(()),
        }
    }

    /// This place, as an error.
    #[cold]
    pub fn malformed(&self) -> Malformed {
        Malformed { at: self.at }
    }

    /// From inside a string to past its closing quote; returns where that quote is. A control
    /// character must be escaped: texts are copied as they stand, and a line break in one would end
    /// the line of a bulk request.
    #[inline]
    fn string_end(&mut self) -> Result<usize> {
        let mut at = self.at;
        loop {
            // Eight bytes at a time: a byte of the word is zero where the text has what we look for.
            while let Some(chunk) = self.text.get(at..at + 8) {
                let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
                let found = zero_bytes(word ^ QUOTES)
                    | zero_bytes(word ^ BACKSLASHES)
                    | control_bytes(word);
                if found != 0 {
                    at += (found.trailing_zeros() / 8) as usize;
                    break;
                }
                at += 8;
            }
            match self.text.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(at);
                }
                // What is escaped is looked at by whoever undoes it.
                Some(b'\\') => match self.text.get(at + 1) {
                    Some(b' '..) | None => at += 2,
                    Some(_) => return Err(Malformed { at }),
                },
                Some(b' '..) => at += 1,
                Some(_) => return Err(Malformed { at }),
                None => return Err(Malformed { at: self.text.len() }),
            }
        }
    }

    #[inline]
    fn skip_nested(&mut self) -> Result<()> {
        let mut depth = 0usize;
        loop {
            match self.text.get(self.at) {
                None => return Err(self.malformed()),
                Some(b'"') => {
                    self.at += 1;
                    self.string_end()?;
                }
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                    if DEPTH_MAX < depth {
                        return Err(self.malformed());
                    }
                }
                Some(b'}' | b']') => {
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                Some(_) => self.at += 1,
            }
        }
    }

    #[inline]
    fn literal(&mut self, word: &[u8]) -> Result<()> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.malformed())
        }
    }
}

const ONES: u64 = u64::from_le_bytes([0x01; 8]);
const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);

/// The high bit of each byte that is zero. Right up to and including the lowest such byte, which is
/// all that is asked of it.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH_BITS
}

/// The high bit of every byte below a space; of bytes behind such a one, too, perhaps.
#[inline]
const fn control_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES * b' ' as u64) & !word & HIGH_BITS
}

/// The text between the quotes of a JSON string, with its escapes resolved.
///
/// # Errors
///
/// When an escape is not one, or the text is not UTF-8.
pub fn unescape(raw: &[u8]) -> Result<std::borrow::Cow<'_, str>> {
    let bad = |at: usize| Malformed { at };
    let text = std::str::from_utf8(raw).map_err(|error| bad(error.valid_up_to()))?;
    if memchr::memchr(b'\\', raw).is_none() {
        return Ok(text.into());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        let at = text.len() - escaped.len();
        out.push_str(plain);
        let mut chars = escaped.chars();
        match chars.next().ok_or(bad(at))? {
            it @ ('"' | '\\' | '/') => out.push(it),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let (unit, tail) = hex4(chars.as_str()).ok_or(bad(at))?;
                let (code, tail) = match unit {
                    0xD800..0xDC00 => {
                        let low = tail.strip_prefix("\\u").and_then(hex4);
                        let (low, tail) =
                            low.filter(|(low, _)| (0xDC00..0xE000).contains(low)).ok_or(bad(at))?;
                        (0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00), tail)
                    }
                    _ => (unit, tail),
                };
                out.push(char::from_u32(code).ok_or(bad(at))?);
                chars = tail.chars();
            }
            _ => return Err(bad(at)),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Ok(out.into())
}

fn hex4(text: &str) -> Option<(u32, &str)> {
    let digits = text.get(..4)?;
    let is_hex = digits.bytes().all(|it| it.is_ascii_hexdigit());
    Some((u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)?, &text[4..]))
}

/// Writes `text` as a JSON string, with its quotes.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

/// Writes `text` as it stands between the quotes of a JSON string.
pub fn write_escaped(text: &str, out: &mut Vec<u8>) {
    let text = text.as_bytes();
    let mut plain_from = 0;
    while let Some(n) = next_escape(&text[plain_from..]) {
        let at = plain_from + n;
        out.extend_from_slice(&text[plain_from..at]);
        match text[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        plain_from = at + 1;
    }
    out.extend_from_slice(&text[plain_from..]);
}

/// Where the first byte is that does not stand for itself in a string.
fn next_escape(text: &[u8]) -> Option<usize> {
    /// So many are looked at in one go by the machine.
    const LANES: usize = 16;
    let is_special = |it: u8| it < 0x20 || it == b'"' || it == b'\\';
    let mut chunks = text.chunks_exact(LANES);
    let mut at = 0;
    for chunk in &mut chunks {
        // Without a way out in between, so that it becomes a few instructions for all of them.
        if chunk.iter().fold(false, |any, it| any | is_special(*it)) {
            break;
        }
        at += LANES;
    }
    text[at..].iter().position(|it| is_special(*it)).map(|n| at + n)
}

#[cfg(test)]
mod tests;
