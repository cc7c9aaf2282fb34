use super::*;

const TERM: Duration = Duration::from_secs(30);

fn lease(partition: &str, owner: &str, renewals: u64) -> Lease {
    let (partition, owner) = (partition.to_owned(), owner.to_owned());
    Lease { partition, owner, token: 1, renewals, ..Lease::default() }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp(1_000_000 + seconds * 1_000)
}

/// Looks at Ada's one record at these seconds, with this many renewals; expects whether the last
/// look finds it to be had.
#[track_caller]
fn check(looks: &[(u64, u64)], expected: bool, when: &str) {
    let mut watch = Watch::new(TERM);
    let mut seen = None;
    for (second, renewals) in looks {
        seen = Some(watch.look(&lease("shard", "ada", *renewals), at(*second)));
    }
    assert_eq!(seen.unwrap().available, expected, "{when}");
}

#[test]
fn an_owner_is_silent_when_nothing_changed_for_a_term() {
    check(&[(0, 1)], false, "seen for the first time");
    check(&[(0, 1), (15, 1), (29, 1)], false, "almost a term");
    check(&[(0, 1), (15, 1), (30, 1)], true, "a term");
    check(&[(0, 1), (15, 1), (29, 2), (40, 2), (58, 2)], false, "it was renewed in between");
    check(&[(0, 1), (15, 1), (29, 2), (44, 2), (59, 2)], true, "a term after it was renewed");
}

#[test]
fn whoever_slept_looks_again_before_taking_anything() {
    check(&[(0, 1), (600, 1)], false, "asleep for ten minutes");
    check(&[(0, 1), (600, 1), (601, 1)], false, "awake for a second");
    check(&[(0, 1), (600, 1), (614, 1)], false, "awake for less than half a term");
    check(&[(0, 1), (600, 1), (615, 1)], true, "awake for half a term");
    check(&[(600, 1), (0, 1), (15, 1)], false, "the clock was set back");
}

#[test]
fn one_record_of_an_owner_that_changes_keeps_all_of_them() {
    let mut watch = Watch::new(TERM);
    for n in 0..10 {
        let records =
            vec![lease("a", "ada", 1), lease("b", "bob", 1), lease("workers/ada", "ada", n)];
        let seen = watch.survey("", records, at(n * 10));
        let available: Vec<bool> = seen.iter().map(|it| it.available).collect();
        assert_eq!(available, [false, 3 <= n, false], "after {n} looks");
    }
}

#[test]
fn a_sign_of_life_counts_even_if_it_is_the_last_record_of_a_look() {
    let mut watch = Watch::new(TERM);
    for (second, renewals) in [(0, 1), (15, 1), (30, 2)] {
        let records = vec![lease("a", "ada", 1), lease("workers/ada", "ada", renewals)];
        let seen = watch.survey("", records, at(second));
        assert!(!seen[0].available, "after {second} s");
    }
}

#[test]
fn what_is_free_is_there_at_once_and_what_is_done_never() {
    let mut watch = Watch::new(TERM);
    let free = Lease { free: true, ..lease("shard", "ada", 1) };
    assert!(watch.look(&free, at(0)).available);
    let done = Lease { done: true, ..free };
    for second in [10, 20, 30, 40] {
        assert!(!watch.look(&done, at(second)).available);
    }
}

#[test]
fn a_partition_that_changed_hands_is_a_sign_of_life_of_its_new_owner() {
    let mut watch = Watch::new(TERM);
    for second in [0, 10, 20, 30] {
        watch.look(&lease("shard", "ada", 1), at(second));
    }
    let taken = Lease { token: 2, ..lease("shard", "bob", 2) };
    assert!(!watch.look(&taken, at(40)).available);
}

#[test]
fn what_is_gone_is_forgotten() {
    let mut watch = Watch::new(TERM);
    watch.survey("", vec![lease("list/a", "ada", 1), lease("other/b", "bob", 1)], at(0));
    watch.survey("list/", Vec::new(), at(1));
    assert_eq!(watch.records.keys().collect::<Vec<_>>(), ["other/b"]);
    assert_eq!(watch.owners.len(), 2, "owners are kept for a while");
    let memory = 30 * 100;
    watch.survey("", vec![lease("other/b", "bob", 1)], at(memory));
    assert_eq!(watch.owners.len(), 2);
    watch.survey("", vec![lease("other/b", "bob", 1)], at(memory + 1));
    assert_eq!(watch.owners.keys().collect::<Vec<_>>(), ["bob"]);
}
