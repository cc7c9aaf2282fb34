//! The index made again from its documents, when there are more text fields than slots.

use std::{
    fs,
    sync::{Arc, atomic::Ordering},
};

use tantivy::indexer::UserOperation;

use super::{Index, Writer, lock, open};
use crate::{
    document,
    error::Result,
    fields::{Doc, Entry},
    mapping::Mapping,
    shard::{self, Shard},
};

/// How many documents are handed over at a time.
const BATCH: usize = 1000;

impl Index {
    /// Puts all documents into a new shard that has room for at least `n_slots` text fields, and
    /// then in the place of the old one. A crash on the way leaves the old one as it was.
    pub(super) fn rebuild(
        &self,
        writer: &mut Writer,
        mapping: &Mapping,
        n_slots: usize,
    ) -> Result<()> {
        // Everything so far goes into the old one first.
        self.dirty.store(true, Ordering::Release);
        let position = writer.append()?;
        let batch = std::mem::take(&mut writer.batch);
        let old = self.shard();
        if !batch.is_empty() {
            if writer.tantivy.is_none() {
                writer.tantivy = Some(old.writer()?);
            }
            writer.tantivy.as_ref().expect("it was made").run(batch)?;
        }
        self.make_durable(position)?;
        if let Some(mut tantivy) = writer.tantivy.take() {
            tantivy.commit()?;
            tantivy.wait_merging_threads()?;
            old.reload()?;
        }

        let room = u16::try_from(n_slots.next_power_of_two()).unwrap_or(u16::MAX);
        let folder = writer.folder + 1;
        let directory = shard::folder(self.root.as_deref(), folder, None)?;
        let new = Shard::create(directory, room)?;
        new.set_analyzers(mapping);
        let mut tantivy = new.writer()?;
        let mut batch = Vec::with_capacity(BATCH);
        old.for_each_doc(|found| {
            let parsed = document::parse_known(mapping, &found.id, &found.source);
            let doc = Doc {
                id: found.id.into(),
                routing: found.routing.map(Into::into),
                source: found.source,
                version: found.stamp.version,
                seq_no: found.stamp.seq_no,
                parsed,
            };
            batch.push(UserOperation::Add(Entry { fields: Arc::clone(&new.fields), doc }));
            if batch.len() == BATCH {
                tantivy.run(std::mem::take(&mut batch))?;
            }
            Ok(())
        })?;
        tantivy.run(batch)?;
        tantivy.commit()?;
        new.reload()?;

        writer.tantivy = Some(tantivy);
        writer.folder = folder;
        let mut view = self.view_mut();
        view.shard = Arc::new(new);
        view.mapping = Arc::new(mapping.clone());
        view.recent.clear();
        view.recent_bytes = 0;
        drop(view);
        if let Some(root) = &self.root {
            let _one_at_a_time = lock(&self.checkpoint);
            let generation = writer.rotate(true)?.unwrap_or_default();
            let new = self.shard();
            let (meta, pins) = new.directory.pin();
            let state = self.state(writer, generation, &meta);
            new.directory.sync(&pins)?;
            open::save(root, &state)?;
            new.directory.release(pins);
            super::log::Log::remove_older(root, generation)?;
            fs::remove_dir_all(root.join(format!("segments-{}", folder - 1)))?;
        }
        Ok(())
    }
}
