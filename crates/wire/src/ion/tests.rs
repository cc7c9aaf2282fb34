//! What Ion lines become, and what is no Ion line.

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::*;

fn read(line: &str) -> Option<String> {
    let mut out = b"before".to_vec();
    if line_to_dynamodb_json(line.as_bytes(), &mut out).is_err() {
        assert_eq!(out, b"before", "{line}");
        return None;
    }
    Some(String::from_utf8(out.split_off(6)).unwrap())
}

/// The value of one attribute.
fn value(ion: &str) -> Option<String> {
    let text = read(&format!("$ion_1_0 {{Item:{{a:{ion}}}}}"))?;
    let value = text.strip_prefix(r#"{"Item":{"a":"#)?.strip_suffix("}}")?;
    Some(value.to_owned())
}

#[test]
fn every_type_becomes_its_dynamodb_json() {
    for (ion, expected) in [
        ("\"x\"", r#"{"S":"x"}"#),
        ("\"\"", r#"{"S":""}"#),
        (
            r#""a\"b\\c\n\x41\u00e9\ud83c\udf89\U0001F600\0""#,
            "{\"S\":\"a\\\"b\\\\c\\nAé🎉😀\\u0000\"}",
        ),
        ("'''long''' /* and */ ''' er'''", r#"{"S":"long er"}"#),
        ("true", r#"{"BOOL":true}"#),
        ("false", r#"{"BOOL":false}"#),
        ("null", r#"{"NULL":true}"#),
        ("null.string", r#"{"NULL":true}"#),
        ("{{aGk=}}", r#"{"B":"aGk="}"#),
        ("{{ aG\tk= }}", r#"{"B":"aGk="}"#),
        ("{{}}", r#"{"B":""}"#),
        ("[]", r#"{"L":[]}"#),
        (
            "[1,\"x\",null,[true]]",
            r#"{"L":[{"N":"1"},{"S":"x"},{"NULL":true},{"L":[{"BOOL":true}]}]}"#,
        ),
        ("{}", r#"{"M":{}}"#),
        (
            "{b:1,'c d':2,\"e\":{f:3},}",
            r#"{"M":{"b":{"N":"1"},"c d":{"N":"2"},"e":{"M":{"f":{"N":"3"}}}}}"#,
        ),
        ("$dynamodb_SS::[\"a\",\"b\"]", r#"{"SS":["a","b"]}"#),
        ("'$dynamodb_NS'::[103.,6d0,6.50]", r#"{"NS":["103","6","6.5"]}"#),
        ("$dynamodb_BS::[{{dXA=}}]", r#"{"BS":["dXA="]}"#),
    ] {
        assert_eq!(value(ion).as_deref(), Some(expected), "{ion}");
    }
}

/// The same digits as on every other way: that is what makes ids and documents equal.
#[test]
fn numbers_are_written_in_full() {
    for (ion, expected) in [
        ("86067d1", "860670"),
        ("39.29", "39.29"),
        ("212d9", "212000000000"),
        ("0d0", "0"),
        ("0.", "0"),
        ("-0.", "0"),
        ("4.2d1", "42"),
        ("0.420d2", "42"),
        ("42d0", "42"),
        ("1702062202420.", "1702062202420"),
        ("12345678901234567890123456789012345678.", "12345678901234567890123456789012345678"),
        ("-1.5d-3", "-0.0015"),
        ("1d-30", "0.000000000000000000000000000001"),
        ("1d125", &format!("1{}", "0".repeat(125))),
        ("7", "7"),
        ("1_000", "1000"),
        ("1.e3", "1000"),
    ] {
        assert_eq!(value(ion), Some(format!(r#"{{"N":"{expected}"}}"#)), "{ion}");
    }
}

#[test]
fn names_may_be_symbols_or_text() {
    let line = r#"{ Item : { $a_1: true, 'b"c': true, "d\"e": true } } // end"#;
    let expected = r#"{"Item":{"$a_1":{"BOOL":true},"b\"c":{"BOOL":true},"d\"e":{"BOOL":true}}}"#;
    assert_eq!(read(line).as_deref(), Some(expected));
}

#[test]
fn what_dynamodb_never_writes_is_refused() {
    for ion in [
        "",
        "x",
        "'x'",
        "2025-06-05T",
        "(a b)",
        "other::1",
        "nan",
        "+inf",
        "0x1F",
        "1e",
        "--1",
        "1.2.3",
        "1d126",
        "{{\"clob\"}}",
        "{{a!}}",
        "{{",
        "[1",
        "[1 2]",
        "{a}",
        "\"x",
        "\"x\\",
        "\"\\q\"",
        "\"\\ud800\"",
        "\"\\xz0\"",
        "'''x''",
        "$dynamodb_SS::[1]",
        "$dynamodb_NS::[\"1\"]",
        "$dynamodb_BS::[1]",
        "$dynamodb_SS::1",
        "\"a\nb\"",
        "/* ",
    ] {
        assert_eq!(value(ion), None, "{ion}");
    }
    for line in
        ["", "$ion_1_0", "{}", "{Other:{}}", "{Item:1}", "{Item:{}} {}", "{Item:{},Item:{}}"]
    {
        assert_eq!(read(line), None, "{line}");
    }
    assert_eq!(value(&"[".repeat(1000)), None);
    assert!(line_to_dynamodb_json(b"{Item:{a:\"\xff\"}}", &mut Vec::new()).is_err());
}

proptest! {
    /// A line cut or changed anywhere is refused or read, but never a panic; and what comes out is JSON.
    #[test]
    fn whatever_comes_out_is_json(at in 0usize..200, byte in any::<u8>()) {
        check_whatever_comes_out_is_json(at, byte)?;
    }
}

fn check_whatever_comes_out_is_json(at: usize, byte: u8) -> TestCaseResult {
    let mut line = r#"$ion_1_0 {Item:{'k y':"v\u00e9\n",n:[1.5,-2d3],s:$dynamodb_SS::["a"],b:{{aGk=}},m:{x:null,y:'''q'''}}}"#
        .as_bytes()
        .to_vec();
    let at = at % line.len();
    line[at] = byte;
    let mut out = Vec::new();
    if line_to_dynamodb_json(&line, &mut out).is_ok() {
        let json = serde_json::from_slice::<serde_json::Value>(&out);
        prop_assert!(json.is_ok(), "{:?}", String::from_utf8_lossy(&out));
    }
    let mut cut = Vec::new();
    prop_assert!(line_to_dynamodb_json(&line[..at], &mut cut).is_err() || at == 0);
    Ok(())
}
