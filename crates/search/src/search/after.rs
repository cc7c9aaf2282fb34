//! Where a page begins that goes on behind another: `search_after`. Pure.

use std::cmp::Ordering;

use serde_json::Value;

use super::{collect::Rank, sort::SortValue};
use crate::error::{Failure, Result};

/// What the last row of the page before had for one of the keys.
#[derive(Clone, Debug, PartialEq)]
pub enum After {
    /// Nothing.
    Missing,
    /// A whole number, a date in milliseconds, or a place.
    Whole(i128),
    /// A number with a fraction, or a score.
    Number(f64),
    /// A keyword.
    Text(String),
}

/// The same in one segment. Rows up to it are of pages before.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub rank: Rank,
    /// Whether a row of this rank has that very value; else it lies before the value.
    pub is_exact: bool,
}

impl After {
    /// Reads `search_after` of a request body.
    ///
    /// # Errors
    ///
    /// When it is no list of plain values.
    pub(super) fn read_all(value: &Value) -> Result<Vec<After>> {
        let Some(values) = value.as_array() else {
            return Err(Failure::parsing("Expected [START_ARRAY] in [search_after]"));
        };
        if values.is_empty() {
            return Err(Failure::illegal_argument("Values must contains at least one value."));
        }
        values.iter().map(After::read).collect()
    }

    fn read(value: &Value) -> Result<After> {
        Ok(match value {
            Value::Null => After::Missing,
            Value::Bool(it) => After::Whole(i128::from(*it)),
            Value::String(it) => After::Text(it.clone()),
            Value::Number(it) => {
                let whole = it.as_i64().map(i128::from).or_else(|| it.as_u64().map(i128::from));
                match whole {
                    Some(it) => After::Whole(it),
                    None => After::Number(it.as_f64().unwrap_or_default()),
                }
            }
            Value::Array(_) | Value::Object(_) => {
                return Err(Failure::parsing(
                    "Expected [VALUE_STRING] or [VALUE_NUMBER] or [VALUE_BOOLEAN] or [VALUE_NULL] inside search_after",
                ));
            }
        })
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "the column has no more digits")]
            After::Whole(it) => Some(*it as f64),
            After::Number(it) => Some(*it),
            After::Missing | After::Text(_) => None,
        }
    }

    pub(super) fn whole(&self) -> Option<i128> {
        match self {
            After::Whole(it) => Some(*it),
            #[expect(clippy::cast_possible_truncation, reason = "the part before the point counts")]
            After::Number(it) => Some(*it as i128),
            After::Missing | After::Text(_) => None,
        }
    }
}

impl From<&SortValue> for After {
    fn from(value: &SortValue) -> After {
        match value {
            SortValue::Missing => After::Missing,
            SortValue::Single(it) => After::Number(f64::from(*it)),
            SortValue::Double(it) => After::Number(*it),
            SortValue::Whole(it) => After::Whole(*it),
            SortValue::Text(it) => After::Text(it.clone()),
        }
    }
}

impl Bound {
    /// Whether a row with these ranks lies behind all of `bounds`.
    pub(super) fn all_passed(bounds: &[Bound], ranks: &[Rank]) -> bool {
        for (bound, rank) in bounds.iter().zip(ranks) {
            match rank.cmp(&bound.rank) {
                Ordering::Less => return false,
                Ordering::Greater => return true,
                Ordering::Equal if !bound.is_exact => return false,
                Ordering::Equal => {}
            }
        }
        bounds.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_as_they_were_written() {
        let read = After::read_all(&json!([null, 3, -1.5, "x", true])).unwrap();
        let expected = [
            After::Missing,
            After::Whole(3),
            After::Number(-1.5),
            After::Text("x".to_owned()),
            After::Whole(1),
        ];
        assert_eq!(read, expected);
        for wrong in [json!("x"), json!([]), json!([{}])] {
            assert!(After::read_all(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_row_is_behind_when_the_first_key_that_differs_says_so() {
        let exact = |rank| Bound { rank, is_exact: true };
        let between = |rank| Bound { rank, is_exact: false };
        for (bounds, ranks, expected) in [
            (vec![], vec![1], true),
            (vec![exact(1)], vec![1], false),
            (vec![exact(1)], vec![2], true),
            (vec![exact(1), exact(5)], vec![1, 6], true),
            (vec![exact(1), exact(5)], vec![1, 5], false),
            (vec![exact(1), exact(5)], vec![0, 9], false),
            (vec![between(1), exact(5)], vec![1, 9], false),
            (vec![between(1), exact(5)], vec![2, 0], true),
        ] {
            assert_eq!(Bound::all_passed(&bounds, &ranks), expected, "{bounds:?} {ranks:?}");
        }
    }
}
