//! Reading documents back, and mending single ones: what `verify` asks of a cluster.

use aws::{Environment, HttpError};
use bytes::Bytes;
use http::{Method, StatusCode};
use pipeline::{Clock, SinkError};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{Config, answer::Refusal, client::Client};

/// How long the cluster keeps a listing open between two of its pages.
const SCROLL_KEEP: &str = "5m";
/// How many documents a page of a listing has.
const PAGE: usize = 5000;

/// A cluster, as a sink reaches it.
#[derive(Debug)]
pub struct Cluster {
    client: Client,
    external: bool,
}

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentPlace {
    /// The index, or an alias of one.
    pub index: String,
    /// Its id.
    pub id: String,
    /// Its routing.
    pub routing: Option<String>,
}

/// A document as the cluster has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Got {
    /// The index it is in, or would be.
    #[serde(rename = "_index", default)]
    pub index: String,
    /// Its id.
    #[serde(rename = "_id", default)]
    pub id: String,
    /// Its routing.
    #[serde(rename = "_routing", default)]
    pub routing: Option<String>,
    /// `_version`, if it is there.
    #[serde(rename = "_version", default)]
    pub version: u64,
    /// `_seq_no`.
    #[serde(rename = "_seq_no", default)]
    pub seq_no: u64,
    /// `_primary_term`.
    #[serde(rename = "_primary_term", default)]
    pub primary_term: u64,
    /// `_source`; nothing if it is not there, or was not asked for.
    #[serde(rename = "_source", default)]
    pub source: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Documents {
    docs: Vec<Got>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "_scroll_id", default)]
    scroll_id: Option<String>,
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Got>,
}

impl Cluster {
    /// The cluster of a sink. Nothing is asked of it yet.
    ///
    /// # Errors
    ///
    /// When a certificate or key cannot be read.
    pub fn new(
        config: &Config,
        environment: Environment,
        clock: Clock,
    ) -> Result<Cluster, HttpError> {
        let client = Client::new(config, environment, clock)?;
        Ok(Cluster { client, external: config.has_external_versions() })
    }

    /// Whether documents have the versions that the pipeline gives them.
    pub fn has_external_versions(&self) -> bool {
        self.external
    }

    /// Reads documents as they are now, whether searches see them yet or not.
    ///
    /// # Errors
    ///
    /// When the cluster does not answer, or refuses.
    pub async fn get(&self, documents: &[DocumentPlace]) -> Result<Vec<Got>, SinkError> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let docs: Vec<Value> = documents
            .iter()
            .map(|it| {
                let mut doc = json!({ "_index": it.index, "_id": it.id });
                if let Some(routing) = &it.routing {
                    doc["routing"] = json!(routing);
                }
                doc
            })
            .collect();
        let body = self.ask(Method::POST, "/_mget", json!({ "docs": docs }).to_string()).await?;
        let read: Documents = serde_json::from_slice(&body).map_err(|it| nonsense("_mget", &it))?;
        if read.docs.len() != documents.len() {
            return Err(SinkError("_mget: the answer has another number of documents".to_owned()));
        }
        Ok(read.docs)
    }

    /// Lists the ids and versions in an index, an alias or a pattern, page after page; the first
    /// without a cursor. It sees what was there at the first page.
    ///
    /// # Errors
    ///
    /// When the cluster does not answer, or refuses.
    pub async fn list(
        &self,
        index: &str,
        cursor: Option<String>,
    ) -> Result<(Vec<Got>, Option<String>), SinkError> {
        let (path, question) = match &cursor {
            None => {
                // What was written a moment ago is to be seen, too.
                let index = encoded(index);
                let lenient = "ignore_unavailable=true&allow_no_indices=true";
                self.ask(Method::POST, &format!("/{index}/_refresh?{lenient}"), String::new())
                    .await?;
                let question = json!({
                    "size": PAGE, "sort": ["_doc"], "_source": false, "version": true,
                    "seq_no_primary_term": true, "track_total_hits": false,
                });
                (format!("/{index}/_search?scroll={SCROLL_KEEP}&{lenient}"), question)
            }
            Some(id) => {
                let question = json!({ "scroll": SCROLL_KEEP, "scroll_id": id });
                ("/_search/scroll".to_owned(), question)
            }
        };
        let body = self.ask(Method::POST, &path, question.to_string()).await?;
        let page: Page = serde_json::from_slice(&body).map_err(|it| nonsense("_search", &it))?;
        let is_last = page.hits.hits.is_empty();
        if let Some(id) = page.scroll_id.as_ref().filter(|_| is_last) {
            let question = json!({ "scroll_id": [id] }).to_string();
            // It ends by itself if this does not arrive.
            let _ = self.ask(Method::DELETE, "/_search/scroll", question).await;
        }
        Ok((page.hits.hits, page.scroll_id.filter(|_| !is_last)))
    }

    /// Sends lines of a `_bulk` request, and says of each operation why it was not done.
    ///
    /// # Errors
    ///
    /// When the cluster does not answer, or refuses the request as a whole.
    pub async fn write(&self, lines: String) -> Result<Vec<Option<String>>, SinkError> {
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let body = self.send(Method::POST, "/_bulk", "application/x-ndjson", lines).await?;
        let read: Value = serde_json::from_slice(&body).map_err(|it| nonsense("_bulk", &it))?;
        let items = read["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let outcome = |item: &Value| {
            let about = item.as_object().and_then(|it| it.values().next())?;
            let is_done = about["status"].as_u64().is_some_and(|it| it < 300);
            let reason = about["error"]["reason"].as_str().unwrap_or("it was refused");
            (!is_done).then(|| reason.to_owned())
        };
        Ok(items.iter().map(outcome).collect())
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> Result<Bytes, SinkError> {
        self.send(method, path, "application/json", body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: String,
    ) -> Result<Bytes, SinkError> {
        let answer = self.client.send(method, path, content_type, body.into()).await;
        let answer = answer.map_err(|error| SinkError(error.to_string()))?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let host = self.client.host();
        let reason = Refusal::of_body(&answer.body).reason;
        let hint = match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "; grant the right to read the index (`indices:data/read/*`)"
            }
            _ => "",
        };
        Err(SinkError(format!("{host}{path}: {}: {reason}{hint}", answer.status)))
    }
}

fn nonsense(call: &str, error: &serde_json::Error) -> SinkError {
    SinkError(format!("{call}: the answer makes no sense: {error}"))
}

/// A name as it may stand in a path; stars and commas keep their meaning.
fn encoded(name: &str) -> String {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-_.,*".contains(&it);
    let mut out = String::new();
    for byte in name.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths_keep_their_stars() {
        assert_eq!(encoded("books-*,a/b é"), "books-*,a%2Fb%20%C3%A9");
    }

    #[test]
    fn what_is_not_there_has_no_source() {
        let text = r#"{"docs":[{"_index":"b","_id":"1","_version":7,"_seq_no":2,"_primary_term":1,"found":true,"_source":{"a":1.50}},{"_index":"b","_id":"2","found":false},{"_index":"zz","_id":"1","error":{"type":"index_not_found_exception"}}]}"#;
        let read: Documents = serde_json::from_str(text).unwrap();
        assert_eq!(read.docs[0].source.as_ref().unwrap().get(), r#"{"a":1.50}"#);
        assert_eq!((read.docs[0].version, read.docs[0].seq_no), (7, 2));
        assert!(read.docs[1].source.is_none() && read.docs[2].source.is_none());
    }
}
