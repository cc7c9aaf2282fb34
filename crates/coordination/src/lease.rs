//! What a lease is, and when it may change hands. The decisions are plain functions of the record
//! that a store holds.

use std::time::Duration;

use async_trait::async_trait;
use pipeline::Timestamp;

/// How long a worker may be silent before others take its partitions.
pub const LEASE_TERM: Duration = Duration::from_secs(30);

/// The right to read one partition. Every write that goes through it is conditional on `token`, so
/// a worker that was taken for dead cannot overwrite its successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The partition: a shard, a file.
    pub partition: String,
    /// The worker.
    pub owner: String,
    /// Grows by one each time the partition changes hands.
    pub token: u64,
    /// Until when the owner is believed alive.
    pub expires: Timestamp,
    /// Everything up to here is safe. What it says is the reader's business.
    pub checkpoint: Option<String>,
    /// Whether there is nothing left to read.
    pub done: bool,
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

    /// Every lease whose partition begins with `prefix`.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    async fn list(&self, prefix: &str) -> Result<Vec<Lease>, LeaseError>;
}

/// The lease that `owner` gets, given the one that is `held`.
pub(crate) fn acquired(
    held: Option<&Lease>,
    partition: &str,
    owner: &str,
    now: Timestamp,
) -> Option<Lease> {
    let (token, checkpoint) = match held {
        Some(held) if held.done || now < held.expires => return None,
        Some(lapsed) => (lapsed.token + 1, lapsed.checkpoint.clone()),
        None => (1, None),
    };
    Some(Lease {
        partition: partition.to_owned(),
        owner: owner.to_owned(),
        token,
        expires: now.after(LEASE_TERM),
        checkpoint,
        done: false,
    })
}

/// Whether `lease` may be written over the one that is `held`.
pub(crate) fn check_not_lost(held: Option<&Lease>, lease: &Lease) -> Result<(), LeaseError> {
    match held {
        Some(held) if held.token == lease.token => Ok(()),
        held => Err(LeaseError::Lost {
            partition: lease.partition.clone(),
            owner: held.map_or_else(|| "nobody".to_owned(), |it| it.owner.clone()),
        }),
    }
}

/// What is left in the store when `lease` is let go.
pub(crate) fn released(lease: Lease) -> Lease {
    Lease { expires: Timestamp(0), ..lease }
}
