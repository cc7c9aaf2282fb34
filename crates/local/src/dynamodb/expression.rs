//! DynamoDB's expression language, from text to meaning. Pure.
//!
//! ```text
//! text ─tokens→ syntax ─bind names and values→ condition, update, projection, key condition
//! ```
//!
//! [`parser`] knows the grammar and nothing else; [`bind`] replaces placeholders and refuses what
//! makes no sense. What is left is evaluated on the text of an item, of which only the attributes
//! that are asked for are taken apart.

pub(crate) mod ast;
pub(crate) mod bind;
pub(crate) mod condition;
pub(crate) mod document;
pub(crate) mod key_condition;
pub(crate) mod lexer;
pub(crate) mod operands;
pub(crate) mod parser;
pub(crate) mod projection;
pub(crate) mod reserved;
pub(crate) mod update;

pub(crate) use bind::Placeholders;
pub(crate) use condition::Condition;
pub(crate) use key_condition::KeyCondition;
pub(crate) use projection::Projection;
pub(crate) use update::Update;

/// Which parameter an expression stands in. Errors begin with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Condition,
    Filter,
    KeyCondition,
    Projection,
    Update,
}

impl Role {
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Role::Condition => "ConditionExpression",
            Role::Filter => "FilterExpression",
            Role::KeyCondition => "KeyConditionExpression",
            Role::Projection => "ProjectionExpression",
            Role::Update => "UpdateExpression",
        }
    }

    /// An error about this expression, the way DynamoDB words it.
    pub(crate) fn invalid(self, why: impl std::fmt::Display) -> ExpressionError {
        ExpressionError(format!("Invalid {}: {why}", self.parameter()))
    }
}

/// Why an expression is refused, or cannot be applied to an item. The message is DynamoDB's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ExpressionError(pub(crate) String);

impl ExpressionError {
    pub(crate) fn new(message: impl Into<String>) -> ExpressionError {
        ExpressionError(message.into())
    }
}

#[cfg(test)]
mod tests;
