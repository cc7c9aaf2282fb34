use super::*;

const PLAIN: Policy = Policy { external: false, drops_conflicts: false, creates_index: false };
const EXTERNAL: Policy = Policy { external: true, ..PLAIN };

/// A request with one document per id, and its body.
fn bulk(ids: &[&str]) -> (Bulk, Vec<u8>) {
    let mut bulk = Bulk::default();
    for (event, id) in ids.iter().enumerate() {
        let start = bulk.body.len();
        let lines =
            format!("{{\"index\":{{\"_index\":\"i\",\"_id\":\"{id}\"}}}}\n{{\"n\":{event}}}\n");
        bulk.body.extend_from_slice(lines.as_bytes());
        let document = Some(u64::from(id.as_bytes()[0]));
        let lines = start..bulk.body.len();
        bulk.items.push(Item { event, op: Op::Index, lines, document, last: None });
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
    let rest = bulk.settle(&body, &answer(&[201, 429, 400, 409]), EXTERNAL).unwrap();

    assert_eq!(rest.tally, Tally { indexed: 1, superseded: 1, dead_lettered: 0 });
    assert_eq!(events(&rest.retry), [1]);
    assert_eq!(rest.retry.body, b"{\"index\":{\"_index\":\"i\",\"_id\":\"b\"}}\n{\"n\":1}\n");
    let cause = "t".to_owned();
    let lines = Bytes::copy_from_slice(&body[bulk.items[2].lines.clone()]);
    let reason = "r caused by c".to_owned();
    let rejected = Rejected { event: 2, status: 400, cause, reason, lines };
    assert_eq!(rest.rejected, [rejected]);
    assert!(rest.overload, "429 asks for less");
    assert_eq!(rest.retry.items[0].last.as_ref().unwrap().status, 429, "told when we give up");
}

#[test]
fn without_versions_what_follows_a_late_document_is_sent_again() {
    let (bulk, body) = bulk(&["a", "b", "a", "c", "a"]);
    let answer = answer(&[429, 200, 200, 200, 200]);

    let rest = bulk.settle(&body, &answer, PLAIN).unwrap();
    assert_eq!(events(&rest.retry), [0, 2, 4]);
    assert_eq!(rest.tally.indexed, 2);

    let rest = bulk.settle(&body, &answer, EXTERNAL).unwrap();
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
        assert!(bulk.settle(&body, bad, EXTERNAL).is_err());
    }
}

#[test]
fn what_we_may_not_write_is_kept() {
    let (bulk, body) = bulk(&["a", "b"]);
    let refused = br#"{"items":[{"index":{"status":200}},{"index":{"status":403,"error":{"type":"security_exception","reason":"no permissions for [x]"}}}]}"#;
    let rest = bulk.settle(&body, refused, EXTERNAL).unwrap();
    assert_eq!(rest.forbidden.unwrap().reason, "no permissions for [x]");
    assert_eq!(events(&rest.retry), [1], "neither lost nor set aside");
    assert_eq!(rest.rejected, []);
}
