//! What time it is. Only drivers ask; decisions are told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::Timestamp;

/// The real time, or one that a test sets. Cheap to clone; clones agree.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    set_ms: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The time of this machine.
    pub fn real() -> Clock {
        Clock::default()
    }

    /// A clock that stands still until it is moved.
    pub fn at(now: Timestamp) -> Clock {
        Clock { set_ms: Some(Arc::new(AtomicU64::new(now.0))) }
    }

    /// Moves a clock made by [`Clock::at`]; the real one goes its own way.
    pub fn advance(&self, by: Duration) {
        if let Some(set_ms) = &self.set_ms {
            let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            set_ms.fetch_add(by_ms, Ordering::Relaxed);
        }
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else asks")]
    pub fn now(&self) -> Timestamp {
        if let Some(set_ms) = &self.set_ms {
            return Timestamp(set_ms.load(Ordering::Relaxed));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }
}
