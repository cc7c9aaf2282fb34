//! Searching: a request over some indices, and the documents that answer it.

mod after;
mod collect;
mod request;
mod sort;

use std::{cmp::Ordering, sync::Arc};

use tantivy::DocAddress;

pub use after::After;
pub use request::{PointInTime, Request, TotalWanted};
pub use sort::{Key, SortValue};

use crate::{
    error::{Failure, Result},
    index::{Index, Snapshot},
    query::{Query, build::Builder},
    shard::Found,
};
use collect::{Collected, Top};

/// What a search found.
#[derive(Debug)]
pub struct Answer {
    /// How many documents match, in all.
    pub total: u64,
    /// The score of the best of them, if scores were counted.
    pub max_score: Option<f32>,
    /// Those that were asked for, best first.
    pub hits: Vec<Hit>,
    /// How many shards were searched.
    pub n_shards: u64,
    /// Behind what the next page begins; none if there are no hits.
    pub last: Option<Vec<After>>,
}

/// A document that matches.
#[derive(Debug)]
pub struct Hit {
    /// The index it is in.
    pub index: String,
    /// The document.
    pub found: Found,
    /// How well it matches, if that was counted.
    pub score: Option<f32>,
    /// What it was sorted by, if the request says how to sort.
    pub sort: Vec<SortValue>,
}

/// An index to look into.
#[derive(Clone, Debug)]
pub struct Target {
    /// The index.
    pub index: Arc<Index>,
    /// Which of its documents may be seen, if not all.
    pub filter: Option<Query>,
}

impl From<Arc<Index>> for Target {
    fn from(index: Arc<Index>) -> Target {
        Target { index, filter: None }
    }
}

impl Target {
    fn restricted(&self, query: &Query) -> Query {
        match &self.filter {
            Some(filter) => query.clone().filtered_by(filter.clone()),
            None => query.clone(),
        }
    }
}

/// What searches look into, as it was when it was opened.
#[derive(Clone)]
pub struct View {
    targets: Vec<Target>,
    snapshots: Vec<Snapshot>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("targets", &self.targets).finish_non_exhaustive()
    }
}

impl View {
    /// What can be found in `targets` now. It takes room until it is dropped.
    pub fn open(targets: Vec<Target>) -> View {
        let snapshots = targets.iter().map(|it| it.index.snapshot()).collect();
        View { targets, snapshots }
    }

    /// Into how many shards its indices are divided.
    pub fn n_shards(&self) -> u64 {
        self.targets.iter().map(|it| it.index.settings().n_shards()).sum()
    }

    /// Looks for `request`.
    ///
    /// # Errors
    ///
    /// When the request does not fit the mapping of one of the indices, or asks for too much.
    pub fn search(&self, request: &Request, now_ms: u64) -> Result<Answer> {
        let View { targets, snapshots } = self;
        for Target { index, .. } in targets {
            let window = index.settings().max_result_window();
            let end = request.from.saturating_add(request.size);
            if window < end {
                return Err(Failure::illegal_argument(format!(
                    "Result window is too large, from + size must be less than or equal to: [{window}] but was [{end}]. \
                     See the scroll api for a more efficient way to request large data sets. \
                     This limit can be set by changing the [index.max_result_window] index level setting."
                ))
                .in_search(&index.name));
            }
        }
        request.check_after()?;
        let mut total = 0;
        let mut rows: Vec<(usize, Row)> = Vec::new();
        for (number, (target, snapshot)) in targets.iter().zip(snapshots).enumerate() {
            let collected = rank(target, number, snapshot, request, now_ms)
                .map_err(|it| it.in_search(&target.index.name))?;
            total += collected.total;
            rows.extend(collected.rows.into_iter().map(|row| (number, row)));
        }
        let keys = request.keys();
        rows.sort_by(|left, right| {
            let by_keys = keys
                .iter()
                .enumerate()
                .map(|(n, key)| key.compare(&left.1.sort[n], &right.1.sort[n]));
            let by_keys = by_keys.fold(Ordering::Equal, Ordering::then);
            let address = |it: &(usize, Row)| (it.0, it.1.address);
            by_keys.then_with(|| address(left).cmp(&address(right)))
        });
        let max_score = if request.counts_scores() {
            rows.iter()
                .map(|it| it.1.score)
                .fold(None, |best: Option<f32>, it| Some(best.map_or(it, |best| best.max(it))))
        } else {
            None
        };
        let wanted: Vec<(usize, Row)> =
            rows.into_iter().skip(request.from).take(request.size).collect();
        let last = wanted.last().map(|it| it.1.sort.iter().map(After::from).collect());
        let hits = wanted
            .into_iter()
            .map(|(number, mut row)| {
                let snapshot = &snapshots[number];
                let found = snapshot.shard.load(&snapshot.searcher, row.address)?;
                // The place by which scrolling goes on is nobody's business.
                row.sort.truncate(if request.is_sorted { request.sort.len() } else { 0 });
                Ok(Hit {
                    index: targets[number].index.name.clone(),
                    found,
                    score: request.counts_scores().then_some(row.score),
                    sort: row.sort,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Answer { total, max_score, hits, n_shards: self.n_shards(), last })
    }
}

/// Looks for `request` in all of `targets`, as they are now.
///
/// # Errors
///
/// As [`View::search`].
pub fn search(targets: Vec<Target>, request: &Request, now_ms: u64) -> Result<Answer> {
    View::open(targets).search(request, now_ms)
}

/// A document that matches, before it is loaded.
#[derive(Clone, Debug)]
struct Row {
    address: DocAddress,
    score: f32,
    sort: Vec<SortValue>,
}

fn rank(
    target: &Target,
    number: usize,
    snapshot: &Snapshot,
    request: &Request,
    now_ms: u64,
) -> Result<Collected> {
    let index = &*target.index;
    let query = target.restricted(&request.query);
    let query = builder(index, snapshot, now_ms).build(&query)?;
    let top = Top {
        keys: request
            .keys()
            .iter()
            .map(|key| key.resolve(&snapshot.mapping, &index.name))
            .collect::<Result<_>>()?,
        after: request.after.clone().unwrap_or_default(),
        number,
        limit: request.from + request.size,
        min_score: request.min_score,
        scores: request.counts_scores() || request.min_score.is_some(),
    };
    Ok(snapshot.searcher.search(&*query, &top)?)
}

/// How many documents match `query`.
///
/// # Errors
///
/// When it does not fit the mapping of one of the indices.
pub fn count(targets: &[Target], query: &Query, now_ms: u64) -> Result<u64> {
    let mut total = 0;
    for target in targets {
        let index = &target.index;
        let snapshot = index.snapshot();
        let counted = builder(index, &snapshot, now_ms)
            .build(&target.restricted(query))
            .and_then(|query| Ok(query.count(&snapshot.searcher)?));
        total += counted.map_err(|it| it.in_search(&index.name))? as u64;
    }
    Ok(total)
}

fn builder<'a>(index: &'a Index, snapshot: &'a Snapshot, now_ms: u64) -> Builder<'a> {
    Builder {
        mapping: &snapshot.mapping,
        fields: &snapshot.shard.fields,
        searcher: &snapshot.searcher,
        index: &index.name,
        now_ms,
    }
}

#[cfg(test)]
mod tests;
