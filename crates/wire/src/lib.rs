//! DynamoDB JSON as it travels: read byte by byte, never taken apart further than needed.
//!
//! [`json`] walks over JSON text without building anything. [`attribute`] turns DynamoDB's typed
//! values into plain JSON. [`stream`] finds the records in an answer of `GetRecords`.
//! [`canonical`] gives every item one spelling, [`attribute_value`] takes one apart where it must be
//! computed with, and [`number`] is what `N` stands for.
//!
//! A string in DynamoDB JSON is already a JSON string, so its bytes are copied as they are, escapes
//! and all: that is why this path is an order of magnitude faster than one that builds values.

pub mod attribute;
pub mod attribute_value;
pub mod canonical;
pub mod json;
pub mod number;
pub mod stream;
