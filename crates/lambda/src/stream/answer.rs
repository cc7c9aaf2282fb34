//! What Lambda is told of a batch: from which record on it must be sent again. Pure.

use pipeline::SequenceNumber;

use super::batch::Entry;

/// The answer to a batch of which the records numbered `failed` are not safe yet.
///
/// Lambda moves its checkpoint to just before the lowest number it is given, and sends everything
/// from there on again. So one number is enough: the lowest.
///
/// # Errors
///
/// When a failed record has no number, or the trigger would not understand the answer. Then the
/// invocation itself must fail, and the whole batch comes again.
pub(super) fn partial(
    entries: &[Entry],
    failed: &[usize],
    understood: bool,
) -> Result<String, Whole> {
    if failed.is_empty() {
        return Ok(r#"{"batchItemFailures":[]}"#.to_owned());
    }
    if !understood {
        return Err(Whole);
    }
    let numbers: Option<Vec<SequenceNumber>> =
        failed.iter().map(|n| entries[*n].sequence_number).collect();
    let lowest = numbers.and_then(|it| it.into_iter().min()).ok_or(Whole)?;
    let written = failed.iter().find(|n| entries[**n].sequence_number == Some(lowest));
    // As it was written: emulators have shorter ones, and look for the very text.
    let text = written.map_or_else(|| lowest.to_string(), |n| entries[*n].sequence_text.clone());
    Ok(format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{text}"}}]}}"#))
}

/// The whole batch must come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole;

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(numbers: &[&str]) -> Vec<Entry> {
        let entry = |it: &&str| Entry {
            sequence_number: it.parse().ok(),
            sequence_text: (*it).to_owned(),
            ..Entry::default()
        };
        numbers.iter().map(entry).collect()
    }

    #[test]
    fn the_lowest_failed_number_is_told() {
        let entries = entries(&["9", "10", "000000000000000000000000011", ""]);
        let told = |failed: &[usize]| partial(&entries, failed, true);
        assert_eq!(told(&[]).unwrap(), r#"{"batchItemFailures":[]}"#);
        assert_eq!(told(&[1, 0]).unwrap(), r#"{"batchItemFailures":[{"itemIdentifier":"9"}]}"#);
        assert_eq!(
            told(&[2]).unwrap(),
            r#"{"batchItemFailures":[{"itemIdentifier":"000000000000000000000000011"}]}"#
        );
    }

    #[test]
    fn what_cannot_be_told_fails_the_batch() {
        let entries = entries(&["1", ""]);
        assert_eq!(partial(&entries, &[0, 1], true), Err(Whole), "no number");
        assert_eq!(partial(&entries, &[0], false), Err(Whole), "not understood");
        assert!(partial(&entries, &[], false).is_ok(), "nothing to tell");
    }
}
