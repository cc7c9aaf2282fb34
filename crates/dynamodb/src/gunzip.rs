//! Inflates an export file piece by piece, and cuts it after whole lines. Pure.
//!
//! What it holds is bounded: it stops taking in while enough is waiting to be taken out.

use std::mem;

use flate2::{Decompress, FlushDecompress, Status};

/// No item is larger than 400 KB, and no way of writing one is ten times as long.
const LINE_BYTES_MAX: usize = 16 << 20;
/// How much room to make for what is inflated at a time.
const ROOM: usize = 64 << 10;

const HAS_CHECKSUM: u8 = 2;
const HAS_EXTRA: u8 = 4;
const HAS_NAME: u8 = 8;
const HAS_COMMENT: u8 = 16;

/// A gzip file on its way to lines.
#[derive(Debug)]
pub struct Gunzip {
    inflate: Decompress,
    state: State,
    /// Inflated, and not yet taken out.
    out: Vec<u8>,
    /// Of the member being read, if it is to be checked.
    checksum: Option<crc32fast::Hasher>,
    size: u32,
}

#[derive(Debug)]
enum State {
    /// What has come of a header so far.
    Header(Vec<u8>),
    Body,
    /// What has come of a trailer so far.
    Trailer(Vec<u8>),
}

/// Not a gzip file, or a damaged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// It does not begin like one.
    #[error("it is no gzip file")]
    NotGzip,
    /// The compressed data makes no sense.
    #[error("its compressed data is damaged")]
    Data,
    /// What was inflated is not what was compressed.
    #[error("its checksum is wrong")]
    Checksum,
    /// It ends in the middle.
    #[error("it is cut short")]
    Truncated,
    /// There is no end of a line where there must be one.
    #[error("it has a line longer than an item can be")]
    Line,
}

impl Gunzip {
    /// The beginning of a file. The checksum in it need not be looked at if the whole file's was.
    pub fn new(check: bool) -> Gunzip {
        Gunzip {
            inflate: Decompress::new(false),
            state: State::Header(Vec::new()),
            out: Vec::new(),
            checksum: check.then(crc32fast::Hasher::new),
            size: 0,
        }
    }

    /// Takes in some of `input`, until there are about `enough` bytes to take out; says how much it
    /// took.
    ///
    /// # Errors
    ///
    /// When the file is damaged.
    pub fn feed(&mut self, input: &[u8], enough: usize) -> Result<usize, Damaged> {
        let mut taken = 0;
        // All of the room is filled, so it must not be larger than what is asked for.
        self.out.reserve_exact((enough + ROOM).saturating_sub(self.out.len()));
        while taken < input.len() && self.out.len() < enough {
            let rest = &input[taken..];
            taken += match &mut self.state {
                State::Header(header) => {
                    let before = header.len();
                    header.extend_from_slice(rest);
                    if let Some(n_bytes) = header_length(header)? {
                        self.state = State::Body;
                        n_bytes - before
                    } else {
                        rest.len()
                    }
                }
                State::Body => self.inflate(rest)?,
                State::Trailer(trailer) => {
                    let n_bytes = rest.len().min(8 - trailer.len());
                    trailer.extend_from_slice(&rest[..n_bytes]);
                    if let Ok(trailer) = <[u8; 8]>::try_from(&trailer[..]) {
                        self.end_member(trailer)?;
                    }
                    n_bytes
                }
            };
        }
        Ok(taken)
    }

    fn inflate(&mut self, input: &[u8]) -> Result<usize, Damaged> {
        if self.out.capacity() - self.out.len() < ROOM {
            self.out.reserve(ROOM.max(self.out.len()));
        }
        let (start, before) = (self.out.len(), self.inflate.total_in());
        let status = self
            .inflate
            .decompress_vec(input, &mut self.out, FlushDecompress::None)
            .map_err(|_| Damaged::Data)?;
        let taken = usize::try_from(self.inflate.total_in() - before).unwrap_or(usize::MAX);
        let inflated = &self.out[start..];
        // gzip keeps the size modulo 2^32.
        #[expect(clippy::cast_possible_truncation, reason = "that is how gzip counts")]
        let n_inflated = inflated.len() as u32;
        self.size = self.size.wrapping_add(n_inflated);
        if let Some(checksum) = &mut self.checksum {
            checksum.update(inflated);
        }
        if status == Status::StreamEnd {
            self.state = State::Trailer(Vec::with_capacity(8));
        } else if taken == 0 && inflated.is_empty() {
            return Err(Damaged::Data);
        }
        Ok(taken)
    }

    /// Several gzip files one behind the other are one.
    fn end_member(&mut self, trailer: [u8; 8]) -> Result<(), Damaged> {
        let number = |at: usize| {
            u32::from_le_bytes([trailer[at], trailer[at + 1], trailer[at + 2], trailer[at + 3]])
        };
        let check = self.checksum.is_some();
        let is_right = self.checksum.take().is_none_or(|it| it.finalize() == number(0));
        if !is_right || self.size != number(4) {
            return Err(Damaged::Checksum);
        }
        *self = Gunzip { out: mem::take(&mut self.out), ..Gunzip::new(check) };
        Ok(())
    }

    /// How many bytes are waiting to be taken out.
    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Takes out the whole lines; what has come of the next one stays.
    ///
    /// # Errors
    ///
    /// When a line does not end.
    pub fn lines(&mut self) -> Result<Vec<u8>, Damaged> {
        let Some(end) = memchr::memrchr(b'\n', &self.out) else {
            return if LINE_BYTES_MAX < self.out.len() {
                Err(Damaged::Line)
            } else {
                Ok(Vec::new())
            };
        };
        let rest = self.out[end + 1..].to_vec();
        self.out.truncate(end + 1);
        Ok(mem::replace(&mut self.out, rest))
    }

