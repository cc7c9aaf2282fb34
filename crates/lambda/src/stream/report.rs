//! What became of each record of a batch, counted. Pure.

use opensearch::Rejected;
use pipeline::Timestamp;

use super::batch::Entry;

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The index has it.
    Written {
        /// Whether by deleting a document.
        deleted: bool,
    },
    /// The index has something newer.
    Superseded,
    /// A processor ended it.
    Filtered,
    /// Left as it is on purpose: `TTL_DELETE` is `keep`.
    Kept,
    /// It can never be indexed; a dead letter is to be written.
    Dead(Rejected),
    /// A dead letter holds it.
    DeadLettered,
    /// It is not safe, and must come again.
    Failed(String),
}

impl State {
    /// Whether it must come again.
    pub(crate) fn is_failed(&self) -> bool {
        matches!(self, State::Failed(_) | State::Dead(_))
    }
}

/// A batch in numbers. Every record is in one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Records of the batch.
    pub read: u64,
    /// Documents put into the index.
    pub indexed: u64,
    /// Documents deleted by the user.
    pub deleted: u64,
    /// Documents deleted because their time to live was over.
    pub ttl_deleted: u64,
    /// Left in the index although their time to live was over.
    pub ttl_kept: u64,
    /// Not written, because there was something newer.
    pub superseded: u64,
    /// Ended by a processor.
    pub filtered: u64,
    /// Set aside.
    pub dead_lettered: u64,
    /// To come again.
    pub returned: u64,
    /// How old the last change was when it was safe, in milliseconds.
    pub lag_ms: u64,
}

impl Report {
    /// Counts `states`, which belong to `entries`.
    pub(crate) fn new(entries: &[Entry], states: &[State], now: Timestamp) -> Report {
        let mut report = Report { read: entries.len() as u64, ..Report::default() };
        for (entry, state) in entries.iter().zip(states) {
            let count = match state {
                State::Written { deleted: true } if entry.by_ttl => &mut report.ttl_deleted,
                State::Written { deleted: true } => &mut report.deleted,
                State::Written { deleted: false } => &mut report.indexed,
                State::Superseded => &mut report.superseded,
                State::Filtered => &mut report.filtered,
                State::Kept => &mut report.ttl_kept,
                State::DeadLettered => &mut report.dead_lettered,
                State::Dead(_) | State::Failed(_) => &mut report.returned,
            };
            *count += 1;
        }
        let last = entries.last().map_or(now.0, |it| it.created_ms);
        report.lag_ms = now.0.saturating_sub(last);
        report
    }

    /// How many records are in no number. 0, or we have a bug.
    pub(crate) fn unaccounted(&self) -> i64 {
        let told = self.indexed
            + self.deleted
            + self.ttl_deleted
            + self.ttl_kept
            + self.superseded
            + self.filtered
            + self.dead_lettered
            + self.returned;
        i64::try_from(self.read).unwrap_or(i64::MAX) - i64::try_from(told).unwrap_or(i64::MAX)
    }

    /// Names and values, for metrics.
    pub(crate) fn metrics(&self) -> [(&'static str, &'static str, i64); 11] {
        let count = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
        [
            ("RecordsRead", "Count", count(self.read)),
            ("Indexed", "Count", count(self.indexed)),
            ("Deleted", "Count", count(self.deleted)),
            ("TtlDeleted", "Count", count(self.ttl_deleted)),
            ("TtlKept", "Count", count(self.ttl_kept)),
            ("Superseded", "Count", count(self.superseded)),
            ("Filtered", "Count", count(self.filtered)),
            ("DeadLettered", "Count", count(self.dead_lettered)),
            ("Returned", "Count", count(self.returned)),
            ("Unaccounted", "Count", self.unaccounted()),
            ("LagMs", "Milliseconds", count(self.lag_ms)),
        ]
    }
}

/// A reason without what it may quote of a document: logs are read by people whom it does not concern.
pub(super) fn without_data(status: u16, reason: &str) -> &str {
    if status == 0 {
        // Our own words, which quote nothing of a document.
        return reason;
    }
    let end = [" in document with id", "Preview of", " caused by ", "'", "\""]
        .iter()
        .filter_map(|it| reason.find(it))
        .min();
    reason[..end.unwrap_or(reason.len())].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_counted_once() {
        let entry = |by_ttl| Entry { by_ttl, created_ms: 5_000, ..Entry::default() };
        let entries: Vec<Entry> = (0..9).map(|n| entry(n == 2)).collect();
        let states = [
            State::Written { deleted: false },
            State::Written { deleted: true },
            State::Written { deleted: true },
            State::Superseded,
            State::Filtered,
            State::Kept,
            State::DeadLettered,
            State::Failed(String::new()),
            State::Dead(Rejected::default()),
        ];
        let report = Report::new(&entries, &states, Timestamp(7_000));
        assert_eq!(report.unaccounted(), 0);
        assert_eq!((report.deleted, report.ttl_deleted, report.returned), (1, 1, 2));
        assert_eq!(report.lag_ms, 2_000);
    }

    #[test]
    fn a_reason_in_a_log_quotes_no_document() {
        for (status, reason, logged) in [
            (
                400,
                "failed to parse field [pages] of type [long] in document with id 'Dan Brown|x'. \
                 Preview of field's value: 'four hundred' caused by For input string: \"four\"",
                "failed to parse field [pages] of type [long]",
            ),
            (
                400,
                "Limit of total fields [1000] has been exceeded",
                "Limit of total fields [1000] has been exceeded",
            ),
            (0, "`eventName` is `PURGE`", "`eventName` is `PURGE`"),
        ] {
            assert_eq!(without_data(status, reason), logged);
        }
    }
}
