//! Writing: the version is decided, the document taken apart, the journal told, tantivy told.

use std::sync::{MutexGuard, atomic::Ordering};

use bytes::Bytes;
use tantivy::{Term, indexer::UserOperation};

use super::{Index, Recent, Writer, log::Position};
use crate::{
    document::{self, Outcome as Reading},
    error::{Failure, Result},
    fields::{Doc, Entry, Parsed},
    mapping::Mapping,
    raw,
    record::Write,
    shard::Found,
    versions::{Condition, Current, Stamp, Tombstone, decide},
};

/// The longest id, in bytes.
pub(crate) const ID_BYTES_MAX: usize = 512;

/// How often a document is read again with the fields it has shown so far. Lists of lists of
/// objects show theirs one layer at a time; all else takes one round.
const GROWTH_ROUNDS_MAX: usize = 20;

/// Something to be written.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Which document.
    pub id: String,
    /// The routing it comes with.
    pub routing: Option<String>,
    /// Under which conditions.
    pub condition: Condition,
    /// What to do.
    pub action: Action,
}

/// What to do with a document.
#[derive(Clone, Debug)]
pub enum Action {
    /// Put it, whether it is there or not.
    Put(Bytes),
    /// Delete it.
    Delete,
    /// Change part of it.
    Update(Update),
}

/// A change of part of a document.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// The members to put into it.
    pub doc: Option<String>,
    /// The document to put if there is none.
    pub upsert: Option<String>,
    /// Whether `doc` is that document.
    pub doc_as_upsert: bool,
    /// Whether to leave the document alone if nothing changes.
    pub detect_noop: bool,
}

/// A write that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The version and the place among all writes.
    pub stamp: Stamp,
    /// What came of it.
    pub outcome: Outcome,
    /// The document as it is now, after an update.
    pub source: Option<Bytes>,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The document is new.
    Created,
    /// It was there before.
    Updated,
    /// It was deleted.
    Deleted,
    /// It was not there to be deleted.
    NotFound,
    /// It already said so.
    Noop,
}

impl Outcome {
    /// As OpenSearch says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Updated => "updated",
            Outcome::Deleted => "deleted",
            Outcome::NotFound => "not_found",
            Outcome::Noop => "noop",
        }
    }
}

/// An operation as far as it can be prepared without keeping others waiting.
enum Prepared {
    Put(Bytes, Reading),
    Delete,
    Update(Update),
}

impl Index {
    /// Writes a batch, one operation after the other, and returns once it is durable. What came of
    /// each stands in the same order.
    pub fn write(&self, operations: Vec<Operation>, now_ms: u64) -> Vec<Result<Done>> {
        let mapping = self.mapping();
        let prepared: Vec<(Operation, Result<Prepared>)> = operations
            .into_iter()
            .map(|mut operation| {
                let action = std::mem::replace(&mut operation.action, Action::Delete);
                let prepared = prepare(&mapping, &operation.id, action);
                (operation, prepared)
            })
            .collect();
        let n_operations = prepared.len();
        let fail_all =
            |failure: &Failure| (0..n_operations).map(|_| Err(failure.clone())).collect();
        let mut writer = match self.lock_writer() {
            Ok(writer) => writer,
            Err(failure) => return fail_all(&failure),
        };
        writer.last_write_ms = now_ms;
        let results: Vec<Result<Done>> = prepared
            .into_iter()
            .map(|(operation, prepared)| self.apply(&mut writer, &operation, prepared?, now_ms))
            .collect();
        let position = match self.finish(writer) {
            Ok(position) => position,
            Err(failure) => return fail_all(&failure),
        };
        match self.make_durable(position) {
            Ok(()) => results,
            Err(failure) => {
                self.broken.store(true, Ordering::Release);
                fail_all(&failure)
            }
        }
    }

    fn apply(
        &self,
        writer: &mut Writer,
        operation: &Operation,
        prepared: Prepared,
        now_ms: u64,
    ) -> Result<Done> {
        let is_delete = matches!(prepared, Prepared::Delete);
        if let Some(block) = self.settings().write_block(&self.name)
            && !(is_delete && block.status == 429)
        {
            return Err(block);
        }
        match prepared {
            Prepared::Put(source, reading) => self.put(writer, operation, source, reading, now_ms),
            Prepared::Delete => self.delete(writer, operation, now_ms),
            Prepared::Update(update) => self.update(writer, operation, &update, now_ms),
        }
    }

