//! The comparison: through the tables, through the indices, and again at what does not fit.

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    pin::Pin,
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use pipeline::Value;

use crate::{
    Comparison, EndError, Ends, Page, Planned, Report, Row,
    check::{Checked, Checking, Suspect},
    ledger::Ledger,
};

/// How many documents are asked for at once.
const GET_MAX: usize = 500;
/// How many suspects are looked at together, and how many such groups wait at once: what is held in
/// memory of an index that is all wrong.
const SUSPECTS_MAX: usize = 500;
const GROUPS_MAX: usize = 64;
/// How many items are taken through the pipeline twice, to see what it makes anew each time.
const TWICE_MAX: usize = 20;
/// How far apart: more than a second, because that is what clocks in documents often show.
const TWICE_APART: Duration = Duration::from_millis(1100);

/// What to compare, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// How far behind the pipeline may be: what differs is looked at again after this long.
    pub lag: Duration,
    /// Whether to mend what is wrong.
    pub repair: bool,
    /// Whether to look for documents of no item, too.
    pub orphans: bool,
    /// In how many parts each table is read at the same time.
    pub segments: u32,
    /// Read at most this many items of each part, and look for no orphans.
    pub sample: Option<u64>,
    /// Only these items, each a table and a key.
    pub keys: Vec<(usize, String)>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Items read.
    pub items: u64,
    /// Documents listed.
    pub listed: u64,
    /// Documents found wrong.
    pub wrong: u64,
}

type Group<'a> = Pin<Box<dyn Future<Output = Result<Checked, EndError>> + Send + 'a>>;

/// Compares, and tells how far it is.
///
/// # Errors
///
/// When one of the ends cannot be reached any more.
pub async fn verify(
    ends: &Ends<'_>,
    options: &Options,
    mut tell: impl FnMut(Progress),
) -> Result<Report, EndError> {
    let began_ms = ends.tables.now_ms().await?;
    let unstable = unstable(ends).await?;
    let checking =
        Checking { ends, unstable: &unstable, lag: options.lag, repair: options.repair, began_ms };
    let mut run = Run {
        checking,
        report: Report::default(),
        ledger: Ledger::new()?,
        suspects: Vec::new(),
        groups: FuturesUnordered::new(),
    };
    run.report.not_compared = unstable.iter().cloned().collect();
    if options.keys.is_empty() {
        run.read_tables(options, &mut tell).await?;
        if options.orphans && options.sample.is_none() {
            run.settle().await?;
            run.list_indices(&mut tell).await?;
            run.look_for_orphans().await?;
        }
    } else {
        run.read_keys(&options.keys).await?;
    }
    run.settle().await?;
    tell(run.progress());
    Ok(run.report)
}

/// The fields that the pipeline makes anew each time, by taking some items through it twice.
async fn unstable(ends: &Ends<'_>) -> Result<BTreeSet<String>, EndError> {
    let mut rows = Vec::new();
    for table in 0..ends.tables.n() {
        let page = ends.tables.page(table, 0, 1, None).await?;
        rows.extend(page.rows.into_iter().take(TWICE_MAX));
    }
    let once = ends.through.planned(&rows).await?;
    tokio::time::sleep(TWICE_APART).await;
    let twice = ends.through.planned(&rows).await?;
    let mut unstable = BTreeSet::new();
    for (once, twice) in once.iter().zip(&twice) {
        let (Planned::Documents(once), Planned::Documents(twice)) = (once, twice) else { continue };
        for (once, twice) in once.iter().zip(twice).filter(|it| it.0.address == it.1.address) {
            let json = |text: &[u8]| Value::from_json(text).unwrap_or_default();
            let differences =
                Comparison::default().differences(&json(&once.json), &json(&twice.json));
            unstable.extend(differences.into_iter().map(|it| it.path));
        }
    }
    Ok(unstable)
}

struct Run<'a> {
    checking: Checking<'a>,
    report: Report,
    ledger: Ledger,
    suspects: Vec<Suspect>,
    groups: FuturesUnordered<Group<'a>>,
}

impl<'a> Run<'a> {
    fn progress(&self) -> Progress {
        let Report { items, listed, .. } = self.report;
        Progress { items, listed, wrong: self.report.n_wrong() }
    }

    async fn read_tables(
        &mut self,
        options: &Options,
        tell: &mut impl FnMut(Progress),
    ) -> Result<(), EndError> {
        let ends = self.checking.ends;
        let segments = options.segments.max(1);
        let read = |table: usize, segment: u32, after: Option<String>, n: u64| async move {
            let page = ends.tables.page(table, segment, segments, after.as_deref()).await;
            (table, segment, n, page)
        };
        let mut reading = FuturesUnordered::new();
        for table in 0..ends.tables.n() {
            reading.extend((0..segments).map(|segment| read(table, segment, None, 0)));
        }
        while let Some((table, segment, n, page)) = reading.next().await {
            let Page { mut rows, next } = page?;
            if let Some(sample) = options.sample {
                rows.truncate(usize::try_from(sample.saturating_sub(n)).unwrap_or(usize::MAX));
            }
            let n = n + rows.len() as u64;
            let is_enough = options.sample.is_some_and(|it| it <= n);
            // The next page is on its way while this one is looked at.
            if let Some(next) = next.filter(|_| !is_enough) {
                reading.push(read(table, segment, Some(next), n));
            }
            self.compare(&rows).await?;
            tell(self.progress());
        }
        Ok(())
    }

