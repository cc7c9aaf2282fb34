use super::*;

const PLAIN: Policy = Policy { external: false, drops_conflicts: false, creates_index: false };
const EXTERNAL: Policy = Policy { external: true, ..PLAIN };
const CUSTOM: Policy = Policy { creates_index: true, ..EXTERNAL };
const DROPS: Policy = Policy { drops_conflicts: true, ..EXTERNAL };

#[test]
fn judges_every_answer_we_have_seen() {
    use Verdict::{Done, Forbidden, NoIndex, Reject, Retry, Superseded};
    let other = Some("some_exception");
    let no_index = Some("index_not_found_exception");
    let conflict = Some("version_conflict_engine_exception");
    let (index, delete, create, update) = (Op::Index, Op::Delete, Op::Create, Op::Update);
    for (op, policy, status, error, verdict, seen_when) in [
        (index, EXTERNAL, 200, None, Done, "updated"),
        (index, EXTERNAL, 201, None, Done, "created"),
        (delete, EXTERNAL, 404, None, Done, "delete of a missing document"),
        (delete, EXTERNAL, 404, no_index, Done, "delete where the index is missing"),
        (index, CUSTOM, 404, no_index, NoIndex, "someone deleted the index"),
        (index, EXTERNAL, 404, no_index, Reject, "index is missing and may not be created"),
        (update, CUSTOM, 404, Some("document_missing_exception"), Reject, "update of nothing"),
        (index, EXTERNAL, 400, Some("mapper_parsing_exception"), Reject, "mapping does not fit"),
        (index, EXTERNAL, 400, Some("strict_dynamic_mapping_exception"), Reject, "field unknown"),
        (index, EXTERNAL, 400, Some("illegal_argument_exception"), Reject, "too many fields"),
        (index, EXTERNAL, 400, Some("invalid_index_name_exception"), Reject, "bad index name"),
        (index, EXTERNAL, 409, conflict, Superseded, "an older version arrives late"),
        (delete, EXTERNAL, 409, conflict, Superseded, "an older delete arrives late"),
        (index, PLAIN, 409, conflict, Retry, "two writers at the same moment"),
        (update, EXTERNAL, 409, conflict, Retry, "two updates at the same moment"),
        (create, PLAIN, 409, conflict, Reject, "create of what is there"),
        (create, EXTERNAL, 409, conflict, Reject, "likewise: it carries no version"),
        (create, DROPS, 409, conflict, Superseded, "create of what is there, which is fine"),
        (index, EXTERNAL, 413, other, Reject, "document larger than the cluster allows"),
        (index, EXTERNAL, 429, other, Retry, "write queue full"),
        (index, EXTERNAL, 429, Some("circuit_breaking_exception"), Retry, "memory full"),
        (index, EXTERNAL, 429, Some(BLOCKED), Retry, "flood stage of the disk"),
        (index, EXTERNAL, 400, Some(REJECTED[0]), Retry, "full queue in the words of old versions"),
        (index, EXTERNAL, 500, other, Retry, "node in trouble"),
        (
            index,
            EXTERNAL,
            503,
            Some("unavailable_shards_exception"),
            Retry,
            "primary not allocated",
        ),
        (index, EXTERNAL, 504, other, Retry, "gateway in between"),
        (index, EXTERNAL, 403, Some(BLOCKED), Retry, "index set to read-only"),
        (index, EXTERNAL, 403, Some("security_exception"), Forbidden, "not allowed on this index"),
        (index, EXTERNAL, 401, other, Forbidden, "password changed"),
    ] {
        assert_eq!(judge(op, policy, status, error), verdict, "{op:?} {status}: {seen_when}");
    }
}

#[test]
fn judges_every_answer_to_a_whole_request() {
    for (status, error, whole, seen_when) in [
        (200, None, Whole::Items, "the usual one"),
        (400, Some("illegal_argument_exception"), Whole::Split, "an action line it does not like"),
        (413, None, Whole::Split, "http.max_content_length"),
        (429, None, Whole::Retry, "rejected at the coordinating node"),
        (408, None, Whole::Retry, "a gateway lost patience"),
        (500, None, Whole::Retry, "node in trouble"),
        (502, None, Whole::Retry, "domain being changed"),
        (503, Some(BLOCKED), Whole::Retry, "no cluster manager"),
        (504, None, Whole::Retry, "a gateway lost patience"),
        (403, Some(BLOCKED), Whole::Retry, "cluster read-only"),
        (401, None, Whole::Forbidden, "wrong password"),
        (403, Some("security_exception"), Whole::Forbidden, "no rights"),
        (403, None, Whole::Forbidden, "IAM says no"),
        (404, None, Whole::Stop, "a web server that knows no _bulk"),
        (405, None, Whole::Stop, "likewise"),
        (301, None, Whole::Stop, "http where https is wanted"),
        (406, None, Whole::Stop, "content type not understood"),
        (501, None, Whole::Stop, "not implemented"),
    ] {
        assert_eq!(judge_whole(status, error), whole, "{status}: {seen_when}");
    }
}

#[test]
fn errors_are_read_in_all_their_forms() {
    for (body, kind, reason) in [
        (
            r#"{"error":{"type":"t","reason":"r","caused_by":{"type":"u","reason":"s","caused_by":{"reason":"v"}}},"status":400}"#,
            "t",
            "r caused by s caused by v",
        ),
        (r#"{"error":"no such thing","status":406}"#, "", "no such thing"),
        (r#"{"Message":"User: x is not authorized"}"#, "", "User: x is not authorized"),
        (r#"{"message":"The security token is expired"}"#, "", "The security token is expired"),
        ("<html>Bad Gateway</html>", "", "<html>Bad Gateway</html>"),
        ("", "", ""),
    ] {
        let refusal = Refusal::of_body(body.as_bytes());
        assert_eq!((refusal.kind.as_str(), refusal.reason.as_str()), (kind, reason));
    }
}

#[test]
fn the_missing_right_is_named() {
    for (reason, right) in [
        (
            "no permissions for [indices:data/write/bulk] and User [name=x, roles=[]]",
            Some("indices:data/write/bulk"),
        ),
        (
            "User: arn:aws:iam::1:user/x is not authorized to perform: es:ESHttpPost because no identity",
            Some("es:ESHttpPost"),
        ),
        ("Forbidden", None),
    ] {
        assert_eq!(missing_right(reason), right);
        let told = forbidden("https://h", 403, reason);
        assert!(told.contains(right.unwrap_or("indices:data/write")), "{told}");
    }
    assert!(forbidden("https://h", 401, "Unauthorized").contains("`password`"));
}
