//! Lines of an export in Amazon Ion text, as DynamoDB JSON. Pure.
//!
//! | Ion | becomes |
//! |---|---|
//! | `"x"`, `'''x'''` | `{"S":"x"}` |
//! | `86067d1`, `39.29`, `7` | `{"N":"860670"}`: in full, as DynamoDB writes it on every other way |
//! | `true`, `null` | `{"BOOL":true}`, `{"NULL":true}` |
//! | `{{aGk=}}` | `{"B":"aGk="}` |
//! | `[…]`, `{…}` | `{"L":[…]}`, `{"M":{…}}` |
//! | `$dynamodb_SS::[…]`, and for `NS`, `BS` | `{"SS":[…]}` |
//!
//! So there is one decoder of items behind it, and what is told of a row that the index refuses
//! looks the same, however it came. What DynamoDB never writes (times, symbols, expressions) is refused.

use crate::{
    json::{DEPTH_MAX, Malformed, write_escaped},
    number::Number,
};

type Result<T> = std::result::Result<T, Malformed>;

/// Writes an Ion line, `$ion_1_0 {Item:{…}}`, as the same line in DynamoDB JSON, `{"Item":{…}}`.
///
/// # Errors
///
/// When it is none. `out` is as it was then.
pub fn line_to_dynamodb_json(line: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let text = std::str::from_utf8(line).map_err(|error| Malformed { at: error.valid_up_to() })?;
    let mut reader = Reader { text, at: 0 };
    let written = out.len();
    let read = reader.line(out);
    if read.is_err() {
        out.truncate(written);
    }
    read
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn line(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.space()?;
        if self.take("$ion_1_0") {
            self.space()?;
        }
        let mut is_there = false;
        out.push(b'{');
        self.members(|reader, name| {
            if name != "Item" || is_there {
                return Err(reader.wrong());
            }
            is_there = true;
            out.extend_from_slice(b"\"Item\":");
            reader.map(0, out)
        })?;
        out.push(b'}');
        self.space()?;
        if is_there && self.at == self.text.len() { Ok(()) } else { Err(self.wrong()) }
    }

    /// `{name:value,…}` as `{"name":{…},…}`.
    fn map(&mut self, depth: usize, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'{');
        let mut is_first = true;
        self.members(|reader, name| {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            out.push(b'"');
            write_escaped(name, out);
            out.extend_from_slice(b"\":");
            reader.value(depth, out)
        })?;
        out.push(b'}');
        Ok(())
    }

    /// Walks over a struct.
    fn members(&mut self, mut member: impl FnMut(&mut Self, &str) -> Result<()>) -> Result<()> {
        self.expect(b'{')?;
        loop {
            self.space()?;
            if self.take("}") {
                return Ok(());
            }
            let name = self.name()?;
            self.space()?;
            self.expect(b':')?;
            self.space()?;
            member(self, &name)?;
            self.space()?;
            if !self.take(",") {
                return self.expect(b'}');
            }
        }
    }

    fn name(&mut self) -> Result<std::borrow::Cow<'a, str>> {
        match self.byte()? {
            b'\'' if !self.rest().starts_with("'''") => self.unescaped(b'\''),
            b'"' => self.unescaped(b'"'),
            _ => Ok(self.word()?.into()),
        }
    }

    /// A symbol without quotes, or a number.
    fn word(&mut self) -> Result<&'a str> {
        let is_part =
            |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'$' | b'.' | b'+' | b'-');
        let rest = self.rest();
        let n = rest.bytes().take_while(|it| is_part(*it)).count();
        if n == 0 {
            return Err(self.wrong());
        }
        self.at += n;
        Ok(&rest[..n])
    }

    fn value(&mut self, depth: usize, out: &mut Vec<u8>) -> Result<()> {
        if DEPTH_MAX < depth {
            return Err(self.wrong());
        }
        match self.byte()? {
            b'"' => self.wrapped(b"{\"S\":", out, Self::string)?,
            b'\'' if self.rest().starts_with("'''") => {
                self.wrapped(b"{\"S\":", out, Self::string)?;
            }
            b'{' if self.rest().starts_with("{{") => {
                self.wrapped(b"{\"B\":", out, Self::blob)?;
            }
            b'{' => self.wrapped(b"{\"M\":", out, |it, out| it.map(depth + 1, out))?,
            b'[' => self.wrapped(b"{\"L\":", out, |it, out| {
                it.list(out, |it, out| it.value(depth + 1, out))
            })?,
            b'-' | b'0'..=b'9' => self.wrapped(b"{\"N\":", out, Self::number)?,
            _ => self.named(out)?,
        }
        Ok(())
    }

    /// What begins with a word: `true`, `null.string`, or a set with its annotation.
    fn named(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let start = self.at;
        let is_quoted = self.byte()? == b'\'';
        let name = self.name()?;
        self.space()?;
        if self.take("::") {
            self.space()?;
            return match &*name {
                "$dynamodb_SS" => {
                    self.wrapped(b"{\"SS\":", out, |it, out| it.list(out, Self::string))
                }
                "$dynamodb_NS" => {
                    self.wrapped(b"{\"NS\":", out, |it, out| it.list(out, Self::number))
                }
                "$dynamodb_BS" => {
                    self.wrapped(b"{\"BS\":", out, |it, out| it.list(out, Self::blob))
                }
                _ => Err(Malformed { at: start }),
            };
        }
        let value: &[u8] = match &*name {
            _ if is_quoted => return Err(Malformed { at: start }),
            "true" => br#"{"BOOL":true}"#,
            "false" => br#"{"BOOL":false}"#,
            name if name == "null" || name.starts_with("null.") => br#"{"NULL":true}"#,
            _ => return Err(Malformed { at: start }),
        };
        out.extend_from_slice(value);
        Ok(())
    }

    fn wrapped(
        &mut self,
        before: &[u8],
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Self, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        out.extend_from_slice(before);
        write(self, out)?;
        out.push(b'}');
        Ok(())
    }

    fn list(
        &mut self,
        out: &mut Vec<u8>,
        mut element: impl FnMut(&mut Self, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        self.expect(b'[')?;
        out.push(b'[');
        let mut is_first = true;
        loop {
            self.space()?;
            if self.take("]") {
                break;
            }
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            element(self, out)?;
            self.space()?;
            if !self.take(",") {
                self.expect(b']')?;
                break;
            }
        }
        out.push(b']');
        Ok(())
    }

    /// Writes the digits in quotes. Ion writes `2d3` for 2000 and `7.` for 7.
    fn number(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let start = self.at;
        let word = self.word()?;
        let plain = word.replace('_', "").replace(['d', 'D'], "e");
        let plain = plain.replace(".e", "e");
        let plain = plain.strip_suffix('.').unwrap_or(&plain);
        let number = Number::parse(plain).map_err(|_| Malformed { at: start })?;
        out.extend_from_slice(format!("\"{number}\"").as_bytes());
        Ok(())
    }

    fn blob(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if !self.take("{{") {
            return Err(self.wrong());
        }
        let rest = self.rest();
        let n = rest.find("}}").ok_or_else(|| self.wrong())?;
        let is_base64 = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'+' | b'/' | b'=');
        out.push(b'"');
        for byte in rest[..n].bytes() {
            if is_base64(byte) {
                out.push(byte);
            } else if !byte.is_ascii_whitespace() {
                return Err(self.wrong());
            }
        }
        out.push(b'"');
        self.at += n + 2;
        Ok(())
    }

    /// Writes a string as JSON does.
    fn string(&mut self, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'"');
        if self.take("'''") {
            loop {
                let rest = self.rest();
                let n = end_of_long(rest).ok_or_else(|| self.wrong())?;
                write_escaped(&self.resolve(&rest[..n])?, out);
                self.at += n + 3;
                self.space()?;
                if !self.take("'''") {
                    break;
                }
            }
        } else {
            write_escaped(&self.unescaped(b'"')?, out);
        }
        out.push(b'"');
        Ok(())
    }

    /// What stands between two `quote`s.
    fn unescaped(&mut self, quote: u8) -> Result<std::borrow::Cow<'a, str>> {
        self.expect(quote)?;
        let rest = self.rest();
        let mut from = 0;
        let end = loop {
            let found = memchr::memchr3(quote, b'\\', b'\n', &rest.as_bytes()[from..]);
            let at = from + found.ok_or_else(|| self.wrong())?;
            match rest.as_bytes()[at] {
                b'\\' => from = at + 2,
                b'\n' => return Err(self.wrong()),
                _ => break at,
            }
            if rest.len() < from {
                return Err(self.wrong());
            }
        };
        let text = self.resolve(&rest[..end])?;
        self.at += end + 1;
        Ok(text)
    }

    /// Replaces the escapes of Ion by what they stand for.
    fn resolve(&self, raw: &'a str) -> Result<std::borrow::Cow<'a, str>> {
        if memchr::memchr(b'\\', raw.as_bytes()).is_none() {
            return Ok(raw.into());
        }
        let mut out = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some((plain, escaped)) = rest.split_once('\\') {
            out.push_str(plain);
            let mut chars = escaped.chars();
            let code = match chars.next().ok_or_else(|| self.wrong())? {
                it @ ('"' | '\'' | '?' | '\\' | '/') => Some(it),
                '0' => Some('\0'),
                'a' => Some('\u{7}'),
                'b' => Some('\u{8}'),
                't' => Some('\t'),
                'n' => Some('\n'),
                'f' => Some('\u{c}'),
                'r' => Some('\r'),
                'v' => Some('\u{b}'),
                '\n' => None,
                it @ ('x' | 'u' | 'U') => {
                    let (code, tail) =
                        code_point(it, chars.as_str()).ok_or_else(|| self.wrong())?;
                    chars = tail.chars();
                    Some(code)
                }
                _ => return Err(self.wrong()),
            };
            out.extend(code);
            rest = chars.as_str();
        }
        out.push_str(rest);
        Ok(out.into())
    }

    /// Passes white space and comments.
    fn space(&mut self) -> Result<()> {
        loop {
            self.at += self.rest().bytes().take_while(u8::is_ascii_whitespace).count();
            let rest = self.rest();
            self.at += if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").ok_or_else(|| self.wrong())? + 2
            } else {
                return Ok(());
            };
        }
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.byte()? != byte {
            return Err(self.wrong());
        }
        self.at += 1;
        Ok(())
    }

    fn byte(&self) -> Result<u8> {
        self.text.as_bytes().get(self.at).copied().ok_or_else(|| self.wrong())
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    #[cold]
    fn wrong(&self) -> Malformed {
        Malformed { at: self.at }
    }
}

/// Where a long string ends: at three quotes that no backslash stands before.
fn end_of_long(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'\'', b'\\', text.as_bytes().get(from..)?)?;
        if text.as_bytes()[at] == b'\\' {
            from = at + 2;
        } else if text[at..].starts_with("'''") {
            return Some(at);
        } else {
            from = at + 1;
        }
    }
}

/// `\xHH`, `\uHHHH` (a pair of them beyond the basic plane), `\UHHHHHHHH`.
fn code_point(kind: char, text: &str) -> Option<(char, &str)> {
    let hex = |text: &str, n: usize| {
        let digits = text.get(..n).filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let n = match kind {
        'x' => 2,
        'u' => 4,
        _ => 8,
    };
    let (unit, tail) = (hex(text, n)?, &text[n..]);
    if kind == 'u' && (0xD800..0xDC00).contains(&unit) {
        let tail = tail.strip_prefix("\\u")?;
        let low = hex(tail, 4)?.checked_sub(0xDC00).filter(|it| *it < 0x400)?;
        return Some((char::from_u32(0x1_0000 + ((unit - 0xD800) << 10) + low)?, &tail[4..]));
    }
    Some((char::from_u32(unit)?, tail))
}

#[cfg(test)]
mod tests;
