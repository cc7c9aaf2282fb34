//! Does what time makes due when nobody asks: items expire, shards roll, old records go.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::endpoint::Endpoint;

/// How often it looks. Expired items are gone after at most this much.
const PAUSE: Duration = Duration::from_millis(500);

/// Starts to look after an endpoint, for as long as there is one.
pub(crate) fn start(endpoint: &Arc<Endpoint>) {
    let endpoint: Weak<Endpoint> = Arc::downgrade(endpoint);
    // Without `tokio`: it takes locks, and a busy runtime must not keep items alive.
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(PAUSE);
            let Some(endpoint) = endpoint.upgrade() else { return };
            if let Err(error) = endpoint.sweep() {
                tracing::warn!(%error, "could not do what is due; will try again");
            }
        }
    });
}
