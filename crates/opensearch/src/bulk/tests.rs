use super::*;

#[test]
fn judges_every_answer_we_have_seen() {
    let refused = Some("some_exception");
    let (index, delete, create) = (Op::Index, Op::Delete, Op::Create);
    for (op, external, status, error, verdict, seen_when) in [
        (index, true, 200, None, Verdict::Done, "updated"),
        (index, true, 201, None, Verdict::Done, "created"),
        (delete, true, 404, None, Verdict::Done, "delete of a missing document"),
        (delete, true, 404, refused, Verdict::Done, "delete where the index is missing"),
        (index, true, 404, refused, Verdict::Reject, "index is missing and may not be created"),
        (index, true, 400, refused, Verdict::Reject, "mapping does not fit the document"),
        (index, true, 409, refused, Verdict::Superseded, "an older version arrives late"),
        (delete, true, 409, refused, Verdict::Superseded, "an older delete arrives late"),
        (index, false, 409, refused, Verdict::Retry, "two writers at the same moment"),
        (create, false, 409, refused, Verdict::Reject, "create of what is there"),
        (index, true, 413, refused, Verdict::Reject, "document larger than the cluster allows"),
        (index, true, 429, refused, Verdict::Retry, "write queue full"),
        (index, true, 503, refused, Verdict::Retry, "primary shard not allocated"),
        (index, true, 403, Some("cluster_block_exception"), Verdict::Retry, "disk full"),
        (
            index,
            true,
            403,
            Some("security_exception"),
            Verdict::Reject,
            "not allowed on this index",
        ),
    ] {
        assert_eq!(judge(op, external, status, error), verdict, "{op:?} {status}: {seen_when}");
    }
}

/// A request with one document per id, and its body.
fn bulk(ids: &[&str]) -> (Bulk, Vec<u8>) {
    let mut bulk = Bulk::default();
    for (event, id) in ids.iter().enumerate() {
        let start = bulk.body.len();
        let lines =
            format!("{{\"index\":{{\"_index\":\"i\",\"_id\":\"{id}\"}}}}\n{{\"n\":{event}}}\n");
        bulk.body.extend_from_slice(lines.as_bytes());
        bulk.items.push(Item { event, op: Op::Index, lines: start..bulk.body.len() });
    }
    let body = bulk.body.clone();
    (bulk, body)
}

fn answer(statuses: &[u16]) -> Vec<u8> {
    let items: Vec<_> = statuses
        .iter()
        .map(|status| match status {
            200..=299 => format!(r#"{{"index":{{"status":{status}}}}}"#),
            _ => format!(
                r#"{{"index":{{"status":{status},"error":{{"type":"t","reason":"r","caused_by":{{"reason":"c"}}}}}}}}"#
            ),
        })
        .collect();
    format!(r#"{{"errors":true,"items":[{}]}}"#, items.join(",")).into_bytes()
}

fn events(bulk: &Bulk) -> Vec<usize> {
    bulk.items.iter().map(|it| it.event).collect()
}

#[test]
fn keeps_only_what_is_left_to_do() {
    let (bulk, body) = bulk(&["a", "b", "c", "d"]);
    let rest = bulk.settle(&body, &answer(&[201, 429, 400, 409]), true).unwrap();

    assert_eq!(rest.tally, Tally { indexed: 1, superseded: 1, dead_lettered: 0 });
    assert_eq!(events(&rest.retry), [1]);
    assert_eq!(rest.retry.body, b"{\"index\":{\"_index\":\"i\",\"_id\":\"b\"}}\n{\"n\":1}\n");
    let rejected = Rejected { event: 2, status: 400, reason: "r caused by c".to_owned() };
    assert_eq!(rest.rejected, [rejected]);
}

#[test]
fn without_versions_what_follows_a_late_document_is_sent_again() {
    let (bulk, body) = bulk(&["a", "b", "a", "c", "a"]);
    let answer = answer(&[429, 200, 200, 200, 200]);

    let rest = bulk.settle(&body, &answer, false).unwrap();
    assert_eq!(events(&rest.retry), [0, 2, 4]);
    assert_eq!(rest.tally.indexed, 2);

    let rest = bulk.settle(&body, &answer, true).unwrap();
    assert_eq!(events(&rest.retry), [0], "versions take care of it");
}

#[test]
fn a_part_can_be_divided_again() {
    let (bulk, body) = bulk(&["a", "b", "c"]);
    let mut late = bulk.part(&body, |n| 0 < n);
    let body = late.take_body();
    let last = late.part(&body, |n| n == 1);
    assert_eq!(last.body, b"{\"index\":{\"_index\":\"i\",\"_id\":\"c\"}}\n{\"n\":2}\n");
}

#[test]
fn an_answer_that_does_not_fit_is_an_error() {
    let (bulk, body) = bulk(&["a", "b"]);
    for bad in
        [&answer(&[201])[..], b"", b"<html>", br#"{"took":1}"#, br#"{"items":[{"x":{}},{}]}"#]
    {
        assert!(bulk.settle(&body, bad, true).is_err());
    }
}
