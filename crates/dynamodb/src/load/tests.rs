//! Stories of loads, and crashes between any two lines of them.

use super::*;

const POLL: Duration = Duration::from_secs(30);
const PACE: Pace = Pace { poll: POLL, look: Duration::from_secs(5) };
const NOW: Timestamp = Timestamp(1_000_000);

fn parts(n: u32) -> Parts {
    Parts { read_ms: 1_000_000, n, items: Some(7), files_key: "m/files".to_owned(), is_ion: false }
}

fn scan_parts() -> Parts {
    Parts { n: 4, items: None, files_key: String::new(), ..parts(4) }
}

/// Tells the machine what happened, line by line, and compares what it does after each. Between
/// any two lines the process may die: then a machine made of what was saved last must do the same.
#[track_caller]
fn check(method: Method, story: &[(Option<Input>, &str)]) {
    for crash in [false, true] {
        let wanted = Record::wanted(1, method, NOW, Duration::ZERO);
        let mut saved = wanted.clone();
        let (mut load, mut actions) = Load::resume(wanted, PACE, NOW);
        for (n, (input, expected)) in story.iter().enumerate() {
            if let Some(input) = input {
                actions = load.handle(NOW, 4, input.clone());
            }
            let shown: Vec<String> = actions.iter().map(show).collect();
            assert_eq!(shown.join(", "), *expected, "line {n}");
            for action in &actions {
                if let Action::Save(record) = action {
                    let text = serde_json::to_string(record).unwrap();
                    saved = serde_json::from_str(&text).unwrap();
                }
            }
            let is_final = matches!(saved.stage, Stage::Failed(_));
            let is_waiting =
                actions.iter().any(|it| matches!(it, Action::Wait(_) | Action::Plan(..)));
            if crash && !is_final && !is_waiting {
                let (next, first) = Load::resume(saved.clone(), PACE, NOW);
                let last = actions.iter().rfind(|it| !matches!(it, Action::Save(_)));
                let same = |a: &Action| match a {
                    Action::Describe(arn, _) => format!("describe {arn}"),
                    other => show(other),
                };
                assert_eq!(first.last().map(same), last.map(same), "after a crash at line {n}");
                load = next;
            }
        }
    }
}

fn show(action: &Action) -> String {
    match action {
        Action::Save(record) => format!("save {} {}", record.name(), record.stage_name()),
        Action::Wait(until) => format!("wait {}", until.0 - NOW.0),
        Action::Request => "request".to_owned(),
        Action::Describe(arn, at) => format!("describe {arn} in {}", at.0 - NOW.0),
        Action::Plan(arn, key) => format!("plan {arn} {key}"),
        Action::Load(parts) => format!("load {}", parts.n),
        Action::Reapply => "reapply".to_owned(),
        Action::End => "end".to_owned(),
    }
}

fn arn(n: u32) -> Input {
    Input::Requested(format!("e{n}"))
}

fn described(it: Described) -> Input {
    Input::Described(it)
}

#[test]
fn an_export_is_made_and_loaded() {
    check(
        Method::Export,
        &[
            (None, "request"),
            (Some(arn(1)), "save 1-1 exporting, describe e1 in 0"),
            (Some(described(Described::InProgress)), "describe e1 in 30000"),
            (Some(described(Described::Completed("m/s".to_owned()))), "plan e1 m/s"),
            (Some(Input::Planned(parts(2))), "save 1-1 loading, load 2"),
            (Some(Input::Loaded), "save 1-1 sending deletes again, reapply"),
            (Some(Input::Reapplied), "save 1-1 done, end"),
        ],
    );
}

#[test]
fn a_scan_needs_no_export() {
    check(
        Method::Scan,
        &[
            (None, "wait 0"),
            (Some(Input::Waited), "save 1-1 loading, load 4"),
            (Some(Input::Loaded), "save 1-1 sending deletes again, reapply"),
            (Some(Input::Reapplied), "save 1-1 done, end"),
        ],
    );
    let (mut load, _) =
        Load::resume(Record::wanted(1, Method::Scan, NOW, Duration::ZERO), PACE, NOW);
    load.handle(NOW, 4, Input::Waited);
    assert_eq!(load.record().stage, Stage::Loading(scan_parts()));
}