    fn put(
        &self,
        writer: &mut Writer,
        operation: &Operation,
        source: Bytes,
        reading: Reading,
        now_ms: u64,
    ) -> Result<Done> {
        let id = &operation.id;
        let current = self.current(id, now_ms);
        let version = decide(id, current, &operation.condition)?;
        let parsed = match reading {
            Reading::Parsed(parsed) => parsed,
            Reading::Unmapped(_) => self.grow(writer, id, &source)?,
        };
        let stamp = Stamp { version, seq_no: writer.next_seq_no };
        writer.next_seq_no += 1;
        let routing = operation.routing.as_deref().map(Into::into);
        let doc =
            Doc { id: id.as_str().into(), routing, source, version, seq_no: stamp.seq_no, parsed };
        self.store(writer, doc, matches!(current, Current::Live(_)));
        let outcome = match current {
            Current::Live(_) => Outcome::Updated,
            Current::Missing | Current::Deleted(_) => Outcome::Created,
        };
        Ok(Done { stamp, outcome, source: None })
    }

    /// Puts a document for which everything is decided.
    pub(super) fn store(&self, writer: &mut Writer, doc: Doc, replaces: bool) {
        let stamp = Stamp { version: doc.version, seq_no: doc.seq_no };
        Write::Put {
            id: doc.id.clone(),
            routing: doc.routing.clone(),
            stamp,
            source: doc.source.clone(),
        }
        .encode(&mut writer.record);
        let mut view = self.view_mut();
        let key = view.versions.fingerprint(&doc.id);
        view.versions.put(key, stamp);
        view.recent_bytes += doc.source.len();
        let recent = Recent {
            id: doc.id.clone(),
            routing: doc.routing.clone(),
            stamp,
            source: doc.source.clone(),
        };
        view.recent.insert(key, recent);
        let fields = view.shard.fields.clone();
        drop(view);
        if replaces {
            writer.batch.push(UserOperation::Delete(Term::from_field_text(fields.id, &doc.id)));
        }
        writer.batch.push(UserOperation::Add(Entry { fields, doc }));
    }

    fn delete(&self, writer: &mut Writer, operation: &Operation, now_ms: u64) -> Result<Done> {
        let current = self.current(&operation.id, now_ms);
        let version = decide(&operation.id, current, &operation.condition)?;
        let stamp = Stamp { version, seq_no: writer.next_seq_no };
        writer.next_seq_no += 1;
        let was_there = matches!(current, Current::Live(_));
        self.bury(writer, &operation.id, stamp, now_ms, was_there);
        let outcome = if was_there { Outcome::Deleted } else { Outcome::NotFound };
        Ok(Done { stamp, outcome, source: None })
    }

    pub(super) fn bury(
        &self,
        writer: &mut Writer,
        id: &str,
        stamp: Stamp,
        at_ms: u64,
        was_there: bool,
    ) {
        Write::Delete { id: id.into(), stamp, at_ms }.encode(&mut writer.record);
        let mut view = self.view_mut();
        let key = view.versions.fingerprint(id);
        view.versions.bury(key, Tombstone { id: id.into(), stamp, deleted_at_ms: at_ms });
        view.recent.remove(&key);
        let term = Term::from_field_text(view.shard.fields.id, id);
        drop(view);
        if was_there {
            writer.batch.push(UserOperation::Delete(term));
        }
    }

    fn update(
        &self,
        writer: &mut Writer,
        operation: &Operation,
        update: &Update,
        now_ms: u64,
    ) -> Result<Done> {
        // tantivy has to know what the batch did so far only if the document is not recent.
        let Some(found) = self.get(&operation.id)? else {
            return self.upsert(writer, operation, update, now_ms);
        };
        let Some(patch) = &update.doc else {
            return Err(Failure::validation(&["script or doc is missing"]));
        };
        let before = utf8(&found.source)?;
        let merged = raw::merge(before, patch)
            .map_err(|it| Failure::new(400, "json_parse_exception", it.to_string()))?;
        let condition = Condition { create: false, ..operation.condition };
        if update.detect_noop && raw::same(before, &merged) {
            decide(&operation.id, Current::Live(found.stamp), &condition)?;
            let Found { stamp, source, .. } = found;
            return Ok(Done { stamp, outcome: Outcome::Noop, source: Some(source) });
        }
        let routing = operation.routing.clone().or(found.routing);
        let operation = Operation { routing, condition, ..operation.clone() };
        self.put_now(writer, &operation, merged, now_ms)
    }

