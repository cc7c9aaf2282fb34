//! Values with a delimiter between them. Pure.

/// The values of the first line of `text`, or of all its lines.
pub(super) fn read(
    text: &str,
    delimiter: char,
    quote: char,
    multiline: bool,
) -> Result<Vec<String>, String> {
    let mut values = Vec::new();
    let mut value = String::new();
    let mut letters = text.trim_end_matches(['\r', '\n']).chars().peekable();
    let mut in_quotes = false;
    while let Some(letter) = letters.next() {
        match letter {
            _ if letter == quote && in_quotes => {
                if letters.next_if_eq(&quote).is_some() {
                    value.push(quote);
                } else {
                    in_quotes = false;
                }
            }
            _ if in_quotes => value.push(letter),
            _ if letter == quote && value.trim().is_empty() => {
                value.clear();
                in_quotes = true;
            }
            _ if letter == delimiter => values.push(std::mem::take(&mut value)),
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' if multiline => values.push(std::mem::take(&mut value)),
            '\n' => break,
            _ => value.push(letter),
        }
    }
    if in_quotes {
        return Err("a quoted value does not end".to_owned());
    }
    values.push(value);
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_anything() {
        for (text, values) in [
            ("", &[""][..]),
            ("a,,b,", &["a", "", "b", ""]),
            (r#""a,b","c""d","#, &["a,b", "c\"d", ""]),
            (r#"a"b,c"#, &["a\"b", "c"]),
            (r#" "a" ,b"#, &["a ", "b"]),
            ("\"a\nb\",c\nd", &["a\nb", "c"]),
            ("a,b\r\nc", &["a", "b"]),
            ("é,😀", &["é", "😀"]),
        ] {
            assert_eq!(read(text, ',', '"', false).unwrap(), values, "{text}");
        }
        assert_eq!(read("a,b\r\nc\n", ',', '"', true).unwrap(), ["a", "b", "c"]);
        assert_eq!(read("a;'b;c'", ';', '\'', false).unwrap(), ["a", "b;c"]);
        assert!(read("\"a", ',', '"', false).is_err());
    }
}
