//! What must hold of any lease store. One function, called once per implementation.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "it/member.rs"]
mod member;
#[path = "it/table.rs"]
mod table;

use coordination::{FileLeases, LEASE_TERM, Lease, LeaseStore, MemoryLeases};
use pipeline::Timestamp;

const START: Timestamp = Timestamp(1_000);

async fn check_lease_store(store: &dyn LeaseStore) {
    only_one_of_two_acquires_wins(store).await;
    a_lapsed_lease_can_be_taken(store).await;
    a_worker_taken_for_dead_cannot_overwrite_its_successor(store).await;
    saving_renews(store).await;
    what_is_released_is_free_at_once(store).await;
    what_is_done_is_given_to_nobody(store).await;
    what_is_removed_is_gone_and_nobody_removes_what_another_has(store).await;
    a_survey_tells_what_could_be_had(store).await;
    every_write_shows(store).await;
    assert_eq!(store.term(), LEASE_TERM);
    leases_are_listed_by_the_beginning_of_their_partition(store).await;
}

#[tokio::test]
async fn memory() {
    check_lease_store(&MemoryLeases::default()).await;
}

#[tokio::test]
async fn what_costs_nothing_is_not_counted() {
    assert_eq!(MemoryLeases::default().traffic(), None);
}

#[tokio::test]
async fn file() {
    let dir = tempfile::tempdir().unwrap();
    check_lease_store(&FileLeases::open(&dir.path().join("leases")).unwrap()).await;
}

/// Tries for a term to get it; the owner must be seen to be silent.
async fn after_a_term(store: &dyn LeaseStore, partition: &str, owner: &str) -> Option<Lease> {
    for part in 1..4 {
        let now = START.after(LEASE_TERM * part / 3);
        if let Some(lease) = store.acquire(partition, owner, now).await.unwrap() {
            assert_eq!(part, 3, "too early");
            return Some(lease);
        }
    }
    None
}

async fn only_one_of_two_acquires_wins(store: &dyn LeaseStore) {
    assert!(store.acquire("one", "ada", START).await.unwrap().is_some());
    assert!(store.acquire("one", "bob", START).await.unwrap().is_none());
}

async fn a_lapsed_lease_can_be_taken(store: &dyn LeaseStore) {
    let mut lease = store.acquire("lapsed", "ada", START).await.unwrap().unwrap();
    lease.checkpoint = Some("7\twith a tab".to_owned());
    store.save(&mut lease, START).await.unwrap();

    let taken = after_a_term(store, "lapsed", "bob").await.unwrap();
    assert_eq!((taken.owner.as_str(), taken.token), ("bob", lease.token + 1));
    assert_eq!(taken.checkpoint.as_deref(), Some("7\twith a tab"));
}

async fn a_worker_taken_for_dead_cannot_overwrite_its_successor(store: &dyn LeaseStore) {
    let mut first = store.acquire("dead", "ada", START).await.unwrap().unwrap();
    let later = START.after(LEASE_TERM);
    after_a_term(store, "dead", "bob").await.unwrap();

    first.checkpoint = Some("7".to_owned());
    assert!(store.save(&mut first, later).await.unwrap_err().is_lost());
    assert!(store.release(first).await.unwrap_err().is_lost());
    assert_eq!(store.list("dead").await.unwrap()[0].checkpoint, None);
}

async fn saving_renews(store: &dyn LeaseStore) {
    let mut lease = store.acquire("renewed", "ada", START).await.unwrap().unwrap();
    assert!(store.acquire("renewed", "bob", START.after(LEASE_TERM / 2)).await.unwrap().is_none());
    store.save(&mut lease, START.after(LEASE_TERM / 2)).await.unwrap();
    assert!(after_a_term(store, "renewed", "bob").await.is_none());
}

async fn what_is_released_is_free_at_once(store: &dyn LeaseStore) {
    let mut lease = store.acquire("free", "ada", START).await.unwrap().unwrap();
    lease.checkpoint = Some("3".to_owned());
    store.save(&mut lease, START).await.unwrap();
    store.release(lease).await.unwrap();
    let again = store.acquire("free", "bob", START).await.unwrap().unwrap();
    assert_eq!(again.checkpoint.as_deref(), Some("3"));
}

