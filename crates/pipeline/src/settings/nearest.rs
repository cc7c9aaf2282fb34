//! The name somebody probably meant. Pure.

/// The one of `names` that `written` is most likely a misspelling of, or else the beginning of.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let names: Vec<&str> = names.into_iter().collect();
    misspelt(written, &names).or_else(|| begun(written, &names))
}

/// The shortest name that goes on where `written` ends: `to_key` for `to`, `integer` for `int`.
fn begun<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let written = plain(written);
    let goes_on = |name: &&&str| {
        let name = plain(name);
        let is_word = name.get(written.len()) == Some(&'_');
        name.starts_with(&written) && (if is_word { 2 } else { 3 }) <= written.len()
    };
    names.iter().filter(goes_on).min_by_key(|it| (it.len(), **it)).copied()
}

fn misspelt<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let letters: Vec<char> = written.chars().take(NAME_MAX).collect();
    let written = plain(written);
    names
        .iter()
        .copied()
        .map(|name| (distance(&written, &plain(name)), name))
        .filter(|(distance, name)| *distance <= name.chars().count().div_ceil(3).min(4))
        // Of two spellings of one name, the one that looks more like what was written.
        .min_by_key(|(far, name)| {
            (*far, distance(&letters, &name.chars().collect::<Vec<_>>()), *name)
        })
        .map(|(_, name)| name)
}

/// How names are compared: `someName`, `some-name` and `SOME_NAME` are all `some_name`.
fn plain(name: &str) -> Vec<char> {
    let mut plain = Vec::with_capacity(name.len() + 2);
    let mut after_lower = false;
    for letter in name.chars().take(NAME_MAX) {
        if letter.is_uppercase() && after_lower {
            plain.push('_');
        }
        after_lower = letter.is_lowercase();
        plain.push(if letter == '-' { '_' } else { letter.to_ascii_lowercase() });
    }
    plain
}

/// Longer names are cut: comparing takes the product of their lengths.
const NAME_MAX: usize = 64;

/// How many letters must be added, removed, changed or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut best =
                (last[j] + usize::from(a[i] != b[j])).min(last[j + 1] + 1).min(row[j] + 1);
            if 0 < i && 0 < j && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_spellings_the_one_at_hand_is_suggested() {
        let names = ["tableName", "table_name"];
        assert_eq!(nearest("table_nam", names), Some("table_name"));
        assert_eq!(nearest("tableNam", names), Some("tableName"));
    }

    #[test]
    fn the_nearest_name_is_suggested_unless_none_is_near() {
        let names = ["hosts", "index", "index_type", "acknowledgments", "document_id", "aws"];
        for (written, meant) in [
            ("host", Some("hosts")),
            ("acknowledgements", Some("acknowledgments")),
            ("documentId", Some("document_id")),
            ("Document-ID", Some("document_id")),
            ("idnex", Some("index")),
            ("indx_type", Some("index_type")),
            ("asw", Some("aws")),
            ("document", Some("document_id")),
            ("ack", Some("acknowledgments")),
            ("a", None),
            ("password", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, names), meant, "{written}");
        }
    }
}
