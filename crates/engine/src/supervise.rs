//! Keeps a pipeline going: when its source gives up, it is started again from its checkpoints.

use std::time::Duration;

use pipeline::{Source, Stop};
use tracing::error;

use crate::Pipeline;

/// How long to wait before starting again, at first and at most.
const RESTART_WAIT_MIN: Duration = Duration::from_secs(1);
const RESTART_WAIT_MAX: Duration = Duration::from_mins(1);

/// Runs `pipeline` with a new source from `source` each time, until one ends, there is none, or
/// `stop` is asked.
pub async fn supervise(
    pipeline: &Pipeline,
    mut source: impl FnMut() -> Option<Box<dyn Source>>,
    mut stop: Stop,
) {
    let mut wait = RESTART_WAIT_MIN;
    loop {
        let n_before = pipeline.accounts().now().delivered_at;
        let Some(source) = source() else { return };
        let Err(problem) = pipeline.run(source, stop.clone()).await else { return };
        if stop.is_asked() {
            return;
        }
        if n_before != pipeline.accounts().now().delivered_at {
            wait = RESTART_WAIT_MIN;
        }
        error!(pipeline = pipeline.name(), %problem, wait_s = wait.as_secs(), "starting the source again");
        pipeline.set_problem(problem.to_string());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = &mut stop => return,
        }
        wait = (wait * 2).min(RESTART_WAIT_MAX);
    }
}
