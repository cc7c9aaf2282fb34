//! Every call that the endpoint has, with the parameters it takes; and the way from a path to it.

use std::sync::Arc;

use search::{Failure, Result, distance};

use super::{
    Server, aliases,
    answer::Answer,
    bulk,
    call::{Call, decoded},
    cat, cluster, documents, faults, indices, searches, templates, views,
};

/// A call: how it is reached, what it takes, what it does.
struct Route {
    /// Methods, separated by spaces.
    methods: &'static str,
    /// The path; what stands in braces is a name.
    path: &'static str,
    /// Parameters, separated by spaces.
    params: &'static str,
    run: fn(&Server, &Call) -> Result<Answer>,
}

const fn route(
    methods: &'static str,
    path: &'static str,
    params: &'static str,
    run: fn(&Server, &Call) -> Result<Answer>,
) -> Route {
    Route { methods, path, params, run }
}

/// Parameters that every call takes.
const COMMON: &str = "pretty human error_trace filter_path format source source_content_type \
    timeout cluster_manager_timeout master_timeout wait_for_active_shards";
const WILDCARDS: &str = "ignore_unavailable allow_no_indices expand_wildcards local flat_settings \
    include_defaults include_type_name";
const WRITE: &str = "refresh routing version version_type if_seq_no if_primary_term op_type \
    pipeline require_alias";
const UPDATE: &str = "refresh routing version version_type if_seq_no if_primary_term require_alias \
    retry_on_conflict lang _source _source_includes _source_excludes";
const READ: &str = "refresh routing version version_type realtime preference stored_fields _source \
    _source_includes _source_excludes";
const BULK: &str = "refresh routing pipeline require_alias _source _source_includes \
    _source_excludes type batch_size";
const SEARCH: &str = "ignore_unavailable allow_no_indices expand_wildcards q df default_operator \
    lenient analyzer analyze_wildcard from size sort _source _source_includes _source_excludes \
    track_total_hits track_scores rest_total_hits_as_int typed_keys preference routing \
    request_cache search_type version seq_no_primary_term scroll stored_fields docvalue_fields \
    batched_reduce_size max_concurrent_shard_requests pre_filter_shard_size terminate_after \
    explain stats allow_partial_search_results ccs_minimize_roundtrips ignore_throttled \
    search_pipeline phase_took cancel_after_time_interval include_named_queries_score min_score";
const POINT: &str = "keep_alive preference routing expand_wildcards allow_partial_pit_creation \
    ignore_unavailable allow_no_indices";
const CAT: &str = "v h s help bytes health time size local expand_wildcards ignore_unavailable \
    allow_no_indices pri include_unloaded_segments full_id";
const ALL: &str = "wait_if_ongoing force max_num_segments only_expunge_deletes flush \
    wait_for_completion ignore_unavailable allow_no_indices expand_wildcards query fielddata \
    request fields file primary_only level metric groups completion_fields fielddata_fields";
const CLUSTER: &str = "local level wait_for_status wait_for_nodes wait_for_events \
    wait_for_no_relocating_shards wait_for_no_initializing_shards flat_settings include_defaults \
    expand_wildcards ignore_unavailable allow_no_indices awareness_attribute ensure_node_weighed_in";
const TEMPLATE: &str = "create order cause local flat_settings include_type_name";
const ALIAS: &str = "local ignore_unavailable allow_no_indices expand_wildcards";

