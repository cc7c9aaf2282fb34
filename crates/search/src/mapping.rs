//! What an index knows of its fields: a tree of objects and typed fields. Pure.
//!
//! [`read`] makes one from the JSON of a request, [`merge`] lets it grow, and it is written again
//! with exactly the parameters that were given. Text fields are given a slot of the index, see
//! `fields.rs`.

mod dynamic;
mod kind;
mod merge;
mod read;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use crate::{
    analysis::Analyzer,
    date::Formats,
    error::{Failure, Result},
};

pub(crate) use dynamic::Sight;
use dynamic::Template;
pub(crate) use kind::{Bits, Kind};

/// The mapping of an index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    /// The fields.
    pub(crate) root: Object,
    /// What stands beside `properties` and is only kept: `_meta`, `_source`, `_routing`, ….
    pub(crate) extras: Map<String, Value>,
    /// How to map fields that nobody declared.
    pub(crate) templates: Vec<Template>,
}

/// What to do with a field that is not in the mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dynamic {
    /// Add it.
    #[default]
    Add,
    /// Keep it in `_source` only.
    Ignore,
    /// Refuse the document.
    Refuse,
}

/// An object: fields inside a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    /// As it was given, and is inherited if it was not.
    pub dynamic: Option<Dynamic>,
    /// Whether what is inside is looked at.
    pub enabled: bool,
    /// Whether it was declared `nested`.
    pub nested: bool,
    pub properties: BTreeMap<String, Node>,
}

impl Default for Object {
    fn default() -> Object {
        Object { dynamic: None, enabled: true, nested: false, properties: BTreeMap::new() }
    }
}

/// A branch or a leaf of the tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Object(Object),
    Field(Arc<Field>),
}

/// A typed field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// Its name with those of the objects around it: `a.b`.
    pub(crate) path: Arc<str>,
    pub(crate) kind: Kind,
    /// The parameters as they were given, without `type` and `fields`.
    pub(crate) params: Map<String, Value>,
    pub(crate) index: bool,
    /// A string longer than this many characters is not indexed.
    pub(crate) ignore_above: Option<usize>,
    pub(crate) ignore_malformed: bool,
    pub(crate) coerce: bool,
    /// What to index in place of `null`.
    pub(crate) null_value: Option<Value>,
    pub(crate) copy_to: Vec<String>,
    pub(crate) formats: Formats,
    pub(crate) analyzer: Analyzer,
    pub(crate) search_analyzer: Option<Analyzer>,
    pub(crate) lowercase: bool,
    /// Where the words of a text field are indexed.
    pub(crate) slot: Option<u16>,
    /// The same value, indexed in other ways.
    pub(crate) fields: BTreeMap<String, Arc<Field>>,
}

/// How many fields, objects and multi-fields a mapping may have, unless the index says otherwise.
pub(crate) const FIELDS_MAX: usize = 1000;
/// How deep objects may be nested.
pub(crate) const DEPTH_MAX: usize = 20;

impl Mapping {
    /// Reads the mapping of a request.
    ///
    /// # Errors
    ///
    /// When a type or parameter is unknown or wrong.
    pub fn read(value: &Value) -> Result<Mapping> {
        read::mapping(value)
    }

    /// Takes over the fields of `other`.
    ///
    /// # Errors
    ///
    /// When a field has another type in `other`, or changes what cannot change.
    pub fn merge(&mut self, other: Mapping) -> Result<()> {
        merge::mapping(self, other)
    }

    /// As a client reads it.
    pub fn to_json(&self) -> Value {
        let mut out = self.extras.clone();
        if !self.templates.is_empty() {
            out.insert(
                "dynamic_templates".into(),
                self.templates.iter().map(Template::to_json).collect(),
            );
        }
        write_object(&self.root, &mut out);
        Value::Object(out)
    }

    /// The field at `path`: one that holds values, a multi-field, or what an alias stands for.
    pub(crate) fn field(&self, path: &str) -> Option<&Arc<Field>> {
        let field = self.find(path)?;
        match &field.kind {
            Kind::Alias(target) => self.find(target),
            _ => Some(field),
        }
    }

    /// The analyzer of the text field at `path`.
    pub fn analyzer(&self, path: &str) -> Option<Analyzer> {
        self.field(path).filter(|it| matches!(it.kind, Kind::Text)).map(|it| it.analyzer)
    }

    fn find(&self, path: &str) -> Option<&Arc<Field>> {
        let mut object = &self.root;
        let mut rest = path;
        loop {
            // A name may have dots only in the path, never in the tree.
            let (name, further) = match rest.split_once('.') {
                Some((name, further)) => (name, Some(further)),
                None => (rest, None),
            };
            match (object.properties.get(name)?, further) {
                (Node::Field(field), None) => return Some(field),
                (Node::Field(field), Some(name)) => return field.fields.get(name),
                (Node::Object(_), None) => return None,
                (Node::Object(inner), Some(further)) => (object, rest) = (inner, further),
            }
        }
    }

