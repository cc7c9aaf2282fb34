//! A request as we were asked it, whichever kind of event it came in. Pure.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;

use super::path;
use crate::settings::ProxySettings;

/// A request, the same for all kinds of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `GET`.
    pub method: String,
    /// Its path as OpenSearch knows it, encoded, without stage and base path.
    pub path: String,
    /// Its query, encoded, without the question mark.
    pub query: String,
    /// Its headers, in small letters, each value by itself.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    /// What the browser sees before our paths: empty, or `/dev`.
    pub prefix: String,
}

/// An event that cannot be read as a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotARequest {
    /// It has not the form of its kind.
    #[error("the event is not a request: {0}")]
    Event(String),
    /// Its body says it is base64, and is not.
    #[error("the request's body is not base64")]
    Body,
}

/// `null` stands for nothing wherever a map or a text may be.
type Maybe<T> = Option<T>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestV1 {
    path: String,
    http_method: String,
    #[serde(default)]
    headers: Maybe<BTreeMap<String, String>>,
    #[serde(default)]
    multi_value_headers: Maybe<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    query_string_parameters: Maybe<BTreeMap<String, String>>,
    #[serde(default)]
    multi_value_query_string_parameters: Maybe<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    request_context: Maybe<ContextV1>,
    #[serde(default)]
    body: Maybe<String>,
    #[serde(default)]
    is_base64_encoded: Maybe<bool>,
}

#[derive(Default, Deserialize)]
struct ContextV1 {
    #[serde(default)]
    path: Maybe<String>,
    #[serde(default)]
    stage: Maybe<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpV2 {
    #[serde(default)]
    raw_path: Maybe<String>,
    #[serde(default)]
    raw_query_string: Maybe<String>,
    #[serde(default)]
    headers: Maybe<BTreeMap<String, String>>,
    #[serde(default)]
    cookies: Maybe<Vec<String>>,
    #[serde(default)]
    request_context: Maybe<ContextV2>,
    #[serde(default)]
    body: Maybe<String>,
    #[serde(default)]
    is_base64_encoded: Maybe<bool>,
}

#[derive(Default, Deserialize)]
struct ContextV2 {
    #[serde(default)]
    http: Maybe<Http>,
    #[serde(default)]
    stage: Maybe<String>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
    #[serde(default)]
    path: Maybe<String>,
}

/// Reads an event of a REST API.
///
/// # Errors
///
/// When it is none, or its body is not what it says.
pub(super) fn rest_v1(payload: &[u8], settings: &ProxySettings) -> Result<Asked, NotARequest> {
    let event: RestV1 = serde_json::from_slice(payload).map_err(not_an_event)?;
    let context = event.request_context.unwrap_or_default();
    let headers = match event.multi_value_headers {
        Some(all) if !all.is_empty() => flat(all),
        _ => event.headers.unwrap_or_default().into_iter().collect(),
    };
    let query = match event.multi_value_query_string_parameters {
        Some(all) if !all.is_empty() => flat(all),
        _ => event.query_string_parameters.unwrap_or_default().into_iter().collect(),
    };
    // The stage is in the context's path only, and only where the browser sees it, too.
    let stage_path = context.path.as_deref().and_then(|it| it.strip_suffix(event.path.as_str()));
    let prefix = match (stage_path, context.stage.as_ref().or(settings.stage.as_ref())) {
        (Some(before), _) => before.trim_end_matches('/').to_owned(),
        (None, Some(stage)) if stage != "$default" => format!("/{stage}"),
        _ => String::new(),
    };
    let (prefix, own_path) = without_base_path(prefix, &event.path, settings);
    Ok(Asked {
        method: event.http_method.to_ascii_uppercase(),
        path: path::encoded(&own_path),
        query: path::query(query.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
        headers: lower_case(headers),
        body: body(event.body, event.is_base64_encoded)?,
        prefix,
    })
}

/// Reads an event of an HTTP API or of a function URL.
///
/// # Errors
///
/// As [`rest_v1`].
pub(super) fn http_v2(payload: &[u8], settings: &ProxySettings) -> Result<Asked, NotARequest> {
    let event: HttpV2 = serde_json::from_slice(payload).map_err(not_an_event)?;
    let context = event.request_context.unwrap_or_default();
    let http = context.http.ok_or_else(|| NotARequest::Event("it has no method".to_owned()))?;
    let raw_path = event.raw_path.or(http.path).unwrap_or_else(|| "/".to_owned());
    let stage = context.stage.filter(|it| it != "$default" && !it.is_empty());
    let (prefix, own_path) = match stage.map(|it| format!("/{it}")) {
        Some(prefix) => match below(&raw_path, &prefix) {
            Some(rest) => (prefix, rest.to_owned()),
            // A custom domain hides the stage.
            None => (String::new(), raw_path),
        },
        None => (String::new(), raw_path),
    };
    let (prefix, own_path) = without_base_path(prefix, &own_path, settings);
    let mut headers: Vec<(String, String)> =
        event.headers.unwrap_or_default().into_iter().collect();
    if let Some(cookies) = event.cookies.filter(|it| !it.is_empty()) {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("cookie"));
        headers.push(("cookie".to_owned(), cookies.join("; ")));
    }
    Ok(Asked {
        method: http.method.to_ascii_uppercase(),
        path: path::encoded(&own_path),
        query: path::encoded_query(&event.raw_query_string.unwrap_or_default()),
        headers: lower_case(headers),
        body: body(event.body, event.is_base64_encoded)?,
        prefix,
    })
}

/// Takes the base path of a custom domain off `own_path`, and adds it to what the browser sees.
fn without_base_path(prefix: String, own_path: &str, settings: &ProxySettings) -> (String, String) {
    match below(own_path, &settings.base_path).filter(|_| !settings.base_path.is_empty()) {
        Some(rest) => (format!("{prefix}{}", settings.base_path), rest.to_owned()),
        None => (prefix, own_path.to_owned()),
    }
}

/// What of `path` lies below `prefix`.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|it| it.is_empty() || it.starts_with('/'))
}

fn flat(all: BTreeMap<String, Vec<String>>) -> Vec<(String, String)> {
    all.into_iter()
        .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)))
        .collect()
}

fn lower_case(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

fn body(body: Option<String>, is_base64: Option<bool>) -> Result<Bytes, NotARequest> {
    let body = body.unwrap_or_default();
    if is_base64 != Some(true) {
        return Ok(Bytes::from(body));
    }
    STANDARD.decode(body.trim()).map(Bytes::from).map_err(|_| NotARequest::Body)
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed over by `map_err`")]
fn not_an_event(error: serde_json::Error) -> NotARequest {
    // Its text could quote what is in the event.
    NotARequest::Event(format!("line {}, column {}", error.line(), error.column()))
}
