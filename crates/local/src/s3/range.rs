//! `Range: bytes=…`: which part of an object is wanted. Pure.

use std::ops::Range;

/// What a header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `bytes=5-` and `bytes=5-9`, both ends included.
    From(u64, Option<u64>),
    /// `bytes=-5`: the last ones.
    Last(u64),
}

/// There is nothing where the range begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unsatisfiable;

impl Asked {
    /// Reads the header. `None` for whatever is not one range of bytes: such a header is ignored,
    /// and that goes for several ranges, too.
    pub(crate) fn parse(header: &str) -> Option<Asked> {
        let (first, last) = header.trim().strip_prefix("bytes=")?.trim().split_once('-')?;
        if first.is_empty() {
            return Some(Asked::Last(number(last)?));
        }
        let first = number(first)?;
        if last.is_empty() {
            return Some(Asked::From(first, None));
        }
        let last = number(last)?;
        (first <= last).then_some(Asked::From(first, Some(last)))
    }

    /// Which bytes of an object of this size that is.
    ///
    /// # Errors
    ///
    /// When it is none of them.
    pub(crate) fn within(self, size: u64) -> Result<Range<u64>, Unsatisfiable> {
        let range = match self {
            Asked::From(first, last) => {
                first..last.map_or(size, |last| last.saturating_add(1).min(size))
            }
            Asked::Last(n) => size.saturating_sub(n)..size,
        };
        if range.is_empty() { Err(Unsatisfiable) } else { Ok(range) }
    }
}

/// Digits only: `parse` alone would take a `+`. A number too large for us is beyond any object.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_form() {
        for (header, expected, when) in [
            ("bytes=0-0", Some(Ok(0..1)), "one byte"),
            ("bytes=0-", Some(Ok(0..10)), "everything"),
            ("bytes=4-6", Some(Ok(4..7)), "the middle"),
            ("bytes=8-99", Some(Ok(8..10)), "beyond the end"),
            ("bytes=-3", Some(Ok(7..10)), "the end"),
            ("bytes=-99", Some(Ok(0..10)), "more than there is"),
            ("bytes=0-99999999999999999999999", Some(Ok(0..10)), "more than any number"),
            ("bytes=10-", Some(Err(Unsatisfiable)), "right behind the end"),
            ("bytes=-0", Some(Err(Unsatisfiable)), "nothing"),
            ("bytes=6-4", None, "backwards"),
            ("bytes=0-1,3-4", None, "several"),
            ("bytes=", None, "no range"),
            ("bytes=-", None, "no numbers"),
            ("bytes=+1-2", None, "a sign"),
            ("items=0-1", None, "another unit"),
            ("0-1", None, "no unit"),
        ] {
            let range = Asked::parse(header).map(|it| it.within(10));
            assert_eq!(range, expected, "{header}: {when}");
        }
    }

    proptest! {
        /// A range that is granted lies within the object and has something in it.
        #[test]
        fn stays_within(header in "bytes=[0-9]{0,21}-[0-9]{0,21}", size in any::<u64>()) {
            if let Some(Ok(range)) = Asked::parse(&header).map(|it| it.within(size)) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }

        /// No bytes make it panic.
        #[test]
        fn takes_any_text(header in any::<String>()) {
            let _ = Asked::parse(&header);
        }
    }
}
