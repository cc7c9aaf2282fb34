//! What happens beside reading and writing: refresh, checkpoint, forgetting, letting go.

use std::sync::{MutexGuard, atomic::Ordering};

use super::{Index, Writer, lock, open};
use crate::{error::Result, index::log::Log};

/// How long a checkpoint may lag behind.
const CHECKPOINT_EVERY_MS: u64 = 30_000;
/// How long the journal may grow, and with it the time to open the index.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// How much may wait for a refresh.
const RECENT_BYTES_MAX: usize = 64 << 20;
/// How long an index is left alone before it lets go of its writer.
const IDLE_MS: u64 = 10_000;

impl Index {
    /// Lets searches see everything that was written.
    ///
    /// # Errors
    ///
    /// When tantivy fails, most often because the disk is full.
    pub fn refresh(&self, now_ms: u64) -> Result<()> {
        if self.stale.load(Ordering::Acquire) {
            self.refresh_with(&mut lock(&self.writer), now_ms)?;
        }
        Ok(())
    }

    pub(super) fn refresh_with(&self, writer: &mut Writer, now_ms: u64) -> Result<()> {
        self.last_refresh_ms.store(now_ms, Ordering::Relaxed);
        if !self.stale.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(tantivy) = &mut writer.tantivy
            && let Err(error) = tantivy.commit()
        {
            self.broken.store(true, Ordering::Release);
            return Err(error.into());
        }
        self.shard().reload()?;
        let mut view = self.view_mut();
        view.recent_bytes = 0;
        let recent = std::mem::take(&mut view.recent);
        drop(view);
        // Thousands of documents take a while to free; nobody need wait for it.
        drop(recent);
        self.stale.store(false, Ordering::Release);
        self.n_refreshes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Makes everything durable in the segments, so that the journal can begin again.
    ///
    /// # Errors
    ///
    /// When the disk refuses. What was acknowledged is in the journal as before.
    pub fn checkpoint(&self, now_ms: u64) -> Result<()> {
        let mut writer = lock(&self.writer);
        let _one_at_a_time = lock(&self.checkpoint);
        if self.broken.load(Ordering::Acquire) {
            self.mend(&mut writer)?;
        }
        self.refresh_with(&mut writer, now_ms)?;
        writer.last_checkpoint_ms = now_ms;
        if !self.dirty.load(Ordering::Acquire) || writer.closed {
            return Ok(());
        }
        self.checkpoint_with(writer)
    }

    fn checkpoint_with(&self, mut writer: MutexGuard<'_, Writer>) -> Result<()> {
        let was_broken = self.broken.load(Ordering::Acquire);
        let Some(root) = self.root.clone() else {
            self.dirty.store(false, Ordering::Release);
            self.broken.store(false, Ordering::Release);
            return Ok(());
        };
        let generation = writer.rotate(!was_broken)?.unwrap_or_default();
        let shard = self.shard();
        let (meta, pins) = shard.directory.pin();
        let state = self.state(&writer, generation, &meta);
        self.dirty.store(false, Ordering::Release);
        self.broken.store(false, Ordering::Release);
        drop(writer);
        // From here on others write, into the new journal.
        let saved = shard.directory.sync(&pins).and_then(|()| open::save(&root, &state));
        if let Err(error) = saved {
            shard.directory.unpin(&pins);
            self.dirty.store(true, Ordering::Release);
            self.broken.fetch_or(was_broken, Ordering::AcqRel);
            return Err(error.into());
        }
        shard.directory.release(pins);
        Ok(Log::remove_older(&root, generation)?)
    }

    /// After a failure of tantivy: everything that is not in a segment is given to a new writer.
    fn mend(&self, writer: &mut Writer) -> Result<()> {
        writer.record.clear();
        writer.batch.clear();
        writer.tantivy = None;
        self.restore_recent(writer)?;
        self.dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Does what is due. To be called a few times a second; cheap when there is nothing to do.
    ///
    /// # Errors
    ///
    /// As [`Index::refresh`] and [`Index::checkpoint`].
    pub fn tick(&self, now_ms: u64) -> Result<()> {
        if self.is_refresh_due(now_ms) {
            self.refresh(now_ms)?;
        }
        let mut writer = lock(&self.writer);
        if let Some(kept) = self.settings().gc_deletes() {
            let kept_ms = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
            self.view_mut().versions.forget(now_ms.saturating_sub(kept_ms));
        }
        let journal_bytes = writer.log.as_ref().map_or(0, |it| it.journal.len());
        let is_due = writer.last_checkpoint_ms + CHECKPOINT_EVERY_MS <= now_ms;
        if self.dirty.load(Ordering::Acquire)
            && self.root.is_some()
            && (is_due || JOURNAL_BYTES_MAX < journal_bytes)
        {
            drop(writer);
            self.checkpoint(now_ms)?;
            writer = lock(&self.writer);
        }
        if writer.tantivy.is_some()
            && writer.last_write_ms + IDLE_MS <= now_ms
            && !self.stale.load(Ordering::Acquire)
        {
            self.let_go(&mut writer)?;
        }
        Ok(())
    }

    /// Ends the threads and frees the memory that writing takes.
    fn let_go(&self, writer: &mut Writer) -> Result<()> {
        if let Some(tantivy) = writer.tantivy.take() {
            let shard = self.shard();
            let n_metas = shard.directory.n_metas();
            tantivy.wait_merging_threads()?;
            shard.reload()?;
            let has_merged = n_metas < shard.directory.n_metas();
            self.dirty.fetch_or(has_merged, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Whether [`Index::tick`] would find something to do.
    pub fn is_due(&self, now_ms: u64) -> bool {
        let Ok(writer) = self.writer.try_lock() else { return false };
        let is_old = self.root.is_some()
            && self.dirty.load(Ordering::Acquire)
            && writer.last_checkpoint_ms + CHECKPOINT_EVERY_MS <= now_ms;
        let is_idle = writer.tantivy.is_some() && writer.last_write_ms + IDLE_MS <= now_ms;
        is_old
            || is_idle
            || self.is_refresh_due(now_ms)
            || writer.log.as_ref().is_some_and(|it| JOURNAL_BYTES_MAX < it.journal.len())
            || self.view().versions.n_deleted() != 0
    }

    fn is_refresh_due(&self, now_ms: u64) -> bool {
        if !self.stale.load(Ordering::Acquire) {
            return false;
        }
        if RECENT_BYTES_MAX < self.view().recent_bytes {
            return true;
        }
        let Some(interval) = self.settings().refresh_interval() else { return false };
        let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        self.last_refresh_ms.load(Ordering::Relaxed).saturating_add(interval_ms) <= now_ms
    }

    /// Makes one segment of all.
    ///
    /// # Errors
    ///
    /// When tantivy fails.
    pub fn force_merge(&self, now_ms: u64) -> Result<()> {
        let mut writer = self.lock_writer()?;
        self.refresh_with(&mut writer, now_ms)?;
        let shard = self.shard();
        let segments: Vec<_> = shard
            .searcher()
            .segment_readers()
            .iter()
            .map(tantivy::SegmentReader::segment_id)
            .collect();
        if segments.len() < 2 {
            return Ok(());
        }
        if writer.tantivy.is_none() {
            writer.tantivy = Some(shard.writer()?);
        }
        writer.last_write_ms = now_ms;
        let tantivy = writer.tantivy.as_mut().expect("it was made");
        // A merge that is under way has some of the segments; then the next one will have to do.
        if let Ok(Some(_)) = tantivy.merge(&segments).wait() {
            self.dirty.store(true, Ordering::Release);
        }
        shard.reload()
    }

    /// Ends the index for good: nobody writes to it any more.
    pub(crate) fn shut(&self) {
        let mut writer = lock(&self.writer);
        writer.closed = true;
        writer.tantivy = None;
    }
}
