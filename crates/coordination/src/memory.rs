//! Leases of one process, gone with it. For tests, and for pipelines that start anew each time.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use pipeline::Timestamp;

use crate::{
    Lease, LeaseError, LeaseStore,
    lease::{LEASE_TERM, acquired, check_not_lost, released},
};

/// Leases in memory.
#[derive(Debug, Default)]
pub struct MemoryLeases {
    leases: Mutex<BTreeMap<String, Lease>>,
}

impl MemoryLeases {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Lease>) -> T) -> T {
        change(&mut self.leases.lock().expect("no panics while locked"))
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
            let lease = acquired(leases.get(partition), partition, owner, now)?;
            leases.insert(partition.to_owned(), lease.clone());
            Some(lease)
        }))
    }

    async fn save(&self, lease: &mut Lease, now: Timestamp) -> Result<(), LeaseError> {
        lease.expires = now.after(LEASE_TERM);
        self.change(|leases| {
            check_not_lost(leases.get(&lease.partition), lease)?;
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

    async fn list(&self, prefix: &str) -> Result<Vec<Lease>, LeaseError> {
        Ok(self.change(|leases| {
            leases.values().filter(|it| it.partition.starts_with(prefix)).cloned().collect()
        }))
    }
}
