//! The settings of an index: flat names, and values as text, as OpenSearch shows them. Pure.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use crate::{
    error::{Failure, Result},
    mapping::FIELDS_MAX,
};

/// Settings by their full name, such as `index.number_of_shards`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(pub BTreeMap<String, String>);

/// Settings that can only be given when an index is made.
const FINAL: [&str; 9] = [
    "index.number_of_shards",
    "index.number_of_routing_shards",
    "index.codec",
    "index.soft_deletes.enabled",
    "index.sort.field",
    "index.sort.order",
    "index.shard.check_on_startup",
    "index.knn",
    "index.tombstones",
];

/// The first part of every name we know. What we do not act upon is kept and shown.
const KNOWN: [&str; 44] = [
    "number_of_shards",
    "number_of_replicas",
    "number_of_routing_shards",
    "auto_expand_replicas",
    "refresh_interval",
    "gc_deletes",
    "tombstones",
    "translog",
    "max_result_window",
    "max_inner_result_window",
    "max_rescore_window",
    "max_docvalue_fields_search",
    "max_script_fields",
    "max_ngram_diff",
    "max_shingle_diff",
    "max_refresh_listeners",
    "max_terms_count",
    "max_regex_length",
    "max_slices_per_scroll",
    "mapping",
    "mapper",
    "analysis",
    "analyze",
    "blocks",
    "codec",
    "hidden",
    "priority",
    "query",
    "search",
    "indexing",
    "merge",
    "routing",
    "routing_partition_size",
    "sort",
    "soft_deletes",
    "shard",
    "store",
    "unassigned",
    "write",
    "default_pipeline",
    "final_pipeline",
    "highlight",
    "knn",
    "plugins",
];