#[test]
fn an_export_that_fails_or_vanishes_is_asked_for_again_but_not_for_ever() {
    check(
        Method::Export,
        &[
            (Some(arn(1)), "save 1-1 exporting, describe e1 in 0"),
            (
                Some(described(Described::Failed("no space".to_owned()))),
                "save 1-2 wanted, wait 30000",
            ),
        ],
    );
    let mut now = NOW;
    let (mut load, _) =
        Load::resume(Record::wanted(1, Method::Export, now, Duration::ZERO), PACE, now);
    for (n, end) in [(1, Described::Vanished), (2, Described::Failed("x".to_owned()))] {
        load.handle(now, 4, arn(n));
        load.handle(now, 4, Input::Described(end));
        assert_eq!((load.record().attempt, &load.record().stage), (n + 1, &Stage::Wanted));
        now = now.after(POLL);
        assert_eq!(load.handle(now, 4, Input::Waited), [Action::Request]);
    }
    load.handle(now, 4, arn(3));
    let last = load.handle(now, 4, Input::Described(Described::Failed("y".to_owned())));
    assert_eq!(last[1], Action::Reapply, "what was loaded is cleaned up first");
    let end = load.handle(now, 4, Input::Reapplied);
    assert_eq!(end[1], Action::End);
    let Stage::Failed(reason) = &load.record().stage else { panic!("{:?}", load.record()) };
    assert!(reason.contains('y') && reason.contains("3 exports"), "{reason}");
}

#[test]
fn a_load_that_was_given_up_is_tried_again_by_the_next_start() {
    let stage = Stage::Failed("no".to_owned());
    let failed =
        Record { attempt: 3, stage, ..Record::wanted(1, Method::Export, NOW, Duration::ZERO) };
    let (mut load, actions) = Load::resume(failed, PACE, NOW);
    assert_eq!(load.record().name(), "1-4");
    let later = NOW.after(PACE.announcement());
    assert_eq!(actions[1], Action::Wait(later), "nobody keeps deletes for it any more");
    assert_eq!(load.handle(later, 4, Input::Waited), [Action::Request]);
}

#[test]
fn files_that_are_gone_need_another_export() {
    let gone = Input::Refused("files are gone".to_owned(), Remedy::Anew);
    let (mut load, _) =
        Load::resume(Record::wanted(1, Method::Export, NOW, Duration::ZERO), PACE, NOW);
    load.handle(NOW, 4, arn(1));
    load.handle(NOW, 4, Input::Planned(parts(2)));
    load.handle(NOW, 4, gone);
    assert_eq!(load.record().name(), "1-2", "its parts are other parts");
    assert_eq!(load.record().stage, Stage::Wanted);
}

#[test]
fn what_is_refused_for_now_is_asked_for_later_and_later() {
    let (mut load, _) =
        Load::resume(Record::wanted(1, Method::Export, NOW, Duration::ZERO), PACE, NOW);
    let mut waits = Vec::new();
    for _ in 0..9 {
        let actions = load.handle(NOW, 4, Input::Refused("busy".to_owned(), Remedy::Wait));
        waits.extend(actions.iter().map(show));
        assert_eq!(load.handle(NOW, 4, Input::Waited), [Action::Request]);
    }
    assert_eq!(waits[0], "wait 30000");
    assert_eq!(waits[8], "wait 600000");
    load.handle(NOW, 4, Input::Refused("no such bucket".to_owned(), Remedy::None));
    assert!(load.record().is_under_way(), "deletes first");
}

#[test]
fn a_load_that_heals_a_gap_waits_until_everyone_knows_of_it() {
    for method in [Method::Export, Method::Scan] {
        let wanted = Record::wanted(2, method, NOW, PACE.announcement());
        // The clock of whoever leads it may be a day ahead.
        for now in [NOW, NOW.after(Duration::from_hours(24))] {
            let later = now.after(PACE.announcement());
            let (mut load, first) = Load::resume(wanted.clone(), PACE, now);
            assert_eq!(first, [Action::Wait(later)]);
            // Then the clock is set back.
            let next = load.handle(NOW, 4, Input::Waited);
            let begins = match method {
                Method::Export => next == [Action::Request],
                Method::Scan => matches!(next[..], [Action::Save(_), Action::Load(_)]),
            };
            assert!(begins, "{next:?}");
        }
    }
}

#[test]
fn what_is_known_of_loads_is_trusted_for_less_than_they_are_announced() {
    let known = Known::at(NOW, 3);
    assert_eq!(Known::default().load(NOW, PACE), None);
    let trusted = PACE.look * TRUSTED_LOOKS;
    for (now, load) in [
        (NOW, Some(3)),
        (NOW.after(trusted), Some(3)),
        (NOW.after(trusted + Duration::from_millis(1)), None),
        (NOW.after(PACE.announcement()), None),
        // The clock was set back.
        (Timestamp(NOW.0 - 1), None),
    ] {
        assert_eq!(known.load(now, PACE), load, "{now:?}");
    }
}
