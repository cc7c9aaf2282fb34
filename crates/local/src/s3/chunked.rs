//! `aws-chunked` bodies: data in pieces, each with its length, and trailers behind them. Pure.
//!
//! ```text
//! Size ─length─→ Data ─all of it→ End of data ─line break→ Size
//!   └─length is 0→ Trailers ─empty line→ Done
//! ```
//!
//! Signatures of pieces are part of the form and not verified.

use bytes::{Buf, Bytes};

/// No line of a body needs more: a length and a signature, or a trailer.
const LINE_BYTES_MAX: usize = 4096;
/// SDKs send one checksum and one signature.
const TRAILERS_MAX: usize = 16;

/// Names and values, in the order they came.
pub(crate) type Trailers = Vec<(String, String)>;

/// Takes a body as it arrives.
#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
    /// The line that is not complete yet.
    line: Vec<u8>,
    trailers: Trailers,
}

#[derive(Debug)]
enum State {
    Size,
    Data { left: u64 },
    EndOfData,
    Trailers,
    Done,
}

/// The body is not what `aws-chunked` is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the aws-chunked body is malformed: {0}")]
pub(crate) struct Malformed(&'static str);

impl Decoder {
    pub(crate) fn new() -> Decoder {
        Decoder { state: State::Size, line: Vec::new(), trailers: Vec::new() }
    }

    /// Takes the next bytes, and adds the data in them to `data` without copying it.
    ///
    /// # Errors
    ///
    /// When a length, a trailer or a line break is not where it must be.
    pub(crate) fn feed(
        &mut self,
        mut bytes: Bytes,
        data: &mut Vec<Bytes>,
    ) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            match self.state {
                State::Data { left } => {
                    let n_here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    data.push(bytes.split_to(n_here));
                    let left = left - n_here as u64;
                    self.state = if left == 0 { State::EndOfData } else { State::Data { left } };
                }
                // Whatever follows the end belongs to nobody.
                State::Done => return Ok(()),
                State::Size | State::EndOfData | State::Trailers => {
                    if let Some(line) = self.line(&mut bytes)? {
                        self.read_line(&line)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The trailers, names in small letters, once the body has ended.
    ///
    /// # Errors
    ///
    /// When it was cut off before.
    pub(crate) fn finish(self) -> Result<Trailers, Malformed> {
        match self.state {
            // Some clients leave out the empty line after the last trailer.
            State::Done | State::Trailers if self.line.is_empty() => Ok(self.trailers),
            _ => Err(Malformed("it ends before its last piece")),
        }
    }

    /// The line that ends in these bytes, if one does.
    fn line(&mut self, bytes: &mut Bytes) -> Result<Option<String>, Malformed> {
        let end = bytes.iter().position(|it| *it == b'\n');
        let part = bytes.split_to(end.unwrap_or(bytes.len()));
        if LINE_BYTES_MAX < self.line.len() + part.len() {
            return Err(Malformed("a line is too long"));
        }
        self.line.extend_from_slice(&part);
        if end.is_none() {
            return Ok(None);
        }
        bytes.advance(1);
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8(line).map_err(|_| Malformed("a line is not text"))?;
        Ok(Some(line.trim_end_matches('\r').to_owned()))
    }

    fn read_line(&mut self, line: &str) -> Result<(), Malformed> {
        self.state = match self.state {
            State::Size => match size(line)? {
                0 => State::Trailers,
                left => State::Data { left },
            },
            State::EndOfData if line.is_empty() => State::Size,
            State::EndOfData => return Err(Malformed("a piece is longer than it says")),
            State::Trailers if line.is_empty() => State::Done,
            State::Trailers => {
                let (name, value) =
                    line.split_once(':').ok_or(Malformed("a trailer has no colon"))?;
                if self.trailers.len() == TRAILERS_MAX {
                    return Err(Malformed("too many trailers"));
                }
                self.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                State::Trailers
            }
            State::Data { .. } | State::Done => unreachable!("there are no lines here"),
        };
        Ok(())
    }
}

/// The length that a piece begins with, before any `;chunk-signature=…`.
fn size(line: &str) -> Result<u64, Malformed> {
    let digits = line.split(';').next().unwrap_or_default().trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_hexdigit());
    let size = is_number.then(|| u64::from_str_radix(digits, 16).ok()).flatten();
    size.ok_or(Malformed("a piece does not begin with its length"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHECKSUM: &str = "x-amz-checksum-crc32";

    #[test]
    fn reads_what_sdks_send() {
        for (body, data, trailers, when) in [
            ("0\r\n\r\n", "", vec![], "nothing"),
            ("3\r\nabc\r\n0\r\n\r\n", "abc", vec![], "unsigned"),
            (
                "A;chunk-signature=0f\r\n0123456789\r\n0;chunk-signature=1e\r\n\r\n",
                "0123456789",
                vec![],
                "signed",
            ),
            (
                "3\r\nabc\r\n1\r\nd\r\n0\r\nx-amz-checksum-crc32:7YLNEQ==\r\n\r\n",
                "abcd",
                vec![(CHECKSUM, "7YLNEQ==")],
                "a checksum behind two pieces",
            ),
            (
                "1\r\na\r\n0\r\nX-Amz-Checksum-Crc32: 7YLNEQ==\n\r\n",
                "a",
                vec![(CHECKSUM, "7YLNEQ==")],
                "another spelling",
            ),
            ("1\r\na\r\n0\r\nx-amz-checksum-crc32:7Y==\r\n", "a", vec![(CHECKSUM, "7Y==")], "cut"),
        ] {
            let trailers: Vec<_> =
                trailers.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            let expected = Ok((data.as_bytes().to_vec(), trailers));
            for n_bytes in [1, 2, 7, 100] {
                assert_eq!(decode(body.as_bytes(), n_bytes), expected, "{when}, {n_bytes} a time");
            }
        }
    }

    #[test]
    fn refuses_everything_else() {
        for (body, when) in [
            ("", "nothing at all"),
            ("3\r\nab", "cut in the data"),
            ("3\r\nabc\r\n", "no last piece"),
            ("3\r\nabcd\r\n0\r\n\r\n", "more data than said"),
            ("xyz\r\n", "no length"),
            ("+3\r\nabc\r\n0\r\n\r\n", "a sign"),
            ("\r\n", "an empty length"),
            ("11111111111111111\r\n", "a length beyond all numbers"),
            ("0\r\nabc\r\n\r\n", "a trailer without a value"),
            ("0\r\nx-amz-checksum", "cut in a trailer"),
        ] {
            assert!(decode(body.as_bytes(), 3).is_err(), "{when}");
        }
        assert!(decode(&[b'0'; LINE_BYTES_MAX + 2], 1000).is_err(), "a line without an end");
        let trailers = format!("0\r\n{}\r\n", "a:b\r\n".repeat(TRAILERS_MAX + 1));
        assert!(decode(trailers.as_bytes(), 1000).is_err(), "trailers without an end");
    }

    proptest! {
        /// However a body is cut into pieces, and however it arrives, the data comes out.
        #[test]
        fn data_survives(pieces in any::<Vec<Vec<u8>>>(), n_bytes in 1..50usize) {
            let mut body = Vec::new();
            for piece in pieces.iter().filter(|it| !it.is_empty()) {
                body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                body.extend_from_slice(piece);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(decode(&body, n_bytes), Ok((pieces.concat(), Vec::new())));
        }

        /// No bytes make it panic.
        #[test]
        fn takes_any_bytes(body in any::<Vec<u8>>(), n_bytes in 1..50usize) {
            let _ = decode(&body, n_bytes);
        }

        /// Nor do those that look like a body for a while.
        #[test]
        fn takes_almost_bodies(body in "([0-9a-f]{1,3}|\r\n|a:|;|[a-z]{0,9}){0,20}") {
            let _ = decode(body.as_bytes(), 5);
        }
    }

    /// Data and trailers of a body that arrives so many bytes at a time.
    fn decode(body: &[u8], n_bytes: usize) -> Result<(Vec<u8>, Trailers), Malformed> {
        let mut decoder = Decoder::new();
        let mut data = Vec::new();
        for piece in body.chunks(n_bytes) {
            decoder.feed(Bytes::copy_from_slice(piece), &mut data)?;
        }
        Ok((data.concat(), decoder.finish()?))
    }
}
