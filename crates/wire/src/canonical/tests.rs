use proptest::{prelude::*, test_runner::TestCaseResult};

use super::*;
use crate::attribute_value::{self, AttributeValue, read_attributes, write_attributes};

fn canonical(text: &str) -> Result<String, Invalid> {
    let mut cursor = Cursor::new(text.as_bytes());
    let json = attributes(&mut cursor)?.json;
    cursor.end()?;
    Ok(String::from_utf8(json).unwrap())
}

#[test]
fn every_spelling_of_an_item_becomes_one() {
    for (sent, kept) in [
        ("{}", "{}"),
        (r#"{ "b" : {"S":"y"} , "a" : {"S":"x"} }"#, r#"{"a":{"S":"x"},"b":{"S":"y"}}"#),
        (r#"{"a":{"N":"01.50"}}"#, r#"{"a":{"N":"1.5"}}"#),
        (r#"{"a":{"N":"-0"}}"#, r#"{"a":{"N":"0"}}"#),
        (r#"{"a":{"S":"\u00e9\/\u0041\u0001"}}"#, "{\"a\":{\"S\":\"é/A\\u0001\"}}"),
        (r#"{"a":{"SS":["b","a"]}}"#, r#"{"a":{"SS":["a","b"]}}"#),
        (r#"{"a":{"NS":["10","9","1E0"]}}"#, r#"{"a":{"NS":["1","9","10"]}}"#),
        (r#"{"a":{"BS":["/w==","AA=="]}}"#, r#"{"a":{"BS":["AA==","/w=="]}}"#),
        (r#"{"a":{"Z":1,"S":"x"}}"#, r#"{"a":{"S":"x"}}"#),
        (
            r#"{"a":{"M":{"z":{"NULL":true},"y":{"L":[{"M":{"d":{"S":""},"c":{"BOOL":false}}}]}}}}"#,
            r#"{"a":{"M":{"y":{"L":[{"M":{"c":{"BOOL":false},"d":{"S":""}}}]},"z":{"NULL":true}}}}"#,
        ),
        // Sorted by what the names mean, not by how they are escaped.
        (r#"{"~":{"S":""},"\u005c":{"S":""}}"#, r#"{"\\":{"S":""},"~":{"S":""}}"#),
    ] {
        assert_eq!(canonical(sent).as_deref(), Ok(kept), "{sent}");
    }
}

#[test]
fn what_dynamodb_refuses_is_refused() {
    let deep = |levels: usize| {
        format!(r#"{{"a":{}{{"S":""}}{}}}"#, r#"{"L":["#.repeat(levels), "]}".repeat(levels))
    };
    assert!(canonical(&deep(LEVELS_MAX - 1)).is_ok());
    for (sent, why) in [
        (r#"{"a":{}}"#, Invalid::Empty),
        (r#"{"a":{"Z":"x"}}"#, Invalid::Empty),
        (r#"{"a":{"S":"x","N":"1"}}"#, Invalid::SeveralTypes),
        (r#"{"a":{"S":"x","S":"x"}}"#, Invalid::SeveralTypes),
        (r#"{"a":{"NULL":false}}"#, Invalid::NullIsFalse),
        (r#"{"a":{"SS":[]}}"#, Invalid::EmptySet("An string set  may not be empty")),
        (r#"{"a":{"SS":["x","x"]}}"#, Invalid::Duplicates("[x, x]".to_owned())),
        (r#"{"a":{"NS":["1","1.0"]}}"#, Invalid::DuplicateNumbers),
        (r#"{"a":{"BS":["AA==","AA=="]}}"#, Invalid::Duplicates("of type BS".to_owned())),
        (r#"{"a":{"N":"1E400"}}"#, Invalid::Number(NumberError::Overflow)),
        (&deep(LEVELS_MAX), Invalid::TooDeep),
    ] {
        assert_eq!(canonical(sent), Err(why), "{sent}");
    }
    for sent in [
        "",
        "[]",
        r#"{"a":"x"}"#,
        r#"{"a":{"S":1}}"#,
        r#"{"a":{"N":1}}"#,
        r#"{"a":{"BOOL":"true"}}"#,
        r#"{"a":{"B":"A"}}"#,
        r#"{"b":{"S":""},"a":{"S":""},"a":{"S":""}}"#,
        r#"{"a":{"S":"\ud800"}}"#,
    ] {
        assert!(matches!(canonical(sent), Err(Invalid::Malformed(_))), "{sent}");
    }
}

#[test]
fn sizes_are_those_that_dynamodb_charges() {
    for (item, size_bytes) in [
        ("{}", 0),
        (r#"{"name":{"S":"é"}}"#, 6),
        (r#"{"a":{"N":"100"}}"#, 3),
        (r#"{"a":{"N":"-12345"}}"#, 6),
        (r#"{"a":{"B":"AAA="}}"#, 3),
        (r#"{"a":{"NULL":true},"b":{"BOOL":true}}"#, 4),
        (r#"{"a":{"L":[{"S":"xy"}]}}"#, 1 + 3 + 1 + 2),
        (r#"{"a":{"M":{"k":{"S":"xy"}}}}"#, 1 + 3 + 1 + 1 + 2),
        (r#"{"a":{"SS":["x","yz"]}}"#, 4),
    ] {
        let canonical = attributes(&mut Cursor::new(item.as_bytes())).unwrap();
        let tree = read_attributes(&canonical.json).unwrap();
        assert_eq!(canonical.size_bytes, size_bytes, "{item}");
        assert_eq!(attribute_value::size_bytes(&tree), size_bytes, "{item}");
    }
}

proptest! {
    /// A tree, however it is spelled, has one canonical text, and is read from it again.
    #[test]
    fn equal_items_have_equal_bytes(tree in any_attributes(), seed in any::<u64>()) {
        check_equal_items_have_equal_bytes(&tree, seed)?;
    }

    /// No bytes at all make it panic.
    #[test]
    fn any_bytes_are_read_or_refused(parts in prop::collection::vec(prop_oneof![
        prop::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"a\"", "\"S\"", "\"N\"", "\"1\"", "\"NS\"", "\"B\"",
            "\"M\"", "\"L\"", "\"\\u", "true", "\"AA==\"", "\\", "\""]), Just("é")], 0..24)) {
        let _ = canonical(&parts.concat());
    }
}

fn check_equal_items_have_equal_bytes(
    tree: &attribute_value::Attributes,
    seed: u64,
) -> TestCaseResult {
    let mut text = Vec::new();
    write_attributes(tree, &mut text);
    let spelled = respell(&serde_json::from_slice(&text).unwrap(), seed);
    let read = attributes(&mut Cursor::new(spelled.as_bytes())).unwrap();
    prop_assert_eq!(std::str::from_utf8(&read.json), std::str::from_utf8(&text));
    prop_assert_eq!(read.size_bytes, attribute_value::size_bytes(tree));
    prop_assert_eq!(&read_attributes(&read.json).unwrap(), tree);
    for (member, (name, value)) in read.members.iter().zip(tree) {
        prop_assert_eq!(unescape(read.name(member)).unwrap(), name.as_str());
        prop_assert_eq!(&AttributeValue::read(read.value(member)).unwrap(), value);
    }
    Ok(())
}

/// The same JSON with members in another order and white space in other places.
fn respell(json: &serde_json::Value, seed: u64) -> String {
    match json {
        serde_json::Value::Object(members) => {
            let mut members: Vec<String> = members
                .iter()
                .map(|(name, value)| {
                    format!(" {} :{}", serde_json::to_string(name).unwrap(), respell(value, seed))
                })
                .collect();
            let n_members = members.len().max(1) as u64;
            members.rotate_left(usize::try_from(seed % n_members).unwrap());
            format!("{{{}\n}}", members.join(","))
        }
        serde_json::Value::Array(values) => {
            let values: Vec<String> = values.iter().map(|it| respell(it, seed)).collect();
            format!("[ {} ]", values.join(" ,"))
        }
        other => other.to_string(),
    }
}

fn any_attributes() -> impl Strategy<Value = attribute_value::Attributes> {
    let number = || {
        (any::<i64>(), -20..20i32)
            .prop_map(|(digits, exponent)| Number::parse(&format!("{digits}E{exponent}")).unwrap())
    };
    let leaf = prop_oneof![
        any::<String>().prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        any::<Vec<u8>>().prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        prop::collection::btree_set(any::<String>(), 1..4).prop_map(AttributeValue::Ss),
        prop::collection::btree_set(number(), 1..4).prop_map(AttributeValue::Ns),
        prop::collection::btree_set(any::<Vec<u8>>(), 1..4).prop_map(AttributeValue::Bs),
    ];
    let value = leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(AttributeValue::M),
        ]
    });
    prop::collection::btree_map(any::<String>(), value, 0..5)
}
