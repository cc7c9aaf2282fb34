//! The journal of an index: generations of a file, and who waits for the disk.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use journal::{Damage, Journal};
use serde_json::json;

use super::{Index, Writer, lock};
use crate::{error::Result, record::Write};

/// The journal that is written now, and its number. A checkpoint begins a new one.
pub(super) struct Log {
    pub journal: Journal,
    pub generation: u64,
    root: PathBuf,
}

/// A place in the journals of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub generation: u64,
    pub bytes: u64,
}

/// How much of the journals is on the disk.
#[derive(Debug, Default)]
pub(super) struct Synced {
    pub until: Position,
    pub file: Option<File>,
}

impl Log {
    pub(super) fn open(
        root: &Path,
        generation: u64,
        replay: impl FnMut(&[u8]),
    ) -> io::Result<(Log, Vec<Damage>)> {
        let (journal, damages) = Journal::open(&path(root, generation), replay)?;
        Ok((Log { journal, generation, root: root.to_owned() }, damages))
    }

    fn position(&self) -> Position {
        Position { generation: self.generation, bytes: self.journal.len() }
    }

    /// Removes the journals before this one, once a checkpoint has all that is in them.
    pub(super) fn remove_older(root: &Path, generation: u64) -> io::Result<()> {
        for older in generations(root)?.into_iter().filter(|it| *it < generation) {
            fs::remove_file(path(root, older))?;
        }
        Ok(())
    }
}

fn path(root: &Path, generation: u64) -> PathBuf {
    root.join(format!("journal-{generation}"))
}

/// The numbers of the journals that are there, lowest first.
pub(super) fn generations(root: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|it| it.strip_prefix("journal-"));
        found.extend(number.and_then(|it| it.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

impl Writer {
    /// Writes the batch into the journal and hands it to the system.
    pub(super) fn append(&mut self) -> io::Result<Option<Position>> {
        let record = std::mem::take(&mut self.record);
        let Some(log) = &mut self.log else { return Ok(None) };
        if !record.is_empty() {
            log.journal.append(&record)?;
            log.journal.flush()?;
        }
        Ok(Some(log.position()))
    }

    /// Begins a new journal; the old one is safe on the disk, if it `is_sound`.
    pub(super) fn rotate(&mut self, is_sound: bool) -> io::Result<Option<u64>> {
        let Some(log) = &mut self.log else { return Ok(None) };
        if is_sound {
            log.journal.sync()?;
        }
        let generation = log.generation + 1;
        let (next, _) = Log::open(&log.root, generation, |_| {})?;
        *log = next;
        Ok(Some(generation))
    }
}

impl Index {
    /// Notes mapping, slots and settings in the journal.
    pub(super) fn log_state(&self, writer: &mut Writer) {
        let view = self.view();
        let state = json!({
            "mapping": view.mapping.to_json(),
            "slots": view.mapping.slots(),
            "settings": view.settings.0,
        });
        Write::State(state.to_string()).encode(&mut writer.record);
    }

    /// Waits until `position` is on the disk, if the index is one that waits. Whoever comes first
    /// waits for all who wait behind it.
    pub(super) fn make_durable(&self, position: Option<Position>) -> Result<()> {
        let Some(position) = position.filter(|_| self.settings().syncs_each_request()) else {
            return Ok(());
        };
        let Some(root) = &self.root else { return Ok(()) };
        let mut synced = lock(&self.synced);
        // An older generation was synced when the next one began.
        if position <= synced.until || position.generation < synced.until.generation {
            return Ok(());
        }
        if synced.until.generation != position.generation || synced.file.is_none() {
            synced.file = match File::open(path(root, position.generation)) {
                // A checkpoint has taken the journal's place meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                opened => Some(opened?),
            };
        }
        let file = synced.file.as_ref().expect("it was opened");
        // What the system has now is on the disk when `sync_data` returns; what comes later may not be.
        let bytes = file.metadata()?.len();
        file.sync_data()?;
        synced.until = Position { bytes, ..position };
        Ok(())
    }
}