#[rustfmt::skip]
const ROUTES: &[Route] = &[
    route("GET", "/", "", indices::root),

    route("PUT", "/{index}/_doc/{id}", WRITE, documents::put),
    route("POST", "/{index}/_doc/{id}", WRITE, documents::put),
    route("POST", "/{index}/_doc", WRITE, documents::put),
    route("PUT POST", "/{index}/_create/{id}", WRITE, documents::create),
    route("GET", "/{index}/_doc/{id}", READ, documents::get),
    route("DELETE", "/{index}/_doc/{id}", WRITE, documents::delete),
    route("GET", "/{index}/_source/{id}", READ, documents::source),
    route("POST", "/{index}/_update/{id}", UPDATE, documents::update),
    route("GET POST", "/_mget", READ, documents::mget),
    route("GET POST", "/{index}/_mget", READ, documents::mget),
    route("POST PUT", "/_bulk", BULK, bulk::bulk),
    route("POST PUT", "/{index}/_bulk", BULK, bulk::bulk),

    route("GET POST", "/_search", SEARCH, searches::search),
    route("GET POST", "/{index}/_search", SEARCH, searches::search),
    route("GET POST", "/_search/scroll", "scroll scroll_id rest_total_hits_as_int", views::scroll),
    route("GET POST", "/_search/scroll/{scroll_id}", "scroll scroll_id rest_total_hits_as_int", views::scroll),
    route("DELETE", "/_search/scroll", "", views::clear_scroll),
    route("DELETE", "/_search/scroll/{scroll_id}", "", views::clear_scroll),
    route("POST", "/{index}/_search/point_in_time", POINT, views::open_point),
    route("GET", "/_search/point_in_time/_all", "", views::list_points),
    route("DELETE", "/_search/point_in_time", "", views::close_points),
    route("DELETE", "/_search/point_in_time/_all", "", views::close_points),
    route("GET POST", "/_count", SEARCH, searches::count),
    route("GET POST", "/{index}/_count", SEARCH, searches::count),
    route("GET POST", "/_analyze", "analyzer text field index", searches::analyze),
    route("GET POST", "/{index}/_analyze", "analyzer text field index", searches::analyze),

    route("PUT", "/{index}", "include_type_name", indices::create),
    route("GET", "/{index}", WILDCARDS, indices::get),
    route("HEAD", "/{index}", WILDCARDS, indices::exists),
    route("DELETE", "/{index}", WILDCARDS, indices::delete),
    route("GET", "/_mapping", WILDCARDS, indices::get_mapping),
    route("GET", "/_mappings", WILDCARDS, indices::get_mapping),
    route("GET", "/{index}/_mapping", WILDCARDS, indices::get_mapping),
    route("GET", "/{index}/_mappings", WILDCARDS, indices::get_mapping),
    route("PUT POST", "/{index}/_mapping", "ignore_unavailable allow_no_indices expand_wildcards write_index_only", indices::put_mapping),
    route("PUT POST", "/{index}/_mappings", "ignore_unavailable allow_no_indices expand_wildcards write_index_only", indices::put_mapping),
    route("GET", "/_settings", WILDCARDS, indices::get_settings),
    route("GET", "/_settings/{name}", WILDCARDS, indices::get_settings),
    route("GET", "/{index}/_settings", WILDCARDS, indices::get_settings),
    route("GET", "/{index}/_settings/{name}", WILDCARDS, indices::get_settings),
    route("PUT", "/_settings", "preserve_existing ignore_unavailable allow_no_indices expand_wildcards flat_settings", indices::put_settings),
    route("PUT", "/{index}/_settings", "preserve_existing ignore_unavailable allow_no_indices expand_wildcards flat_settings", indices::put_settings),
    route("GET POST", "/_refresh", ALL, indices::refresh),
    route("GET POST", "/{index}/_refresh", ALL, indices::refresh),
    route("GET POST", "/_flush", ALL, indices::flush),
    route("GET POST", "/{index}/_flush", ALL, indices::flush),
    route("POST", "/_forcemerge", ALL, indices::force_merge),
    route("POST", "/{index}/_forcemerge", ALL, indices::force_merge),
    route("POST", "/_cache/clear", ALL, indices::clear_cache),
    route("POST", "/{index}/_cache/clear", ALL, indices::clear_cache),
    route("GET", "/_stats", ALL, indices::stats),
    route("GET", "/{index}/_stats", ALL, indices::stats),

    route("GET", "/_alias", ALIAS, aliases::get),
    route("GET", "/_alias/{name}", ALIAS, aliases::get),
    route("GET", "/{index}/_alias", ALIAS, aliases::get),
    route("GET", "/{index}/_alias/{name}", ALIAS, aliases::get),
    route("HEAD", "/_alias/{name}", ALIAS, aliases::exists),
    route("HEAD", "/{index}/_alias/{name}", ALIAS, aliases::exists),
    route("PUT POST", "/{index}/_alias/{name}", ALIAS, aliases::put),
    route("PUT POST", "/{index}/_aliases/{name}", ALIAS, aliases::put),
    route("DELETE", "/{index}/_alias/{name}", ALIAS, aliases::delete),
    route("DELETE", "/{index}/_aliases/{name}", ALIAS, aliases::delete),
    route("GET", "/_aliases", ALIAS, aliases::get),
    route("GET", "/{index}/_aliases", ALIAS, aliases::get),
    route("POST", "/_aliases", ALIAS, aliases::update),

    route("PUT POST", "/_index_template/{name}", TEMPLATE, templates::put_index),
    route("GET", "/_index_template", TEMPLATE, templates::get_index),
    route("GET", "/_index_template/{name}", TEMPLATE, templates::get_index),
    route("HEAD", "/_index_template/{name}", TEMPLATE, templates::has_index),
    route("DELETE", "/_index_template/{name}", TEMPLATE, templates::delete_index),
    route("POST", "/_index_template/_simulate_index/{name}", TEMPLATE, templates::simulate),
    route("PUT POST", "/_component_template/{name}", TEMPLATE, templates::put_component),
    route("GET", "/_component_template", TEMPLATE, templates::get_component),
    route("GET", "/_component_template/{name}", TEMPLATE, templates::get_component),
    route("HEAD", "/_component_template/{name}", TEMPLATE, templates::has_component),
    route("DELETE", "/_component_template/{name}", TEMPLATE, templates::delete_component),
    route("PUT POST", "/_template/{name}", TEMPLATE, templates::put_legacy),
    route("GET", "/_template", TEMPLATE, templates::get_legacy),
    route("GET", "/_template/{name}", TEMPLATE, templates::get_legacy),
    route("HEAD", "/_template/{name}", TEMPLATE, templates::has_legacy),
    route("DELETE", "/_template/{name}", TEMPLATE, templates::delete_legacy),

    route("GET", "/_cluster/health", CLUSTER, cluster::health),
    route("GET", "/_cluster/health/{index}", CLUSTER, cluster::health),
    route("GET", "/_cluster/settings", CLUSTER, cluster::get_settings),
    route("PUT", "/_cluster/settings", CLUSTER, cluster::put_settings),
    route("GET", "/_nodes", "flat_settings", cluster::nodes),
    route("GET", "/_nodes/{node}", "flat_settings", cluster::nodes),
    route("GET", "/_nodes/{node}/{metric}", "flat_settings", cluster::nodes),

    route("GET", "/_cat", CAT, cat::help),
    route("GET", "/_cat/indices", CAT, cat::indices),
    route("GET", "/_cat/indices/{index}", CAT, cat::indices),
    route("GET", "/_cat/aliases", CAT, cat::aliases),
    route("GET", "/_cat/aliases/{name}", CAT, cat::aliases),
    route("GET", "/_cat/count", CAT, cat::count),
    route("GET", "/_cat/count/{index}", CAT, cat::count),
    route("GET", "/_cat/health", "ts v h s help bytes time local", cat::health),
    route("GET", "/_cat/nodes", CAT, cat::nodes),
    route("GET", "/_cat/shards", CAT, cat::shards),
    route("GET", "/_cat/shards/{index}", CAT, cat::shards),
    route("GET", "/_cat/templates", CAT, cat::templates),
    route("GET", "/_cat/templates/{name}", CAT, cat::templates),

    route("POST", "/_local/faults", "", faults::arm),
    route("GET", "/_local/faults", "", faults::list),
    route("DELETE", "/_local/faults", "", faults::disarm),
];

