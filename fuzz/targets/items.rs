//! Any bytes as an item of DynamoDB, as in a stream record or a line of an export: both ways of
//! writing it give the same, or both refuse it.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use pipeline::{Document, Event};

fuzz_target!(|bytes: &[u8]| {
    let document = Document::Item(Bytes::copy_from_slice(bytes));
    let mut event = Event { document, ..Event::default() };
    let (mut closed, mut opened) = (Vec::new(), Vec::new());
    let written = event.write_document(&mut closed);
    if event.open().is_ok() {
        written.expect("what can be opened can be written");
        event.write_document(&mut opened).expect("what is open can be written");
        if !has_a_name_twice(&closed) {
            assert_eq!(String::from_utf8_lossy(&closed), String::from_utf8_lossy(&opened));
        }
    }
});

/// DynamoDB never sends a name twice; what is opened then has the last of them.
fn has_a_name_twice(json: &[u8]) -> bool {
    let Ok(value) = pipeline::Value::from_json(json) else { return true };
    value.to_string().len() != json.len()
}
