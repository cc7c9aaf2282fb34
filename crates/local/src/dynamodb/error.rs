//! What an endpoint answers when it cannot do what it is asked. Pure.

use wire::{canonical::Invalid, json::write_string};

use super::{answer::write_list, expression::ExpressionError, item::Item};

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
    /// Some part of a transaction cannot be done, so none of it was.
    #[error(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        .0.iter().map(|it| it.code).collect::<Vec<_>>().join(", ")
    )]
    TransactionCanceled(Vec<Reason>),
    /// Any other error of DynamoDB.
    #[error("{message}")]
    Named { name: &'static str, message: String },
    /// The journal cannot be written.
    #[error("{0}")]
    Internal(String),
    /// One that someone ordered at `/_local/faults`.
    #[error("{message}")]
    Ordered { status: u16, name: String, message: String },
}

/// What became of one part of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    pub(crate) code: &'static str,
    pub(crate) message: Option<String>,
    /// The item as it is, if the part asks for it.
    pub(crate) item: Option<Item>,
}

impl Reason {
    /// Nothing was wrong with this part.
    pub(crate) const NONE: Reason = Reason { code: "None", message: None, item: None };

    /// Why a part cannot be done; other errors are none of this part alone.
    pub(crate) fn of(error: ApiError) -> Result<Reason, ApiError> {
        let message = Some(error.to_string());
        match error {
            ApiError::ConditionalCheckFailed { item } => {
                Ok(Reason { code: "ConditionalCheckFailed", message, item })
            }
            ApiError::Validation(_) => Ok(Reason { code: "ValidationError", message, item: None }),
            error => Err(error),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"Code\":");
        write_string(self.code, out);
        if let Some(item) = &self.item {
            out.extend_from_slice(b",\"Item\":");
            out.extend_from_slice(item.json());
        }
        if let Some(message) = &self.message {
            out.extend_from_slice(b",\"Message\":");
            write_string(message, out);
        }
        out.push(b'}');
    }
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
        // The framework in front of DynamoDB writes a capital letter, and so do transactions.
        let is_capital =
            namespace == CORAL_SERVICE || matches!(self, ApiError::TransactionCanceled(_));
        let key = if is_capital { "Message" } else { "message" };
        out.push(b',');
        write_string(key, &mut out);
        out.push(b':');
        write_string(&self.to_string(), &mut out);
        if let ApiError::ConditionalCheckFailed { item: Some(item) } = self {
            out.extend_from_slice(b",\"Item\":");
            out.extend_from_slice(item.json());
        }
        if let ApiError::TransactionCanceled(reasons) = self {
            out.extend_from_slice(b",\"CancellationReasons\":");
            write_list(&mut out, reasons, Reason::write);
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
            ApiError::TransactionCanceled(_) => (DYNAMODB, "TransactionCanceledException"),
            ApiError::Named { name, .. } => (DYNAMODB, name),
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
