//! One live line on a terminal; plain log lines elsewhere.

use std::{
    io::{IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use engine::{Account, Pipeline};
use tracing::info;

/// How often the line on a terminal changes.
const LINE_EVERY: Duration = Duration::from_millis(500);
/// How often a log line is written, and only if something happened.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Whether the line is on the terminal, for whoever else writes there.
static LIVE: AtomicBool = AtomicBool::new(false);

/// Whether the live line stands on the terminal just now.
pub(crate) fn is_live() -> bool {
    LIVE.load(Ordering::Relaxed)
}

/// Shows how the pipeline goes, until it is dropped.
pub(crate) async fn show(pipeline: &Pipeline) {
    if std::io::stdout().is_terminal() {
        show_line(pipeline).await;
    } else {
        show_log(pipeline).await;
    }
}

#[expect(clippy::print_stdout, reason = "the line is for whoever looks at the terminal")]
async fn show_line(pipeline: &Pipeline) {
    println!();
    let _live = Live::begin();
    let mut before = pipeline.accounts().now();
    let mut tick = tokio::time::interval(LINE_EVERY);
    loop {
        tick.tick().await;
        let now = pipeline.accounts().now();
        // A line longer than the terminal is cut there: what wraps could not be taken back.
        print!("\r\x1b[2K\x1b[?7l{}\x1b[?7h", line(&before, &now, LINE_EVERY));
        let _ = std::io::stdout().flush();
        before = now;
    }
}

/// The line is live until this is dropped, and stays as it was then.
struct Live;

impl Live {
    fn begin() -> Live {
        LIVE.store(true, Ordering::Relaxed);
        Live
    }
}

impl Drop for Live {
    #[expect(clippy::print_stdout, reason = "what comes next begins a line of its own")]
    fn drop(&mut self) {
        LIVE.store(false, Ordering::Relaxed);
        println!();
    }
}

async fn show_log(pipeline: &Pipeline) {
    let mut before = Account::default();
    let mut tick = tokio::time::interval(LOG_EVERY);
    loop {
        tick.tick().await;
        let now = pipeline.accounts().now();
        if now != before {
            info!("{}", line(&before, &now, LOG_EVERY));
        }
        before = now;
    }
}

/// `12 changes/s   lag 0.02 s   312 documents written   0 dead letters   0 unaccounted`
fn line(before: &Account, now: &Account, every: Duration) -> String {
    let rate =
        (now.read - before.read) * 1000 / u64::try_from(every.as_millis()).unwrap_or(1).max(1);
    let lag = Duration::from_millis(now.lag_ms).as_secs_f32();
    let mut line = format!(
        "{rate} changes/s   lag {lag:.2} s   {} documents written   {} in flight   {} dead letters   {} unaccounted",
        now.indexed,
        now.in_flight,
        now.dead_lettered,
        now.unaccounted(),
    );
    if let Some(problem) = &now.problem {
        line = format!("{line}   problem: {problem}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_it_goes() {
        let before = Account { read: 10, indexed: 10, ..Account::default() };
        let now =
            Account { read: 30, indexed: 28, in_flight: 2, lag_ms: 120, ..Account::default() };
        assert_eq!(
            line(&before, &now, Duration::from_secs(10)),
            "2 changes/s   lag 0.12 s   28 documents written   2 in flight   0 dead letters   0 unaccounted"
        );
    }
}
