//! Leases in a file of the data directory, for one process at a time.
//!
//! The file is locked while it is open. So whoever opens it knows that the owners it names are dead,
//! and need not wait for their leases to lapse: that is what makes a restart quick.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use pipeline::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::{
    LEASE_TERM, Lease, LeaseError, LeaseStore, Seen, Watch,
    lease::{check_not_lost, released, renewed, taken},
};

const LEASES: TableDefinition<'_, &str, &str> = TableDefinition::new("leases");
/// A lease is a hundred bytes; a thousand of them fit many times over.
const CACHE_BYTES: usize = 1 << 20;

/// Leases in a file.
#[derive(Clone, Debug)]
pub struct FileLeases {
    database: Arc<Database>,
    path: PathBuf,
    watch: Arc<Mutex<Watch>>,
}

/// What to do with the lease of a partition.
enum Change<T> {
    Put(Lease, T),
    Remove(T),
    Leave(T),
}

impl FileLeases {
    /// Opens the leases at `path`, or starts with none. Leases of an earlier process are free.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, or another process has it open.
    pub fn open(path: &Path) -> Result<FileLeases, LeaseError> {
        let failed = |error: redb::Error| {
            let reason = match error {
                redb::Error::DatabaseAlreadyOpen => "another process has it open; stop that one, \
                    or use a different data directory"
                    .to_owned(),
                error => error.to_string(),
            };
            LeaseError::Store { store: path.display().to_string(), reason }
        };
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|error| failed(error.into()))?;
        let leases = FileLeases {
            database: Arc::new(database),
            path: path.to_owned(),
            watch: Arc::new(Mutex::new(Watch::new(LEASE_TERM))),
        };
        leases.free_all().map_err(failed)?;
        Ok(leases)
    }

    fn free_all(&self) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(LEASES)?;
            let mut held = Vec::new();
            for entry in table.iter()? {
                let (partition, text) = entry?;
                held.extend(from_text(partition.value(), text.value()));
            }
            for lease in held {
                let partition = lease.partition.clone();
                table.insert(partition.as_str(), to_text(&released(lease)).as_str())?;
            }
        }
        write.commit()?;
        Ok(())
    }

    /// Changes the lease of one partition in a transaction of its own, off the async threads.
    async fn change<T: Send + 'static>(
        &self,
        partition: &str,
        change: impl FnOnce(Option<Lease>) -> Result<Change<T>, LeaseError> + Send + 'static,
    ) -> Result<T, LeaseError> {
        let partition = partition.to_owned();
        let database = Arc::clone(&self.database);
        let outcome = tokio::task::spawn_blocking(move || {
            let write = database.begin_write()?;
            let changed = {
                let mut table = write.open_table(LEASES)?;
                let held = table
                    .get(partition.as_str())?
                    .and_then(|text| from_text(&partition, text.value()));
                match change(held) {
                    Ok(Change::Put(lease, value)) => {
                        table.insert(partition.as_str(), to_text(&lease).as_str())?;
                        Ok(value)
                    }
                    Ok(Change::Remove(value)) => {
                        table.remove(partition.as_str())?;
                        Ok(value)
                    }
                    Ok(Change::Leave(value)) => Ok(value),
                    Err(error) => Err(error),
                }
            };
            write.commit()?;
            Ok::<_, redb::Error>(changed)
        });
        match outcome.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &dyn std::error::Error) -> LeaseError {
        LeaseError::Store { store: self.path.display().to_string(), reason: error.to_string() }
    }
}

#[async_trait]
impl LeaseStore for FileLeases {
    async fn acquire(
        &self,
        partition: &str,
        owner: &str,
        now: Timestamp,
    ) -> Result<Option<Lease>, LeaseError> {
        let (name, owner) = (partition.to_owned(), owner.to_owned());
        let watch = Arc::clone(&self.watch);
        self.change(partition, move |held| {
            let mut watch = watch.lock().expect("no panics while locked");
            if held.as_ref().is_some_and(|it| !watch.look(it, now).available) {
                return Ok(Change::Leave(None));
            }
            let lease = taken(held.as_ref(), &name, &owner);
            watch.look(&lease, now);
            Ok(Change::Put(lease.clone(), Some(lease)))
        })
        .await
    }

    async fn save(&self, lease: &mut Lease, now: Timestamp) -> Result<(), LeaseError> {
        let next = renewed(lease);
        let watch = Arc::clone(&self.watch);
        let saved = self.change(&lease.partition, move |held| {
            check_not_lost(held.as_ref(), &next)?;
            watch.lock().expect("no panics while locked").look(&next, now);
            Ok(Change::Put(next.clone(), next))
        });
        *lease = saved.await?;
        Ok(())
    }

    async fn release(&self, lease: Lease) -> Result<(), LeaseError> {
        self.change(&lease.partition.clone(), move |held| {
            check_not_lost(held.as_ref(), &lease)?;
            Ok(Change::Put(released(lease), ()))
        })
        .await
    }

    async fn remove(&self, lease: Lease) -> Result<(), LeaseError> {
        self.change(&lease.partition.clone(), move |held| {
            if held.is_some() {
                check_not_lost(held.as_ref(), &lease)?;
            }
            Ok(Change::Remove(()))
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Lease>, LeaseError> {
        let read = || {
            let read = self.database.begin_read()?;
            let table = read.open_table(LEASES)?;
            let mut leases = Vec::new();
            for entry in table.range(prefix..)? {
                let (partition, text) = entry?;
                if !partition.value().starts_with(prefix) {
                    break;
                }
                leases.extend(from_text(partition.value(), text.value()));
            }
            Ok::<_, redb::Error>(leases)
        };
        read().map_err(|error| self.failed(&error))
    }

    async fn survey(&self, prefix: &str, now: Timestamp) -> Result<Vec<Seen>, LeaseError> {
        let leases = self.list(prefix).await?;
        let mut watch = self.watch.lock().expect("no panics while locked");
        Ok(watch.survey(prefix, leases, now))
    }
}

/// `owner token renewals state checkpoint`, separated by tabs.
fn to_text(lease: &Lease) -> String {
    let Lease { owner, token, renewals, checkpoint, .. } = lease;
    let state = if lease.done { DONE } else { free_or_held(lease.free) };
    let checkpoint = checkpoint.as_deref().unwrap_or_default();
    format!("{owner}\t{token}\t{renewals}\t{state}\t{checkpoint}")
}

/// `true` and `false` say whether it is done: so it was in earlier files.
const DONE: &str = "true";

fn free_or_held(free: bool) -> &'static str {
    if free { "free" } else { "false" }
}

fn from_text(partition: &str, text: &str) -> Option<Lease> {
    let mut parts = text.splitn(5, '\t');
    let mut part = || parts.next();
    let (owner, token, renewals) = (part()?, part()?, part()?);
    let state = part()?;
    Some(Lease {
        partition: partition.to_owned(),
        owner: owner.to_owned(),
        token: token.parse().ok()?,
        renewals: renewals.parse().ok()?,
        checkpoint: part().filter(|it| !it.is_empty()).map(str::to_owned),
        done: state == DONE,
        free: state == free_or_held(true),
        passing: false,
    })
}
