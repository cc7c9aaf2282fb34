//! Dead letters in a bucket, under the keys and in the form that Data Prepper gives them.

use std::time::Duration;

use async_trait::async_trait;
use aws::{Access, AwsConfig, Environment, S3, S3Error};
use bytes::Bytes;
use expression::DatePattern;
use jiff::tz::TimeZone;
use pipeline::{Clock, DeadLetter, DeadLetterQueue, SinkError, Timestamp};
use tokio::sync::OnceCell;
use tracing::warn;

use crate::{config::DlqS3, letter};

/// The version of Data Prepper whose form it is.
const FORM: &str = "dlq-v2";
/// How often an object is tried to be written, and how long to wait first; twice as long each time.
const TRIES: u32 = 5;
const WAIT: Duration = Duration::from_millis(200);

/// The dead letters of one pipeline in a bucket: an object for each batch.
#[derive(Debug)]
pub struct S3Letters {
    bucket: Bucket,
    prefix: Vec<Part>,
    pipeline: String,
    clock: Clock,
}

/// A bucket, and the way to it.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) name: String,
    access: Access,
    endpoint: Option<String>,
    owner: Option<String>,
    /// Made when it is first needed.
    s3: OnceCell<S3>,
}

/// A part of the prefix.
#[derive(Debug)]
enum Part {
    Same(String),
    Date(DatePattern),
}

impl Bucket {
    pub(super) fn new(settings: &DlqS3, environment: Environment) -> Bucket {
        let config = AwsConfig {
            region: settings.region.clone(),
            sts_role_arn: settings.sts_role_arn.clone(),
            sts_external_id: settings.sts_external_id.clone(),
            endpoint: settings.endpoint.clone(),
        };
        let by_path = settings.region.as_ref().filter(|_| settings.force_path_style);
        let endpoint = settings.endpoint.clone().or_else(|| environment.endpoint("S3"));
        Bucket {
            name: settings.bucket.trim_start_matches("s3://").to_owned(),
            access: Access::new(config, environment),
            endpoint: endpoint
                .or_else(|| by_path.map(|it| format!("https://s3.{it}.amazonaws.com"))),
            owner: settings.bucket_owner.clone(),
            s3: OnceCell::new(),
        }
    }

    /// The calls of S3.
    pub(super) async fn s3(&self) -> Result<&S3, S3Error> {
        self.s3
            .get_or_try_init(|| async {
                let s3 = S3::new(&self.access, self.endpoint.as_deref()).await?;
                Ok(s3.of_owner(self.owner.clone()))
            })
            .await
    }

    /// Writes an object, several times if it must be.
    pub(super) async fn put(&self, key: &str, body: Bytes) -> Result<(), S3Error> {
        let (mut n_tries, mut wait) = (1, WAIT);
        loop {
            let put = async { self.s3().await?.put(&self.name, key, body.clone()).await };
            match put.await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_transient() && n_tries < TRIES => {
                    warn!(%error, "dead letters could not be written, trying again");
                    tokio::time::sleep(wait).await;
                    n_tries += 1;
                    wait *= 2;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl S3Letters {
    /// Those of `pipeline`, where the settings say. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// When the prefix has a date in it that is none.
    pub fn new(
        settings: &DlqS3,
        pipeline: &str,
        environment: Environment,
        clock: Clock,
    ) -> Result<S3Letters, String> {
        Ok(S3Letters {
            bucket: Bucket::new(settings, environment),
            prefix: parts(settings.key_path_prefix.as_deref().unwrap_or_default())?,
            pipeline: pipeline.to_owned(),
            clock,
        })
    }

    /// The key of an object with this content: the same for the same content and moment, so that
    /// writing it twice leaves one.
    fn key(&self, now: Timestamp, body: &[u8]) -> String {
        let mut key = String::new();
        let ms = i64::try_from(now.0).unwrap_or(i64::MAX);
        let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        for part in &self.prefix {
            match part {
                Part::Same(text) => key.push_str(text),
                Part::Date(pattern) => pattern.format(&at.to_zoned(TimeZone::UTC), &mut key),
            }
        }
        if !key.is_empty() && !key.ends_with('/') {
            key.push('/');
        }
        let (pipeline, at) = (&self.pipeline, letter::instant(now));
        format!("{key}{FORM}-{pipeline}-opensearch-{at}-{}.json", letter::uuid_of(body))
    }
}

#[async_trait]
impl DeadLetterQueue for S3Letters {
    async fn add(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        if letters.is_empty() {
            return Ok(());
        }
        let mut body = b"{\"dlqObjects\":[".to_vec();
        for (n, it) in letters.iter().enumerate() {
            if 0 < n {
                body.push(b',');
            }
            letter::write(&self.pipeline, it, &mut body);
        }
        body.extend_from_slice(b"]}");
        let key = self.key(self.clock.now(), &body);
        self.bucket.put(&key, body.into()).await.map_err(|error| {
            SinkError(format!(
                "cannot write dead letters: {error}; the role needs `s3:PutObject` on {}",
                self.place()
            ))
        })
    }

    fn place(&self) -> String {
        let prefix: String = self.prefix.iter().filter_map(Part::same).collect();
        format!("s3://{}/{prefix}", self.bucket.name)
    }
}

impl Part {
    fn same(&self) -> Option<&str> {
        match self {
            Part::Same(text) => Some(text),
            Part::Date(_) => None,
        }
    }
}

/// Takes a prefix apart: `letters/%{yyyy}/%{MM}`.
fn parts(prefix: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = prefix;
    while let Some((before, after)) = rest.split_once("%{") {
        let (pattern, behind) = after
            .split_once('}')
            .ok_or_else(|| format!("a date in `{prefix}` does not end; close it with `}}`"))?;
        parts.push(Part::Same(before.to_owned()));
        let read = DatePattern::parse(pattern);
        parts.push(Part::Date(read.map_err(|error| error.to_string())?));
        rest = behind;
    }
    parts.push(Part::Same(rest.to_owned()));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(prefix: &str) -> Result<S3Letters, String> {
        let settings = pipeline::Settings::from_yaml(&format!(
            "bucket: s3://bucket\nkey_path_prefix: '{prefix}'"
        ));
        let settings: DlqS3 = settings.unwrap().read().unwrap();
        S3Letters::new(&settings, "books", Environment::of([]), Clock::real())
    }

    #[test]
    fn keys_are_those_of_data_prepper() {
        let at = Timestamp(1_769_863_996_789);
        let key = letters("dead/%{yyyy}/%{MM}").unwrap().key(at, b"x");
        let (name, uuid) =
            key.split_at("dead/2026/01/dlq-v2-books-opensearch-2026-01-31T12:53:16.789Z-".len());
        assert_eq!(name, "dead/2026/01/dlq-v2-books-opensearch-2026-01-31T12:53:16.789Z-");
        assert_eq!(uuid.len(), 36 + ".json".len(), "{uuid}");
        assert_eq!(uuid.matches('-').count(), 4);
        let other = letters("dead/%{yyyy}/%{MM}").unwrap().key(at, b"y");
        assert_ne!(key, other);
        assert!(letters("%{yyyy").unwrap_err().contains("close it"));
        assert_eq!(letters("a/").unwrap().place(), "s3://bucket/a/");
    }
}
