//! Who reads which partition, and how far they are.
//!
//! A partition is whatever one worker reads by itself: a shard of a stream, a file of an export. The
//! right to it is a [`Lease`]; a [`LeaseStore`] keeps the leases: in
//! this process, in a file, or in a table that several processes share.
//! Several workers share a pipeline: each is a [`Member`], which shows that it is alive, and is told
//! its share.
//!
//! What is allowed is decided in pure places, for every store alike: `lease` says what a lease
//! becomes, `watch` who is alive, `plan` who should read what.

mod config;
mod file;
mod lease;
mod member;
mod memory;
mod plan;
mod table;
mod watch;

pub use crate::{
    config::{Coordination, NotAnAddress, TableConfig},
    file::FileLeases,
    lease::{LEASE_TERM, Lease, LeaseError, LeaseStore, acquire_again},
    member::{Member, Survey, Traffic, worker_name, workers},
    memory::MemoryLeases,
    plan::{Balance, Moves, View},
    table::TableLeases,
    watch::{Seen, Watch},
};
