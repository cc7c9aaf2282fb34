//! `If-Match` and its relatives: whether a request still applies. Pure.

use super::{
    error::{ApiError, Code},
    head::Head,
    time,
};

/// What a request says about the object it expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    matches: Option<String>,
    none_matches: Option<String>,
    modified_since_ms: Option<u64>,
    unmodified_since_ms: Option<u64>,
}

impl Conditions {
    /// Those of the request itself.
    pub(crate) fn of(head: &Head) -> Conditions {
        Conditions::with_prefix(head, "")
    }

    /// Those about the source of a copy.
    pub(crate) fn of_source(head: &Head) -> Conditions {
        Conditions::with_prefix(head, "x-amz-copy-source-")
    }

    /// That an object of this etag be there.
    pub(crate) fn matching(etag: Option<String>) -> Conditions {
        Conditions { matches: etag, ..Conditions::default() }
    }

    fn with_prefix(head: &Head, prefix: &str) -> Conditions {
        let text = |name: &str| head.header(&format!("{prefix}{name}"));
        // A date that is none is no condition.
        let date = |name: &str| text(name).and_then(time::parse_http);
        Conditions {
            matches: text("if-match").map(str::to_owned),
            none_matches: text("if-none-match").map(str::to_owned),
            modified_since_ms: date("if-modified-since"),
            unmodified_since_ms: date("if-unmodified-since"),
        }
    }

    /// Whether the object may be read.
    ///
    /// # Errors
    ///
    /// When the client has it already, or wanted another.
    pub(crate) fn check_read(&self, etag: &str, modified_ms: u64) -> Result<(), ApiError> {
        // Headers know whole seconds.
        let modified_ms = modified_ms / 1000 * 1000;
        match (&self.matches, self.unmodified_since_ms) {
            (Some(list), _) if !names(list, etag) => return Err(failed("If-Match")),
            // An etag says more than a time.
            (None, Some(since_ms)) if since_ms < modified_ms => {
                return Err(failed("If-Unmodified-Since"));
            }
            _ => {}
        }
        match (&self.none_matches, self.modified_since_ms) {
            (Some(list), _) if names(list, etag) => Err(Code::NotModified.into()),
            (None, Some(since_ms)) if modified_ms <= since_ms => Err(Code::NotModified.into()),
            _ => Ok(()),
        }
    }

    /// Whether a source may be copied. There is nobody to be told that they have it already.
    pub(crate) fn check_copy(&self, etag: &str, modified_ms: u64) -> Result<(), ApiError> {
        self.check_read(etag, modified_ms).map_err(|error| {
            let is_known = error.is(Code::NotModified);
            if is_known { failed("x-amz-copy-source-If-None-Match") } else { error }
        })
    }

    /// Whether the object may be written or deleted, given the etag of the one that is there.
    ///
    /// # Errors
    ///
    /// When another is there than was expected, or none.
    pub(crate) fn check_write(&self, etag: Option<&str>) -> Result<(), ApiError> {
        match (&self.matches, etag) {
            (Some(_), None) => return Err(Code::NoSuchKey.into()),
            (Some(list), Some(etag)) if !names(list, etag) => return Err(failed("If-Match")),
            _ => {}
        }
        match (&self.none_matches, etag) {
            (Some(list), Some(etag)) if names(list, etag) => Err(failed("If-None-Match")),
            _ => Ok(()),
        }
    }

    /// Whether anything is asked at all.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Conditions::default()
    }
}

fn failed(condition: &str) -> ApiError {
    Code::PreconditionFailed.about("Condition", condition)
}

/// Whether a list like `"a", W/"b"` names this etag. `*` names any.
fn names(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|it| {
        let it = it.strip_prefix("W/").unwrap_or(it);
        it == "*" || it.trim_matches('"') == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED_MS: u64 = 1_795_341_600_789;
    const BEFORE: &str = "Sun, 22 Nov 2026 09:59:59 GMT";
    const THEN: &str = "Sun, 22 Nov 2026 10:00:00 GMT";

    #[test]
    fn a_read_applies_or_not() {
        for (headers, status, when) in [
            (&[][..], 200, "no conditions"),
            (&[("if-match", "\"e\"")], 200, "the same"),
            (&[("if-match", "e")], 200, "without quotes"),
            (&[("if-match", "\"x\", \"e\"")], 200, "one of several"),
            (&[("if-match", "*")], 200, "any"),
            (&[("if-match", "\"x\"")], 412, "another"),
            (&[("if-none-match", "W/\"e\"")], 304, "known"),
            (&[("if-none-match", "\"x\"")], 200, "unknown"),
            (&[("if-modified-since", THEN)], 304, "not modified since"),
            (&[("if-modified-since", BEFORE)], 200, "modified since"),
            (&[("if-modified-since", "later")], 200, "no date"),
            (&[("if-unmodified-since", THEN)], 200, "not modified since"),
            (&[("if-unmodified-since", BEFORE)], 412, "modified since"),
            (&[("if-match", "\"e\""), ("if-unmodified-since", BEFORE)], 200, "the etag decides"),
            (&[("if-none-match", "\"x\""), ("if-modified-since", THEN)], 200, "here, too"),
        ] {
            let result = conditions(headers).check_read("e", MODIFIED_MS);
            assert_eq!(result.map_or_else(|it| it.status, |()| 200), status, "{when}");
        }
    }

    #[test]
    fn a_write_applies_or_not() {
        for (headers, etag, status, when) in [
            (&[][..], None, 200, "no conditions"),
            (&[("if-none-match", "*")], None, 200, "the first takes the lease"),
            (&[("if-none-match", "*")], Some("e"), 412, "the second does not"),
            (&[("if-match", "\"e\"")], Some("e"), 200, "it is as it was"),
            (&[("if-match", "\"x\"")], Some("e"), 412, "someone else wrote"),
            (&[("if-match", "\"x\"")], None, 404, "it is gone"),
        ] {
            let result = conditions(headers).check_write(etag);
            assert_eq!(result.map_or_else(|it| it.status, |()| 200), status, "{when}");
        }
    }

    fn conditions(headers: &[(&'static str, &str)]) -> Conditions {
        let mut request = http::Request::builder().uri("/books/a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Conditions::of(&Head::of(&request.body(()).unwrap().into_parts().0).unwrap())
    }
}
