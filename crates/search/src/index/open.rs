//! Making an index, and opening it again: the last checkpoint, then the journals after it.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tantivy::{Term, indexer::UserOperation};

use super::{
    Index, View, Writer, lock,
    log::{self, Log},
};
use crate::{
    document,
    error::{Failure, Result},
    fields::{Doc, Entry, SLOTS_MIN},
    mapping::Mapping,
    record::Write,
    settings::Settings,
    shard::{self, Shard},
    versions::{Current, Stamp, Tombstone, Versions},
};

/// Everything but the documents, as it was at a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    name: String,
    uuid: String,
    created_ms: u64,
    settings: BTreeMap<String, String>,
    mapping: Value,
    slots: BTreeMap<String, u16>,
    n_slots: u16,
    folder: u64,
    /// tantivy's `meta.json`.
    meta: String,
    next_seq_no: u64,
    /// The first journal that is not in the segments.
    journal: u64,
    tombstones: Vec<(String, u64, u64, u64)>,
}

/// What an index writes beside its checkpoint when its mapping or settings change.
#[derive(Deserialize)]
struct Changed {
    mapping: Value,
    slots: BTreeMap<String, u16>,
    settings: BTreeMap<String, String>,
}

const FILE: &str = "checkpoint";

/// Replaces the checkpoint in the folder of an index.
pub(super) fn save(root: &Path, state: &State) -> io::Result<()> {
    write_durably(&root.join(FILE), &serde_json::to_vec(state).map_err(io::Error::other)?)
}

/// Replaces a small file so that after a crash it is the old one or the new one.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&draft, path)?;
    File::open(path.parent().expect("a file lies in a folder"))?.sync_all()
}

impl Index {
    /// Makes an empty index, in the folder `root` if there is one.
    ///
    /// # Errors
    ///
    /// When the mapping is too large or the disk refuses.
    pub fn create(
        name: &str,
        uuid: &str,
        root: Option<&Path>,
        settings: Settings,
        mut mapping: Mapping,
        now_ms: u64,
    ) -> Result<Index> {
        mapping.check_limits(name, settings.fields_max())?;
        mapping.give_slots(&BTreeMap::new());
        let n_slots = mapping.slots().len().max(usize::from(SLOTS_MIN)).next_power_of_two();
        let n_slots = u16::try_from(n_slots).unwrap_or(u16::MAX);
        let shard = Shard::create(shard::folder(root, 0, None)?, n_slots)?;
        let log = match root {
            Some(root) => Some(Log::open(root, 0, |_| {})?.0),
            None => None,
        };
        let index = Index::assemble(
            (name, uuid, now_ms),
            root,
            (mapping, settings, Versions::default(), shard),
            Writer::new(log, 0, 0),
        );
        if let Some(root) = root {
            let shard = index.shard();
            let (meta, pins) = shard.directory.pin();
            let state = index.state(&lock(&index.writer), 0, &meta);
            save(root, &state)?;
            shard.directory.release(pins);
        }
        Ok(index)
    }

    /// Opens the index in the folder `root`, and returns what of it could not be read.
    ///
    /// # Errors
    ///
    /// When the folder does not hold an index that can be opened; the reason says what to do.
    pub fn open(root: &Path, now_ms: u64) -> Result<(Index, Vec<String>)> {
        let broken = |what: &dyn std::fmt::Display| {
            Failure::internal(format!(
                "the index in {} cannot be opened: {what}; move the folder away to start without it",
                root.display()
            ))
        };
        let text = fs::read(root.join(FILE)).map_err(|it| broken(&it))?;
        let state: State = serde_json::from_slice(&text).map_err(|it| broken(&it))?;
        let mapping = read_mapping(&state.mapping, &state.slots)?;
        let directory = shard::folder(Some(root), state.folder, Some(state.meta.into_bytes()))?;
        remove_other_folders(root, state.folder)?;
        let shard = Shard::open(directory, state.n_slots).map_err(|it| broken(&it))?;
        let mut versions = Versions::default();
        shard.for_each_id(|id, stamp| versions.put(versions.fingerprint(id), stamp))?;
        for (id, version, seq_no, deleted_at_ms) in state.tombstones {
            let stamp = Stamp { version, seq_no };
            let key = versions.fingerprint(&id);
            versions.bury(key, Tombstone { id: id.into(), stamp, deleted_at_ms });
        }
        let index = Index::assemble(
            (&state.name, &state.uuid, state.created_ms),
            Some(root),
            (mapping, Settings(state.settings), versions, shard),
            Writer::new(None, state.next_seq_no, state.folder),
        );
        let problems = index.replay(root, state.journal, now_ms)?;
        Ok((index, problems))
    }

    fn assemble(
        (name, uuid, created_ms): (&str, &str, u64),
        root: Option<&Path>,
        (mapping, settings, versions, shard): (Mapping, Settings, Versions, Shard),
        writer: Writer,
    ) -> Index {
        shard.set_analyzers(&mapping);
        let view = View {
            mapping: Arc::new(mapping),
            settings: Arc::new(settings),
            versions,
            recent: HashMap::new(),
            recent_bytes: 0,
            shard: Arc::new(shard),
        };
        Index {
            name: name.to_owned(),
            uuid: uuid.to_owned(),
            created_ms,
            root: root.map(Path::to_owned),
            view: RwLock::new(view),
            writer: Mutex::new(writer),
            checkpoint: Mutex::new(()),
            synced: Mutex::default(),
            stale: false.into(),
            dirty: false.into(),
            broken: false.into(),
            last_refresh_ms: AtomicU64::new(0),
            n_refreshes: AtomicU64::new(0),
        }
    }

