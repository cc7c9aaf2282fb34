//! Writes one table from a picture of it.

use std::{collections::HashMap, fs, io, path::Path};

use journal::Journal;

use super::codec;
use crate::dynamodb::{item::Item, stream::record::Record, table::Table};

/// How much goes into one record: what damage to one byte costs.
const RECORD_BYTES: usize = 256 << 10;

/// Writes the snapshot of a table, and waits until it is on the disk.
pub(crate) fn write(path: &Path, id: u64, table: &Table) -> io::Result<()> {
    // A crash may have left the beginning of one.
    if path.exists() {
        fs::remove_file(path)?;
    }
    let (mut journal, _) = Journal::open(path, |_| ())?;
    // Twice: without it, everything behind it would be of no use.
    let state = codec::state(id, table);
    journal.append(&state)?;
    journal.append(&state)?;

    let mut references = References::of(table);
    let mut out = codec::items(id);
    for (key, item) in table.items.iter() {
        codec::push_item(key, references.of_item(item), item, &mut out);
        if RECORD_BYTES < out.len() {
            journal.append(&std::mem::replace(&mut out, codec::items(id)))?;
        }
    }
    journal.append(&out)?;
    let shards = table.streams.iter().flat_map(|stream| {
        stream
            .shards
            .iter()
            .map(|shard| (stream.label.as_str(), shard.state.id.as_str(), &shard.log))
    });
    for (label, shard, log) in shards.chain([("", "", &table.history)]) {
        let head = || codec::records(id, label, shard);
        let mut out = head();
        for record in log.iter() {
            codec::push_record(record, |item| references.of_image(item), &mut out);
            if RECORD_BYTES < out.len() {
                journal.append(&std::mem::replace(&mut out, head()))?;
            }
        }
        journal.append(&out)?;
    }
    journal.sync()
}

/// Which items are the same piece of memory: an item, the image of the record that wrote it, and the
/// old image of the next. Each is written once, and is one again when it is read.
struct References {
    /// By address; 0 until it is written.
    by_address: HashMap<*const u8, u32>,
    last: u32,
}

impl References {
    fn of(table: &Table) -> References {
        let records = table.streams.iter().flat_map(|it| &it.shards).flat_map(|it| it.log.iter());
        let images = records
            .chain(table.history.iter())
            .flat_map(|Record { old, new, .. }| [old, new])
            .flatten();
        References { by_address: images.map(|it| (address(it), 0)).collect(), last: 0 }
    }

    /// The number of an item that records refer to; 0 if none does.
    fn of_item(&mut self, item: &Item) -> u32 {
        match self.by_address.get_mut(&address(item)) {
            None => 0,
            Some(reference) => {
                self.last += 1;
                *reference = self.last;
                self.last
            }
        }
    }

    /// The number of an image, and whether it is used for the first time.
    fn of_image(&mut self, item: &Item) -> (u32, bool) {
        let reference = self.by_address.entry(address(item)).or_insert(0);
        let is_new = *reference == 0;
        if is_new {
            self.last += 1;
            *reference = self.last;
        }
        (*reference, is_new)
    }
}

fn address(item: &Item) -> *const u8 {
    item.as_bytes().as_ptr()
}
