//! Where dead letters go: a queue, a bucket, or both.
//!
//! A letter is safe when one place holds all of it. What a message is too small for is in the bucket,
//! and the message says where.

mod letter;
mod places;

use std::time::Duration;

use aws::Environment;
use futures::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

pub(crate) use self::letter::{Letter, Sender};
use self::places::{Bucket, Queue};
use crate::settings::DeadLetterPlace;

/// How many letters are on their way at a time.
const IN_FLIGHT_MAX: usize = 8;
/// How often a letter is sent.
const TRIES_MAX: u32 = 4;
/// How long to wait before the second time.
const RETRY_WAIT: Duration = Duration::from_millis(100);
/// Queues take 256 KiB; some Regions more.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// The places that were configured.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetters {
    queue: Option<Queue>,
    bucket: Option<Bucket>,
}

impl DeadLetters {
    /// The dead letters of these places; the last of each kind counts. Nothing is asked of them yet.
    pub(crate) fn new(places: &[DeadLetterPlace], environment: &Environment) -> DeadLetters {
        let mut letters = DeadLetters { queue: None, bucket: None };
        for place in places {
            match place {
                DeadLetterPlace::Queue(url) => {
                    letters.queue = Some(Queue::new(url, environment.clone()));
                }
                DeadLetterPlace::Bucket { bucket, prefix } => {
                    letters.bucket = Some(Bucket::new(bucket, prefix, environment.clone()));
                }
            }
        }
        letters
    }

    /// Whether there is any place.
    pub(crate) fn is_configured(&self) -> bool {
        self.queue.is_some() || self.bucket.is_some()
    }

    /// Sends `letters`, until `deadline` at most. Says of each whether it is safe now.
    pub(crate) async fn send(&self, letters: &[Letter], deadline: Instant) -> Vec<bool> {
        let sending: Vec<_> = letters.iter().map(|it| self.send_one(it, deadline)).collect();
        stream::iter(sending).buffered(IN_FLIGHT_MAX).collect().await
    }

    async fn send_one(&self, letter: &Letter, deadline: Instant) -> bool {
        let stored = match &self.bucket {
            Some(bucket) => {
                let key = bucket.key(&letter.name);
                let put = || bucket.put(&key, &letter.body);
                until(deadline, "the bucket", put).await.then(|| bucket.address(&key))
            }
            None => None,
        };
        let Some(queue) = &self.queue else { return stored.is_some() };
        let (message, is_whole) = match &stored {
            // A queue that takes no larger ones says so, and the letter is not safe.
            _ if letter.body.len() <= MESSAGE_BYTES_MAX => (letter.body.clone(), true),
            None => (letter.body.clone(), true),
            Some(address) => {
                let summary = letter.summary.strip_suffix("}}").unwrap_or(&letter.summary);
                (format!("{summary},\"recordAt\":\"{address}\"}}}}"), false)
            }
        };
        let send = || queue.send(&message, &letter.group, &letter.name);
        let taken = until(deadline, "the queue", send).await;
        stored.is_some() || (taken && is_whole)
    }
}

/// Tries until it succeeds, and says whether it did.
async fn until<F>(deadline: Instant, place: &str, attempt: impl Fn() -> F) -> bool
where
    F: Future<Output = Result<(), places::NotTaken>>,
{
    let mut wait = RETRY_WAIT;
    for n in 1..=TRIES_MAX {
        let problem = match timeout_at(deadline, attempt()).await {
            Ok(Ok(())) => return true,
            Ok(Err(problem)) => problem,
            Err(_elapsed) => {
                warn!(place, "no time left for a dead letter");
                return false;
            }
        };
        warn!(place, %problem, n, "a dead letter was not taken");
        if n == TRIES_MAX || !problem.is_transient || deadline <= Instant::now() + wait {
            return false;
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    false
}