/// Finds the call, makes it, and dresses its answer as asked.
pub(super) fn answer(server: &Arc<Server>, mut call: Call) -> Answer {
    let answer = find(&mut call).and_then(|route| {
        check_params(route, &call)?;
        if call.body.is_empty()
            && let Some(source) = call.params.get("source")
        {
            call.body = source.clone().into();
        }
        (route.run)(server, &call)
    });
    let mut answer = answer.unwrap_or_else(Answer::from);
    if let Some(paths) = call.param("filter_path").filter(|it| !it.is_empty()) {
        answer = answer.filtered(paths);
    }
    if call.flag("pretty", false).unwrap_or(false) {
        answer = answer.pretty();
    }
    answer
}

fn find(call: &mut Call) -> Result<&'static Route> {
    let parts: Vec<String> =
        call.path.split('/').filter(|it| !it.is_empty()).map(|it| decoded(it, false)).collect();
    let mut best: Option<(Vec<bool>, &Route)> = None;
    let mut allowed: Vec<&str> = Vec::new();
    for route in ROUTES {
        let Some(literal) = matches(route.path, &parts) else { continue };
        // Of several, the one that says more of the path literally, from the left, is meant.
        let meant = |best: &Vec<bool>| *best <= literal;
        allowed.extend(route.methods.split(' '));
        let has_method = route.methods.split(' ').any(|it| it == call.method)
            || call.method == "HEAD" && route.methods.split(' ').any(|it| it == "GET");
        let is_exact = route.methods.split(' ').any(|it| it == call.method);
        let is_better =
            best.as_ref().is_none_or(|(it, _)| if *it == literal { is_exact } else { meant(it) });
        if has_method && is_better {
            best = Some((literal, route));
        }
    }
    let Some((_, route)) = best else { return Err(no_route(call, &allowed)) };
    call.vars = vars(route.path, parts);
    Ok(route)
}

fn no_route(call: &Call, allowed: &[&str]) -> Failure {
    if allowed.is_empty() {
        return Failure::plain(
            400,
            format!("no handler found for uri [{}] and method [{}]", call.path, call.method),
        );
    }
    let mut allowed = allowed.to_vec();
    allowed.sort_unstable();
    allowed.dedup();
    Failure::plain(
        405,
        format!(
            "Incorrect HTTP method for uri [{}] and method [{}], allowed: [{}]",
            call.path,
            call.method,
            allowed.join(", ")
        ),
    )
}

