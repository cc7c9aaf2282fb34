//! What an endpoint answers when it cannot do what it is asked. Pure.

use wire::{canonical::Invalid, json::write_string};

use super::{expression::ExpressionError, item::Item};

/// DynamoDB's errors. Each has a type and a status that SDKs look at, and a message for people.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The request makes no sense.
    #[error("{0}")]
    Validation(String),
    /// The request is not even the JSON that it must be.
    #[error("{0}")]
    Serialization(String),
    #[error("{0}")]
    ResourceNotFound(String),
    #[error("{0}")]
    ResourceInUse(String),
    #[error("The conditional request failed")]
    ConditionalCheckFailed {
        /// The item as it is, if the request asks for it.
        item: Option<Item>,
    },
    #[error("{0}")]
    ExpiredIterator(String),
    #[error("{0}")]
    TrimmedData(String),
    #[error("{0}")]
    UnknownOperation(String),
    #[error("{0}")]
    IncompleteSignature(String),
    /// The journal cannot be written.
    #[error("{0}")]
    Internal(String),
    /// One that someone ordered at `/_local/faults`.
    #[error("{message}")]
    Ordered { status: u16, name: String, message: String },
}

impl ApiError {
    /// A [`ApiError::Validation`].
    pub(crate) fn validation(message: impl Into<String>) -> ApiError {
        ApiError::Validation(message.into())
    }

    /// What DynamoDB says when a parameter breaks the rules of its model.
    pub(crate) fn constraint(value: impl std::fmt::Display, at: &str, rule: &str) -> ApiError {
        ApiError::Validation(format!(
            "1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: {rule}"
        ))
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            ApiError::Internal(_) => 500,
            ApiError::Ordered { status, .. } => *status,
            _ => 400,
        }
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Vec<u8> {
        let (namespace, name) = self.type_name();
        let mut out = Vec::new();
        out.extend_from_slice(b"{\"__type\":");
        write_string(&format!("{namespace}#{name}"), &mut out);
        // The framework in front of DynamoDB writes a capital letter.
        let key = if namespace == CORAL_SERVICE { "Message" } else { "message" };
        out.push(b',');
        write_string(key, &mut out);
        out.push(b':');
        write_string(&self.to_string(), &mut out);
        if let ApiError::ConditionalCheckFailed { item: Some(item) } = self {
            out.extend_from_slice(b",\"Item\":");
            out.extend_from_slice(item.json());
        }
        out.push(b'}');
        out
    }

    fn type_name(&self) -> (&str, &str) {
        match self {
            ApiError::Validation(_) => ("com.amazon.coral.validate", "ValidationException"),
            ApiError::Serialization(_) => (CORAL_SERVICE, "SerializationException"),
            ApiError::UnknownOperation(_) => (CORAL_SERVICE, "UnknownOperationException"),
            ApiError::IncompleteSignature(_) => (CORAL_SERVICE, "IncompleteSignatureException"),
            ApiError::ResourceNotFound(_) => (DYNAMODB, "ResourceNotFoundException"),
            ApiError::ResourceInUse(_) => (DYNAMODB, "ResourceInUseException"),
            ApiError::ConditionalCheckFailed { .. } => {
                (DYNAMODB, "ConditionalCheckFailedException")
            }
            ApiError::ExpiredIterator(_) => (DYNAMODB, "ExpiredIteratorException"),
            ApiError::TrimmedData(_) => (DYNAMODB, "TrimmedDataAccessException"),
            ApiError::Internal(_) => (DYNAMODB, "InternalServerError"),
            ApiError::Ordered { name, .. } => (DYNAMODB, name),
        }
    }
}

const DYNAMODB: &str = "com.amazonaws.dynamodb.v20120810";
const CORAL_SERVICE: &str = "com.amazon.coral.service";

impl From<ExpressionError> for ApiError {
    fn from(error: ExpressionError) -> ApiError {
        ApiError::Validation(error.0)
    }
}

impl From<Invalid> for ApiError {
    fn from(error: Invalid) -> ApiError {
        if error.is_malformed() {
            ApiError::Serialization(error.to_string())
        } else {
            ApiError::Validation(error.to_string())
        }
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> ApiError {
        ApiError::Serialization(error.to_string())
    }
}
