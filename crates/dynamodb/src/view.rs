//! How far the tables of a pipeline are, for whoever shows it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use pipeline::{Counter, Gauge, Meters, Metric, Timestamp};

/// What is known of every table of a source. Cheap to clone; clones show the same.
#[derive(Clone, Debug, Default)]
pub struct View(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    tables: BTreeMap<String, TableView>,
    counters: Vec<(Counter, Count)>,
    gauges: Vec<(Gauge, Count)>,
}

/// Reads one figure of a table.
type Count = fn(&TableView) -> u64;

/// What the source counts, of all tables together. Names are Data Prepper's where it has them.
pub static METRICS: [Metric; 14] = [
    Metric::counter("exportJobSuccess", "Exports that were made, and whose files are being read."),
    Metric::counter("exportJobFailure", "Exports that failed or vanished."),
    Metric::counter("exportS3ObjectsDamaged", "Files that stayed damaged, and were left out."),
    Metric::counter("changeEventsProcessed", "Records of streams handed on."),
    Metric::counter("shardProgress", "Pages with records read from shards; it must keep rising."),
    Metric::counter("streamGaps", "Times that changes were dropped before they were read."),
    Metric::counter("scanReadUnits", "Read units that scans have used."),
    Metric::counter("deletesRemembered", "Deletes kept until a load is through."),
    Metric::counter("deletesSentAgain", "Deletes sent again after a load."),
    Metric::gauge("exportS3ObjectsTotal", "Files or segments of the loads under way."),
    Metric::gauge("exportS3ObjectsProcessed", "Files or segments of them that are safe."),
    Metric::gauge("exportRecordsTotal", "Items of the loads under way, as far as that is known."),
    Metric::gauge("exportRecordsProcessed", "Items of them that are safe."),
    Metric::gauge("activeShardsInProcessing", "Shards that are being read."),
];
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "units are not negative"
)]
const COUNTS: [Count; 14] = [
    |it| it.exports_completed,
    |it| it.exports_failed,
    |it| it.files_damaged,
    |it| it.changes,
    |it| it.pages,
    |it| it.gaps,
    |it| it.read_units as u64,
    |it| it.deletes_remembered,
    |it| it.deletes_sent_again,
    |it| it.parts,
    |it| it.parts_loaded,
    |it| it.items.unwrap_or_default(),
    |it| it.items_loaded,
    |it| it.shards,
];

/// How far a table is. Counts are of this process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableView {
    /// How far its load is: `exporting`, `loading`, `done`; empty if there is none.
    pub stage: String,
    /// What keeps the load from going on for now; empty if nothing does.
    pub problem: String,
    /// When the loading began.
    pub loading_since: Option<Timestamp>,
    /// How many items the load has, if that is known.
    pub items: Option<u64>,
    /// How many of them are safe, by whichever worker.
    pub items_loaded: u64,
    /// How many files or segments the load has.
    pub parts: u64,
    /// How many of them are safe.
    pub parts_loaded: u64,
    /// When all of it will be loaded, if it goes on like this.
    pub loaded_by: Option<Timestamp>,
    /// Exports that were asked for.
    pub exports_requested: u64,
    /// Exports that were made.
    pub exports_completed: u64,
    /// Exports that came to nothing.
    pub exports_failed: u64,
    /// Files that were damaged, and are not in the index.
    pub files_damaged: u64,
    /// Read units that scans have used.
    pub read_units: f64,
    /// Deletes remembered until the load is through.
    pub deletes_remembered: u64,
    /// Deletes sent again after the load.
    pub deletes_sent_again: u64,
    /// Records of the stream that were handed on.
    pub changes: u64,
    /// Pages of the stream that had records.
    pub pages: u64,
    /// Times that changes were dropped by DynamoDB before they were read.
    pub gaps: u64,
    /// Shards being read.
    pub shards: u64,
}

