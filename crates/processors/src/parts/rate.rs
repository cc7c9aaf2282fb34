//! So many events a second. Pure.

use std::time::Duration;

use pipeline::Timestamp;
use serde::Deserialize;

const SECOND_MS: u64 = 1000;

/// What becomes of more events than are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhenExceeds {
    /// They end here.
    Drop,
    /// They wait for the next second, and with them all that comes behind them.
    Block,
}

/// The second that events are counted in; with [`WhenExceeds::Block`] perhaps one to come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    start_ms: u64,
    n: u64,
}

impl Second {
    /// How long an event has to wait; `None` if it ends here.
    pub(crate) fn admit(
        &mut self,
        limit: u64,
        when_exceeds: WhenExceeds,
        Timestamp(now_ms): Timestamp,
    ) -> Option<Duration> {
        if self.start_ms + SECOND_MS <= now_ms {
            *self = Second { start_ms: now_ms, n: 0 };
        }
        if limit <= self.n {
            match when_exceeds {
                WhenExceeds::Drop => return None,
                WhenExceeds::Block => {
                    *self = Second { start_ms: self.start_ms + SECOND_MS, n: 0 };
                }
            }
        }
        self.n += 1;
        Some(Duration::from_millis(self.start_ms.saturating_sub(now_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_ends_or_waits() {
        let waits = |when_exceeds, times: &[u64]| -> Vec<Option<u128>> {
            let mut second = Second::default();
            let admit = |now: &u64| second.admit(2, when_exceeds, Timestamp(*now));
            times.iter().map(admit).map(|it| it.map(|it| it.as_millis())).collect()
        };
        assert_eq!(
            waits(WhenExceeds::Drop, &[5000, 5001, 5500, 5999, 6000, 6001, 6002]),
            [Some(0), Some(0), None, None, Some(0), Some(0), None]
        );
        assert_eq!(
            waits(WhenExceeds::Block, &[5000, 5000, 5000, 5400, 5400, 9000]),
            [Some(0), Some(0), Some(1000), Some(600), Some(1600), Some(0)]
        );
    }
}
