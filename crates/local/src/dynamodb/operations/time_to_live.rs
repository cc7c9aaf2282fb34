//! `UpdateTimeToLive`, `DescribeTimeToLive`.

use serde::Deserialize;
use serde_json::json;

use super::{
    parameters::{parse, required},
    tables::OneTable,
};
use crate::dynamodb::{answer::Answer, endpoint::Endpoint, error::ApiError, request::Caller};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    table_name: Option<String>,
    time_to_live_specification: Option<Specification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Specification {
    enabled: bool,
    attribute_name: String,
}

pub(crate) fn update_time_to_live(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    let Specification { enabled, attribute_name } =
        required(request.time_to_live_specification, "timeToLiveSpecification")?;
    if !(1..=255).contains(&attribute_name.len()) {
        return Err(ApiError::constraint(
            &attribute_name,
            "timeToLiveSpecification.attributeName",
            "Member must have length between 1 and 255",
        ));
    }
    endpoint.write(&cell, |writing| {
        let now = writing.table().description.ttl.clone();
        match (enabled, now) {
            (true, Some(now)) if now == attribute_name => {
                return Err(ApiError::validation("TimeToLive is already enabled"));
            }
            (false, None) => return Err(ApiError::validation("TimeToLive is already disabled")),
            (_, Some(now)) if now != attribute_name => {
                return Err(ApiError::validation(
                    "TimeToLive is active on a different AttributeName: current AttributeName is "
                        .to_owned()
                        + &now,
                ));
            }
            _ => {}
        }
        let ttl = enabled.then(|| attribute_name.clone());
        writing.alter(|table| table.expire_by(ttl));
        Ok(())
    })?;
    let mut answer = Answer::new();
    answer.value(
        "TimeToLiveSpecification",
        json!({ "AttributeName": attribute_name, "Enabled": enabled }),
    );
    Ok(answer.finish())
}

pub(crate) fn describe_time_to_live(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: OneTable = parse(body)?;
    let cell = endpoint.table(caller, &required(request.table_name, "tableName")?)?;
    let mut answer = Answer::new();
    let description = match &cell.read().description.ttl {
        None => json!({ "TimeToLiveStatus": "DISABLED" }),
        Some(name) => json!({ "AttributeName": name, "TimeToLiveStatus": "ENABLED" }),
    };
    answer.value("TimeToLiveDescription", description);
    Ok(answer.finish())
}
