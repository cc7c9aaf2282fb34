//! The `aws:` block of a pipeline file, and the right to make calls that follows from it.

use std::{sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig, sts::AssumeRoleProvider};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use tokio::sync::{Mutex, OnceCell};

use crate::Environment;

/// How long before they lapse credentials are fetched anew.
const REFRESH_BEFORE: Duration = Duration::from_mins(5);

/// Where to make calls, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsConfig {
    /// The region; by default the one of the SDK's chain.
    pub region: Option<String>,
    /// The role to take on.
    pub sts_role_arn: Option<String>,
    /// What the role's owner asked us to say.
    pub sts_external_id: Option<String>,
    /// Where to send the calls instead of to AWS: for endpoints on this machine.
    pub endpoint: Option<String>,
}

/// The right to make calls: region and credentials. Cheap to clone; clones share what was fetched.
#[derive(Clone, Debug)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: AwsConfig,
    environment: Environment,
    /// Loaded on the first call, so that starting costs nothing.
    sdk: OnceCell<SdkConfig>,
    cached: Mutex<Option<Credentials>>,
}

/// Why no call can be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AccessError {
    /// There is no region.
    #[error("no AWS region: set `region` in the `aws` block, or AWS_REGION")]
    NoRegion,
    /// There are no credentials, or nobody would give us any.
    #[error(
        "no AWS credentials: {0}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role"
    )]
    NoCredentials(String),
    /// The role exists not, or not for us, or nobody could be asked.
    #[error(
        "cannot take on the role {role}: {reason}; check `sts_role_arn`, that the role trusts us, and that STS can be reached"
    )]
    NoRole {
        /// Its ARN.
        role: String,
        /// What was answered.
        reason: String,
    },
}

impl Access {
    /// The access that `config` and the environment give. Nothing is fetched yet.
    pub fn new(config: AwsConfig, environment: Environment) -> Access {
        Access(Arc::new(Inner {
            config,
            environment,
            sdk: OnceCell::new(),
            cached: Mutex::new(None),
        }))
    }

    /// The region of the calls.
    ///
    /// # Errors
    ///
    /// When neither the settings nor the environment nor the profile name one.
    pub async fn region(&self) -> Result<String, AccessError> {
        if let Some(region) = &self.0.config.region {
            return Ok(region.clone());
        }
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            if let Some(region) = self.0.environment.get(name) {
                return Ok(region);
            }
        }
        if self.is_on_this_machine() {
            return Ok("us-east-1".to_owned());
        }
        let region = self.sdk().await.region().map(ToString::to_string);
        region.ok_or(AccessError::NoRegion)
    }

    /// Where calls of `service` (`DYNAMODB`) go if not to AWS.
    pub fn endpoint(&self, service: &str) -> Option<String> {
        self.0.config.endpoint.clone().or_else(|| self.0.environment.endpoint(service))
    }

    /// The variables it was made with.
    pub fn environment(&self) -> &Environment {
        &self.0.environment
    }

    /// Credentials that are good for a while.
    ///
    /// # Errors
    ///
    /// When there are none, or the role may not be taken on.
    pub async fn credentials(&self) -> Result<Credentials, AccessError> {
        let mut cached = self.0.cached.lock().await;
        if let Some(credentials) = cached.as_ref().filter(|it| is_fresh(it)) {
            return Ok(credentials.clone());
        }
        // The chain of the SDK is large, and seldom needed.
        let credentials = Box::pin(self.fetch()).await?;
        *cached = Some(credentials.clone());
        Ok(credentials)
    }

    /// Fetches credentials anew at the next call: those we have are not taken any more.
    pub async fn forget(&self) {
        *self.0.cached.lock().await = None;
    }

    async fn fetch(&self) -> Result<Credentials, AccessError> {
        if self.is_on_this_machine() && !self.has_credentials_at_hand() {
            // Embedded endpoints take any. Asking the chain would look for a metadata service first.
            return Ok(Credentials::new("local", "local", None, None, "streamdex"));
        }
        if let (None, Some(credentials)) =
            (&self.0.config.sts_role_arn, credentials_of(&self.0.environment))
        {
            // What the chain would look at first; without loading it.
            return Ok(credentials);
        }
        let sdk = self.sdk().await;
        let provider = match &self.0.config.sts_role_arn {
            Some(role) => {
                let mut builder = AssumeRoleProvider::builder(role)
                    .configure(sdk)
                    .region(Region::new(self.region().await?))
                    .session_name("streamdex");
                if let Some(external_id) = &self.0.config.sts_external_id {
                    builder = builder.external_id(external_id);
                }
                let base = sdk.credentials_provider().ok_or_else(no_chain)?;
                SharedCredentialsProvider::new(builder.build_from_provider(base).await)
            }
            None => sdk.credentials_provider().ok_or_else(no_chain)?,
        };
        provider.provide_credentials().await.map_err(|error| match &self.0.config.sts_role_arn {
            Some(role) => AccessError::NoRole { role: role.clone(), reason: causes(&error) },
            None => AccessError::NoCredentials(causes(&error)),
        })
    }

    async fn sdk(&self) -> &SdkConfig {
        self.0
            .sdk
            .get_or_init(|| {
                Box::pin(async {
                    let tls = Provider::Rustls(CryptoMode::Ring);
                    let http = Builder::new().tls_provider(tls).build_https();
                    let mut loader =
                        aws_config::defaults(BehaviorVersion::latest()).http_client(http);
                    if let Some(region) = &self.0.config.region {
                        loader = loader.region(Region::new(region.clone()));
                    }
                    if let Some(endpoint) = &self.0.config.endpoint {
                        loader = loader.endpoint_url(endpoint);
                    }
                    loader.load().await
                })
            })
            .await
    }

    fn has_credentials_at_hand(&self) -> bool {
        ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"]
            .iter()
            .any(|name| self.0.environment.get(name).is_some())
    }

    /// Whether calls go to an endpoint on this machine.
    fn is_on_this_machine(&self) -> bool {
        ["DYNAMODB", "S3"].iter().any(|it| self.endpoint(it).is_some_and(|it| is_loopback(&it)))
    }
}

/// Those that the environment holds itself.
fn credentials_of(environment: &Environment) -> Option<Credentials> {
    let id = environment.get("AWS_ACCESS_KEY_ID")?;
    let secret = environment.get("AWS_SECRET_ACCESS_KEY")?;
    let token = environment.get("AWS_SESSION_TOKEN");
    Some(Credentials::new(id, secret, token, None, "environment"))
}

fn is_loopback(endpoint: &str) -> bool {
    let host = endpoint.split("://").nth(1).unwrap_or(endpoint);
    ["127.", "localhost", "[::1]"].iter().any(|it| host.starts_with(it))
}

#[expect(clippy::disallowed_methods, reason = "credentials lapse by the real time, in tests too")]
fn is_fresh(credentials: &Credentials) -> bool {
    let refresh_at = std::time::SystemTime::now() + REFRESH_BEFORE;
    credentials.expiry().is_none_or(|expiry| refresh_at < expiry)
}

fn no_chain() -> AccessError {
    AccessError::NoCredentials("the SDK found no provider".to_owned())
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
