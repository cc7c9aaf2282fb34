use super::*;
use crate::parts::check::{event, problem};

/// What comes of events that arrive at these times, and at the end: `go on | at the end`.
fn run(settings: &str, events: &[(u64, &str)], end: u64) -> String {
    let aggregate = (FACTORY.build)(&Settings::from_yaml(settings).unwrap()).unwrap();
    let stateful = aggregate.stateful().unwrap();
    let (mut passed, mut given) = (Vec::new(), Vec::new());
    for (now, json) in events {
        given.extend(stateful.release(Timestamp(*now), false));
        let taken = stateful.take(vec![event(json)], &[], Timestamp(*now));
        assert!(taken.failed.is_empty(), "{json}");
        passed.extend(taken.events);
    }
    given.extend(stateful.release(Timestamp(end), false));
    let text = |event: &Event| Value::Map(event.fields().unwrap().clone()).to_string();
    let texts = |events: &[Event]| events.iter().map(text).collect::<Vec<_>>().join(" ");
    let given: Vec<Event> = given.into_iter().flat_map(|it| it.events).collect();
    format!("{} | {}", texts(&passed), texts(&given)).trim().to_owned()
}

const RAW: &str = "output_format: raw";

#[test]
fn actions_do_what_they_say() {
    const AB: [(u64, &str); 3] =
        [(0, r#"{"k":1,"v":0.2}"#), (500, r#"{"k":1,"v":0.25}"#), (900, r#"{"k":1,"v":0.15}"#)];
    for (action, expected) in [
        (
            format!("count: {{{RAW}, count_key: n, start_time_key: s, end_time_key: e}}"),
            r#"| {"k":1,"n":3,"s":"1970-01-01T00:00:00.000Z","e":"1970-01-01T00:00:05.000Z"}"#,
        ),
        (
            format!("count: {{{RAW}, unique_keys: [k]}}"),
            r#"| {"k":1,"aggr._count":1,"aggr._start_time":"1970-01-01T00:00:00.000Z","aggr._end_time":"1970-01-01T00:00:05.000Z"}"#,
        ),
        (
            "count:".to_owned(),
            r#"| {"k":1,"name":"count","description":"Number of events","kind":"SUM","unit":"1","aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA","startTime":"1970-01-01T00:00:00.000Z","time":"1970-01-01T00:00:05.000Z","isMonotonic":true,"value":3.0}"#,
        ),
        (
            format!("sum: {{key: v, {RAW}}}"),
            r#"| {"k":1,"aggr._sum":0.6,"aggr._count":3,"aggr._start_time":"1970-01-01T00:00:00.000Z","aggr._end_time":"1970-01-01T00:00:05.000Z"}"#,
        ),
        (
            format!(
                "histogram: {{key: v, units: s, record_minmax: true, buckets: [0.0, 0.25, 0.5], {RAW}}}"
            ),
            r#"| {"k":1,"aggr._key":"v","aggr._buckets":[0.0,0.25,0.5],"aggr._bucket_counts":[0,2,1,0],"aggr._count":3,"aggr._sum":0.6,"aggr._min":0.15,"aggr._max":0.25,"aggr._startTime":"1970-01-01T00:00:00.000Z","aggr._endTime":"1970-01-01T00:00:05.000Z"}"#,
        ),
        ("put_all:".to_owned(), r#"| {"k":1,"v":0.15}"#),
        ("append:".to_owned(), r#"| {"k":1,"v":[0.2,0.25,0.15]}"#),
        (
            "rate_limiter: {events_per_second: 1, when_exceeds: drop}".to_owned(),
            r#"{"k":1,"v":0.2} |"#,
        ),
        (
            "tail_sampler: {percent: 0.0001, wait_period: 2s, condition: /v == 0.25}".to_owned(),
            r#"| {"k":1,"v":0.2} {"k":1,"v":0.25} {"k":1,"v":0.15}"#,
        ),
        ("tail_sampler: {percent: 0.0001, wait_period: 2s}".to_owned(), "|"),
    ] {
        let settings =
            format!("{{identification_keys: [k], group_duration: 3s, action: {{{action}}}}}");
        let settings = settings.replace(":}", ": null}");
        assert_eq!(run(&settings, &AB, 5000), expected, "{action}");
    }
}

#[test]
fn a_group_ends_after_its_time_and_another_begins() {
    let settings = "{identification_keys: [k/l], group_duration: 1s, action: {put_all: {}}}";
    let events = [
        (0, r#"{"k":{"l":1},"a":1}"#),
        (999, r#"{"k":{"l":1},"b":2}"#),
        (1000, r#"{"k":{"l":1},"c":3}"#),
        (1500, r#"{"k":null}"#),
        (1600, r#"{"d":4}"#),
    ];
    assert_eq!(
        run(settings, &events, 2000),
        r#"| {"k":{"l":1},"a":1,"b":2} {"k":{"l":1},"c":3}"#,
        "those without a key have some time left"
    );
    assert_eq!(
        run(settings, &events, 3000).split(" | ").last().unwrap().rsplit_once("} ").unwrap().1,
        r#"{"k":null,"d":4}"#,
        "what is missing is one group"
    );
}

#[test]
fn others_go_on_and_originals_may() {
    let events = [(0, r#"{"k":1}"#), (1, r#"{"k":2}"#)];
    let when = "{identification_keys: [k], group_duration: 1s, action: {put_all: {}}, aggregate_when: /k == 1}";
    assert_eq!(run(when, &events, 5000), r#"{"k":2} | {"k":1}"#);
    let both = "{identification_keys: [k], group_duration: 1s, action: {put_all: {}}, \
                output_unaggregated_events: true, aggregated_events_tag: sum}";
    assert_eq!(run(both, &events, 5000), r#"{"k":1} {"k":2} | {"k":1} {"k":2}"#);
    let aggregate = (FACTORY.build)(&Settings::from_yaml(both).unwrap()).unwrap();
    let taken = aggregate.stateful().unwrap().take(vec![event("{}")], &[], Timestamp(0));
    assert_eq!((taken.events.len(), taken.kept), (1, 0), "the original stands for itself");
    let released = aggregate.stateful().unwrap().release(Timestamp(0), true);
    assert_eq!(released[0].events[0].tags, ["sum"]);
}

#[test]
fn a_group_holds_a_share_of_every_batch_it_has_events_of() {
    let settings = "{identification_keys: [k], action: {put_all: {}}}";
    let aggregate = (FACTORY.build)(&Settings::from_yaml(settings).unwrap()).unwrap();
    let stateful = aggregate.stateful().unwrap();
    let (first, _) = Ack::promise();
    let (second, _) = Ack::promise();
    let one = || vec![event(r#"{"k":1}"#)];
    for ack in [&first, &first, &second] {
        let taken = stateful.take(one(), std::slice::from_ref(ack), Timestamp(0));
        assert_eq!(taken.kept, 1);
    }
    let released = stateful.release(Timestamp(0), true);
    assert_eq!((released.len(), released[0].kept, released[0].acks.len()), (1, 3, 2));

    // A batch that failed is read again: its group is given back whole, and a new one begins.
    stateful.take(one(), std::slice::from_ref(&first), Timestamp(0));
    drop(first.clone());
    stateful.take(one(), std::slice::from_ref(&second), Timestamp(0));
    let released = stateful.release(Timestamp(0), true);
    assert_eq!(released.len(), 2);
    assert!(released[0].acks[0].has_failed() && !released[1].acks[0].has_failed());

    let at_once =
        "{identification_keys: [k], action: {put_all: {}}, disable_group_acknowledgments: true}";
    let aggregate = (FACTORY.build)(&Settings::from_yaml(at_once).unwrap()).unwrap();
    let stateful = aggregate.stateful().unwrap();
    let taken = stateful.take(one(), std::slice::from_ref(&second), Timestamp(0));
    let released = stateful.release(Timestamp(0), true);
    assert_eq!((taken.kept, released[0].kept, released[0].acks.len()), (0, 0, 0));
}

#[test]
fn what_is_no_number_is_a_failure_and_what_is_missing_goes_on() {
    let settings = "{identification_keys: [k], action: {sum: {key: v, output_format: raw}}}";
    let aggregate = (FACTORY.build)(&Settings::from_yaml(settings).unwrap()).unwrap();
    let stateful = aggregate.stateful().unwrap();
    let events = [r#"{"v":true}"#, r#"{"v":"x"}"#, "{}", r#"{"v":null}"#, r#"{"v":"1.5"}"#];
    let taken = stateful.take(events.map(event).to_vec(), &[], Timestamp(0));
    assert_eq!((taken.failed.len(), taken.events.len(), taken.kept), (2, 2, 1));
    let given = stateful.release(Timestamp(0), true);
    assert_eq!(given[0].events[0].fields().unwrap()["aggr._sum"].to_string(), "1.5");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for (settings, at) in [
        ("{identification_keys: [], action: {put_all: {}}}", "identification_keys"),
        ("{identification_keys: [k]}", ""),
        ("{identification_keys: [k], action: put_all}", "action"),
        ("{identification_keys: [k], action: {put_all: {}, count: {}}}", "action"),
        ("{identification_keys: [k], action: {put_al: {}}}", "action.put_al"),
        ("{identification_keys: [k], action: {put_all: {}}, group_duration: 0s}", "group_duration"),
        (
            "{identification_keys: [k], action: {put_all: {}}, output_unaggregated_events: true}",
            "output_unaggregated_events",
        ),
        (
            "{identification_keys: [k], action: {percent_sampler: {percent: 100}}}",
            "action.percent_sampler.percent",
        ),
        (
            "{identification_keys: [k], action: {histogram: {key: v, units: s, buckets: [a]}}}",
            "action.histogram.buckets",
        ),
        (
            "{identification_keys: [k], action: {rate_limiter: {events_per_second: 0}}}",
            "action.rate_limiter.events_per_second",
        ),
    ] {
        assert_eq!(problem(&FACTORY, settings).at, at, "{settings}");
    }
    let missing = problem(&FACTORY, "{identification_keys: [k], action: {sum: null}}");
    assert!(missing.to_string().contains("key"), "{missing}");
    let unknown = problem(&FACTORY, "{identification_keys: [k], action: {count: {cuont_key: n}}}");
    assert!(unknown.to_string().contains("count_key"), "{unknown}");
}
