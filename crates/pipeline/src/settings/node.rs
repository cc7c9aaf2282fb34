//! Settings as a tree in which everything knows where it was written. Pure.

use std::{ops::Range, sync::Arc};

/// A value, and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) tree: Tree,
    /// How many nodes it is when every alias is written out.
    pub(super) n_nodes: usize,
    /// How many levels lie below it.
    pub(super) depth: usize,
}

/// What a value can be. Parts are shared, so that an alias costs nothing.
#[derive(Debug)]
pub(super) enum Tree {
    Scalar(Scalar),
    List(Vec<Arc<Node>>),
    Map(Vec<Entry>),
}

/// One value by itself, as text; what it means is decided by who reads it.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Written with quotes or as a block, so it is text even if it looks like a number.
    pub(super) quoted: bool,
    /// The text came from elsewhere (a secret, the environment) and is not to be shown.
    pub(super) hidden: bool,
    /// It is the value, and not a reference to one that is still to be looked up.
    pub(super) resolved: bool,
}

/// One key of a map, and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) node: Arc<Node>,
}

impl Node {
    pub(super) fn new(span: Range<usize>, tree: Tree) -> Node {
        let (mut n_nodes, mut depth) = (1usize, 0);
        let mut count = |node: &Node| {
            n_nodes = n_nodes.saturating_add(node.n_nodes);
            depth = depth.max(node.depth + 1);
        };
        match &tree {
            Tree::Scalar(_) => {}
            Tree::List(nodes) => nodes.iter().for_each(|node| count(node)),
            Tree::Map(entries) => entries.iter().for_each(|entry| count(&entry.node)),
        }
        Node { span, tree, n_nodes, depth }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(&self.tree, Tree::Scalar(scalar) if scalar.meaning() == Meaning::Null)
    }

    /// What it is, for a message.
    pub(super) fn describe(&self) -> String {
        match &self.tree {
            Tree::Scalar(scalar) if scalar.meaning() == Meaning::Null => "nothing".to_owned(),
            Tree::Scalar(scalar) if scalar.text.is_empty() => "an empty text".to_owned(),
            Tree::Scalar(scalar) => scalar.show(),
            Tree::List(_) => "a list".to_owned(),
            Tree::Map(_) => "a map".to_owned(),
        }
    }
}

/// What a scalar means when nobody asked for a certain type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Null,
    Bool(bool),
    Number,
    Text,
}

impl Scalar {
    pub(super) fn written(text: String, quoted: bool) -> Scalar {
        Scalar { text, quoted, hidden: false, resolved: true }
    }

    pub(super) fn meaning(&self) -> Meaning {
        match self.text.as_str() {
            _ if self.quoted => Meaning::Text,
            "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
            "true" | "True" | "TRUE" => Meaning::Bool(true),
            "false" | "False" | "FALSE" => Meaning::Bool(false),
            text if text.parse::<crate::Number>().is_ok() => Meaning::Number,
            _ => Meaning::Text,
        }
    }

    /// The text for a message: shortened, and not at all if it is a secret.
    pub(super) fn show(&self) -> String {
        const SHOWN_MAX: usize = 60;
        if self.hidden {
            return "the referenced value".to_owned();
        }
        let line = self.text.lines().next().unwrap_or_default();
        let mut shown: String = line.chars().take(SHOWN_MAX).collect();
        if shown.len() < self.text.trim_end().len() {
            shown.push('…');
        }
        format!("`{shown}`")
    }
}
