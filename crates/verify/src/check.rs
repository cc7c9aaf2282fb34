//! Looks again at documents that seemed wrong, and mends those that are, if it is to.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use pipeline::Value;

use crate::{
    Address, Comparison, EndError, Ends, Expected, Finding, Found, Guard, Kind, Planned, Repair,
    Row, Sets, Stamp,
    judge::{LOOKS_MAX, Look, Verdict},
};

/// How far before the tables' clock a repair stands, so that every change made after the item was read
/// is newer. DynamoDB tells the second of a change, rounded down.
const MARGIN_MS: u64 = 2000;

/// A document that may be wrong.
#[derive(Clone, Debug)]
pub(crate) struct Suspect {
    pub(crate) address: Address,
    /// The items it may come from. One that was only listed may have none that is known.
    pub(crate) keys: Vec<(usize, String)>,
    /// Whether it was found in the index, not in the table.
    pub(crate) is_listed: bool,
    /// The state in which it was listed, if no key is known: the item cannot be looked up, so only
    /// what was there before the table was read is judged.
    pub(crate) listed: Option<Stamp>,
}

/// What came of some suspects.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) right: u64,
    pub(crate) in_flight: u64,
    pub(crate) findings: Vec<Finding>,
}

/// How to look.
#[derive(Clone, Copy)]
pub(crate) struct Checking<'a> {
    pub(crate) ends: &'a Ends<'a>,
    pub(crate) unstable: &'a BTreeSet<String>,
    pub(crate) lag: Duration,
    pub(crate) repair: bool,
    /// When the tables began to be read.
    pub(crate) began_ms: u64,
}

/// What was read of a suspect.
struct Seen {
    look: Look,
    expected: Option<Expected>,
    found: Option<Found>,
}

