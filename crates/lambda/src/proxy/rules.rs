//! Which requests are passed on. Pure.
//!
//! | `PROXY_MODE` | Lets pass |
//! | --- | --- |
//! | `off` | nothing |
//! | `read` | what only reads: searches, documents, mappings, the pages of Dashboards |
//! | `console` | that, and what the console of a walk-through needs: indices created, documents, mappings, aliases and templates written, saved objects |
//! | `admin` | everything the function's role may do |
//!
//! Lists say what passes; what is on none does not. The console of Dashboards sends its requests
//! inside others, so it is the request inside that is judged.

use super::{path, request::Asked};

/// Which requests are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyMode {
    /// None.
    Off,
    /// Those that only read.
    Read,
    /// And those that write documents and create indices.
    Console,
    /// All.
    Admin,
}

impl ProxyMode {
    /// Their names.
    pub const NAMES: [(&'static str, ProxyMode); 4] = [
        ("off", ProxyMode::Off),
        ("read", ProxyMode::Read),
        ("console", ProxyMode::Console),
        ("admin", ProxyMode::Admin),
    ];

    fn name(self) -> &'static str {
        ProxyMode::NAMES.iter().find(|(_, it)| *it == self).map_or("off", |(name, _)| name)
    }
}

/// Why a request is not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status of our answer.
    pub status: u16,
    /// What to tell whoever asked.
    pub reason: String,
}

/// Endpoints that read, whether asked with GET or, for a body, with POST.
const SEARCHES: [&str; 14] = [
    "_analyze",
    "_count",
    "_explain",
    "_field_caps",
    "_mget",
    "_msearch",
    "_mtermvectors",
    "_rank_eval",
    "_render",
    "_search",
    "_search_shards",
    "_source",
    "_termvectors",
    "_validate",
];
/// Endpoints of an index that read when asked with GET.
const INDEX_VIEWS: [&str; 11] = [
    "_alias",
    "_aliases",
    "_doc",
    "_mapping",
    "_mappings",
    "_recovery",
    "_segments",
    "_settings",
    "_stats",
    "_source",
    "_knn",
];
/// Endpoints of the cluster that read when asked with GET.
const CLUSTER_VIEWS: [&str; 13] = [
    "_alias",
    "_aliases",
    "_all",
    "_cat",
    "_component_template",
    "_index_template",
    "_mapping",
    "_mappings",
    "_resolve",
    "_settings",
    "_stats",
    "_segments",
    "_template",
];
/// What says something about the machines: only from `console` on.
const MACHINE_VIEWS: [&str; 3] = ["_cluster", "_nodes", "_tasks"];
/// Columns of `_cat` that say something about the machines.
const MACHINE_CATS: [&str; 7] =
    ["nodeattrs", "nodes", "plugins", "repositories", "snapshots", "tasks", "thread_pool"];
/// What Dashboards asks with POST to show a page.
const DASHBOARDS_READS: [&[&str]; 14] = [
    &["api", "core", "capabilities"],
    &["api", "metrics", "vis", "data"],
    &["api", "saved_objects", "_bulk_get"],
    &["api", "saved_objects", "_bulk_resolve"],
    &["api", "saved_objects", "_export"],
    &["api", "saved_objects", "_find"],
    &["api", "timeline", "run"],
    &["auth", "login"],
    &["auth", "logout"],
    &["internal", "bsearch"],
    &["internal", "search"],
    &["internal", "_msearch"],
    &["_opendistro", "_security", "saml"],
    &["api", "dql_opt_in_stats"],
];
/// What the user of `console` may change in Dashboards.
const DASHBOARDS_WRITES: [&[&str]; 4] = [
    &["api", "index_patterns"],
    &["api", "opensearch-dashboards", "settings"],
    &["api", "saved_objects"],
    &["api", "ui_metric"],
];

