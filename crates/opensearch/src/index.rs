//! Brings about what documents need before they come: the policy, the template, the index.

use std::collections::HashMap;

use aws::{Access, S3};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};
use tracing::{info, warn};

use crate::{
    answer::{Refusal, forbidden},
    client::Client,
    template::{Names, Plan, Put, encoded, read_json},
};

/// How many names of indices are remembered; when there are more, they are asked for anew.
const KNOWN_MAX: usize = 10_000;

/// Why an index is not there.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum EnsureError {
    /// The cluster cannot be asked now.
    #[error("{0}")]
    Away(String),
    /// We may not.
    #[error("{0}")]
    Forbidden(String),
    /// The cluster does not want it like that.
    #[error("{0}")]
    Refused(String),
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An index, or an alias that is none of our business.
    Index,
    /// The alias of an index that a policy rolls over. If it is gone nothing must come in its place.
    Alias,
    /// A data stream, which takes nothing but additions.
    DataStream,
}

/// The indices we write to, and how they come into being.
#[derive(Debug)]
pub(crate) struct Indices {
    /// Without what stands in files at S3.
    base: Plan,
    files: Files,
    /// Complete; made when it is first needed.
    plan: OnceCell<Plan>,
    known: Mutex<HashMap<String, Kind>>,
    /// Whether what is missing is created; else it is only looked at.
    creates: bool,
}

/// Files at S3 that belong to the plan.
#[derive(Debug)]
pub(crate) struct Files {
    /// The address of the template.
    pub(crate) template: Option<String>,
    /// The address of the policy.
    pub(crate) policy: Option<String>,
    /// As whom to read them.
    pub(crate) access: Access,
}

impl Files {
    async fn read(&self, address: &str) -> Result<Value, EnsureError> {
        let refused = |problem: &str| EnsureError::Refused(format!("{address}: {problem}"));
        let path = address.trim_start_matches("s3://");
        let (bucket, key) = path.split_once('/').ok_or_else(|| refused("write s3://bucket/key"))?;
        let got = async { S3::new(&self.access, None).await?.get(bucket, key).await };
        let body = got.await.map_err(|error| {
            if error.is_transient() {
                EnsureError::Away(error.to_string())
            } else {
                EnsureError::Refused(format!("{error}; the role needs `s3:GetObject` on it"))
            }
        })?;
        read_json(&String::from_utf8_lossy(&body)).map_err(|problem| refused(&problem))
    }
}

impl Indices {
    pub(crate) fn new(base: Plan, files: Files, creates: bool) -> Indices {
        Indices { base, files, plan: OnceCell::new(), known: Mutex::default(), creates }
    }

    async fn plan(&self) -> Result<&Plan, EnsureError> {
        self.plan
            .get_or_try_init(|| async {
                let mut plan = self.base.clone();
                if let Some(address) = &self.files.template {
                    plan.template = Some(self.files.read(address).await?);
                }
                if let Some(address) = &self.files.policy {
                    plan.policy = Some(self.files.read(address).await?);
                }
                Ok(plan)
            })
            .await
    }

    /// Creates what is missing of an index, once; says what its name stands for.
    ///
    /// # Errors
    ///
    /// When the cluster does not want it, or cannot be reached.
    pub(crate) async fn ensure(&self, client: &Client, names: &Names) -> Result<Kind, EnsureError> {
        // Held while asking, so that lanes that meet the same new index do not create it twice.
        let mut known = self.known.lock().await;
        if let Some(kind) = known.get(&names.index) {
            return Ok(*kind);
        }
        let kind = if self.creates {
            self.create(client, names).await?
        } else if self.is_stream(client, names).await? {
            Kind::DataStream
        } else {
            Kind::Index
        };
        if KNOWN_MAX <= known.len() {
            known.clear();
        }
        if kind == Kind::DataStream {
            warn!(
                index = names.index,
                "a data stream: every change is added as a document of its own; actions and versions are left out"
            );
        }
        known.insert(names.index.clone(), kind);
        Ok(kind)
    }

    /// Does not ask for the index again, though it is not as it should be.
    pub(crate) async fn take_as_it_is(&self, index: &str) {
        self.known.lock().await.insert(index.to_owned(), Kind::Index);
    }

    /// Someone deleted the index; it is created anew when it is next asked for.
    pub(crate) async fn forget(&self, index: &str) {
        self.known.lock().await.remove(index);
    }

    /// Whether the name is that of a data stream. Whoever may not ask, or asks a cluster that has
    /// none, writes as to an index.
    async fn is_stream(&self, client: &Client, names: &Names) -> Result<bool, EnsureError> {
        let path = format!("/_data_stream/{}", encoded(&names.index));
        let (status, body) = match ask(client, Method::GET, &path, Bytes::new()).await {
            Err(EnsureError::Forbidden(_)) => return Ok(false),
            answer => answer?,
        };
        let found: Value = serde_json::from_slice(&body).unwrap_or_default();
        let names = found.get("data_streams").and_then(Value::as_array);
        Ok(status.is_success() && names.is_some_and(|it| !it.is_empty()))
    }

