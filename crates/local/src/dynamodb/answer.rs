//! Answers, written member by member: items are copied into them as they are stored. Pure.

use wire::json::write_string;

/// A JSON object under construction.
#[derive(Debug)]
pub(crate) struct Answer {
    out: Vec<u8>,
}

impl Answer {
    pub(crate) fn new() -> Answer {
        Answer { out: vec![b'{'] }
    }

    /// Begins a member, and lets `write` append its value.
    pub(crate) fn member(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if 1 < self.out.len() {
            self.out.push(b',');
        }
        write_string(name, &mut self.out);
        self.out.push(b':');
        write(&mut self.out);
    }

    /// Adds a member whose value is JSON already.
    pub(crate) fn json(&mut self, name: &str, json: &[u8]) {
        self.member(name, |out| out.extend_from_slice(json));
    }

    /// Adds a member.
    pub(crate) fn value(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        let value: serde_json::Value = value.into();
        self.json(name, value.to_string().as_bytes());
    }

    /// The finished object.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }
}

/// Appends `[…]`; `write` appends one element, and says whether it did.
pub(crate) fn write_list<T>(
    out: &mut Vec<u8>,
    elements: impl IntoIterator<Item = T>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (at, element) in elements.into_iter().enumerate() {
        if at != 0 {
            out.push(b',');
        }
        write(element, out);
    }
    out.push(b']');
}
