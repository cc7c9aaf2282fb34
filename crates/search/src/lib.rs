//! An OpenSearch-compatible index on tantivy: mappings, versions, queries.
//!
//! A [`Node`] holds the indices of one data directory. An [`Index`] takes [`Operation`]s and gives
//! documents back by id; [`search`] finds them. What goes wrong is a [`Failure`], which says what
//! OpenSearch would say.
//!
//! This crate knows no HTTP and reads no clock: whoever calls says what time it is, and calls
//! [`Index::tick`] now and then. The endpoint that does is `local`.

pub mod analysis;
mod catalog;
mod date;
mod directory;
mod document;
mod error;
mod fields;
mod index;
mod mapping;
mod node;
mod query;
mod raw;
mod record;
mod search;
mod settings;
mod shard;
mod versions;

pub use catalog::{Alias, AliasAction, Catalog, Options, Resolved, Templates, shown_template};
pub use error::{Failure, Result};
pub use index::{Action, Done, Index, Operation, Outcome, Update};
pub use mapping::Mapping;
pub use node::Node;
pub use query::{Query, distance};
pub use raw::{Filter, Object, array, matches_wildcard, merge, quote, string};
pub use search::{
    After, Answer, Hit, Key, PointInTime, Request, SortValue, Target, TotalWanted, View, count,
    search,
};
pub use settings::{Settings, time};
pub use shard::Found;
pub use versions::{Condition, PRIMARY_TERM, Stamp, VersionType};
