//! `RENAME_FIELDS` and `DROP_ATTRIBUTES`: a processor for what OpenSearch would refuse. Pure.
//!
//! | Name | Why it is refused | With `RENAME_FIELDS` |
//! | --- | --- | --- |
//! | `_id`, `_source`, … at the top | it belongs to OpenSearch | `attr_id`, `attr_source` |
//! | `.x`, `x.`, `a..b` | a dot separates names | `_x`, `x_`, `a_b` … |
//! | `a.b` beside `a` | it would be merged with what is in `a` | `a_b` |
//! | blank, or empty | it is no name | `_` |
//!
//! A name that is taken already gets a `_` more.

use pipeline::{Event, Flow, Map, ProcessError, Processor, Value};

use crate::settings::StreamSettings;

/// Names at the top of a document that OpenSearch keeps for itself.
const METADATA_FIELDS: [&str; 10] = [
    "_id",
    "_index",
    "_source",
    "_type",
    "_routing",
    "_version",
    "_seq_no",
    "_field_names",
    "_ignored",
    "_nested_path",
];

/// Leaves attributes out, and changes names.
#[derive(Debug)]
pub(super) struct SafeFields {
    renames: bool,
    dropped: Vec<String>,
}

impl SafeFields {
    /// The processor, if the settings ask for one.
    pub(super) fn new(settings: &StreamSettings) -> Option<SafeFields> {
        let dropped = settings.drop_attributes.clone();
        let renames = settings.rename_fields;
        (renames || !dropped.is_empty()).then_some(SafeFields { renames, dropped })
    }

    fn is_dropped(&self, name: &str) -> bool {
        self.dropped.iter().any(|it| match it.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => it == name,
        })
    }
}

impl Processor for SafeFields {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        let fields = event.open().map_err(|error| ProcessError(error.to_string()))?;
        fields.retain(|name, _| !self.is_dropped(name));
        if self.renames {
            rename(fields, true);
        }
        Ok(Flow::Keep)
    }
}

fn rename(fields: &mut Map, is_top: bool) {
    for value in fields.values_mut() {
        rename_inside(value);
    }
    if !fields.keys().any(|name| safe(name, is_top) != *name) {
        return;
    }
    // Names that stay as they are go first, so that none of them is taken by another.
    let (same, changed): (Vec<_>, Vec<_>) =
        std::mem::take(fields).into_iter().partition(|(name, _)| safe(name, is_top) == *name);
    fields.extend(same);
    for (name, value) in changed {
        let mut name = safe(&name, is_top);
        while fields.contains_key(&name) {
            name.push('_');
        }
        fields.insert(name, value);
    }
}

fn rename_inside(value: &mut Value) {
    match value {
        Value::Map(map) => rename(map, false),
        Value::List(values) => values.iter_mut().for_each(rename_inside),
        _ => {}
    }
}

fn safe(name: &str, is_top: bool) -> String {
    if name.trim().is_empty() {
        return "_".to_owned();
    }
    if is_top && METADATA_FIELDS.contains(&name) {
        return format!("attr{name}");
    }
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pipeline::Document;

    use super::*;

    fn processed(fields: &SafeFields, json: &'static str) -> String {
        let document = Document::Item(Bytes::from_static(json.as_bytes()));
        let mut event = Event { document, ..Event::default() };
        fields.process(&mut event).unwrap();
        let mut out = Vec::new();
        event.write_document(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_that_would_be_refused_are_changed() {
        let fields = SafeFields { renames: true, dropped: Vec::new() };
        for (item, expected) in [
            (r#"{"a":{"S":"x"}}"#, r#"{"a":"x"}"#),
            (r#"{"_id":{"S":"x"}}"#, r#"{"attr_id":"x"}"#),
            (r#"{"a.b":{"S":"x"},"a_b":{"S":"y"}}"#, r#"{"a_b":"y","a_b_":"x"}"#),
            (r#"{" ":{"S":"x"},"":{"S":"y"}}"#, r#"{"_":"x","__":"y"}"#),
            (r#"{"m":{"M":{"x.":{"N":"1.50"},"_id":{"N":"2"}}}}"#, r#"{"m":{"_id":2,"x_":1.50}}"#),
            (r#"{"l":{"L":[{"M":{".x":{"BOOL":true}}}]}}"#, r#"{"l":[{"_x":true}]}"#),
        ] {
            assert_eq!(processed(&fields, item), expected, "{item}");
        }
    }

    #[test]
    fn attributes_are_left_out_by_name_or_beginning() {
        let fields =
            SafeFields { renames: false, dropped: vec!["aws:rep:*".to_owned(), "b".to_owned()] };
        let item =
            r#"{"a":{"S":"x"},"aws:rep:deleting":{"BOOL":false},"b":{"S":"y"},"bb":{"S":"z"}}"#;
        assert_eq!(processed(&fields, item), r#"{"a":"x","bb":"z"}"#);
    }
}
