//! Reads a segment of a table by `Scan`, no faster than it may cost.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws::{CallError, JsonService};
use bytes::Bytes;
use pipeline::{Clock, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tracing::{error, warn};

use crate::{
    Rows, View,
    part::{Mark, PartError, Piece, Pieces},
};

/// How long to wait before asking again after a failed call, at first and at most.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(200);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(30);

/// How many read units may be used, by all segments of a worker together.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    units_per_second: Option<u32>,
    /// When what was used so far will have been earned.
    paid_at: Arc<Mutex<Timestamp>>,
}

impl Budget {
    pub(crate) fn new(units_per_second: Option<u32>) -> Budget {
        Budget { units_per_second, paid_at: Arc::new(Mutex::new(Timestamp(0))) }
    }

    /// When the next page may be asked for.
    async fn next_at(&self) -> Timestamp {
        *self.paid_at.lock().await
    }

    async fn use_up(&self, units: f64, now: Timestamp) {
        let Some(per_second) = self.units_per_second else { return };
        let mut paid_at = self.paid_at.lock().await;
        *paid_at = earned_at(*paid_at, now, units, per_second);
    }
}

/// When `units` more will have been earned at so many a second.
fn earned_at(paid_at: Timestamp, now: Timestamp, units: f64, per_second: u32) -> Timestamp {
    paid_at.max(now).after(Duration::from_secs_f64(units.max(0.0) / f64::from(per_second.max(1))))
}

/// One segment on its way down the pipeline.
pub(crate) struct SegmentPieces {
    pub(crate) dynamodb: JsonService,
    /// What to call the table.
    pub(crate) table: String,
    pub(crate) segment: u32,
    pub(crate) segments: u32,
    pub(crate) consistent_read: bool,
    pub(crate) budget: Budget,
    pub(crate) rows: Rows,
    pub(crate) clock: Clock,
    pub(crate) view: View,
    /// How far it is; `None` at its end.
    pub(crate) mark: Option<Mark>,
}

#[async_trait]
impl Pieces for SegmentPieces {
    async fn next(&mut self) -> Result<Option<Piece>, PartError> {
        let Some(mark) = &self.mark else { return Ok(None) };
        let next_at = self.budget.next_at().await;
        let wait = next_at.0.saturating_sub(self.clock.now().0);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let mut question = json!({
            "TableName": self.table,
            "Segment": self.segment,
            "TotalSegments": self.segments,
            "ConsistentRead": self.consistent_read,
            "ReturnConsumedCapacity": "TOTAL",
        });
        if !mark.place.is_empty() {
            let key: Value = serde_json::from_str(&mark.place)
                .map_err(|it| PartError::Hopeless(format!("`{}` is no key: {it}", mark.place)))?;
            question["ExclusiveStartKey"] = key;
        }
        let body = self.ask(&Bytes::from(question.to_string())).await?;
        let page = self.rows.of_page(&body);
        let page = page.map_err(|it| PartError::Hopeless(format!("Scan: the answer: {it}")))?;
        self.budget.use_up(page.read_units, self.clock.now()).await;
        self.view.change(&self.rows.table.name, |it| it.read_units += page.read_units);
        let rows = mark.rows + page.events.len() as u64;
        let place = page.last_key.clone().unwrap_or_default();
        let mark = Mark { rows, place };
        self.mark = page.last_key.map(|_| mark.clone());
        Ok(Some(Piece { events: page.events, mark }))
    }
}

impl SegmentPieces {
    /// Makes the call until it is answered.
    async fn ask(&self, question: &Bytes) -> Result<Bytes, PartError> {
        let mut wait = RETRY_WAIT_MIN;
        loop {
            let error = match self.dynamodb.call("Scan", question.clone()).await {
                Ok(answer) => {
                    if wait != RETRY_WAIT_MIN {
                        self.view.change(&self.rows.table.name, |it| it.problem.clear());
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            match &error {
                CallError::Refused { code, .. } if code == "AccessDeniedException" => {
                    let problem =
                        format!("{error}; grant `dynamodb:Scan` on the table `{}`", self.table);
                    error!(%problem, "cannot scan the table, asking again");
                    self.view.change(&self.rows.table.name, |it| it.problem = problem);
                }
                error if error.is_transient() => {
                    warn!(%error, wait_ms = wait.as_millis(), "the scan was not answered, asking again");
                }
                error => return Err(PartError::Hopeless(error.to_string())),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_WAIT_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_must_be_earned_before_more_are_used() {
        for (paid_at, now, units, per_second, expected) in [
            (0, 1_000, 50.0, 100, 1_500),
            (1_500, 1_200, 50.0, 100, 2_000),
            (1_500, 9_000, 128.0, 1, 137_000),
            (0, 1_000, 0.0, 100, 1_000),
        ] {
            let at = earned_at(Timestamp(paid_at), Timestamp(now), units, per_second);
            assert_eq!(at, Timestamp(expected), "{units} units after {paid_at}");
        }
    }
}
