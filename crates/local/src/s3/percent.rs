//! `%XX` in addresses, both ways. Pure.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// What is left once every `%XX` is a byte again. `None` if that is not UTF-8, or a `%` has no two
/// digits behind it.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(if *first == b'%' {
            let (digits, behind) = rest.split_at_checked(2)?;
            rest = behind;
            digit(digits[0])? << 4 | digit(digits[1])?
        } else {
            *first
        });
    }
    String::from_utf8(bytes).ok()
}

/// As `encoding-type=url` asks for: everything but letters, digits, `-_.~*` and slashes as `%XX`.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~*/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            push(&mut encoded, byte);
        }
    }
    encoded
}

/// Adds a byte as `%XX`.
pub(crate) fn push(text: &mut String, byte: u8) {
    let digits = [byte >> 4, byte & 15].map(|it| DIGITS[usize::from(it)].to_ascii_uppercase());
    text.push('%');
    text.extend(digits.map(char::from));
}

fn digit(letter: u8) -> Option<u8> {
    let value = char::from(letter).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Bytes as small hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(|it| char::from(DIGITS[usize::from(it)])));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_escape_is_refused() {
        for (text, expected, when) in [
            ("a%20b%c3%A9", Some("a b\u{e9}"), "both kinds of digits"),
            ("a+b", Some("a+b"), "a plus is a plus in a path"),
            ("%", None, "nothing behind it"),
            ("%4", None, "one digit"),
            ("%+1", None, "a sign is no digit"),
            ("%ff", None, "not UTF-8"),
        ] {
            assert_eq!(decode(text).as_deref(), expected, "{when}");
        }
    }

    proptest! {
        /// Whatever is encoded comes back, and nothing else panics.
        #[test]
        fn decoding_undoes_encoding(text in any::<String>()) {
            prop_assert_eq!(decode(&encode(&text)), Some(text.clone()));
            let _ = decode(&text);
        }
    }
}