    /// Takes out what is left when there is no more to feed.
    ///
    /// # Errors
    ///
    /// When the file is not at its end.
    pub fn finish(self) -> Result<Vec<u8>, Damaged> {
        match self.state {
            State::Header(header) if header.is_empty() => Ok(self.out),
            _ => Err(Damaged::Truncated),
        }
    }
}

/// Longer ones are nobody's.
const HEADER_BYTES_MAX: usize = 128 << 10;

/// How long the header is, once all of it is there.
fn header_length(header: &[u8]) -> Result<Option<usize>, Damaged> {
    const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
    let n = header.len().min(MAGIC.len());
    if header[..n] != MAGIC[..n] {
        return Err(Damaged::NotGzip);
    }
    let length = measure(header);
    if length.is_none() && HEADER_BYTES_MAX < header.len() {
        return Err(Damaged::NotGzip);
    }
    Ok(length)
}

fn measure(header: &[u8]) -> Option<usize> {
    let flags = *header.get(3)?;
    let mut at = 10;
    if flags & HAS_EXTRA != 0 {
        let [low, high] = *header.get(at..at + 2)? else { return None };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for text in [HAS_NAME, HAS_COMMENT] {
        if flags & text != 0 {
            at += memchr::memchr(0, header.get(at..)?)? + 1;
        }
    }
    if flags & HAS_CHECKSUM != 0 {
        at += 2;
    }
    (at <= header.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, GzBuilder, write::GzEncoder};
    use proptest::{prelude::*, test_runner::TestCaseResult};

    use super::*;

    fn zip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// Feeds `file` in pieces of `n` bytes and takes out lines on the way.
    fn unzip(file: &[u8], n: usize, enough: usize, check: bool) -> Result<Vec<Vec<u8>>, Damaged> {
        let mut gunzip = Gunzip::new(check);
        let mut taken = Vec::new();
        for piece in file.chunks(n) {
            let mut rest = piece;
            while !rest.is_empty() {
                let n_taken = gunzip.feed(rest, enough.max(gunzip.waiting() + 1))?;
                rest = &rest[n_taken..];
                taken.push(gunzip.lines()?);
            }
        }
        taken.push(gunzip.finish()?);
        Ok(taken)
    }

    fn lines(n: usize) -> Vec<u8> {
        (0..n).flat_map(|n| format!("line {n} {}\n", "x".repeat(n % 100)).into_bytes()).collect()
    }

    proptest! {
        /// In whatever pieces a file comes, the same lines come out, and never half of one.
        #[test]
        fn lines_come_out_whole(n in 0usize..500, piece in 1usize..5000, enough in 1usize..5000) {
            check_lines_come_out_whole(n, piece, enough)?;
        }
    }

    fn check_lines_come_out_whole(n: usize, piece: usize, enough: usize) -> TestCaseResult {
        let text = lines(n);
        let mut file = zip(&text[..text.len() / 2]);
        file.extend(zip(&text[text.len() / 2..]));
        let taken = unzip(&file, piece, enough, true)?;
        let (last, whole) = taken.split_last().unwrap();
        prop_assert!(whole.iter().all(|it| it.is_empty() || it.ends_with(b"\n")));
        prop_assert!(last.is_empty());
        prop_assert_eq!(taken.concat(), text);
        Ok(())
    }

    #[test]
    fn a_last_line_may_lack_its_end() {
        let taken = unzip(&zip(b"a\nb"), 7, 100, true).unwrap();
        assert_eq!(taken.last().unwrap(), b"b");
        assert_eq!(unzip(&zip(b""), 7, 100, true).unwrap().concat(), b"");
    }

    #[test]
    fn a_header_may_say_more() {
        let builder = GzBuilder::new().filename("name").comment("comment").extra(vec![1, 2, 3]);
        let mut encoder = builder.write(Vec::new(), Compression::fast());
        encoder.write_all(b"a\n").unwrap();
        let file = encoder.finish().unwrap();
        for n in 1..file.len() {
            assert_eq!(unzip(&file, n, 100, true).unwrap().concat(), b"a\n", "{n}");
        }
    }

    #[test]
    fn damage_is_found() {
        let file = zip(&lines(300));
        for end in [1, 9, 20, file.len() / 2, file.len() - 9, file.len() - 1] {
            assert_eq!(unzip(&file[..end], 100, 1000, true), Err(Damaged::Truncated), "{end}");
        }
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x10;
            // Some bits mean nothing: most of the header, and those to spare at the end of the data.
            if let Ok(taken) = unzip(&damaged, 1000, 1000, true) {
                assert_eq!(taken.concat(), lines(300), "{at}");
            }
        }
        let mut wrong = file.clone();
        let at = wrong.len() - 8;
        wrong[at] ^= 1;
        assert_eq!(unzip(&wrong, 100, 1000, true), Err(Damaged::Checksum));
        assert!(unzip(&wrong, 100, 1000, false).is_ok(), "somebody else checked");
        assert_eq!(unzip(b"{\"Item\"", 3, 100, true), Err(Damaged::NotGzip));
        assert_eq!(unzip(&zip(&vec![b'x'; 20 << 20]), 1000, 1 << 20, true), Err(Damaged::Line));
    }
}
