//! Whether a document in the index says what the pipeline would write, and where it does not. Pure.

use std::collections::BTreeSet;

use pipeline::{Map, Value, compare_numbers};

/// A place where two documents differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: `/price`, `/editions/2/year`.
    pub path: String,
    /// What the table says; nothing if the field should not be there.
    pub expected: Option<Value>,
    /// What the index says; nothing if the field is not there.
    pub found: Option<Value>,
}

/// More of them need not be told of one document.
const DIFFERENCES_MAX: usize = 20;

/// Lists of one item that are sets, whose order says nothing: each sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sets(BTreeSet<Vec<String>>);

impl Sets {
    /// The sets in an item in DynamoDB JSON.
    pub fn of_item(item: &Value) -> Sets {
        let mut sets = Sets::default();
        if let Value::Map(attributes) = item {
            attributes.values().for_each(|it| sets.add(it));
        }
        sets
    }

    fn add(&mut self, attribute: &Value) {
        let Value::Map(attribute) = attribute else { return };
        for (kind, value) in attribute {
            match (kind.as_str(), value) {
                ("SS" | "BS" | "NS", Value::List(values)) => {
                    self.0.insert(sorted(values));
                }
                ("L", Value::List(values)) => values.iter().for_each(|it| self.add(it)),
                ("M", Value::Map(values)) => values.values().for_each(|it| self.add(it)),
                _ => {}
            }
        }
    }

    fn has(&self, list: &[Value]) -> bool {
        !self.0.is_empty() && self.0.contains(&sorted(list))
    }
}

/// The values of a list as texts, in an order of their own. Numbers are written in one way, because
/// DynamoDB and an index may write them differently.
fn sorted(list: &[Value]) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(it) => canonical(it),
        Value::Number(it) => canonical(it.as_str()),
        other => other.to_string(),
    };
    let mut texts: Vec<String> = list.iter().map(text).collect();
    texts.sort_unstable();
    texts
}

/// A number always in the same way; any other text as it is.
fn canonical(text: &str) -> String {
    pipeline::Decimal::parse(text).map_or_else(|| text.to_owned(), |it| it.to_string())
}

/// How to compare.
#[derive(Clone, Copy, Debug, Default)]
pub struct Comparison<'a> {
    /// Lists whose order says nothing.
    pub sets: Option<&'a Sets>,
    /// Fields that are made anew each time, by their paths; they are passed over.
    pub unstable: Option<&'a BTreeSet<String>>,
    /// Whether only part of the document is written, and the rest is somebody else's.
    pub partial: bool,
}

