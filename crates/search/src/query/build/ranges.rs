//! Queries for what lies between two values: ranges, prefixes, networks.

use std::{net::IpAddr, ops::Bound};

use serde_json::Value;
use tantivy::{
    Term,
    query::{ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, RangeQuery},
};

use super::{Builder, Built, text};
use crate::{
    date::{self, Formats, Rounding},
    document,
    error::{Failure, Result},
    fields::Leaf,
    mapping::{Field, Kind as FieldKind},
    query::Range,
};

impl Builder<'_> {
    pub(super) fn prefix(&self, name: &str, value: &str, ignores_case: bool) -> Result<Built> {
        if name.contains('*') {
            let fields = self.mapping.matching(name);
            let each = fields
                .into_iter()
                .filter(|it| matches!(it.kind, FieldKind::Text | FieldKind::Keyword) && it.index)
                .map(|it| self.prefix(&it.path, value, ignores_case))
                .collect::<Result<_>>()?;
            return Ok(Box::new(DisjunctionMaxQuery::new(each)));
        }
        let Some(field) = self.mapping.field(name) else { return Ok(Box::new(EmptyQuery)) };
        if ignores_case && !field.lowercase && !matches!(field.kind, FieldKind::Text) {
            return Err(self.cannot(format!(
                "[prefix] queries with [case_insensitive] are not supported by this endpoint yet, on field [{name}]"
            )));
        }
        let make: Box<dyn Fn(&str) -> Term> = match field.kind {
            FieldKind::Text => {
                let slot = self.slot(field)?;
                Box::new(move |text| Term::from_field_text(slot, text))
            }
            FieldKind::Keyword => {
                self.check(field)?;
                Box::new(|text| self.fields.bound(&field.path, &Leaf::Str(text.into())))
            }
            _ => {
                return Err(self.cannot(format!(
                    "Can only use prefix queries on keyword, text and wildcard fields - not on [{name}] which is of type [{}]",
                    field.kind.name()
                )));
            }
        };
        let lower = document::normalize(field, value);
        let from = Bound::Included(make(&lower));
        let to = match after_prefix(&lower) {
            Some(after) => Bound::Excluded(make(&after)),
            None => Bound::Unbounded,
        };
        Ok(Box::new(ConstScoreQuery::new(Box::new(RangeQuery::new(from, to)), 1.0)))
    }

    pub(super) fn range(&self, range: &Range) -> Result<Built> {
        let Some(field) = self.mapping.field(&range.field) else { return Ok(Box::new(EmptyQuery)) };
        if let (Bound::Unbounded, Bound::Unbounded) = (&range.from, &range.to) {
            return Ok(self.exists(&field.path));
        }
        self.check(field)?;
        let formats = match &range.format {
            Some(format) => Some(Formats::new(format).map_err(|it| {
                Failure::illegal_argument(format!("Invalid format: [{it}]: Unknown pattern letter"))
            })?),
            None => None,
        };
        let formats = formats.as_ref().unwrap_or(&field.formats);
        let bound = |bound: &Bound<Value>, is_from: bool| -> Result<Bound<Term>> {
            let (value, included) = match bound {
                Bound::Unbounded => return Ok(Bound::Unbounded),
                Bound::Included(value) => (value, true),
                Bound::Excluded(value) => (value, false),
            };
            let term = self.bound(field, value, formats, is_from == included)?;
            Ok(if included { Bound::Included(term) } else { Bound::Excluded(term) })
        };
        let query = RangeQuery::new(bound(&range.from, true)?, bound(&range.to, false)?);
        Ok(Box::new(ConstScoreQuery::new(Box::new(query), 1.0)))
    }

    fn bound(&self, field: &Field, value: &Value, formats: &Formats, down: bool) -> Result<Term> {
        let text = text(value);
        let leaf = match &field.kind {
            FieldKind::Text => return Ok(Term::from_field_text(self.slot(field)?, &text)),
            FieldKind::Keyword => Leaf::Str(document::normalize(field, &text).as_ref().into()),
            FieldKind::Date | FieldKind::DateNanos => {
                let now = i64::try_from(self.now_ms).unwrap_or(i64::MAX);
                let rounding = if down { Rounding::Down } else { Rounding::Up };
                let millis = date::resolve(&text, formats, now, rounding).ok_or_else(|| {
                    Failure::new(
                        400,
                        "parse_exception",
                        format!(
                            "failed to parse date field [{text}] with format [{}]",
                            formats.as_str()
                        ),
                    )
                })?;
                Leaf::I64(millis)
            }
            FieldKind::Integer(_) | FieldKind::UnsignedLong => match text.parse::<i64>() {
                Ok(number) => Leaf::I64(number),
                Err(_) => match text.parse::<u64>() {
                    Ok(number) => Leaf::U64(number),
                    Err(_) => Leaf::F64(self.number(&text)?),
                },
            },
            FieldKind::Ip | FieldKind::Boolean => match self.leaf(field, value)? {
                Some(leaf) => leaf,
                None => return Err(self.cannot(format!("failed to create query: [{text}]"))),
            },
            _ => Leaf::F64(self.number(&text)?),
        };
        if let Leaf::Bool(_) = leaf {
            return Err(self.cannot(format!(
                "[range] queries on boolean fields are not supported by this endpoint yet, on field [{}]",
                field.path
            )));
        }
        Ok(self.fields.bound(&field.path, &leaf))
    }

    fn number(&self, text: &str) -> Result<f64> {
        text.parse::<f64>().ok().filter(|it| !it.is_nan()).ok_or_else(|| {
            let cause = Failure::new(
                400,
                "number_format_exception",
                format!("For input string: \"{text}\""),
            );
            self.cannot(format!("failed to create query: {}", cause.reason)).caused_by(cause)
        })
    }

    /// All addresses that begin with the same bits.
    pub(super) fn network(&self, field: &Field, address: &str, bits: &str) -> Result<Built> {
        let bad = || {
            self.cannot(format!(
                "failed to create query: '{address}/{bits}' is not an IP string literal."
            ))
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits: u32 = bits.parse().map_err(|_| bad())?;
        let (number, bits) = match address {
            IpAddr::V4(it) => (u128::from(it.to_ipv6_mapped()), bits + 96),
            IpAddr::V6(it) => (u128::from(it), bits),
        };
        if 128 < bits {
            return Err(bad());
        }
        let rest = u128::MAX.checked_shr(bits).unwrap_or(0);
        let term = |number: u128| {
            self.fields.bound(&field.path, &Leaf::Str(format!("{number:032x}").into()))
        };
        let query = RangeQuery::new(
            Bound::Included(term(number & !rest)),
            Bound::Included(term(number | rest)),
        );
        Ok(Box::new(ConstScoreQuery::new(Box::new(query), 1.0)))
    }
}

/// The least text that comes after everything that begins with `prefix`.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}
