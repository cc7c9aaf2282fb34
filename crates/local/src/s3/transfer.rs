//! Bodies on their way between the network and files, never whole in memory.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    sync::Arc,
};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http_body_util::BodyExt;
use md5::{Digest, Md5};
use sha2::Sha256;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::{
    checksum::Algorithm,
    chunked::Decoder,
    error::{ApiError, Code},
    expected::Expected,
    head::Head,
    percent,
    store::{
        Store,
        draft::{Draft, Finished},
    },
};

/// How much of a body gathers before it is hashed and written while the next gathers.
const BATCH_BYTES: usize = 512 * 1024;
/// How much of a file is read while the piece before is sent.
const PIECE_BYTES: u64 = 512 * 1024;
/// How much of a body that nobody wants is read before the connection is given up.
const DRAIN_BYTES_MAX: usize = 8 << 20;

/// Runs what blocks where it may.
///
/// # Errors
///
/// Those of `work`.
pub(crate) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    E: Into<ApiError> + Send + 'static,
{
    spawn_blocking(work).await?.map_err(Into::into)
}

/// Writes a body to a file without a place, and checks it.
///
/// # Errors
///
/// When the body is not what its head says, or the disk refuses it.
pub(crate) async fn receive(
    store: &Arc<Store>,
    body: &mut Body,
    expected: &Expected,
    algorithm: Option<Algorithm>,
) -> Result<Finished, ApiError> {
    let algorithm = expected.algorithm().or(algorithm);
    let (store, with_payload_hash) = (store.clone(), expected.has_payload_hash());
    let mut writing = Writing {
        task: spawn_blocking(move || {
            let draft = store.draft(algorithm)?;
            Ok(if with_payload_hash { draft.with_payload_hash() } else { draft })
        }),
        batch: Vec::new(),
        batch_bytes: 0,
        left: expected.n_bytes,
    };
    let mut decoder = expected.is_chunked.then(Decoder::new);
    let mut data = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Code::IncompleteBody.about("Reason", "it was cut off"))?;
        let Ok(bytes) = frame.into_data() else { continue };
        match &mut decoder {
            Some(decoder) => decoder.feed(bytes, &mut data)?,
            None => data.push(bytes),
        }
        for bytes in data.drain(..) {
            writing.add(bytes).await?;
        }
    }
    let trailers = decoder.map(Decoder::finish).transpose()?.unwrap_or_default();
    let finished = writing.finish().await?;
    let Finished { n_bytes, payload, content, .. } = &finished;
    let checksum = content.checksum.as_ref();
    expected.check(*n_bytes, &content.etag, payload.as_deref(), checksum, &trailers)?;
    Ok(finished)
}

/// A draft that is written on another thread while the next batch gathers on this one.
struct Writing {
    task: JoinHandle<io::Result<Draft>>,
    batch: Vec<Bytes>,
    batch_bytes: usize,
    /// What may still come.
    left: u64,
}

impl Writing {
    async fn add(&mut self, bytes: Bytes) -> Result<(), ApiError> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| Code::IncompleteBody.because("more came than was said"))?;
        self.batch_bytes += bytes.len();
        self.batch.push(bytes);
        if BATCH_BYTES <= self.batch_bytes { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> Result<(), ApiError> {
        let mut draft = (&mut self.task).await??;
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.task = spawn_blocking(move || {
            batch.iter().try_for_each(|it| draft.write(it))?;
            Ok(draft)
        });
        Ok(())
    }

    async fn finish(mut self) -> Result<Finished, ApiError> {
        self.write().await?;
        Ok(self.task.await??.finish())
    }
}

/// Reads a small body.
///
/// # Errors
///
/// When it is larger than `most`, or cut off.
pub(crate) async fn read_small(body: &mut Body, most: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Code::IncompleteBody.about("Reason", "it was cut off"))?;
        if let Ok(data) = frame.into_data() {
            if most < bytes.len() + data.len() {
                return Err(Code::EntityTooLarge.about("MaxSizeAllowed", most.to_string()));
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// Reads a document, and checks it as any other body.
///
/// # Errors
///
/// When it is larger than `most`, not what its head says, or no text.
pub(crate) async fn read_document(
    head: &Head,
    body: &mut Body,
    most: usize,
) -> Result<String, ApiError> {
    let expected = Expected::of(head)?;
    let mut bytes = read_small(body, most).await?;
    let mut trailers = Vec::new();
    if expected.is_chunked {
        let (mut decoder, mut data) = (Decoder::new(), Vec::new());
        decoder.feed(bytes.into(), &mut data)?;
        trailers = decoder.finish()?;
        bytes = data.concat();
    }
    let checksum = expected.algorithm().map(|algorithm| {
        let mut hasher = algorithm.hasher();
        hasher.update(&bytes);
        hasher.finish()
    });
    let md5 = percent::hex(&Md5::digest(&bytes));
    let payload = percent::hex(&Sha256::digest(&bytes));
    let n_bytes = bytes.len() as u64;
    expected.check(n_bytes, &md5, Some(&payload), checksum.as_ref(), &trailers)?;
    String::from_utf8(bytes).map_err(|_| Code::MalformedXml.into())
}

/// Reads what is left of a body, so that its client comes to read the answer.
pub(crate) async fn drain(body: &mut Body) {
    let mut n_bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        n_bytes += frame.data_ref().map_or(0, Bytes::len);
        if DRAIN_BYTES_MAX < n_bytes {
            return;
        }
    }
}

/// Part of a file as a body.
pub(crate) fn send(file: File, range: Range<u64>) -> Body {
    if range.is_empty() {
        return Body::empty();
    }
    let first = spawn_blocking(move || read(file, &range, true));
    // The next piece is read while this one is sent.
    Body::from_stream(stream::unfold(Some(first), async |reading| {
        let piece = match reading?.await.map_err(io::Error::other).flatten() {
            Ok(piece) => piece,
            // The connection is closed before its time, which is all that can be said by now.
            Err(error) => return Some((Err(error), None)),
        };
        let Piece { bytes, file, left } = piece;
        let next = (!left.is_empty()).then(|| spawn_blocking(move || read(file, &left, false)));
        Some((Ok(bytes), next))
    }))
}

struct Piece {
    bytes: Bytes,
    file: File,
    left: Range<u64>,
}

fn read(mut file: File, range: &Range<u64>, is_first: bool) -> io::Result<Piece> {
    if is_first {
        file.seek(SeekFrom::Start(range.start))?;
    }
    let n_bytes = PIECE_BYTES.min(range.end - range.start);
    let mut bytes = Vec::with_capacity(usize::try_from(n_bytes).unwrap_or_default());
    (&mut file).take(n_bytes).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != n_bytes {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "someone cut the file"));
    }
    Ok(Piece { bytes: bytes.into(), file, left: range.start + n_bytes..range.end })
}

impl From<JoinError> for ApiError {
    /// The work panicked, or the program is ending.
    fn from(error: JoinError) -> ApiError {
        Code::InternalError.because(format!("the work was cut short: {error}"))
    }
}