impl Checking<'_> {
    pub(crate) async fn check(&self, suspects: Vec<Suspect>) -> Result<Checked, EndError> {
        let mut checked = Checked::default();
        let mut left: Vec<(Suspect, Option<Look>)> =
            suspects.into_iter().map(|it| (it, None)).collect();
        for n in 0..LOOKS_MAX {
            if left.is_empty() {
                return Ok(checked);
            }
            if 0 < n {
                tokio::time::sleep(self.lag).await;
            }
            let at_ms = self.ends.tables.now_ms().await?;
            let suspects: Vec<&Suspect> = left.iter().map(|it| &it.0).collect();
            let seen = self.look(&suspects).await?;
            let mut wrong = Vec::new();
            let mut again = Vec::new();
            for ((suspect, before), seen) in left.into_iter().zip(seen) {
                match seen.look.verdict(before.as_ref()) {
                    Verdict::Right => checked.right += u64::from(seen.found.is_some()),
                    Verdict::Wrong if self.may_judge(&suspect, &seen) => {
                        wrong.push((suspect, seen));
                    }
                    Verdict::Wrong | Verdict::LookAgain => again.push((suspect, Some(seen.look))),
                }
            }
            left = again;
            checked.findings.extend(self.found(wrong, at_ms).await?);
        }
        checked.in_flight += left.len() as u64;
        Ok(checked)
    }

    /// Whether nothing in the table can have become this document since it was read.
    fn may_judge(&self, suspect: &Suspect, seen: &Seen) -> bool {
        let Some(listed) = suspect.listed else { return true };
        let before = self.began_ms.saturating_sub(MARGIN_MS).saturating_mul(1000);
        seen.look.found == Some(listed) && listed.version < before && is_external(listed)
    }

    async fn look(&self, suspects: &[&Suspect]) -> Result<Vec<Seen>, EndError> {
        let mut keys: HashMap<usize, BTreeSet<&str>> = HashMap::new();
        for (table, key) in suspects.iter().flat_map(|it| &it.keys) {
            keys.entry(*table).or_default().insert(key);
        }
        let mut planned: HashMap<(usize, String), (Row, Vec<Expected>)> = HashMap::new();
        for (table, keys) in keys {
            let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
            let rows = self.ends.tables.rows(table, &keys).await?;
            let (keys, rows): (Vec<String>, Vec<Row>) =
                keys.into_iter().zip(rows).filter_map(|(key, row)| Some((key, row?))).unzip();
            let plans = self.ends.through.planned(&rows).await?;
            for ((key, row), plan) in keys.into_iter().zip(rows).zip(plans) {
                let documents = match plan {
                    Planned::Documents(documents) => documents,
                    Planned::Filtered | Planned::DeadLetter(_) => Vec::new(),
                };
                planned.insert((table, key), (row, documents));
            }
        }
        // After the item, so that a change between the two makes the document newer, not older.
        let addresses: Vec<Address> = suspects.iter().map(|it| it.address.clone()).collect();
        let found = self.ends.index.get(&addresses).await?;
        let places = self.places(suspects, &planned).await?;
        let seen = suspects.iter().zip(found).map(|(suspect, (place, found))| {
            let is_it = |it: &&Expected| {
                let (is, should) = (&suspect.address, &it.address);
                let same_index = should.index == is.index
                    || should.index == place
                    || places.get(should).is_some_and(|it| *it == place);
                should.sink == is.sink && should.id == is.id && same_index
            };
            let meant = suspect.keys.iter().find_map(|key| {
                let (row, documents) = planned.get(key)?;
                Some((row, documents.iter().find(is_it)?))
            });
            let differences = match (&meant, &found) {
                (Some((row, expected)), Some(found)) => self.differences(row, expected, found),
                _ => Vec::new(),
            };
            let expected = meant.map(|it| it.1.clone());
            let look = Look {
                expected: expected.as_ref().map(|it| self.hash(&it.json)),
                found: found.as_ref().map(|it| it.stamp),
                differences,
            };
            Seen { look, expected, found }
        });
        Ok(seen.collect())
    }

    /// Which indices are meant by the aliases that documents are written to. Only what was listed in an
    /// index needs to know.
    async fn places(
        &self,
        suspects: &[&Suspect],
        planned: &HashMap<(usize, String), (Row, Vec<Expected>)>,
    ) -> Result<HashMap<Address, String>, EndError> {
        let keys = suspects.iter().filter(|it| it.is_listed).flat_map(|it| &it.keys);
        let documents = keys.filter_map(|it| planned.get(it)).flat_map(|it| &it.1);
        let addresses: BTreeSet<Address> = documents.map(|it| it.address.clone()).collect();
        let addresses: Vec<Address> = addresses.into_iter().collect();
        let found = self.ends.index.get(&addresses).await?;
        Ok(addresses.into_iter().zip(found.into_iter().map(|it| it.0)).collect())
    }

    /// Where a document is not as it should be.
    pub(crate) fn differences(
        &self,
        row: &Row,
        expected: &Expected,
        found: &Found,
    ) -> Vec<crate::Difference> {
        if !expected.comparable || expected.json == found.json {
            return Vec::new();
        }
        let json = |text: &[u8]| Value::from_json(text).unwrap_or_default();
        let comparison = Comparison {
            sets: Some(&Sets::of_item(&row.value())),
            unstable: Some(self.unstable),
            partial: expected.partial,
        };
        comparison.differences(&json(&expected.json), &json(&found.json))
    }

    /// Tells documents apart by what does not change each time they are made.
    fn hash(&self, json: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        if self.unstable.is_empty() {
            json.hash(&mut hasher);
        } else {
            let mut value = Value::from_json(json).unwrap_or_default();
            prune(&mut value, &mut String::new(), self.unstable);
            value.to_string().hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Tells what is wrong, and mends it.
    async fn found(
        &self,
        wrong: Vec<(Suspect, Seen)>,
        at_ms: u64,
    ) -> Result<Vec<Finding>, EndError> {
        let version = at_ms.saturating_sub(MARGIN_MS).saturating_mul(1000);
        let mut repairs = Vec::new();
        let mut findings: Vec<Finding> = wrong
            .iter()
            .map(|(suspect, seen)| Finding {
                kind: match (&seen.expected, &seen.found) {
                    (Some(_), None) => Kind::Missing,
                    (Some(_), Some(_)) => Kind::Different,
                    (None, _) => Kind::Orphaned,
                },
                address: suspect.address.clone(),
                key: suspect.keys.first().map(|it| it.1.clone()),
                differences: seen.look.differences.clone(),
                repaired: None,
                problem: None,
            })
            .collect();
        if !self.repair {
            return Ok(findings);
        }
        let mut places = Vec::new();
        for (n, (suspect, seen)) in wrong.iter().enumerate() {
            match repair(suspect, seen, version) {
                Ok(it) => {
                    repairs.push(it);
                    places.push(n);
                }
                Err(problem) => {
                    findings[n].repaired = Some(false);
                    findings[n].problem = Some(problem);
                }
            }
        }
        let problems = self.ends.index.repair(&repairs).await?;
        for (n, problem) in places.iter().zip(problems) {
            findings[*n].repaired = Some(problem.is_none());
            findings[*n].problem = problem;
        }
        // Looked at once more: what was mended is as it should be, or has changed again.
        let mended: Vec<usize> =
            places.into_iter().filter(|n| findings[*n].problem.is_none()).collect();
        let suspects: Vec<&Suspect> = mended.iter().map(|n| &wrong[*n].0).collect();
        let seen = self.look(&suspects).await?;
        for (n, seen) in mended.into_iter().zip(seen) {
            let unchanged = seen.look.expected == wrong[n].1.look.expected;
            if unchanged && seen.look.verdict(None) != Verdict::Right {
                findings[n].repaired = Some(false);
                findings[n].problem = Some("it was written, and is as it was before".to_owned());
            }
        }
        Ok(findings)
    }
}

/// Empties the fields at `paths`.
fn prune(value: &mut Value, path: &mut String, paths: &BTreeSet<String>) {
    if paths.contains(path) {
        *value = Value::Null;
        return;
    }
    let n = path.len();
    let mut step = |name: &str, value: &mut Value| {
        path.push('/');
        path.push_str(name);
        prune(value, path, paths);
        path.truncate(n);
    };
    match value {
        Value::Map(fields) => fields.iter_mut().for_each(|(name, value)| step(name, value)),
        Value::List(values) => {
            values.iter_mut().enumerate().for_each(|(n, value)| step(&n.to_string(), value));
        }
        _ => {}
    }
}

/// Versions that the pipeline gives are moments in microseconds; those that an index counts are small.
fn is_external(stamp: Stamp) -> bool {
    const YEAR_2001_US: u64 = 1_000_000_000_000_000;
    YEAR_2001_US < stamp.version
}

/// What to write, so that nothing newer than what was read of the table is overwritten.
fn repair(suspect: &Suspect, seen: &Seen, version: u64) -> Result<Repair, String> {
    if seen.expected.as_ref().is_some_and(|it| it.partial || !it.comparable) {
        return Err("only part of it comes from the table; mend it by hand".to_owned());
    }
    let stamp = seen.found.as_ref().map(|it| it.stamp);
    let external = match (&seen.expected, stamp) {
        (Some(expected), _) => expected.external,
        (None, Some(stamp)) => is_external(stamp),
        (None, None) => false,
    };
    let guard = match stamp {
        Some(stamp) if external && version <= stamp.version => {
            return Err(format!(
                "its version {} is not older than this moment; verify again later, or delete it",
                stamp.version
            ));
        }
        _ if external => Guard::External(version),
        Some(stamp) => Guard::Unchanged(stamp),
        None => Guard::Absent,
    };
    let address = match &seen.expected {
        Some(expected) => expected.address.clone(),
        None => suspect.address.clone(),
    };
    Ok(Repair { address, json: seen.expected.as_ref().map(|it| it.json.clone()), guard })
}
