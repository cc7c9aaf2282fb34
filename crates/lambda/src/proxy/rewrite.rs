//! Dashboards under a stage: its own paths get the stage before them, and nothing else does. Pure.
//!
//! Dashboards believes that it is at `/_dashboards`, and writes so into its pages, scripts, styles,
//! redirects and cookies. The browser sees it at `/dev/_dashboards`. What comes from an API is data
//! and is never looked into, whatever stands in it.

/// Where Dashboards is.
const DASHBOARDS: &str = "/_dashboards";

/// Whether the answer to a request for `path` may have to be rewritten, if its type says so: it is a
/// page or a part of one, and not an API.
pub(super) fn may_concern(path: &str, prefix: &str) -> bool {
    let Some(rest) = path.strip_prefix(DASHBOARDS) else { return false };
    let is_api = ["/api", "/internal"]
        .iter()
        .any(|it| rest.strip_prefix(it).is_some_and(|it| it.is_empty() || it.starts_with('/')));
    !prefix.is_empty() && (rest.is_empty() || rest.starts_with('/')) && !is_api
}

/// Whether content of this type has paths in it.
pub(super) fn has_paths(content_type: &str, path: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "text/html"
        | "text/css"
        | "application/javascript"
        | "text/javascript"
        | "application/x-javascript"
        | "application/manifest+json" => true,
        "application/json" => path.ends_with("manifest.json") || path.ends_with(".webmanifest"),
        _ => false,
    }
}

/// `body` with `prefix` before every path of Dashboards that does not have it yet.
pub(super) fn body(body: &[u8], prefix: &str) -> Vec<u8> {
    let token = DASHBOARDS.as_bytes();
    let mut out = Vec::with_capacity(body.len() + body.len() / 16);
    let mut rest_from = 0;
    let mut from = 0;
    while let Some(at) = find(&body[from..], token).map(|it| it + from) {
        let behind = body.get(at + token.len());
        // `/_dashboardsX` is another name; `x/_dashboards` is the end of some other path, or has the
        // prefix already.
        let ends = behind.is_none_or(|it| !is_name(*it));
        let begins =
            at == 0 || !(is_name(body[at - 1]) || matches!(body[at - 1], b'/' | b'%' | b'~'));
        if ends && begins {
            out.extend_from_slice(&body[rest_from..at]);
            out.extend_from_slice(prefix.as_bytes());
            rest_from = at;
        }
        from = at + token.len();
    }
    out.extend_from_slice(&body[rest_from..]);
    out
}

/// `Location` as the browser must see it: addresses of the domain become our own, others stay.
pub(super) fn location(value: &str, host: &str, prefix: &str) -> String {
    let own = without_host(value, host).unwrap_or(value);
    if own.starts_with('/') && !own.starts_with("//") && !is_below(own, prefix) {
        return format!("{prefix}{own}");
    }
    own.to_owned()
}

/// `Set-Cookie` as the browser must see it: for our path, and for no domain but ours.
pub(super) fn cookie(value: &str, prefix: &str) -> String {
    let mut parts = value.split(';');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            // The browser would not take a cookie for the domain from us.
            "domain" => {}
            "path" if !prefix.is_empty() && !is_below(value.trim(), prefix) => {
                let path = value.trim();
                out.push_str("; Path=");
                out.push_str(prefix);
                out.push_str(if path == "/" { "" } else { path });
            }
            _ => {
                out.push(';');
                out.push_str(part);
            }
        }
    }
    out
}

