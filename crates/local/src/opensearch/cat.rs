//! The `_cat` calls: tables for people, or JSON if asked.

mod table;

use search::Result;
use serde_json::Value;

use super::{Server, VERSION, answer::Answer, call::Call, cluster::color};
use table::{Column, Table, left, right};

/// `GET /_cat/indices/{index}`
pub(super) fn indices(server: &Server, call: &Call) -> Result<Answer> {
    let columns = [
        left("health", "h"),
        left("status", "s"),
        left("index", "i"),
        left("uuid", "id"),
        right("pri", "p"),
        right("rep", "r"),
        right("docs.count", "dc"),
        right("docs.deleted", "dd"),
        right("store.size", "ss"),
        right("pri.store.size", ""),
    ];
    let mut table = Table::new(&columns);
    for index in server.node.resolve(call.var("index"), call.options()?)? {
        if call.param("health").is_some_and(|it| it != color(&index)) {
            continue;
        }
        let settings = index.settings();
        let size = table::size(index.size_bytes(), call.param("bytes"));
        table.row([
            color(&index).into(),
            "open".into(),
            index.name.clone(),
            index.uuid.clone(),
            settings.n_shards().to_string(),
            settings.n_replicas().to_string(),
            index.n_searchable().to_string(),
            index.n_deleted().to_string(),
            size.clone(),
            size,
        ]);
    }
    table.answer(call)
}

/// `GET /_cat/aliases/{name}`
pub(super) fn aliases(server: &Server, call: &Call) -> Result<Answer> {
    let columns = [
        left("alias", "a"),
        left("index", "i"),
        left("filter", "f"),
        left("routing.index", "ri"),
        left("routing.search", "rs"),
        left("is_write_index", "w"),
    ];
    let mut table = Table::new(&columns);
    let patterns: Vec<&str> = call.var("name").split(',').filter(|it| !it.is_empty()).collect();
    for (alias, indices) in &server.node.catalog().aliases {
        if !patterns.is_empty() && !patterns.iter().any(|it| search::matches_wildcard(it, alias)) {
            continue;
        }
        for (index, how) in indices {
            let routing =
                |name: &str| how.rest.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
            table.row([
                alias.clone(),
                index.clone(),
                if how.filter.is_some() { "*".into() } else { "-".into() },
                routing("index_routing"),
                routing("search_routing"),
                how.is_write_index.map_or_else(|| "-".into(), |it| it.to_string()),
            ]);
        }
    }
    table.answer(call)
}

/// `GET /_cat/count/{index}`
pub(super) fn count(server: &Server, call: &Call) -> Result<Answer> {
    let mut table =
        Table::new(&[right("epoch", "t"), left("timestamp", "ts"), right("count", "dc")]);
    let indices = server.node.resolve(call.var("index"), call.options()?)?;
    let count: u64 = indices.iter().map(|it| it.n_searchable()).sum();
    let (epoch, time) = times(call.now_ms);
    table.row([epoch, time, count.to_string()]);
    table.answer(call)
}

/// Seconds since 1970, and the time of day.
fn times(now_ms: u64) -> (String, String) {
    let seconds = now_ms / 1000;
    let time = format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    (seconds.to_string(), time)
}

/// `GET /_cat/health`
pub(super) fn health(server: &Server, call: &Call) -> Result<Answer> {
    let columns = [
        right("epoch", "t"),
        left("timestamp", "ts"),
        left("cluster", "cl"),
        left("status", "st"),
        right("node.total", "nt"),
        right("node.data", "nd"),
        left("discovered_cluster_manager", "dcm"),
        right("shards", "sh"),
        right("pri", "p"),
        right("relo", "r"),
        right("init", "i"),
        right("unassign", "u"),
        right("pending_tasks", "pt"),
        left("max_task_wait_time", "mtwt"),
        left("active_shards_percent", "asp"),
    ];
    let mut table = Table::new(&columns);
    let indices = server.node.indices();
    let n_primaries: u64 = indices.iter().map(|it| it.settings().n_shards()).sum();
    let n_unassigned: u64 =
        indices.iter().map(|it| it.settings().n_shards() * it.settings().n_replicas()).sum();
    let (epoch, time) = times(call.now_ms);
    let total = (n_primaries + n_unassigned).max(1);
    let tenths = if n_unassigned == 0 { 1000 } else { n_primaries * 1000 / total };
    table.row([
        epoch,
        time,
        "streamdex".into(),
        if n_unassigned == 0 { "green".into() } else { "yellow".into() },
        "1".into(),
        "1".into(),
        "true".into(),
        n_primaries.to_string(),
        n_primaries.to_string(),
        "0".into(),
        "0".into(),
        n_unassigned.to_string(),
        "0".into(),
        "-".into(),
        format!("{}.{}%", tenths / 10, tenths % 10),
    ]);
    table.answer(call)
}

