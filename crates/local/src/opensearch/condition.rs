//! Under which conditions a write is meant, from the parameters or the line that comes with it. Pure.

use search::{Condition, Failure, Result, VersionType};

/// What is said about versions, as text.
#[derive(Clone, Debug, Default)]
pub(super) struct Said<'a> {
    pub version: Option<&'a str>,
    pub version_type: Option<&'a str>,
    pub if_seq_no: Option<&'a str>,
    pub if_primary_term: Option<&'a str>,
    pub create: bool,
}

impl Said<'_> {
    /// What it means.
    ///
    /// # Errors
    ///
    /// When it contradicts itself or is no number.
    pub(super) fn read(&self) -> Result<Condition> {
        let version_type = match self.version_type {
            None | Some("internal") => VersionType::Internal,
            Some("external" | "external_gt") => VersionType::External,
            Some("external_gte") => VersionType::ExternalGte,
            Some(other) => {
                return Err(Failure::illegal_argument(format!("No version type match [{other}]")));
            }
        };
        let version = self.version.map(|it| long("version", it)).transpose()?;
        let version = match (version_type, version) {
            (VersionType::Internal, None) => None,
            (VersionType::Internal, Some(_)) => {
                return Err(Failure::validation(&[
                    "internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and `if_primary_term` instead",
                ]));
            }
            (kind, version) => {
                let given = version.unwrap_or(-3);
                let name = match kind {
                    VersionType::ExternalGte => "EXTERNAL_GTE",
                    _ => "EXTERNAL",
                };
                if self.create {
                    return Err(Failure::validation(&[&format!(
                        "create operations only support internal versioning. use index instead, but was [{name}]"
                    )]));
                }
                Some(u64::try_from(given).map_err(|_| {
                    Failure::validation(&[&format!(
                        "illegal version value [{given}] for version type [{name}]"
                    )])
                })?)
            }
        };
        let if_seq_no = match (self.if_seq_no, self.if_primary_term) {
            (None, None) => None,
            (Some(seq_no), Some(term)) => {
                let (seq_no, term) = (long("if_seq_no", seq_no)?, long("if_primary_term", term)?);
                match (u64::try_from(seq_no), u64::try_from(term)) {
                    (Ok(seq_no), Ok(term)) => Some((seq_no, term)),
                    _ => {
                        return Err(Failure::illegal_argument(
                            "sequence numbers must be non negative",
                        ));
                    }
                }
            }
            (Some(_), None) => {
                return Err(Failure::validation(&["ifSeqNo is set, but primary term is [0]"]));
            }
            (None, Some(term)) => {
                return Err(Failure::validation(&[&format!(
                    "ifSeqNo is unassigned, but primary term is [{term}]"
                )]));
            }
        };
        Ok(Condition { version_type, version, if_seq_no, create: self.create })
    }
}

fn long(name: &str, text: &str) -> Result<i64> {
    text.parse().map_err(|_| {
        Failure::illegal_argument(format!(
            "Failed to parse long parameter [{name}] with value [{text}]"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_versions_is_understood_or_refused() {
        let external =
            |version| Said { version, version_type: Some("external"), ..Said::default() };
        for (said, expected) in [
            (Said::default(), Ok(None)),
            (external(Some("7")), Ok(Some(7))),
            (external(Some("9223372036854775807")), Ok(Some(9_223_372_036_854_775_807))),
            (
                external(Some("-1")),
                Err(
                    "Validation Failed: 1: illegal version value [-1] for version type [EXTERNAL];",
                ),
            ),
            (
                external(None),
                Err(
                    "Validation Failed: 1: illegal version value [-3] for version type [EXTERNAL];",
                ),
            ),
            (
                external(Some("9223372036854775808")),
                Err("Failed to parse long parameter [version] with value [9223372036854775808]"),
            ),
            (
                Said { version: Some("3"), ..Said::default() },
                Err(
                    "Validation Failed: 1: internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and `if_primary_term` instead;",
                ),
            ),
            (
                Said { version_type: Some("force"), ..Said::default() },
                Err("No version type match [force]"),
            ),
            (
                Said { if_seq_no: Some("1"), ..Said::default() },
                Err("Validation Failed: 1: ifSeqNo is set, but primary term is [0];"),
            ),
        ] {
            let read = said.read();
            let read = read.as_ref().map(|it| it.version).map_err(|it| it.reason.as_str());
            assert_eq!(read, expected, "{said:?}");
        }
    }
}
