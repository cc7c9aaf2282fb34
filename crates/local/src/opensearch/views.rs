//! Searches that go on: scrolls and points in time, each on a view that stays as it was.
//!
//! A view holds segments that may have been merged away since, so there are only so many, and each is
//! dropped when its time is over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use search::{Failure, Request, Result, View, time};
use serde_json::{Value, json};

use super::{
    Server,
    answer::{Answer, shards},
    call::Call,
    searches::{apply_params, render, targets},
};

/// How many may be open at once, as in OpenSearch by default.
const SCROLLS_MAX: usize = 500;
const POINTS_MAX: usize = 300;
/// How long a view may be kept without being used.
const KEEP_MAX: Duration = Duration::from_hours(24);

const SCROLL: &str = "scroll-";
const POINT: &str = "pit-";

/// All that are open.
#[derive(Debug, Default)]
pub(super) struct Views(Mutex<HashMap<String, Held>>);

#[derive(Clone, Debug)]
struct Held {
    view: Arc<View>,
    /// What a scroll goes on with.
    request: Option<Request>,
    opened_ms: u64,
    keep: Duration,
    until_ms: u64,
}

impl Held {
    fn new(view: View, request: Option<Request>, keep: Duration, now_ms: u64) -> Held {
        let held =
            Held { view: Arc::new(view), request, opened_ms: now_ms, keep, until_ms: now_ms };
        held.kept(keep, now_ms)
    }

    fn kept(self, keep: Duration, now_ms: u64) -> Held {
        let ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        Held { keep, until_ms: now_ms.saturating_add(ms), ..self }
    }
}

impl Views {
    /// Drops those whose time is over.
    pub(super) fn forget(&self, now_ms: u64) {
        self.all().retain(|_, it| now_ms < it.until_ms);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: String, held: Held, most: usize) -> Result<()> {
        let mut all = self.all();
        let kind = if held.request.is_some() { "scroll" } else { "point in time" };
        if most <= all.values().filter(|it| it.request.is_some() == held.request.is_some()).count()
        {
            return Err(Failure::new(
                429,
                "rejected_execution_exception",
                format!(
                    "Trying to create too many {kind} contexts. Must be less than or equal to: [{most}]."
                ),
            ));
        }
        all.insert(id, held);
        Ok(())
    }

    fn find(&self, id: &str, now_ms: u64) -> Result<Held> {
        let held = self.all().get(id).filter(|it| now_ms < it.until_ms).cloned();
        held.ok_or_else(|| gone(id))
    }

    /// Keeps it longer, behind its next page. One that was closed meanwhile stays closed.
    fn put_back(&self, id: &str, held: Held) {
        if let Some(it) = self.all().get_mut(id) {
            *it = held;
        }
    }
}

fn gone(id: &str) -> Failure {
    let reason = format!("No search context found for id [{id}]");
    let missing = Failure::new(404, "search_context_missing_exception", reason);
    Failure::new(404, "search_phase_execution_exception", "all shards failed")
        .with("phase", "query")
        .with("grouped", true)
        .caused_by(missing)
}

fn keep_alive(text: &str) -> Result<Duration> {
    let keep = time(text).ok_or_else(|| {
        Failure::illegal_argument(format!(
            "failed to parse setting [keep_alive] with value [{text}] as a time value: unit is missing or unrecognized"
        ))
    })?;
    if KEEP_MAX < keep {
        return Err(Failure::illegal_argument(format!(
            "Keep alive for request ({text}) is too large. It must be less than (24h). \
             This limit can be set by changing the [search.max_keep_alive] cluster level setting."
        )));
    }
    Ok(keep)
}

/// Opens a scroll: the first page of `request`.
pub(super) fn open_scroll(
    server: &Server,
    call: &Call,
    mut request: Request,
    keep: &str,
) -> Result<Answer> {
    let keep = keep_alive(keep)?;
    let mut problems = Vec::new();
    if 0 < request.from {
        problems.push("using [from] is not allowed in a scroll context");
    }
    if request.size == 0 {
        problems.push("[size] cannot be [0] in a scroll context");
    }
    if request.after.is_some() {
        problems.push("`search_after` cannot be used in a scroll context.");
    }
    if !problems.is_empty() {
        return Err(Failure::validation(&problems));
    }
    request.by_place = true;
    let view = View::open(targets(server, call)?);
    let held = Held::new(view, Some(request), keep, call.now_ms);
    let id = format!("{SCROLL}{}", server.node.new_id());
    server.views.add(id.clone(), held.clone(), SCROLLS_MAX)?;
    page(server, call, id, held)
}

/// The next page of a scroll.
fn page(server: &Server, call: &Call, id: String, mut held: Held) -> Result<Answer> {
    let Some(request) = &mut held.request else { return Err(cannot_parse()) };
    let found = held.view.search(request, call.now_ms)?;
    if let Some(last) = &found.last {
        request.after = Some(last.clone());
    }
    let took = server.clock.now_ms().saturating_sub(call.now_ms);
    let total_as_int = call.flag("rest_total_hits_as_int", false)?;
    let mut answer = render(found, request, took, total_as_int);
    answer.scroll_id = Some(id.clone());
    let keep = held.keep;
    server.views.put_back(&id, held.kept(keep, call.now_ms));
    Ok(Answer::json(&answer))
}

fn cannot_parse() -> Failure {
    Failure::illegal_argument("Cannot parse scroll id")
}

