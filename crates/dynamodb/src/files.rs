//! Reads the files of an export: the object, its checksum, what is in it, its lines.

use std::{ops::Range, time::Duration};

use async_trait::async_trait;
use aws::{S3, S3Error};
use bytes::Bytes;
use md5::{Digest, Md5};
use pipeline::{Document, Event, Failure, Map, Value};
use tracing::{error, warn};

use crate::{
    Rows, View,
    export::judge,
    gunzip::{Damaged, Gunzip},
    load::Remedy,
    manifest::DataFile,
    part::{Mark, PartError, Piece, Pieces},
};

/// Objects up to here are held whole while they are read. Each file that is read holds as much.
const WHOLE_BYTES_MAX: u64 = 2 << 20;
/// Larger ones are read in ranges of this size, twice: once for the checksum, once for the lines.
const RANGE_BYTES: u64 = 2 << 20;
/// About how many bytes of lines go down the pipeline together.
const PIECE_BYTES: usize = 1 << 20;
/// How often to read a damaged or missing file before believing it.
const TRIES: u32 = 3;
/// How long to wait at most before that, and before asking again where nobody answered.
const RETRY_WAIT_MAX: Duration = Duration::from_mins(1);

/// One file on its way down the pipeline.
pub(crate) struct FilePieces {
    pub(crate) s3: S3,
    pub(crate) bucket: String,
    pub(crate) file: DataFile,
    pub(crate) rows: Rows,
    /// How many lines are safe already, or on their way.
    pub(crate) skip: u64,
    pub(crate) view: View,
    /// How long to wait before reading it again, at first.
    pub(crate) retry_wait: Duration,
    pub(crate) state: State,
}

/// How far it is.
pub(crate) enum State {
    /// Not yet asked for.
    New,
    /// Some of it is here.
    Open(Box<Open>),
    /// It was read to its end, and is not what the manifest says.
    Wrong(String),
    /// Nothing more will come.
    Ended,
}

/// An object whose checksum is right, and how far it has been inflated.
pub(crate) struct Open {
    size: u64,
    etag: String,
    /// What is here of it, and how much of that was taken in.
    here: Bytes,
    taken: usize,
    /// Where what is here ends in the object.
    upto: u64,
    gunzip: Option<Gunzip>,
    n_lines: u64,
}

/// Why a file cannot be read.
enum FileError {
    S3(S3Error),
    /// It is not what the manifest says.
    Damaged(String),
}

impl From<S3Error> for FileError {
    fn from(error: S3Error) -> FileError {
        FileError::S3(error)
    }
}

#[async_trait]
impl Pieces for FilePieces {
    async fn next(&mut self) -> Result<Option<Piece>, PartError> {
        let mut wait = self.retry_wait;
        let mut tries = 0;
        loop {
            let error = match self.try_next().await {
                Ok(piece) => {
                    if wait != self.retry_wait {
                        self.view.change(&self.rows.table.name, |it| it.problem.clear());
                    }
                    return Ok(piece);
                }
                Err(error) => error,
            };
            let name = format!("s3://{}/{}", self.bucket, self.file.key);
            match error {
                FileError::Damaged(reason) => {
                    tries += 1;
                    if tries == TRIES {
                        return Ok(Some(self.give_up(&name, &reason)));
                    }
                    warn!(file = name, %reason, "the file is damaged, reading it again");
                }
                FileError::S3(error) => match judge(&error) {
                    (reason, Remedy::Anew) => {
                        tries += 1;
                        if tries == TRIES {
                            return Err(PartError::Missing(reason));
                        }
                    }
                    // What an operator must allow first is asked for until it is allowed.
                    (reason, _) if error.is_transient() => {
                        warn!(file = name, %reason, "the file did not come, asking again");
                    }
                    (reason, _) => {
                        error!(file = name, %reason, "cannot read the file, asking again");
                        self.view.change(&self.rows.table.name, |it| it.problem = reason);
                    }
                },
            }
            // What was sent by then has the same lines; they are skipped.
            self.state = State::New;
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_WAIT_MAX);
        }
    }
}

