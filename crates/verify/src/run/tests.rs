//! Random tables, pipelines and damage: what is told is the damage, all of it and nothing else, also
//! while others write.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use fastrand::Rng;
use pipeline::Value;

use super::*;
use crate::{
    Address, Expected, Found, Guard, Index, Kind, Listed, Place, Repair, Row, Stamp, Tables,
    Through,
};

const LAG: Duration = Duration::from_secs(4);
const BEGAN_MS: u64 = 1_764_000_000_000;

/// A table, an index, and the changes on their way from one to the other.
struct World {
    rng: Rng,
    items: BTreeMap<u32, u32>,
    documents: BTreeMap<(String, String), (Stamp, String)>,
    /// The moment of delivery, the item, what it became, and the version.
    pending: VecDeque<(u64, u32, Option<u32>, u64)>,
    /// How many changes are still to be made.
    n_changes: u32,
    changed: BTreeSet<u32>,
    n_versions: u64,
    seq_no: u64,
    /// When somebody last asked, so that time goes on.
    began: tokio::time::Instant,
    routes: bool,
    filters: bool,
    has_keys: bool,
    has_clock: bool,
    page: usize,
}

impl World {
    fn now_ms(&self) -> u64 {
        BEGAN_MS + u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    /// What the pipeline makes of an item.
    fn planned(&self, id: u32, value: u32) -> Option<(String, String, String)> {
        if self.filters && value % 7 == 3 {
            return None;
        }
        let index = if self.routes { format!("books-{}", value % 2) } else { "books".to_owned() };
        let key = if self.has_keys { format!(r#""id":"{id}","#) } else { String::new() };
        let clock =
            if self.has_clock { format!(r#","at":{}"#, self.now_ms()) } else { String::new() };
        Some((index, format!("x{id}"), format!(r#"{{{key}"value":{value}{clock}}}"#)))
    }

    fn write(&mut self, index: &str, id: &str, json: Option<String>, version: u64) -> bool {
        let place = (index.to_owned(), id.to_owned());
        if self.documents.get(&place).is_some_and(|it| version <= it.0.version) {
            return false;
        }
        self.seq_no += 1;
        let stamp = Stamp { version, seq_no: self.seq_no, primary_term: 1 };
        match json {
            Some(json) => self.documents.insert(place, (stamp, json)),
            None => self.documents.remove(&place),
        };
        true
    }

    /// Puts what an item became into the index, and takes it out where it was.
    fn deliver(&mut self, id: u32, value: Option<u32>, version: u64) {
        let planned = value.and_then(|it| self.planned(id, it));
        let document = format!("x{id}");
        for index in ["books", "books-0", "books-1"] {
            match &planned {
                Some((place, id, json)) if place == index => {
                    self.write(index, id, Some(json.clone()), version);
                }
                _ => {
                    self.write(index, &document, None, version);
                }
            }
        }
    }

    /// What happens between two calls: changes are made, and others arrive.
    fn go_on(&mut self) {
        let now = self.now_ms();
        while self.pending.front().is_some_and(|it| it.0 <= now) {
            let (_, id, value, version) = self.pending.pop_front().unwrap();
            self.deliver(id, value, version);
        }
        for _ in 0..self.rng.u32(0..3).min(self.n_changes) {
            self.n_changes -= 1;
            let id = self.rng.u32(0..40);
            let value = self.rng.u8(0..4).checked_sub(1).map(|_| self.rng.u32(0..100));
            match value {
                Some(value) => self.items.insert(id, value),
                None => self.items.remove(&id),
            };
            self.changed.insert(id);
            self.n_versions += 1;
            // DynamoDB tells the second, and we count within it.
            let version = now / 1000 * 1_000_000 + self.n_versions;
            let last = self.pending.back().map_or(0, |it| it.0);
            let arrives = (now + self.rng.u64(1..3_000)).max(last);
            self.pending.push_back((arrives, id, value, version));
        }
    }

    fn row(&self, id: u32) -> Option<Row> {
        let value = self.items.get(&id)?;
        let item = format!(r#"{{"id":{{"S":"{id}"}},"value":{{"N":"{value}"}}}}"#);
        Some(Row { table: 0, key: format!(r#"{{"id":{{"S":"{id}"}}}}"#), item })
    }
}

struct Stage(Mutex<World>);

impl Stage {
    /// The world, a little later.
    async fn later(&self) -> MutexGuard<'_, World> {
        let wait = self.0.lock().unwrap().rng.u64(0..300);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let mut world = self.0.lock().unwrap();
        world.go_on();
        world
    }
}

fn id_of(key: &str) -> u32 {
    key.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[async_trait]
impl Tables for Stage {
    fn n(&self) -> usize {
        1
    }

    async fn page(
        &self,
        _: usize,
        segment: u32,
        segments: u32,
        after: Option<&str>,
    ) -> Result<Page, EndError> {
        let world = self.later().await;
        let after = after.map_or(0, |it| id_of(it) + 1);
        let mut ids: Vec<u32> = world
            .items
            .range(after..)
            .map(|it| *it.0)
            .filter(|it| it % segments == segment)
            .collect();
        let is_last = ids.len() <= world.page;
        ids.truncate(world.page);
        let rows: Vec<Row> = ids.iter().filter_map(|it| world.row(*it)).collect();
        let next = rows.last().map(|it| it.key.clone()).filter(|_| !is_last);
        Ok(Page { rows, next })
    }

    async fn rows(&self, _: usize, keys: &[String]) -> Result<Vec<Option<Row>>, EndError> {
        let world = self.later().await;
        Ok(keys.iter().map(|it| world.row(id_of(it))).collect())
    }

    async fn now_ms(&self) -> Result<u64, EndError> {
        Ok(self.0.lock().unwrap().now_ms())
    }

    fn keys_of(&self, document: &[u8]) -> Vec<(usize, String)> {
        let Ok(Value::Map(fields)) = Value::from_json(document) else { return Vec::new() };
        let id = fields.get("id").map(|it| format!(r#"{{"id":{{"S":{it}}}}}"#));
        id.map(|it| (0, it)).into_iter().collect()
    }
}

#[async_trait]
impl Through for Stage {
    async fn planned(&self, rows: &[Row]) -> Result<Vec<Planned>, EndError> {
        let world = self.later().await;
        let planned = rows.iter().map(|row| {
            let Value::Map(item) = row.value() else { return Planned::Filtered };
            let value = item["value"].to_string();
            let (id, value) = (id_of(&row.key), id_of(&value));
            let Some((index, id, json)) = world.planned(id, value) else {
                return Planned::Filtered;
            };
            Planned::Documents(vec![Expected {
                address: Address { sink: 0, index, id, routing: None },
                json: json.into_bytes(),
                partial: false,
                comparable: true,
                external: true,
            }])
        });
        Ok(planned.collect())
    }
}

#[async_trait]
impl Index for Stage {
    async fn get(&self, addresses: &[Address]) -> Result<Vec<(String, Option<Found>)>, EndError> {
        let world = self.later().await;
        let get = |it: &Address| {
            let found = world.documents.get(&(it.index.clone(), it.id.clone()));
            let found =
                found.map(|(stamp, json)| Found { stamp: *stamp, json: json.clone().into_bytes() });
            (it.index.clone(), found)
        };
        Ok(addresses.iter().map(get).collect())
    }

    async fn list(
        &self,
        place: &Place,
        cursor: Option<String>,
    ) -> Result<(Vec<Listed>, Option<String>), EndError> {
        let world = self.later().await;
        let after = cursor.unwrap_or_default();
        let in_place = |it: &&(String, String)| it.0 == place.index && after < it.1;
        let mut all: Vec<Listed> = world
            .documents
            .iter()
            .filter(|it| in_place(&it.0))
            .map(|((index, id), (stamp, _))| Listed {
                address: Address { sink: 0, index: index.clone(), id: id.clone(), routing: None },
                stamp: *stamp,
            })
            .collect();
        all.truncate(world.page);
        let next = all.last().map(|it| it.address.id.clone());
        Ok((all, next))
    }

    async fn repair(&self, repairs: &[Repair]) -> Result<Vec<Option<String>>, EndError> {
        let mut world = self.later().await;
        let done = repairs.iter().map(|it| {
            let json = it.json.clone().map(|it| String::from_utf8(it).unwrap());
            let Guard::External(version) = it.guard else { return Some("no version".to_owned()) };
            let is_done = world.write(&it.address.index, &it.address.id, json, version);
            (!is_done).then(|| "superseded".to_owned())
        });
        Ok(done.collect())
    }

    fn places(&self) -> Vec<Place> {
        let place = |it: &&str| Place { sink: 0, index: (*it).to_owned() };
        ["books", "books-0", "books-1"].iter().map(place).collect()
    }
}

/// A world in which index and table are equal, and then is damaged. Says what was damaged.
fn damaged(seed: u64, n_changes: u32) -> (Stage, BTreeMap<(String, String), Kind>) {
    let mut rng = Rng::with_seed(seed);
    let items = (0..rng.u32(0..40)).map(|id| (id, rng.u32(0..100))).collect();
    let mut world = World {
        items,
        documents: BTreeMap::new(),
        pending: VecDeque::new(),
        n_changes: 0,
        changed: BTreeSet::new(),
        n_versions: 0,
        seq_no: 0,
        began: tokio::time::Instant::now(),
        routes: rng.bool(),
        filters: rng.bool(),
        has_keys: rng.bool(),
        has_clock: rng.u8(0..4) == 0,
        page: rng.usize(1..9),
        rng,
    };
    let before = (BEGAN_MS - 3_600_000) * 1000;
    for (id, value) in world.items.clone() {
        let version = before + world.rng.u64(0..1_000_000);
        world.deliver(id, Some(value), version);
    }
    let mut damage = BTreeMap::new();
    for _ in 0..world.rng.u32(0..6) {
        let places: Vec<(String, String)> = world.documents.keys().cloned().collect();
        let place = world.rng.choice(&places).cloned();
        match (world.rng.u8(0..4), place) {
            (0, Some(place)) if !damage.contains_key(&place) => {
                world.documents.remove(&place);
                damage.insert(place, Kind::Missing);
            }
            (what @ 1..=2, Some(place)) if !damage.contains_key(&place) => {
                let (stamp, json) = world.documents.get_mut(&place).unwrap();
                // By somebody else, or an older state that overwrote a newer one.
                stamp.version = if what == 1 { stamp.version + 1 } else { stamp.version - 5_000 };
                *json = json.replace(r#""value":"#, r#""value":9"#);
                damage.insert(place, Kind::Different);
            }
            (3, _) => {
                let id = world.rng.u32(100..200);
                let key = if world.has_keys { format!(r#""id":"{id}","#) } else { String::new() };
                let json = format!(r#"{{{key}"value":1}}"#);
                let place = ("books".to_owned(), format!("x{id}"));
                world.write(&place.0, &place.1, Some(json), before);
                damage.insert(place, Kind::Orphaned);
            }
            _ => {}
        }
    }
    world.n_changes = n_changes;
    (Stage(Mutex::new(world)), damage)
}

fn options(repair: bool) -> Options {
    Options { lag: LAG, repair, orphans: true, segments: 3, sample: None, keys: Vec::new() }
}

/// How the index differs from what it should be.
fn differing(world: &World) -> BTreeSet<(String, String)> {
    let mut expected = BTreeMap::new();
    for (id, value) in &world.items {
        if let Some((index, id, json)) = world.planned(*id, *value) {
            expected.insert((index, id), json);
        }
    }
    let value = |json: &str| json.split(r#""value":"#).nth(1).map(|it| it[..2].to_owned());
    let is = |place: &(String, String)| world.documents.get(place).and_then(|it| value(&it.1));
    let should = |place: &(String, String)| expected.get(place).and_then(|it| value(it));
    let all: BTreeSet<_> = expected.keys().chain(world.documents.keys()).cloned().collect();
    all.into_iter().filter(|it| is(it) != should(it)).collect()
}

async fn run(seed: u64, n_changes: u32, repair: bool) {
    let (stage, damage) = damaged(seed, n_changes);
    let ends = Ends { tables: &stage, through: &stage, index: &stage };
    let report = verify(&ends, &options(repair), |_| {}).await.unwrap();
    let told: BTreeMap<(String, String), Kind> = report
        .findings
        .iter()
        .map(|it| ((it.address.index.clone(), it.address.id.clone()), it.kind))
        .collect();
    let mut world = stage.0.into_inner().unwrap();
    let is_untouched = |place: &(String, String)| !world.changed.contains(&id_of(&place.1));
    for (place, kind) in &told {
        let known = damage.get(place);
        // A change may turn one kind of damage into another before it is looked at again.
        assert!(known.is_some(), "seed {seed}: false alarm {kind:?} {place:?}");
        if is_untouched(place) {
            assert_eq!(known, Some(kind), "seed {seed}: {place:?}");
        }
    }
    for (place, kind) in damage.iter().filter(|it| is_untouched(it.0)) {
        assert_eq!(told.get(place), Some(kind), "seed {seed}: {place:?} was not told of");
    }
    assert_eq!(told.len(), report.findings.len(), "seed {seed}: told twice");
    assert_eq!(
        report.not_compared.iter().any(|it| it == "/at"),
        world.has_clock && 0 < report.items
    );
    if repair {
        while let Some((_, id, value, version)) = world.pending.pop_front() {
            world.deliver(id, value, version);
        }
        let left = differing(&world);
        let left: Vec<_> =
            left.iter().filter(|it| told.contains_key(*it) || !damage.contains_key(*it)).collect();
        assert!(left.is_empty(), "seed {seed}: {left:?} of {damage:?}, told {told:?}");
    }
}

/// How many worlds: `STREAMDEX_VERIFY_WORLDS`.
fn n_worlds() -> u64 {
    std::env::var("STREAMDEX_VERIFY_WORLDS").map_or(100, |it| it.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_damage_is_told_and_nothing_else() {
    for seed in 0..n_worlds() {
        run(seed, 0, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_damage_is_mended_and_nothing_else() {
    for seed in 0..n_worlds() {
        run(seed, 0, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_others_write_there_is_no_false_alarm_and_nothing_newer_is_lost() {
    for seed in 0..n_worlds() {
        run(seed, 60, seed % 2 == 0).await;
    }
}
