//! Projections: which parts of an item are wanted. Pure.

use wire::{
    attribute_value::{AttributeValue, Attributes, read_attributes, write_attributes},
    json::{Cursor, Malformed},
};

use super::{
    ExpressionError, Placeholders, Role,
    ast::{Path, Step},
    bind::check_disjoint,
    document, parser,
};

/// Places in an item, of which none lies inside another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Projection {
    paths: Vec<Path>,
    /// Whether all of them are whole attributes, which can be copied as they are.
    is_flat: bool,
}

impl Projection {
    /// Reads a projection expression.
    ///
    /// # Errors
    ///
    /// When it is none, or names a place twice.
    pub(crate) fn parse(
        text: &str,
        placeholders: &mut Placeholders,
    ) -> Result<Projection, ExpressionError> {
        let role = Role::Projection;
        let paths = parser::paths(role, text)?;
        let paths: Vec<Path> = paths
            .into_iter()
            .map(|path| placeholders.path(role, path))
            .collect::<Result<_, _>>()?;
        check_disjoint(role, &paths.iter().collect::<Vec<_>>())?;
        Ok(Projection::of(paths))
    }

    /// The parts at these places.
    pub(crate) fn of(paths: Vec<Path>) -> Projection {
        let is_flat = paths.iter().all(|it| it.0.len() == 1);
        Projection { paths, is_flat }
    }

    /// The attributes that it looks into.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(Path::attribute)
    }

    /// Appends the wanted parts of `item` as an item of their own; says whether there were any.
    pub(crate) fn write(&self, item: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if self.is_flat {
            out.push(b'{');
            let walk = Cursor::new(item).object(|cursor, raw| {
                let value = cursor.skip()?;
                if self.paths.iter().any(|path| document::is_named(raw, path.attribute())) {
                    if start + 1 < out.len() {
                        out.push(b',');
                    }
                    out.push(b'"');
                    out.extend_from_slice(raw);
                    out.extend_from_slice(b"\":");
                    out.extend_from_slice(value);
                }
                Ok::<(), Malformed>(())
            });
            debug_assert_eq!(walk, Ok(()), "items are canonical");
            out.push(b'}');
        } else {
            let attributes = read_attributes(item).unwrap_or_default();
            write_attributes(&self.pick(&attributes), out);
        }
        start + 2 < out.len()
    }

    fn pick(&self, attributes: &Attributes) -> Attributes {
        let steps: Vec<&[Step]> = self.paths.iter().map(|it| it.0.as_slice()).collect();
        pick_members(attributes, &steps)
    }
}

/// The members that paths lead to. A path that ends here wants all of the member.
fn pick_members(attributes: &Attributes, paths: &[&[Step]]) -> Attributes {
    let picked = attributes.iter().filter_map(|(name, value)| {
        let inner = behind(paths, |step| matches!(step, Step::Name(it) if it == name))?;
        Some((name.clone(), pick_value(value, &inner)?))
    });
    picked.collect()
}

fn pick_value(value: &AttributeValue, paths: &[&[Step]]) -> Option<AttributeValue> {
    if paths.iter().any(|it| it.is_empty()) {
        return Some(value.clone());
    }
    match value {
        AttributeValue::M(attributes) => {
            let picked = pick_members(attributes, paths);
            (!picked.is_empty()).then_some(AttributeValue::M(picked))
        }
        AttributeValue::L(values) => {
            let picked: Vec<AttributeValue> = values
                .iter()
                .enumerate()
                .filter_map(|(at, value)| {
                    let inner = behind(paths, |step| *step == Step::Index(at))?;
                    pick_value(value, &inner)
                })
                .collect();
            (!picked.is_empty()).then_some(AttributeValue::L(picked))
        }
        _ => None,
    }
}

/// The rest of each path whose first step fits; `None` if there is none.
fn behind<'a>(paths: &[&'a [Step]], fits: impl Fn(&Step) -> bool) -> Option<Vec<&'a [Step]>> {
    let rest: Vec<&[Step]> = paths
        .iter()
        .filter_map(|path| path.split_first().filter(|(step, _)| fits(step)).map(|(_, rest)| rest))
        .collect();
    (!rest.is_empty()).then_some(rest)
}
