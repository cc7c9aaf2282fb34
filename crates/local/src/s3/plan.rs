//! Which parts make an object, and what is known of it then. Pure.

use md5::{Digest, Md5};

use super::{
    checksum::{Algorithm, Checksum, Kind},
    error::{ApiError, Code},
    head::Head,
    percent,
    store::{record::Content, upload::Part},
    xml::Element,
};

/// S3's smallest part but for the last: 5 MiB.
const PART_BYTES_MIN: u64 = 5 << 20;

/// A part as the client lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    number: u32,
    etag: String,
    checksum: Option<(Algorithm, String)>,
}

/// What the client says of the whole object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    n_bytes: Option<u64>,
    checksum: Option<(Algorithm, String)>,
}

impl Claims {
    pub(crate) fn of(head: &Head) -> Claims {
        let mut checksums = Algorithm::ALL.into_iter();
        // The checksum of an object. That of the document has no place here.
        Claims {
            n_bytes: head.header("x-amz-mp-object-size").and_then(|it| it.parse().ok()),
            checksum: checksums.find_map(|it| Some((it, head.header(it.header())?.into()))),
        }
    }
}

/// Reads the list of parts.
///
/// # Errors
///
/// When it is empty, or lacks what every part has.
pub(crate) fn wanted(root: &Element) -> Result<Vec<Wanted>, ApiError> {
    let parts = root.all("Part").map(|part| {
        let number = part.text_of("PartNumber").and_then(|it| it.trim().parse().ok());
        let etag = part.text_of("ETag").map(|it| it.trim().trim_matches('"').to_owned());
        let mut checksums = Algorithm::ALL.into_iter();
        let checksum =
            checksums.find_map(|it| Some((it, part.text_of(it.element())?.trim().to_owned())));
        Ok(Wanted {
            number: number.ok_or(Code::MalformedXml)?,
            etag: etag.ok_or(Code::MalformedXml)?,
            checksum,
        })
    });
    let parts: Vec<Wanted> = parts.collect::<Result<_, ApiError>>()?;
    if parts.is_empty() {
        return Err(Code::MalformedXml.into());
    }
    Ok(parts)
}

/// The parts that are wanted, out of those that there are.
///
/// # Errors
///
/// When one is missing, is not the one that is meant, or is too small.
pub(crate) fn choose(wanted: &[Wanted], mut there: Vec<Part>) -> Result<Vec<Part>, ApiError> {
    if wanted.windows(2).any(|it| it[1].number <= it[0].number) {
        return Err(Code::InvalidPartOrder.into());
    }
    let mut chosen = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let at = there.iter().position(|it| it.number == wanted.number);
        let part = at.map(|it| there.remove(it)).filter(|it| is_meant(it, wanted));
        chosen.push(part.ok_or_else(|| {
            Code::InvalidPart
                .about("PartNumber", wanted.number.to_string())
                .with("ETag", wanted.etag.clone())
        })?);
    }
    let but_last = &chosen[..chosen.len().saturating_sub(1)];
    if let Some(small) = but_last.iter().find(|it| it.n_bytes < PART_BYTES_MIN) {
        return Err(Code::EntityTooSmall
            .about("ProposedSize", small.n_bytes.to_string())
            .with("MinSizeAllowed", PART_BYTES_MIN.to_string())
            .with("PartNumber", small.number.to_string())
            .with("ETag", small.etag.clone()));
    }
    Ok(chosen)
}

fn is_meant(part: &Part, wanted: &Wanted) -> bool {
    let has_checksum = match (&wanted.checksum, &part.checksum) {
        (Some((algorithm, value)), Some(checksum)) => {
            checksum.algorithm != *algorithm || checksum.value == *value
        }
        _ => true,
    };
    part.etag == wanted.etag && has_checksum
}

/// What is known of the object that these parts make.
///
/// # Errors
///
/// When the client knows something else.
pub(crate) fn content(
    upload: &str,
    parts: &[Part],
    checksum: Option<(Algorithm, Kind)>,
    claims: &Claims,
) -> Result<Content, ApiError> {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(bytes_of(&part.etag));
    }
    let checksum = checksum.and_then(|(algorithm, kind)| {
        let checks = parts.iter().map(|it| (it.checksum.as_ref(), it.n_bytes));
        Checksum::of_parts(algorithm, kind, checks)
    });
    if let (Some((algorithm, claimed)), Some(checksum)) = (&claims.checksum, &checksum)
        && checksum.algorithm == *algorithm
        && checksum.value != *claimed
    {
        return Err(Code::BadDigest.because(format!(
            "The {} you specified did not match the calculated checksum.",
            algorithm.name()
        )));
    }
    let n_bytes: u64 = parts.iter().map(|it| it.n_bytes).sum();
    if claims.n_bytes.is_some_and(|it| it != n_bytes) {
        return Err(Code::InvalidRequest.because(format!(
            "The provided 'x-amz-mp-object-size' header does not match what was uploaded: {n_bytes}"
        )));
    }
    Ok(Content {
        etag: format!("{}-{}", percent::hex(&md5.finalize()), parts.len()),
        checksum,
        parts: parts.iter().map(|it| it.n_bytes).collect(),
        upload: Some(upload.to_owned()),
    })
}

/// The bytes that the etag of a part spells.
fn bytes_of(etag: &str) -> Vec<u8> {
    let digits = etag.as_bytes().chunks(2);
    digits.filter_map(|it| u8::from_str_radix(std::str::from_utf8(it).ok()?, 16).ok()).collect()
}
