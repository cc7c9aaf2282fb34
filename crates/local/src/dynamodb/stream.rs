//! The stream of a table: shards that open, fill, close and have children. Pure.
//!
//! ```text
//! open ─roll→ closed + one child      open ─split→ closed + two children, each half of the hashes
//! ```
//!
//! A shard takes the changes of a range of key hashes. Shards are rolled when they are four hours
//! old, and on demand. What is older than a day is forgotten, records and closed shards alike.
//! Time and sequence numbers come from outside.

pub(crate) mod iterator;
pub(crate) mod log;
pub(crate) mod record;

use serde::{Deserialize, Serialize};

use log::Log;
use record::Record;

/// When DynamoDB closes a shard and goes on in a new one.
pub(crate) const ROLL_AFTER_MS: u64 = 4 * 60 * 60 * 1000;
/// How long records, closed shards and disabled streams can be read.
pub(crate) const KEEP_MS: u64 = 24 * 60 * 60 * 1000;
/// How many shards a stream may have open.
pub(crate) const OPEN_SHARDS_MAX: usize = 256;

/// What a stream shows of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ViewType {
    #[serde(rename = "KEYS_ONLY")]
    KeysOnly,
    #[serde(rename = "NEW_IMAGE")]
    NewImage,
    #[serde(rename = "OLD_IMAGE")]
    OldImage,
    #[serde(rename = "NEW_AND_OLD_IMAGES")]
    NewAndOldImages,
}

impl ViewType {
    pub(crate) fn of_name(name: &str) -> Option<ViewType> {
        Some(match name {
            "KEYS_ONLY" => ViewType::KeysOnly,
            "NEW_IMAGE" => ViewType::NewImage,
            "OLD_IMAGE" => ViewType::OldImage,
            "NEW_AND_OLD_IMAGES" => ViewType::NewAndOldImages,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            ViewType::KeysOnly => "KEYS_ONLY",
            ViewType::NewImage => "NEW_IMAGE",
            ViewType::OldImage => "OLD_IMAGE",
            ViewType::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }

    pub(crate) fn shows_new(self) -> bool {
        matches!(self, ViewType::NewImage | ViewType::NewAndOldImages)
    }

    pub(crate) fn shows_old(self) -> bool {
        matches!(self, ViewType::OldImage | ViewType::NewAndOldImages)
    }
}

/// A place in the history of a table. They grow over the whole table.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(crate) struct Sequence(pub(crate) u64);

impl Sequence {
    /// The number after this one, which this one becomes.
    pub(crate) fn advance(&mut self) -> Sequence {
        self.0 += 1;
        *self
    }

    /// Reads what [`Sequence::to_string`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Sequence> {
        let digits = text.strip_prefix('1').filter(|digits| digits.len() == 20)?;
        digits.parse().ok().map(Sequence)
    }
}

/// 21 digits, as DynamoDB has.
impl std::fmt::Display for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "1{:020}", self.0)
    }
}

/// What is kept of a shard besides its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardState {
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    /// The first and the last key hash that it takes.
    pub(crate) hashes: (u64, u64),
    pub(crate) starting: Sequence,
    pub(crate) ending: Option<Sequence>,
    pub(crate) opened_ms: u64,
    pub(crate) closed_ms: Option<u64>,
    /// Of the last record that was forgotten.
    pub(crate) trimmed: Option<Sequence>,
}

/// A shard.
#[derive(Clone, Debug)]
pub(crate) struct Shard {
    pub(crate) state: ShardState,
    pub(crate) log: Log,
}

/// What is kept of a stream besides its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamState {
    pub(crate) label: String,
    pub(crate) view_type: ViewType,
    pub(crate) created_ms: u64,
    pub(crate) disabled_ms: Option<u64>,
    pub(crate) shards: Vec<ShardState>,
}

/// A stream. A clone is a picture of this moment.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) label: String,
    pub(crate) view_type: ViewType,
    pub(crate) created_ms: u64,
    pub(crate) disabled_ms: Option<u64>,
    /// Parents before their children.
    pub(crate) shards: Vec<Shard>,
}

/// How a shard is closed on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reshard {
    /// One child takes over.
    Roll,
    /// Two children take half of the hashes each.
    Split,
}

impl Stream {
    /// A new stream with `n_shards` shards of equal width.
    pub(crate) fn open(
        label: String,
        view_type: ViewType,
        n_shards: usize,
        now_ms: u64,
        sequence: &mut Sequence,
    ) -> Stream {
        let shards = Vec::new();
        let mut stream = Stream { label, view_type, created_ms: now_ms, disabled_ms: None, shards };
        stream.open_shards(n_shards, now_ms, sequence);
        stream
    }

    /// Begins again with another number of shards, if nothing was written yet.
    pub(crate) fn restart(
        &mut self,
        n_shards: usize,
        now_ms: u64,
        sequence: &mut Sequence,
    ) -> bool {
        let is_fresh = self
            .shards
            .iter()
            .all(|it| it.log.is_empty() && it.state.parent.is_none() && it.state.trimmed.is_none());
        if is_fresh && self.is_enabled() {
            self.shards.clear();
            self.open_shards(n_shards, now_ms, sequence);
        }
        is_fresh
    }

