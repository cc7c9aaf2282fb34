//! What holds of every expression.

use pipeline::{Document, Event, Value};
use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::{Expression, Template};

fn event() -> Event {
    let fields = br#"{"a":1,"b":"x","c":{"d":[true,2.50]},"e":null,"f g":"INV#7"}"#;
    let Value::Map(fields) = Value::from_json(fields).unwrap() else { unreachable!() };
    Event { document: Document::Fields(fields), tags: vec!["t".into()], ..Event::default() }
}

proptest! {
    /// An expression that is printed and read again is printed the same and has the same value.
    #[test]
    fn what_is_printed_is_read_back(text in any_condition()) {
        check_what_is_printed_is_read_back(&text)?;
    }

    /// Whatever somebody writes, the answer is an expression or an error that points into the text.
    #[test]
    fn no_text_makes_it_panic(words in prop::collection::vec(any_word(), 0..12)) {
        check_an_error_points_into_the_text(&words.concat())?;
    }

    /// The same of texts with holes.
    #[test]
    fn no_template_makes_it_panic(text in "[a/$%{}\"' ()=yM]{0,24}") {
        check_a_template_is_filled_or_refused(&text)?;
    }
}

/// Values and conditions as somebody could write them, with and without needless parentheses.
fn any_condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("/a"),
        Just("/b"),
        Just("/c/d/1"),
        Just("\"/f g\""),
        Just("/missing"),
        Just("\"x\""),
        Just("\"\"\"/x\"\"\""),
        Just(r#""q\"\\\$\n""#),
        Just("1"),
        Just("0.25"),
        Just("12345.678E-12"),
        Just("1.5E70"),
        Just("true"),
        Just("null"),
        Just("length(/b)"),
        Just("hasTags(\"t\", \"u\")"),
        Just("getMetadata(\"/k\")"),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 24, 2, |inner| {
        let operator = prop::sample::select(vec![
            "==", "!=", "<", "<=", ">", ">=", " and ", " or ", " + ", "-", " * ", " / ", " % ",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, it, b)| format!("{a}{it}{b}")),
            inner.clone().prop_map(|it| format!("({it})")),
            inner.clone().prop_map(|it| format!("not {it}")),
            inner.clone().prop_map(|it| format!("-{it}")),
            inner.clone().prop_map(|it| format!("{it} in {{1, -2.5, null}}")),
            inner.clone().prop_map(|it| format!("{it} not in {{\"x\", \"/y\"}}")),
            inner.clone().prop_map(|it| format!("{it} =~ \"[a-z]+\"")),
            inner.clone().prop_map(|it| format!("{it} !~ /b")),
            inner.clone().prop_map(|it| format!("{it} typeof big_decimal")),
            inner.prop_map(|it| format!("contains({it}, \"x\")")),
        ]
    })
}

fn check_what_is_printed_is_read_back(text: &str) -> TestCaseResult {
    // Some are none, as `true + 1`.
    let Ok(expression) = Expression::parse(text) else { return Ok(()) };
    let printed = expression.to_string();
    let again = Expression::parse(&printed);
    prop_assert!(again.is_ok(), "{text} is printed {printed}: {}", again.unwrap_err());
    let again = again.unwrap();
    prop_assert_eq!(again.to_string(), printed);
    let (value, value_again) = (expression.eval(&event()), again.eval(&event()));
    prop_assert_eq!(value.ok(), value_again.ok(), "{}", text);
    prop_assert_eq!(expression.uses_fields(), again.uses_fields());
    Ok(())
}

fn any_word() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "/a", "/", "\"", "\"\"\"", "'", "\\", "$", "{", "}", "(", ")", ",", " ", "and", " and ",
        "or ", "not ", " in ", " not in ", " typeof ", "string", "=~", "!~", "==", "=", "<", ">=",
        "+", "-", "*", "%", "1", "0.5", "1e5", "00", "true", "null", "length(", "é", "\n", ".",
        "[", "#", "&&",
    ]);
    prop_oneof![4 => word.prop_map(str::to_owned), 1 => ".{0,3}"]
}

fn check_an_error_points_into_the_text(text: &str) -> TestCaseResult {
    match Expression::parse(text) {
        Ok(expression) => {
            let _ = expression.eval(&event());
            for warning in expression.warnings() {
                prop_assert!(text.get(warning.span.clone()).is_some(), "{warning:?}");
            }
        }
        Err(error) => prop_assert!(text.get(error.span.clone()).is_some(), "{error:?}"),
    }
    Ok(())
}

