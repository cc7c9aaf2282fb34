//! `DeleteObjects`: up to a thousand at once, each with an outcome of its own.

use std::sync::Arc;

use axum::body::Body;

use crate::s3::{
    address,
    answer::{self, Answer},
    condition::Conditions,
    error::{ApiError, Code},
    head::Head,
    store::Store,
    transfer::{self, blocking},
    xml::{Element, Writer},
};

/// As S3 has it.
const OBJECTS_MAX: usize = 1000;
/// A thousand keys, escaped in the longest way.
const DOCUMENT_BYTES_MAX: usize = 8 << 20;

/// One object that is to go.
struct Doomed {
    key: String,
    conditions: Conditions,
}

pub(crate) async fn delete_many(
    store: &Arc<Store>,
    head: &Head,
    body: &mut Body,
) -> Result<Answer, ApiError> {
    let document = transfer::read_document(head, body, DOCUMENT_BYTES_MAX).await?;
    let root = Element::read(&document, "Delete")?;
    let is_quiet = root.text_of("Quiet").is_some_and(|it| it.trim() == "true");
    let doomed: Vec<Doomed> = root.all("Object").map(doomed).collect::<Result<_, _>>()?;
    if doomed.is_empty() || OBJECTS_MAX < doomed.len() {
        return Err(Code::MalformedXml.into());
    }
    let (store, bucket) = (store.clone(), head.bucket().to_owned());
    let out = blocking(move || delete_all(&store, &bucket, doomed, is_quiet)).await?;
    Ok(answer::document(out))
}

fn doomed(object: &Element) -> Result<Doomed, ApiError> {
    let key = object.text_of("Key").filter(|it| !it.is_empty()).ok_or(Code::MalformedXml)?;
    let version = object.text_of("VersionId").unwrap_or("null");
    if version != "null" {
        return Err(Code::NotImplemented
            .because("the embedded S3 endpoint does not implement versions of objects"));
    }
    let conditions = Conditions::matching(object.text_of("ETag").map(str::to_owned));
    Ok(Doomed { key: key.to_owned(), conditions })
}

fn delete_all(
    store: &Store,
    bucket: &str,
    doomed: Vec<Doomed>,
    is_quiet: bool,
) -> Result<Writer, ApiError> {
    // Without the bucket there is one error, not a thousand.
    store.bucket(bucket)?;
    let mut out = Writer::document("DeleteResult");
    for Doomed { key, conditions } in doomed {
        let result =
            address::check_key(&key).and_then(|()| store.delete(bucket, &key, &conditions));
        match result {
            Ok(()) if is_quiet => {}
            Ok(()) => {
                out.open("Deleted");
                out.text("Key", &key);
                out.close("Deleted");
            }
            Err(error) => {
                out.open("Error");
                out.text("Key", &key);
                out.text("Code", &error.code);
                out.text("Message", &error.message);
                out.close("Error");
            }
        }
    }
    out.close("DeleteResult");
    Ok(out)
}
