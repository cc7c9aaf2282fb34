use proptest::{prelude::*, test_runner::TestCaseResult};
use wire::{json::Cursor, number::Number};

use super::*;

fn schema(kind: KeyType) -> KeySchema {
    let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
    KeySchema { partition: attribute("p", KeyType::S), sort: Some(attribute("s", kind)) }
}

fn item(json: &str) -> Canonical {
    wire::canonical::attributes(&mut Cursor::new(json.as_bytes())).unwrap()
}

fn key_of(kind: KeyType, partition: &str, sort: &AttributeValue) -> Key {
    let sort = schema(kind).sort.unwrap().encode(sort).unwrap();
    key(partition.as_bytes(), &sort).unwrap()
}

#[test]
fn what_makes_no_key_is_named() {
    let long = format!(r#"{{"p":{{"S":"{}"}},"s":{{"S":"x"}}}}"#, "x".repeat(2049));
    let long_sort = format!(r#"{{"p":{{"S":"x"}},"s":{{"S":"{}"}}}}"#, "x".repeat(1025));
    for (json, why) in [
        (r#"{"s":{"S":"x"}}"#, "Missing the key p in the item"),
        (r#"{"p":{"S":"x"}}"#, "Missing the key s in the item"),
        (r#"{"p":{"N":"1"},"s":{"S":"x"}}"#, "Type mismatch for key p expected: S actual: N"),
        (r#"{"p":{"S":""},"s":{"S":"x"}}"#, "cannot contain an empty string value. Key: p"),
        (long.as_str(), "Size of hashkey has exceeded"),
        (long_sort.as_str(), "Aggregated size of all range keys"),
    ] {
        let error = schema(KeyType::S).key_of(&item(json)).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_range_holds_what_its_condition_says() {
    let sorts = ["a", "ab", "abc", "b", "\u{10FFFF}", "\u{10FFFF}z"];
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let compare = |comparator, text: &str| SortCondition::Compare(comparator, s(text));
    for (condition, expected) in [
        (None, &sorts[..]),
        (Some(compare(Comparator::Equal, "ab")), &["ab"]),
        (Some(compare(Comparator::Less, "ab")), &["a"]),
        (Some(compare(Comparator::LessOrEqual, "ab")), &["a", "ab"]),
        (Some(compare(Comparator::Greater, "abc")), &["b", "\u{10FFFF}", "\u{10FFFF}z"]),
        (Some(compare(Comparator::GreaterOrEqual, "b")), &["b", "\u{10FFFF}", "\u{10FFFF}z"]),
        (Some(SortCondition::Between(s("ab"), s("b"))), &["ab", "abc", "b"]),
        (Some(SortCondition::Between(s("b"), s("a"))), &[]),
        (Some(SortCondition::BeginsWith(s("ab"))), &["ab", "abc"]),
        (Some(SortCondition::BeginsWith(s("\u{10FFFF}"))), &["\u{10FFFF}", "\u{10FFFF}z"]),
        (Some(SortCondition::BeginsWith(s(""))), &sorts[..]),
    ] {
        let range = schema(KeyType::S).range(&s("p"), condition.as_ref()).unwrap();
        let inside: Vec<&str> = sorts
            .into_iter()
            .filter(|sort| {
                std::ops::RangeBounds::contains(&range, &key_of(KeyType::S, "p", &s(sort)))
            })
            .collect();
        assert_eq!(inside, expected, "{condition:?}");
        for other in ["", "o", "p2", "q"] {
            let other = key(other.as_bytes(), b"ab").unwrap();
            assert!(!std::ops::RangeBounds::contains(&range, &other), "{condition:?}");
        }
    }
}

proptest! {
    /// Within a partition, keys are in the order of the values of the sort key.
    #[test]
    fn keys_sort_as_their_values(a in any::<(String, i64, Vec<u8>)>(), b in any::<(String, i64, Vec<u8>)>()) {
        check_keys_sort_as_their_values(a, b)?;
    }
}

fn check_keys_sort_as_their_values(
    a: (String, i64, Vec<u8>),
    b: (String, i64, Vec<u8>),
) -> TestCaseResult {
    let number = |it: i64| Number::parse(&it.to_string()).unwrap();
    let pairs = [
        (KeyType::S, AttributeValue::S(a.0.clone()), AttributeValue::S(b.0.clone()), a.0.cmp(&b.0)),
        (KeyType::N, AttributeValue::N(number(a.1)), AttributeValue::N(number(b.1)), a.1.cmp(&b.1)),
        (KeyType::B, AttributeValue::B(a.2.clone()), AttributeValue::B(b.2.clone()), a.2.cmp(&b.2)),
    ];
    for (kind, a, b, order) in pairs {
        let attribute = schema(kind).sort.unwrap();
        if let (Ok(a), Ok(b)) = (attribute.encode(&a), attribute.encode(&b)) {
            prop_assert_eq!(key(b"p", &a).unwrap().cmp(&key(b"p", &b).unwrap()), order);
        }
    }
    Ok(())
}
