//! Templates: what a new index whose name matches begins with. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Alias;
use crate::{
    error::{Failure, Result},
    mapping::Mapping,
    raw::matches_wildcard,
    settings::Settings,
};

/// The templates, as they were given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Templates {
    /// Those of `_template`: all that match apply, the highest `order` last.
    pub legacy: BTreeMap<String, Value>,
    /// Those of `_index_template`: the one with the highest `priority` applies.
    pub index: BTreeMap<String, Value>,
    /// Those of `_component_template`, which index templates are composed of.
    pub component: BTreeMap<String, Value>,
}

/// What a new index begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    /// Its settings.
    pub settings: Settings,
    /// Its mapping.
    pub mapping: Mapping,
    /// Its aliases.
    pub aliases: BTreeMap<String, Alias>,
}

impl Templates {
    /// Refuses an index template that could not be applied.
    ///
    /// # Errors
    ///
    /// With what is wrong about it.
    pub fn check_index(&self, name: &str, body: &Value) -> Result<()> {
        let invalid = |reason: String| {
            let reason = format!("index_template [{name}] invalid, cause [{reason}]");
            Failure::new(400, "invalid_index_template_exception", reason)
        };
        check_members(
            body,
            &[
                "index_patterns",
                "template",
                "composed_of",
                "priority",
                "version",
                "_meta",
                "data_stream",
                "allow_auto_create",
            ],
            "index_template",
        )?;
        if patterns(body).is_empty() {
            return Err(Failure::validation(&["index patterns are missing"]));
        }
        for part in composed_of(body) {
            if !self.component.contains_key(part) {
                return Err(invalid(format!("component templates [{part}] that does not exist")));
            }
        }
        let priority = priority(body, "priority");
        for (other, it) in &self.index {
            let overlap = patterns(it)
                .iter()
                .any(|left| patterns(body).iter().any(|right| overlaps(left, right)));
            if other != name && overlap && self::priority(it, "priority") == priority {
                return Err(Failure::illegal_argument(format!(
                    "index template [{name}] has index patterns {:?} matching patterns from existing templates [{other}] with patterns ({other} => {:?}) that have the same priority [{priority}], multiple index templates may not match during index creation, please use a different priority",
                    patterns(body), patterns(it)
                ).replace('"', "")));
            }
        }
        Resolved::default().add(body.get("template").unwrap_or(&Value::Null))
    }

    /// Refuses a component template that could not be applied.
    ///
    /// # Errors
    ///
    /// With what is wrong about it.
    pub fn check_component(body: &Value) -> Result<()> {
        check_members(
            body,
            &["template", "version", "_meta", "allow_auto_create"],
            "component_template",
        )?;
        Resolved::default().add(body.get("template").unwrap_or(&Value::Null))
    }

    /// Refuses a legacy template that could not be applied.
    ///
    /// # Errors
    ///
    /// With what is wrong about it.
    pub fn check_legacy(body: &Value) -> Result<()> {
        check_members(
            body,
            &["index_patterns", "template", "order", "version", "settings", "mappings", "aliases"],
            "template",
        )?;
        if patterns(body).is_empty() {
            return Err(Failure::validation(&["index patterns are missing"]));
        }
        Resolved::default().add(body)
    }

    /// What an index called `name` begins with.
    ///
    /// # Errors
    ///
    /// When templates contradict each other.
    pub fn resolve(&self, name: &str) -> Result<Resolved> {
        let mut resolved = Resolved::default();
        let matching = |it: &&Value| patterns(it).iter().any(|it| matches_wildcard(it, name));
        let best = self.index.values().filter(matching).max_by_key(|it| priority(it, "priority"));
        if let Some(template) = best {
            for part in composed_of(template) {
                if let Some(component) = self.component.get(part) {
                    resolved.add(&component["template"])?;
                }
            }
            resolved.add(template.get("template").unwrap_or(&Value::Null))?;
            return Ok(resolved);
        }
        let mut legacy: Vec<&Value> = self.legacy.values().filter(matching).collect();
        legacy.sort_by_key(|it| priority(it, "order"));
        for template in legacy {
            resolved.add(template)?;
        }
        Ok(resolved)
    }
}

