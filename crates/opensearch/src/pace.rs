//! How many requests may be under way at once: one more as long as all goes well, half as many as
//! soon as the cluster has too much to do. Pure.
//!
//! ```text
//!                 taken, and the places were in use: limit + 1/limit
//!                ┌───────────────────────────────┐
//!                │                               ▼
//!            ┌───┴────┐  429, 503: limit / 2  ┌────────┐
//!            │  open  ├──────────────────────▶│ closed │  no request before `Retry-After`
//!            └────────┘  slow:  limit × 0.9   └────────┘
//! ```
//!
//! One overload is often told by several answers, of requests that left before we knew. So a
//! request counts only if it left after the last decrease.

use std::time::Duration;

use pipeline::Timestamp;

/// How many requests may be under way at first, and at most.
const LIMIT_FIRST: f64 = 2.0;
const LIMIT_MAX: f64 = 16.0;
/// What overload leaves of the limit, and what slowness does.
const AFTER_OVERLOAD: f64 = 0.5;
const AFTER_SLOWNESS: f64 = 0.9;
/// An answer is slow if it takes so many times as long as the quickest of late, and longer than …
const SLOW_TIMES: u64 = 8;
/// … this; below it, nobody minds.
const SLOW_MS_MIN: u64 = 2_000;
/// The quickest answer is forgotten by and by: its time grows by one part in so many per answer.
const QUICKEST_DECAY: u64 = 200;
/// How many bytes may be under way at once, whatever their number of requests. Bounds our memory.
const BYTES_MAX: usize = 32 << 20;

/// The places for requests.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    limit: f64,
    under_way: usize,
    bytes: usize,
    /// Milliseconds per MiB of the quickest answer of late.
    quickest_ms: Option<u64>,
    decreased_at: Timestamp,
    /// No request leaves earlier.
    closed_until: Timestamp,
}

/// What an answer says about the load of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// It took what we sent.
    Fine,
    /// It has too much to do, and may have said how long to wait.
    Over(Option<Duration>),
    /// There was no answer, or one that says nothing about its load.
    Unknown,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            limit: LIMIT_FIRST,
            under_way: 0,
            bytes: 0,
            quickest_ms: None,
            decreased_at: Timestamp(0),
            closed_until: Timestamp(0),
        }
    }
}

impl Pace {
    /// Takes a place for a request of `n_bytes`; says how long to wait if there is none before then,
    /// and nothing if one of the requests under way must end first.
    ///
    /// # Errors
    ///
    /// When there is no place now.
    pub(crate) fn start(&mut self, now: Timestamp, n_bytes: usize) -> Result<(), Option<Duration>> {
        if now < self.closed_until {
            return Err(Some(Duration::from_millis(self.closed_until.0 - now.0)));
        }
        // One is always let through, however large it is.
        if 0 < self.under_way
            && (self.limit() <= self.under_way || BYTES_MAX < self.bytes + n_bytes)
        {
            return Err(None);
        }
        self.under_way += 1;
        self.bytes += n_bytes;
        Ok(())
    }

    /// Gives the place of a request back that left at `sent`.
    pub(crate) fn end(&mut self, sent: Timestamp, now: Timestamp, n_bytes: usize, load: Load) {
        // Those that leave together do not end together; half of them still speak for all.
        let was_full = self.limit() <= self.under_way * 2;
        self.under_way = self.under_way.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(n_bytes);
        match load {
            Load::Fine => {
                let took = now.0.saturating_sub(sent.0);
                if self.is_slow(took, n_bytes) {
                    self.decrease(sent, now, AFTER_SLOWNESS);
                } else if was_full {
                    self.limit = (self.limit + 1.0 / self.limit).min(LIMIT_MAX);
                }
            }
            Load::Over(wait) => {
                self.decrease(sent, now, AFTER_OVERLOAD);
                if let Some(wait) = wait {
                    let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    let until = Timestamp(now.0.saturating_add(wait));
                    self.closed_until = self.closed_until.max(until);
                }
            }
            Load::Unknown => {}
        }
    }

    /// The request turned out to be larger or smaller.
    pub(crate) fn resize(&mut self, from: usize, to: usize) {
        self.bytes = (self.bytes + to).saturating_sub(from);
    }

    /// Gives a place back that was not used.
    pub(crate) fn give_back(&mut self, n_bytes: usize) {
        self.under_way = self.under_way.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(n_bytes);
    }

