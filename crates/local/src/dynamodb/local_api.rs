//! `/_local/…`: the clock, shards and faults, for tests and for trying out a day in a minute.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, Response, header},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    endpoint::{Cell, Endpoint},
    error::ApiError,
    faults::Orders,
    http::{failed, whole},
    stream::{OPEN_SHARDS_MAX, Reshard},
    timestamp,
};

/// How far the clock may be moved at once: a hundred years.
const ADVANCE_SECONDS_MAX: u64 = 100 * 366 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

/// `GET /_local/clock`.
pub(crate) async fn read_clock(State(endpoint): State<Arc<Endpoint>>) -> Response<Body> {
    shown(Ok(clock(&endpoint)))
}

/// `POST /_local/clock`: `{"advance_seconds": 14400}`.
pub(crate) async fn move_clock(
    State(endpoint): State<Arc<Endpoint>>,
    body: Body,
) -> Response<Body> {
    shown(read::<Advance>(body).await.and_then(|Advance { advance_seconds }| {
        if ADVANCE_SECONDS_MAX < advance_seconds {
            return Err(ApiError::validation("advance_seconds is more than a hundred years"));
        }
        endpoint.clock.advance(Duration::from_secs(advance_seconds));
        // What became due meanwhile is done when this is answered; nobody need wait for it.
        endpoint.sweep()?;
        Ok(clock(&endpoint))
    }))
}

fn clock(endpoint: &Endpoint) -> Value {
    let now_ms = endpoint.clock.now_ms();
    json!({ "now_ms": now_ms, "now": timestamp::label(now_ms) })
}

/// `GET /_local/faults`.
pub(crate) async fn list_faults(State(endpoint): State<Arc<Endpoint>>) -> Response<Body> {
    shown(faults(&endpoint))
}

/// `POST /_local/faults`: one fault or a list of them.
pub(crate) async fn order_faults(
    State(endpoint): State<Arc<Endpoint>>,
    body: Body,
) -> Response<Body> {
    shown(read::<Orders>(body).await.and_then(|orders| {
        if !endpoint.faults.order(orders, endpoint.clock.now_ms()) {
            return Err(ApiError::validation("too many faults are waiting; DELETE clears them"));
        }
        faults(&endpoint)
    }))
}

/// `DELETE /_local/faults`.
pub(crate) async fn clear_faults(State(endpoint): State<Arc<Endpoint>>) -> Response<Body> {
    endpoint.faults.clear();
    shown(faults(&endpoint))
}

fn faults(endpoint: &Endpoint) -> Result<Value, ApiError> {
    Ok(json!({ "faults": serde_json::to_value(endpoint.faults.list(endpoint.clock.now_ms()))? }))
}

/// What is to become of the shards of a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shards {
    /// Name or ARN.
    table: String,
    /// Needed if several regions have such a table.
    region: Option<String>,
    /// A shard id or `all`: two children each.
    split: Option<String>,
    /// A shard id or `all`: one child each.
    roll: Option<String>,
    /// How many shards streams begin with; the present one too, if nothing was written yet.
    count: Option<usize>,
}

/// `POST /_local/shards`: `{"table":"books","split":"all"}`.
pub(crate) async fn reshard(State(endpoint): State<Arc<Endpoint>>, body: Body) -> Response<Body> {
    let done = read::<Shards>(body).await.and_then(|shards| {
        let done = reshard_table(&endpoint, &shards);
        endpoint.settle()?;
        done
    });
    shown(done)
}

fn reshard_table(endpoint: &Endpoint, shards: &Shards) -> Result<Value, ApiError> {
    let cell = table(endpoint, &shards.table, shards.region.as_deref())?;
    match (&shards.split, &shards.roll, shards.count) {
        (Some(which), None, None) => close(endpoint, &cell, which, Reshard::Split),
        (None, Some(which), None) => close(endpoint, &cell, which, Reshard::Roll),
        (None, None, Some(count)) => restart(endpoint, &cell, count),
        _ => Err(ApiError::validation(
            "say one of \"split\", \"roll\" (a shard id or \"all\") and \"count\" (a number)",
        )),
    }
}

/// Closes shards and opens their children.
fn close(endpoint: &Endpoint, cell: &Cell, which: &str, how: Reshard) -> Result<Value, ApiError> {
    endpoint.write(cell, |writing| {
        let stream = writing.table().enabled_stream().ok_or_else(no_stream)?;
        let mut places = stream.open_shard_places();
        if which != "all" {
            places.retain(|at| stream.shards[*at].state.id == which);
        }
        let closed: Vec<String> =
            places.iter().map(|at| stream.shards[*at].state.id.clone()).collect();
        let n_children = if how == Reshard::Split { 2 } else { 1 };
        if closed.is_empty() {
            return Err(ApiError::validation(format!(
                "{which} is not an open shard of this table"
            )));
        }
        if OPEN_SHARDS_MAX < stream.open_shard_places().len() + closed.len() * (n_children - 1) {
            return Err(ApiError::validation("the stream would have more than 256 open shards"));
        }
        let n_before = stream.shards.len();
        let now_ms = writing.now_ms;
        let opened = writing.alter(|table| {
            let sequence = &mut table.sequence;
            let stream = table.streams.last_mut().filter(|it| it.is_enabled());
            let Some(stream) = stream else { return Vec::new() };
            for at in places {
                stream.reshard(at, how, now_ms, sequence);
            }
            stream.shards[n_before..].iter().map(|it| it.state.id.clone()).collect()
        });
        Ok(json!({ "closed": closed, "opened": opened }))
    })
}

/// Sets how many shards streams begin with.
fn restart(endpoint: &Endpoint, cell: &Cell, count: usize) -> Result<Value, ApiError> {
    if !(1..=OPEN_SHARDS_MAX).contains(&count) {
        return Err(ApiError::validation("count must be between 1 and 256"));
    }
    endpoint.write(cell, |writing| {
        let now_ms = writing.now_ms;
        let restarted = writing.alter(|table| {
            table.description.n_shards = count;
            let sequence = &mut table.sequence;
            let stream = table.streams.last_mut().filter(|it| it.is_enabled());
            stream.is_some_and(|it| it.restart(count, now_ms, sequence))
        });
        Ok(json!({ "count": count, "restarted": restarted }))
    })
}

fn no_stream() -> ApiError {
    ApiError::validation("the table has no stream; switch it on with UpdateTable")
}

/// The table that is meant. These calls are not signed, so the name alone has to do.
fn table(endpoint: &Endpoint, name: &str, region: Option<&str>) -> Result<Arc<Cell>, ApiError> {
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let (region, name) = match parts[..] {
        ["arn", _, "dynamodb", region, _, resource] => {
            (Some(region), resource.strip_prefix("table/").unwrap_or(resource))
        }
        _ => (region, name),
    };
    let tables = endpoint.tables();
    let mut found = tables.live.iter().filter(|((its_region, its_name), _)| {
        its_name == name && region.is_none_or(|region| region == its_region)
    });
    match (found.next(), found.next()) {
        (Some((_, cell)), None) => Ok(cell.clone()),
        (None, _) => Err(ApiError::ResourceNotFound(format!("there is no table {name}"))),
        (Some(_), Some(_)) => Err(ApiError::Validation(format!(
            "several regions have a table {name}; say \"region\""
        ))),
    }
}

async fn read<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    Ok(serde_json::from_slice(&whole(body).await?)?)
}

fn shown(answer: Result<Value, ApiError>) -> Response<Body> {
    match answer {
        Ok(value) => {
            let mut response = Response::new(Body::from(format!("{value}\n")));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
        Err(error) => failed(&error),
    }
}
