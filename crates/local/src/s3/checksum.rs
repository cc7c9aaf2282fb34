//! The checksums that today's SDKs send along and like to get back. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::crc::{CRC32, CRC32C, CRC64NVME, Crc};

/// How a checksum is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    #[serde(rename = "CRC32")]
    Crc32,
    #[serde(rename = "CRC32C")]
    Crc32c,
    #[serde(rename = "CRC64NVME")]
    Crc64nvme,
    #[serde(rename = "SHA1")]
    Sha1,
    #[serde(rename = "SHA256")]
    Sha256,
}

/// What the checksum of an object in parts is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Kind {
    /// All its bytes.
    FullObject,
    /// The checksums of its parts; the number of parts stands behind it.
    Composite,
}

/// A checksum that is known to be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) kind: Kind,
    /// As it stands in headers.
    pub(crate) value: String,
}

impl Algorithm {
    pub(crate) const ALL: [Algorithm; 5] = [
        Algorithm::Crc32,
        Algorithm::Crc32c,
        Algorithm::Crc64nvme,
        Algorithm::Sha1,
        Algorithm::Sha256,
    ];

    /// As in `x-amz-checksum-algorithm`, where any mixture of letters is understood.
    pub(crate) fn named(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|it| it.name().eq_ignore_ascii_case(name))
    }

    /// The algorithm whose value stands in a header or trailer of this name.
    pub(crate) fn of_header(header: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|it| it.header() == header)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64nvme => "CRC64NVME",
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
        }
    }

    /// The element of XML documents.
    pub(crate) fn element(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "ChecksumCRC32",
            Algorithm::Crc32c => "ChecksumCRC32C",
            Algorithm::Crc64nvme => "ChecksumCRC64NVME",
            Algorithm::Sha1 => "ChecksumSHA1",
            Algorithm::Sha256 => "ChecksumSHA256",
        }
    }

    pub(crate) fn header(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "x-amz-checksum-crc32",
            Algorithm::Crc32c => "x-amz-checksum-crc32c",
            Algorithm::Crc64nvme => "x-amz-checksum-crc64nvme",
            Algorithm::Sha1 => "x-amz-checksum-sha1",
            Algorithm::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The kind that an upload in parts gets without asking.
    pub(crate) fn kind(self) -> Kind {
        if self == Algorithm::Crc64nvme { Kind::FullObject } else { Kind::Composite }
    }

    /// Whether an upload in parts can have a checksum of this kind.
    pub(crate) fn can_be(self, kind: Kind) -> bool {
        match kind {
            Kind::Composite => self != Algorithm::Crc64nvme,
            Kind::FullObject => self.crc().is_some(),
        }
    }

    /// Whether `value` could be such a checksum.
    pub(crate) fn fits(self, value: &str) -> bool {
        STANDARD.decode(value).is_ok_and(|it| it.len() == self.n_bytes())
    }

    pub(crate) fn hasher(self) -> Hasher {
        match self {
            Algorithm::Crc32 => Hasher::Crc32(crc32fast::Hasher::new()),
            Algorithm::Crc32c => Hasher::Table(self, &CRC32C, 0),
            Algorithm::Crc64nvme => Hasher::Table(self, &CRC64NVME, 0),
            Algorithm::Sha1 => Hasher::Sha1(Sha1::new()),
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
        }
    }

    fn n_bytes(self) -> usize {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64nvme => 8,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
        }
    }

    /// The check, for those that can be joined.
    fn crc(self) -> Option<&'static Crc> {
        match self {
            Algorithm::Crc32 => Some(&CRC32),
            Algorithm::Crc32c => Some(&CRC32C),
            Algorithm::Crc64nvme => Some(&CRC64NVME),
            Algorithm::Sha1 | Algorithm::Sha256 => None,
        }
    }
}

impl Kind {
    pub(crate) fn named(name: &str) -> Option<Kind> {
        [Kind::FullObject, Kind::Composite].into_iter().find(|it| it.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::FullObject => "FULL_OBJECT",
            Kind::Composite => "COMPOSITE",
        }
    }
}

