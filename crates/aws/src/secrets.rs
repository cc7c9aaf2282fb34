//! Secrets of AWS Secrets Manager, fetched for `${{aws_secrets:id:key}}`.

use std::collections::BTreeMap;

use base64::Engine;
use serde_json::{Value, json};

use crate::{Access, AwsConfig, CallError, Environment, JsonService};

/// Secrets by the names that references use, or why one could not be had.
#[derive(Default)]
pub struct KnownSecrets(BTreeMap<String, Result<String, String>>);

/// Where a secret is, and what references call it.
#[derive(Clone, Copy, Debug)]
pub struct SecretPlace<'a> {
    /// What references call it.
    pub id: &'a str,
    /// Its name or ARN.
    pub secret_id: &'a str,
    /// Where it is, if its ARN does not say so.
    pub region: Option<&'a str>,
    /// Who may read it, if not we.
    pub sts_role_arn: Option<&'a str>,
}

/// A secret is shown to nobody.
impl std::fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KnownSecrets({})", self.0.len())
    }
}

async fn fetch_one(place: SecretPlace<'_>, environment: &Environment) -> Result<String, CallError> {
    let region = place.region.map(str::to_owned).or_else(|| region_of(place.secret_id));
    let sts_role_arn = place.sts_role_arn.map(str::to_owned);
    let config = AwsConfig { region, sts_role_arn, ..AwsConfig::default() };
    let access = Access::new(config, environment.clone());
    let (name, host) = ("SECRETS_MANAGER", "secretsmanager");
    let service = JsonService::new(&access, name, host, "secretsmanager").await?;
    let answer = service.ask("GetSecretValue", &json!({ "SecretId": place.secret_id })).await?;
    Ok(text_of(&answer))
}

/// The region in `arn:aws:secretsmanager:eu-west-1:123456789012:secret:name`.
fn region_of(secret_id: &str) -> Option<String> {
    let parts: Vec<&str> = secret_id.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "secretsmanager", region, ..] if !region.is_empty() => Some(region.to_owned()),
        _ => None,
    }
}

/// A secret is a text, or bytes that ought to be one.
fn text_of(answer: &Value) -> String {
    if let Some(text) = answer["SecretString"].as_str() {
        return text.to_owned();
    }
    let bytes = answer["SecretBinary"].as_str().unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl KnownSecrets {
    /// Fetches secrets. One that cannot be had is told where it is used.
    pub async fn fetch(places: &[SecretPlace<'_>], environment: &Environment) -> KnownSecrets {
        let mut known = KnownSecrets::default();
        for place in places {
            let secret = fetch_one(*place, environment).await;
            let secret = secret.map_err(|error| {
                format!("the secret `{}` cannot be read: {error}", place.secret_id)
            });
            known.0.insert(place.id.to_owned(), secret);
        }
        known
    }

    /// The secret called `id`, or what it holds under `key`.
    ///
    /// # Errors
    ///
    /// When it could not be fetched, or holds no such key. Never says what it holds.
    pub fn get(&self, id: &str, key: Option<&str>) -> Result<String, String> {
        let secret = match self.0.get(id) {
            Some(secret) => secret.clone()?,
            None => return Err(format!("the secret `{id}` is not defined")),
        };
        let Some(key) = key else { return Ok(secret) };
        let Ok(Value::Object(fields)) = serde_json::from_str(&secret) else {
            return Err(format!(
                "the secret `{id}` is not a JSON object, so it has no key `{key}`"
            ));
        };
        match fields.get(key) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value) => Ok(value.to_string()),
            None => Err(format!("the secret `{id}` has no key `{key}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> KnownSecrets {
        let mut known = KnownSecrets::default();
        let json = r#"{"user":"ada","port":9200,"ssl":true}"#;
        known.0.insert("search".to_owned(), Ok(json.to_owned()));
        known.0.insert("plain".to_owned(), Ok("hunter2".to_owned()));
        known.0.insert("away".to_owned(), Err("AccessDeniedException".to_owned()));
        known
    }

    #[test]
    fn a_secret_is_given_whole_or_by_key() {
        for (id, key, expected) in [
            ("plain", None, Ok("hunter2")),
            ("search", Some("user"), Ok("ada")),
            ("search", Some("port"), Ok("9200")),
            ("search", Some("ssl"), Ok("true")),
            ("search", Some("pass"), Err("has no key `pass`")),
            ("plain", Some("x"), Err("is not a JSON object")),
            ("away", None, Err("AccessDenied")),
            ("nowhere", None, Err("is not defined")),
        ] {
            match (known().get(id, key), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => {
                    assert!(found.contains(expected), "{found}");
                    assert!(!found.contains("hunter2"), "{found}");
                }
                (found, expected) => panic!("{id} {key:?}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn an_arn_knows_its_region() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/search-AbCdEf";
        assert_eq!(region_of(arn).as_deref(), Some("eu-west-1"));
        assert_eq!(region_of("prod/search"), None);
    }
}