    /// Every field and multi-field, in the order of their paths.
    pub(crate) fn fields(&self) -> Vec<&Arc<Field>> {
        fn walk<'a>(object: &'a Object, out: &mut Vec<&'a Arc<Field>>) {
            for node in object.properties.values() {
                match node {
                    Node::Object(inner) => walk(inner, out),
                    Node::Field(field) => {
                        out.push(field);
                        out.extend(field.fields.values());
                    }
                }
            }
        }
        let mut out = Vec::new();
        walk(&self.root, &mut out);
        out
    }

    /// The fields at or below `path`, which may have `*` in it.
    pub(crate) fn matching(&self, pattern: &str) -> Vec<&Arc<Field>> {
        if let Some(field) = self.field(pattern) {
            return vec![field];
        }
        let below = format!("{pattern}.");
        self.fields()
            .into_iter()
            .filter(|it| {
                crate::raw::matches_wildcard(pattern, &it.path) || it.path.starts_with(&below)
            })
            .filter(|it| !matches!(it.kind, Kind::Alias(_)))
            .collect()
    }

    /// How many fields, objects and multi-fields there are.
    pub(crate) fn size(&self) -> usize {
        fn size(object: &Object) -> usize {
            let nodes = object.properties.values();
            nodes
                .map(|node| match node {
                    Node::Object(inner) => 1 + size(inner),
                    Node::Field(field) => 1 + field.fields.len(),
                })
                .sum()
        }
        size(&self.root)
    }

    /// Refuses a mapping that has grown too large.
    ///
    /// # Errors
    ///
    /// When it has more than `fields_max` fields, or objects too deep.
    pub(crate) fn check_limits(&self, index: &str, fields_max: usize) -> Result<()> {
        fn depth(object: &Object) -> usize {
            let nodes = object.properties.values();
            let inner = nodes.filter_map(|node| match node {
                Node::Object(inner) => Some(depth(inner)),
                Node::Field(_) => None,
            });
            1 + inner.max().unwrap_or_default()
        }
        if fields_max < self.size() {
            return Err(Failure::illegal_argument(format!(
                "Limit of total fields [{fields_max}] in index [{index}] has been exceeded"
            )));
        }
        if DEPTH_MAX < depth(&self.root) {
            return Err(Failure::illegal_argument(format!(
                "Limit of mapping depth [{DEPTH_MAX}] in index [{index}] has been exceeded"
            )));
        }
        Ok(())
    }

    /// Which text field has which slot.
    pub(crate) fn slots(&self) -> BTreeMap<String, u16> {
        let fields = self.fields();
        fields.iter().filter_map(|it| Some((it.path.to_string(), it.slot?))).collect()
    }

    /// Gives the text fields the slots they had, and the next free ones to those that had none.
    pub(crate) fn give_slots(&mut self, before: &BTreeMap<String, u16>) {
        let mut next = before.values().max().map_or(0, |it| it + 1);
        self.root.for_each_field(&mut |field| {
            if matches!(field.kind, Kind::Text) && field.index && field.slot.is_none() {
                let field = Arc::make_mut(field);
                field.slot = Some(before.get(&*field.path).copied().unwrap_or_else(|| {
                    next += 1;
                    next - 1
                }));
            }
        });
    }
}

impl Object {
    fn for_each_field(&mut self, visit: &mut impl FnMut(&mut Arc<Field>)) {
        for node in self.properties.values_mut() {
            match node {
                Node::Object(inner) => inner.for_each_field(visit),
                Node::Field(field) => {
                    visit(field);
                    if field.fields.values().any(|it| matches!(it.kind, Kind::Text)) {
                        Arc::make_mut(field).fields.values_mut().for_each(&mut *visit);
                    }
                }
            }
        }
    }
}

fn write_object(object: &Object, out: &mut Map<String, Value>) {
    if let Some(dynamic) = object.dynamic {
        let dynamic = match dynamic {
            Dynamic::Add => "true",
            Dynamic::Ignore => "false",
            Dynamic::Refuse => "strict",
        };
        out.insert("dynamic".into(), dynamic.into());
    }
    if !object.enabled {
        out.insert("enabled".into(), false.into());
    }
    if object.nested {
        out.insert("type".into(), "nested".into());
    }
    if !object.properties.is_empty() {
        let properties = object.properties.iter().map(|(name, node)| {
            let node = match node {
                Node::Object(inner) => {
                    let mut out = Map::new();
                    write_object(inner, &mut out);
                    if out.is_empty() {
                        out.insert("type".into(), "object".into());
                    }
                    Value::Object(out)
                }
                Node::Field(field) => field.to_json(),
            };
            (name.clone(), node)
        });
        out.insert("properties".into(), Value::Object(properties.collect()));
    }
}

impl Field {
    /// As a client reads it.
    pub(crate) fn to_json(&self) -> Value {
        let mut out = self.params.clone();
        out.insert("type".into(), self.kind.name().into());
        if !self.fields.is_empty() {
            let fields = self.fields.iter().map(|(name, it)| (name.clone(), it.to_json()));
            out.insert("fields".into(), Value::Object(fields.collect()));
        }
        json!(out)
    }
}

#[cfg(test)]
mod tests;
