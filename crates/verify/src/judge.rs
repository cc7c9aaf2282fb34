//! Whether what looks wrong is wrong, or only on its way. Pure.
//!
//! A document is looked at several times, a lag apart. It is wrong if the item and the document both
//! stayed as they were between two looks and still differ; while one of them changes, the change is in
//! flight.

use crate::{Difference, Stamp};

/// How often to look at what does not come to rest.
pub(crate) const LOOKS_MAX: usize = 6;

/// What was seen at one look.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Look {
    /// A hash of what the pipeline would write; nothing if it would not write this document.
    pub(crate) expected: Option<u64>,
    /// The state of the document; nothing if it is not there.
    pub(crate) found: Option<Stamp>,
    /// Where they differ, if both are there.
    pub(crate) differences: Vec<Difference>,
}

/// What to make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is as it should be.
    Right,
    /// It is not, and stays so.
    Wrong,
    /// It cannot be told yet.
    LookAgain,
}

impl Look {
    fn is_right(&self) -> bool {
        match (self.expected, self.found) {
            (Some(_), Some(_)) => self.differences.is_empty(),
            (None, None) => true,
            _ => false,
        }
    }

    /// What this look says after the one before it.
    pub(crate) fn verdict(&self, before: Option<&Look>) -> Verdict {
        if self.is_right() {
            return Verdict::Right;
        }
        let at_rest =
            before.is_some_and(|it| it.expected == self.expected && it.found == self.found);
        if at_rest { Verdict::Wrong } else { Verdict::LookAgain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_wrong_is_wrong() {
        let stamp = |version| Stamp { version, seq_no: version, primary_term: 1 };
        let look = |expected: Option<u64>, found: Option<u64>, differs: bool| Look {
            expected,
            found: found.map(stamp),
            differences: if differs {
                vec![Difference { path: "/a".to_owned(), expected: None, found: None }]
            } else {
                Vec::new()
            },
        };
        for (before, now, verdict) in [
            (None, look(Some(1), Some(1), false), Verdict::Right),
            (None, look(None, None, false), Verdict::Right),
            (None, look(Some(1), None, false), Verdict::LookAgain),
            (Some(look(Some(1), None, false)), look(Some(1), None, false), Verdict::Wrong),
            (Some(look(Some(1), None, false)), look(Some(2), None, false), Verdict::LookAgain),
            (Some(look(Some(1), Some(1), true)), look(Some(1), Some(1), true), Verdict::Wrong),
            (Some(look(Some(1), Some(1), true)), look(Some(1), Some(2), true), Verdict::LookAgain),
            (Some(look(None, Some(1), false)), look(None, Some(1), false), Verdict::Wrong),
            (Some(look(None, Some(1), false)), look(None, None, false), Verdict::Right),
        ] {
            assert_eq!(now.verdict(before.as_ref()), verdict, "{before:?} {now:?}");
        }
    }
}
