//! Leases of one process, gone with it. For tests, and for pipelines that start anew each time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use pipeline::Timestamp;

use crate::{
    LEASE_TERM, Lease, LeaseError, LeaseStore, Seen, Watch,
    lease::{check_not_lost, released, renewed, taken},
};

/// Leases in memory.
#[derive(Debug)]
pub struct MemoryLeases {
    leases: Arc<Mutex<BTreeMap<String, Lease>>>,
    watch: Mutex<Watch>,
}

impl Default for MemoryLeases {
    fn default() -> MemoryLeases {
        MemoryLeases::with_term(LEASE_TERM)
    }
}

impl MemoryLeases {
    /// None yet, for workers that may be silent for `term`.
    pub fn with_term(term: Duration) -> MemoryLeases {
        MemoryLeases { leases: Arc::default(), watch: Mutex::new(Watch::new(term)) }
    }

    /// The same leases, seen by another worker, which has seen nothing of the others yet.
    #[must_use]
    pub fn for_another_worker(&self) -> MemoryLeases {
        let watch = Watch::new(self.term());
        MemoryLeases { leases: Arc::clone(&self.leases), watch: Mutex::new(watch) }
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Lease>) -> T) -> T {
        change(&mut self.leases.lock().expect("no panics while locked"))
    }

    fn watch<T>(&self, look: impl FnOnce(&mut Watch) -> T) -> T {
        look(&mut self.watch.lock().expect("no panics while locked"))
    }
}

#[async_trait]
impl LeaseStore for MemoryLeases {
    async fn acquire(
        &self,
        partition: &str,
        owner: &str,
        now: Timestamp,
    ) -> Result<Option<Lease>, LeaseError> {
        Ok(self.change(|leases| {
            let held = leases.get(partition);
            if held.is_some_and(|it| !self.watch(|watch| watch.look(it, now)).available) {
                return None;
            }
            let lease = taken(held, partition, owner);
            self.watch(|watch| watch.look(&lease, now));
            leases.insert(partition.to_owned(), lease.clone());
            Some(lease)
        }))
    }

    async fn save(&self, lease: &mut Lease, now: Timestamp) -> Result<(), LeaseError> {
        self.change(|leases| {
            check_not_lost(leases.get(&lease.partition), lease)?;
            *lease = renewed(lease);
            self.watch(|watch| watch.look(lease, now));
            leases.insert(lease.partition.clone(), lease.clone());
            Ok(())
        })
    }

    async fn release(&self, lease: Lease) -> Result<(), LeaseError> {
        self.change(|leases| {
            check_not_lost(leases.get(&lease.partition), &lease)?;
            leases.insert(lease.partition.clone(), released(lease));
            Ok(())
        })
    }

    async fn remove(&self, lease: Lease) -> Result<(), LeaseError> {
        self.change(|leases| {
            let held = leases.get(&lease.partition);
            if held.is_some() {
                check_not_lost(held, &lease)?;
                leases.remove(&lease.partition);
            }
            Ok(())
        })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Lease>, LeaseError> {
        Ok(self.change(|leases| {
            leases.values().filter(|it| it.partition.starts_with(prefix)).cloned().collect()
        }))
    }

    async fn survey(&self, prefix: &str, now: Timestamp) -> Result<Vec<Seen>, LeaseError> {
        let leases = self.list(prefix).await?;
        Ok(self.watch(|watch| watch.survey(prefix, leases, now)))
    }

    fn term(&self) -> Duration {
        self.watch(|watch| watch.term())
    }
}
