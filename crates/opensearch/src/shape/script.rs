//! A script that changes a document, and what it is told. Pure.

use expression::Template;
use pipeline::{ConfigError, Event, Settings, Value};
use wire::json::{write_escaped, write_string};

use crate::config::ScriptBlock;

/// The parameter that is the document.
const DOCUMENT: &str = "doc";

#[derive(Debug)]
pub(super) struct Script {
    /// Up to the document.
    head: Vec<u8>,
    params: Vec<(String, Param)>,
}

#[derive(Debug)]
enum Param {
    /// As JSON.
    Same(Vec<u8>),
    Made(Template),
}

impl Script {
    pub(super) fn new(block: &ScriptBlock, settings: &Settings) -> Result<Script, ConfigError> {
        let lines = block.source.lines().map(str::trim);
        let source: Vec<&str> =
            lines.filter(|it| !it.is_empty() && !it.starts_with("//")).collect();
        let mut head = b"{\"lang\":\"painless\",\"source\":".to_vec();
        write_string(&source.join("\n"), &mut head);
        head.extend_from_slice(b",\"params\":{\"doc\":");
        let mut params = Vec::new();
        for (name, value) in &block.params {
            if name == DOCUMENT {
                let problem = "`doc` is the document itself; call the parameter something else";
                return Err(settings.problem("script.params.doc", problem));
            }
            params.push((name.clone(), param(name, value, settings)?));
        }
        Ok(Script { head, params })
    }

    pub(super) fn uses_fields(&self) -> bool {
        self.params.iter().any(|(_, it)| matches!(it, Param::Made(it) if it.uses_fields()))
    }

    /// What stands before the document.
    pub(super) fn write_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
    }

    /// What stands behind it.
    ///
    /// # Errors
    ///
    /// When a parameter has no value for this event.
    pub(super) fn write_rest(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), String> {
        for (name, param) in &self.params {
            out.push(b',');
            write_string(name, out);
            out.push(b':');
            match param {
                Param::Same(json) => out.extend_from_slice(json),
                Param::Made(template) => {
                    let mut text = String::new();
                    template.render(event, &mut text).map_err(|error| {
                        format!("the parameter `{name}` of the script cannot be told: {error}")
                    })?;
                    out.push(b'"');
                    write_escaped(&text, out);
                    out.push(b'"');
                }
            }
        }
        out.extend_from_slice(b"}}");
        Ok(())
    }
}

fn param(name: &str, value: &Value, settings: &Settings) -> Result<Param, ConfigError> {
    if let Value::String(text) = value {
        let template = Template::parse(text).map_err(|error| {
            settings.problem(&format!("script.params.{name}"), error.to_string())
        })?;
        if template.literal().is_none() {
            return Ok(Param::Made(template));
        }
    }
    let mut json = Vec::new();
    value.write_json(&mut json);
    Ok(Param::Same(json))
}
