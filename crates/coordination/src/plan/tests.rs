use proptest::{prelude::*, test_runner::TestCaseResult};

use super::*;
use crate::Lease;

/// A pipeline's partitions, as all its workers see them.
#[derive(Clone, Debug, Default)]
struct World {
    owners: BTreeMap<String, Option<String>>,
    balances: BTreeMap<String, Balance>,
    n_moves: usize,
}

impl World {
    fn new(n_partitions: usize, workers: &[&str]) -> World {
        let mut world = World::default();
        world.owners.extend((0..n_partitions).map(|n| (format!("shard-{n:03}"), None)));
        for worker in workers {
            world.join(worker);
        }
        world
    }

    fn join(&mut self, worker: &str) {
        self.balances.insert(worker.to_owned(), Balance::default());
    }

    /// The worker is gone, and that has been noticed.
    fn lapse(&mut self, worker: &str) {
        self.balances.remove(worker);
        let held = self.owners.values_mut().filter(|it| it.as_deref() == Some(worker));
        held.for_each(|it| *it = None);
    }

    fn give(&mut self, partition: usize, worker: &str) {
        self.owners.insert(format!("shard-{partition:03}"), Some(worker.to_owned()));
    }

    fn round_of(&mut self, worker: &str) -> Moves {
        let seen: Vec<Seen> = self
            .owners
            .iter()
            .filter_map(|(partition, owner)| {
                let (partition, owner) = (partition.clone(), owner.clone()?);
                let lease = Lease { partition, owner, token: 1, ..Lease::default() };
                Some(Seen { lease, available: false })
            })
            .collect();
        let workers: BTreeSet<String> = self.balances.keys().cloned().collect();
        let ready: Vec<String> = self.owners.keys().cloned().collect();
        let mine = self.owners.iter().filter(|(_, owner)| owner.as_deref() == Some(worker));
        let reading: BTreeSet<String> = mine.map(|(partition, _)| partition.clone()).collect();
        let view =
            View { me: worker, workers: &workers, seen: &seen, ready: &ready, reading: &reading };
        let moves = self.balances.get_mut(worker).unwrap().round(&view);
        assert!(moves.lost.is_empty());
        moves
    }

    /// One worker plans, and what it planned happens. Others' partitions are not to be had.
    fn turn(&mut self, worker: &str) {
        let Moves { take, let_go, .. } = self.round_of(worker);
        self.n_moves += take.len() + let_go.len();
        for partition in take {
            let owner = self.owners.get_mut(&partition).unwrap();
            assert_eq!(*owner, None, "{worker} wants {partition}");
            *owner = Some(worker.to_owned());
        }
        for partition in let_go {
            let owner = self.owners.get_mut(&partition).unwrap();
            assert_eq!(owner.as_deref(), Some(worker), "{worker} lets go of {partition}");
            *owner = None;
        }
    }

    fn rounds(&mut self, n: usize) {
        for _ in 0..n {
            let workers: Vec<String> = self.balances.keys().cloned().collect();
            for worker in workers {
                self.turn(&worker);
            }
        }
    }

    /// How many each has.
    fn shares(&self) -> Vec<usize> {
        let count =
            |worker: &String| self.owners.values().filter(|it| it.as_ref() == Some(worker)).count();
        self.balances.keys().map(count).collect()
    }
}

#[test]
fn a_single_worker_takes_everything_at_once() {
    let mut world = World::new(7, &["ada"]);
    world.turn("ada");
    assert_eq!(world.shares(), [7]);
}

#[test]
fn three_workers_end_with_a_third_each() {
    let mut world = World::new(8, &["ada", "bob", "cid"]);
    world.rounds(1);
    let mut shares = world.shares();
    shares.sort_unstable();
    assert_eq!(shares, [2, 3, 3]);
}

#[test]
fn whoever_has_too_much_waits_a_round_and_lets_go_of_no_more_than_that() {
    let mut world = World::new(5, &["ada"]);
    world.turn("ada");
    world.join("bob");
    assert_eq!(world.round_of("ada").let_go, Vec::<String>::new(), "not at once");
    assert_eq!(world.round_of("ada").let_go, ["shard-004", "shard-003"], "then what is too much");
}

#[test]
fn a_worker_that_was_seen_only_once_moves_nothing() {
    let mut world = World::new(4, &["ada"]);
    world.turn("ada");
    for _ in 0..3 {
        world.join("bob");
        world.turn("ada");
        world.lapse("bob");
        world.turn("ada");
    }
    assert_eq!((world.n_moves, world.shares()), (4, vec![4]));
}

#[test]
fn the_odd_one_stays_where_it_is() {
    let mut world = World::new(3, &["ada", "bob"]);
    world.give(0, "ada");
    world.give(1, "bob");
    world.give(2, "bob");
    world.rounds(10);
    assert_eq!((world.n_moves, world.shares()), (0, vec![1, 2]));
}