/// Says whether `asked` is passed on.
///
/// # Errors
///
/// When it is not.
pub(crate) fn judge(mode: ProxyMode, asked: &Asked) -> Result<(), Refusal> {
    if mode == ProxyMode::Off {
        let reason = "this function passes no requests on; PROXY_MODE is `off`".to_owned();
        return Err(Refusal { status: 403, reason });
    }
    let Some(segments) = path::segments(&asked.path) else {
        let reason = "the path climbs out of where it is; write it without `..`".to_owned();
        return Err(Refusal { status: 400, reason });
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let needed = match &segments[..] {
        ["_dashboards", "api", "console", "proxy", ..] => inside_console(asked)?,
        ["_dashboards", rest @ ..] => of_dashboards(&asked.method, rest),
        all => of_api(asked, all),
    };
    if needed <= mode {
        return Ok(());
    }
    Err(Refusal {
        status: 403,
        reason: format!(
            "PROXY_MODE is `{}`, and {} {} needs `{}`",
            mode.name(),
            asked.method,
            asked.path,
            needed.name()
        ),
    })
}

/// The mode that the request inside `api/console/proxy?path=…&method=…` needs.
fn inside_console(asked: &Asked) -> Result<ProxyMode, Refusal> {
    let bad = |reason: &str| Refusal { status: 400, reason: reason.to_owned() };
    let pairs = path::pairs(&asked.query);
    let only = |name: &str| {
        let mut values = pairs.iter().filter(|(it, _)| it == name).map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    };
    let (Some(inner), Some(method)) = (only("path"), only("method")) else {
        return Err(bad("a request of the console has one `path` and one `method`"));
    };
    // What follows a `#` is not sent, and these others are changed on the way: it would not be the
    // path that was judged.
    let odd = |it: char| it.is_control() || it.is_whitespace() || matches!(it, '#' | '\\');
    let (inner_path, query) = inner.split_once('?').unwrap_or((inner, ""));
    if inner_path.contains(odd) || inner_path.contains("://") || inner_path.starts_with("//") {
        return Err(bad("write the path of a console request as OpenSearch knows it"));
    }
    let request = Asked {
        method: method.to_ascii_uppercase(),
        path: path::encoded(inner_path),
        query: query.to_owned(),
        body: asked.body.clone(),
        ..Asked::default()
    };
    let Some(segments) = path::segments(&request.path) else {
        return Err(bad("the path climbs out of where it is; write it without `..`"));
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    Ok(of_api(&request, &segments))
}

fn of_dashboards(method: &str, rest: &[&str]) -> ProxyMode {
    let is_among = |list: &[&[&str]]| list.iter().any(|it| rest.starts_with(it));
    match method {
        "GET" | "HEAD" => ProxyMode::Read,
        "POST" if is_among(&DASHBOARDS_READS) => ProxyMode::Read,
        "POST" | "PUT" | "DELETE" if is_among(&DASHBOARDS_WRITES) => ProxyMode::Console,
        _ => ProxyMode::Admin,
    }
}

/// The mode that a request of OpenSearch's own API needs.
fn of_api(asked: &Asked, segments: &[&str]) -> ProxyMode {
    let method = asked.method.as_str();
    let is_view = matches!(method, "GET" | "HEAD");
    match segments {
        [] if is_view => ProxyMode::Read,
        [] => ProxyMode::Admin,
        [endpoint, rest @ ..] if endpoint.starts_with('_') => of_cluster(asked, endpoint, rest),
        // Dashboards and plugins keep what is theirs in such indices.
        [index, ..] if index.split(',').any(|it| it.trim_start_matches('-').starts_with('.')) => {
            ProxyMode::Admin
        }
        [_] if is_view => ProxyMode::Read,
        [_, endpoint, rest @ ..] if is_read(method, endpoint, rest, &INDEX_VIEWS) => {
            ProxyMode::Read
        }
        [index, rest @ ..] if !index.contains(['*', ',', '<']) => of_index(method, rest),
        _ => ProxyMode::Admin,
    }
}

fn of_cluster(asked: &Asked, endpoint: &str, rest: &[&str]) -> ProxyMode {
    let method = asked.method.as_str();
    let is_view = matches!(method, "GET" | "HEAD");
    match (method, endpoint, rest) {
        (_, "_cat", [column, ..]) if is_view && MACHINE_CATS.contains(column) => ProxyMode::Console,
        _ if is_read(method, endpoint, rest, &CLUSTER_VIEWS) => ProxyMode::Read,
        _ if is_view && MACHINE_VIEWS.contains(&endpoint) => ProxyMode::Console,
        ("GET" | "POST", "_plugins" | "_opendistro", ["_sql" | "_ppl", ..]) if is_select(asked) => {
            ProxyMode::Read
        }
        ("POST" | "PUT", "_bulk", []) | ("POST", "_refresh", []) => ProxyMode::Console,
        ("DELETE", "_search", ["scroll", ..]) => ProxyMode::Read,
        ("POST", "_aliases", []) if !mentions(&asked.body, b"remove_index") => ProxyMode::Console,
        ("POST" | "PUT", "_index_template" | "_component_template" | "_template", [_name, ..]) => {
            ProxyMode::Console
        }
        _ => ProxyMode::Admin,
    }
}

/// What changes one index. Whatever takes away more than a document needs `admin`.
fn of_index(method: &str, rest: &[&str]) -> ProxyMode {
    let console = match (method, rest) {
        ("PUT", []) => true,
        ("POST", ["_doc"]) => true,
        ("PUT" | "POST" | "DELETE", ["_doc", _id]) => true,
        ("PUT" | "POST", ["_create", _id]) | ("POST", ["_update", _id]) => true,
        ("PUT" | "POST", ["_bulk"]) => true,
        ("PUT" | "POST", ["_mapping" | "_mappings" | "_settings"]) => true,
        ("PUT" | "POST" | "DELETE", ["_alias" | "_aliases", name]) => !name.contains('*'),
        ("POST", ["_refresh"]) => true,
        _ => false,
    };
    if console { ProxyMode::Console } else { ProxyMode::Admin }
}

fn is_read(method: &str, endpoint: &str, rest: &[&str], views: &[&str]) -> bool {
    let is_search = SEARCHES.contains(&endpoint)
        && !(endpoint == "_search" && rest.first().is_some_and(|it| *it == "point_in_time"));
    match method {
        "GET" | "HEAD" => is_search || views.contains(&endpoint),
        "POST" => is_search && endpoint != "_source",
        _ => false,
    }
}

/// Whether the statement of a SQL or PPL request only reads. SQL has a DELETE, too.
fn is_select(asked: &Asked) -> bool {
    let in_body = serde_json::from_slice::<serde_json::Value>(&asked.body).ok();
    let in_body = in_body.and_then(|it| Some(it.get("query")?.as_str()?.to_owned()));
    let in_query = path::pairs(&asked.query).into_iter().filter(|(name, _)| name == "sql");
    let statements: Vec<String> = in_body.into_iter().chain(in_query.map(|it| it.1)).collect();
    let reads = |it: &String| {
        let word = it.trim_start().split(|it: char| !it.is_ascii_alphabetic()).next();
        let word = word.unwrap_or_default().to_ascii_lowercase();
        matches!(word.as_str(), "select" | "show" | "describe" | "source" | "search")
    };
    !statements.is_empty() && statements.iter().all(reads)
}

fn mentions(body: &[u8], word: &[u8]) -> bool {
    // With a backslash in it, a word may be spelt in more than one way.
    body.contains(&b'\\') || body.windows(word.len()).any(|it| it == word)
}

#[cfg(test)]
mod tests;