async fn what_is_done_is_given_to_nobody(store: &dyn LeaseStore) {
    let mut lease = store.acquire("done", "ada", START).await.unwrap().unwrap();
    lease.done = true;
    store.release(lease).await.unwrap();
    assert!(after_a_term(store, "done", "bob").await.is_none());
    assert!(store.list("done").await.unwrap()[0].done);
}

async fn what_is_removed_is_gone_and_nobody_removes_what_another_has(store: &dyn LeaseStore) {
    let first = store.acquire("gone", "ada", START).await.unwrap().unwrap();
    let second = after_a_term(store, "gone", "bob").await.unwrap();
    assert!(store.remove(first).await.unwrap_err().is_lost());
    store.remove(second.clone()).await.unwrap();
    store.remove(second).await.unwrap();
    assert_eq!(store.list("gone").await.unwrap(), []);
    let anew = store.acquire("gone", "cid", START).await.unwrap().unwrap();
    assert_eq!((anew.token, anew.checkpoint), (1, None));
}

async fn a_survey_tells_what_could_be_had(store: &dyn LeaseStore) {
    let owner = |name: &str| format!("{name} the surveyor");
    for (partition, owner) in [("survey/a", owner("ada")), ("survey/b", owner("bob"))] {
        store.acquire(partition, &owner, START).await.unwrap().unwrap();
    }
    let free = store.acquire("survey/c", &owner("cid"), START).await.unwrap().unwrap();
    store.release(free).await.unwrap();
    let mut done = store.acquire("survey/d", &owner("cid"), START).await.unwrap().unwrap();
    done.done = true;
    store.release(done).await.unwrap();
    let mut sign = store.acquire("survey-sign", &owner("bob"), START).await.unwrap().unwrap();

    let mut available = Vec::new();
    for part in 0..4 {
        let now = START.after(LEASE_TERM * part / 3);
        store.save(&mut sign, now).await.unwrap();
        store.survey("survey-", now).await.unwrap();
        let seen = store.survey("survey/", now).await.unwrap();
        available = seen.iter().map(|it| it.available).collect();
        assert_eq!(available[..], [3 <= part, false, true, false], "after {part} thirds of a term");
    }
    assert_eq!(available.len(), 4);
}

async fn every_write_shows(store: &dyn LeaseStore) {
    let mut lease = store.acquire("shown", "ada", START).await.unwrap().unwrap();
    let mut renewals = vec![lease.renewals];
    store.save(&mut lease, START).await.unwrap();
    renewals.push(lease.renewals);
    store.release(lease).await.unwrap();
    renewals.push(store.list("shown").await.unwrap()[0].renewals);
    renewals.push(store.acquire("shown", "bob", START).await.unwrap().unwrap().renewals);
    assert_eq!(renewals, [1, 2, 3, 4]);
}

async fn leases_are_listed_by_the_beginning_of_their_partition(store: &dyn LeaseStore) {
    for partition in ["list/a", "list/b", "lisu"] {
        store.acquire(partition, "ada", START).await.unwrap().unwrap();
    }
    let listed: Vec<_> = store.list("list/").await.unwrap();
    let names: Vec<_> = listed.iter().map(|it| it.partition.as_str()).collect();
    assert_eq!(names, ["list/a", "list/b"]);
}

#[tokio::test]
async fn a_file_keeps_its_checkpoints_and_frees_its_leases_when_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("leases");
    let store = FileLeases::open(&path).unwrap();
    let mut lease = store.acquire("shard", "ada", START).await.unwrap().unwrap();
    lease.checkpoint = Some("7".to_owned());
    store.save(&mut lease, START).await.unwrap();
    assert!(FileLeases::open(&path).unwrap_err().to_string().contains("another process"));
    drop(store);

    let store = FileLeases::open(&path).unwrap();
    let lease = store.acquire("shard", "bob", START).await.unwrap().unwrap();
    assert_eq!((lease.token, lease.checkpoint.as_deref()), (2, Some("7")));
}