impl View {
    /// One that also counts in `meters`.
    pub fn counted_in(meters: &Meters) -> View {
        let view = View::default();
        {
            let mut inner = view.0.lock().expect("no panics while locked");
            for (metric, count) in METRICS.iter().zip(COUNTS) {
                match metric.kind {
                    pipeline::MetricKind::Counter => {
                        inner.counters.push((meters.counter(metric), count));
                    }
                    _ => inner.gauges.push((meters.gauge(metric), count)),
                }
            }
        }
        view
    }

    /// Every table with how far it is.
    pub fn tables(&self) -> BTreeMap<String, TableView> {
        self.0.lock().expect("no panics while locked").tables.clone()
    }

    pub(crate) fn change(&self, table: &str, change: impl FnOnce(&mut TableView)) {
        let mut inner = self.0.lock().expect("no panics while locked");
        let Inner { tables, counters, gauges } = &mut *inner;
        if !tables.contains_key(table) {
            tables.insert(table.to_owned(), TableView::default());
        }
        let changed = tables.get_mut(table).expect("it was put there");
        let before = changed.clone();
        change(changed);
        for (counter, count) in counters {
            counter.add(count(changed).saturating_sub(count(&before)));
        }
        for (gauge, count) in gauges {
            gauge.set(i64::try_from(tables.values().map(*count).sum::<u64>()).unwrap_or(i64::MAX));
        }
    }
}

impl TableView {
    /// How much of the load is safe, in percent, if that is known.
    pub fn percent_loaded(&self) -> Option<u64> {
        let items = self.items?;
        Some((self.items_loaded * 100).checked_div(items).unwrap_or(100).min(100))
    }

    /// Takes in how much is safe now, and works out when all of it will be.
    pub(crate) fn loaded(&mut self, now: Timestamp, items_loaded: u64) {
        self.items_loaded = items_loaded;
        self.loaded_by = self.items.zip(self.loading_since).and_then(|(items, since)| {
            let left = items.saturating_sub(items_loaded);
            let took = now.0.saturating_sub(since.0);
            let will_take = u128::from(took) * u128::from(left);
            let will_take = will_take.checked_div(u128::from(items_loaded))?;
            Some(Timestamp(now.0.saturating_add(u64::try_from(will_take).ok()?)))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_is_done() {
        let since = Some(Timestamp(1_000));
        let mut view = TableView { items: Some(400), loading_since: since, ..TableView::default() };
        view.loaded(Timestamp(1_000), 0);
        assert_eq!((view.percent_loaded(), view.loaded_by), (Some(0), None));
        view.loaded(Timestamp(11_000), 100);
        assert_eq!((view.percent_loaded(), view.loaded_by), (Some(25), Some(Timestamp(41_000))));
        view.loaded(Timestamp(41_000), 400);
        assert_eq!((view.percent_loaded(), view.loaded_by), (Some(100), Some(Timestamp(41_000))));
        assert_eq!(TableView { items: Some(0), ..view.clone() }.percent_loaded(), Some(100));
        assert_eq!(TableView { items: None, ..view }.percent_loaded(), None);
    }

    #[test]
    fn tables_are_shown_apart() {
        let view = View::default();
        view.clone().change("a", |it| it.gaps += 1);
        view.change("b", |it| it.shards = 2);
        let tables = view.tables();
        assert_eq!((tables["a"].gaps, tables["b"].shards, tables["b"].gaps), (1, 2, 0));
    }

    #[test]
    fn what_is_shown_is_counted() {
        let meters = Meters::default().of("p", "dynamodb");
        let view = View::counted_in(&meters);
        view.change("a", |it| (it.gaps, it.shards) = (2, 3));
        view.change("b", |it| (it.gaps, it.shards) = (1, 4));
        view.change("a", |it| (it.gaps, it.shards) = (2, 1));
        let metric = |name: &str| METRICS.iter().find(|it| it.name == name).unwrap();
        assert_eq!(meters.counter(metric("streamGaps")).get(), 3);
        assert_eq!(meters.gauge(metric("activeShardsInProcessing")).get(), 5);
    }
}