impl Comparison<'_> {
    /// Where `found` is not as `expected`; nothing if they say the same.
    pub fn differences(&self, expected: &Value, found: &Value) -> Vec<Difference> {
        let mut all = Vec::new();
        self.walk(&mut String::new(), Some(expected), Some(found), &mut all);
        all
    }

    fn walk(
        &self,
        path: &mut String,
        expected: Option<&Value>,
        found: Option<&Value>,
        all: &mut Vec<Difference>,
    ) {
        if DIFFERENCES_MAX <= all.len() || self.unstable.is_some_and(|it| it.contains(path)) {
            return;
        }
        match (expected, found) {
            (Some(Value::Map(expected)), Some(Value::Map(found))) => {
                self.walk_maps(path, expected, found, all);
                return;
            }
            (Some(Value::List(expected)), Some(Value::List(found)))
                if expected.len() == found.len() =>
            {
                let same_set = self.sets.is_some_and(|it| it.has(expected))
                    && sorted(expected) == sorted(found);
                if !same_set {
                    for (n, (expected, found)) in expected.iter().zip(found).enumerate() {
                        self.step(path, &n.to_string(), Some(expected), Some(found), all);
                    }
                }
                return;
            }
            (Some(Value::Number(expected)), Some(Value::Number(found)))
                if compare_numbers(expected.as_str(), found.as_str())
                    == Some(std::cmp::Ordering::Equal) =>
            {
                return;
            }
            (None, Some(_)) if self.partial => return,
            (expected, found) if expected == found => return,
            _ => {}
        }
        let difference = Difference {
            path: if path.is_empty() { "/".to_owned() } else { path.clone() },
            expected: expected.cloned(),
            found: found.cloned(),
        };
        all.push(difference);
    }

    fn walk_maps(&self, path: &mut String, expected: &Map, found: &Map, all: &mut Vec<Difference>) {
        for (name, value) in expected {
            self.step(path, name, Some(value), found.get(name), all);
        }
        for (name, value) in found {
            if !expected.contains_key(name) {
                self.step(path, name, None, Some(value), all);
            }
        }
    }

    fn step(
        &self,
        path: &mut String,
        name: &str,
        expected: Option<&Value>,
        found: Option<&Value>,
        all: &mut Vec<Difference>,
    ) {
        let n = path.len();
        path.push('/');
        path.push_str(name);
        self.walk(path, expected, found, all);
        path.truncate(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    fn paths(comparison: Comparison<'_>, expected: &str, found: &str) -> String {
        let all = comparison.differences(&json(expected), &json(found));
        let paths: Vec<String> = all.into_iter().map(|it| it.path).collect();
        paths.join(" ")
    }

    #[test]
    fn documents_are_compared_by_what_they_say() {
        for (expected, found, differing) in [
            (r#"{"a":1,"b":"x"}"#, r#"{"b":"x","a":1}"#, ""),
            (r#"{"a":1}"#, r#"{"a":1.0}"#, ""),
            (r#"{"a":1e2}"#, r#"{"a":100}"#, ""),
            (r#"{"a":0.1}"#, r#"{"a":0.10000000000000001}"#, "/a"),
            (
                r#"{"a":12345678901234567890123456789012345678}"#,
                r#"{"a":12345678901234567890123456789012345679}"#,
                "/a",
            ),
            (r#"{"a":1}"#, r#"{"a":"1"}"#, "/a"),
            (r#"{"a":null}"#, "{}", "/a"),
            ("{}", r#"{"a":null}"#, "/a"),
            (r#"{"a":{"b":[1,{"c":2}]}}"#, r#"{"a":{"b":[1,{"c":3}]}}"#, "/a/b/1/c"),
            (r#"{"a":[1,2]}"#, r#"{"a":[1,2,3]}"#, "/a"),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, "/a/0 /a/1"),
            ("[]", "{}", "/"),
        ] {
            let seen = paths(Comparison::default(), expected, found);
            assert_eq!(seen, differing, "{expected} {found}");
        }
    }

    #[test]
    fn the_order_of_a_set_says_nothing_and_that_of_a_list_does() {
        let item = json(r#"{"a":{"M":{"s":{"NS":["1","2.50"]}}},"l":{"L":[{"S":"x"},{"S":"y"}]}}"#);
        let sets = Sets::of_item(&item);
        let comparison = Comparison { sets: Some(&sets), ..Comparison::default() };
        for (expected, found, differing) in [
            (r#"{"a":[1,2.5]}"#, r#"{"a":[2.5,1]}"#, ""),
            (r#"{"renamed":[1,2.5]}"#, r#"{"renamed":[2.50,1.0]}"#, ""),
            (r#"{"a":[1,2.5]}"#, r#"{"a":[2.5,3]}"#, "/a/0 /a/1"),
            (r#"{"l":["x","y"]}"#, r#"{"l":["y","x"]}"#, "/l/0 /l/1"),
        ] {
            assert_eq!(paths(comparison, expected, found), differing, "{expected} {found}");
        }
    }

    #[test]
    fn what_is_made_anew_or_is_somebody_elses_is_passed_over() {
        let unstable = BTreeSet::from(["/at".to_owned(), "/in/at".to_owned()]);
        let comparison = Comparison { unstable: Some(&unstable), ..Comparison::default() };
        let (expected, found) = (r#"{"at":1,"in":{"at":2,"x":3}}"#, r#"{"at":4,"in":{"x":3}}"#);
        assert_eq!(paths(comparison, expected, found), "");
        let comparison = Comparison { partial: true, ..Comparison::default() };
        assert_eq!(paths(comparison, r#"{"a":1}"#, r#"{"a":1,"b":2}"#), "");
        assert_eq!(paths(comparison, r#"{"a":1}"#, r#"{"a":2,"b":2}"#), "/a");
    }

    #[test]
    fn not_everything_is_told_of_a_document_that_is_all_different() {
        let all = |value: &str| {
            let fields: Vec<String> = (0..100).map(|n| format!("\"f{n}\":{value}")).collect();
            json(&format!("{{{}}}", fields.join(",")))
        };
        let seen = Comparison::default().differences(&all("1"), &all("2"));
        assert_eq!(seen.len(), DIFFERENCES_MAX);
    }
}
