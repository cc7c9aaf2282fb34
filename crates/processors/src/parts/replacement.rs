//! What a match is replaced by, in the notation of Java. Pure.

use fancy_regex::Captures;

use super::Pattern;

/// A text in which `$1` and `${name}` stand for what a group matched, and `\$` for a `$`.
#[derive(Debug)]
pub(crate) struct Replacement(Vec<Part>);

#[derive(Debug)]
enum Part {
    Literal(String),
    Group(usize),
    Named(String),
}

impl Replacement {
    /// A text that stands for itself.
    pub(crate) fn literal(text: &str) -> Replacement {
        Replacement(vec![Part::Literal(text.to_owned())])
    }

    /// Reads a replacement for matches of `pattern`.
    pub(crate) fn parse(text: &str, pattern: &Pattern) -> Result<Replacement, String> {
        let n_groups = pattern.n_groups();
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => literal.push(letters.next().ok_or("`\\` stands at the end; write `\\\\`")?),
                '$' => {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                    if letters.next_if_eq(&'{').is_some() {
                        let name: String = letters.by_ref().take_while(|it| *it != '}').collect();
                        if !pattern.has_group(&name) {
                            return Err(format!("`from` has no group `{name}`"));
                        }
                        parts.push(Part::Named(name));
                        continue;
                    }
                    let first = letters.next().and_then(|it| it.to_digit(10));
                    let first =
                        first.ok_or("`$` is followed by no number; write `\\$` for a `$`")?;
                    let mut group = usize::try_from(first).unwrap_or(0);
                    if n_groups <= group {
                        return Err(format!("`from` has no group {group}"));
                    }
                    // `$12` is group 12 if there are as many, else group 1 and a `2`.
                    while let Some(digit) = letters.peek().and_then(|it| it.to_digit(10)) {
                        let longer = group * 10 + usize::try_from(digit).unwrap_or(0);
                        if n_groups <= longer {
                            break;
                        }
                        group = longer;
                        letters.next();
                    }
                    parts.push(Part::Group(group));
                }
                _ => literal.push(letter),
            }
        }
        parts.push(Part::Literal(literal));
        Ok(Replacement(parts))
    }

    /// Appends what `found` is replaced by.
    pub(crate) fn write(&self, found: &Captures<'_, str>, out: &mut String) {
        for part in &self.0 {
            let group = match part {
                Part::Literal(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Group(n) => found.get(*n),
                Part::Named(name) => found.name(name),
            };
            if let Some(group) = group {
                out.push_str(group.as_str());
            }
        }
    }
}
