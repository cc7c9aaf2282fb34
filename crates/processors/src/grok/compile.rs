//! Patterns with names, made into regular expressions. Pure.

use std::collections::HashMap;

use fancy_regex::{Regex, RegexBuilder};

use crate::parts::Type;

/// How often a pattern may stand in another.
const DEPTH_MAX: usize = 40;
/// How long the regular expression may become.
const LENGTH_MAX: usize = 200_000;
/// How much memory one compiled pattern may take.
const SIZE_MAX: usize = 16 << 20;
/// How often a pattern may try again before it is given up.
const BACKTRACK_MAX: usize = 1_000_000;
/// How our own groups begin.
const GROUP: &str = "grok_";

/// A pattern that is ready to match.
pub(super) struct Grokker {
    regex: Regex,
    fields: Vec<Field>,
}

/// A field that a pattern sets.
struct Field {
    group: String,
    name: String,
    to: Type,
}

/// The name of a field, its text if it has any, its type.
type Capture<'a, 't> = (&'a str, Option<&'t str>, Type);

/// A pattern was given up.
#[derive(Debug)]
pub(super) struct GaveUp;

impl Grokker {
    /// Reads a pattern.
    pub(super) fn compile(
        pattern: &str,
        library: &HashMap<String, String>,
        named_only: bool,
        never_give_up: bool,
    ) -> Result<Grokker, String> {
        let mut writer = Writer { library, named_only, fields: Vec::new(), out: String::new() };
        writer.expand(pattern, 0)?;
        let Writer { mut fields, out, .. } = writer;
        let regex = RegexBuilder::new(&out)
            .delegate_size_limit(SIZE_MAX)
            .backtrack_limit(if never_give_up { usize::MAX } else { BACKTRACK_MAX })
            .build()
            .map_err(|error| format!("`{pattern}` is not a pattern: {error}"))?;
        // Groups that the pattern itself names, in the notation of regular expressions.
        for name in regex.capture_names().flatten().filter(|name| !name.starts_with(GROUP)) {
            let name = name.to_owned();
            fields.push(Field { group: name.clone(), name, to: Type::String });
        }
        Ok(Grokker { regex, fields })
    }

    /// What the fields are in `text`; `None` if it does not match.
    pub(super) fn captures<'a, 't>(
        &'a self,
        text: &'t str,
    ) -> Result<Option<Vec<Capture<'a, 't>>>, GaveUp> {
        let Some(found) = self.regex.captures(text).map_err(|_| GaveUp)? else { return Ok(None) };
        let field = |it: &'a Field| {
            let text = found.name(&it.group).map(|it| it.as_str());
            (it.name.as_str(), text, it.to)
        };
        Ok(Some(self.fields.iter().map(field).collect()))
    }
}

struct Writer<'a> {
    library: &'a HashMap<String, String>,
    named_only: bool,
    fields: Vec<Field>,
    out: String,
}

impl Writer<'_> {
    /// Appends `pattern` with what the names in it stand for.
    fn expand(&mut self, pattern: &str, depth: usize) -> Result<(), String> {
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("%{") {
            self.out.push_str(before);
            let Some((inside, after)) = after.split_once('}') else {
                return Err(format!("a `%{{` in `{pattern}` is never closed"));
            };
            self.reference(inside, depth)?;
            rest = after;
        }
        self.out.push_str(rest);
        if LENGTH_MAX < self.out.len() {
            return Err("the pattern becomes too long".to_owned());
        }
        Ok(())
    }

    /// `NAME`, `NAME:field` or `NAME:field:type`.
    fn reference(&mut self, inside: &str, depth: usize) -> Result<(), String> {
        let mut parts = inside.splitn(3, ':').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let field = parts.next().filter(|it| !it.is_empty());
        let to = match parts.next() {
            None => Type::String,
            Some(to) => type_of(to).ok_or_else(|| {
                format!("`{to}` in `%{{{inside}}}` is no type; write `int`, `long`, `float`, `double`, `boolean` or `string`")
            })?,
        };
        let Some(pattern) = self.library.get(name) else {
            let near = pipeline::nearest(name, self.library.keys().map(String::as_str));
            let help = near.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default();
            return Err(format!("there is no pattern `{name}`{help}"));
        };
        if DEPTH_MAX < depth {
            return Err(format!("the pattern `{name}` holds itself"));
        }
        // Only what the user named himself, not what patterns within patterns are.
        let field = field.or((!self.named_only).then_some(name));
        match field {
            Some(field) => {
                let group = format!("{GROUP}{}", self.fields.len());
                self.out.extend(["(?<", &group, ">"]);
                self.fields.push(Field { group, name: plain(field), to });
            }
            None => self.out.push_str("(?:"),
        }
        self.expand(pattern, depth + 1)?;
        self.out.push(')');
        Ok(())
    }
}

/// `[a][b]` is a way of writing `a.b`.
fn plain(field: &str) -> String {
    match field.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(inside) => inside.replace("][", "."),
        None => field.to_owned(),
    }
}

fn type_of(name: &str) -> Option<Type> {
    Some(match name.to_ascii_lowercase().as_str() {
        "int" | "integer" => Type::Integer,
        "long" => Type::Long,
        "float" | "double" => Type::Double,
        "boolean" | "bool" => Type::Boolean,
        "string" => Type::String,
        _ => return None,
    })
}
