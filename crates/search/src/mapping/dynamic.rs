//! Fields that nobody declared: what type they get from the first value seen. Pure.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Field, Mapping, Node, Object, read};
use crate::{
    date,
    error::{Failure, Result},
    raw::matches_wildcard,
};

/// One entry of `dynamic_templates`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    pub name: String,
    given: Map<String, Value>,
}

/// What was seen where no field was known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sight {
    /// An object, so that even an empty one is mapped.
    Object,
    String(String),
    /// The text of a number.
    Number(String),
    Boolean,
}

impl Template {
    pub(super) fn read_all(value: &Value) -> Result<Vec<Template>> {
        let entries = value.as_array().ok_or_else(|| {
            Failure::mapper_parsing(
                "Dynamic template syntax error. An array of named objects is expected.",
            )
        })?;
        entries
            .iter()
            .map(|entry| match entry.as_object().map(|it| it.iter().collect::<Vec<_>>()) {
                Some(members) if members.len() == 1 => match members[0] {
                    (name, Value::Object(given)) if given.contains_key("mapping") => {
                        Ok(Template { name: name.clone(), given: given.clone() })
                    }
                    (name, _) => Err(Failure::mapper_parsing(format!(
                        "template [{name}] must have a mapping"
                    ))),
                },
                _ => Err(Failure::mapper_parsing("A dynamic template must be defined with a name")),
            })
            .collect()
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ (self.name.as_str()): self.given })
    }

    fn matches(&self, path: &str, kind: &str) -> bool {
        let name = path.rsplit('.').next().unwrap_or(path);
        let says = |param: &str, text: &str| {
            let pattern = self.given.get(param)?;
            Some(match pattern {
                Value::Array(each) => {
                    each.iter().filter_map(Value::as_str).any(|it| matches_wildcard(it, text))
                }
                pattern => matches_wildcard(pattern.as_str().unwrap_or_default(), text),
            })
        };
        says("match", name).unwrap_or(true)
            && !says("unmatch", name).unwrap_or(false)
            && says("path_match", path).unwrap_or(true)
            && !says("path_unmatch", path).unwrap_or(false)
            && says("match_mapping_type", kind).unwrap_or(true)
    }

    /// The field it makes, with the placeholders filled in.
    fn field(&self, path: &str, kind: &str) -> Result<Field> {
        let name = path.rsplit('.').next().unwrap_or(path);
        let default = default_type(kind);
        let text = self.given["mapping"].to_string();
        let text = text.replace("{name}", name).replace("{dynamic_type}", default);
        let mapping: Value = serde_json::from_str(&text)
            .map_err(|it| Failure::mapper_parsing(format!("template [{}]: {it}", self.name)))?;
        let members = mapping.as_object().cloned().unwrap_or_default();
        let kind = members.get("type").and_then(Value::as_str).unwrap_or(default).to_owned();
        read::field(&kind, &members, name, path)
    }
}

fn default_type(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "double" => "float",
        other => other,
    }
}

impl Mapping {
    /// Adds a field at `path` for what was seen there.
    ///
    /// # Errors
    ///
    /// When the value has no type, a name on the way is empty or belongs to a field of another
    /// kind.
    pub(crate) fn add(&mut self, path: &str, sight: &Sight) -> Result<()> {
        let names: Vec<&str> = path.split('.').collect();
        let node = match sight {
            Sight::Object => Node::Object(Object::default()),
            _ => Node::Field(Arc::new(self.guess(path, sight)?)),
        };
        let mut addition = Mapping::default();
        let mut object = &mut addition.root;
        let (last, objects) = names.split_last().expect("a path has a part");
        for name in objects {
            let inner = object.properties.entry((*name).to_owned());
            match inner.or_insert_with(|| Node::Object(Object::default())) {
                Node::Object(inner) => object = inner,
                Node::Field(_) => unreachable!("only objects were added"),
            }
        }
        object.properties.insert((*last).to_owned(), node);
        self.merge(addition)
    }

    fn guess(&self, path: &str, sight: &Sight) -> Result<Field> {
        let flag = |name: &str| self.extras.get(name).and_then(Value::as_bool);
        let mut params = Map::new();
        let kind = match sight {
            Sight::Object => "object",
            Sight::Boolean => "boolean",
            Sight::Number(text) if text.contains(['.', 'e', 'E']) => "double",
            Sight::Number(text) if text.parse::<i64>().is_ok() => "long",
            Sight::Number(_) => {
                return Err(Failure::mapper_parsing("failed to parse").caused_by(Failure::new(
                    400,
                    "illegal_state_exception",
                    "No matching token for number_type [BIG_INTEGER]",
                )));
            }
            Sight::String(text) => match date::detect(text) {
                Some(format) if flag("date_detection").unwrap_or(true) => {
                    if format != date::DEFAULT_FORMAT {
                        params.insert("format".into(), format.into());
                    }
                    "date"
                }
                _ if flag("numeric_detection").unwrap_or(false) && text.parse::<i64>().is_ok() => {
                    "long"
                }
                _ if flag("numeric_detection").unwrap_or(false)
                    && text.parse::<f64>().is_ok_and(f64::is_finite) =>
                {
                    "double"
                }
                _ => "string",
            },
        };
        if let Some(template) = self.templates.iter().find(|it| it.matches(path, kind)) {
            return template.field(path, kind);
        }
        if kind == "string" {
            let keyword = json!({ "keyword": { "type": "keyword", "ignore_above": 256 } });
            params.insert("fields".into(), keyword);
        }
        let name = path.rsplit('.').next().unwrap_or(path);
        read::field(default_type(kind), &params, name, path)
    }
}
