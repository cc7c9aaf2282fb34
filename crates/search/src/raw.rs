//! JSON as it was written: taken apart, merged and thinned out without touching a digit. Pure.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The members of an object in the order they were written, each value as text.
#[derive(Debug)]
pub struct Object<'a>(pub Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Object<'a> {
    /// Reads the outermost layer of `text`.
    ///
    /// # Errors
    ///
    /// When `text` is not one whole JSON object.
    pub fn read(text: &'a str) -> serde_json::Result<Object<'a>> {
        serde_json::from_str(text)
    }

    /// The last member called `name`.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(it, _)| it == name).map(|(_, value)| *value)
    }
}

struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key<'de>, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<'de>, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.push((key, value.get()));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The elements of an array, each as text.
///
/// # Errors
///
/// When `text` is not one whole JSON array.
pub fn array(text: &str) -> serde_json::Result<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text)?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

/// The text of a JSON string, borrowed if it has no escapes.
///
/// # Errors
///
/// When `text` is not one JSON string.
pub fn string(text: &str) -> serde_json::Result<Cow<'_, str>> {
    serde_json::from_str::<Key<'_>>(text).map(|Key(text)| text)
}

/// `name` as a JSON string.
pub fn quote(name: &str) -> String {
    serde_json::to_string(name).expect("a string can be written")
}

/// `base` with the members of `patch` in it; objects inside objects are merged, all else replaced.
///
/// # Errors
///
/// When one of them is not an object.
pub fn merge(base: &str, patch: &str) -> serde_json::Result<String> {
    let (base, patch) = (Object::read(base)?, Object::read(patch)?);
    let mut out = String::from("{");
    for (name, value) in &base.0 {
        match patch.get(name) {
            Some(new) if is_object(value) && is_object(new) => {
                push_member(&mut out, name, &merge(value, new)?);
            }
            Some(new) => push_member(&mut out, name, new),
            None => push_member(&mut out, name, value),
        }
    }
    for (name, value) in &patch.0 {
        if base.get(name).is_none() {
            push_member(&mut out, name, value);
        }
    }
    out.push('}');
    Ok(out)
}

/// Whether two texts say the same. Numbers are the same when they are written the same, since
/// `1` and `1.0` are not the same to whoever reads them back.
pub(crate) fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.trim(), right.trim());
    if left == right {
        return true;
    }
    match (left.as_bytes().first(), right.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => match (Object::read(left), Object::read(right)) {
            (Ok(left), Ok(right)) => {
                left.0.len() == right.0.len()
                    && left.0.iter().all(|(name, value)| {
                        right.get(name).is_some_and(|other| same(value, other))
                    })
            }
            _ => false,
        },
        (Some(b'['), Some(b'[')) => match (array(left), array(right)) {
            (Ok(left), Ok(right)) => {
                left.len() == right.len() && left.iter().zip(&right).all(|(l, r)| same(l, r))
            }
            _ => false,
        },
        (Some(b'"'), Some(b'"')) => {
            matches!((string(left), string(right)), (Ok(left), Ok(right)) if left == right)
        }
        _ => false,
    }
}

/// Which parts of a document to keep: paths with `*`, as in `_source` and `filter_path`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What to keep; empty keeps everything.
    pub includes: Vec<String>,
    /// What to leave out all the same.
    pub excludes: Vec<String>,
}

impl Filter {
    /// Whether it keeps everything.
    pub fn is_all(&self) -> bool {
        self.includes.is_empty() && self.excludes.is_empty()
    }

    /// What it keeps of `text`; an object that loses all its members is left out itself.
    pub fn apply(&self, text: &str) -> String {
        if self.is_all() {
            return text.to_owned();
        }
        self.thin(text, "", self.includes.is_empty()).unwrap_or_else(|| "{}".to_owned())
    }

    /// `kept` says that an including pattern has matched further up.
    fn thin(&self, text: &str, path: &str, kept: bool) -> Option<String> {
        match text.as_bytes().first() {
            Some(b'{') => {
                let object = Object::read(text).ok()?;
                let mut out = String::from("{");
                for (name, value) in &object.0 {
                    let inner =
                        if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                    if let Some(value) = self.judge(value, &inner, kept) {
                        push_member(&mut out, name, &value);
                    }
                }
                out.push('}');
                (out != "{}" || kept && object.0.is_empty()).then_some(out)
            }
            Some(b'[') => {
                let elements = array(text).ok()?;
                let n_elements = elements.len();
                let elements: Vec<String> =
                    elements.into_iter().filter_map(|it| self.thin(it, path, kept)).collect();
                (!elements.is_empty() || kept && n_elements == 0)
                    .then(|| format!("[{}]", elements.join(",")))
            }
            _ => kept.then(|| text.to_owned()),
        }
    }

