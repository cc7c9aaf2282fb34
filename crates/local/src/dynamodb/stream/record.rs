//! One change, and how `GetRecords` shows it. Pure.

use wire::json::write_string;

use super::{Sequence, ViewType};
use crate::dynamodb::item::Item;

/// A change of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) sequence: Sequence,
    pub(crate) created_ms: u64,
    /// The item before. `None` if there was none.
    pub(crate) old: Option<Item>,
    /// The item after. `None` if it was removed.
    pub(crate) new: Option<Item>,
    /// Whether it went because its time to live was over.
    pub(crate) by_ttl: bool,
}

impl Record {
    /// Its size as DynamoDB reports it.
    pub(crate) fn size_bytes(&self, view: ViewType) -> usize {
        let of = |item: &Option<Item>, is_shown| {
            item.as_ref().filter(|_| is_shown).map_or(0, Item::size_bytes)
        };
        let key = self.item().map_or(0, Item::key_size_bytes);
        key + of(&self.new, view.shows_new()) + of(&self.old, view.shows_old())
    }

    /// Appends it as `GetRecords` shows it.
    pub(crate) fn write(&self, view: ViewType, region: &str, out: &mut Vec<u8>) {
        let name: &[u8] = match (&self.old, &self.new) {
            (None, _) => b"INSERT",
            (Some(_), Some(_)) => b"MODIFY",
            (Some(_), None) => b"REMOVE",
        };
        let text = |out: &mut Vec<u8>, text: std::fmt::Arguments<'_>| {
            use std::io::Write;
            // Writing to memory does not fail.
            let _ = out.write_fmt(text);
        };
        out.extend_from_slice(b"{\"awsRegion\":");
        write_string(region, out);
        text(
            out,
            format_args!(
                ",\"dynamodb\":{{\"ApproximateCreationDateTime\":{},\"Keys\":",
                self.created_ms / 1000
            ),
        );
        if let Some(item) = self.item() {
            item.write_key(out);
        }
        for (name, image, is_shown) in
            [("NewImage", &self.new, view.shows_new()), ("OldImage", &self.old, view.shows_old())]
        {
            if let Some(image) = image.as_ref().filter(|_| is_shown) {
                text(out, format_args!(",\"{name}\":"));
                out.extend_from_slice(image.json());
            }
        }
        text(
            out,
            format_args!(
                ",\"SequenceNumber\":\"{}\",\"SizeBytes\":{},\"StreamViewType\":\"{}\"}},\"eventID\":\"{:032x}\",\"eventName\":\"",
                self.sequence,
                self.size_bytes(view),
                view.name(),
                self.event_id(),
            ),
        );
        out.extend_from_slice(name);
        out.extend_from_slice(b"\",\"eventSource\":\"aws:dynamodb\",\"eventVersion\":\"1.1\"");
        if self.by_ttl {
            out.extend_from_slice(
                b",\"userIdentity\":{\"PrincipalId\":\"dynamodb.amazonaws.com\",\"Type\":\"Service\"}",
            );
        }
        out.push(b'}');
    }

    /// The same whenever it is read.
    fn event_id(&self) -> u128 {
        let seed = (u128::from(self.created_ms) << 64) | u128::from(self.sequence.0);
        // An odd factor: different records have different ids.
        seed.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) | 1 << 127
    }

    fn item(&self) -> Option<&Item> {
        self.new.as_ref().or(self.old.as_ref())
    }
}