/// `GET /_cat/nodes`
pub(super) fn nodes(_: &Server, call: &Call) -> Result<Answer> {
    let columns = [
        left("ip", "i"),
        left("node.roles", "role"),
        left("cluster_manager", "m"),
        left("name", "n"),
        left("version", "v"),
    ];
    let mut table = Table::new(&columns);
    let host = call.host.rsplit_once(':').map_or(call.host.as_str(), |it| it.0);
    table.row([host.into(), "dimr".into(), "*".into(), "streamdex".into(), VERSION.into()]);
    table.answer(call)
}

/// `GET /_cat/shards/{index}`
pub(super) fn shards(server: &Server, call: &Call) -> Result<Answer> {
    let columns = [
        left("index", "i"),
        right("shard", "s"),
        left("prirep", "p"),
        left("state", "st"),
        right("docs", "d"),
        right("store", "sto"),
        left("ip", "ip"),
        left("node", "n"),
    ];
    let mut table = Table::new(&columns);
    for index in server.node.resolve(call.var("index"), call.options()?)? {
        for shard in 0..index.settings().n_shards() {
            // All documents lie together; we show them in the first shard.
            let (docs, size) = match shard {
                0 => (index.n_searchable(), index.size_bytes()),
                _ => (0, 0),
            };
            table.row([
                index.name.clone(),
                shard.to_string(),
                "p".into(),
                "STARTED".into(),
                docs.to_string(),
                table::size(size, call.param("bytes")),
                "127.0.0.1".into(),
                "streamdex".into(),
            ]);
        }
    }
    table.answer(call)
}

/// `GET /_cat/templates/{name}`
pub(super) fn templates(server: &Server, call: &Call) -> Result<Answer> {
    let columns: [Column; 5] = [
        left("name", "n"),
        left("index_patterns", "t"),
        left("order", "o"),
        left("version", "v"),
        left("composed_of", "c"),
    ];
    let mut table = Table::new(&columns);
    let catalog = server.node.catalog();
    let templates = catalog.templates.legacy.iter().map(|it| (it, "order"));
    for ((name, body), order) in
        templates.chain(catalog.templates.index.iter().map(|it| (it, "priority")))
    {
        let pattern = call.var("name");
        if !pattern.is_empty() && !search::matches_wildcard(pattern, name) {
            continue;
        }
        let list = |name: &str| match &body[name] {
            Value::Array(each) => {
                let each: Vec<&str> = each.iter().filter_map(Value::as_str).collect();
                format!("[{}]", each.join(", "))
            }
            Value::String(one) => format!("[{one}]"),
            _ => "[]".to_owned(),
        };
        let number = |name: &str| body[name].as_i64().map(|it| it.to_string()).unwrap_or_default();
        let composed_of = if order == "order" { String::new() } else { list("composed_of") };
        table.row([
            name.clone(),
            list("index_patterns"),
            number(order),
            number("version"),
            composed_of,
        ]);
    }
    table.answer(call)
}

/// `GET /_cat`
pub(super) fn help(_: &Server, _: &Call) -> Result<Answer> {
    let calls = ["aliases", "count", "health", "indices", "nodes", "shards", "templates"];
    let mut text = String::from("=^.^=\n");
    for call in calls {
        text.extend(["/_cat/", call, "\n"]);
    }
    Ok(Answer::text(text))
}
