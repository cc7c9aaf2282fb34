//! What became of every event. Each is counted into exactly one account, or something is wrong, and
//! the difference says so.

use std::sync::Mutex;

use pipeline::{Tally, Timestamp};

/// The events of one pipeline since it started, by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Taken from the source.
    pub read: u64,
    /// Made by processors out of others, or sent to more than one sink.
    pub added: u64,
    /// Ended by a processor, or wanted by no sink.
    pub filtered: u64,
    /// Written, changed or deleted in the index.
    pub indexed: u64,
    /// Not written, because the index already had something newer or the same.
    pub superseded: u64,
    /// Set aside.
    pub dead_lettered: u64,
    /// Handed on to another pipeline, which accounts for them from there.
    pub passed: u64,
    /// Given back to the source, which will read them again.
    pub returned: u64,
    /// On their way.
    pub in_flight: u64,
    /// How old the change delivered last was when it was safe, in milliseconds.
    pub lag_ms: u64,
    /// When something was last delivered.
    pub delivered_at: Option<Timestamp>,
    /// What keeps the pipeline from going on, if anything does.
    pub problem: Option<String>,
}

impl Account {
    /// How many events are in no account. 0, or we have a bug.
    pub fn unaccounted(&self) -> i64 {
        let came = self.read + self.added;
        let went = self.filtered
            + self.indexed
            + self.superseded
            + self.dead_lettered
            + self.passed
            + self.returned
            + self.in_flight;
        i64::try_from(came).unwrap_or(i64::MAX) - i64::try_from(went).unwrap_or(i64::MAX)
    }
}

/// The account of a running pipeline. All changes of one moment are made at once, so that whoever
/// looks never sees half of them.
#[derive(Debug, Default)]
pub struct Accounts(Mutex<Account>);

impl Accounts {
    /// As they stand now.
    pub fn now(&self) -> Account {
        self.change(|account| account.clone())
    }

    pub(crate) fn take(&self, n: u64) {
        self.change(|account| {
            account.read += n;
            account.in_flight += n;
        });
    }

    /// Notes what processors and routes did with events that are on their way.
    pub(crate) fn sort(&self, filtered: u64, added: u64) {
        self.change(|account| {
            account.filtered += filtered;
            account.added += added;
            account.in_flight = account.in_flight + added - filtered;
        });
    }

    pub(crate) fn settle(
        &self,
        n: u64,
        tally: Tally,
        passed: u64,
        now: Timestamp,
        created: Option<Timestamp>,
    ) {
        self.change(|account| {
            account.in_flight -= n;
            account.passed += passed;
            account.indexed += tally.indexed;
            account.superseded += tally.superseded;
            account.dead_lettered += tally.dead_lettered;
            account.problem = None;
            account.delivered_at = Some(now);
            if let Some(created) = created {
                account.lag_ms = now.0.saturating_sub(created.0);
            }
        });
    }

    pub(crate) fn give_back(&self, n: u64, problem: String) {
        self.change(|account| {
            account.in_flight -= n;
            account.returned += n;
            account.problem = Some(problem);
        });
    }

    pub(crate) fn set_problem(&self, problem: String) {
        self.change(|account| account.problem = Some(problem));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        change(&mut self.0.lock().expect("no panics while locked"))
    }
}
