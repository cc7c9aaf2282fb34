//! `DescribeTable`, `ListTables`, `DeleteTable`.

use std::ops::Bound;

use serde::Deserialize;

use super::parameters::{limit, parse, required};
use crate::dynamodb::{
    answer::Answer,
    endpoint::{Endpoint, check_table_name},
    error::ApiError,
    request::Caller,
};

/// How many names an answer may have.
const NAMES_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OneTable {
    pub(crate) table_name: Option<String>,
}

pub(crate) fn describe_table(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: OneTable = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    let mut answer = Answer::new();
    let table = cell.read();
    let is_filling = table.indexes.iter().any(|it| it.backfilled_to.is_some());
    answer.value("Table", table.describe(if is_filling { "UPDATING" } else { "ACTIVE" }));
    Ok(answer.finish())
}

pub(crate) fn delete_table(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: OneTable = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    let description = {
        let table = cell.read();
        if table.description.is_protected {
            return Err(ApiError::validation(
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
            ));
        }
        table.describe("DELETING")
    };
    endpoint.delete(&cell)?;
    let mut answer = Answer::new();
    answer.value("TableDescription", description);
    Ok(answer.finish())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    exclusive_start_table_name: Option<String>,
    limit: Option<i64>,
}

pub(crate) fn list_tables(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: List = parse(body)?;
    let limit = limit(request.limit, "limit", NAMES_MAX)?.unwrap_or(NAMES_MAX);
    let after = request.exclusive_start_table_name.unwrap_or_default();
    if !after.is_empty() {
        check_table_name(&after)?;
    }
    let tables = endpoint.tables();
    let start = Bound::Excluded((caller.region.clone(), after));
    let mut names = tables
        .live
        .range((start, Bound::Unbounded))
        .take_while(|((region, _), _)| *region == caller.region)
        .map(|((_, name), _)| name.as_str());
    let page: Vec<&str> = names.by_ref().take(limit).collect();
    let last = page.last().copied().filter(|_| names.next().is_some());
    let mut answer = Answer::new();
    if let Some(last) = last {
        answer.value("LastEvaluatedTableName", last);
    }
    answer.value("TableNames", page);
    Ok(answer.finish())
}
