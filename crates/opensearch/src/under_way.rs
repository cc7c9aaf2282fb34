//! The documents of all requests under way, over all writes of a sink: who writes one of them again
//! waits until it is settled.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::{Notify, futures::Notified};

use crate::order::Order;

/// Where documents are noted while they are under way.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    order: Mutex<Order>,
    settled: Notify,
}

/// The documents of one request, settled when this is dropped: also when the request fails.
#[derive(Debug)]
pub(crate) struct Documents<'a> {
    under_way: &'a UnderWay,
    documents: Vec<u64>,
}

impl UnderWay {
    /// Whether nothing about the document is under way.
    pub(crate) fn may_go(&self, document: u64) -> bool {
        self.order().may_go(document)
    }

    /// A request with these documents leaves.
    pub(crate) fn leave(&self, documents: impl Iterator<Item = u64>) -> Documents<'_> {
        let documents: Vec<u64> = documents.collect();
        self.order().leave(documents.iter().copied());
        Documents { under_way: self, documents }
    }

    /// Resolves when one of the requests is settled next.
    pub(crate) fn settled(&self) -> Notified<'_> {
        self.settled.notified()
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().expect("no panics while locked")
    }
}

impl Drop for Documents<'_> {
    fn drop(&mut self) {
        self.under_way.order().settle(self.documents.iter().copied());
        self.under_way.settled.notify_waiters();
    }
}
