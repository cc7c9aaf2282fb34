//! The best documents of an index, without loading any.

use std::ops;

use columnar::{Column, ColumnType, MonotonicallyMappableToU64, StrColumn};
use tantivy::{
    DocAddress, DocId, Score, SegmentOrdinal, SegmentReader,
    collector::{Collector, SegmentCollector},
    columnar,
};

use super::{
    Row,
    after::{After, Bound},
    sort::{Resolved, ResolvedBy, SortValue},
};

/// What to collect.
pub(super) struct Top {
    pub keys: Vec<Resolved>,
    /// Behind which values the wanted rows begin, one for each key; none if at the first.
    pub after: Vec<After>,
    /// Which of the indices this is.
    pub number: usize,
    pub limit: usize,
    pub min_score: Option<f32>,
    pub scores: bool,
}

/// What was collected.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub total: u64,
    pub rows: Vec<Row>,
}

/// A value as a number that sorts as the hits do: first whether it is missing, then what it is.
pub(super) type Rank = u128;

/// The best documents of one segment.
pub(super) struct SegmentTop {
    keys: Vec<(Resolved, Values)>,
    after: Vec<Bound>,
    limit: usize,
    min_score: Option<f32>,
    ord: SegmentOrdinal,
    total: u64,
    /// Ranks of the candidates, one row of as many as there are keys after the other.
    ranks: Vec<Rank>,
    candidates: Vec<(DocId, Score)>,
    /// The worst row that is still among the best, once there are enough.
    worst: Option<Vec<Rank>>,
    scratch: Vec<Rank>,
}

enum Values {
    Score,
    /// What the places of this segment begin with.
    Place(u64),
    Numbers {
        column: Column<u64>,
        kind: ColumnType,
        is_single: bool,
    },
    Texts(StrColumn),
    Missing,
}

impl Collector for Top {
    type Fruit = Collected;
    type Child = SegmentTop;

