//! Reads one part of a load, a file or a segment, through its own lane: pieces go down it, and the
//! checkpoint follows what has become safe without a gap.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use coordination::{Lease, LeaseError, LeaseStore};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use pipeline::{Clock, Event, Lane, Outcome, Stop};
use tracing::warn;

use crate::Frontier;

/// How many pieces may be on their way. Each is about a megabyte.
const IN_FLIGHT_MAX: usize = 4;
/// How often to write the checkpoint. What is read again after a crash grows by as much.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How many times in a term to renew the lease while there is nothing to save.
const RENEWALS_PER_TERM: u32 = 3;
/// How long to wait before writing again what could not be written, at first and at most.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(10);

/// Some rows, in order.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) events: Vec<Event>,
    /// Where the part stands behind them.
    pub(crate) mark: Mark,
}

/// How far a part is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// How many rows have been read.
    pub(crate) rows: u64,
    /// Where to go on, if counting is not enough.
    pub(crate) place: String,
}

/// Where the pieces come from.
#[async_trait]
pub(crate) trait Pieces: Send {
    /// The next ones; `None` at the end.
    async fn next(&mut self) -> Result<Option<Piece>, PartError>;
}

/// Why a part cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartError {
    /// It is not there.
    #[error("{0}")]
    Missing(String),
    /// Trying again gives the same.
    #[error("{0}")]
    Hopeless(String),
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

/// How reading a part ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PartEnd {
    /// All of it is safe.
    Finished,
    /// We let go, or had to; someone reads on from the checkpoint.
    LetGo,
}

/// Everything needed to read one part.
pub(crate) struct PartReader {
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) clock: Clock,
    pub(crate) lease: Lease,
    pub(crate) lane: Lane,
}

type Next = (Box<dyn Pieces>, Result<Option<Piece>, PartError>);

impl PartReader {
    /// Reads until everything is safe, the lease is lost, or `stop` is asked and everything sent is
    /// safe.
    pub(crate) async fn run(
        mut self,
        pieces: Box<dyn Pieces>,
        mut stop: Stop,
    ) -> Result<PartEnd, PartError> {
        let mut frontier: Frontier<u64> = Frontier::default();
        let mut waiting: VecDeque<(u64, Mark)> = VecDeque::new();
        let mut settling = FuturesUnordered::new();
        let mut reading: Option<BoxFuture<'static, Next>> = Some(next(pieces));
        let mut resting: Option<Box<dyn Pieces>> = None;
        let (mut n_sent, mut at_end, mut stopping, mut unsaved) = (0u64, false, false, false);
        let mut save = tokio::time::interval(SAVE_EVERY);
        save.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut renew = tokio::time::interval(self.store.term() / RENEWALS_PER_TERM);
        loop {
            if frontier.in_flight() < IN_FLIGHT_MAX
                && !stopping
                && let Some(pieces) = resting.take()
            {
                reading = Some(next(pieces));
            }
            if frontier.in_flight() == 0 && (at_end || stopping) {
                self.lease.done = at_end;
                return match self.store.release(self.lease).await {
                    Err(error) if !error.is_lost() => Err(error.into()),
                    Ok(()) if at_end => Ok(PartEnd::Finished),
                    _ => Ok(PartEnd::LetGo),
                };
            }
            tokio::select! {
                // Whoever is asked to stop reads no more, and what is settled makes room: in this order.
                biased;
                () = &mut stop, if !stopping => stopping = true,
                Some((n, outcome)) = settling.next(), if !settling.is_empty() => {
                    if outcome == Outcome::Failed {
                        return self.let_go().await;
                    }
                    unsaved |= self.safe(&mut frontier, &mut waiting, n);
                }
                _ = save.tick(), if unsaved => {
                    unsaved = false;
                    if !self.save().await? {
                        return Ok(PartEnd::LetGo);
                    }
                }
                _ = renew.tick() => if !self.save().await? {
                    return Ok(PartEnd::LetGo);
                },
                (pieces, read) = async { reading.as_mut().expect("asked only then").await },
                    if reading.is_some() && !stopping =>
                {
                    reading = None;
                    let piece = match read {
                        Ok(Some(piece)) => piece,
                        Ok(None) => {
                            at_end = true;
                            continue;
                        }
                        Err(error) => {
                            self.let_go().await?;
                            return Err(error);
                        }
                    };
                    resting = Some(pieces);
                    n_sent += 1;
                    frontier.sent(n_sent);
                    waiting.push_back((n_sent, piece.mark));
                    if piece.events.is_empty() {
                        unsaved |= self.safe(&mut frontier, &mut waiting, n_sent);
                        continue;
                    }
                    let Ok(delivery) = self.lane.send(piece.events).await else {
                        return self.let_go().await;
                    };
                    let n = n_sent;
                    settling.push(delivery.map(move |it| (n, it)));
                }
            }
        }
    }

    /// Notes that a piece is safe; says whether the checkpoint moved.
    fn safe(
        &mut self,
        frontier: &mut Frontier<u64>,
        waiting: &mut VecDeque<(u64, Mark)>,
        n: u64,
    ) -> bool {
        let Some(reached) = frontier.delivered(n) else { return false };
        while let Some((_, mark)) = waiting.pop_front_if(|(it, _)| *it <= reached) {
            self.lease.checkpoint = Some(mark.to_string());
        }
        true
    }

    async fn let_go(self) -> Result<PartEnd, PartError> {
        match self.store.release(self.lease).await {
            Err(error) if !error.is_lost() => Err(error.into()),
            _ => Ok(PartEnd::LetGo),
        }
    }

    /// Writes the lease as it is, which renews it; `false` if it is lost.
    async fn save(&mut self) -> Result<bool, LeaseError> {
        let mut wait = RETRY_WAIT_MIN;
        loop {
            match self.store.save(&mut self.lease, self.clock.now()).await {
                Ok(()) => return Ok(true),
                Err(error) if error.is_lost() => {
                    warn!(part = %self.lease.partition, %error, "lost the part");
                    return Ok(false);
                }
                Err(error) if RETRY_WAIT_MAX <= wait => return Err(error),
                Err(error) => {
                    warn!(part = %self.lease.partition, %error, "cannot save the checkpoint yet");
                }
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }
}

fn next(mut pieces: Box<dyn Pieces>) -> BoxFuture<'static, Next> {
    async move {
        let read = pieces.next().await;
        (pieces, read)
    }
    .boxed()
}

impl Mark {
    /// Reads a checkpoint; what is none is the beginning.
    pub(crate) fn read(text: &str) -> Mark {
        let (rows, place) = text.split_once(" rows ").unwrap_or((text, ""));
        let rows = rows.trim_end_matches(" rows").parse();
        rows.map_or_else(|_| Mark::default(), |rows| Mark { rows, place: place.to_owned() })
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Mark { rows, place } = self;
        if place.is_empty() { write!(f, "{rows} rows") } else { write!(f, "{rows} rows {place}") }
    }
}

#[cfg(test)]
mod tests;
