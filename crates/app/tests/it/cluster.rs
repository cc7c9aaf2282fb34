//! Asks an OpenSearch endpoint over HTTP.

use std::{collections::BTreeMap, time::Duration};

use aws::Http;
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

/// An endpoint to ask.
#[derive(Clone)]
pub(crate) struct Cluster {
    http: Http,
    address: String,
}

impl Cluster {
    pub(crate) fn at(address: &str) -> Cluster {
        Cluster { http: Http::plain(), address: address.to_owned() }
    }

    /// The status and body of an answer; JSON if it is any, else text.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address))
            .header("content-type", "application/json")
            .body(Bytes::from(body))
            .unwrap();
        let answer = self.http.send(request, Duration::from_secs(20)).await.unwrap();
        let text = || Value::String(String::from_utf8_lossy(&answer.body).into_owned());
        let body = serde_json::from_slice(&answer.body).unwrap_or_else(|_| text());
        (answer.status.as_u16(), body)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, Value::Null).await
    }

    /// The documents that a search finds, by id.
    pub(crate) async fn search(&self, index: &str, query: Value) -> BTreeMap<String, Value> {
        let search = json!({ "query": query, "size": 10_000 });
        let (status, found) = self.ask(Method::POST, &format!("/{index}/_search"), search).await;
        assert_eq!(status, 200, "{found}");
        let hits = found["hits"]["hits"].as_array().unwrap();
        hits.iter()
            .map(|hit| (hit["_id"].as_str().unwrap().to_owned(), hit["_source"].clone()))
            .collect()
    }

    /// Every document of an index, by id, after a refresh.
    pub(crate) async fn all(&self, index: &str) -> BTreeMap<String, Value> {
        self.ask(Method::POST, &format!("/{index}/_refresh"), Value::Null).await;
        self.search(index, json!({ "match_all": {} })).await
    }

    /// The value of a metric of the pipeline `pipeline`.
    pub(crate) async fn metric(&self, name: &str, pipeline: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await;
        let prefix = format!("{name}{{pipeline=\"{pipeline}\"}} ");
        let line = text.as_str()?.lines().find_map(|it| it.strip_prefix(&prefix))?;
        line.parse().ok()
    }
}