#[test]
fn free_partitions_are_divided_before_anybody_asks_for_them() {
    let mut world = World::new(6, &["ada", "bob", "cid"]);
    let mut taken: Vec<String> =
        ["ada", "bob", "cid"].iter().flat_map(|it| world.round_of(it).take).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 6, "nobody wants what another wants");
}

#[test]
fn what_somebody_else_has_is_lost_and_what_nobody_can_move_stays() {
    let lease = |partition: &str, owner: &str| {
        let (partition, owner) = (partition.to_owned(), owner.to_owned());
        Seen { lease: Lease { partition, owner, ..Lease::default() }, available: false }
    };
    let seen = [lease("a", "bob"), lease("b", "ada"), lease("c", "ada"), lease("d", "ada")];
    let workers = BTreeSet::from(["bob".to_owned(), "cid".to_owned()]);
    let reading = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
    let view = View { me: "ada", workers: &workers, seen: &seen, ready: &[], reading: &reading };
    let mut balance = Balance::default();
    assert_eq!(balance.round(&view).lost, ["a"]);
    assert_eq!(balance.round(&view).let_go, ["b"], "c and d are not being read");
}

#[test]
fn what_is_held_and_not_read_is_let_go_of() {
    let seen = [("a", "ada", false), ("b", "ada", false), ("c", "bob", false), ("d", "ada", true)];
    let seen = seen.map(|(partition, owner, done)| {
        let (partition, owner) = (partition.to_owned(), owner.to_owned());
        Seen { lease: Lease { partition, owner, done, ..Lease::default() }, available: false }
    });
    let (workers, reading) = (BTreeSet::new(), BTreeSet::from(["a".to_owned()]));
    let ready = ["a", "b", "c", "d"].map(str::to_owned);
    let view = View { me: "ada", workers: &workers, seen: &seen, ready: &ready, reading: &reading };
    let abandoned = Balance::default().round(&view).abandoned;
    assert_eq!(abandoned.iter().map(|it| it.partition.as_str()).collect::<Vec<_>>(), ["b"]);
    let not_ready = View { ready: &ready[..1], ..view };
    assert_eq!(Balance::default().round(&not_ready).abandoned, [], "it is for something else");
}

#[test]
fn what_is_done_or_to_be_had_counts_for_nobody() {
    let lease = |partition: &str, done: bool, available: bool| {
        let (partition, owner) = (partition.to_owned(), "bob".to_owned());
        Seen { lease: Lease { partition, owner, done, ..Lease::default() }, available }
    };
    let seen = [lease("a", true, false), lease("b", false, true)];
    let workers = BTreeSet::from(["bob".to_owned()]);
    let ready = ["b".to_owned(), "c".to_owned()];
    let nothing = BTreeSet::new();
    let view = View { me: "ada", workers: &workers, seen: &seen, ready: &ready, reading: &nothing };
    assert_eq!(Balance::default().round(&view).take, ["b"], "Bob has nothing, and c is his");
}

#[derive(Clone, Debug)]
enum Event {
    Join(u8),
    Lapse(u8),
    Turn(u8),
    Done(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..5u8).prop_map(Event::Join),
        (0..5u8).prop_map(Event::Lapse),
        (0..5u8).prop_map(Event::Turn),
        (0..5u8).prop_map(Event::Turn),
        (0..30u8).prop_map(Event::Done),
    ]
}

proptest! {
    /// Whatever happened before: a few rounds later everything is read by somebody, shares differ
    /// by at most one, and nothing moves any more.
    #[test]
    fn a_few_quiet_rounds_settle_it(
        n_partitions in 0..30usize,
        events in prop::collection::vec(event(), 0..60),
    ) {
        check_a_few_quiet_rounds_settle_it(n_partitions, &events)?;
    }
}

fn check_a_few_quiet_rounds_settle_it(n_partitions: usize, events: &[Event]) -> TestCaseResult {
    let mut world = World::new(n_partitions, &["w0"]);
    for event in events {
        match event {
            Event::Join(n) if !world.balances.contains_key(&format!("w{n}")) => {
                world.join(&format!("w{n}"));
            }
            Event::Lapse(n) if 1 < world.balances.len() => world.lapse(&format!("w{n}")),
            Event::Turn(n) if world.balances.contains_key(&format!("w{n}")) => {
                world.turn(&format!("w{n}"));
            }
            Event::Done(n) => drop(world.owners.remove(&format!("shard-{n:03}"))),
            _ => {}
        }
    }
    world.rounds(2 * PATIENCE_ROUNDS as usize + 2);
    let shares = world.shares();
    prop_assert!(world.owners.values().all(Option::is_some), "{:?}", world);
    prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{:?}", shares);
    world.n_moves = 0;
    world.rounds(5);
    prop_assert_eq!(world.n_moves, 0);
    Ok(())
}
