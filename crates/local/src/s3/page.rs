//! Which keys stand on a page of a listing, and where the next page begins. Pure.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::error::{ApiError, Code};

/// Where a page ended: the next one leaves out everything up to here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Key(String),
    /// With all the keys that begin like this.
    Prefix(String),
}

impl Mark {
    /// What a client names as the last thing it has seen.
    pub(crate) fn of(seen: &str, prefix: &str, delimiter: Option<&str>) -> Mark {
        match common_prefix(seen, prefix, delimiter) {
            Some(common) if common == seen => Mark::Prefix(seen.to_owned()),
            _ => Mark::Key(seen.to_owned()),
        }
    }

    /// As a token that says nothing to the client.
    pub(crate) fn token(&self) -> String {
        let (kind, text) = match self {
            Mark::Key(text) => ('k', text),
            Mark::Prefix(text) => ('p', text),
        };
        URL_SAFE_NO_PAD.encode(format!("{kind}{text}"))
    }

    /// Reads a token.
    ///
    /// # Errors
    ///
    /// When it is none of ours.
    pub(crate) fn parse(token: &str) -> Result<Mark, ApiError> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        let text = bytes.and_then(|it| String::from_utf8(it).ok()).unwrap_or_default();
        match (text.strip_prefix('k'), text.strip_prefix('p')) {
            (Some(key), _) => Ok(Mark::Key(key.to_owned())),
            (_, Some(prefix)) => Ok(Mark::Prefix(prefix.to_owned())),
            _ => Err(Code::InvalidArgument
                .because("The continuation token provided is incorrect")
                .with("ArgumentName", "continuation-token")),
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Mark::Key(text) | Mark::Prefix(text) => text,
        }
    }
}

/// What a key is rolled up into: all of it up to the first delimiter behind the prefix.
pub(crate) fn common_prefix<'a>(
    key: &'a str,
    prefix: &str,
    delimiter: Option<&str>,
) -> Option<&'a str> {
    let delimiter = delimiter.filter(|it| !it.is_empty())?;
    let at = key.strip_prefix(prefix)?.find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_roll_up_at_the_first_delimiter() {
        for (key, prefix, delimiter, expected, when) in [
            ("a/b/c", "", Some("/"), Some("a/"), "from the beginning"),
            ("a/b/c", "a/", Some("/"), Some("a/b/"), "behind the prefix"),
            ("a/b", "a/", Some("/"), None, "nothing behind the prefix"),
            ("a/", "a/", Some("/"), None, "a folder's own marker"),
            ("a/b", "a", Some("/"), Some("a/"), "half a segment"),
            ("a--b--c", "", Some("--"), Some("a--"), "any delimiter"),
            ("a/b", "", Some(""), None, "an empty one"),
            ("a/b", "", None, None, "none"),
        ] {
            assert_eq!(common_prefix(key, prefix, delimiter), expected, "{when}");
        }
    }

    #[test]
    fn a_marker_that_is_a_prefix_leaves_out_what_is_in_it() {
        assert_eq!(Mark::of("a/", "", Some("/")), Mark::Prefix("a/".to_owned()));
        assert_eq!(Mark::of("a/b", "", Some("/")), Mark::Key("a/b".to_owned()));
        assert_eq!(Mark::of("a/", "", None), Mark::Key("a/".to_owned()));
    }

    proptest! {
        /// A token leads back to its mark, and no text makes reading one panic.
        #[test]
        fn reading_undoes_writing(text in any::<String>()) {
            for mark in [Mark::Key(text.clone()), Mark::Prefix(text.clone())] {
                prop_assert_eq!(Mark::parse(&mark.token()).unwrap(), mark);
            }
            let _ = Mark::parse(&text);
        }
    }
}