/// Which parts of the path the route names literally, if it matches.
fn matches(route: &str, parts: &[String]) -> Option<Vec<bool>> {
    let mut literal = Vec::with_capacity(parts.len());
    let mut parts = parts.iter();
    for wanted in route.split('/').filter(|it| !it.is_empty()) {
        let part = parts.next()?;
        let is_name = wanted.starts_with('{');
        // A name that begins with an underscore would be a call that we do not have.
        let fits = if is_name {
            wanted != "{index}" || !part.starts_with('_') || part == "_all"
        } else {
            wanted == part
        };
        if !fits {
            return None;
        }
        literal.push(!is_name);
    }
    parts.next().is_none().then_some(literal)
}

fn vars(route: &'static str, parts: Vec<String>) -> Vec<(&'static str, String)> {
    let wanted = route.split('/').filter(|it| !it.is_empty());
    wanted
        .zip(parts)
        .filter_map(|(name, part)| Some((name.strip_prefix('{')?.strip_suffix('}')?, part)))
        .collect()
}

fn check_params(route: &Route, call: &Call) -> Result<()> {
    let known = || COMMON.split_whitespace().chain(route.params.split_whitespace());
    let unknown: Vec<&str> = call
        .params
        .keys()
        .map(String::as_str)
        .filter(|name| !known().any(|it| it == *name))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let each: Vec<String> = unknown
        .iter()
        .map(|name| match known().find(|it| distance(it, name) <= 2) {
            Some(near) => format!("[{name}] -> did you mean [{near}]?"),
            None => format!("[{name}]"),
        })
        .collect();
    let plural = if unknown.len() == 1 { "" } else { "s" };
    Err(Failure::illegal_argument(format!(
        "request [{}] contains unrecognized parameter{plural}: {}",
        call.path,
        each.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(method: &str, path: &str) -> Result<(&'static str, String)> {
        let mut call = Call { method: method.into(), path: path.into(), ..Call::default() };
        let route = find(&mut call)?;
        let vars: Vec<String> =
            call.vars.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok((route.path, vars.join(" ")))
    }

    #[test]
    fn a_path_leads_to_its_call() {
        for (method, path, route, vars) in [
            ("GET", "/", "/", ""),
            ("HEAD", "/", "/", ""),
            ("GET", "/books", "/{index}", "index=books"),
            ("HEAD", "/books", "/{index}", "index=books"),
            ("GET", "/_all", "/{index}", "index=_all"),
            ("GET", "/_search", "/_search", ""),
            ("POST", "/books/_search/", "/{index}/_search", "index=books"),
            ("PUT", "/books/_doc/a%2Fb%7Cc", "/{index}/_doc/{id}", "index=books id=a/b|c"),
            ("GET", "/books/_doc/_bulk", "/{index}/_doc/{id}", "index=books id=_bulk"),
            ("GET", "/_cat/indices/b*", "/_cat/indices/{index}", "index=b*"),
            ("GET", "/_nodes/http", "/_nodes/{node}", "node=http"),
            (
                "POST",
                "/_index_template/_simulate_index/x",
                "/_index_template/_simulate_index/{name}",
                "name=x",
            ),
        ] {
            let seen = reached(method, path).unwrap();
            assert_eq!(seen, (route, vars.to_owned()), "{method} {path}");
        }
    }

    #[test]
    fn what_leads_nowhere_says_so() {
        for (method, path, status, error) in [
            (
                "POST",
                "/books/_settings",
                405,
                "Incorrect HTTP method for uri [/books/_settings] and method [POST], allowed: [GET, PUT]",
            ),
            (
                "GET",
                "/books/_serch",
                400,
                "no handler found for uri [/books/_serch] and method [GET]",
            ),
            ("GET", "/_serch", 400, "no handler found for uri [/_serch] and method [GET]"),
        ] {
            let failure = reached(method, path).err().unwrap();
            assert_eq!((failure.status, failure.reason.as_str()), (status, error));
        }
    }

    #[test]
    fn an_unknown_parameter_is_an_error_with_a_hint() {
        let call = |query: &str| Call {
            path: "/books/_search".into(),
            params: super::super::call::params(query),
            ..Call::default()
        };
        let route = ROUTES.iter().find(|it| it.path == "/{index}/_search").unwrap();
        for (query, reason) in [
            ("size=1&pretty", None),
            ("zzz=1", Some("request [/books/_search] contains unrecognized parameter: [zzz]")),
            (
                "siz=1",
                Some(
                    "request [/books/_search] contains unrecognized parameter: [siz] -> did you mean [size]?",
                ),
            ),
        ] {
            let seen = check_params(route, &call(query)).err().map(|it| it.reason);
            assert_eq!(seen.as_deref(), reason, "{query}");
        }
    }
}
