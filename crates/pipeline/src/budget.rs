//! How many bytes of events may be under way: one budget for all lanes of a process, so that memory
//! is bounded however many shards and files are read. Who wants more waits.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use futures::channel::oneshot;

use crate::{Document, Event, Gauge, Meters, Metric};

/// How many bytes that is, unless the user says otherwise. It keeps a process below 128 MB: what is
/// read ahead, connections and the program itself come on top.
pub const BUDGET_BYTES: usize = 32 << 20;

/// How much of it is in use.
pub static BYTES_IN_FLIGHT: Metric = Metric::gauge(
    "bytesInFlight",
    "Bytes of events between a source and the moment they are safe, their requests included.",
);
/// How much of it was ever in use.
pub static BYTES_IN_FLIGHT_MAX: Metric = Metric::gauge(
    "bytesInFlightMax",
    "The most bytes of events that were under way at once since the start.",
);

/// A number of bytes that many share. Cheap to clone; clones are the same budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: usize,
    state: Mutex<State>,
    in_flight: Gauge,
    most: Gauge,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    most: usize,
    /// In the order they came, so that nobody waits for ever.
    waiting: VecDeque<(usize, oneshot::Sender<Share>)>,
}

/// A part of a budget, given back when it is dropped.
#[derive(Debug)]
#[must_use = "a share that is dropped is given back"]
pub struct Share {
    budget: Budget,
    n_bytes: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::of(BUDGET_BYTES)
    }
}

impl Budget {
    /// A budget of so many bytes.
    pub fn of(total: usize) -> Budget {
        Budget::counted_in(total, &Meters::default())
    }

    /// The same, counting into `meters` how much is in use.
    pub fn counted_in(total: usize, meters: &Meters) -> Budget {
        let in_flight = meters.gauge(&BYTES_IN_FLIGHT);
        let most = meters.gauge(&BYTES_IN_FLIGHT_MAX);
        Budget(Arc::new(Shared { total, state: Mutex::default(), in_flight, most }))
    }

    /// Waits for `n_bytes`. When nobody has any, more is given than there is: what is too large for
    /// the budget goes alone.
    pub async fn take(&self, n_bytes: usize) -> Share {
        let granted = {
            let mut state = self.state();
            if state.waiting.is_empty() && self.fits(&state, n_bytes) {
                return self.grant(&mut state, n_bytes);
            }
            let (grant, granted) = oneshot::channel();
            state.waiting.push_back((n_bytes, grant));
            granted
        };
        match granted.await {
            Ok(share) => share,
            Err(_) => unreachable!("the budget lives as long as this borrow of it"),
        }
    }

    /// How many bytes are taken.
    pub fn taken(&self) -> usize {
        self.state().taken
    }

    /// How many were taken at most.
    pub fn most(&self) -> usize {
        self.state().most
    }

    fn fits(&self, state: &State, n_bytes: usize) -> bool {
        state.taken == 0 || state.taken.saturating_add(n_bytes) <= self.0.total
    }

    fn grant(&self, state: &mut State, n_bytes: usize) -> Share {
        state.taken += n_bytes;
        state.most = state.most.max(state.taken);
        self.show(state);
        Share { budget: self.clone(), n_bytes }
    }

    fn show(&self, state: &State) {
        self.0.in_flight.set(i64::try_from(state.taken).unwrap_or(i64::MAX));
        self.0.most.set(i64::try_from(state.most).unwrap_or(i64::MAX));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no panics while locked")
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut granted = Vec::new();
        {
            let mut state = self.budget.state();
            state.taken -= self.n_bytes;
            self.budget.show(&state);
            while let Some((n_bytes, _)) = state.waiting.front()
                && self.budget.fits(&state, *n_bytes)
                && let Some((n_bytes, grant)) = state.waiting.pop_front()
            {
                granted.push((self.budget.grant(&mut state, n_bytes), grant));
            }
        }
        // Whoever no longer waits gives back at once, which must not happen under the lock.
        for (share, grant) in granted {
            let _ = grant.send(share);
        }
    }
}

/// How many bytes `events` hold, and will hold once their requests are written: what they arrived in,
/// their documents, the lines of a request.
pub fn weight(events: &[Event]) -> usize {
    let mut weight = size_of_val(events);
    let mut last: &[u8] = &[];
    for event in events {
        let document: &[u8] = match &event.document {
            Document::Item(bytes) | Document::Json(bytes) => bytes,
            Document::Fields(_) => &[],
        };
        // As it will stand in the request.
        weight += document.len();
        let Some(origin) = &event.origin else {
            weight += document.len();
            continue;
        };
        if !std::ptr::eq(last, &raw const *origin.body) {
            last = &origin.body;
            weight += last.len();
        }
        if !last.as_ptr_range().contains(&document.as_ptr()) {
            weight += document.len();
        }
    }
    weight
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt;

    use super::*;

    #[test]
    fn who_wants_more_waits_in_turn() {
        let budget = Budget::of(10);
        let first = budget.take(6).now_or_never().unwrap();
        let mut large = Box::pin(budget.take(7));
        assert!(large.as_mut().now_or_never().is_none());
        let mut small = Box::pin(budget.take(1));
        assert!(small.as_mut().now_or_never().is_none(), "nobody overtakes");
        assert_eq!(budget.taken(), 6);
        drop(first);
        let (large, small) = (large.now_or_never().unwrap(), small.now_or_never().unwrap());
        assert_eq!((budget.taken(), budget.most()), (8, 8));
        drop((large, small));
        assert_eq!((budget.taken(), budget.most()), (0, 8));
    }

    #[test]
    fn what_is_too_large_goes_alone() {
        let budget = Budget::of(10);
        let small = budget.take(1).now_or_never().unwrap();
        let mut large = Box::pin(budget.take(100));
        assert!(large.as_mut().now_or_never().is_none());
        drop(small);
        let large = large.now_or_never().unwrap();
        assert!(budget.take(1).now_or_never().is_none());
        drop(large);
    }

    #[test]
    fn who_no_longer_waits_gets_nothing() {
        let budget = Budget::of(10);
        let first = budget.take(10).now_or_never().unwrap();
        let mut gone = Box::pin(budget.take(10));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut next = Box::pin(budget.take(10));
        assert!(next.as_mut().now_or_never().is_none());
        drop(gone);
        drop(first);
        assert!(next.now_or_never().is_some());
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn events_weigh_what_they_share_once_and_their_request() {
        let body = Bytes::from(vec![b'x'; 1_000]);
        let apart = Event { document: Document::Json(body.slice(..100)), ..Event::default() };
        let n = size_of::<Event>();
        assert_eq!(weight(&[apart.clone(), apart]), 2 * (n + 2 * 100));
    }
}
