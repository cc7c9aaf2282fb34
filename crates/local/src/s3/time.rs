//! Times as S3 writes and reads them. Pure.
//!
//! Everywhere else here a time is a number of milliseconds since 1970.

use jiff::{
    Timestamp,
    fmt::{rfc2822, strtime},
};

/// `2026-11-22T10:00:00.000Z`, as in XML.
pub(crate) fn iso(ms: u64) -> String {
    format!("{:.3}", timestamp(ms))
}

/// `Sun, 22 Nov 2026 10:00:00 GMT`, as in headers.
pub(crate) fn http(ms: u64) -> String {
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&timestamp(ms)).unwrap_or_default()
}

/// Reads what [`http`] writes, and what other clients write for it.
pub(crate) fn parse_http(text: &str) -> Option<u64> {
    let timestamp = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    u64::try_from(timestamp.as_millisecond()).ok()
}

/// Reads `20261122T100000Z`, as in signatures.
pub(crate) fn parse_basic(text: &str) -> Option<u64> {
    let time = strtime::parse("%Y%m%dT%H%M%SZ", text).ok()?.to_datetime().ok()?;
    let timestamp = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    u64::try_from(timestamp.as_millisecond()).ok()
}

/// Times too late for a calendar count as 1970: a file may claim anything about its age.
fn timestamp(ms: u64) -> Timestamp {
    i64::try_from(ms).ok().and_then(|it| Timestamp::from_millisecond(it).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_forms() {
        let ms = 1_795_341_600_789;
        assert_eq!(iso(ms), "2026-11-22T10:00:00.789Z");
        assert_eq!(http(ms), "Sun, 22 Nov 2026 10:00:00 GMT");
        assert_eq!(parse_http(&http(ms)), Some(1_795_341_600_000));
        assert_eq!(parse_basic("20261122T100000Z"), Some(1_795_341_600_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "20261122", "20261322T100000Z", "99999999999999999999"] {
            assert_eq!(parse_http(text), None, "{text}");
            assert_eq!(parse_basic(text), None, "{text}");
        }
        assert_eq!(iso(u64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
