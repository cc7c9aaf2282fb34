//! What templates become.

use pipeline::{Document, Event, Timestamp, Value};

use super::*;

fn event(fields: &str) -> Event {
    let Value::Map(fields) = Value::from_json(fields.as_bytes()).unwrap() else {
        panic!("{fields}")
    };
    let mut event = Event { document: Document::Fields(fields), ..Event::default() };
    event.metadata.insert("primary_key".into(), "Dan|Code".into());
    event.metadata.insert("version".into(), 17u64.into());
    event
}

fn rendered(text: &str, fields: &str) -> Result<String, EvalError> {
    let mut out = String::new();
    Template::parse(text).unwrap().render(&event(fields), &mut out)?;
    Ok(out)
}

#[test]
fn holes_are_filled() {
    const FIELDS: &str =
        r#"{"a":"x","n":1.50,"o":{"k":[1,null]},"t":true,"nothing":null,"b c":"y","s":"}"}"#;
    for (text, expected) in [
        ("plain, 5 % of $ and %{yyyy}", "plain, 5 % of $ and %{yyyy}"),
        ("", ""),
        ("${a}-${/a}-${t}", "x-x-true"),
        ("${n}", "1.50"),
        ("${o}", r#"{"k":[1,null]}"#),
        ("${o/k/0}${/o/k/0}", "11"),
        ("${b c}", "y"),
        ("[${/missing}]", "[]"),
        ("[${/nothing}]", "[]"),
        (r#"${getMetadata("primary_key")}"#, "Dan|Code"),
        (r#"v${getMetadata("version")}"#, "v17"),
        ("${getMetadata('primary_key')}", "Dan|Code"),
        (r#"[${getMetadata("missing")}]"#, "[]"),
        ("${/n + 1}", "2.5"),
        ("${length(/a)}", "1"),
        (r#"${/a in {"x", "y"}}"#, "true"),
        (r#"${/s == "}"}"#, "true"),
        (r#"${substringAfter("a}b", "}")}"#, "b"),
    ] {
        assert_eq!(rendered(text, FIELDS).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn a_name_of_nothing_is_an_error_and_not_an_empty_text() {
    let error = rendered("x-${missing}", "{}").unwrap_err();
    assert_eq!(error, EvalError::KeyNotFound { key: "missing".into(), span: 4..11 });
    assert!(rendered("${nothing}", r#"{"nothing":null}"#).is_err());
    assert!(rendered("${length(5)}", "{}").is_err());
    let closed = Event { document: Document::Item("{}".into()), ..Event::default() };
    let result = Template::parse("${a}").unwrap().render(&closed, &mut String::new());
    assert_eq!(result, Err(EvalError::Closed));
}

#[test]
fn what_is_no_template_says_where_and_why() {
    for (text, span, problem) in [
        ("abc-${invalid", 4..13, "`${` is never closed; add `}`"),
        ("abc-${anyS(=tring}", 11..12, "`=` compares nothing; write `==`"),
        ("${}", 2..2, "the expression is empty"),
        ("a${/b == }", 9..9, "something is missing after `==`"),
        (r#"${"abc}"#, 2..6, "this text does not end; close it with the same quotes"),
    ] {
        let error = Template::parse(text).unwrap_err();
        assert_eq!((error.span.clone(), error.to_string().as_str()), (span, problem), "{text}");
    }
}

#[test]
fn the_sink_can_ask_what_it_is_dealing_with() {
    for (text, literal, metadata, uses_fields) in [
        ("", Some(""), None, false),
        ("index", Some("index"), None, false),
        (r#"${getMetadata("primary_key")}"#, None, Some("primary_key"), false),
        (r#"${getMetadata("/primary_key")}"#, None, Some("primary_key"), false),
        (r#"x${getMetadata("primary_key")}"#, None, None, false),
        ("${getMetadata(/a)}", None, None, true),
        ("${/a}", None, None, true),
        ("${a}", None, None, true),
        ("${now()}", None, None, false),
        ("${toJsonString()}", None, None, true),
    ] {
        let template = Template::parse(text).unwrap();
        assert_eq!(template.literal(), literal, "{text}");
        assert_eq!(template.as_metadata(), metadata, "{text}");
        assert_eq!(template.uses_fields(), uses_fields, "{text}");
        assert_eq!(template.to_string(), text);
    }
}

#[test]
fn an_index_name_may_hold_one_date() {
    let clock = Clock::at(Timestamp(1_750_000_000_000));
    for (text, expected, pattern) in [
        ("books", "books", Some("books")),
        ("t-%{yyyy.MM}", "t-2025.06", Some("t-*")),
        ("t-%{yyyy.MM.dd.HH}-x", "t-2025.06.15.15-x", Some("t-*-x")),
        ("${/a}-%{yyyy}", "x-2025", None),
    ] {
        let template = Template::index_name(text).unwrap().with_clock(clock.clone());
        let mut out = String::new();
        template.render(&event(r#"{"a":"x"}"#), &mut out).unwrap();
        assert_eq!(out, expected);
        assert_eq!(template.with_date("*").as_deref(), pattern);
        assert_eq!(
            (template.has_date(), template.is_dynamic()),
            (text.contains('%'), text.contains('$'))
        );
    }
    for (text, problem) in [
        ("t-%{yyyy", "`%{` is never closed"),
        ("t-%{yyyy}-%{MM}", "there is a second date"),
        ("t-%{yyyy%{MM}}", "a date cannot hold another"),
        ("t-%{yyyy/MM}", "`/` cannot be in the name of an index"),
        ("t-%{yyyy.MM.dd.HH.mm}", "`m` would make a new index more often than every hour"),
        ("t-%{yyyy.J}", "`J` has no meaning in a date pattern"),
    ] {
        let error = Template::index_name(text).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{text}: {error}");
    }
}