impl Resolved {
    /// Adds what a template, or the request itself, says; it goes before what was there.
    ///
    /// # Errors
    ///
    /// When something in it makes no sense.
    pub fn add(&mut self, body: &Value) -> Result<()> {
        let get = |name: &str| body.get(name).filter(|it| !it.is_null());
        if let Some(settings) = get("settings") {
            self.settings.0.extend(Settings::read(settings)?.0);
        }
        if let Some(mappings) = get("mappings") {
            let added = Mapping::read(mappings)?;
            self.override_mapping(&added, mappings)?;
        }
        if let Some(aliases) = get("aliases") {
            let aliases = aliases
                .as_object()
                .ok_or_else(|| Failure::parsing("[aliases] must be an object"))?;
            for (name, how) in aliases {
                self.aliases.insert(name.clone(), Alias::read(how)?);
            }
        }
        Ok(())
    }

    /// A field may have another type here than in a template: what comes later counts.
    fn override_mapping(&mut self, added: &Mapping, given: &Value) -> Result<()> {
        let mut before = self.mapping.to_json();
        overlay(&mut before, &added.to_json(), given);
        self.mapping = Mapping::read(&before)?;
        Ok(())
    }
}

/// Puts `new` over `old`: objects member by member, but a field with a type as a whole.
fn overlay(old: &mut Value, new: &Value, given: &Value) {
    let (Value::Object(old_members), Value::Object(new_members)) = (&mut *old, new) else {
        *old = new.clone();
        return;
    };
    for (name, value) in new_members {
        let is_field = |it: &Value| {
            it.get("type").is_some_and(Value::is_string) && it.get("properties").is_none()
        };
        match old_members.get_mut(name) {
            Some(known) if known.is_object() && !is_field(value) && !is_field(known) => {
                overlay(known, value, given);
            }
            _ => {
                old_members.insert(name.clone(), value.clone());
            }
        }
    }
}

fn check_members(body: &Value, known: &[&str], what: &str) -> Result<()> {
    let members =
        body.as_object().ok_or_else(|| Failure::parsing(format!("a {what} must be an object")))?;
    match members.keys().find(|it| !known.contains(&it.as_str())) {
        Some(unknown) => Err(Failure::parsing(format!("[{what}] unknown field [{unknown}]"))),
        None => Ok(()),
    }
}

fn patterns(template: &Value) -> Vec<&str> {
    match template.get("index_patterns") {
        Some(Value::Array(patterns)) => patterns.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(pattern)) => vec![pattern],
        // The form of version 5.
        _ => template.get("template").and_then(Value::as_str).into_iter().collect(),
    }
}

fn composed_of(template: &Value) -> Vec<&str> {
    let parts = template.get("composed_of").and_then(Value::as_array);
    parts.map(|it| it.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

fn priority(template: &Value, name: &str) -> i64 {
    template.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// Whether some name matches both patterns, as far as their ends tell.
fn overlaps(left: &str, right: &str) -> bool {
    let head = |it: &str| it.split('*').next().unwrap_or_default().to_owned();
    let tail = |it: &str| it.rsplit('*').next().unwrap_or_default().to_owned();
    match (left.contains('*'), right.contains('*')) {
        (true, true) => {
            let (l, r) = (head(left), head(right));
            let (lt, rt) = (tail(left), tail(right));
            (l.starts_with(&r) || r.starts_with(&l)) && (lt.ends_with(&rt) || rt.ends_with(&lt))
        }
        (true, false) => matches_wildcard(left, right),
        (false, _) => matches_wildcard(right, left),
    }
}

/// A legacy template as it is shown: settings with their full names.
pub fn shown(template: &Value) -> Value {
    let mut out = Map::new();
    out.insert("order".into(), json!(priority(template, "order")));
    out.insert("index_patterns".into(), json!(patterns(template)));
    for name in ["version", "settings", "mappings", "aliases"] {
        let value = template.get(name).cloned();
        let value = match (name, value) {
            ("version", None) => continue,
            ("settings", Some(settings)) => {
                Settings::read(&settings).map(|it| it.nested()).unwrap_or(settings)
            }
            (_, value) => value.unwrap_or_else(|| json!({})),
        };
        out.insert(name.into(), value);
    }
    Value::Object(out)
}
