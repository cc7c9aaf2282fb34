//! The environment variables that AWS's own tools read.

use std::{collections::HashMap, sync::Arc};

/// The variables of this process, or some that a test made up.
#[derive(Clone, Debug)]
pub struct Environment(Option<Arc<HashMap<String, String>>>);

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Environment {
        Environment(None)
    }

    /// Those given.
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Environment {
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Environment(Some(Arc::new(variables.into())))
    }

    /// The value of `name`, unless it is unset or empty.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = match &self.0 {
            Some(variables) => variables.get(name).cloned(),
            None => std::env::var(name).ok(),
        };
        value.filter(|it| !it.is_empty())
    }

    /// Where the user wants the calls of a service to go, if not to AWS:
    /// `AWS_ENDPOINT_URL_<SERVICE>`, else `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self, service: &str) -> Option<String> {
        if self.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|it| it == "true") {
            return None;
        }
        self.get(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| self.get("AWS_ENDPOINT_URL"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_of_the_service_goes_first() {
        let both =
            [("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_DYNAMODB", "http://one")];
        let environment = Environment::of(both);
        assert_eq!(environment.endpoint("DYNAMODB").as_deref(), Some("http://one"));
        assert_eq!(environment.endpoint("S3").as_deref(), Some("http://all"));
        assert_eq!(Environment::of([]).endpoint("S3"), None);
        let ignored = [("AWS_ENDPOINT_URL", "x"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        assert_eq!(Environment::of(ignored).endpoint("S3"), None);
    }
}
