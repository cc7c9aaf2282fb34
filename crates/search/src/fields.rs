//! How documents lie in tantivy: one fixed schema for every mapping.
//!
//! Words go into numbered *slots*, one per text field, so that each has its own length norms and
//! scores as it would in OpenSearch. Everything else goes into one dynamic field by path. A new
//! field in a mapping changes nothing here, unless the slots run out; see
//! `docs/decisions/0010-text-slots.md`.

use std::{slice, sync::Arc};

use bytes::Bytes;
use tantivy::{
    Document, Index, Term,
    schema::{
        FAST, Field, IndexRecordOption, JsonObjectOptions, STORED, Schema, TextFieldIndexing,
        TextOptions, Value,
        document::{ReferenceValue, ReferenceValueLeaf},
    },
};

use crate::analysis::SlotTokenizer;

/// How many text fields an index can have before it is built again with twice as many slots.
pub(crate) const SLOTS_MIN: u16 = 16;

/// The name of the dynamic field. Columns are called `v.<path>`.
pub(crate) const VALUES: &str = "v";

/// The fields of the schema.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    /// The `_id`, as one term.
    pub id: Field,
    /// The document as it was sent.
    pub source: Field,
    /// The routing, if one was given.
    pub routing: Field,
    pub version: Field,
    pub seq_no: Field,
    /// Every value that is not text, by path.
    pub values: Field,
    /// The paths of text fields that have a value, for `exists`.
    pub present: Field,
    pub slots: Vec<Field>,
    /// The analyzers of the slots.
    pub tokenizers: Vec<SlotTokenizer>,
}

impl Fields {
    /// The schema with `n_slots` slots.
    pub(crate) fn new(n_slots: u16) -> (Schema, Fields) {
        let raw = |record| {
            TextFieldIndexing::default()
                .set_tokenizer("raw")
                .set_fieldnorms(false)
                .set_index_option(record)
        };
        let term = TextOptions::default().set_indexing_options(raw(IndexRecordOption::Basic));
        let mut builder = Schema::builder();
        let id = builder.add_text_field("_id", term.clone() | STORED);
        let source = builder.add_bytes_field("_source", STORED);
        let routing = builder.add_text_field("_routing", STORED);
        let version = builder.add_u64_field("_version", FAST);
        let seq_no = builder.add_u64_field("_seq_no", FAST);
        let values = builder.add_json_field(
            VALUES,
            JsonObjectOptions::default()
                .set_indexing_options(raw(IndexRecordOption::Basic))
                .set_expand_dots_enabled()
                .set_fast("raw"),
        );
        let present = builder.add_text_field("_present", term);
        let slots = (0..n_slots)
            .map(|n| {
                let words = TextFieldIndexing::default()
                    .set_tokenizer(&format!("slot{n}"))
                    .set_fieldnorms(true)
                    .set_index_option(IndexRecordOption::WithFreqsAndPositions);
                let options = TextOptions::default().set_indexing_options(words);
                builder.add_text_field(&format!("t{n}"), options)
            })
            .collect();
        let tokenizers = (0..n_slots).map(|_| SlotTokenizer::default()).collect();
        let fields =
            Fields { id, source, routing, version, seq_no, values, present, slots, tokenizers };
        (builder.build(), fields)
    }

    /// Makes the analyzers of the slots known to `index`.
    pub(crate) fn register(&self, index: &Index) {
        for (n, tokenizer) in self.tokenizers.iter().enumerate() {
            index.tokenizers().register(&format!("slot{n}"), tokenizer.clone());
        }
    }

    /// The term of a value at `path`.
    pub(crate) fn term(&self, path: &str, value: &Leaf) -> Term {
        let mut term = Term::from_field_json_path(self.values, &escape(path), true);
        match value {
            Leaf::Str(text) => term.append_type_and_str(text),
            Leaf::Bool(it) => term.append_type_and_fast_value(*it),
            Leaf::I64(it) => term.append_type_and_fast_value(*it),
            Leaf::U64(it) => match i64::try_from(*it) {
                Ok(it) => term.append_type_and_fast_value(it),
                Err(_) => term.append_type_and_fast_value(*it),
            },
            Leaf::F64(it) => match whole(*it) {
                Some(it) => term.append_type_and_fast_value(it),
                None => term.append_type_and_fast_value(*it),
            },
        }
        term
    }

