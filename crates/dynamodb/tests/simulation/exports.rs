//! What exists once of loads: exports at DynamoDB and in their bucket, deletes that are kept, and what
//! became of the rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dynamodb::load::{Described, Method, Parts, Record, Stage};
use pipeline::Timestamp;

use crate::Shared;

/// How many rows a piece has at most.
const ROWS_MAX: usize = 2;

/// A row: its key, and the value it had.
pub(crate) type Row = (u8, u32);

/// What exists once, and outlives every worker.
#[derive(Debug)]
pub(crate) struct Loads {
    pub(crate) method: Method,
    /// How long exports take at most.
    pub(crate) export_max: Duration,
    exports: Vec<Export>,
    by_token: BTreeMap<String, usize>,
    /// Deletes by load, each with its version.
    pub(crate) kept: BTreeMap<u32, Vec<(usize, u64)>>,
    /// An operator wants the table loaded once more.
    pub(crate) again_wanted: bool,
    pub(crate) rows: Account,
    pub(crate) n_again: u32,
}

/// What became of the rows.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) read: usize,
    pub(crate) delivered: usize,
    pub(crate) returned: usize,
    pub(crate) dropped: usize,
}

/// An export at DynamoDB and in its bucket.
#[derive(Debug)]
pub(crate) struct Export {
    moment: Timestamp,
    ready: Timestamp,
    pub(crate) end: End,
    /// One file has nothing in it.
    pub(crate) files: Vec<Vec<Row>>,
    /// By file: which rows have arrived at the index at least once.
    pub(crate) arrived: Vec<BTreeSet<u8>>,
}

/// How an export ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Good,
    Failed,
    Vanished,
    /// The manifests do not fit.
    Mismatched,
    /// A file is missing.
    Incomplete,
}

impl Loads {
    pub(crate) fn new(method: Method, export_max: Duration) -> Loads {
        Loads {
            method,
            export_max,
            exports: Vec::new(),
            by_token: BTreeMap::new(),
            kept: BTreeMap::new(),
            again_wanted: false,
            rows: Account::default(),
            n_again: 0,
        }
    }

    /// Whether an export is being made, and takes long.
    pub(crate) fn is_slow(&self, now: Timestamp) -> bool {
        let slow = now.after(Duration::from_mins(10));
        self.exports.last().is_some_and(|it| it.end == End::Good && slow < it.ready)
    }
}

impl Shared {
    /// Begins an export, or finds the one that was begun with the token.
    pub(crate) fn export(&mut self, token: &str) -> usize {
        let loads = self.loads.as_mut().unwrap();
        if let Some(n) = loads.by_token.get(token) {
            return *n;
        }
        let n = loads.exports.len();
        loads.by_token.insert(token.to_owned(), n);
        let end = match self.rng.u32(0..12) {
            _ if self.is_calm => End::Good,
            0 => End::Failed,
            1 => End::Vanished,
            2 => End::Mismatched,
            3 => End::Incomplete,
            _ => End::Good,
        };
        let max = if end == End::Good { loads.export_max } else { Duration::from_secs(30) };
        let takes = max.mul_f64(0.5 + self.rng.f64() / 2.0);
        let mut files: Vec<Vec<Row>> = vec![Vec::new(); self.rng.usize(1..4)];
        for (key, value) in &self.table.items {
            let file = self.rng.usize(0..files.len());
            files[file].push((*key, *value));
        }
        let arrived = vec![BTreeSet::new(); files.len()];
        let ready = self.now.after(takes);
        loads.exports.push(Export { moment: self.now, ready, end, files, arrived });
        n
    }

    pub(crate) fn described(&self, arn: &str) -> Described {
        let export = &self.loads.as_ref().unwrap().exports[arn.parse::<usize>().unwrap()];
        match export.end {
            _ if self.now < export.ready => Described::InProgress,
            End::Failed => Described::Failed("no space".to_owned()),
            End::Vanished => Described::Vanished,
            _ => Described::Completed("summary".to_owned()),
        }
    }

    pub(crate) fn planned(&self, arn: &str) -> Option<Parts> {
        let export = &self.loads.as_ref().unwrap().exports[arn.parse::<usize>().unwrap()];
        (export.end != End::Mismatched).then(|| Parts {
            read_ms: export.moment.0,
            n: u32::try_from(export.files.len()).unwrap(),
            items: None,
            files_key: arn.to_owned(),
            is_ion: false,
        })
    }

    /// The export whose files are being read.
    pub(crate) fn export_of(&mut self, record: &Record) -> Option<&mut Export> {
        let Stage::Loading(parts) = &record.stage else { return None };
        let n: usize = parts.files_key.parse().ok()?;
        self.loads.as_mut()?.exports.get_mut(n)
    }

    /// Some rows of a part, from `next` on; where it goes on behind them, and whether that is the end.
    pub(crate) fn rows(
        &mut self,
        record: &Record,
        parts: &Parts,
        n: u32,
        next: usize,
    ) -> (Vec<Row>, usize, bool) {
        let n_rows = self.rng.usize(1..=ROWS_MAX);
        if let Some(export) = self.export_of(record) {
            let file = &export.files[n as usize];
            let end = (next + n_rows).min(file.len());
            return (file[next..end].to_vec(), end, end == file.len());
        }
        // A scan reads what is there at the moment.
        let in_part = |it: &&u8| u32::from(**it) % parts.n == n && next <= usize::from(**it);
        let keys: Vec<u8> = self.table.items.keys().filter(in_part).take(n_rows).copied().collect();
        let rows: Vec<Row> = keys.iter().map(|it| (*it, self.table.items[it])).collect();
        let after = keys.last().map_or(next, |it| usize::from(*it) + 1);
        (rows, after, keys.len() < n_rows)
    }
}
