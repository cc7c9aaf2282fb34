//! How a running pipeline is asked to finish.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{FusedFuture, Shared},
};

/// Resolves when it is time to finish. Cheap to clone; clones resolve together.
#[derive(Clone, Debug)]
pub struct Stop(Shared<oneshot::Receiver<()>>);

/// Asks. Dropping it asks too, so that nobody runs on unattended.
#[derive(Debug)]
pub struct Stopper(
    #[expect(dead_code, reason = "what counts is that it is dropped")] oneshot::Sender<()>,
);

impl Stop {
    /// The two ends of one request.
    pub fn pair() -> (Stopper, Stop) {
        let (sender, receiver) = oneshot::channel();
        (Stopper(sender), Stop(receiver.shared()))
    }

    /// Whether it was asked already.
    pub fn is_asked(&self) -> bool {
        self.0.is_terminated() || self.0.clone().now_or_never().is_some()
    }
}

impl Stopper {
    /// Asks everyone who holds the other end to finish.
    pub fn stop(self) {}
}

impl Future for Stop {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_unpin(cx).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_hears_of_it() {
        let (stopper, stop) = Stop::pair();
        let clone = stop.clone();
        assert!(!stop.is_asked());
        stopper.stop();
        stop.await;
        assert!(clone.is_asked());
        clone.await;
    }
}