impl FilePieces {
    async fn try_next(&mut self) -> Result<Option<Piece>, FileError> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(None),
                State::Wrong(reason) => {
                    let name = format!("s3://{}/{}", self.bucket, self.file.key);
                    return Ok(Some(self.give_up(&name, &reason)));
                }
                State::New => self.state = State::Open(Box::new(self.open().await?)),
                State::Open(open) => {
                    let (text, at_end) = match self.inflate(open).await? {
                        (Some(text), open) => {
                            self.state = State::Open(open);
                            (text, false)
                        }
                        (None, mut open) => {
                            let gunzip = open.gunzip.take();
                            let text = gunzip.map_or(Ok(Vec::new()), Gunzip::finish);
                            let text = text.map_err(|it| FileError::Damaged(it.to_string()))?;
                            self.state = State::Open(open);
                            (text, true)
                        }
                    };
                    let piece = self.piece(text).await;
                    if at_end {
                        self.end();
                    }
                    if at_end || !piece.events.is_empty() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// Reads the object, or makes sure of its checksum where it is too large to be held.
    async fn open(&self) -> Result<Open, FileError> {
        let (bucket, key) = (&self.bucket, &self.file.key);
        let Some(object) = self.s3.head(bucket, key).await? else {
            // S3 says so better itself.
            self.s3.get(bucket, key).await?;
            return Err(FileError::Damaged("it comes and goes".to_owned()));
        };
        let (size, etag) = (object.size, object.etag);
        let here = if size <= WHOLE_BYTES_MAX {
            let body = self.s3.get(bucket, key).await?;
            self.compare(Md5::digest(&body).into(), body.len() as u64, size)?;
            body
        } else {
            let mut sum = Md5::new();
            let mut at = 0;
            while at < size && self.file.md5.is_some() {
                let body = self.range(at, size, &etag).await?;
                at += body.len() as u64;
                sum.update(&body);
            }
            if self.file.md5.is_some() {
                self.compare(sum.finalize().into(), at, size)?;
            }
            Bytes::new()
        };
        let upto = here.len() as u64;
        let gunzip = Some(Gunzip::new(self.file.md5.is_none()));
        Ok(Open { size, etag, here, taken: 0, upto, gunzip, n_lines: 0 })
    }

    async fn range(&self, at: u64, size: u64, etag: &str) -> Result<Bytes, FileError> {
        let range: Range<u64> = at..(at + RANGE_BYTES).min(size);
        let body = self.s3.get_range(&self.bucket, &self.file.key, range.clone(), etag).await;
        match body {
            Ok(body) if body.len() as u64 == range.end - range.start => Ok(body),
            Ok(_) => Err(FileError::Damaged("a range of it is cut short".to_owned())),
            Err(error) if error.code() == Some("PreconditionFailed") => {
                Err(FileError::Damaged("it was overwritten while it was read".to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn compare(&self, sum: [u8; 16], n_bytes: u64, size: u64) -> Result<(), FileError> {
        if n_bytes != size {
            return Err(FileError::Damaged(format!("it is cut short: {n_bytes} of {size} bytes")));
        }
        if self.file.md5.is_some_and(|it| it != sum) {
            return Err(FileError::Damaged("its MD5 is not the one in the manifest".to_owned()));
        }
        Ok(())
    }

    /// The next whole lines; none at the end.
    async fn inflate(
        &self,
        mut open: Box<Open>,
    ) -> Result<(Option<Vec<u8>>, Box<Open>), FileError> {
        loop {
            if open.taken == open.here.len() {
                if open.upto == open.size {
                    return Ok((None, open));
                }
                open.here = self.range(open.upto, open.size, &open.etag).await?;
                open.upto += open.here.len() as u64;
                open.taken = 0;
            }
            // It takes milliseconds, which others would have to wait.
            let (text, back) = blocking(move || {
                let text = open.inflate();
                (text, open)
            })
            .await;
            open = back;
            let text = text.map_err(|it| FileError::Damaged(it.to_string()))?;
            if !text.is_empty() {
                return Ok((Some(text), open));
            }
        }
    }

    /// Makes events of lines, without those that are safe already.
    async fn piece(&mut self, text: Vec<u8>) -> Piece {
        let State::Open(open) = &mut self.state else { return Piece::default() };
        let rows = self.rows.clone();
        let (mut events, n_lines) = blocking(move || rows.of_lines(text)).await;
        let before = open.n_lines;
        open.n_lines += n_lines;
        let n_safe = self.skip.saturating_sub(before).min(n_lines);
        events.drain(..usize::try_from(n_safe).unwrap_or(usize::MAX).min(events.len()));
        self.skip = self.skip.max(open.n_lines);
        Piece { events, mark: Mark { rows: self.skip, place: String::new() } }
    }

    /// At the end of the file the manifest must be right.
    fn end(&mut self) {
        let State::Open(open) = &self.state else { return };
        let (found, said) = (open.n_lines, self.file.items);
        let reason = format!("it has {found} items where the manifest says {said}");
        self.state = if found == said { State::Ended } else { State::Wrong(reason) };
    }

    /// A damaged file stops nobody: it is reported among the dead letters, and left.
    fn give_up(&mut self, name: &str, reason: &str) -> Piece {
        error!(
            file = name, %reason,
            "the file is damaged: items of it may be missing in the index; `verify --repair` puts them in"
        );
        self.view.change(&self.rows.table.name, |it| it.files_damaged += 1);
        self.state = State::Ended;
        let reason = format!("the export file {name} cannot be read: {reason}");
        let document = Map::from_iter([("file".to_owned(), Value::from(name))]);
        let event = Event {
            document: Document::Fields(document),
            failure: Some(Failure { plugin: "dynamodb".to_owned(), reason }),
            ..Event::default()
        };
        Piece { events: vec![event], mark: Mark { rows: self.skip, place: "damaged".to_owned() } }
    }
}

impl Open {
    fn inflate(&mut self) -> Result<Vec<u8>, Damaged> {
        let Some(gunzip) = &mut self.gunzip else { return Ok(Vec::new()) };
        // A line may be longer than a piece.
        let enough = PIECE_BYTES.max(gunzip.waiting() * 2);
        self.taken += gunzip.feed(&self.here[self.taken..], enough)?;
        if gunzip.waiting() < PIECE_BYTES { Ok(Vec::new()) } else { gunzip.lines() }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
