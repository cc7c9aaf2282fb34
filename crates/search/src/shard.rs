//! One tantivy index: its files, its schema and its reader.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use tantivy::{
    DocAddress, DocSet, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher,
    TERMINATED, TantivyDocument, Term,
    indexer::IndexWriterOptions,
    schema::{IndexRecordOption, Value},
};

use crate::{
    directory::Directory,
    error::Result,
    fields::{Entry, Fields},
    mapping::Mapping,
    versions::Stamp,
};

/// How much a writer gathers in memory before it makes a segment.
const WRITER_BYTES: usize = 32 << 20;
/// How many blocks of 16 KB of stored documents a reader keeps unpacked.
const STORE_BLOCKS: usize = 32;

/// An open tantivy index.
#[derive(Debug)]
pub(crate) struct Shard {
    pub directory: Directory,
    pub fields: Arc<Fields>,
    index: tantivy::Index,
    reader: ReaderOf,
}

struct ReaderOf(IndexReader);

impl std::fmt::Debug for ReaderOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

/// A document as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub id: String,
    /// The routing it was sent with.
    pub routing: Option<String>,
    /// Its last write.
    pub stamp: Stamp,
    /// As it was sent.
    pub source: Bytes,
}

impl Shard {
    /// An empty one.
    pub(crate) fn create(directory: Directory, n_slots: u16) -> Result<Shard> {
        let (schema, fields) = Fields::new(n_slots);
        let settings =
            IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let index = tantivy::Index::create(directory.clone(), schema, settings)?;
        Shard::of(index, directory, fields)
    }

    /// The one that lies in `directory`.
    pub(crate) fn open(directory: Directory, n_slots: u16) -> Result<Shard> {
        let (_, fields) = Fields::new(n_slots);
        let index = tantivy::Index::open(directory.clone())?;
        Shard::of(index, directory, fields)
    }

    fn of(index: tantivy::Index, directory: Directory, fields: Fields) -> Result<Shard> {
        fields.register(&index);
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(STORE_BLOCKS)
            .try_into()?;
        Ok(Shard { directory, fields: Arc::new(fields), index, reader: ReaderOf(reader) })
    }

    /// Starts the threads that index.
    pub(crate) fn writer(&self) -> Result<IndexWriter<Entry>> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(WRITER_BYTES)
            .build();
        Ok(self.index.writer_with_options(options)?)
    }

    /// Lets searches see the last commit.
    pub(crate) fn reload(&self) -> Result<()> {
        Ok(self.reader.0.reload()?)
    }

    pub(crate) fn searcher(&self) -> Searcher {
        self.reader.0.searcher()
    }

    /// How many text fields fit.
    pub(crate) fn n_slots(&self) -> usize {
        self.fields.slots.len()
    }

    /// Gives every slot the analyzer of the field that has it.
    pub(crate) fn set_analyzers(&self, mapping: &Mapping) {
        for field in mapping.fields() {
            let slot = field.slot.and_then(|it| self.fields.tokenizers.get(usize::from(it)));
            if let Some(slot) = slot {
                // Set already, and to the same: the analyzer of a field cannot change.
                let _ = slot.0.set(field.analyzer);
            }
        }
    }

    /// The document `id`, as far as it was refreshed.
    pub(crate) fn find(&self, id: &str) -> Result<Option<Found>> {
        let searcher = self.searcher();
        let term = Term::from_field_text(self.fields.id, id);
        for (ord, segment) in (0..).zip(searcher.segment_readers()) {
            let index = segment.inverted_index(self.fields.id)?;
            let Some(mut postings) = index.read_postings(&term, IndexRecordOption::Basic)? else {
                continue;
            };
            let mut doc = postings.doc();
            while doc != TERMINATED {
                if !segment.is_deleted(doc) {
                    return self.load(&searcher, DocAddress::new(ord, doc)).map(Some);
                }
                doc = postings.advance();
            }
        }
        Ok(None)
    }

    /// The document at `address`.
    pub(crate) fn load(&self, searcher: &Searcher, address: DocAddress) -> Result<Found> {
        let stored: TantivyDocument = searcher.doc(address)?;
        let text = |field| {
            let value = stored.get_first(field)?;
            value.as_str().map(str::to_owned)
        };
        let source = stored.get_first(self.fields.source).and_then(|it| it.as_bytes());
        let columns = searcher.segment_reader(address.segment_ord).fast_fields();
        let number = |name: &str| -> Result<u64> {
            Ok(columns.u64(name)?.first(address.doc_id).unwrap_or_default())
        };
        Ok(Found {
            id: text(self.fields.id).unwrap_or_default(),
            routing: text(self.fields.routing),
            stamp: Stamp { version: number("_version")?, seq_no: number("_seq_no")? },
            source: source.map(Bytes::copy_from_slice).unwrap_or_default(),
        })
    }

    /// Calls `visit` with the id and the last write of every document.
    pub(crate) fn for_each_id(&self, mut visit: impl FnMut(&str, Stamp)) -> Result<()> {
        for segment in self.searcher().segment_readers() {
            let versions = segment.fast_fields().u64("_version")?;
            let seq_nos = segment.fast_fields().u64("_seq_no")?;
            let index = segment.inverted_index(self.fields.id)?;
            let mut terms = index.terms().stream()?;
            while terms.advance() {
                let id = std::str::from_utf8(terms.key()).unwrap_or_default();
                let mut postings =
                    index.read_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
                let mut doc = postings.doc();
                while doc != TERMINATED {
                    if !segment.is_deleted(doc) {
                        let stamp = Stamp {
                            version: versions.first(doc).unwrap_or_default(),
                            seq_no: seq_nos.first(doc).unwrap_or_default(),
                        };
                        visit(id, stamp);
                    }
                    doc = postings.advance();
                }
            }
        }
        Ok(())
    }

    /// Calls `visit` with every document.
    pub(crate) fn for_each_doc(&self, mut visit: impl FnMut(Found) -> Result<()>) -> Result<()> {
        let searcher = self.searcher();
        for (ord, segment) in (0..).zip(searcher.segment_readers()) {
            for doc in segment.doc_ids_alive() {
                visit(self.load(&searcher, DocAddress::new(ord, doc))?)?;
            }
        }
        Ok(())
    }
}

/// Opens or makes the folder of a shard.
pub(crate) fn folder(root: Option<&Path>, number: u64, meta: Option<Vec<u8>>) -> Result<Directory> {
    match root {
        None => Ok(Directory::memory()),
        Some(root) => Ok(Directory::disk(&root.join(format!("segments-{number}")), meta)?),
    }
}