    /// Applies the journals from `first` on, and goes on writing the last of them.
    fn replay(&self, root: &Path, first: u64, now_ms: u64) -> Result<Vec<String>> {
        let mut generations = log::generations(root)?;
        generations.retain(|it| first <= *it);
        if generations.is_empty() {
            generations.push(first);
        }
        let mut problems = Vec::new();
        let mut writer = lock(&self.writer);
        for generation in generations {
            let mut failed = None;
            let (log, damages) =
                Log::open(root, generation, |record| match Write::decode_all(record) {
                    Some(batch) => {
                        for write in batch {
                            failed = failed.take().or(self.redo(&mut writer, write).err());
                        }
                        // It is in the journal already.
                        writer.record.clear();
                        failed = failed.take().or(self.hand_over(&mut writer).err());
                        self.dirty.store(true, Ordering::Release);
                    }
                    None => {
                        problems.push(format!("journal {generation} has a record we cannot read"));
                    }
                })?;
            failed.map_or(Ok(()), Err)?;
            problems.extend(damages.into_iter().map(|damage| {
                format!(
                    "journal {generation} of index [{}] is damaged at bytes {:?}; what stood there is lost",
                    self.name, damage.bytes
                )
            }));
            writer.log = Some(log);
        }
        writer.last_write_ms = now_ms;
        writer.last_checkpoint_ms = now_ms;
        self.refresh_with(&mut writer, now_ms)?;
        drop(writer);
        Log::remove_older(root, first)?;
        Ok(problems)
    }

    fn redo(&self, writer: &mut Writer, write: Write) -> Result<()> {
        match write {
            Write::Put { id, routing, stamp, source } => {
                writer.next_seq_no = writer.next_seq_no.max(stamp.seq_no + 1);
                let replaces = matches!(self.current(&id, u64::MAX), Current::Live(_));
                let parsed = document::parse_known(&self.mapping(), &id, &source);
                let Stamp { version, seq_no } = stamp;
                self.store(writer, Doc { id, routing, source, version, seq_no, parsed }, replaces);
            }
            Write::Delete { id, stamp, at_ms } => {
                writer.next_seq_no = writer.next_seq_no.max(stamp.seq_no + 1);
                let was_there = matches!(self.current(&id, u64::MAX), Current::Live(_));
                self.bury(writer, &id, stamp, at_ms, was_there);
            }
            Write::State(json) => {
                let changed: Changed = serde_json::from_str(&json)
                    .map_err(|it| Failure::internal(format!("the journal has no mapping: {it}")))?;
                let mapping = read_mapping(&changed.mapping, &changed.slots)?;
                self.view_mut().settings = Arc::new(Settings(changed.settings));
                self.publish(writer, mapping)?;
            }
        }
        Ok(())
    }

    /// Hands the documents that no segment has to a new writer.
    pub(super) fn restore_recent(&self, writer: &mut Writer) -> Result<()> {
        let (mapping, shard) = (self.mapping(), self.shard());
        let mut batch = Vec::new();
        let mut ids = Vec::new();
        shard.for_each_id(|id, stamp| ids.push((id.to_owned(), stamp)))?;
        let view = self.view();
        // What the segments have and the table does not was deleted or replaced since.
        for (id, stamp) in ids {
            let key = view.versions.fingerprint(&id);
            if view.versions.current(key, 0) != Current::Live(stamp) {
                batch.push(UserOperation::Delete(Term::from_field_text(shard.fields.id, &id)));
            }
        }
        for recent in view.recent.values() {
            let parsed = document::parse_known(&mapping, &recent.id, &recent.source);
            let doc = Doc {
                id: recent.id.clone(),
                routing: recent.routing.clone(),
                source: recent.source.clone(),
                version: recent.stamp.version,
                seq_no: recent.stamp.seq_no,
                parsed,
            };
            batch.push(UserOperation::Add(Entry { fields: Arc::clone(&shard.fields), doc }));
        }
        drop(view);
        let tantivy = shard.writer()?;
        tantivy.run(batch)?;
        writer.tantivy = Some(tantivy);
        self.stale.store(true, Ordering::Release);
        Ok(())
    }

    pub(super) fn state(&self, writer: &Writer, journal: u64, meta: &[u8]) -> State {
        let view = self.view();
        State {
            name: self.name.clone(),
            uuid: self.uuid.clone(),
            created_ms: self.created_ms,
            settings: view.settings.0.clone(),
            mapping: view.mapping.to_json(),
            slots: view.mapping.slots(),
            n_slots: u16::try_from(view.shard.n_slots()).unwrap_or(u16::MAX),
            folder: writer.folder,
            meta: String::from_utf8_lossy(meta).into_owned(),
            next_seq_no: writer.next_seq_no,
            journal,
            tombstones: view
                .versions
                .tombstones()
                .into_iter()
                .map(|it| (it.id.into(), it.stamp.version, it.stamp.seq_no, it.deleted_at_ms))
                .collect(),
        }
    }
}

impl Writer {
    fn new(log: Option<Log>, next_seq_no: u64, folder: u64) -> Writer {
        Writer {
            tantivy: None,
            batch: Vec::new(),
            log,
            record: Vec::new(),
            next_seq_no,
            folder,
            last_write_ms: 0,
            last_checkpoint_ms: 0,
            closed: false,
        }
    }
}

fn read_mapping(json: &Value, slots: &BTreeMap<String, u16>) -> Result<Mapping> {
    let mut mapping = Mapping::read(json)?;
    mapping.give_slots(slots);
    Ok(mapping)
}

/// Folders that a rebuild left behind when it was interrupted.
fn remove_other_folders(root: &Path, folder: u64) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|it| it.strip_prefix("segments-"));
        if number.is_some_and(|it| it != folder.to_string()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
