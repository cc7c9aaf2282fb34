//! DynamoDB JSON as it travels: read byte by byte, never taken apart further than needed.
//!
//! [`json`] walks over JSON text without building anything. [`attribute`] turns DynamoDB's typed
//! values into plain JSON. [`stream`] finds the records in an answer of `GetRecords`, [`rows`] the
//! items in an export and in an answer of `Scan`; [`ion`] is the other language of exports.
//! [`canonical`] gives every item one spelling, [`attribute_value`] takes one apart where it must be
//! computed with, and [`number`] is what `N` stands for.
//!
//! A string in DynamoDB JSON is already a JSON string, so its bytes are copied as they are, escapes
//! and all: that is why this path is an order of magnitude faster than one that builds values.

pub mod attribute;
pub mod attribute_value;
pub mod canonical;
pub mod ion;
pub mod json;
pub mod number;
pub mod rows;
pub mod stream;
