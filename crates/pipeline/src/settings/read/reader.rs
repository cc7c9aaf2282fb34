//! One value as serde sees it. Pure.

use std::{cell::Cell, ops::Range, str::FromStr};

use serde::de::{self, Visitor};

use super::{
    Context, Kind, Mistake, Path,
    access::{EnumReader, ListReader, MapReader},
    error::{ReadError, list, unknown},
};
use crate::settings::{
    any::{Exact, VALUE_NAME},
    nearest,
    node::{Entry, Meaning, Node, Scalar, Tree},
    units::{ByteCount, Period},
};

/// One value, about to be read.
#[derive(Clone)]
pub(in crate::settings) struct Reader<'a> {
    pub(super) context: &'a Context,
    pub(super) node: &'a Node,
    /// Where its key stands, or itself if it has none.
    pub(super) key_span: Range<usize>,
    pub(super) path: Path<'a>,
}

impl<'a> Reader<'a> {
    fn item<'b>(&'b self, n: usize, node: &'b Node) -> Reader<'b> {
        let path = Path::Item(&self.path, n);
        Reader { context: self.context, node, key_span: node.span.clone(), path }
    }

    pub(super) fn value<'b>(&'b self, entry: &'b Entry) -> Reader<'b> {
        let key_span = entry.key_span.clone();
        Reader {
            context: self.context,
            node: &entry.node,
            key_span,
            path: Path::Key(&self.path, &entry.key),
        }
    }

    /// What an error about this value should point at: a map is recognised by its key.
    fn span(&self) -> &Range<usize> {
        match &self.node.tree {
            Tree::Scalar(_) if !self.node.span.is_empty() => &self.node.span,
            _ => &self.key_span,
        }
    }

    pub(super) fn place<T>(&self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        result.map_err(|error| error.placed(&self.path, self.span()))
    }

    fn expected(&self, what: &str) -> ReadError {
        ReadError::new(format!("expected {what}, found {}", self.node.describe()))
            .placed(&self.path, self.span())
    }

    fn scalar(&self, what: &str) -> Result<&'a Scalar, ReadError> {
        match &self.node.tree {
            Tree::Scalar(scalar) if scalar.meaning() != Meaning::Null => {
                self.resolved(scalar)?;
                Ok(scalar)
            }
            _ => Err(self.expected(what)),
        }
    }

    fn resolved(&self, scalar: &Scalar) -> Result<(), ReadError> {
        if scalar.resolved {
            return Ok(());
        }
        let error = ReadError::new(format!("{} has not been resolved", scalar.show()));
        Err(error.placed(&self.path, self.span()))
    }

    fn number<T: FromStr>(&self, what: &str) -> Result<T, ReadError> {
        let scalar = self.scalar(what)?;
        scalar.text.trim().parse().map_err(|_| {
            let error = self.expected(what);
            if scalar.hidden { error } else { error.with_help(without_unit(&scalar.text)) }
        })
    }

    /// The digits, if it is a number and nothing else.
    pub(in crate::settings) fn exact_number(&self) -> Option<&str> {
        match &self.node.tree {
            Tree::Scalar(scalar) if scalar.meaning() == Meaning::Number => Some(&scalar.text),
            _ => None,
        }
    }

    fn is_left_out(&self, path: &Path<'_>) -> bool {
        let left_out = &self.context.left_out;
        !left_out.is_empty() && left_out.contains(&path.to_string())
    }

    fn entries(&self) -> Result<&'a [Entry], ReadError> {
        match &self.node.tree {
            Tree::Map(entries) => Ok(entries),
            _ if self.node.is_null() => Ok(&[]),
            _ => Err(self.expected("settings (`name: value`)")),
        }
    }

    /// Visits a map; keys not in `known` are noted and passed over.
    pub(super) fn visit_map<'de, V: Visitor<'de>>(
        &self,
        known: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let mut entries = Vec::new();
        for entry in self.entries()? {
            let path = Path::Key(&self.path, &entry.key);
            match known {
                _ if self.is_left_out(&path) => {}
                Some(known) if !known.contains(&entry.key.as_str()) => {
                    let (problem, help) = unknown(&entry.key, known);
                    let meant = nearest(&entry.key, known.iter().copied());
                    let mistake = Mistake {
                        at: path.to_string(),
                        span: entry.key_span.clone(),
                        problem,
                        help: Some(help),
                        kind: meant.map_or(Kind::Other, |it| Kind::Misspelt(it.to_owned())),
                    };
                    self.context.unknown.borrow_mut().insert(mistake.key(), mistake);
                }
                _ => entries.push(entry),
            }
        }
        let last = Cell::new(None);
        let map = MapReader { map: self, entries: entries.into_iter(), last: &last };
        let result = visitor.visit_map(map).map_err(|error| match last.get() {
            Some(entry) if error.is_second_spelling() => {
                error.placed(&Path::Key(&self.path, &entry.key), &entry.key_span)
            }
            _ => error,
        });
        self.place(result)
    }
}