fn check_a_template_is_filled_or_refused(text: &str) -> TestCaseResult {
    for template in [Template::parse(text), Template::index_name(text)] {
        match template {
            Ok(template) => {
                let _ = template.render(&event(), &mut String::new());
                for warning in template.warnings() {
                    prop_assert!(text.get(warning.span.clone()).is_some(), "{warning:?}");
                }
            }
            Err(error) => prop_assert!(text.get(error.span.clone()).is_some(), "{error:?}"),
        }
    }
    Ok(())
}

#[test]
fn long_and_deep_texts_are_refused_and_not_followed() {
    for text in [
        "(".repeat(100_000),
        "not ".repeat(10_000) + "true",
        "-".repeat(10_000) + "1",
        "length(".repeat(5_000),
        format!("/a{}", " and /a".repeat(5_000)),
        format!("\"{}\"", "x".repeat(100_000)),
    ] {
        assert!(Expression::parse(&text).is_err(), "{}", &text[..20]);
    }
    let many = format!("/a == 1{}", " and /a == 1".repeat(150));
    assert_eq!(Expression::parse(&many).unwrap().is_true(&event()), Ok(true));
}

#[test]
fn an_error_says_which_characters_and_what_to_write() {
    for (text, part, message) in [
        ("/a = 1", "=", "`=` compares nothing; write `==`"),
        ("/a && /b", "&", "`&` has no meaning here; write `and`"),
        ("!/a", "!", "`!` has no meaning here; write `not `"),
        ("/a == 'x'", "'", "`'` is no quote here; write `\"`"),
        ("/a == ", "", "something is missing after `==`"),
        ("/a == )", ")", "`)` cannot follow `==`"),
        ("10/2 > 1", "/2", "`/2` cannot follow `10`; to divide, write a space behind the `/`"),
        ("not/a", "not", "`not` needs a space behind it"),
        ("/a and(/b)", "and", "`and` needs a space on both sides"),
        ("/a in{1}", "in", "`in` needs a space on both sides"),
        ("/a in 5", "5", "`in` needs a set on its right; write `{200, 201}`"),
        (
            "/a in {x}",
            "x",
            "`x` cannot be in a set; a set holds texts, numbers, `true`, `false` and `null`",
        ),
        ("/a in {1,}", "}", "`}` cannot follow `,`; remove the last comma"),
        ("/a typeof strng", "strng", "`strng` is not a type; did you mean `string`?"),
        (
            "length(/a) =~ \"x\"",
            "length(/a)",
            "`=~` needs a field or a text on its left; put `not` and \
          calculations outside of it: `not (/a =~ \"x\")`",
        ),
        ("(/a == 1", "(", "`(` is never closed; add `)`"),
        ("/a == \"x", "\"x", "this text does not end; close it with the same quotes"),
        ("/a == \"5$\"", "$", "`$` cannot stand in a text; write `\\$`"),
        ("/a == \"\\d\"", "\\d", "`\\d` means nothing in a text; write `\\\\` for a backslash"),
        ("/a > 007", "007", "`007` is not a number; write it without zeros in front"),
        ("/a > 1e5", "1e5", "`1e5` is not a number; numbers are written `5`, `0.25` or `1.5E-3`"),
        ("/a > +5", "+", "`+` cannot follow `>`; leave a `+` before a number away"),
        ("true + 1", "true", "`+` does not work with a condition"),
        (
            "status == 1",
            "status",
            "`status` has no meaning here; write `/status` for the field, \
          `\"status\"` for the text",
        ),
        ("tru and /a", "tru", "`tru` has no meaning here; did you mean `true`?"),
        ("", "", "the expression is empty"),
    ] {
        let error = Expression::parse(text).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
        assert_eq!(&text[error.span], part, "{text}");
    }
}

#[test]
fn what_was_probably_not_meant_is_warned_of() {
    for (text, warnings) in [
        ("/a == 1 or /b == 2 and /c == 3", 1),
        ("(/a == 1 or /b == 2) and /c == 3", 0),
        ("/a == 1 or (/b == 2 and /c == 3)", 0),
        ("/a == 1 and /b == 2 and /c == 3", 0),
        ("((/a == 1) or /b == 2) and /c == 3", 0),
        ("(/a == 1) or /b == 2 and /c == 3", 1),
        ("not /a == 1", 1),
        ("(not /a) == 1", 0),
        ("not (/a == 1)", 0),
        ("not true == false", 0),
        ("not /a in {1}", 1),
        ("/a not in {1}", 0),
        ("lenght(/a) > 1", 1),
        ("/a =~ \"[\"", 1),
        ("/a =~ \"(?=x).*\"", 0),
        ("/a in {1, null}", 0),
        ("/a in {1, \"one\"}", 1),
        ("not 5", 1),
    ] {
        let found = Expression::parse(text).unwrap().warnings();
        assert_eq!(found.len(), warnings, "{text}: {found:?}");
    }
}
