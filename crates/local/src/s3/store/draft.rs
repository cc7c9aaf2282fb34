//! Bytes on their way to a place: written to a file of no importance, hashed in passing.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use md5::{Digest, Md5};
use sha2::Sha256;

use super::{
    Store,
    record::{Content, Stamp},
};
use crate::s3::{
    checksum::{Algorithm, Hasher},
    percent,
};

/// How much is read and hashed at once when a file is copied.
const COPY_BYTES: usize = 256 * 1024;

/// A file without a place. It is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    file: File,
}

/// A file that grows.
#[derive(Debug)]
pub(crate) struct Draft {
    temporary: Temporary,
    n_bytes: u64,
    md5: Md5,
    payload: Option<Sha256>,
    hasher: Option<Hasher>,
}

/// A file that is complete, and waits to be renamed to its place.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(super) temporary: Temporary,
    pub(crate) n_bytes: u64,
    /// The SHA-256 of the bytes, if it was asked for.
    pub(crate) payload: Option<String>,
    pub(crate) content: Content,
}

impl Temporary {
    /// Gives the file its place. From here on it is what it is.
    pub(super) fn place(self, to: &Path) -> io::Result<()> {
        // If it fails, dropping us removes the file; if not, nothing is left to remove.
        fs::rename(&self.path, to)
    }

    /// Gives the file a stamp of its own.
    pub(super) fn stamp(&self, now_ms: u64, n: u64) -> io::Result<Stamp> {
        Stamp::put(&self.file, now_ms, n)
    }

    /// Adds a whole file. The system may do that without moving a byte.
    pub(super) fn append(&mut self, file: &mut File) -> io::Result<u64> {
        io::copy(file, &mut self.file)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Most often it has been renamed.
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    pub(super) fn temporary(&self) -> io::Result<Temporary> {
        let path = self.ours(&["drafts", &self.id()]);
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(Temporary { path, file })
    }

    /// The same bytes once more, of which everything is known already.
    pub(crate) fn duplicate(&self, file: &mut File, content: Content) -> io::Result<Finished> {
        let mut temporary = self.temporary()?;
        let n_bytes = temporary.append(file)?;
        Ok(Finished { temporary, n_bytes, payload: None, content })
    }

    /// Begins a file whose MD5 is known at its end, and one more checksum if asked for.
    pub(crate) fn draft(&self, algorithm: Option<Algorithm>) -> io::Result<Draft> {
        Ok(Draft {
            temporary: self.temporary()?,
            n_bytes: 0,
            md5: Md5::new(),
            payload: None,
            hasher: algorithm.map(Algorithm::hasher),
        })
    }
}

impl Draft {
    /// Has the SHA-256 computed, too.
    pub(crate) fn with_payload_hash(mut self) -> Draft {
        self.payload = Some(Sha256::new());
        self
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.temporary.file.write_all(bytes)?;
        self.md5.update(bytes);
        if let Some(payload) = &mut self.payload {
            payload.update(bytes);
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.n_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Writes everything that can be read.
    pub(crate) fn copy(&mut self, from: &mut impl Read) -> io::Result<()> {
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            match from.read(&mut buffer)? {
                0 => return Ok(()),
                n_bytes => self.write(&buffer[..n_bytes])?,
            }
        }
    }

    pub(crate) fn finish(self) -> Finished {
        let content = Content {
            etag: percent::hex(&self.md5.finalize()),
            checksum: self.hasher.map(Hasher::finish),
            parts: Vec::new(),
            upload: None,
        };
        let payload = self.payload.map(|it| percent::hex(&it.finalize()));
        Finished { temporary: self.temporary, n_bytes: self.n_bytes, payload, content }
    }
}