impl Checksum {
    /// The checksum of an object, out of the checksums and sizes of its parts. `None` if this kind
    /// cannot be made of parts, or a part has none.
    pub(crate) fn of_parts<'a>(
        algorithm: Algorithm,
        kind: Kind,
        parts: impl IntoIterator<Item = (Option<&'a Checksum>, u64)>,
    ) -> Option<Checksum> {
        let mut hasher = algorithm.hasher();
        let (mut whole, mut n_parts) = (0, 0);
        for (part, n_bytes) in parts {
            let part = part.filter(|it| it.algorithm == algorithm)?;
            let bytes = STANDARD.decode(&part.value).ok()?;
            match kind {
                Kind::Composite => hasher.update(&bytes),
                Kind::FullObject => {
                    let check = bytes.iter().fold(0, |it, byte| it << 8 | u64::from(*byte));
                    whole = algorithm.crc()?.join(whole, check, n_bytes);
                }
            }
            n_parts += 1;
        }
        let value = match kind {
            Kind::Composite => format!("{}-{n_parts}", hasher.finish().value),
            Kind::FullObject => base64_of(whole, algorithm.n_bytes()),
        };
        Some(Checksum { algorithm, kind, value })
    }
}

/// A checksum on the way.
#[derive(Clone, Debug)]
pub(crate) enum Hasher {
    Crc32(crc32fast::Hasher),
    Table(Algorithm, &'static Crc, u64),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Crc32(hasher) => hasher.update(bytes),
            Hasher::Table(_, crc, register) => *register = crc.append(*register, bytes),
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Checksum {
        let (algorithm, value) = match self {
            Hasher::Crc32(hasher) => {
                (Algorithm::Crc32, STANDARD.encode(hasher.finalize().to_be_bytes()))
            }
            Hasher::Table(algorithm, _, register) => {
                (algorithm, base64_of(register, algorithm.n_bytes()))
            }
            Hasher::Sha1(hasher) => (Algorithm::Sha1, STANDARD.encode(hasher.finalize())),
            Hasher::Sha256(hasher) => (Algorithm::Sha256, STANDARD.encode(hasher.finalize())),
        };
        Checksum { algorithm, kind: Kind::FullObject, value }
    }
}

/// The last bytes of a check, most significant first.
fn base64_of(check: u64, n_bytes: usize) -> String {
    STANDARD.encode(&check.to_be_bytes()[8 - n_bytes..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_what_sdks_compute() {
        for (algorithm, expected) in [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (Algorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ] {
            let checksum = checksum(algorithm, b"123456789");
            assert_eq!(checksum.value, expected, "{}", algorithm.name());
            assert!(algorithm.fits(&checksum.value));
            assert!(!algorithm.fits("AAA="));
            assert_eq!(Algorithm::named(&algorithm.name().to_lowercase()), Some(algorithm));
            assert_eq!(Algorithm::of_header(algorithm.header()), Some(algorithm));
        }
    }

    #[test]
    fn the_checks_of_parts_make_the_check_of_the_object() {
        for algorithm in Algorithm::ALL.into_iter().filter(|it| it.can_be(Kind::FullObject)) {
            let parts = [&b"1234"[..], b"56", b"789"];
            let joined = of_parts(algorithm, Kind::FullObject, &parts).unwrap();
            assert_eq!(joined, checksum(algorithm, b"123456789"));
        }
        assert_eq!(of_parts(Algorithm::Sha1, Kind::FullObject, &[b"1"]), None);
    }

    #[test]
    fn a_composite_checksum_counts_its_parts() {
        let composite = of_parts(Algorithm::Sha256, Kind::Composite, &[b"1234", b"56"]).unwrap();
        let (value, n_parts) = composite.value.split_once('-').unwrap();
        assert!(Algorithm::Sha256.fits(value));
        assert_eq!(n_parts, "2");
    }

    fn of_parts(algorithm: Algorithm, kind: Kind, parts: &[&[u8]]) -> Option<Checksum> {
        let checksums: Vec<_> =
            parts.iter().map(|it| (checksum(algorithm, it), it.len() as u64)).collect();
        Checksum::of_parts(algorithm, kind, checksums.iter().map(|(it, n)| (Some(it), *n)))
    }

    fn checksum(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = algorithm.hasher();
        hasher.update(bytes);
        hasher.finish()
    }
}
