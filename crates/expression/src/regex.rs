//! Regular expressions as Java writes them, which must match a whole text. Pure.

use fancy_regex::{Regex, RegexBuilder};

/// How much memory one compiled pattern may take. Patterns can come from fields.
const SIZE_MAX: usize = 1 << 20;
/// How often a pattern with look-around may try again before it is called a failure.
const BACKTRACK_MAX: usize = 100_000;

/// Compiles `source` to match a whole text and nothing less.
pub(crate) fn whole(source: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!("\\A(?:{source})\\z"))
        .delegate_size_limit(SIZE_MAX)
        .backtrack_limit(BACKTRACK_MAX)
        .build()
        .map_err(|error| error.to_string())
}

/// What is wrong with `source`, in a line.
pub(crate) fn complaint(source: &str) -> String {
    let error = Regex::new(source).err().map(|error| error.to_string());
    let error = error.or_else(|| whole(source).err()).unwrap_or_default();
    error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
