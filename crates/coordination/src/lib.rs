//! Who reads which partition, and how far they are.
//!
//! A partition is whatever one worker reads by itself: a shard of a stream, a file of an export. The
//! right to it is a [`Lease`]; a [`LeaseStore`] keeps the leases, in this process or in a file.
//! Several workers share a pipeline: each is a [`Member`], which shows that it is alive, and is told
//! its share.
//!
//! What is allowed is decided in pure places, for every store alike: `lease` says what a lease
//! becomes, `watch` who is alive, `plan` who should read what.

mod file;
mod lease;
mod member;
mod memory;
mod plan;
mod watch;

pub use crate::{
    file::FileLeases,
    lease::{LEASE_TERM, Lease, LeaseError, LeaseStore},
    member::{Member, Survey, Traffic, worker_name},
    memory::MemoryLeases,
    plan::{Balance, Moves, View},
    watch::{Seen, Watch},
};
