//! Calls about the cluster, which is one node: health, settings, nodes.

use search::{Failure, Index, Result};
use serde_json::{Map, Value, json};

use super::{Server, VERSION, answer::Answer, call::Call};

/// Green, unless an index asks for copies that one node cannot have.
pub(super) fn color(index: &Index) -> &'static str {
    if index.settings().n_replicas() == 0 { "green" } else { "yellow" }
}

/// `GET /_cluster/health/{index}`
pub(super) fn health(server: &Server, call: &Call) -> Result<Answer> {
    let indices = server.node.resolve(call.var("index"), call.options()?)?;
    let n_primaries: u64 = indices.iter().map(|it| it.settings().n_shards()).sum();
    let unassigned = |it: &Index| it.settings().n_shards() * it.settings().n_replicas();
    let n_unassigned: u64 = indices.iter().map(|it| unassigned(it)).sum();
    let status = if n_unassigned == 0 { "green" } else { "yellow" };
    let rank = |status: &str| match status {
        "green" => Some(0),
        "yellow" => Some(1),
        "red" => Some(2),
        _ => None,
    };
    let wanted = call.param("wait_for_status").unwrap_or("red");
    let wanted = rank(wanted).ok_or_else(|| {
        Failure::illegal_argument(format!(
            "No enum constant org.opensearch.cluster.health.ClusterHealthStatus.{}",
            wanted.to_uppercase()
        ))
    })?;
    // Nothing will change by waiting, so we answer at once.
    let timed_out = wanted < rank(status).unwrap_or_default();
    let total = n_primaries + n_unassigned;
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    let percent = if total == 0 { 100.0 } else { n_primaries as f64 * 100.0 / total as f64 };
    let mut body = json!({
        "cluster_name": "streamdex",
        "status": status,
        "timed_out": timed_out,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "discovered_master": true,
        "discovered_cluster_manager": true,
        "active_primary_shards": n_primaries,
        "active_shards": n_primaries,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": n_unassigned,
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": percent,
    });
    if matches!(call.param("level"), Some("indices" | "shards")) {
        let each: Map<String, Value> = indices
            .iter()
            .map(|it| {
                let settings = it.settings();
                let shown = json!({
                    "status": color(it),
                    "number_of_shards": settings.n_shards(),
                    "number_of_replicas": settings.n_replicas(),
                    "active_primary_shards": settings.n_shards(),
                    "active_shards": settings.n_shards(),
                    "relocating_shards": 0,
                    "initializing_shards": 0,
                    "unassigned_shards": unassigned(it),
                });
                (it.name.clone(), shown)
            })
            .collect();
        body["indices"] = Value::Object(each);
    }
    Ok(Answer::with_status(if timed_out { 408 } else { 200 }, &body))
}

/// `GET /_cluster/settings`
pub(super) fn get_settings(_: &Server, _: &Call) -> Result<Answer> {
    Ok(Answer::json(&json!({ "persistent": {}, "transient": {} })))
}

/// `PUT /_cluster/settings`
pub(super) fn put_settings(_: &Server, call: &Call) -> Result<Answer> {
    let body = call.required_json()?;
    let get = |name: &str| body.get(name).cloned().unwrap_or_else(|| json!({}));
    Ok(Answer::json(&json!({
        "acknowledged": true, "persistent": get("persistent"), "transient": get("transient")
    })))
}

/// `GET /_plugins/_ism/policies/{id}`: there are none, and clients that look are content with that.
pub(super) fn no_policy(_: &Server, call: &Call) -> Result<Answer> {
    let reason = format!("Policy not found: {}", call.var("id"));
    Err(Failure::new(404, "status_exception", reason))
}

/// `GET /_nodes`
pub(super) fn nodes(server: &Server, call: &Call) -> Result<Answer> {
    let (host, _) = call.host.rsplit_once(':').unwrap_or((&call.host, ""));
    let node = json!({
        "name": "streamdex",
        "transport_address": call.host,
        "host": host,
        "ip": host,
        "version": VERSION,
        "build_type": "streamdex",
        "build_hash": "unknown",
        "roles": ["cluster_manager", "data", "ingest", "remote_cluster_client"],
        "attributes": {},
        "http": {
            "bound_address": [call.host],
            "publish_address": call.host,
            "max_content_length_in_bytes": 104_857_600
        }
    });
    Ok(Answer::json(&json!({
        "_nodes": { "total": 1, "successful": 1, "failed": 0 },
        "cluster_name": "streamdex",
        "nodes": { (server.id.as_str()): node }
    })))
}
