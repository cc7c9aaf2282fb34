//! The ARN of a table. Pure.

use serde::Deserialize;

/// The ARN of a table: `arn:aws:dynamodb:eu-west-1:123456789012:table/orders`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct TableArn {
    /// As it was written.
    pub text: String,
    /// Where the table lives.
    pub region: String,
    /// What it is called there.
    pub table: String,
}

impl TryFrom<String> for TableArn {
    type Error = NotATableArn;

    fn try_from(text: String) -> Result<TableArn, NotATableArn> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", _partition, "dynamodb", region, _account, resource] = parts[..] else {
            return Err(NotATableArn(text));
        };
        match resource.strip_prefix("table/") {
            Some(table) if !table.is_empty() && !table.contains('/') => {
                let (region, table) = (region.to_owned(), table.to_owned());
                Ok(TableArn { text, region, table })
            }
            _ => Err(NotATableArn(text)),
        }
    }
}

/// Not the ARN of a table. Most often it is the ARN of the table's stream.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a table ARN; expected `arn:aws:dynamodb:<region>:<account>:table/<name>`")]
pub struct NotATableArn(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_arn_knows_its_region_and_table() {
        let arn =
            TableArn::try_from("arn:aws:dynamodb:eu-west-1:1:table/orders".to_owned()).unwrap();
        assert_eq!((arn.region.as_str(), arn.table.as_str()), ("eu-west-1", "orders"));
    }

    #[test]
    fn what_is_not_a_table_arn_is_refused() {
        for text in [
            "arn:aws:dynamodb:eu-west-1:1:table/orders/stream/2026-01-01T00:00:00.000",
            "arn:aws:dynamodb:eu-west-1:1:table/",
            "orders",
            "",
        ] {
            assert!(TableArn::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
