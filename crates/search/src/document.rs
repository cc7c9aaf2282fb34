//! A document taken apart by the mapping of its index. Pure.
//!
//! A field that the mapping does not know is no error but an [`Outcome::Unmapped`]: the mapping
//! grows by what was seen, and the document is read again.

mod value;

use std::{collections::HashSet, sync::Arc};

use crate::{
    error::{Failure, Result},
    fields::{Leaf, Parsed},
    mapping::{Dynamic, Field, Kind, Mapping, Node, Object, Sight},
    raw,
};

pub(crate) use value::{leaf, normalize};

/// How deep a document may be nested.
const DEPTH_MAX: usize = 100;
/// The largest string that fits into one term, in bytes.
const TERM_BYTES_MAX: usize = 32_766;
/// Names that belong to OpenSearch.
const METADATA: [&str; 7] =
    ["_id", "_index", "_source", "_version", "_seq_no", "_routing", "_field_names"];

/// What reading a document came to.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Parsed(Parsed),
    /// The mapping has to grow first, by these fields.
    Unmapped(Vec<(String, Sight)>),
}

/// Takes `source`, the document `id`, apart.
///
/// # Errors
///
/// When it is not an object, or a value does not fit its field.
pub(crate) fn parse(mapping: &Mapping, id: &str, source: &str) -> Result<Outcome> {
    let mut reader = Reader {
        mapping,
        id,
        parsed: Parsed::default(),
        unmapped: Vec::new(),
        templates: mapping.templates.is_empty(),
        grows: true,
    };
    if DEPTH_MAX < depth(source) {
        return Err(Failure::mapper_parsing(format!(
            "The document is nested deeper than [{DEPTH_MAX}] levels"
        )));
    }
    let members = raw::Object::read(source).map_err(|error| malformed(&error, source))?;
    reader.object(&members, &mapping.root, "", mapping.root.dynamic.unwrap_or_default())?;
    if reader.unmapped.is_empty() {
        Ok(Outcome::Parsed(reader.parsed))
    } else {
        Ok(Outcome::Unmapped(reader.unmapped))
    }
}

/// What of a document fits the mapping as it is; for documents that were accepted before.
pub(crate) fn parse_known(mapping: &Mapping, id: &str, source: &[u8]) -> Parsed {
    let mut reader = Reader {
        mapping,
        id,
        parsed: Parsed::default(),
        unmapped: Vec::new(),
        templates: mapping.templates.is_empty(),
        grows: false,
    };
    let text = std::str::from_utf8(source).unwrap_or_default();
    if let Ok(members) = raw::Object::read(text) {
        // It fitted when it came. Should it not do so now, it is still found by its id.
        let _ = reader.object(&members, &mapping.root, "", Dynamic::Ignore);
    }
    reader.parsed
}

/// How deep lists and objects lie inside each other.
fn depth(source: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in source.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn malformed(error: &serde_json::Error, source: &str) -> Failure {
    let failure = Failure::mapper_parsing("failed to parse");
    if error.is_data() && !source.trim_start().starts_with('{') {
        return failure.caused_by(Failure::new(
            400,
            "not_x_content_exception",
            "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes",
        ));
    }
    failure.caused_by(Failure::new(400, "json_parse_exception", error.to_string()))
}

struct Reader<'a> {
    mapping: &'a Mapping,
    id: &'a str,
    parsed: Parsed,
    unmapped: Vec<(String, Sight)>,
    /// Whether there are none, and an unknown object need not be asked about them.
    templates: bool,
    /// Whether unknown fields are reported, rather than passed over.
    grows: bool,
}

