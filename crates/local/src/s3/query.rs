//! The part of an address behind the question mark. Pure.

use super::{
    error::{ApiError, Code},
    percent,
};

/// Names and values, decoded, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the question mark.
    ///
    /// # Errors
    ///
    /// When an escape in it is none.
    pub(crate) fn parse(text: &str) -> Result<Query, ApiError> {
        let decoded = |it: &str| {
            percent::decode(&it.replace('+', " ")).ok_or_else(|| Code::InvalidUri.about("URI", it))
        };
        let pairs = text.split('&').filter(|it| !it.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        Ok(Query(pairs.collect::<Result<_, ApiError>>()?))
    }

    /// The value of a parameter; empty if it has none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The value of a parameter, where an empty one says nothing.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|it| !it.is_empty())
    }

    /// A number of things, at most `most`, which is also what is meant without the parameter.
    ///
    /// # Errors
    ///
    /// When it is no number.
    pub(crate) fn count(&self, name: &'static str, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.filled(name) else { return Ok(most) };
        // S3 counts in 32 bits.
        let number: Option<u32> = text.parse().ok().filter(|it| *it <= i32::MAX.unsigned_abs());
        let number = number.and_then(|it| usize::try_from(it).ok()).ok_or_else(|| {
            Code::InvalidArgument
                .because(format!("Provided {name} not an integer or within integer range"))
                .with("ArgumentName", name)
                .with("ArgumentValue", text)
        })?;
        Ok(number.min(most))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_names_and_values() {
        let query = Query::parse("list-type=2&prefix=a+b%2F&uploads&&x=1=2&empty=").unwrap();
        for (name, value, when) in [
            ("list-type", Some("2"), "plain"),
            ("prefix", Some("a b/"), "encoded"),
            ("uploads", Some(""), "no value"),
            ("x", Some("1=2"), "a sign in the value"),
            ("X", None, "capitals count"),
        ] {
            assert_eq!(query.get(name), value, "{when}");
        }
        assert_eq!(query.filled("empty"), None);
        assert!(Query::parse("a=%zz").is_err());
    }

    #[test]
    fn counts_within_bounds() {
        for (text, expected, when) in [
            ("", Some(1000), "not said"),
            ("max-keys=", Some(1000), "said nothing"),
            ("max-keys=0", Some(0), "none"),
            ("max-keys=7", Some(7), "some"),
            ("max-keys=5000", Some(1000), "more than there can be"),
            ("max-keys=-1", None, "fewer than none"),
            ("max-keys=many", None, "no number"),
            ("max-keys=4294967295", None, "beyond 32 bits"),
        ] {
            let count = Query::parse(text).unwrap().count("max-keys", 1000);
            assert_eq!(count.ok(), expected, "{when}");
        }
    }

    proptest! {
        /// No text makes it panic.
        #[test]
        fn takes_any_text(text in any::<String>()) {
            let _ = Query::parse(&text);
        }
    }
}
