//! A file of records that only grows, and survives being cut short or damaged.
//!
//! Both embedded stores keep one: a write is acknowledged once its record is in the journal, and
//! opening the store replays it. A record is `magic, length, checksum, payload`; what a crash cut
//! off at the end is dropped, and damage in the middle costs the records it touches, not those
//! behind it.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
};

/// Marks the start of a record, so that reading can go on behind damage.
const MAGIC: [u8; 4] = [0xD7, b'x', b'j', 0x01];
/// Magic, length, checksum.
const HEADER_BYTES: usize = 12;
/// The largest record. Whatever claims to be longer is damage.
pub const RECORD_BYTES_MAX: usize = 256 << 20;
/// How much reading and writing gathers before it asks the system.
const BUFFER_BYTES: usize = 1 << 20;

/// An open journal, ready to append to.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: BufWriter<File>,
    len: u64,
}

/// A place in a journal that could not be read. What lay there is lost; the rest is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The bytes that were skipped, counted from the start of the file.
    pub bytes: Range<u64>,
}

impl Journal {
    /// Opens the journal at `path`, or starts an empty one; hands every record in it to `replay`,
    /// oldest first, and returns what could not be read.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, read or cut to its last whole record.
    pub fn open(path: &Path, mut replay: impl FnMut(&[u8])) -> io::Result<(Journal, Vec<Damage>)> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut scan = Scan::new(&mut file)?;
        let mut damages = Vec::new();
        let mut whole = 0;
        while let Some(record) = scan.next()? {
            if whole < record.start {
                damages.push(Damage { bytes: whole..record.start });
            }
            whole = record.end;
            replay(scan.payload(&record));
        }
        // A crash in the middle of an append. Nobody was told that this record is safe.
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok((Journal { path: path.to_owned(), file, len: whole }, damages))
    }

    /// Adds a record. It is safe after the next [`Journal::flush`] or [`Journal::sync`].
    ///
    /// # Errors
    ///
    /// When the system refuses the bytes, most often because the disk is full.
    pub fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        self.append_parts(&[payload])
    }

    /// Adds one record made of several parts, without joining them first.
    ///
    /// # Errors
    ///
    /// As [`Journal::append`]; and when the record is longer than [`RECORD_BYTES_MAX`].
    pub fn append_parts(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let n_bytes: usize = parts.iter().map(|part| part.len()).sum();
        let len = u32::try_from(n_bytes)
            .ok()
            .filter(|_| n_bytes <= RECORD_BYTES_MAX)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "record too long"))?;
        self.file.write_all(&MAGIC)?;
        self.file.write_all(&len.to_le_bytes())?;
        self.file.write_all(&checksum(parts).to_le_bytes())?;
        for part in parts {
            self.file.write_all(part)?;
        }
        self.len += (HEADER_BYTES + n_bytes) as u64;
        Ok(())
    }

    /// Hands everything to the operating system. From here on it survives the death of the process.
    ///
    /// # Errors
    ///
    /// When the system refuses the bytes, most often because the disk is full.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Waits until everything is on the disk. From here on it survives the loss of power.
    ///
    /// # Errors
    ///
    /// As [`Journal::flush`]; and when the disk reports a failure.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }

    /// Its length in bytes, with what is not flushed yet.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was ever appended.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets every record, once the store has put them all elsewhere.
    ///
    /// # Errors
    ///
    /// When the file cannot be cut.
    pub fn clear(&mut self) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_mut();
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        self.len = 0;
        Ok(())
    }
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

/// A whole record's place in the file, header included.
struct Found {
    start: u64,
    end: u64,
}

/// Reads records one after the other, skipping what is not one.
struct Scan<'a> {
    file: &'a mut File,
    /// A window of the file; `buffer[0]` is the byte at `offset`.
    buffer: Vec<u8>,
    offset: u64,
    /// Where in `buffer` the next record should begin.
    at: usize,
    ended: bool,
}

impl Scan<'_> {
    fn new(file: &mut File) -> io::Result<Scan<'_>> {
        file.seek(SeekFrom::Start(0))?;
        Ok(Scan { file, buffer: Vec::new(), offset: 0, at: 0, ended: false })
    }

    fn next(&mut self) -> io::Result<Option<Found>> {
        loop {
            if !self.fill(HEADER_BYTES)? {
                return Ok(None);
            }
            if let Some(n_bytes) = self.record_here()? {
                let start = self.offset + self.at as u64;
                self.at += HEADER_BYTES + n_bytes;
                return Ok(Some(Found { start, end: self.offset + self.at as u64 }));
            }
            let rest = &self.buffer[self.at + 1..];
            self.at += 1 + rest.iter().position(|it| *it == MAGIC[0]).unwrap_or(rest.len());
        }
    }

    /// The length of the payload, if a whole and sound record begins here.
    fn record_here(&mut self) -> io::Result<Option<usize>> {
        let header = &self.buffer[self.at..self.at + HEADER_BYTES];
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (n_bytes, expected) = (word(4) as usize, word(8));
        if header[..4] != MAGIC
            || RECORD_BYTES_MAX < n_bytes
            || !self.fill(HEADER_BYTES + n_bytes)?
        {
            return Ok(None);
        }
        let payload = &self.buffer[self.at + HEADER_BYTES..][..n_bytes];
        Ok((checksum(&[payload]) == expected).then_some(n_bytes))
    }

    fn payload(&self, record: &Found) -> &[u8] {
        let end = usize::try_from(record.end - self.offset).expect("it lies in the buffer");
        let start = usize::try_from(record.start - self.offset).expect("it lies in the buffer");
        &self.buffer[start + HEADER_BYTES..end]
    }

    /// Makes sure that `n_bytes` from here on are in the buffer, if the file has them.
    fn fill(&mut self, n_bytes: usize) -> io::Result<bool> {
        if self.at + n_bytes <= self.buffer.len() {
            return Ok(true);
        }
        if self.ended {
            return Ok(false);
        }
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        let missing = n_bytes.max(BUFFER_BYTES).saturating_sub(self.buffer.len()) as u64;
        let n_read = self.file.take(missing).read_to_end(&mut self.buffer)?;
        self.ended = (n_read as u64) < missing;
        Ok(n_bytes <= self.buffer.len())
    }
}

#[cfg(test)]
mod tests;