    fn judge(&self, value: &str, path: &str, kept: bool) -> Option<String> {
        if self.excludes.iter().any(|pattern| matches_path(pattern, path) == Reach::Whole) {
            return None;
        }
        let whole =
            kept || self.includes.iter().any(|pattern| matches_path(pattern, path) == Reach::Whole);
        let inside = whole
            || self.includes.iter().any(|pattern| matches_path(pattern, path) != Reach::Nothing);
        if !inside {
            return None;
        }
        if whole && self.excludes.is_empty() {
            return Some(value.to_owned());
        }
        self.thin(value, path, whole)
    }
}

/// How far a pattern and a path agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The path, or something above it, is what the pattern names.
    Whole,
    /// Something below the path may be.
    Inside,
    Nothing,
}

fn matches_path(pattern: &str, path: &str) -> Reach {
    let pattern: Vec<&str> = pattern.split('.').collect();
    let path: Vec<&str> = path.split('.').collect();
    reach(&pattern, &path)
}

fn reach(pattern: &[&str], path: &[&str]) -> Reach {
    let (Some((first, pattern_rest)), Some((name, path_rest))) =
        (pattern.split_first(), path.split_first())
    else {
        return if pattern.is_empty() { Reach::Whole } else { Reach::Inside };
    };
    if *first == "**" {
        let here = reach(pattern_rest, path);
        return match here {
            Reach::Nothing => match reach(pattern, path_rest) {
                Reach::Nothing => Reach::Inside,
                further => further,
            },
            _ => here,
        };
    }
    // A star at the end reaches through dots: `a.b*` also names what is below `a.bc`.
    if matches_wildcard(first, name) { reach(pattern_rest, path_rest) } else { Reach::Nothing }
}

/// Whether `text` is as `pattern` says, where `*` stands for anything.
pub fn matches_wildcard(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let Some((middle, tail)) = rest.rsplit_once('*') else { return text.ends_with(rest) };
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(tail)
}

fn is_object(text: &str) -> bool {
    text.as_bytes().first() == Some(&b'{')
}

fn push_member(out: &mut String, name: &str, value: &str) {
    if out.len() > 1 {
        out.push(',');
    }
    out.push_str(&quote(name));
    out.push(':');
    out.push_str(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_keeps_every_digit_and_the_order() {
        for (base, patch, merged) in [
            (r#"{"a":1,"b":2}"#, r#"{"b":3,"c":4}"#, r#"{"a":1,"b":3,"c":4}"#),
            (r#"{"n":1.00000000000000000001}"#, "{}", r#"{"n":1.00000000000000000001}"#),
            (r#"{"o":{"x":1,"y":2}}"#, r#"{"o":{"y":3}}"#, r#"{"o":{"x":1,"y":3}}"#),
            (r#"{"o":{"x":1}}"#, r#"{"o":null}"#, r#"{"o":null}"#),
            (r#"{"o":1}"#, r#"{"o":{"x":1}}"#, r#"{"o":{"x":1}}"#),
        ] {
            assert_eq!(merge(base, patch).unwrap(), merged, "{base} + {patch}");
        }
    }

    #[test]
    fn the_same_is_said_in_any_order_and_any_spelling_of_a_string() {
        for (left, right, are_same) in [
            (r#"{"a":1,"b":[1,2]}"#, r#"{"b":[1, 2], "a":1}"#, true),
            (r#""\u0041""#, r#""A""#, true),
            ("1", "1.0", false),
            ("[1,2]", "[2,1]", false),
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false),
            ("null", "null", true),
        ] {
            assert_eq!(same(left, right), are_same, "{left} {right}");
        }
    }

    #[test]
    fn a_filter_keeps_what_is_named() {
        let text = r#"{"a":{"b":1,"c":{"d":2}},"ab":3,"l":[{"x":1,"y":2},{"y":3}]}"#;
        for (includes, excludes, kept) in [
            ("", "", text),
            ("a", "", r#"{"a":{"b":1,"c":{"d":2}}}"#),
            ("a.b", "", r#"{"a":{"b":1}}"#),
            ("a*", "", r#"{"a":{"b":1,"c":{"d":2}},"ab":3}"#),
            ("a.*.d", "", r#"{"a":{"c":{"d":2}}}"#),
            ("**.y", "", r#"{"l":[{"y":2},{"y":3}]}"#),
            ("l.x", "", r#"{"l":[{"x":1}]}"#),
            ("", "a,l.y", r#"{"ab":3,"l":[{"x":1}]}"#),
            ("a", "a.c", r#"{"a":{"b":1}}"#),
            ("nope", "", "{}"),
        ] {
            let list = |text: &str| {
                text.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect()
            };
            let filter = Filter { includes: list(includes), excludes: list(excludes) };
            assert_eq!(filter.apply(text), kept, "+{includes} -{excludes}");
        }
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "ab", false),
            ("a*b*c", "a-b-b-c", true),
            ("aa*aa", "aaa", false),
            ("abc", "abc", true),
        ] {
            assert_eq!(matches_wildcard(pattern, text), matches, "{pattern} {text}");
        }
    }
}
