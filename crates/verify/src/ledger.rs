//! Which documents the table accounts for, beside those the index has: on disk, so that the memory it
//! takes does not grow with the table.
//!
//! Both are divided by a hash of the address into as many parts as there are files; each part is then
//! looked through by itself.

use std::{
    collections::HashSet,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::PathBuf,
};

use tempfile::TempDir;

use crate::{Address, Listed};

/// A part of a table of a hundred million items has four hundred thousand hashes: three megabytes.
const PARTS: usize = 256;
const BUFFER_BYTES: usize = 4 << 10;
/// Stands for the index of a document that is yet to come: no index has such a name.
const ANYWHERE: &str = "*";

/// What was expected and what was found.
#[derive(Debug)]
pub(crate) struct Ledger {
    expected: Files,
    listed: Files,
    /// Deleted with it.
    dir: TempDir,
}

impl Ledger {
    pub(crate) fn new() -> io::Result<Ledger> {
        let dir = TempDir::with_prefix("streamdex-verify-")?;
        let (expected, listed) = (Files::new("expected"), Files::new("listed"));
        Ok(Ledger { expected, listed, dir })
    }

    /// Notes that the table accounts for a document, in the index `place` or, if it was not there when
    /// we looked, in whichever.
    pub(crate) fn expect(&mut self, address: &Address, place: Option<&str>) -> io::Result<()> {
        let hash = hash_of(address.sink, place.unwrap_or(ANYWHERE), &address.id);
        let file = self.expected.part(part_of(&address.id), &self.dir)?;
        file.write_all(&hash.to_le_bytes())
    }

    /// Notes that the index has a document.
    pub(crate) fn list(&mut self, listed: &Listed) -> io::Result<()> {
        let mut file = self.listed.part(part_of(&listed.address.id), &self.dir)?;
        serde_json::to_writer(&mut file, listed)?;
        file.write_all(b"\n")
    }

    /// Reads part `n` of [`Ledger::N`]: the documents nobody accounts for.
    pub(crate) fn unexpected(&mut self, n: usize) -> io::Result<Vec<Listed>> {
        let Some(listed) = self.listed.read(n, &self.dir)? else { return Ok(Vec::new()) };
        let mut hashes = HashSet::new();
        let mut expected: Box<dyn Read> = match self.expected.read(n, &self.dir)? {
            Some(file) => Box::new(file),
            None => Box::new(io::empty()),
        };
        let mut hash = [0; 8];
        loop {
            match expected.read_exact(&mut hash) {
                Ok(()) => {
                    hashes.insert(u64::from_le_bytes(hash));
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            }
        }
        let mut unexpected = Vec::new();
        for line in listed.lines() {
            let listed: Listed = serde_json::from_str(&line?)?;
            let Address { sink, index, id, .. } = &listed.address;
            let is_expected = |index: &str| hashes.contains(&hash_of(*sink, index, id));
            if !is_expected(index) && !is_expected(ANYWHERE) {
                unexpected.push(listed);
            }
        }
        Ok(unexpected)
    }

    /// How many parts there are.
    pub(crate) const N: usize = PARTS;
}

/// The files of one kind, each made when something is first written to it.
#[derive(Debug)]
struct Files {
    kind: &'static str,
    parts: Vec<Option<BufWriter<File>>>,
}

impl Files {
    fn new(kind: &'static str) -> Files {
        Files { kind, parts: (0..PARTS).map(|_| None).collect() }
    }

    fn path(&self, n: usize, dir: &TempDir) -> PathBuf {
        dir.path().join(format!("{}-{n}", self.kind))
    }

    /// Part `n`, to write to.
    fn part(&mut self, n: usize, dir: &TempDir) -> io::Result<&mut BufWriter<File>> {
        if self.parts[n].is_none() {
            let file = File::create_new(self.path(n, dir))?;
            self.parts[n] = Some(BufWriter::with_capacity(BUFFER_BYTES, file));
        }
        Ok(self.parts[n].as_mut().expect("it was just made"))
    }

    /// Part `n`, to read from its beginning; nothing if nothing was written to it.
    fn read(&mut self, n: usize, dir: &TempDir) -> io::Result<Option<BufReader<File>>> {
        let Some(part) = &mut self.parts[n] else { return Ok(None) };
        part.flush()?;
        Ok(Some(BufReader::new(File::open(self.path(n, dir))?)))
    }
}

/// The routing is not part of it: a document under another one is found by comparing.
fn hash_of(sink: usize, index: &str, id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (sink, index, id).hash(&mut hasher);
    hasher.finish()
}

/// All documents of one id are in one part, whatever index they are in.
fn part_of(id: &str) -> usize {
    usize::try_from(hash_of(0, "", id) % PARTS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stamp;

    #[test]
    fn what_nobody_accounts_for_is_told_once() {
        let address = |n: u32| Address {
            sink: 0,
            index: "books".to_owned(),
            id: format!("{n}\n\"é"),
            routing: None,
        };
        let stamp = Stamp { version: 1, seq_no: 2, primary_term: 3 };
        let mut ledger = Ledger::new().unwrap();
        for n in 0..3000 {
            if n % 10 != 3 {
                ledger.expect(&address(n), (n % 2 == 0).then_some("books")).unwrap();
            }
            if n % 7 != 0 {
                ledger.list(&Listed { address: address(n), stamp }).unwrap();
            }
        }
        let mut seen: Vec<String> = (0..Ledger::N)
            .flat_map(|n| ledger.unexpected(n).unwrap())
            .map(|it| it.address.id)
            .collect();
        let mut expected: Vec<String> =
            (0..3000).filter(|n| n % 10 == 3 && n % 7 != 0).map(|n| address(n).id).collect();
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
    }
}
