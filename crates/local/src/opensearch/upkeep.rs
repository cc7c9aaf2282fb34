//! The thread that lets the indices do what is due: refresh, checkpoint, forget.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::Server;

/// How often to look.
const EVERY: Duration = Duration::from_millis(100);

/// Starts it. It ends by itself when the endpoint is gone.
pub(super) fn start(server: &Arc<Server>) {
    let server = Arc::downgrade(server);
    let busy: Arc<Mutex<HashSet<String>>> = Arc::default();
    let look = move || {
        loop {
            thread::sleep(EVERY);
            let Some(server) = server.upgrade() else { return };
            let now_ms = server.clock.now_ms();
            server.views.forget(now_ms);
            for index in server.node.indices() {
                if !index.is_due(now_ms) || !lock(&busy).insert(index.uuid.clone()) {
                    continue;
                }
                // Each on its own, so that a large index keeps no other waiting.
                let busy = Arc::clone(&busy);
                let work = move || {
                    if let Err(failure) = index.tick(now_ms) {
                        tracing::warn!(index = index.name, %failure, "upkeep failed, trying again");
                    }
                    lock(&busy).remove(&index.uuid);
                };
                spawn("opensearch-index", work);
            }
        }
    };
    spawn("opensearch-upkeep", look);
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(work) {
        tracing::error!(%error, "no thread could be started; documents are found only after _refresh");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