    fn open_shards(&mut self, n_shards: usize, now_ms: u64, sequence: &mut Sequence) {
        let n = n_shards.clamp(1, OPEN_SHARDS_MAX) as u128;
        // The end of the i-th of n equal parts of all hashes.
        let end = |i: u128| u64::try_from(((i << 64) / n).saturating_sub(1)).unwrap_or(u64::MAX);
        let mut first = 0;
        for i in 1..=n {
            let last = if i == n { u64::MAX } else { end(i) };
            self.shards.push(Shard::open(None, (first, last), now_ms, sequence));
            first = last.wrapping_add(1);
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.disabled_ms.is_none()
    }

    /// Adds a record to the shard that takes this hash.
    pub(crate) fn append(&mut self, hash: u64, record: Record) {
        let takes = |shard: &&mut Shard| {
            let (first, last) = shard.state.hashes;
            shard.is_open() && first <= hash && hash <= last
        };
        // The open shards of an enabled stream take every hash; they are the youngest.
        if let Some(shard) = self.shards.iter_mut().rev().find(takes) {
            shard.log.push(record);
        }
    }

    /// Ends the stream. What is in it stays readable for a day.
    pub(crate) fn disable(&mut self, now_ms: u64, sequence: &mut Sequence) {
        self.disabled_ms = Some(now_ms);
        for shard in self.shards.iter_mut().filter(|it| it.is_open()) {
            shard.close(now_ms, sequence);
        }
    }

    /// Closes the shard at `at` and opens its children.
    pub(crate) fn reshard(
        &mut self,
        at: usize,
        how: Reshard,
        now_ms: u64,
        sequence: &mut Sequence,
    ) {
        let shard = &mut self.shards[at];
        shard.close(now_ms, sequence);
        let (first, last) = shard.state.hashes;
        let parent = Some(shard.state.id.clone());
        let middle = first + (last - first) / 2;
        let ranges = match how {
            Reshard::Split if first < last => vec![(first, middle), (middle + 1, last)],
            _ => vec![(first, last)],
        };
        for hashes in ranges {
            self.shards.push(Shard::open(parent.clone(), hashes, now_ms, sequence));
        }
    }

    /// The open shards, by their place in `shards`.
    pub(crate) fn open_shard_places(&self) -> Vec<usize> {
        (0..self.shards.len()).filter(|at| self.shards[*at].is_open()).collect()
    }

    /// Whether time alone changes something: [`Stream::tick`] would not do nothing.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        self.shards.iter().any(|it| {
            it.is_old(now_ms)
                || it.is_forgotten(now_ms)
                || it.log.first().is_some_and(|it| it.created_ms + KEEP_MS <= now_ms)
        })
    }

    /// Does what is due: forgets what is a day old, and rolls shards that are four hours old. Says
    /// whether shards have come or gone.
    pub(crate) fn tick(&mut self, now_ms: u64, sequence: &mut Sequence) -> bool {
        let n_shards = self.shards.len();
        for at in self.open_shard_places() {
            if self.shards[at].is_old(now_ms) {
                self.reshard(at, Reshard::Roll, now_ms, sequence);
            }
        }
        let has_rolled = n_shards < self.shards.len();
        for shard in &mut self.shards {
            if let Some(last) = shard.log.trim(now_ms.saturating_sub(KEEP_MS)) {
                shard.state.trimmed = Some(last);
            }
        }
        let n_shards = self.shards.len();
        self.shards.retain(|it| !it.is_forgotten(now_ms));
        has_rolled || self.shards.len() < n_shards
    }

    pub(crate) fn shard(&self, id: &str) -> Option<&Shard> {
        self.shards.iter().find(|it| it.state.id == id)
    }

    /// What must be kept besides the records.
    pub(crate) fn state(&self) -> StreamState {
        StreamState {
            label: self.label.clone(),
            view_type: self.view_type,
            created_ms: self.created_ms,
            disabled_ms: self.disabled_ms,
            shards: self.shards.iter().map(|it| it.state.clone()).collect(),
        }
    }

    /// The stream that has this state, with the records that `before` has of it.
    pub(crate) fn restore(state: StreamState, before: Option<Stream>) -> Stream {
        let mut logs = before.map(|it| it.shards).unwrap_or_default();
        let shards = state.shards.into_iter().map(|state| {
            let at = logs.iter().position(|it| it.state.id == state.id);
            let log = at.map(|at| logs.swap_remove(at).log).unwrap_or_default();
            Shard { state, log }
        });
        Stream {
            label: state.label,
            view_type: state.view_type,
            created_ms: state.created_ms,
            disabled_ms: state.disabled_ms,
            shards: shards.collect(),
        }
    }
}

impl Shard {
    fn open(
        parent: Option<String>,
        hashes: (u64, u64),
        now_ms: u64,
        sequence: &mut Sequence,
    ) -> Shard {
        let starting = sequence.advance();
        // Every number gives other digits, as far as 32 bits go.
        let digits = (starting.0 as u32).wrapping_mul(0x9E37_79B1);
        let state = ShardState {
            id: format!("shardId-{now_ms:020}-{digits:08x}"),
            parent,
            hashes,
            starting,
            ending: None,
            opened_ms: now_ms,
            closed_ms: None,
            trimmed: None,
        };
        Shard { state, log: Log::default() }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state.ending.is_none()
    }

    fn close(&mut self, now_ms: u64, sequence: &mut Sequence) {
        self.state.ending = Some(sequence.advance());
        self.state.closed_ms = Some(now_ms);
    }

    fn is_old(&self, now_ms: u64) -> bool {
        self.is_open() && self.state.opened_ms + ROLL_AFTER_MS <= now_ms
    }

    fn is_forgotten(&self, now_ms: u64) -> bool {
        self.state.closed_ms.is_some_and(|it| it + KEEP_MS <= now_ms)
    }
}

#[cfg(test)]
mod tests;
