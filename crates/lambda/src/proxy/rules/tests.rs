//! Who may ask what.

use bytes::Bytes;

use super::*;

fn asked(method: &str, target: &str, body: &'static str) -> Asked {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Asked {
        method: method.to_owned(),
        path: path::encoded(path),
        query: query.to_owned(),
        body: Bytes::from_static(body.as_bytes()),
        ..Asked::default()
    }
}

/// The least mode that lets a request pass; `None` if none does.
fn needed(asked: &Asked) -> Option<ProxyMode> {
    ProxyMode::NAMES.into_iter().map(|(_, mode)| mode).find(|mode| judge(*mode, asked).is_ok())
}

#[test]
fn every_request_needs_a_mode() {
    use ProxyMode::{Admin, Console, Read};
    for (mode, method, target) in [
        (Read, "GET", "/"),
        (Read, "HEAD", "/books"),
        (Read, "GET", "/books/_doc/Dan%20Brown%7Cx"),
        (Read, "GET", "/books/_doc/..a"),
        (Read, "GET", "/books,films/_search?q=x"),
        (Read, "POST", "/books/_search"),
        (Read, "POST", "/_msearch"),
        (Read, "POST", "/_search/scroll"),
        (Read, "DELETE", "/_search/scroll"),
        (Read, "GET", "/_cat/indices"),
        (Read, "GET", "/_dashboards/app/dev_tools"),
        (Read, "POST", "/_dashboards/internal/search/opensearch"),
        (Read, "POST", "/_dashboards/auth/login"),
        (Console, "PUT", "/books"),
        (Console, "PUT", "/books/_doc/1"),
        (Console, "DELETE", "/books/_doc/1"),
        (Console, "POST", "/_bulk"),
        (Console, "PUT", "/books/_mapping"),
        (Console, "GET", "/_cluster/health"),
        (Console, "GET", "/_nodes"),
        (Console, "GET", "/_cat/nodes"),
        (Console, "POST", "/_dashboards/api/saved_objects/_import?overwrite=true"),
        (Admin, "DELETE", "/books"),
        (Admin, "DELETE", "//books"),
        (Admin, "DELETE", "/*"),
        (Admin, "DELETE", "/_all"),
        (Admin, "PUT", "/a*/_settings"),
        (Admin, "PUT", "/a,b/_mapping"),
        (Admin, "GET", "/.kibana/_search"),
        (Admin, "GET", "/books,.opendistro_security/_search"),
        (Admin, "PUT", "/.kibana/_doc/1"),
        (Admin, "POST", "/books/_delete_by_query"),
        (Admin, "POST", "/books/_close"),
        (Admin, "POST", "/books/_search/point_in_time"),
        (Admin, "PUT", "/_cluster/settings"),
        (Admin, "GET", "/_snapshot"),
        (Admin, "GET", "/_plugins/_security/api/internalusers"),
        (Admin, "PUT", "/_plugins/_security/api/internalusers/me"),
        (Admin, "POST", "/_dashboards/api/ism/apiCaller"),
        (Admin, "DELETE", "/_index_template/books"),
        (Admin, "PATCH", "/books/_doc/1"),
        (Admin, "TRACE", "/"),
        (Admin, "POST", "/_reindex"),
    ] {
        assert_eq!(needed(&asked(method, target, "")), Some(mode), "{method} {target}");
    }
}

#[test]
fn a_request_inside_the_console_is_judged_by_itself() {
    use ProxyMode::{Admin, Console, Read};
    for (mode, inside) in [
        (Some(Read), "path=books%2F_search&method=GET"),
        (Some(Read), "path=%2Fbooks%2F_search%3Fpretty&method=post"),
        (Some(Console), "path=books&method=PUT"),
        (Some(Admin), "path=books&method=DELETE"),
        (None, "path=%2F%2Fbooks&method=DELETE"),
        (Some(Admin), "path=_cluster%2Fsettings&method=PUT"),
        // The browser's part would not be sent, and the rest would delete the index.
        (None, "path=books%23%2F_doc%2F1&method=DELETE"),
        (None, "path=books%5C_doc%5C1&method=DELETE"),
        (None, "path=books%0A&method=GET"),
        (None, "path=https%3A%2F%2Fevil.example.com&method=GET"),
        (None, "path=books%2F..%2F_cluster&method=GET"),
        (None, "path=books&path=films&method=GET"),
        (None, "path=books"),
        (None, ""),
    ] {
        let target = format!("/_dashboards/api/console/proxy?{inside}");
        assert_eq!(needed(&asked("POST", &target, "")), mode, "{inside}");
    }
}

#[test]
fn a_statement_is_read_before_it_is_passed_on() {
    use ProxyMode::{Admin, Read};
    for (mode, body) in [
        (Read, r#"{"query":"SELECT * FROM books"}"#),
        (Read, r#"{"query":" show tables"}"#),
        (Admin, r#"{"query":"DELETE FROM books"}"#),
        (Admin, r#"{"query":"/* select */ DELETE FROM books"}"#),
        (Admin, "{}"),
    ] {
        assert_eq!(needed(&asked("POST", "/_plugins/_sql", body)), Some(mode), "{body}");
    }
    for (mode, body) in [
        (ProxyMode::Console, r#"{"actions":[{"add":{"index":"books","alias":"b"}}]}"#),
        (Admin, r#"{"actions":[{"remove_index":{"index":"books"}}]}"#),
        (Admin, r#"{"actions":[{"remove\u005findex":{"index":"books"}}]}"#),
    ] {
        assert_eq!(needed(&asked("POST", "/_aliases", body)), Some(mode), "{body}");
    }
}

#[test]
fn what_is_refused_says_what_it_needs() {
    let refusal = judge(ProxyMode::Read, &asked("DELETE", "/books", "")).unwrap_err();
    let reason = "PROXY_MODE is `read`, and DELETE /books needs `admin`";
    assert_eq!(refusal, Refusal { status: 403, reason: reason.to_owned() });
    let climbing = judge(ProxyMode::Admin, &asked("GET", "/..%2f_cluster", "")).unwrap_err();
    assert_eq!(climbing.status, 400);
    assert_eq!(judge(ProxyMode::Off, &asked("GET", "/", "")).unwrap_err().status, 403);
}