    async fn read_keys(&mut self, keys: &[(usize, String)]) -> Result<(), EndError> {
        for (table, key) in keys {
            let rows = self.checking.ends.tables.rows(*table, std::slice::from_ref(key)).await?;
            let rows: Vec<Row> = rows.into_iter().flatten().collect();
            if rows.is_empty() {
                return Err(EndError(format!("the table has no item {key}")));
            }
            self.compare(&rows).await?;
        }
        Ok(())
    }

    /// Compares items with their documents. What does not fit is looked at again later.
    async fn compare(&mut self, rows: &[Row]) -> Result<(), EndError> {
        let ends = self.checking.ends;
        self.report.items += rows.len() as u64;
        let mut wanted = Vec::new();
        for (row, planned) in rows.iter().zip(ends.through.planned(rows).await?) {
            match planned {
                Planned::Filtered => self.report.filtered += 1,
                Planned::DeadLetter(reason) => {
                    self.report.dead_lettered += 1;
                    self.report.dead_letter.get_or_insert(reason);
                }
                Planned::Documents(documents) => {
                    wanted.extend(documents.into_iter().map(|it| (row, it)));
                }
            }
        }
        for wanted in wanted.chunks(GET_MAX) {
            let addresses: Vec<_> = wanted.iter().map(|it| it.1.address.clone()).collect();
            let found = ends.index.get(&addresses).await?;
            for ((row, expected), (place, found)) in wanted.iter().zip(found) {
                let place = found.is_some().then_some(place.as_str());
                self.ledger.expect(&expected.address, place)?;
                let is_right = found
                    .as_ref()
                    .is_some_and(|it| self.checking.differences(row, expected, it).is_empty());
                if is_right && !expected.comparable {
                    self.report.not_comparable += 1;
                } else if is_right {
                    self.report.equal += 1;
                } else {
                    self.suspects.push(Suspect {
                        address: expected.address.clone(),
                        keys: vec![(row.table, row.key.clone())],
                        is_listed: false,
                        listed: None,
                    });
                }
            }
        }
        while SUSPECTS_MAX <= self.suspects.len() {
            let rest = self.suspects.split_off(SUSPECTS_MAX);
            self.look_again(rest).await?;
        }
        Ok(())
    }

    /// Sends the suspects there are to be looked at again, and keeps `rest`.
    async fn look_again(&mut self, rest: Vec<Suspect>) -> Result<(), EndError> {
        let suspects = std::mem::replace(&mut self.suspects, rest);
        if !suspects.is_empty() {
            let checking = self.checking;
            self.groups.push(Box::pin(async move { checking.check(suspects).await }));
        }
        while GROUPS_MAX <= self.groups.len() {
            self.take_one().await?;
        }
        Ok(())
    }

    async fn take_one(&mut self) -> Result<(), EndError> {
        if let Some(checked) = self.groups.next().await {
            let checked = checked?;
            self.report.equal += checked.right;
            self.report.in_flight += checked.in_flight;
            checked.findings.into_iter().for_each(|it| self.report.add(it));
        }
        Ok(())
    }

    /// Waits until nothing is left to be looked at again.
    async fn settle(&mut self) -> Result<(), EndError> {
        self.look_again(Vec::new()).await?;
        while !self.groups.is_empty() {
            self.take_one().await?;
        }
        Ok(())
    }

    async fn list_indices(&mut self, tell: &mut impl FnMut(Progress)) -> Result<(), EndError> {
        let ends = self.checking.ends;
        for place in ends.index.places() {
            let mut cursor = None;
            loop {
                let (listed, next) = ends.index.list(&place, cursor).await?;
                self.report.listed += listed.len() as u64;
                for it in &listed {
                    self.ledger.list(it)?;
                }
                tell(self.progress());
                if next.is_none() || listed.is_empty() {
                    break;
                }
                cursor = next;
            }
        }
        Ok(())
    }

    async fn look_for_orphans(&mut self) -> Result<(), EndError> {
        let ends = self.checking.ends;
        for part in 0..Ledger::N {
            let unexpected = self.ledger.unexpected(part)?;
            for listed in unexpected.chunks(GET_MAX) {
                let addresses: Vec<_> = listed.iter().map(|it| it.address.clone()).collect();
                let found = ends.index.get(&addresses).await?;
                let mut seen = HashMap::new();
                for (listed, (_, found)) in listed.iter().zip(found) {
                    // One that is gone by now was none.
                    let Some(found) = found else { continue };
                    let keys = ends.tables.keys_of(&found.json);
                    let suspect = Suspect {
                        address: listed.address.clone(),
                        is_listed: true,
                        listed: keys.is_empty().then_some(listed.stamp),
                        keys,
                    };
                    seen.insert(listed.address.clone(), suspect);
                }
                self.suspects.extend(seen.into_values());
                while SUSPECTS_MAX <= self.suspects.len() {
                    let rest = self.suspects.split_off(SUSPECTS_MAX);
                    self.look_again(rest).await?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
