//! A pattern of fields and delimiters, and what it finds in a text. Pure.

/// A pattern, taken apart once.
#[derive(Debug)]
pub(super) struct Dissection {
    /// What stands before the first field.
    prefix: String,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    kind: Kind,
    name: String,
    /// What stands behind it; nothing at the end.
    delimiter: String,
    /// The delimiter may stand there several times.
    padded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    Skipped,
    Appended(Option<u32>),
    /// Its name is what was found for the skipped field of the same name.
    Indirect,
}

impl Dissection {
    /// Reads a pattern.
    pub(super) fn parse(pattern: &str) -> Result<Dissection, String> {
        let (prefix, mut rest) = pattern.split_once("%{").ok_or("it has no field `%{…}`")?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let (inside, after) = rest.split_once('}').ok_or("a `%{` is never closed")?;
            let (delimiter, next) = match after.split_once("%{") {
                Some((delimiter, next)) => (delimiter, Some(next)),
                None => (after, None),
            };
            if next.is_some() && delimiter.is_empty() {
                return Err(format!("nothing stands between `%{{{inside}}}` and the next field"));
            }
            fields.push(field(inside, delimiter)?);
            match next {
                Some(next) => rest = next,
                None => break,
            }
        }
        for field in fields.iter().filter(|field| field.kind == Kind::Indirect) {
            if !fields.iter().any(|it| it.kind != Kind::Indirect && it.name == field.name) {
                let name = &field.name;
                return Err(format!("`%{{&{name}}}` needs `%{{?{name}}}`, which is its name"));
            }
        }
        Ok(Dissection { prefix: prefix.to_owned(), fields })
    }

    /// The fields of `text`, in order; `None` if it does not fit.
    pub(super) fn read(&self, text: &str) -> Option<Vec<(String, String)>> {
        let mut rest = text.strip_prefix(self.prefix.as_str())?;
        let mut parts = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let delimiter = field.delimiter.as_str();
            if delimiter.is_empty() {
                parts.push(rest);
                rest = "";
                continue;
            }
            let (part, after) = rest.split_once(delimiter)?;
            parts.push(part);
            rest = after;
            while field.padded
                && let Some(after) = rest.strip_prefix(delimiter)
            {
                rest = after;
            }
        }
        let mut found: Vec<(String, String)> = Vec::new();
        let mut appended: Vec<(&str, u32, &str)> = Vec::new();
        for (field, part) in self.fields.iter().zip(&parts) {
            match field.kind {
                Kind::Skipped => {}
                Kind::Normal => found.push((field.name.clone(), (*part).to_owned())),
                Kind::Appended(order) => {
                    if !appended.iter().any(|(name, ..)| *name == field.name) {
                        found.push((field.name.clone(), String::new()));
                    }
                    appended.push((&field.name, order.unwrap_or(0), part));
                }
                Kind::Indirect => {
                    let is_name = |it: &Field| it.kind != Kind::Indirect && it.name == field.name;
                    let at = self.fields.iter().position(is_name)?;
                    found.push(((*parts.get(at)?).to_owned(), (*part).to_owned()));
                }
            }
        }
        appended.sort_by_key(|(_, order, _)| *order);
        for (name, _, part) in appended {
            if let Some((_, text)) = found.iter_mut().find(|(it, _)| it == name) {
                text.push_str(part);
            }
        }
        Some(found)
    }
}

fn field(inside: &str, delimiter: &str) -> Result<Field, String> {
    let (inside, padded) = match inside.strip_suffix("->") {
        Some(inside) => (inside, true),
        None => (inside, false),
    };
    let (kind, name) = match inside.chars().next() {
        None => (Kind::Skipped, ""),
        Some('?') => (Kind::Skipped, &inside[1..]),
        Some('&') => (Kind::Indirect, &inside[1..]),
        Some('+') => match inside[1..].rsplit_once('/') {
            Some((name, order)) if order.parse::<u32>().is_ok() => {
                (Kind::Appended(order.parse().ok()), name)
            }
            _ => (Kind::Appended(None), &inside[1..]),
        },
        Some(_) => (Kind::Normal, inside),
    };
    if name.is_empty() && kind != Kind::Skipped {
        return Err(format!("`%{{{inside}}}` has no name"));
    }
    Ok(Field { kind, name: name.to_owned(), delimiter: delimiter.to_owned(), padded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_at_its_delimiters() {
        for (pattern, text, expected) in [
            ("%{a} %{b}", "1 2 3", Some("a=1 b=2 3")),
            ("[%{a}]", "[1]", Some("a=1")),
            ("[%{a}]", "1]", None),
            ("%{a},%{b}", "1", None),
            ("%{a},%{}", "1,2", Some("a=1")),
            ("%{?a}=%{&a}", "k=v", Some("k=v")),
            ("%{+a} %{+a}", "1 2", Some("a=12")),
            ("%{+a/2} %{+a/1}", "1 2", Some("a=21")),
            ("%{a->} %{b}", "1    2", Some("a=1 b=2")),
            ("%{a} %{b}", "1  2", Some("a=1 b= 2")),
            ("%{a} end", "1 end", Some("a=1")),
            ("%{a}é%{b}", "1é2", Some("a=1 b=2")),
        ] {
            let found = Dissection::parse(pattern).unwrap().read(text).map(|found| {
                let found: Vec<_> = found.iter().map(|(name, it)| format!("{name}={it}")).collect();
                found.join(" ")
            });
            assert_eq!(found.as_deref(), expected, "{text} by {pattern}");
        }
        for bad in ["", "text", "%{a", "%{a}%{b}", "%{&a} %{b}", "%{+}", "%{&}"] {
            assert!(Dissection::parse(bad).is_err(), "{bad}");
        }
    }
}