    /// How many requests may be under way at once.
    pub(crate) fn limit(&self) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 16")]
        let limit = self.limit as usize;
        limit.max(1)
    }

    /// How many are.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way
    }

    fn decrease(&mut self, sent: Timestamp, now: Timestamp, to: f64) {
        if self.decreased_at <= sent {
            self.limit = (self.limit * to).max(1.0);
            self.decreased_at = now;
        }
    }

    /// Compares with the quickest answer of late, by size, so that a large request is not called slow.
    fn is_slow(&mut self, took_ms: u64, n_bytes: usize) -> bool {
        // A small request takes the time of its way, not of its bytes.
        let n_mib = (n_bytes as u64).div_ceil(1 << 20).max(1);
        let per_mib = took_ms / n_mib;
        let quickest = self.quickest_ms.map_or(per_mib, |it| it + it / QUICKEST_DECAY + 1);
        let quickest = quickest.min(per_mib).max(1);
        self.quickest_ms = Some(quickest);
        SLOW_MS_MIN < took_ms && quickest.saturating_mul(SLOW_TIMES) < per_mib
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// Runs requests of 1 MiB in rounds, each as many as may go.
    fn run(pace: &mut Pace, at: &mut u64, rounds: usize, took_ms: u64, load: Load) {
        for _ in 0..rounds {
            let sent = Timestamp(*at);
            let mut n = 0;
            while pace.start(sent, MIB).is_ok() {
                n += 1;
            }
            *at += took_ms;
            (0..n).for_each(|_| pace.end(sent, Timestamp(*at), MIB, load));
        }
    }

    #[test]
    fn it_grows_one_at_a_time_and_halves_at_once() {
        let (mut pace, mut at) = (Pace::default(), 1);
        assert_eq!(pace.limit(), 2);
        run(&mut pace, &mut at, 3, 10, Load::Fine);
        assert!((3..=5).contains(&pace.limit()), "{pace:?}");
        run(&mut pace, &mut at, 60, 10, Load::Fine);
        assert_eq!(pace.limit(), 16, "and no further");
        run(&mut pace, &mut at, 1, 10, Load::Over(None));
        assert_eq!(pace.limit(), 8, "sixteen refusals of one moment count once");
        run(&mut pace, &mut at, 20, 10, Load::Over(None));
        assert_eq!(pace.limit(), 1, "one is always tried");
        run(&mut pace, &mut at, 100, 10, Load::Fine);
        assert_eq!(pace.limit(), 16, "and it recovers");
    }

    #[test]
    fn it_grows_only_when_its_places_are_used() {
        let mut pace = Pace::default();
        for n in 0..100 {
            pace.start(Timestamp(n), MIB).unwrap();
            pace.end(Timestamp(n), Timestamp(n + 1), MIB, Load::Fine);
        }
        assert!(pace.limit() <= 3, "{pace:?}");
    }

    #[test]
    fn slowness_is_a_sign_of_overload_too() {
        let (mut pace, mut at) = (Pace::default(), 1);
        run(&mut pace, &mut at, 50, 100, Load::Fine);
        let before = pace.limit();
        run(&mut pace, &mut at, 10, 5_000, Load::Fine);
        assert!(pace.limit() <= before / 2, "{} of {before}", pace.limit());
    }

    #[test]
    fn nothing_leaves_before_the_cluster_wants_it() {
        let mut pace = Pace::default();
        pace.start(Timestamp(0), MIB).unwrap();
        let wait = Duration::from_secs(3);
        pace.end(Timestamp(0), Timestamp(1_000), MIB, Load::Over(Some(wait)));
        let refused = pace.start(Timestamp(1_500), MIB);
        assert_eq!(refused, Err(Some(Duration::from_millis(2_500))));
        assert_eq!(pace.start(Timestamp(4_000), MIB), Ok(()));
    }

    #[test]
    fn bytes_are_bounded_but_a_large_request_goes_alone() {
        let mut pace = Pace { limit: 16.0, ..Pace::default() };
        pace.start(Timestamp(0), 100 * MIB).unwrap();
        assert_eq!(pace.start(Timestamp(0), 1), Err(None));
        pace.end(Timestamp(0), Timestamp(1), 100 * MIB, Load::Fine);
        for _ in 0..6 {
            pace.start(Timestamp(1), 5 * MIB).unwrap();
        }
        assert_eq!(pace.start(Timestamp(1), 5 * MIB), Err(None));
    }
}