/// The path of an address of the domain itself.
fn without_host<'a>(value: &'a str, host: &str) -> Option<&'a str> {
    let name = |it: &str| {
        let it = it.trim_end_matches(":443").trim_end_matches(":80");
        it.to_ascii_lowercase()
    };
    let (_, own) = host.split_once("://")?;
    let (_, rest) = value.split_once("://").or_else(|| Some(("", value.strip_prefix("//")?)))?;
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    (name(authority) == name(own)).then_some(if path.is_empty() { "/" } else { path })
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|it| !prefix.is_empty() && (it.is_empty() || it.starts_with(['/', '?', '#'])))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || 0x7F < byte
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, rest) = needle.split_first()?;
    let mut from = 0;
    loop {
        let at = from + haystack[from..].iter().position(|it| it == first)?;
        if haystack[at + 1..].starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::TestCaseResult};

    use super::*;

    fn text(page: &str) -> String {
        String::from_utf8(body(page.as_bytes(), "/dev")).unwrap()
    }

    #[test]
    fn paths_of_dashboards_get_the_stage() {
        for (page, expected) in [
            (r#"<a href="/_dashboards/app">"#, r#"<a href="/dev/_dashboards/app">"#),
            ("url(/_dashboards/x.woff)", "url(/dev/_dashboards/x.woff)"),
            (
                "&quot;basePath&quot;:&quot;/_dashboards&quot;",
                "&quot;basePath&quot;:&quot;/dev/_dashboards&quot;",
            ),
            (r#"p="\/_dashboards\/x""#, r#"p="\/dev/_dashboards\/x""#),
            ("/_dashboards", "/dev/_dashboards"),
            ("'/_dashboards','/_dashboards/'", "'/dev/_dashboards','/dev/_dashboards/'"),
        ] {
            assert_eq!(text(page), expected);
        }
    }

    #[test]
    fn what_only_looks_like_one_is_left_alone() {
        for page in [
            "/dev/_dashboards/app",
            "https://opensearch.org/_dashboards/app",
            "/_dashboardsX /_dashboards_old /_dashboards-2 /_dashboards.js",
            "_dashboards",
            "a/_dashboards",
            "",
        ] {
            assert_eq!(text(page), page);
        }
    }

    #[test]
    fn only_pages_are_looked_into() {
        for (path, expected) in [
            ("/_dashboards/app/dev_tools", true),
            ("/_dashboards", true),
            ("/_dashboards/8842/bundles/core.js", true),
            ("/_dashboards/api/saved_objects/_find", false),
            ("/_dashboards/internal/search", false),
            ("/_dashboards/apix", true),
            ("/_dashboardsx", false),
            ("/books/_search", false),
        ] {
            assert_eq!(may_concern(path, "/dev"), expected, "{path}");
            assert!(!may_concern(path, ""), "no prefix, nothing to do");
        }
        for (kind, path, expected) in [
            ("text/html; charset=utf-8", "/x", true),
            ("Application/JavaScript", "/x", true),
            ("application/json", "/x/manifest.json", true),
            ("application/json", "/x", false),
            ("image/png", "/x", false),
            ("", "/x", false),
        ] {
            assert_eq!(has_paths(kind, path), expected, "{kind}");
        }
    }

    #[test]
    fn redirects_stay_with_us() {
        let host = "https://search-x.es.amazonaws.com";
        for (value, expected) in [
            ("/_dashboards/app/home", "/dev/_dashboards/app/home"),
            ("/", "/dev/"),
            ("https://search-x.es.amazonaws.com/_dashboards/?a=1#b", "/dev/_dashboards/?a=1#b"),
            ("https://SEARCH-x.es.amazonaws.com:443", "/dev/"),
            ("//search-x.es.amazonaws.com/a", "/dev/a"),
            ("/dev/_dashboards", "/dev/_dashboards"),
            ("app/home", "app/home"),
            ("https://login.example.com/_dashboards", "https://login.example.com/_dashboards"),
            ("//evil.example.com/_dashboards", "//evil.example.com/_dashboards"),
        ] {
            assert_eq!(location(value, host, "/dev"), expected, "{value}");
        }
        assert_eq!(location("https://search-x.es.amazonaws.com/a", host, ""), "/a");
    }

    #[test]
    fn cookies_are_for_our_path() {
        for (value, expected) in [
            ("a=1; Path=/_dashboards; HttpOnly", "a=1; Path=/dev/_dashboards; HttpOnly"),
            ("a=1; path=/; Secure", "a=1; Path=/dev; Secure"),
            ("a=1; Path=/dev/_dashboards", "a=1; Path=/dev/_dashboards"),
            ("a=1; Domain=search-x.es.amazonaws.com; Max-Age=5", "a=1; Max-Age=5"),
            ("a=/_dashboards", "a=/_dashboards"),
        ] {
            assert_eq!(cookie(value, "/dev"), expected, "{value}");
        }
        assert_eq!(cookie("a=1; Path=/", ""), "a=1; Path=/");
    }

    proptest! {
        /// Rewriting twice is rewriting once, and taking the prefix away again gives the page back.
        #[test]
        fn rewriting_is_done_once(page in r#"(/_dashboards|/dev|["' x/.]){0,12}"#) {
            check_rewriting_is_done_once(&page)?;
        }
    }

    fn check_rewriting_is_done_once(page: &str) -> TestCaseResult {
        let once = text(page);
        prop_assert_eq!(text(&once), once.clone());
        prop_assert!(once.len() >= page.len());
        prop_assert_eq!(once.replace("/dev", ""), page.replace("/dev", ""));
        Ok(())
    }
}
