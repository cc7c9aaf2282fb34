//! The JSON Schema of pipeline files, for editors. Pure.

use serde_json::{Map, Value, json};

use super::{Described, Kind, Plugin, Setting, plugins};

/// Settings that every sink has.
fn common_of_sinks() -> Map<String, Value> {
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let common = json!({
        "routes": described(texts.clone(), "The event goes here if one of these routes is true of it; `_default` stands for none."),
        "tags_target_key": described(json!({ "type": "string" }), "The field that gets the event's tags."),
        "include_keys": described(texts.clone(), "Only these fields are written."),
        "exclude_keys": described(texts.clone(), "These fields are not written."),
        "forward_to": {
            "type": "object",
            "description": "Pipelines without a source that get the event once it is written.",
            "properties": { "pipelines": texts, "with_data": { "type": "object" }, "with_metadata": { "type": "object" } },
            "required": ["pipelines"],
            "additionalProperties": false,
        },
    });
    match common {
        Value::Object(common) => common,
        _ => Map::default(),
    }
}

/// The schema.
pub(crate) fn schema() -> Value {
    let plugins = plugins();
    let mut sources = one_of(&plugins, "source");
    let mut sinks = one_of(&plugins, "sink");
    let mut processors = one_of(&plugins, "processor");
    let other = json!({
        "type": "object",
        "properties": { "name": { "type": "string" } },
        "required": ["name"],
        "additionalProperties": false,
    });
    sources.insert(
        "pipeline".to_owned(),
        described(other.clone(), "The pipeline that feeds this one."),
    );
    sinks.insert("pipeline".to_owned(), described(other, "The pipeline that this one feeds."));
    sinks.insert("stdout".to_owned(), json!({ "type": ["object", "null"], "properties": {}, "additionalProperties": false, "description": "Prints documents, one a line." }));
    for sink in sinks.values_mut() {
        if let Some(properties) = sink["properties"].as_object_mut() {
            for (name, schema) in common_of_sinks() {
                properties.entry(name).or_insert(schema);
            }
        }
    }
    for (old, new) in processors::RENAMED {
        if let Some(mut schema) = processors.get(*new).cloned() {
            schema["deprecated"] = true.into();
            processors.insert((*old).to_owned(), schema);
        }
    }
    let pipeline = json!({
        "type": "object",
        "properties": {
            "source": single(&sources, "Where events come from."),
            "buffer": { "type": "object", "description": "How much may wait between source and processors." },
            "processor": { "type": "array", "items": single_or_name(&processors), "description": "What changes the events, in this order." },
            "route": routes(),
            "routes": { "deprecated": true, "$ref": "#/$defs/routes" },
            "sink": { "type": "array", "minItems": 1, "items": single_or_name(&sinks), "description": "Where events go." },
            "workers": described(json!({ "type": ["integer", "string"], "minimum": 1 }), "How many batches may be written at a time; by default one of each shard."),
            "delay": described(json!({ "type": ["integer", "string"], "minimum": 0 }), "How long to wait for a batch to fill up, in milliseconds; by default not at all."),
        },
        "required": ["sink"],
        "additionalProperties": false,
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Streamdex pipeline file",
        "type": "object",
        "properties": {
            "version": { "type": ["string", "number"], "description": "The version of the format: \"2\"." },
            "extension": { "$ref": "#/$defs/extension" },
            "pipeline_configurations": { "$ref": "#/$defs/extension" },
        },
        "additionalProperties": { "$ref": "#/$defs/pipeline" },
        "$defs": { "pipeline": pipeline, "extension": extension(), "routes": routes() },
    })
}

fn routes() -> Value {
    json!({
        "type": "array",
        "items": { "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": { "type": ["string", "boolean"] } },
        "description": "Conditions with names that sinks refer to.",
    })
}

fn extension() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "description": "What all pipelines share: secrets, and credentials for whoever has none.",
        "properties": { "aws": {
            "type": "object",
            "properties": {
                "secrets": { "type": "object", "additionalProperties": {
                    "type": "object",
                    "properties": {
                        "secret_id": text, "region": text, "sts_role_arn": text,
                        "refresh_interval": text, "disable_refresh": { "type": "boolean" },
                        "sts_header_overrides": { "type": "object" },
                        "skip_validation_on_start": { "type": "boolean" },
                    },
                    "required": ["secret_id"],
                    "additionalProperties": false,
                }},
                "configurations": { "type": "object", "properties": { "default": { "type": "object" } } },
            },
            "additionalProperties": false,
        }, "geoip_service": {
            "type": "object",
            "properties": { "maxmind": { "type": "object", "properties": { "databases": {
                "type": "object",
                "properties": { "city": text, "country": text, "asn": text, "enterprise": text },
                "additionalProperties": false,
            }}}},
            "additionalProperties": false,
        }},
    })
}

