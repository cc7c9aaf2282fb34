//! What a lease is, and when it may change hands. The decisions are plain functions of the record
//! that a store holds.

use std::time::Duration;

use async_trait::async_trait;
use pipeline::Timestamp;

use crate::{Seen, Traffic};

/// How long a worker may be silent before others take its partitions.
pub const LEASE_TERM: Duration = Duration::from_secs(30);

/// The right to read one partition. Every write that goes through it is conditional on `token`, so
/// a worker that was taken for dead cannot overwrite its successor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// The partition: a shard, a file.
    pub partition: String,
    /// The worker.
    pub owner: String,
    /// Grows by one each time the partition changes hands.
    pub token: u64,
    /// Grows with every write. That it grows is how others know that the owner is alive.
    pub renewals: u64,
    /// Everything up to here is safe. What it says is the reader's business.
    pub checkpoint: Option<String>,
    /// Whether there is nothing left to read.
    pub done: bool,
    /// Whether the owner has let go.
    pub free: bool,
    /// Whether a store may forget it, long after it is done.
    pub passing: bool,
}

/// Why a lease operation did not happen.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another worker has the partition now. Stop reading it.
    #[error("{partition} now belongs to {owner}")]
    Lost {
        /// The partition.
        partition: String,
        /// Who has it.
        owner: String,
    },
    /// The store does not work. Try again; if it stays so, an operator must look.
    #[error("the lease store {store} failed: {reason}")]
    Store {
        /// Which store.
        store: String,
        /// What went wrong.
        reason: String,
    },
}

impl LeaseError {
    /// Whether somebody else has the partition.
    pub fn is_lost(&self) -> bool {
        matches!(self, LeaseError::Lost { .. })
    }
}

/// Keeps leases. Each operation is one conditional write.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Takes the partition if it is free, or if its owner has been silent for too long. A partition
    /// that is done is given to nobody.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    async fn acquire(
        &self,
        partition: &str,
        owner: &str,
        now: Timestamp,
    ) -> Result<Option<Lease>, LeaseError>;

    /// Writes the checkpoint and renews the lease, in one step.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`] when the partition has changed hands; else when the store does not work.
    async fn save(&self, lease: &mut Lease, now: Timestamp) -> Result<(), LeaseError>;

    /// Lets go, so that others need not wait. With `done` set, for good.
    ///
    /// # Errors
    ///
    /// As [`LeaseStore::save`].
    async fn release(&self, lease: Lease) -> Result<(), LeaseError>;

    /// Forgets the partition, if the lease still has it. That it is forgotten already is no error.
    ///
    /// # Errors
    ///
    /// As [`LeaseStore::save`].
    async fn remove(&self, lease: Lease) -> Result<(), LeaseError>;

    /// Every lease whose partition begins with `prefix`.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    async fn list(&self, prefix: &str) -> Result<Vec<Lease>, LeaseError>;

    /// As [`LeaseStore::list`], and which of them could be acquired now. Whoever surveys again and
    /// again notices that an owner has become silent.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    async fn survey(&self, prefix: &str, now: Timestamp) -> Result<Vec<Seen>, LeaseError>;

    /// How long a worker may be silent before others take its partitions.
    fn term(&self) -> Duration {
        LEASE_TERM
    }

    /// How long checkpoints should be held back, so that several become one write. What is read
    /// again after a crash grows by as much.
    fn save_every(&self) -> Duration {
        Duration::ZERO
    }

    /// How many calls were made so far, where calls cost money.
    fn traffic(&self) -> Option<Traffic> {
        None
    }
}

/// As [`LeaseStore::acquire`]; also gives what `owner` holds already, from an effort that failed half
/// way. As long as it is alive nobody else would take that. To be called by whoever knows that
/// nothing of the partition is under way.
///
/// # Errors
///
/// When the store does not work.
pub async fn acquire_again(
    store: &dyn LeaseStore,
    partition: &str,
    owner: &str,
    now: Timestamp,
) -> Result<Option<Lease>, LeaseError> {
    if let Some(lease) = store.acquire(partition, owner, now).await? {
        return Ok(Some(lease));
    }
    let known = store.list(partition).await?.into_iter().find(|it| it.partition == partition);
    Ok(known.filter(|it| it.owner == owner && !it.free && !it.done))
}

/// The lease that `owner` gets, given the one that is `held` and may be taken.
pub(crate) fn taken(held: Option<&Lease>, partition: &str, owner: &str) -> Lease {
    let (token, renewals, checkpoint) =
        held.map_or((0, 0, None), |it| (it.token, it.renewals, it.checkpoint.clone()));
    Lease {
        partition: partition.to_owned(),
        owner: owner.to_owned(),
        token: token + 1,
        renewals: renewals + 1,
        checkpoint,
        ..Lease::default()
    }
}

/// Whether `lease` may be written over the one that is `held`.
pub(crate) fn check_not_lost(held: Option<&Lease>, lease: &Lease) -> Result<(), LeaseError> {
    match held {
        Some(held) if held.token == lease.token => Ok(()),
        held => Err(lost(held, lease)),
    }
}

/// What to tell whoever held `lease` and does no longer.
pub(crate) fn lost(held: Option<&Lease>, lease: &Lease) -> LeaseError {
    LeaseError::Lost {
        partition: lease.partition.clone(),
        owner: held.map_or_else(|| "nobody".to_owned(), |it| it.owner.clone()),
    }
}

/// What `lease` is after one more write.
pub(crate) fn renewed(lease: &Lease) -> Lease {
    Lease { renewals: lease.renewals + 1, ..lease.clone() }
}

/// What is left in the store when `lease` is let go.
pub(crate) fn released(lease: Lease) -> Lease {
    Lease { renewals: lease.renewals + 1, free: true, ..lease }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryLeases;

    #[tokio::test]
    async fn what_an_effort_left_behind_is_taken_up_by_its_owner_alone() {
        let store = MemoryLeases::default();
        let again = async |partition, owner| {
            acquire_again(&store, partition, owner, Timestamp(0)).await.unwrap()
        };
        let lease = again("a", "me").await.unwrap();
        again("a/b", "me").await.unwrap();
        assert_eq!(again("a", "me").await, Some(lease.clone()), "the same one, with its token");
        assert_eq!(again("a", "you").await, None);
        store.release(lease.clone()).await.unwrap();
        let next = again("a", "me").await.unwrap();
        assert_eq!(next.token, lease.token + 1);
        store.release(Lease { done: true, ..next }).await.unwrap();
        assert_eq!(again("a", "me").await, None, "what is done is given to nobody");
    }
}
