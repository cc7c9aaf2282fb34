//! Amazon Ion text as a value. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use pipeline::{Map, Value};

/// How deep values may be nested.
const DEPTH_MAX: usize = 128;

/// Reads one Ion value, all of `text`.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0);
    let value = value.and_then(|value| {
        reader.skip_space()?;
        if reader.at < text.len() { Err(reader.wrong()) } else { Ok(value) }
    });
    value.map_err(|Wrong { at }| format!("not the Ion expected at byte {at}"))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

struct Wrong {
    at: usize,
}

type Result<T, E = Wrong> = std::result::Result<T, E>;

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value> {
        if DEPTH_MAX < depth {
            return Err(self.wrong());
        }
        self.skip_space()?;
        let rest = self.rest();
        match rest.bytes().next() {
            None => Err(self.wrong()),
            Some(b'{') if rest.starts_with("{{") => self.lob(),
            Some(b'{') => self.structure(depth),
            Some(b'[') => self.list(']', depth),
            Some(b'(') => self.list(')', depth),
            Some(b'"') => self.quoted('"').map(Value::String),
            Some(b'\'') if rest.starts_with("'''") => self.long_strings().map(Value::String),
            Some(byte) if byte.is_ascii_digit() => self.number_or_time(),
            Some(b'-') if rest[1..].starts_with(|it: char| it.is_ascii_digit()) => {
                self.number_or_time()
            }
            _ => self.symbol_or_annotated(depth),
        }
    }

    fn structure(&mut self, depth: usize) -> Result<Value> {
        self.at += 1;
        let mut map = Map::default();
        loop {
            self.skip_space()?;
            if self.take("}") {
                return Ok(Value::Map(map));
            }
            let name = match self.rest().chars().next() {
                Some('"') => self.quoted('"')?,
                Some('\'') if self.rest().starts_with("'''") => self.long_strings()?,
                Some('\'') => self.quoted('\'')?,
                _ => self.identifier()?.to_owned(),
            };
            self.skip_space()?;
            if !self.take(":") {
                return Err(self.wrong());
            }
            let value = self.value(depth + 1)?;
            map.insert(name, value);
            self.skip_space()?;
            if !self.take(",") && !self.rest().starts_with('}') {
                return Err(self.wrong());
            }
        }
    }

    /// A list with commas, or one in parentheses without.
    fn list(&mut self, close: char, depth: usize) -> Result<Value> {
        self.at += 1;
        let mut values = Vec::new();
        loop {
            self.skip_space()?;
            if self.rest().starts_with(close) {
                self.at += 1;
                return Ok(Value::List(values));
            }
            if close == ')' && self.rest().starts_with(is_operator) {
                let end = self.rest().find(|it| !is_operator(it)).unwrap_or(self.rest().len());
                values.push(self.rest()[..end].into());
                self.at += end;
                continue;
            }
            values.push(self.value(depth + 1)?);
            self.skip_space()?;
            if close == ']' && !self.take(",") && !self.rest().starts_with(']') {
                return Err(self.wrong());
            }
        }
    }

    /// `{{ base64 }}`, or `{{ "bytes" }}`.
    fn lob(&mut self) -> Result<Value> {
        self.at += 2;
        self.skip_space_only();
        if self.rest().starts_with('"') || self.rest().starts_with("'''") {
            let text =
                if self.rest().starts_with('"') { self.quoted('"')? } else { self.long_strings()? };
            self.skip_space_only();
            return if self.take("}}") { Ok(Value::String(text)) } else { Err(self.wrong()) };
        }
        let end = self.rest().find("}}").ok_or_else(|| self.wrong())?;
        let base64: String = self.rest()[..end].split_whitespace().collect();
        if STANDARD.decode(&base64).is_err() {
            return Err(self.wrong());
        }
        self.at += end + 2;
        Ok(Value::String(base64))
    }

    fn symbol_or_annotated(&mut self, depth: usize) -> Result<Value> {
        let is_quoted = self.rest().starts_with('\'');
        let name =
            if is_quoted { self.quoted('\'')? } else { self.signed_identifier()?.to_owned() };
        let after_name = self.at;
        self.skip_space()?;
        if self.take("::") {
            return self.value(depth + 1);
        }
        self.at = after_name;
        if is_quoted {
            return Ok(Value::String(name));
        }
        Ok(match name.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            "null" => {
                if self.take(".") {
                    self.identifier()?;
                }
                Value::Null
            }
            // JSON has no such numbers.
            "nan" | "+inf" | "-inf" => Value::Null,
            _ if name.starts_with(['+', '-']) => return Err(self.wrong()),
            _ => Value::String(name),
        })
    }

    fn number_or_time(&mut self) -> Result<Value> {
        let is_part = |it: char| it.is_ascii_alphanumeric() || "_+-.:".contains(it);
        let end = self.rest().find(|it| !is_part(it)).unwrap_or(self.rest().len());
        let token = &self.rest()[..end];
        let value = if is_time(token) { Some(token.into()) } else { number(token) };
        let value = value.ok_or_else(|| self.wrong())?;
        self.at += end;
        Ok(value)
    }

    fn identifier(&mut self) -> Result<&'a str> {
        let is_part = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '$';
        let end = self.rest().find(|it| !is_part(it)).unwrap_or(self.rest().len());
        let name = &self.rest()[..end];
        if name.is_empty() || name.starts_with(|it: char| it.is_ascii_digit()) {
            return Err(self.wrong());
        }
        self.at += end;
        Ok(name)
    }

    fn signed_identifier(&mut self) -> Result<&'a str> {
        let start = self.at;
        if self.rest().starts_with(['+', '-']) {
            self.at += 1;
        }
        self.identifier()?;
        Ok(&self.text[start..self.at])
    }

    fn quoted(&mut self, quote: char) -> Result<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let letter = self.next()?;
            match letter {
                _ if letter == quote => return Ok(out),
                '\\' => self.escape(&mut out)?,
                '\n' | '\r' => return Err(self.wrong()),
                _ => out.push(letter),
            }
        }
    }

    /// `'''…'''`, and more of them behind it.
    fn long_strings(&mut self) -> Result<String> {
        let mut out = String::new();
        while self.take("'''") {
            while !self.take("'''") {
                match self.next()? {
                    '\\' => self.escape(&mut out)?,
                    letter => out.push(letter),
                }
            }
            let end = self.at;
            self.skip_space()?;
            if !self.rest().starts_with("'''") {
                self.at = end;
                break;
            }
        }
        Ok(out)
    }

    fn escape(&mut self, out: &mut String) -> Result<()> {
        let letter = self.next()?;
        out.push(match letter {
            '0' => '\0',
            'a' => '\u{7}',
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'f' => '\u{c}',
            'r' => '\r',
            'v' => '\u{b}',
            '"' | '\'' | '?' | '\\' | '/' => letter,
            '\n' => return Ok(()),
            'x' => self.code(2)?,
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            _ => return Err(self.wrong()),
        });
        Ok(())
    }

    fn code(&mut self, n: usize) -> Result<char> {
        let hex = self.rest().get(..n).ok_or_else(|| self.wrong())?;
        let unit = u32::from_str_radix(hex, 16).map_err(|_| self.wrong())?;
        self.at += n;
        if (0xD800..0xDC00).contains(&unit) && self.take("\\u") {
            let hex = self.rest().get(..4).ok_or_else(|| self.wrong())?;
            let low = u32::from_str_radix(hex, 16).map_err(|_| self.wrong())?;
            self.at += 4;
            let low = low.checked_sub(0xDC00).filter(|it| *it < 0x400);
            let whole = low.and_then(|low| char::from_u32(0x10000 + ((unit - 0xD800) << 10) + low));
            return whole.ok_or_else(|| self.wrong());
        }
        char::from_u32(unit).ok_or_else(|| self.wrong())
    }

    fn skip_space_only(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Skips white space and comments.
    fn skip_space(&mut self) -> Result<()> {
        loop {
            self.skip_space_only();
            let end = if self.rest().starts_with("//") {
                self.rest().find('\n').unwrap_or(self.rest().len())
            } else if self.rest().starts_with("/*") {
                self.rest().find("*/").ok_or_else(|| self.wrong())? + 2
            } else {
                return Ok(());
            };
            self.at += end;
        }
    }

    fn next(&mut self) -> Result<char> {
        let letter = self.rest().chars().next().ok_or_else(|| self.wrong())?;
        self.at += letter.len_utf8();
        Ok(letter)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong(&self) -> Wrong {
        Wrong { at: self.at }
    }
}

fn is_operator(letter: char) -> bool {
    "!#%&*+-./;<=>?@^`|~".contains(letter)
}

/// `2025T`, `2025-06T`, `2025-06-05`, or more.
fn is_time(token: &str) -> bool {
    let is_digits = |range: std::ops::Range<usize>| {
        token.get(range).is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit()))
    };
    is_digits(0..4) && matches!(token.as_bytes().get(4), Some(b'T' | b'-'))
}