impl Settings {
    /// Reads settings in any of the ways they may be written: nested, flat, with or without
    /// `index.`.
    ///
    /// # Errors
    ///
    /// When a name is unknown or a value makes no sense.
    pub fn read(value: &Value) -> Result<Settings> {
        let mut flat = BTreeMap::new();
        flatten(value, "", &mut flat)?;
        let settings = flat.into_iter().map(|(name, value)| {
            let name = match name.strip_prefix("index.") {
                Some(rest) => rest.to_owned(),
                None => name,
            };
            (format!("index.{name}"), value)
        });
        let settings = Settings(settings.collect());
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        for (name, value) in &self.0 {
            let short = name.trim_start_matches("index.");
            let first = short.split('.').next().unwrap_or_default();
            if !KNOWN.contains(&first) {
                return Err(Failure::illegal_argument(format!(
                    "unknown setting [{name}] please check that any required plugins are installed, \
                     or check the breaking changes documentation for removed settings"
                )));
            }
            let refuse = |why: String| {
                Err(Failure::illegal_argument(format!(
                    "Failed to parse value [{value}] for setting [{name}]{why}"
                )))
            };
            let (min, max) = match short {
                "number_of_shards" => (1, 1024),
                "number_of_replicas" => (0, i64::MAX),
                "max_result_window" => (1, i64::MAX),
                _ => {
                    let is_time =
                        matches!(short, "refresh_interval" | "gc_deletes") && value != NULL;
                    if is_time && value != "-1" && time(value).is_none() {
                        return refuse(" as a time value: unit is missing or unrecognized".into());
                    }
                    continue;
                }
            };
            match value.parse::<i64>() {
                Err(_) => return refuse(String::new()),
                Ok(it) if it < min => return refuse(format!(" must be >= {min}")),
                Ok(it) if max < it => return refuse(format!(" must be <= {max}")),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Takes over `changes`; a value of `null` takes a setting back.
    ///
    /// # Errors
    ///
    /// When one of them cannot change; `index` is its name and uuid, for the message.
    pub fn update(&mut self, changes: &Settings, index: &str) -> Result<()> {
        let fixed: Vec<&str> =
            changes.0.keys().map(String::as_str).filter(|it| FINAL.contains(it)).collect();
        if !fixed.is_empty() {
            return Err(Failure::illegal_argument(format!(
                "Can't update non dynamic settings [[{}]] for open indices [[{index}]]",
                fixed.join(", ")
            )));
        }
        for (name, value) in &changes.0 {
            if value == NULL {
                self.0.remove(name);
            } else {
                self.0.insert(name.clone(), value.clone());
            }
        }
        Ok(())
    }

    /// The value of `index.<name>`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&format!("index.{name}")).map(String::as_str)
    }

    /// How many shards the index says it has. All of them are one here.
    pub fn n_shards(&self) -> u64 {
        self.get("number_of_shards").and_then(|it| it.parse().ok()).unwrap_or(1)
    }

    /// How many copies of them the index asks for.
    pub fn n_replicas(&self) -> u64 {
        self.get("number_of_replicas").and_then(|it| it.parse().ok()).unwrap_or(1)
    }

    /// How often what was written becomes visible to searches; never by itself, if nothing.
    pub fn refresh_interval(&self) -> Option<Duration> {
        match self.get("refresh_interval") {
            Some("-1") => None,
            Some(text) => time(text),
            None => Some(Duration::from_secs(1)),
        }
    }

    /// How long a delete is remembered; forever, if nothing.
    pub fn gc_deletes(&self) -> Option<Duration> {
        if self.get("tombstones") == Some("durable") {
            return None;
        }
        Some(self.get("gc_deletes").and_then(time).unwrap_or(Duration::from_mins(1)))
    }

    /// Whether a write is on the disk before it is acknowledged.
    pub fn syncs_each_request(&self) -> bool {
        self.get("translog.durability").is_none_or(|it| !it.eq_ignore_ascii_case("async"))
    }

    /// How far into the results a search may look.
    pub fn max_result_window(&self) -> usize {
        self.get("max_result_window").and_then(|it| it.parse().ok()).unwrap_or(10_000)
    }

    /// How many fields the mapping may have.
    pub fn fields_max(&self) -> usize {
        let limit = self.get("mapping.total_fields.limit");
        limit.and_then(|it| it.parse().ok()).unwrap_or(FIELDS_MAX)
    }

    /// Why a write may not happen, if it may not.
    pub fn write_block(&self, index: &str) -> Option<Failure> {
        let is_on = |name: &str| self.get(name) == Some("true");
        let (status, block) = if is_on("blocks.read_only") {
            (403, "FORBIDDEN/5/index read-only (api)")
        } else if is_on("blocks.write") {
            (403, "FORBIDDEN/8/index write (api)")
        } else if is_on("blocks.read_only_allow_delete") {
            (
                429,
                "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block",
            )
        } else {
            return None;
        };
        let reason = format!("index [{index}] blocked by: [{block}];");
        Some(Failure::new(status, "cluster_block_exception", reason))
    }

    /// As objects inside each other, as `GET _settings` shows them.
    pub fn nested(&self) -> Value {
        let mut root = Map::new();
        for (name, value) in &self.0 {
            let mut object = &mut root;
            let mut parts = name.split('.').peekable();
            while let Some(part) = parts.next() {
                if parts.peek().is_none() {
                    let value = serde_json::from_str(value)
                        .ok()
                        .filter(Value::is_array)
                        .unwrap_or_else(|| value.as_str().into());
                    object.insert(part.to_owned(), value);
                    break;
                }
                let inner = object.entry(part).or_insert_with(|| Value::Object(Map::new()));
                if !inner.is_object() {
                    *inner = Value::Object(Map::new());
                }
                let Value::Object(inner) = inner else { unreachable!("it was made an object") };
                object = inner;
            }
        }
        Value::Object(root)
    }
}

const NULL: &str = "null";
/// How deep settings may be nested.
const DEPTH_MAX: usize = 20;

fn flatten(value: &Value, path: &str, out: &mut BTreeMap<String, String>) -> Result<()> {
    let Value::Object(members) = value else {
        return Err(Failure::parsing("settings must be an object"));
    };
    if DEPTH_MAX < path.split('.').count() {
        return Err(Failure::parsing("settings are nested too deeply"));
    }
    for (name, value) in members {
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            Value::Object(_) => flatten(value, &full, out)?,
            Value::String(text) => {
                out.insert(full, text.clone());
            }
            other => {
                out.insert(full, other.to_string());
            }
        }
    }
    Ok(())
}

/// A time as OpenSearch writes it: `30s`, `500ms`, `1h`.
pub fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let split = text.find(|it: char| !it.is_ascii_digit() && it != '.')?;
    let number: f64 = text[..split].parse().ok()?;
    let seconds = match &text[split..] {
        "nanos" => 1e-9,
        "micros" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_the_same_however_they_are_written() {
        for value in [
            json!({ "number_of_shards": 2, "translog": { "durability": "async" } }),
            json!({ "index": { "number_of_shards": "2", "translog.durability": "async" } }),
            json!({ "index.number_of_shards": 2, "index.translog.durability": "async" }),
        ] {
            let settings = Settings::read(&value).unwrap();
            assert_eq!(settings.n_shards(), 2, "{value}");
            assert!(!settings.syncs_each_request(), "{value}");
            assert_eq!(
                settings.nested(),
                json!({ "index": { "number_of_shards": "2", "translog": { "durability": "async" } } })
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (value, reason) in [
            (
                json!({ "number_of_shards": 0 }),
                "Failed to parse value [0] for setting [index.number_of_shards] must be >= 1",
            ),
            (
                json!({ "number_of_shards": "x" }),
                "Failed to parse value [x] for setting [index.number_of_shards]",
            ),
            (
                json!({ "refresh_interval": "soon" }),
                "Failed to parse value [soon] for setting [index.refresh_interval] as a time value: unit is missing or unrecognized",
            ),
            (
                json!({ "nunber_of_shards": 1 }),
                "unknown setting [index.nunber_of_shards] please check that any required plugins are installed, or check the breaking changes documentation for removed settings",
            ),
        ] {
            assert_eq!(Settings::read(&value).unwrap_err().reason, reason);
        }
    }

    #[test]
    fn only_dynamic_settings_change() {
        let mut settings =
            Settings::read(&json!({ "number_of_shards": 1, "gc_deletes": "1h" })).unwrap();
        let change = |value: Value| Settings::read(&value).unwrap();
        settings.update(&change(json!({ "refresh_interval": "-1" })), "books/u").unwrap();
        assert_eq!(settings.refresh_interval(), None);
        settings.update(&change(json!({ "refresh_interval": null })), "books/u").unwrap();
        assert_eq!(settings.refresh_interval(), Some(Duration::from_secs(1)));
        assert_eq!(settings.gc_deletes(), Some(Duration::from_hours(1)));
        assert_eq!(
            settings
                .update(&change(json!({ "number_of_shards": 2 })), "books/u")
                .unwrap_err()
                .reason,
            "Can't update non dynamic settings [[index.number_of_shards]] for open indices [[books/u]]"
        );
    }

    #[test]
    fn times_have_units() {
        for (text, ms) in [
            ("500ms", Some(500)),
            ("1.5s", Some(1500)),
            ("2m", Some(120_000)),
            ("0", Some(0)),
            ("5", None),
            ("x", None),
        ] {
            assert_eq!(time(text), ms.map(Duration::from_millis), "{text}");
        }
    }
}