impl Reader<'_> {
    fn object(
        &mut self,
        members: &raw::Object<'_>,
        object: &Object,
        path: &str,
        dynamic: Dynamic,
    ) -> Result<()> {
        no_duplicates(members)?;
        for (name, value) in &members.0 {
            if path.is_empty() && METADATA.contains(&name.as_ref()) {
                return Err(Failure::mapper_parsing(format!(
                    "Field [{name}] is a metadata field and cannot be added inside a document. \
                     Use the index API request parameters."
                )));
            }
            if name.split('.').any(|it| it.trim().is_empty()) {
                return Err(bad_name(name, path));
            }
            match name.split_once('.') {
                None => self.member(name, value, object, path, dynamic)?,
                Some(_) => self.dotted(name, value, object, path, dynamic)?,
            }
        }
        Ok(())
    }

    /// A name with dots says the same as objects inside each other.
    fn dotted(
        &mut self,
        name: &str,
        value: &str,
        object: &Object,
        path: &str,
        dynamic: Dynamic,
    ) -> Result<()> {
        let (first, rest) = name.split_once('.').expect("it has a dot");
        let wrapped = format!("{{{}:{value}}}", raw::quote(rest));
        self.member(first, &wrapped, object, path, dynamic)
    }

    fn member(
        &mut self,
        name: &str,
        value: &str,
        object: &Object,
        path: &str,
        dynamic: Dynamic,
    ) -> Result<()> {
        match object.properties.get(name) {
            Some(Node::Field(field)) => self.field(field, value),
            Some(Node::Object(inner)) if !inner.enabled => Ok(()),
            Some(Node::Object(inner)) => {
                let full = join(path, name);
                self.known_object(inner, value, &full, inner.dynamic.unwrap_or(dynamic))
            }
            None => match dynamic {
                _ if !self.grows => Ok(()),
                Dynamic::Ignore => Ok(()),
                Dynamic::Refuse if value == "null" => Ok(()),
                Dynamic::Refuse => Err(Failure::new(
                    400,
                    "strict_dynamic_mapping_exception",
                    format!(
                        "mapping set to strict, dynamic introduction of [{name}] within [{}] is not allowed",
                        if path.is_empty() { "_doc" } else { path }
                    ),
                )),
                Dynamic::Add => {
                    let full = join(path, name);
                    self.unknown(value, &full)
                }
            },
        }
    }

    fn known_object(
        &mut self,
        object: &Object,
        value: &str,
        path: &str,
        dynamic: Dynamic,
    ) -> Result<()> {
        match value.as_bytes().first() {
            Some(b'{') => {
                let members = raw::Object::read(value).map_err(|it| malformed(&it, value))?;
                self.object(&members, object, path, dynamic)
            }
            Some(b'[') => {
                for element in raw::array(value).map_err(|it| malformed(&it, value))? {
                    self.known_object(object, element, path, dynamic)?;
                }
                Ok(())
            }
            Some(b'n') => Ok(()),
            _ => Err(Failure::mapper_parsing(format!(
                "object mapping for [{path}] tried to parse field [{path}] as object, but found a concrete value"
            ))),
        }
    }

    fn unknown(&mut self, value: &str, path: &str) -> Result<()> {
        let sight = match value.as_bytes().first() {
            Some(b'n') => return Ok(()),
            Some(b'{') => {
                let members = raw::Object::read(value).map_err(|it| malformed(&it, value))?;
                if members.0.is_empty() || !self.templates {
                    self.unmapped.push((path.to_owned(), Sight::Object));
                }
                return self.object(&members, &Object::default(), path, Dynamic::Add);
            }
            Some(b'[') => {
                // The first element that says something decides; the others are checked when the
                // document is read again.
                for element in raw::array(value).map_err(|it| malformed(&it, value))? {
                    let n_before = self.unmapped.len();
                    self.unknown(element, path)?;
                    if n_before < self.unmapped.len() && !element.starts_with('{') {
                        break;
                    }
                }
                return Ok(());
            }
            Some(b'"') => {
                let text = raw::string(value).map_err(|it| malformed(&it, value))?;
                Sight::String(text.into_owned())
            }
            Some(b't' | b'f') => Sight::Boolean,
            _ => Sight::Number(value.to_owned()),
        };
        self.unmapped.push((path.to_owned(), sight));
        Ok(())
    }

    fn field(&mut self, field: &Arc<Field>, value: &str) -> Result<()> {
        match value.as_bytes().first() {
            Some(b'[') => {
                for element in raw::array(value).map_err(|it| malformed(&it, value))? {
                    self.field(field, element)?;
                }
                Ok(())
            }
            Some(b'n') => match &field.null_value {
                Some(null_value) => self.one(field, &null_value.to_string()),
                None => Ok(()),
            },
            _ => {
                self.one(field, value)?;
                for target in &field.copy_to {
                    match self.mapping.field(target) {
                        Some(target) => self.one(&Arc::clone(target), value)?,
                        None if self.grows => self.unknown(value, target)?,
                        None => {}
                    }
                }
                Ok(())
            }
        }
    }

    /// One value that is neither a list nor null, in the field and all its multi-fields.
    fn one(&mut self, field: &Arc<Field>, value: &str) -> Result<()> {
        match self.value(field, value) {
            Ok(()) => {}
            Err(_) if field.ignore_malformed && !value.starts_with('{') => {
                self.parsed.values.push(("_ignored".into(), Leaf::Str((*field.path).into())));
            }
            Err(cause) => return Err(self.refuse(field, value, cause)),
        }
        for other in field.fields.values() {
            self.one(other, value)?;
        }
        Ok(())
    }

    fn value(&mut self, field: &Arc<Field>, value: &str) -> Result<()> {
        if let Kind::Alias(_) = field.kind {
            return Err(Failure::illegal_argument(format!(
                "Cannot write to a field alias [{}].",
                field.path
            )));
        }
        if value.starts_with('{') && !matches!(field.kind, Kind::Opaque(_)) {
            return Err(Failure::new(
                400,
                "illegal_state_exception",
                format!("Can't get text on a START_OBJECT at {}", field.path),
            ));
        }
        if !field.kind.is_searchable() {
            return Ok(());
        }
        if let Kind::Text = field.kind {
            let text = value::text(value)?;
            if field.index {
                self.present(&field.path);
                let slot = field.slot.expect("a text field has a slot");
                self.parsed.words.push((slot, text.as_ref().into()));
            }
            return Ok(());
        }
        let Some(leaf) = leaf(field, value)? else { return Ok(()) };
        if let Leaf::Str(text) = &leaf
            && TERM_BYTES_MAX < text.len()
        {
            return Err(Failure::illegal_argument(format!(
                "Document contains at least one immense term in field=\"{}\" (whose UTF8 encoding \
                 is longer than the max length {TERM_BYTES_MAX}), all of which were skipped. \
                 Please correct the analyzer to not produce such terms.",
                field.path
            )));
        }
        self.parsed.values.push((Arc::clone(&field.path), leaf));
        Ok(())
    }

    fn present(&mut self, path: &Arc<str>) {
        // Values of one field stand together.
        if self.parsed.present.last() != Some(path) {
            self.parsed.present.push(Arc::clone(path));
        }
    }

    fn refuse(&self, field: &Field, value: &str, cause: Failure) -> Failure {
        if cause.reason.starts_with("Document contains at least one immense term") {
            return cause;
        }
        let shown = value.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(value);
        let preview: String = shown.chars().take(200).collect();
        Failure::mapper_parsing(format!(
            "failed to parse field [{}] of type [{}] in document with id '{}'. Preview of field's value: '{preview}'",
            field.path,
            field.kind.name(),
            self.id
        ))
        .caused_by(cause)
    }
}

fn bad_name(name: &str, path: &str) -> Failure {
    let cause = if name.is_empty() {
        "field name cannot be an empty string".to_owned()
    } else {
        format!(
            "object field starting or ending with a [.] makes object resolution ambiguous: [{}]",
            join(path, name)
        )
    };
    Failure::mapper_parsing("failed to parse").caused_by(Failure::illegal_argument(cause))
}

fn no_duplicates(members: &raw::Object<'_>) -> Result<()> {
    let mut seen = HashSet::with_capacity(members.0.len());
    match members.0.iter().find(|(name, _)| !seen.insert(name.as_ref())) {
        None => Ok(()),
        Some((name, _)) => Err(Failure::mapper_parsing("failed to parse").caused_by(Failure::new(
            400,
            "json_parse_exception",
            format!("Duplicate field '{name}'"),
        ))),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests;