/// An integer, also in hexadecimal or binary; a float; a decimal, with `d` for `e`.
fn number(token: &str) -> Option<Value> {
    let (sign, digits) = match token.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", token),
    };
    let in_place = |it: usize| digits.as_bytes().get(it).is_some_and(u8::is_ascii_alphanumeric);
    let underscores_separate =
        digits.match_indices('_').all(|(at, _)| 0 < at && in_place(at - 1) && in_place(at + 1));
    if !underscores_separate {
        return None;
    }
    let digits = digits.replace('_', "");
    let of_radix = |digits: &str, radix: u32| {
        let whole = i128::from_str_radix(digits, radix).ok()?;
        format!("{sign}{whole}").parse().ok().map(Value::Number)
    };
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return of_radix(hex, 16);
    }
    if let Some(bits) = digits.strip_prefix("0b").or_else(|| digits.strip_prefix("0B")) {
        return of_radix(bits, 2);
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E', 'd', 'D']) {
        Some((mantissa, exponent)) => (mantissa, format!("E{exponent}")),
        None => (digits.as_str(), String::new()),
    };
    // Ion allows `1.` where JSON does not.
    let mantissa = mantissa.strip_suffix('.').unwrap_or(mantissa);
    format!("{sign}{mantissa}{exponent}").parse().ok().map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ion_becomes_json() {
        for (ion, json) in [
            ("null", "null"),
            ("null.struct", "null"),
            ("{a:1,'b c':2,\"d\":3,}", r#"{"a":1,"b c":2,"d":3}"#),
            ("[1, 2.50, -3d2, 4.e-1, 0x1F, 0b11, 1_000]", "[1,2.50,-3E2,4E-1,31,3,1000]"),
            ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
            ("(a + 'b' (c))", r#"["a","+","b",["c"]]"#),
            ("$x::'y z'::{a: true}", r#"{"a":true}"#),
            ("'''long ''' /* c */ '''text'''", r#""long text""#),
            (
                r#""q\"\x41\u00e9\U0001F600\
end""#,
                r#""q\"Aé😀end""#,
            ),
            ("{{ aGVs bG8= }}", r#""aGVsbG8=""#),
            ("{{ \"clob\" }}", r#""clob""#),
            (
                "[2025T, 2025-06-05, 2025-06-05T04:03:02.1-07:00]",
                r#"["2025T","2025-06-05","2025-06-05T04:03:02.1-07:00"]"#,
            ),
            ("[nan, +inf, -inf]", "[null,null,null]"),
            ("// c\n symbol // d", r#""symbol""#),
            ("''", r#""""#),
        ] {
            assert_eq!(read(ion).map(|it| it.to_string()).as_deref(), Ok(json), "{ion}");
        }
        for bad in [
            "", "{", "{a}", "{a:}", "[1", "[1 2]", "1 2", "\"x", "'''x", "1__0", "01", "1e",
            "{{x}}", "/*", "\"\\q\"", "-x",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&"[".repeat(1000)).is_err());
    }
}
