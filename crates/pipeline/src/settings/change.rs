//! Settings made of others: some left out, some values put in from elsewhere. Pure.

use std::sync::Arc;

use super::{
    Settings,
    node::{Entry, Meaning, Node, Scalar, Tree},
};

/// What stands in place of a value that only refers to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Substitute {
    /// The value itself: it stays as it is written.
    AsWritten,
    /// A text from elsewhere. Messages will not show it.
    Text(String),
    /// A text that is not known yet. Reading it is a mistake until it is put in.
    Unresolved,
}

impl Settings {
    /// The same without the settings called `names`.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Settings {
        let Tree::Map(entries) = &self.node.tree else { return self.clone() };
        let others = entries.iter().filter(|entry| !names.contains(&entry.key.as_str()));
        self.with_tree(Tree::Map(others.map(Entry::clone).collect()))
    }

    /// No settings at all, for a plugin of which only the name is given.
    #[must_use]
    pub fn none_given(&self) -> Settings {
        self.with_tree(Tree::Map(Vec::new()))
    }

    /// The same with what the map called `name` lacks and `defaults` has. Nothing changes where
    /// there is no such map, unless `even_missing` says that it is to be there.
    #[must_use]
    pub fn with_defaults(&self, name: &str, defaults: &Settings, even_missing: bool) -> Settings {
        let (Tree::Map(entries), Tree::Map(defaults)) = (&self.node.tree, &defaults.node.tree)
        else {
            return self.clone();
        };
        let complete = |node: &Node| {
            let own: &[Entry] = match &node.tree {
                Tree::Map(own) => own,
                Tree::Scalar(_) if node.is_null() => &[],
                _ => return None,
            };
            let is_missing = |it: &&Entry| own.iter().all(|own| own.key != it.key);
            let all = own.iter().chain(defaults.iter().filter(is_missing)).cloned().collect();
            Some(Arc::new(Node::new(node.span.clone(), Tree::Map(all))))
        };
        let mut entries = entries.clone();
        match entries.iter_mut().find(|it| it.key == name) {
            Some(entry) => {
                if let Some(node) = complete(&entry.node) {
                    entry.node = node;
                }
            }
            None if even_missing => {
                let (key, key_span) = (name.to_owned(), self.place().span);
                let tree = Tree::Map(defaults.clone());
                let node = Arc::new(Node::new(self.node.span.clone(), tree));
                entries.push(Entry { key, key_span, node });
            }
            None => {}
        }
        self.with_tree(Tree::Map(entries))
    }

    /// The same with every text replaced by what `substitute` says. It is told the names on the way
    /// to the text, outermost first, and the text.
    #[must_use]
    pub fn substituted(
        &self,
        substitute: &mut dyn FnMut(&[&str], &Settings) -> Substitute,
    ) -> Settings {
        self.substituted_in(&[], substitute)
    }

    fn substituted_in(
        &self,
        names: &[&str],
        substitute: &mut dyn FnMut(&[&str], &Settings) -> Substitute,
    ) -> Settings {
        let tree = match &self.node.tree {
            Tree::Scalar(scalar) if scalar.meaning() == Meaning::Null => return self.clone(),
            Tree::Scalar(scalar) => {
                let (text, resolved) = match substitute(names, self) {
                    Substitute::AsWritten => return self.clone(),
                    Substitute::Text(text) => (text, true),
                    Substitute::Unresolved => (scalar.text.clone(), false),
                };
                Tree::Scalar(Scalar { text, quoted: true, hidden: resolved, resolved })
            }
            Tree::List(nodes) => Tree::List(
                nodes
                    .iter()
                    .map(|node| self.part(node, None).substituted_in(names, substitute).node)
                    .collect(),
            ),
            Tree::Map(entries) => {
                let replaced = |entry: &Entry| {
                    let names: Vec<&str> = names.iter().copied().chain([&*entry.key]).collect();
                    let node = self.entry(entry).substituted_in(&names, substitute).node;
                    Entry { node, ..entry.clone() }
                };
                Tree::Map(entries.iter().map(replaced).collect())
            }
        };
        self.with_tree(tree)
    }

    fn with_tree(&self, tree: Tree) -> Settings {
        let node = Arc::new(Node::new(self.node.span.clone(), tree));
        let key_span = Some(self.key_span.clone().unwrap_or_else(|| self.place().span));
        Settings { node, key_span, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Config {
        hosts: Vec<String>,
        port: Option<u16>,
    }

    fn settings(text: &str) -> Settings {
        Settings::from_yaml(text).unwrap().substituted(&mut |names, value| match (
            names[0],
            value.text(),
        ) {
            ("port", Some("$PORT")) => Substitute::Text("9200".into()),
            ("hosts", Some("$HOST")) => Substitute::Text("a secret".into()),
            (_, Some("$LATER")) => Substitute::Unresolved,
            _ => Substitute::AsWritten,
        })
    }

    #[test]
    fn values_come_from_elsewhere_but_keep_their_place() {
        let found: Config = settings("hosts: [a, $HOST]\nport: $PORT").read().unwrap();
        assert_eq!(found, Config { hosts: vec!["a".into(), "a secret".into()], port: Some(9200) });
        let error = settings("hosts: []\nport: $HOST").read::<Config>().unwrap_err();
        let expected = "settings:2:7: port: expected a whole number from 0 to 65535, found `$HOST`";
        assert_eq!(error.to_string(), expected, "the setting is another, so nothing is put in");
    }

    #[test]
    fn what_came_from_elsewhere_is_not_shown() {
        let settings = Settings::from_yaml("hosts: []\nport: x").unwrap();
        let settings = settings.substituted(&mut |_, _| Substitute::Text("hunter2".into()));
        let error = settings.read::<Config>().unwrap_err();
        let expected = "settings:2:7: port: expected a whole number from 0 to 65535, found the \
                        referenced value";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_is_not_resolved_cannot_be_read() {
        let error = settings("hosts: [$LATER]").read::<Config>().unwrap_err();
        let expected = "settings:1:9: hosts[0]: `$LATER` has not been resolved";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_is_missing_is_filled_in_from_defaults() {
        let defaults = Settings::from_yaml("{region: a, role: b}").unwrap();
        for (text, even_missing, expected) in [
            ("aws: {region: x}", false, r#"{"aws":{"region":"x","role":"b"}}"#),
            ("aws:", false, r#"{"aws":{"region":"a","role":"b"}}"#),
            ("other: 1", false, r#"{"other":1}"#),
            ("other: 1", true, r#"{"other":1,"aws":{"region":"a","role":"b"}}"#),
            ("aws: [1]", true, r#"{"aws":[1]}"#),
        ] {
            let settings = Settings::from_yaml(text).unwrap();
            let filled = settings.with_defaults("aws", &defaults, even_missing);
            assert_eq!(filled.masked().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn settings_can_be_left_out_and_keep_their_place() {
        let all = Settings::from_yaml("a: {routes: [x], hosts: []}").unwrap().get("a").unwrap();
        let without = all.without(&["routes", "nowhere"]);
        assert!(without.get("routes").is_none());
        assert_eq!(without.read::<Config>().unwrap().hosts.len(), 0);
        assert_eq!(without.place(), all.place());
        assert!(all.none_given().entries().is_empty());
    }
}