fn described(mut schema: Value, about: &str) -> Value {
    schema["description"] = about.into();
    schema
}

/// Plugins of a kind by name.
fn one_of(plugins: &[Plugin], kind: &str) -> Map<String, Value> {
    let these = plugins.iter().filter(|it| it.kind == kind);
    these
        .map(|plugin| {
            let schema = plugin.types.get("Config").map_or_else(nothing, |it| plugin.object(it, 0));
            (plugin.name.clone(), described(schema, first_line(&plugin.about)))
        })
        .collect()
}

fn nothing() -> Value {
    json!({ "type": ["object", "null"] })
}

fn first_line(text: &str) -> &str {
    text.split("\n\n").next().unwrap_or_default()
}

/// A map with one key.
fn single(choices: &Map<String, Value>, about: &str) -> Value {
    json!({
        "type": "object",
        "properties": choices,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
        "description": about,
    })
}

/// The same, or only the name.
fn single_or_name(choices: &Map<String, Value>) -> Value {
    let names: Vec<&String> = choices.keys().collect();
    json!({ "anyOf": [single(choices, "A plugin and its settings."), { "enum": names }] })
}

/// How deep settings are followed; some conditions hold themselves.
const DEPTH_MAX: usize = 8;

impl Plugin {
    fn object(&self, described: &Described, depth: usize) -> Value {
        let mut properties = Map::default();
        let mut needed: Vec<&str> = Vec::new();
        self.add_properties(described, depth, &mut properties, &mut needed);
        let kinds = if needed.is_empty() { json!(["object", "null"]) } else { json!("object") };
        json!({
            "type": kinds,
            "properties": properties,
            "required": needed,
            "additionalProperties": false,
        })
    }

    fn add_properties<'a>(
        &'a self,
        described: &'a Described,
        depth: usize,
        properties: &mut Map<String, Value>,
        needed: &mut Vec<&'a str>,
    ) {
        for setting in &described.fields {
            if setting.flatten {
                if let Kind::Named { name } = &setting.kind
                    && let Some(inner) = self.types.get(name)
                {
                    self.add_properties(inner, depth + 1, properties, needed);
                }
                continue;
            }
            properties.insert(setting.name.clone(), self.property(setting, depth));
            for alias in &setting.aliases {
                let mut schema = self.property(setting, depth);
                schema["deprecated"] = true.into();
                properties.insert(alias.clone(), schema);
            }
            // Under another name it is not missing.
            if setting.needed && setting.aliases.is_empty() {
                needed.push(&setting.name);
            }
        }
    }

    fn property(&self, setting: &Setting, depth: usize) -> Value {
        let mut schema = self.of_kind(&setting.kind, depth);
        if !setting.about.is_empty() {
            schema["description"] = setting.about.as_str().into();
        }
        if let Some(default) = self.default_of(setting) {
            schema["default"] = serde_json::from_str(&default).unwrap_or_else(|_| default.into());
        }
        schema
    }

    /// Numbers and booleans may come from the environment or a secret, as texts.
    fn of_kind(&self, kind: &Kind, depth: usize) -> Value {
        match kind {
            _ if DEPTH_MAX < depth => json!({}),
            Kind::Any => json!({}),
            Kind::Bool => json!({ "type": ["boolean", "string"] }),
            Kind::Integer => json!({ "type": ["integer", "string", "null"] }),
            Kind::Number => json!({ "type": ["number", "string", "null"] }),
            Kind::Text => json!({ "type": ["string", "number", "boolean", "null"] }),
            Kind::List { of } => {
                json!({ "type": ["array", "null"], "items": self.of_kind(of, depth + 1) })
            }
            Kind::Map { of } => {
                json!({ "type": ["object", "null"], "additionalProperties": self.of_kind(of, depth + 1) })
            }
            Kind::Named { name } => match self.types.get(name) {
                Some(it) if !it.variants.is_empty() => {
                    let names: Vec<&str> = it.variants.iter().map(|it| it.name.as_str()).collect();
                    json!({ "enum": names })
                }
                Some(it) if !it.leaf && !it.fields.is_empty() => self.object(it, depth + 1),
                // A type with a reading of its own.
                _ => json!({}),
            },
        }
    }
}
