//! Shard iterators: a place to read on from, as text that clients carry. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Sequence;

/// How long an iterator may be used.
pub(crate) const EXPIRES_AFTER_MS: u64 = 15 * 60 * 1000;

/// Where to read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// At the oldest record there is, whichever that is by then.
    Horizon,
    /// At this number, or the next behind it.
    At(Sequence),
}

/// A place in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardIterator {
    pub(crate) stream_arn: String,
    pub(crate) shard_id: String,
    pub(crate) position: Position,
    pub(crate) created_ms: u64,
}

impl ShardIterator {
    /// Reads what was handed out.
    pub(crate) fn parse(text: &str) -> Option<ShardIterator> {
        let (head, coded) = text.rsplit_once('|')?;
        let (stream_arn, "1") = head.rsplit_once('|')? else { return None };
        let plain = String::from_utf8(STANDARD.decode(coded).ok()?).ok()?;
        let mut parts = plain.split('|');
        let (shard_id, position, created_ms) = (parts.next()?, parts.next()?, parts.next()?);
        let position = match position {
            "horizon" => Position::Horizon,
            digits => Position::At(Sequence::parse(digits)?),
        };
        parts.next().is_none().then_some(ShardIterator {
            stream_arn: stream_arn.to_owned(),
            shard_id: shard_id.to_owned(),
            position,
            created_ms: created_ms.parse().ok()?,
        })
    }

    /// Whether it is too old to be used.
    pub(crate) fn is_expired(&self, now_ms: u64) -> bool {
        self.created_ms.saturating_add(EXPIRES_AFTER_MS) < now_ms
    }
}

impl std::fmt::Display for ShardIterator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let position = match self.position {
            Position::Horizon => "horizon".to_owned(),
            Position::At(sequence) => sequence.to_string(),
        };
        let plain = format!("{}|{position}|{}", self.shard_id, self.created_ms);
        write!(f, "{}|1|{}", self.stream_arn, STANDARD.encode(plain))
    }
}
