//! Who reads which partition, and how far they are.
//!
//! A partition is whatever one worker reads by itself: a shard of a stream, a file of an export. The
//! right to it is a [`Lease`]; a [`LeaseStore`] keeps the leases, in this process or in a file.
//! What is allowed is decided in one pure place, `lease`, for every store alike.

mod file;
mod lease;
mod memory;

pub use crate::{
    file::FileLeases,
    lease::{LEASE_TERM, Lease, LeaseError, LeaseStore},
    memory::MemoryLeases,
};
