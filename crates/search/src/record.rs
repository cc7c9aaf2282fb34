//! What an index writes into its journal: batches of writes, and changes of its mapping. Pure.

use bytes::Bytes;

use crate::versions::Stamp;

/// One entry of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// A document was put.
    Put { id: Box<str>, routing: Option<Box<str>>, stamp: Stamp, source: Bytes },
    /// A document was deleted, or a delete came for one that was not there.
    Delete { id: Box<str>, stamp: Stamp, at_ms: u64 },
    /// Mapping, slots and settings are now as this JSON says.
    State(String),
}

const PUT: u8 = 1;
const DELETE: u8 = 2;
const STATE: u8 = 3;

impl Write {
    /// Writes it at the end of `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Write::Put { id, routing, stamp, source } => {
                out.push(PUT);
                encode_stamp(*stamp, out);
                encode_bytes(id.as_bytes(), out);
                out.push(u8::from(routing.is_some()));
                encode_bytes(routing.as_deref().unwrap_or_default().as_bytes(), out);
                encode_bytes(source, out);
            }
            Write::Delete { id, stamp, at_ms } => {
                out.push(DELETE);
                encode_stamp(*stamp, out);
                out.extend_from_slice(&at_ms.to_le_bytes());
                encode_bytes(id.as_bytes(), out);
            }
            Write::State(json) => {
                out.push(STATE);
                encode_bytes(json.as_bytes(), out);
            }
        }
    }

    /// Reads what [`Write::encode`] wrote; nothing if `record` was written by something else.
    pub(crate) fn decode_all(record: &[u8]) -> Option<Vec<Write>> {
        let mut rest = Reader(record);
        let mut writes = Vec::new();
        while !rest.0.is_empty() {
            writes.push(match rest.take(1)?[0] {
                PUT => {
                    let stamp = rest.stamp()?;
                    let id = rest.text()?.into();
                    let has_routing = rest.take(1)?[0] == 1;
                    let routing = rest.text()?;
                    let routing = has_routing.then(|| routing.into());
                    Write::Put { id, routing, stamp, source: Bytes::copy_from_slice(rest.bytes()?) }
                }
                DELETE => {
                    let stamp = rest.stamp()?;
                    let at_ms = rest.word()?;
                    Write::Delete { id: rest.text()?.into(), stamp, at_ms }
                }
                STATE => Write::State(rest.text()?.to_owned()),
                _ => return None,
            });
        }
        Some(writes)
    }
}

fn encode_stamp(stamp: Stamp, out: &mut Vec<u8>) {
    out.extend_from_slice(&stamp.version.to_le_bytes());
    out.extend_from_slice(&stamp.seq_no.to_le_bytes());
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(bytes.len()).expect("a request is shorter");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn word(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn stamp(&mut self) -> Option<Stamp> {
        Some(Stamp { version: self.word()?, seq_no: self.word()? })
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = u32::from_le_bytes(self.take(4)?.try_into().ok()?);
        self.take(len as usize)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_write() -> impl Strategy<Value = Write> {
        let stamp =
            (any::<u64>(), any::<u64>()).prop_map(|(version, seq_no)| Stamp { version, seq_no });
        prop_oneof![
            (any::<String>(), any::<Option<String>>(), stamp.clone(), any::<Vec<u8>>()).prop_map(
                |(id, routing, stamp, source)| Write::Put {
                    id: id.into(),
                    routing: routing.map(Into::into),
                    stamp,
                    source: source.into()
                }
            ),
            (any::<String>(), stamp, any::<u64>()).prop_map(|(id, stamp, at_ms)| Write::Delete {
                id: id.into(),
                stamp,
                at_ms
            }),
            any::<String>().prop_map(Write::State),
        ]
    }

    proptest! {
        /// A batch comes back as it was written, and no cut of it makes reading panic.
        #[test]
        fn a_batch_comes_back(writes in prop::collection::vec(any_write(), 0..8), cut in any::<prop::sample::Index>()) {
            let mut record = Vec::new();
            writes.iter().for_each(|it| it.encode(&mut record));
            prop_assert_eq!(Write::decode_all(&record), Some(writes));
            let _ = Write::decode_all(&record[..cut.index(record.len() + 1)]);
        }
    }
}
