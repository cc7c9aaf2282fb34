//! `STREAMDEX_PIPELINE`: a whole pipeline file, written out in the variable, beside the program, or
//! in a bucket.

use std::{path::Path, time::Duration};

use aws::{Access, AwsConfig, Environment, KnownSecrets, S3, S3Error, SecretPlace};
use engine::file::{Dialect, Loaded, Reading, Secrets, load_text};
use pipeline::SourceText;
use tracing::warn;

use crate::settings::SettingsError;

/// The variable.
const VARIABLE: &str = "STREAMDEX_PIPELINE";
/// How often a bucket is asked.
const TRIES_MAX: u32 = 3;
/// How long to wait before asking again.
const RETRY_WAIT: Duration = Duration::from_millis(200);

/// Where the text is.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    /// In the variable itself.
    Here(&'a str),
    /// In a file that was deployed with the program.
    File(&'a str),
    /// In a bucket.
    Bucket { bucket: &'a str, key: &'a str },
}

/// Reads the pipelines that the variable is about; `None` if it is not set.
///
/// # Errors
///
/// When they cannot be had, or there is a mistake in them. All mistakes are told.
pub(crate) async fn load(environment: &Environment) -> Result<Option<Loaded>, SettingsError> {
    let Some(value) = environment.get(VARIABLE) else { return Ok(None) };
    let wrong = |problem: String| SettingsError(vec![format!("{VARIABLE}: {problem}")]);
    let text = text_of(&value, environment).await.map_err(wrong)?;
    let loaded = read(&text, environment, Secrets::StandIn)?;
    if loaded.stand_ins.is_empty() {
        return Ok(Some(loaded));
    }
    let places: Vec<SecretPlace<'_>> = loaded
        .extension
        .secrets
        .iter()
        .map(|it| SecretPlace {
            id: &it.id,
            secret_id: &it.secret_id,
            region: it.region.as_deref(),
            sts_role_arn: it.sts_role_arn.as_deref(),
        })
        .collect();
    let known = KnownSecrets::fetch(&places, environment).await;
    let secret = |id: &str, key: Option<&str>| known.get(id, key);
    read(&text, environment, Secrets::Known(&secret)).map(Some)
}

fn read(
    text: &str,
    environment: &Environment,
    secrets: Secrets<'_>,
) -> Result<Loaded, SettingsError> {
    let variable = |name: &str| environment.get(name);
    let reading = Reading { dialect: Dialect::DataPrepper, environment: &variable, secrets };
    let text = SourceText { name: VARIABLE.to_owned(), text: text.to_owned() };
    let loaded = load_text(text, &reading);
    let loaded = loaded.map_err(|problems| SettingsError(vec![problems.to_string()]))?;
    for warning in loaded.warnings.iter() {
        warn!(%warning, "the pipeline file");
    }
    Ok(loaded)
}

async fn text_of(value: &str, environment: &Environment) -> Result<String, String> {
    match place_of(value)? {
        Place::Here(text) => Ok(text.to_owned()),
        Place::File(path) => {
            let folder = environment.get("LAMBDA_TASK_ROOT").unwrap_or_default();
            let path = Path::new(&folder).join(path);
            std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))
        }
        Place::Bucket { bucket, key } => {
            let mut n_tries = 1;
            let bytes = loop {
                match get(bucket, key, environment).await {
                    Ok(bytes) => break bytes,
                    Err(error) if error.is_transient() && n_tries < TRIES_MAX => {
                        warn!(%error, n_tries, "the pipeline file cannot be read, trying again");
                        tokio::time::sleep(RETRY_WAIT * n_tries).await;
                        n_tries += 1;
                    }
                    Err(error) => {
                        return Err(format!(
                            "cannot read {value}: {error}; the function's role needs `s3:GetObject` on it"
                        ));
                    }
                }
            };
            String::from_utf8(bytes.to_vec()).map_err(|_| format!("{value} is not UTF-8"))
        }
    }
}

async fn get(bucket: &str, key: &str, environment: &Environment) -> Result<bytes::Bytes, S3Error> {
    let access = Access::new(AwsConfig::default(), environment.clone());
    S3::new(&access, None).await?.get(bucket, key).await
}

fn place_of(value: &str) -> Result<Place<'_>, String> {
    let value = value.trim();
    if let Some(rest) = value.strip_prefix("s3://") {
        return match rest.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Place::Bucket { bucket, key })
            }
            _ => Err(format!("`{value}` is no address; write s3://bucket/key")),
        };
    }
    let is_name = !value.contains(['\n', '{', ' '])
        && [".yaml", ".yml", ".json"].iter().any(|it| value.ends_with(it));
    Ok(if is_name { Place::File(value) } else { Place::Here(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_holds_a_file_or_says_where_it_is() {
        let bucket = |bucket, key| Ok(Place::Bucket { bucket, key });
        for (value, expected) in [
            ("s3://pipelines/a/books.yaml", bucket("pipelines", "a/books.yaml")),
            ("books.yaml", Ok(Place::File("books.yaml"))),
            ("/opt/books.yml\n", Ok(Place::File("/opt/books.yml"))),
            ("books:\n  source:", Ok(Place::Here("books:\n  source:"))),
            (r#"{"books":{}}"#, Ok(Place::Here(r#"{"books":{}}"#))),
        ] {
            assert_eq!(place_of(value), expected, "{value}");
        }
        assert!(place_of("s3://pipelines").unwrap_err().contains("s3://bucket/key"));
    }
}
