//! `TagResource`, `UntagResource`, `ListTagsOfResource`.

use serde::Deserialize;
use serde_json::json;

use super::{
    create_table::{TAGS_MAX, Tag},
    parameters::{parse, required},
};
use crate::dynamodb::{endpoint::Endpoint, error::ApiError, request::Caller};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    resource_arn: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

pub(crate) fn tag_resource(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let cell = endpoint.table(caller, &required(request.resource_arn, "resourceArn")?)?;
    endpoint.write(&cell, |writing| {
        let mut tags = writing.table().description.tags.clone();
        tags.extend(request.tags.into_iter().map(|it| (it.key, it.value)));
        if TAGS_MAX < tags.len() {
            return Err(ApiError::validation("Too many tags: a table may have 50"));
        }
        writing.alter(|table| table.description.tags = tags);
        Ok(Vec::new())
    })
}

pub(crate) fn untag_resource(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let cell = endpoint.table(caller, &required(request.resource_arn, "resourceArn")?)?;
    endpoint.write(&cell, |writing| {
        writing.alter(|table| {
            table.description.tags.retain(|key, _| !request.tag_keys.contains(key));
        });
        Ok(Vec::new())
    })
}

pub(crate) fn list_tags_of_resource(
    endpoint: &Endpoint,
    caller: &Caller,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: Request = parse(body)?;
    let cell = endpoint.table(caller, &required(request.resource_arn, "resourceArn")?)?;
    let table = cell.read();
    let tags: Vec<_> = table
        .description
        .tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    Ok(json!({ "Tags": tags }).to_string().into_bytes())
}