/// What to write in place of a time or size, where only a number can be.
fn without_unit(text: &str) -> Option<String> {
    if let Ok(Period(time)) = text.parse() {
        return Some(format!("write a number only; for milliseconds: `{}`", time.as_millis()));
    }
    let is_size = text.parse::<ByteCount>().is_ok();
    is_size.then(|| "write a number only, without a unit".to_owned())
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $what:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            let number: $type = self.number($what)?;
            self.place(visitor.$visit(number))
        })*
    };
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    numbers! {
        deserialize_i8 visit_i8 i8, "a whole number from -128 to 127";
        deserialize_i16 visit_i16 i16, "a whole number from -32768 to 32767";
        deserialize_i32 visit_i32 i32, "a whole number below 2³¹";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_u8 visit_u8 u8, "a whole number from 0 to 255";
        deserialize_u16 visit_u16 u16, "a whole number from 0 to 65535";
        deserialize_u32 visit_u32 u32, "a whole number, 0 or more";
        deserialize_u64 visit_u64 u64, "a whole number, 0 or more";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let scalar = match &self.node.tree {
            Tree::List(_) => return self.deserialize_seq(visitor),
            Tree::Map(_) => return self.deserialize_map(visitor),
            Tree::Scalar(scalar) => scalar,
        };
        self.resolved(scalar)?;
        let text = scalar.text.as_str();
        self.place(match scalar.meaning() {
            Meaning::Null => visitor.visit_unit(),
            Meaning::Bool(value) => visitor.visit_bool(value),
            Meaning::Text => visitor.visit_str(text),
            Meaning::Number => match (text.parse::<u64>(), text.parse::<i64>()) {
                (Ok(number), _) => visitor.visit_u64(number),
                (_, Ok(number)) => visitor.visit_i64(number),
                _ => visitor.visit_f64(self.number("a number")?),
            },
        })
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        const WHAT: &str = "`true` or `false`";
        match self.scalar(WHAT)?.text.trim() {
            "true" | "True" | "TRUE" => self.place(visitor.visit_bool(true)),
            "false" | "False" | "FALSE" => self.place(visitor.visit_bool(false)),
            _ => Err(self.expected(WHAT)),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let scalar = self.scalar("one character")?;
        if scalar.text.chars().count() == 1 {
            return self.place(visitor.visit_str(&scalar.text));
        }
        Err(self.expected("one character"))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let scalar = self.scalar("a text")?;
        self.place(visitor.visit_str(&scalar.text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.entries()?.is_empty() {
            return self.place(visitor.visit_unit());
        }
        Err(self.expected("nothing"))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name == VALUE_NAME {
            return self.clone().place(visitor.visit_newtype_struct(Exact(self)));
        }
        self.clone().place(visitor.visit_newtype_struct(self))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let nodes = match &self.node.tree {
            Tree::List(nodes) => nodes,
            Tree::Scalar(scalar) if scalar.meaning() != Meaning::Null && !scalar.hidden => {
                let help = format!("write `[{}]`", scalar.show().trim_matches('`'));
                return Err(self.expected("a list").with_help(Some(help)));
            }
            Tree::Map(entries) => {
                // A key without a value may be what should have been an item.
                let help = match &entries[..] {
                    [only] if only.node.is_null() => format!("write `- {}`", only.key),
                    _ => "write `- ` before the first key of each item".to_owned(),
                };
                return Err(self.expected("a list").with_help(Some(help)));
            }
            Tree::Scalar(_) => return Err(self.expected("a list")),
        };
        let items: Vec<_> = nodes
            .iter()
            .enumerate()
            .filter(|(n, _)| !self.is_left_out(&Path::Item(&self.path, *n)))
            .map(|(n, node)| self.item(n, node))
            .collect();
        self.place(visitor.visit_seq(ListReader(items.into_iter())))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.visit_map(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.visit_map(Some(fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let (variant, content) = match &self.node.tree {
            Tree::Scalar(scalar) if scalar.meaning() != Meaning::Null => {
                self.resolved(scalar)?;
                (&scalar.text, None)
            }
            Tree::Map(entries) if entries.len() == 1 => {
                (&entries[0].key, Some(self.value(&entries[0])))
            }
            _ => return Err(self.expected(&format!("one of {}", list(variants)))),
        };
        self.place(visitor.visit_enum(EnumReader { variant, content }))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }
}