    fn upsert(
        &self,
        writer: &mut Writer,
        operation: &Operation,
        update: &Update,
        now_ms: u64,
    ) -> Result<Done> {
        let id = &operation.id;
        let new = match (&update.upsert, &update.doc) {
            (_, Some(doc)) if update.doc_as_upsert => doc,
            (Some(upsert), _) => upsert,
            _ => {
                let reason = format!("[{id}]: document missing");
                return Err(Failure::new(404, "document_missing_exception", reason));
            }
        };
        if operation.condition.if_seq_no.is_some() {
            decide(id, Current::Missing, &operation.condition)?;
        }
        self.put_now(writer, operation, new.clone(), now_ms)
    }

    fn put_now(
        &self,
        writer: &mut Writer,
        operation: &Operation,
        source: String,
        now_ms: u64,
    ) -> Result<Done> {
        let source = Bytes::from(source);
        let reading = document::parse(&self.mapping(), &operation.id, utf8(&source)?)?;
        let done = self.put(writer, operation, source.clone(), reading, now_ms)?;
        Ok(Done { source: Some(source), ..done })
    }

    /// Lets the mapping grow until it knows every field of the document.
    fn grow(&self, writer: &mut Writer, id: &str, source: &Bytes) -> Result<Parsed> {
        let text = utf8(source)?;
        let mut mapping = (*self.mapping()).clone();
        for round in 0..GROWTH_ROUNDS_MAX {
            match document::parse(&mapping, id, text)? {
                Reading::Parsed(parsed) => {
                    // Others may have added the fields since the document was first read.
                    if 0 < round {
                        self.publish(writer, mapping)?;
                    }
                    return Ok(parsed);
                }
                Reading::Unmapped(sights) => {
                    for (path, sight) in sights {
                        mapping.add(&path, &sight)?;
                    }
                }
            }
            mapping.check_limits(&self.name, self.settings().fields_max())?;
            mapping.give_slots(&mapping.slots());
        }
        Err(Failure::mapper_parsing("failed to parse: lists of lists of objects go too deep"))
    }

    pub(super) fn current(&self, id: &str, now_ms: u64) -> Current {
        let view = self.view();
        let forget_ms = match view.settings.gc_deletes() {
            Some(kept) => {
                now_ms.saturating_sub(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX))
            }
            None => 0,
        };
        view.versions.current(view.versions.fingerprint(id), forget_ms)
    }

    /// Ends a batch: hands it to the journal and to tantivy.
    pub(super) fn finish(&self, mut writer: MutexGuard<'_, Writer>) -> Result<Option<Position>> {
        let position = match self.hand_over(&mut writer) {
            Ok(position) => position,
            Err(failure) => {
                self.broken.store(true, Ordering::Release);
                return Err(failure);
            }
        };
        drop(writer);
        Ok(position)
    }

    pub(super) fn hand_over(&self, writer: &mut Writer) -> Result<Option<Position>> {
        self.dirty.fetch_or(!writer.record.is_empty(), Ordering::AcqRel);
        let position = writer.append()?;
        if !writer.batch.is_empty() {
            let batch = std::mem::take(&mut writer.batch);
            if writer.tantivy.is_none() {
                writer.tantivy = Some(self.shard().writer()?);
            }
            writer.tantivy.as_ref().expect("it was made").run(batch)?;
            self.stale.store(true, Ordering::Release);
        }
        Ok(position)
    }
}

fn prepare(mapping: &Mapping, id: &str, action: Action) -> Result<Prepared> {
    if ID_BYTES_MAX < id.len() {
        return Err(Failure::validation(&[&format!(
            "id is too long, must be no longer than {ID_BYTES_MAX} bytes but was: {}",
            id.len()
        )]));
    }
    match action {
        Action::Put(source) => {
            let reading = document::parse(mapping, id, utf8(&source)?)?;
            Ok(Prepared::Put(source, reading))
        }
        Action::Delete => Ok(Prepared::Delete),
        Action::Update(update) => Ok(Prepared::Update(update)),
    }
}

fn utf8(source: &[u8]) -> Result<&str> {
    std::str::from_utf8(source).map_err(|error| {
        Failure::mapper_parsing("failed to parse").caused_by(Failure::new(
            400,
            "json_parse_exception",
            format!("Invalid UTF-8 at byte {}", error.valid_up_to()),
        ))
    })
}
