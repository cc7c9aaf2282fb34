//! The embedded DynamoDB endpoint.