    /// What a name stands for that is there already.
    async fn kind_of(&self, client: &Client, names: &Names) -> Result<Kind, EnsureError> {
        if self.is_stream(client, names).await? {
            return Ok(Kind::DataStream);
        }
        if self.plan().await?.policy.is_none() {
            return Ok(Kind::Index);
        }
        let path = format!("/_alias/{}", encoded(&names.index));
        let (status, body) = ask(client, Method::GET, &path, Bytes::new()).await?;
        let found: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() && found.as_object().is_some_and(|it| !it.is_empty()) {
            return Ok(Kind::Alias);
        }
        warn!(
            index = names.index,
            "the policy rolls nothing over: there is an index of this name where an alias should be"
        );
        Ok(Kind::Index)
    }

    async fn create(&self, client: &Client, names: &Names) -> Result<Kind, EnsureError> {
        self.ensure_policy(client, names).await?;
        self.ensure_template(client, names).await?;
        let path = format!("/{}", encoded(&names.index));
        let answer = ask(client, Method::HEAD, &path, Bytes::new()).await?;
        if answer.0 != StatusCode::NOT_FOUND {
            return self.kind_of(client, names).await;
        }
        let plan = self.plan().await?;
        let Put { path, body } = plan.put_index(names);
        let path = format!("{path}{}", plan.query());
        let kind = match (plan.makes_stream(), plan.policy.is_some()) {
            (true, _) => Kind::DataStream,
            (false, true) => Kind::Alias,
            (false, false) => Kind::Index,
        };
        let (status, body) = ask(client, Method::PUT, &path, body.to_string().into()).await?;
        let refusal = Refusal::of_body(&body);
        match status.as_u16() {
            200..=299 => {
                info!(index = names.index, "created the index");
                Ok(kind)
            }
            // Someone else was quicker.
            400 if refusal.reason.contains("already exists") => Ok(kind),
            // Not now; the first document will create it, or say why not.
            429 | 500..=599 => Ok(kind),
            status => Err(EnsureError::Refused(format!(
                "cannot create the index `{}`: {status}: {}",
                names.index, refusal.reason
            ))),
        }
    }

    /// Writes the template if there is none, or an older one.
    async fn ensure_template(&self, client: &Client, names: &Names) -> Result<(), EnsureError> {
        let plan = self.plan().await?;
        let Some(Put { path, body }) = plan.put_template(names) else { return Ok(()) };
        let (status, there) = ask(client, Method::GET, &path, Bytes::new()).await?;
        if status.is_success() {
            let there: Value = serde_json::from_slice(&there).unwrap_or_default();
            // Elasticsearch answers `{}` for one that is not there.
            let is_there = there.as_object().is_some_and(|it| !it.is_empty());
            let (old, new) = (plan.version_there(&there), plan.version());
            if is_there && new <= old {
                return Ok(());
            }
        } else if status != StatusCode::NOT_FOUND {
            let reason = Refusal::of_body(&there).reason;
            return Err(EnsureError::Refused(format!(
                "cannot read the template {path}: {status}: {reason}"
            )));
        }
        let target = format!("{path}{}", plan.query());
        let (status, answer) = ask(client, Method::PUT, &target, body.to_string().into()).await?;
        if status.is_success() {
            info!(template = path, version = plan.version(), "wrote the index template");
            return Ok(());
        }
        let reason = Refusal::of_body(&answer).reason;
        Err(EnsureError::Refused(format!(
            "OpenSearch does not take the index template ({status}): {reason}; check `template_file` or \
             `template_content`, and `template_type`"
        )))
    }

    /// Writes the policy if there is none. One that is there stays.
    async fn ensure_policy(&self, client: &Client, names: &Names) -> Result<(), EnsureError> {
        let plan = self.plan().await?;
        let Some(mut put) = plan.put_policy(names, false) else { return Ok(()) };
        let mut is_old = false;
        loop {
            let sent = put.body.to_string().into();
            let (status, answer) = ask(client, Method::PUT, &put.path, sent).await?;
            let reason = Refusal::of_body(&answer).reason;
            let has_part = put.body.pointer("/policy/ism_template").is_some();
            match status.as_u16() {
                200..=299 => {
                    info!(policy = put.path, "wrote the policy of index state management");
                    return Ok(());
                }
                409 => return Ok(()),
                400 if reason.contains("ism_template") && has_part => {
                    put.body = Plan::without_ism_template(put.body);
                }
                400 | 404 | 405 if !is_old => {
                    is_old = true;
                    let body = put.body;
                    put = plan.put_policy(names, true).expect("there was one");
                    put.body = body;
                }
                404 | 405 => {
                    warn!(
                        "the cluster has no index state management; `ism_policy_file` has no effect there"
                    );
                    return Ok(());
                }
                status => {
                    return Err(EnsureError::Refused(format!(
                        "OpenSearch does not take the policy ({status}): {reason}; check `ism_policy_file`"
                    )));
                }
            }
        }
    }
}

/// Asks the cluster something that is not about documents.
async fn ask(
    client: &Client,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), EnsureError> {
    let answer = client.send(method, path, "application/json", body).await;
    let answer = answer.map_err(|error| EnsureError::Away(error.to_string()))?;
    if answer.status == StatusCode::UNAUTHORIZED || answer.status == StatusCode::FORBIDDEN {
        let refusal = Refusal::of_body(&answer.body);
        let told = forbidden(client.host(), answer.status.as_u16(), &refusal.reason);
        return Err(EnsureError::Forbidden(told));
    }
    Ok((answer.status, answer.body))
}
