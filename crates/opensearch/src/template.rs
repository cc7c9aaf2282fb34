//! The index template, the index and its policy, as they are sent to the cluster. Pure.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::config::{Config, Distribution, TemplateType};

/// How long the index remembers deletes, where we create it: longer than anything is sent late.
const GC_DELETES: &str = "1h";
/// The number that an index begins with that a policy rolls over.
const FIRST: &str = "-000001";

/// What the settings say about indices that we create.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    kind: TemplateType,
    is_es6: bool,
    shards: Option<u32>,
    replicas: Option<u32>,
    /// As the user wrote it.
    pub(crate) template: Option<Value>,
    /// A policy of index state management.
    pub(crate) policy: Option<Value>,
}

/// A request that brings something about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Put {
    /// Where to.
    pub(crate) path: String,
    /// What.
    pub(crate) body: Value,
}

/// One index by the name that it has today, and by the pattern of all its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// `books-2026.01`.
    pub(crate) index: String,
    /// `books-*`, of which the template's name is made.
    pub(crate) pattern: String,
}

impl Plan {
    /// The plan of the settings. Template and policy come later: they may stand in files.
    pub(crate) fn new(config: &Config) -> Plan {
        Plan {
            kind: config.template_type(),
            is_es6: config.distribution_version == Distribution::Es6,
            shards: config.number_of_shards,
            replicas: config.number_of_replicas,
            template: None,
            policy: None,
        }
    }

    /// Where the template is.
    pub(crate) fn template_path(&self, names: &Names) -> String {
        let folder = match self.kind {
            TemplateType::V1 => "_template",
            TemplateType::IndexTemplate => "_index_template",
        };
        format!("/{folder}/{}", encoded(&format!("{}-index-template", names.base())))
    }

    /// The version of the template that is there, out of the answer of `GET`.
    pub(crate) fn version_there(&self, answer: &Value) -> u64 {
        let template = match self.kind {
            TemplateType::V1 => answer.as_object().and_then(|it| it.values().next()),
            TemplateType::IndexTemplate => answer.pointer("/index_templates/0/index_template"),
        };
        template.map_or(0, version)
    }

    /// The version of ours; 0 if it has none.
    pub(crate) fn version(&self) -> u64 {
        self.template.as_ref().map_or(0, version)
    }

    /// The template to send, with its patterns and what the settings add to it; `None` if there is none.
    pub(crate) fn put_template(&self, names: &Names) -> Option<Put> {
        let mut body = self.template.clone()?;
        let pattern = if self.policy.is_some() {
            format!("{}-*", names.pattern)
        } else {
            names.pattern.clone()
        };
        body["index_patterns"] = json!([pattern]);
        let settings = match self.kind {
            TemplateType::V1 => entry(&mut body, "settings"),
            TemplateType::IndexTemplate => entry(entry(&mut body, "template"), "settings"),
        };
        for (name, value) in self.settings() {
            if !has_setting(settings, name) {
                settings[format!("index.{name}")] = value;
            }
        }
        if self.policy.is_some() {
            settings["plugins.index_state_management.rollover_alias"] = names.index.clone().into();
        }
        Some(Put { path: self.template_path(names), body })
    }

    /// Whether the template makes data streams of its names.
    pub(crate) fn makes_stream(&self) -> bool {
        self.template.as_ref().is_some_and(|it| it.get("data_stream").is_some())
    }

    /// The index to create. With a policy it is the first of many behind an alias.
    pub(crate) fn put_index(&self, names: &Names) -> Put {
        if self.makes_stream() {
            return Put {
                path: format!("/_data_stream/{}", encoded(&names.index)),
                body: json!({}),
            };
        }
        let mut body = json!({});
        // With a template, settings of the request would go before its own.
        if self.template.is_none() {
            for (name, value) in self.settings() {
                body["settings"][format!("index.{name}")] = value;
            }
        }
        let mut path = format!("/{}", encoded(&names.index));
        if self.policy.is_some() {
            body["settings"]["plugins.index_state_management.rollover_alias"] =
                names.index.clone().into();
            body["aliases"] = json!({ names.index.clone(): { "is_write_index": true } });
            path.push_str(FIRST);
        }
        Put { path, body }
    }

    /// The policy to send, under its old path if `is_old`.
    pub(crate) fn put_policy(&self, names: &Names, is_old: bool) -> Option<Put> {
        let folder = if is_old { "_opendistro" } else { "_plugins" };
        let name = encoded(&format!("{}-policy", names.base()));
        let body = self.policy.clone()?;
        Some(Put { path: format!("/{folder}/_ism/policies/{name}"), body })
    }

    /// A policy without the part that old clusters do not know.
    pub(crate) fn without_ism_template(mut policy: Value) -> Value {
        if let Some(inner) = policy.get_mut("policy").and_then(Value::as_object_mut) {
            inner.remove("ism_template");
        }
        policy
    }

    fn settings(&self) -> Vec<(&'static str, Value)> {
        let mut settings = Vec::new();
        // Elasticsearch 6 has it as well.
        settings.push(("gc_deletes", GC_DELETES.into()));
        if let Some(n) = self.shards {
            settings.push(("number_of_shards", n.into()));
        }
        if let Some(n) = self.replicas {
            settings.push(("number_of_replicas", n.into()));
        }
        settings
    }

    /// What stands behind the path of a template or an index.
    pub(crate) fn query(&self) -> &'static str {
        if self.is_es6 { "?include_type_name=true" } else { "" }
    }
}

impl Names {
    /// The name without its date, and the hyphen before it.
    fn base(&self) -> String {
        self.pattern.replace("-*", "").replace('*', "")
    }
}

/// Reads a template or a policy.
///
/// # Errors
///
/// When it is not a JSON object.
pub(crate) fn read_json(text: &str) -> Result<Value, String> {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("it is JSON, but not an object: it must begin with `{`".to_owned()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

fn version(template: &Value) -> u64 {
    let version = template.get("version");
    version.and_then(|it| it.as_u64().or_else(|| it.as_str()?.parse().ok())).unwrap_or(0)
}

fn entry<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    if !value[name].is_object() {
        value[name] = Value::Object(Map::new());
    }
    &mut value[name]
}

/// Whether a setting is given, in one of the ways it can be written.
fn has_setting(settings: &Value, name: &str) -> bool {
    settings.get(name).is_some()
        || settings.get(format!("index.{name}")).is_some()
        || settings.get("index").is_some_and(|it| it.get(name).is_some())
}

/// A name as it stands in a path.
pub(crate) fn encoded(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

#[cfg(test)]
mod tests;
