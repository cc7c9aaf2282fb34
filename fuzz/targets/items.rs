//! Any bytes as an item of DynamoDB, as in a stream record or a line of an export: both ways of
//! writing it give the same, or both refuse it.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use pipeline::{Document, Event, Value};

fuzz_target!(|bytes: &[u8]| {
    let document = Document::Item(Bytes::copy_from_slice(bytes));
    let mut event = Event { document, ..Event::default() };
    let (mut closed, mut opened) = (Vec::new(), Vec::new());
    let written = event.write_document(&mut closed);
    if event.open().is_ok() {
        written.expect("what can be opened can be written");
        event.write_document(&mut opened).expect("what is open can be written");
        let value = |json: &[u8]| Value::from_json(json).expect("what is written is JSON");
        // A name that is there twice, which DynamoDB never sends, has its last value in both.
        assert_eq!(value(&closed), value(&opened));
        // What needs no escape, or is escaped in DynamoDB's own spelling, is the same byte by byte.
        if !bytes.contains(&b'\\') && closed.len() == opened.len() {
            assert_eq!(String::from_utf8_lossy(&closed), String::from_utf8_lossy(&opened));
        }
    }
});