    /// The term of a value at `path`, with its own type: what a range over a column wants.
    pub(crate) fn bound(&self, path: &str, value: &Leaf) -> Term {
        let mut term = Term::from_field_json_path(self.values, &escape(path), true);
        match value {
            Leaf::Str(text) => term.append_type_and_str(text),
            Leaf::Bool(it) => term.append_type_and_fast_value(*it),
            Leaf::I64(it) => term.append_type_and_fast_value(*it),
            Leaf::U64(it) => term.append_type_and_fast_value(*it),
            Leaf::F64(it) => term.append_type_and_fast_value(*it),
        }
        term
    }
}

/// The name of the column of `path`.
pub(crate) fn column(path: &str) -> String {
    format!("{VALUES}.{}", escape(path))
}

/// A backslash hides the dot behind it from tantivy.
fn escape(path: &str) -> String {
    path.replace('\\', "\\\\")
}

/// tantivy indexes a number without a fraction as a whole number, whatever its type.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "whether the number survives the cast is the question"
)]
fn whole(number: f64) -> Option<i64> {
    let cast = number as i64;
    (cast as f64 == number && cast != i64::MAX).then_some(cast)
}

/// A value in the dynamic field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Leaf {
    Str(Box<str>),
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
}

/// A document, ready to be indexed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Doc {
    pub id: Box<str>,
    pub routing: Option<Box<str>>,
    pub source: Bytes,
    pub version: u64,
    pub seq_no: u64,
    pub parsed: Parsed,
}

/// What a document says, field by field.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parsed {
    /// Text and the slot it goes into.
    pub words: Vec<(u16, Box<str>)>,
    pub values: Vec<(Arc<str>, Leaf)>,
    pub present: Vec<Arc<str>>,
}

/// A [`Doc`] together with where its parts go.
#[derive(Debug)]
pub(crate) struct Entry {
    pub fields: Arc<Fields>,
    pub doc: Doc,
}

impl Document for Entry {
    type Value<'a> = Part<'a>;
    type FieldsValuesIter<'a> = Box<dyn Iterator<Item = (Field, Part<'a>)> + 'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        let (fields, doc) = (&self.fields, &self.doc);
        let head = [
            (fields.id, Part::Leaf(ReferenceValueLeaf::Str(&doc.id))),
            (fields.source, Part::Leaf(ReferenceValueLeaf::Bytes(&doc.source))),
            (fields.version, Part::Leaf(ReferenceValueLeaf::U64(doc.version))),
            (fields.seq_no, Part::Leaf(ReferenceValueLeaf::U64(doc.seq_no))),
            (fields.values, Part::Values(&doc.parsed.values)),
        ];
        let routing = doc.routing.iter().map(|it| (fields.routing, Part::str(it)));
        let present = doc.parsed.present.iter().map(|it| (fields.present, Part::str(it)));
        let words = doc.parsed.words.iter();
        let words = words.map(|(slot, it)| (fields.slots[usize::from(*slot)], Part::str(it)));
        Box::new(head.into_iter().chain(routing).chain(present).chain(words))
    }
}

/// One value of an [`Entry`].
#[derive(Clone, Debug)]
pub(crate) enum Part<'a> {
    Leaf(ReferenceValueLeaf<'a>),
    Values(&'a [(Arc<str>, Leaf)]),
}

impl<'a> Part<'a> {
    fn str(text: &'a str) -> Part<'a> {
        Part::Leaf(ReferenceValueLeaf::Str(text))
    }
}

impl<'a> Value<'a> for Part<'a> {
    type ArrayIter = std::iter::Empty<Part<'a>>;
    type ObjectIter = Values<'a>;

    fn as_value(&self) -> ReferenceValue<'a, Part<'a>> {
        match self {
            Part::Leaf(leaf) => ReferenceValue::Leaf(leaf.clone()),
            Part::Values(values) => ReferenceValue::Object(Values(values.iter())),
        }
    }
}

/// Walks over the values of a document.
#[derive(Debug)]
pub(crate) struct Values<'a>(slice::Iter<'a, (Arc<str>, Leaf)>);

impl<'a> Iterator for Values<'a> {
    type Item = (&'a str, Part<'a>);

    fn next(&mut self) -> Option<(&'a str, Part<'a>)> {
        let (path, value) = self.0.next()?;
        let leaf = match value {
            Leaf::Str(text) => ReferenceValueLeaf::Str(text),
            Leaf::I64(it) => ReferenceValueLeaf::I64(*it),
            Leaf::U64(it) => ReferenceValueLeaf::U64(*it),
            Leaf::F64(it) => ReferenceValueLeaf::F64(*it),
            Leaf::Bool(it) => ReferenceValueLeaf::Bool(*it),
        };
        Some((path, Part::Leaf(leaf)))
    }
}
