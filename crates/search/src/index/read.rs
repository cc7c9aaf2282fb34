//! Reading by id, which sees every write at once.

use std::sync::Arc;

use tantivy::Searcher;

use super::{Index, Recent};
use crate::{
    error::Result,
    mapping::Mapping,
    shard::{Found, Shard},
    versions::Current,
};

/// What a search works on: it does not change while the search goes on.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub mapping: Arc<Mapping>,
    pub shard: Arc<Shard>,
    pub searcher: Searcher,
}

impl Index {
    /// The document `id`, as it is now.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn get(&self, id: &str) -> Result<Option<Found>> {
        let view = self.view();
        let key = view.versions.fingerprint(id);
        let Current::Live(_) = view.versions.current(key, u64::MAX) else { return Ok(None) };
        if let Some(Recent { routing, stamp, source, .. }) = view.recent.get(&key).cloned() {
            let routing = routing.map(Into::into);
            return Ok(Some(Found { id: id.to_owned(), routing, stamp, source }));
        }
        let shard = Arc::clone(&view.shard);
        drop(view);
        shard.find(id)
    }

    /// What searches see.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let view = self.view();
        let (mapping, shard) = (Arc::clone(&view.mapping), Arc::clone(&view.shard));
        drop(view);
        let searcher = shard.searcher();
        Snapshot { mapping, shard, searcher }
    }

    /// How many documents searches see.
    pub fn n_searchable(&self) -> u64 {
        self.shard().searcher().num_docs()
    }

    /// How many deleted documents still take room.
    pub fn n_deleted(&self) -> u64 {
        let searcher = self.shard().searcher();
        searcher.segment_readers().iter().map(|it| u64::from(it.num_deleted_docs())).sum()
    }

    /// What the segments take, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.shard().directory.size_bytes()
    }

    /// Into how many segments the documents are divided.
    pub fn n_segments(&self) -> usize {
        self.shard().searcher().segment_readers().len()
    }
}
