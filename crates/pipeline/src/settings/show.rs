//! Settings to be looked at, or compared: with what is secret masked, or as they are. Pure.

use std::fmt::Write;

use super::{
    Settings,
    node::{Meaning, Node, Scalar, Tree},
};
use crate::{Map, Value};

/// Stands for what is not shown.
const MASK: &str = "***";
/// A setting whose name has one of these in it is not shown.
const SECRET: [&str; 4] = ["password", "token", "client_key", "external_id"];

impl Settings {
    /// All of it, but for passwords and whatever came from a secret, the environment or a file.
    pub fn masked(&self) -> Value {
        masked(&self.node, false)
    }

    /// A text that is the same for the same settings, wherever they stand. It holds every secret:
    /// compare it, and show it to nobody.
    pub fn fingerprint(&self) -> String {
        let mut text = String::new();
        write_all(&self.node, &mut text);
        text
    }
}

fn masked(node: &Node, is_secret: bool) -> Value {
    match &node.tree {
        Tree::Scalar(scalar) => match scalar.meaning() {
            Meaning::Null => Value::Null,
            _ if is_secret || scalar.hidden => MASK.into(),
            Meaning::Bool(value) => value.into(),
            Meaning::Number => match scalar.text.parse() {
                Ok(number) => Value::Number(number),
                Err(_) => scalar.text.as_str().into(),
            },
            Meaning::Text => without_password(scalar).into(),
        },
        Tree::List(nodes) => Value::List(nodes.iter().map(|it| masked(it, is_secret)).collect()),
        Tree::Map(entries) => {
            let entries = entries.iter().map(|entry| {
                let name = entry.key.to_ascii_lowercase();
                let is_secret = is_secret || SECRET.iter().any(|it| name.contains(it));
                (entry.key.clone(), masked(&entry.node, is_secret))
            });
            Value::Map(entries.collect::<Map>())
        }
    }
}

/// `https://name:password@host` as `https://***@host`.
fn without_password(scalar: &Scalar) -> String {
    let text = &scalar.text;
    let Some((scheme, rest)) = text.split_once("://") else { return text.clone() };
    let host = rest.split('/').next().unwrap_or_default();
    match host.rsplit_once('@') {
        Some((who, _)) => format!("{scheme}://{MASK}{}", &rest[who.len()..]),
        None => text.clone(),
    }
}

fn write_all(node: &Node, out: &mut String) {
    match &node.tree {
        Tree::Scalar(scalar) => {
            out.push(if scalar.quoted { '"' } else { '\'' });
            // So that no text can look like two.
            let _ = write!(out, "{:?}", scalar.text);
        }
        Tree::List(nodes) => {
            out.push('[');
            for node in nodes {
                write_all(node, out);
                out.push(',');
            }
            out.push(']');
        }
        Tree::Map(entries) => {
            out.push('{');
            for entry in entries {
                let _ = write!(out, "{:?}:", entry.key);
                write_all(&entry.node, out);
                out.push(',');
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Substitute;

    fn settings(text: &str) -> Settings {
        Settings::from_yaml(text).unwrap().substituted(&mut |_, value| match value.text() {
            Some("$HOST") => Substitute::Text("http://secret".into()),
            _ => Substitute::AsWritten,
        })
    }

    #[test]
    fn what_is_secret_is_masked_and_nothing_else() {
        let all = settings(
            "hosts: [$HOST, 'https://me:pw@b:1/x@y']\npassword: hunter2\nbulk_size: 1.50\n\
             authentication: {http_basic: {my_password: [a, b]}, username: me}\nnone:\nyes: true",
        );
        assert_eq!(
            all.masked().to_string(),
            r#"{"hosts":["***","https://***@b:1/x@y"],"password":"***","bulk_size":1.50,"authentication":{"http_basic":{"my_password":["***","***"]},"username":"me"},"none":null,"yes":true}"#
        );
    }

    #[test]
    fn settings_are_compared_by_what_they_say_and_not_by_where() {
        let same = |a: &str, b: &str| settings(a).fingerprint() == settings(b).fingerprint();
        assert!(same("a: [1, x]\n# note\nb: 2", "a:\n  - 1\n  - x\nb: 2"));
        assert!(!same("a: 1", "a: '1'"));
        assert!(!same("a: [x, y]", "a: ['x,y']"));
        assert!(!same("a: $HOST", "a: other"));
    }
}
