//! The reference, made of the code itself: settings with their comments and defaults, functions with
//! their examples, metrics. `build.rs` collected the settings.

mod pages;
mod parity;
mod schema;

use serde::Deserialize;
use std::collections::BTreeMap;

pub(crate) use self::{pages::pages, schema::schema};

/// What `build.rs` collected.
const COLLECTED: &str = include_str!(concat!(env!("OUT_DIR"), "/settings.json"));

/// A source, sink or processor, as it describes itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Plugin {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The comment its file begins with.
    pub(crate) about: String,
    pub(crate) example: Option<String>,
    pub(crate) types: BTreeMap<String, Described>,
}

/// A type that settings are made of.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Described {
    pub(crate) about: String,
    /// A text with a meaning of its own.
    pub(crate) leaf: bool,
    pub(crate) fields: Vec<Setting>,
    pub(crate) variants: Vec<Variant>,
}

/// One setting.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) about: String,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    pub(crate) needed: bool,
    pub(crate) default: Option<String>,
    pub(crate) aliases: Vec<String>,
    pub(crate) flatten: bool,
}

/// One of several words.
#[derive(Debug, Deserialize)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) default: bool,
}

/// What may be written for a setting.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub(crate) enum Kind {
    Any,
    Bool,
    Integer,
    Number,
    Text,
    List { of: Box<Kind> },
    Map { of: Box<Kind> },
    Named { name: String },
}

/// Every plugin, by kind and name.
pub(crate) fn plugins() -> Vec<Plugin> {
    let mut plugins: Vec<Plugin> =
        serde_json::from_str(COLLECTED).expect("`build.rs` wrote it for us");
    plugins.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
    plugins
}

impl Plugin {
    /// All its settings, those of the settings in them as `table[].stream.start_position`.
    pub(crate) fn settings(&self) -> Vec<(String, Setting)> {
        let mut settings = Vec::new();
        self.add("Config", "", &mut Vec::new(), &mut settings);
        settings
    }

    fn add(
        &self,
        name: &str,
        prefix: &str,
        within: &mut Vec<String>,
        out: &mut Vec<(String, Setting)>,
    ) {
        let Some(described) = self.types.get(name).filter(|_| !within.iter().any(|it| it == name))
        else {
            return;
        };
        within.push(name.to_owned());
        for setting in &described.fields {
            let path = format!("{prefix}{}", setting.name);
            if !setting.flatten {
                out.push((path.clone(), setting.clone()));
            }
            let (inner, step) = innermost(&setting.kind);
            if let Kind::Named { name } = inner {
                let prefix = if setting.flatten { prefix.to_owned() } else { path + step + "." };
                self.add(name, &prefix, within, out);
            }
        }
        within.pop();
    }

    /// What it says of itself without where it differs, and where it does.
    pub(crate) fn about_and_differences(&self) -> (String, Option<String>) {
        let paragraphs = self.about.split("\n\n");
        let (differs, about): (Vec<&str>, Vec<&str>) =
            paragraphs.partition(|it| it.starts_with("Differs from Data Prepper"));
        let differs = differs.join("\n\n").replace("Differs from Data Prepper: ", "");
        (about.join("\n\n"), (!differs.is_empty()).then_some(differs))
    }

    /// What may be written for a setting, in words.
    pub(crate) fn words(&self, kind: &Kind) -> String {
        match kind {
            Kind::Any => "anything".to_owned(),
            Kind::Bool => "`true` or `false`".to_owned(),
            Kind::Integer => "a whole number".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Text => "a text".to_owned(),
            Kind::List { of } => format!("list: {}", self.words(of)),
            Kind::Map { of } => format!("map: {}", self.words(of)),
            Kind::Named { name } => match self.types.get(name) {
                Some(it) if !it.variants.is_empty() => {
                    let names: Vec<String> =
                        it.variants.iter().map(|it| format!("`{}`", it.name)).collect();
                    names.join(", ")
                }
                Some(it) if !it.leaf && !it.fields.is_empty() => "settings".to_owned(),
                _ => match name.as_str() {
                    "Condition" | "ValueExpression" | "Expression" => "an expression",
                    "Key" | "Pointer" => "a field, `a/b`",
                    "Format" | "Template" => "a text with `${…}`",
                    "Period" => "a duration, `60s`",
                    "ByteCount" => "a size, `10mb`",
                    "TableArn" => "the ARN of a table",
                    _ => "a text",
                }
                .to_owned(),
            },
        }
    }

    /// The words that may be written for a setting, where each says what it means.
    pub(crate) fn choices(&self, kind: &Kind) -> impl Iterator<Item = &Variant> {
        let described = match innermost(kind).0 {
            Kind::Named { name } => self.types.get(name),
            _ => None,
        };
        described.into_iter().flat_map(|it| &it.variants).filter(|it| !it.about.is_empty())
    }

    /// The default of a setting; none if it must be given or is simply absent.
    pub(crate) fn default_of(&self, setting: &Setting) -> Option<String> {
        if let Some(default) = &setting.default {
            return Some(default.clone());
        }
        match &setting.kind {
            _ if setting.needed => None,
            Kind::Bool => Some("false".to_owned()),
            Kind::Named { name } => {
                let described = self.types.get(name)?;
                described.variants.iter().find(|it| it.default).map(|it| it.name.clone())
            }
            _ => None,
        }
    }
}

/// What lists and maps hold, and how a path goes into them.
fn innermost(kind: &Kind) -> (&Kind, &'static str) {
    match kind {
        Kind::List { of } => (innermost(of).0, "[]"),
        Kind::Map { of } => (innermost(of).0, ".*"),
        other => (other, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_and_setting_says_what_it_is() {
        let plugins = plugins();
        for factory in processors::ALL {
            assert!(
                plugins.iter().any(|it| it.name == factory.name && it.kind == "processor"),
                "{} is not described",
                factory.name
            );
        }
        let mut silent = Vec::new();
        for plugin in &plugins {
            let settings = plugin.settings();
            assert!(!plugin.about.is_empty(), "{}", plugin.name);
            silent.extend(
                settings
                    .iter()
                    .filter(|(_, it)| it.about.is_empty())
                    .map(|(path, _)| format!("{}: {path}", plugin.name)),
            );
        }
        assert!(silent.is_empty(), "say what these are for:\n{}", silent.join("\n"));
    }

    #[test]
    fn settings_are_found_with_their_defaults() {
        let plugins = plugins();
        let plugin = plugins.iter().find(|it| it.name == "dynamodb").unwrap();
        let settings = plugin.settings();
        let find = |path: &str| {
            let found = settings.iter().find(|(it, _)| it == path);
            found.unwrap_or_else(|| panic!("no {path} in {settings:?}")).1.clone()
        };
        assert!(find("tables").needed && find("tables[].table_arn").needed);
        let start = find("tables[].stream.start_position");
        assert_eq!(plugin.default_of(&start).as_deref(), Some("LATEST"));
        assert_eq!(plugin.words(&start.kind), "`TRIM_HORIZON`, `LATEST`");
        let plugin = plugins.iter().find(|it| it.name == "add_entries").unwrap();
        let overwrite = plugin.settings();
        let overwrite =
            overwrite.iter().find(|(it, _)| it == "entries[].overwrite_if_key_exists").unwrap();
        assert_eq!(plugin.default_of(&overwrite.1).as_deref(), Some("false"));
    }
}