    fn for_segment(
        &self,
        ord: SegmentOrdinal,
        segment: &SegmentReader,
    ) -> tantivy::Result<SegmentTop> {
        let place = (self.number as u64) << PLACE_BITS | u64::from(ord) << DOC_BITS;
        let keys = self.keys.iter();
        let keys = keys.map(|key| Ok((key.clone(), Values::open(&key.by, segment, place)?)));
        let keys: Vec<(Resolved, Values)> = keys.collect::<tantivy::Result<_>>()?;
        let after = keys.iter().zip(&self.after);
        let after = after.map(|((key, values), after)| values.bound(key, after));
        Ok(SegmentTop {
            after: after.collect::<tantivy::Result<_>>()?,
            keys,
            limit: self.limit,
            min_score: self.min_score,
            ord,
            total: 0,
            ranks: Vec::new(),
            candidates: Vec::new(),
            worst: None,
            scratch: Vec::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.scores
    }

    fn merge_fruits(&self, fruits: Vec<Collected>) -> tantivy::Result<Collected> {
        let total = fruits.iter().map(|it| it.total).sum();
        Ok(Collected { total, rows: fruits.into_iter().flat_map(|it| it.rows).collect() })
    }
}

impl SegmentCollector for SegmentTop {
    type Fruit = Collected;

    fn collect(&mut self, doc: DocId, score: Score) {
        if self.min_score.is_some_and(|min| score < min) {
            return;
        }
        self.total += 1;
        if self.limit == 0 {
            return;
        }
        self.scratch.clear();
        self.scratch.extend(self.keys.iter().map(|(key, values)| values.rank(key, doc, score)));
        if !Bound::all_passed(&self.after, &self.scratch) {
            return;
        }
        // Equals stay in the order in which they lie, and this one lies behind.
        if self.worst.as_ref().is_some_and(|worst| *worst <= self.scratch) {
            return;
        }
        self.ranks.extend_from_slice(&self.scratch);
        self.candidates.push((doc, score));
        if 2 * self.limit <= self.candidates.len() {
            self.keep_best();
        }
    }

    fn harvest(mut self) -> Collected {
        self.keep_best();
        let n_keys = self.keys.len();
        let rows = self.candidates.iter().enumerate().map(|(n, (doc, score))| Row {
            address: DocAddress::new(self.ord, *doc),
            score: *score,
            sort: (0..n_keys)
                .map(|k| {
                    let (key, values) = &self.keys[k];
                    values.value(key, self.ranks[n * n_keys + k], *doc, *score)
                })
                .collect(),
        });
        Collected { total: self.total, rows: rows.collect() }
    }
}

impl SegmentTop {
    fn keep_best(&mut self) {
        let n_keys = self.keys.len();
        let row = |ranks: &[Rank], n: usize| ranks[n * n_keys..(n + 1) * n_keys].to_vec();
        let mut order: Vec<usize> = (0..self.candidates.len()).collect();
        let ranks = &self.ranks;
        order.sort_by(|left, right| {
            ranks[left * n_keys..(left + 1) * n_keys]
                .cmp(&ranks[right * n_keys..(right + 1) * n_keys])
                .then(self.candidates[*left].0.cmp(&self.candidates[*right].0))
        });
        order.truncate(self.limit);
        if order.len() == self.limit {
            self.worst = order.last().map(|it| row(&self.ranks, *it));
        }
        let ranks = order.iter().flat_map(|it| row(&self.ranks, *it)).collect();
        let candidates = order.iter().map(|it| self.candidates[*it]).collect();
        (self.ranks, self.candidates) = (ranks, candidates);
    }
}

/// A place is the number of the index, of the segment in it, and of the document in that.
const DOC_BITS: u32 = 32;
const PLACE_BITS: u32 = 48;

fn rank_of_missing(key: &Resolved) -> Rank {
    if key.missing_first { 0 } else { 2 << 64 }
}

fn rank_of(key: &Resolved, value: u64) -> Rank {
    (1 << 64) | Rank::from(if key.descending { !value } else { value })
}

/// Numbers, dates and booleans; a column has one of these types.
const NUMBERS: [ColumnType; 5] =
    [ColumnType::I64, ColumnType::U64, ColumnType::F64, ColumnType::Bool, ColumnType::DateTime];

impl Values {
    fn open(by: &ResolvedBy, segment: &SegmentReader, place: u64) -> tantivy::Result<Values> {
        let (name, is_single) = match by {
            ResolvedBy::Score => return Ok(Values::Score),
            ResolvedBy::Place => return Ok(Values::Place(place)),
            ResolvedBy::Missing => return Ok(Values::Missing),
            ResolvedBy::Column { name, is_single } => (name, *is_single),
        };
        let columns = segment.fast_fields();
        if let Some((column, kind)) = columns.u64_lenient_for_type(Some(&NUMBERS), name)? {
            return Ok(Values::Numbers { column, kind, is_single });
        }
        Ok(columns.str(name)?.map_or(Values::Missing, Values::Texts))
    }

    fn rank(&self, key: &Resolved, doc: DocId, score: Score) -> Rank {
        let pick = |column: &Column<u64>| {
            let values = column.values_for_doc(doc);
            if key.greatest { values.max() } else { values.min() }
        };
        let value = match self {
            Values::Score => Some(f64::from(score).to_u64()),
            Values::Place(place) => Some(place | u64::from(doc)),
            Values::Numbers { column, .. } => pick(column),
            Values::Texts(column) => pick(column.ords()),
            Values::Missing => None,
        };
        match value {
            // Missing values come first or last whatever the direction.
            None => rank_of_missing(key),
            Some(value) => rank_of(key, value),
        }
    }

    /// Where a segment's rows behind `after` begin.
    #[expect(clippy::cast_possible_truncation, reason = "the column has no more digits")]
    fn bound(&self, key: &Resolved, after: &After) -> tantivy::Result<Bound> {
        let exact = |value: Option<u64>| {
            let rank = value.map_or(rank_of_missing(key), |it| rank_of(key, it));
            Bound { rank, is_exact: true }
        };
        Ok(match (self, after) {
            (_, After::Missing) => exact(None),
            (Values::Score, after) => {
                exact(Some(f64::from(after.number().unwrap_or_default() as f32).to_u64()))
            }
            (Values::Place(_), after) => {
                exact(Some(u64::try_from(after.whole().unwrap_or_default()).unwrap_or(u64::MAX)))
            }
            (Values::Numbers { kind, is_single, .. }, after) => exact(match kind {
                ColumnType::F64 if *is_single => {
                    after.number().map(|it| f64::from(it as f32).to_u64())
                }
                ColumnType::F64 => after.number().map(MonotonicallyMappableToU64::to_u64),
                ColumnType::I64 => after
                    .whole()
                    .and_then(|it| i64::try_from(it).ok())
                    .map(MonotonicallyMappableToU64::to_u64),
                _ => after.whole().and_then(|it| u64::try_from(it).ok()),
            }),
            (Values::Texts(column), After::Text(text)) => {
                let bounds = column
                    .dictionary()
                    .term_bounds_to_ord(ops::Bound::Excluded(text), ops::Bound::Unbounded)?;
                match bounds.0 {
                    ops::Bound::Excluded(ord) => exact(Some(ord)),
                    // No document has it. Those of the next text are behind it, whatever their
                    // other keys.
                    ops::Bound::Included(next) => {
                        let next = rank_of(key, next);
                        let rank = if key.descending { next } else { next - 1 };
                        Bound { rank, is_exact: false }
                    }
                    ops::Bound::Unbounded => exact(None),
                }
            }
            // A value of another kind, or no document of this segment has one: what there is lies
            // behind, with or without a value.
            (Values::Texts(_) | Values::Missing, _) => {
                Bound { rank: (1 << 64) - 1, is_exact: false }
            }
        })
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the upper half says only whether it is there"
    )]
    fn value(&self, key: &Resolved, rank: Rank, doc: DocId, score: Score) -> SortValue {
        if rank >> 64 != 1 {
            return SortValue::Missing;
        }
        let value = if key.descending { !(rank as u64) } else { rank as u64 };
        match self {
            Values::Score => SortValue::Single(score),
            Values::Place(place) => SortValue::Whole((place | u64::from(doc)).into()),
            Values::Missing => SortValue::Missing,
            Values::Numbers { kind, is_single, .. } => match kind {
                ColumnType::F64 if *is_single => SortValue::Single(f64::from_u64(value) as f32),
                ColumnType::F64 => SortValue::Double(f64::from_u64(value)),
                ColumnType::I64 => SortValue::Whole(i64::from_u64(value).into()),
                _ => SortValue::Whole(value.into()),
            },
            Values::Texts(column) => {
                let mut text = String::new();
                match column.ord_to_str(value, &mut text) {
                    Ok(true) => SortValue::Text(text),
                    _ => SortValue::Missing,
                }
            }
        }
    }
}
