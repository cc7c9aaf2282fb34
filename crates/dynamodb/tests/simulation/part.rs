//! A part of a load, a file or a segment, as `part` reads it.

use std::collections::VecDeque;

use coordination::{Lease, LeaseStore};
use dynamodb::{
    Frontier,
    load::{Parts, Record},
};
use pipeline::Timestamp;

use crate::{
    Shared,
    exports::Row,
    load::{Broken, at_once, version},
};

/// How many pieces may be on their way.
const PIECES_MAX: usize = 3;

/// A part being read.
pub(crate) struct Part {
    lease: Lease,
    /// Where it goes on: a row of a file, a key of a scan.
    next: usize,
    at_end: bool,
    n_sent: u64,
    frontier: Frontier<u64>,
    /// Each with the rows of it, and where the part stands behind them.
    pub(crate) in_flight: Vec<(u64, Vec<Row>)>,
    marks: VecDeque<(u64, usize)>,
    unsaved: bool,
}

impl Part {
    pub(crate) fn new(lease: Lease) -> Part {
        let next = lease.checkpoint.as_ref().map_or(0, |it| it.parse().unwrap());
        Part {
            lease,
            next,
            at_end: false,
            n_sent: 0,
            frontier: Frontier::default(),
            in_flight: Vec::new(),
            marks: VecDeque::new(),
            unsaved: false,
        }
    }

    /// As a turn of `PartReader::run`; says whether it is over.
    pub(crate) fn step(
        &mut self,
        n: u32,
        record: &Record,
        parts: &Parts,
        store: &dyn LeaseStore,
        now: Timestamp,
        shared: &mut Shared,
    ) -> Result<bool, Broken> {
        if self.at_end && self.frontier.in_flight() == 0 {
            if let Some(export) = shared.export_of(record) {
                let file = &export.files[n as usize];
                let arrived = &export.arrived[n as usize];
                assert!(file.iter().all(|it| arrived.contains(&it.0)), "{n} is done too early");
            }
            self.lease.done = true;
            return match at_once(store.release(self.lease.clone())) {
                Err(error) if !error.is_lost() => Err(Broken::Failed),
                _ => Ok(true),
            };
        }
        if self.unsaved && shared.rng.u32(0..3) == 0 {
            return match at_once(store.save(&mut self.lease, now)) {
                Ok(()) => {
                    self.unsaved = false;
                    Ok(false)
                }
                Err(error) if error.is_lost() => Ok(true),
                // It gives up after a while.
                Err(_) if shared.happens(1, 3) => Err(Broken::Failed),
                Err(_) => Ok(false),
            };
        }
        if !self.in_flight.is_empty() && (self.at_end || shared.rng.bool()) {
            return self.settle(n, record, store, shared);
        }
        if self.at_end || PIECES_MAX <= self.frontier.in_flight() {
            return Ok(false);
        }
        let (rows, next, at_end) = shared.rows(record, parts, n, self.next);
        (self.next, self.at_end) = (next, at_end);
        if !rows.is_empty() {
            shared.loads.as_mut().unwrap().rows.read += rows.len();
            self.n_sent += 1;
            self.frontier.sent(self.n_sent);
            self.in_flight.push((self.n_sent, rows));
            self.marks.push_back((self.n_sent, next));
        }
        Ok(false)
    }

    fn settle(
        &mut self,
        n: u32,
        record: &Record,
        store: &dyn LeaseStore,
        shared: &mut Shared,
    ) -> Result<bool, Broken> {
        let at = shared.rng.usize(0..self.in_flight.len());
        let (sent, rows) = self.in_flight.swap_remove(at);
        let failed = shared.happens(1, 20);
        if !failed || shared.rng.bool() {
            shared.apply_rows(version(record), &rows);
            if let Some(export) = shared.export_of(record) {
                export.arrived[n as usize].extend(rows.iter().map(|it| it.0));
            }
        }
        let account = &mut shared.loads.as_mut().unwrap().rows;
        if failed {
            account.returned += rows.len();
            return match at_once(store.release(self.lease.clone())) {
                Err(error) if !error.is_lost() => Err(Broken::Failed),
                _ => Ok(true),
            };
        }
        account.delivered += rows.len();
        if let Some(reached) = self.frontier.delivered(sent) {
            while let Some((_, mark)) = self.marks.pop_front_if(|it| it.0 <= reached) {
                self.lease.checkpoint = Some(mark.to_string());
            }
            self.unsaved = true;
        }
        Ok(false)
    }
}
