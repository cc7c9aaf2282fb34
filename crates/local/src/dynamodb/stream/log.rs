//! The records of a shard, oldest first, cheap to take a picture of. Pure.

use std::{collections::VecDeque, sync::Arc};

use super::{Sequence, record::Record};

/// How many records lie in one piece.
const CHUNK_RECORDS: usize = 1024;

/// Records in pieces behind reference counts: a clone copies the references, and whoever appends
/// afterwards copies one piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    chunks: VecDeque<Arc<Vec<Record>>>,
}

impl Log {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }

    pub(crate) fn first(&self) -> Option<&Record> {
        self.chunks.front()?.first()
    }

    pub(crate) fn push(&mut self, record: Record) {
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK_RECORDS => Arc::make_mut(chunk).push(record),
            _ => self.chunks.push_back(Arc::new(vec![record])),
        }
    }

    /// The records from `from` on.
    pub(crate) fn from(&self, from: Sequence) -> impl Iterator<Item = &Record> {
        let n_before = self
            .chunks
            .partition_point(|chunk| chunk.last().is_some_and(|last| last.sequence < from));
        let skip = self
            .chunks
            .get(n_before)
            .map_or(0, |chunk| chunk.partition_point(|it| it.sequence < from));
        self.chunks.range(n_before..).flat_map(|chunk| chunk.iter()).skip(skip)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The records that were created after `until_ms`.
    pub(crate) fn after(&self, until_ms: u64) -> impl Iterator<Item = &Record> {
        let is_before = |record: &Record| record.created_ms <= until_ms;
        let n_before = self.chunks.partition_point(|chunk| chunk.last().is_some_and(is_before));
        let skip = self.chunks.get(n_before).map_or(0, |chunk| chunk.partition_point(is_before));
        self.chunks.range(n_before..).flat_map(|chunk| chunk.iter()).skip(skip)
    }

    /// Forgets what was created at or before `until_ms`; returns the number of the last such record.
    pub(crate) fn trim(&mut self, until_ms: u64) -> Option<Sequence> {
        let mut last = None;
        while let Some(chunk) = self.chunks.front_mut() {
            let n_old = chunk.partition_point(|it| it.created_ms <= until_ms);
            if n_old == 0 {
                break;
            }
            last = Some(chunk[n_old - 1].sequence);
            if n_old < chunk.len() {
                Arc::make_mut(chunk).drain(..n_old);
                break;
            }
            self.chunks.pop_front();
        }
        last
    }
}