/// `POST /_search/scroll`
pub(super) fn scroll(server: &Server, call: &Call) -> Result<Answer> {
    let body = call.json()?;
    let said = |name: &str| body[name].as_str().or_else(|| call.param(name)).map(str::to_owned);
    let in_path = Some(call.var("scroll_id")).filter(|it| !it.is_empty()).map(str::to_owned);
    let Some(id) = said("scroll_id").or(in_path) else {
        return Err(Failure::validation(&["scrollId is missing"]));
    };
    if !id.starts_with(SCROLL) {
        return Err(cannot_parse());
    }
    let mut held = server.views.find(&id, call.now_ms)?;
    if let Some(keep) = said("scroll") {
        held.keep = keep_alive(&keep)?;
    }
    page(server, call, id, held)
}

/// `DELETE /_search/scroll`
pub(super) fn clear_scroll(server: &Server, call: &Call) -> Result<Answer> {
    let body = call.json()?;
    let mut ids = texts(&body["scroll_id"]);
    ids.extend(call.var("scroll_id").split(',').filter(|it| !it.is_empty()).map(str::to_owned));
    if let Some(wrong) = ids.iter().find(|it| !it.starts_with(SCROLL) && *it != "_all") {
        tracing::debug!(wrong, "no scroll");
        return Err(cannot_parse());
    }
    if ids.is_empty() {
        return Err(Failure::validation(&["no scroll ids specified"]));
    }
    let n = close(server, SCROLL, &ids).len();
    let status = if n == 0 { 404 } else { 200 };
    Ok(Answer::with_status(status, &json!({ "succeeded": true, "num_freed": n })))
}

/// Closes those called `ids`, or all that begin with `prefix`; says which there were.
fn close(server: &Server, prefix: &str, ids: &[String]) -> Vec<String> {
    let is_meant =
        |id: &String| id.starts_with(prefix) && ids.iter().any(|it| it == id || it == "_all");
    let mut closed = Vec::new();
    server.views.all().retain(|id, _| {
        let stays = !is_meant(id);
        if !stays {
            closed.push(id.clone());
        }
        stays
    });
    closed
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(each) => each.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect(),
        Value::String(one) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// `POST /{index}/_search/point_in_time`
pub(super) fn open_point(server: &Server, call: &Call) -> Result<Answer> {
    let Some(keep) = call.param("keep_alive") else {
        return Err(Failure::validation(&["Keep alive cannot be empty"]));
    };
    let keep = keep_alive(keep)?;
    let view = View::open(targets(server, call)?);
    let n_shards = view.n_shards();
    let id = format!("{POINT}{}", server.node.new_id());
    server.views.add(id.clone(), Held::new(view, None, keep, call.now_ms), POINTS_MAX)?;
    let mut shards = shards(n_shards);
    shards["skipped"] = json!(0);
    Ok(Answer::json(&json!({ "pit_id": id, "_shards": shards, "creation_time": call.now_ms })))
}

/// `GET /_search/point_in_time/_all`
pub(super) fn list_points(server: &Server, call: &Call) -> Result<Answer> {
    let all = server.views.all();
    let open = all.iter().filter(|(_, it)| it.request.is_none() && call.now_ms < it.until_ms);
    let pits: Vec<Value> = open
        .map(|(id, it)| {
            let keep = u64::try_from(it.keep.as_millis()).unwrap_or(u64::MAX);
            json!({ "pit_id": id, "creation_time": it.opened_ms, "keep_alive": keep })
        })
        .collect();
    Ok(Answer::json(&json!({ "pits": pits })))
}

/// `DELETE /_search/point_in_time`
pub(super) fn close_points(server: &Server, call: &Call) -> Result<Answer> {
    let is_all = call.path.trim_end_matches('/').ends_with("/_all");
    let ids =
        if is_all { vec!["_all".to_owned()] } else { texts(&call.required_json()?["pit_id"]) };
    if ids.is_empty() {
        return Err(Failure::validation(&["no pit ids specified"]));
    }
    let closed = close(server, POINT, &ids);
    let shown = if is_all { closed.clone() } else { ids };
    let pits: Vec<Value> =
        shown.iter().map(|id| json!({ "pit_id": id, "successful": closed.contains(id) })).collect();
    let status = if closed.is_empty() && !is_all { 404 } else { 200 };
    Ok(Answer::with_status(status, &json!({ "pits": pits })))
}

/// A search in a view that was opened before.
pub(super) fn search_point(server: &Server, call: &Call, mut request: Request) -> Result<Answer> {
    let Some(point) = request.point_in_time.clone() else {
        return Err(Failure::internal("no point in time"));
    };
    if !call.var("index").is_empty() {
        return Err(Failure::validation(&[
            "[indices] cannot be used with point in time. Do not specify any index with point in time.",
        ]));
    }
    let held = server.views.find(&point.id, call.now_ms)?;
    apply_params(call, &mut request)?;
    let found = held.view.search(&request, call.now_ms)?;
    let took = server.clock.now_ms().saturating_sub(call.now_ms);
    let total_as_int = call.flag("rest_total_hits_as_int", false)?;
    let mut answer = render(found, &request, took, total_as_int);
    if let Some(keep) = &point.keep_alive {
        let keep = keep_alive(keep)?;
        server.views.put_back(&point.id, held.kept(keep, call.now_ms));
    }
    answer.pit_id = Some(point.id);
    Ok(Answer::json(&answer))
}
