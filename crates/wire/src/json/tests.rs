//! JSON as it should be, and as it should not.

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::*;

#[test]
fn a_skipped_value_is_returned_as_it_stands() {
    for (text, value) in [
        (r#" {"a":["]",{"b":"}\""}]} ,"#, r#"{"a":["]",{"b":"}\""}]}"#),
        ("12.5e3]", "12.5e3"),
        ("null", "null"),
        (r#""\\" x"#, r#""\\""#),
    ] {
        assert_eq!(Cursor::new(text.as_bytes()).skip(), Ok(value.as_bytes()), "{text}");
    }
}

#[test]
fn what_does_not_end_is_malformed() {
    for text in ["", "  ", "\"abc", "\"abc\\\"", "{\"a\":", "[1,[2]", "{\"a\"", ","] {
        assert!(Cursor::new(text.as_bytes()).skip().is_err(), "{text}");
    }
    let deep = "[".repeat(DEPTH_MAX + 1) + &"]".repeat(DEPTH_MAX + 1);
    assert!(Cursor::new(deep.as_bytes()).skip().is_err());
}

/// Found by `cargo xtask fuzz items`.
#[test]
fn control_characters_must_be_escaped() {
    for text in ["\"a\nb\"", "\"\t\"", "\"12345678901\u{1f}2345\"", "\"a\\\n\"", "\"\0aaaaaaa\""] {
        assert!(Cursor::new(text.as_bytes()).string().is_err(), "{text:?}");
    }
    for text in [r#""a\nb""#, "\" ~\u{7f}é\"", r#""1234567\"89""#] {
        assert!(Cursor::new(text.as_bytes()).string().is_ok(), "{text:?}");
    }
}

#[test]
fn escapes_that_are_none_are_refused() {
    for raw in [r"\", r"\x", r"\u12", r"\u+123", r"\ud800", r"\ud800\u0041", r"\udc00"] {
        assert!(unescape(raw.as_bytes()).is_err(), "{raw}");
    }
}

proptest! {
    /// Any text comes back from the JSON string it was written as, and serde reads the same.
    #[test]
    fn a_string_comes_back(text in any::<String>()) {
        check_a_string_comes_back(&text)?;
    }

    /// No bytes at all make it panic, and it ends.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(prop_oneof![
        prop::sample::select(b"{}[]\":,\\ntf0u".to_vec()), any::<u8>()], 0..64)) {
        let _ = Cursor::new(&bytes).skip();
        let _ = unescape(&bytes);
    }
}

fn check_a_string_comes_back(text: &str) -> TestCaseResult {
    let mut json = Vec::new();
    write_string(text, &mut json);
    let mut cursor = Cursor::new(&json);
    let raw = cursor.string()?;
    prop_assert_eq!(unescape(raw)?, text);
    prop_assert!(cursor.end().is_ok());
    prop_assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
    Ok(())
}
