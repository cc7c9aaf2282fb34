//! A batch of the stream: read, delivered through the pipeline, and answered.
//!
//! A record is safe when the index has it or something newer, when it was left out on purpose, or
//! when a dead letter holds all of it. Lambda is told the lowest number that is not.

mod answer;
mod batch;
mod change;
mod fields;
mod ledger;
mod moment;
mod pipelines;
mod report;
mod sink;

use std::{collections::HashSet, sync::Arc, time::Duration};

use aws::Environment;
use bytes::Bytes;
use engine::file::Loaded;
use opensearch::{Fate, Rejected};
use pipeline::{Clock, Outcome};
use tokio::time::Instant;
use tracing::{error, warn};

pub(crate) use self::{
    batch::Entry,
    report::{Report, State},
};
use self::{ledger::Ledger, pipelines::Pipelines};
use crate::{
    Context, Failure,
    dead_letters::{DeadLetters, Letter, Sender},
    settings::{Settings, SettingsError, StreamSettings},
};

/// What is left of the time when we stop trying, so that there is enough to answer.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// How much more is left for dead letters, where there is a place for them.
const LETTER_TIME: Duration = Duration::from_secs(2);

/// The cause of what cannot be made a document of.
const UNREADABLE: &str = "unreadable";

/// Handles batches.
#[derive(Debug)]
pub(crate) struct Stream {
    settings: StreamSettings,
    pipelines: Pipelines,
    dead_letters: DeadLetters,
    clock: Clock,
    function: String,
}

impl Stream {
    /// As the settings say. Nothing is asked of the cluster yet.
    ///
    /// # Errors
    ///
    /// When the sink cannot be set up with them.
    pub(crate) fn new(
        settings: &Settings,
        stream: &StreamSettings,
        file: Option<&Loaded>,
        environment: &Environment,
        clock: &Clock,
    ) -> Result<Stream, SettingsError> {
        let function = environment.get("AWS_LAMBDA_FUNCTION_NAME");
        let function = function.unwrap_or_else(|| "streamdex".to_owned());
        let pipelines = match file {
            Some(loaded) => Pipelines::of_file(loaded, environment, clock)?,
            None => Pipelines::of_variables(&function, settings, stream, environment, clock)?,
        };
        Ok(Stream {
            settings: stream.clone(),
            pipelines,
            dead_letters: DeadLetters::new(&stream.dead_letters, environment),
            clock: clock.clone(),
            function,
        })
    }

    /// Handles the records at `places` of `payload`.
    ///
    /// # Errors
    ///
    /// When the whole batch must come again: something is set up wrong, or a failed record has no
    /// number to be told by.
    pub(crate) async fn handle(
        &self,
        payload: &Bytes,
        places: &[std::ops::Range<usize>],
        context: &Context,
    ) -> Result<(String, Report), Failure> {
        let times = Times::of(context.time_left(self.clock.now()), &self.dead_letters);
        let mut batch = batch::read(payload, places, &self.settings, self.clock.now())
            .map_err(Failure::configuration)?;
        let ledger = Arc::new(Ledger::new(times.write_by));
        let events = std::mem::take(&mut batch.events);
        let sent: HashSet<usize> = events.iter().filter_map(ledger::place).collect();
        let outcome = if events.is_empty() {
            Outcome::Delivered
        } else {
            Arc::clone(&ledger)
                .during(self.pipelines.deliver(events))
                .await
                .map_err(Failure::configuration)?
        };
        if let Some(fault) = ledger.fault() {
            return Err(Failure::configuration(fault));
        }
        let mut states: Vec<State> = batch
            .entries
            .iter()
            .map(|entry| match ledger.fate(entry.place.start) {
                Some(fate) => State::of(fate),
                None if !sent.contains(&entry.place.start) => State::Kept,
                // Whatever comes to a sink has a fate. So no sink saw it, unless somebody keeps it.
                None if outcome == Outcome::Delivered || !self.pipelines.keep_back() => {
                    State::Filtered
                }
                None => State::Failed("the pipeline did not deliver it".to_owned()),
            })
            .collect();
        for (n, reason) in std::mem::take(&mut batch.poison) {
            let cause = UNREADABLE.to_owned();
            states[n] = State::Dead(Rejected { cause, reason, ..Rejected::default() });
        }
        self.set_aside(payload, &batch.entries, &mut states, context, times.letters_by).await;

        let failed: Vec<usize> =
            states.iter().enumerate().filter(|(_, it)| it.is_failed()).map(|(n, _)| n).collect();
        if let Some(State::Failed(reason)) = failed.first().map(|n| &states[*n]) {
            let first = &batch.entries[failed[0]].sequence_text;
            warn!(n = failed.len(), first, reason, "records are not safe yet, to be sent again");
        }
        let report = Report::new(&batch.entries, &states, self.clock.now());
        match answer::partial(&batch.entries, &failed, self.settings.partial_response) {
            Ok(answer) => Ok((answer, report)),
            Err(answer::Whole) => Err(Failure::new(
                "Streamdex.BatchFailed",
                format!("{} of {} records are not safe yet", failed.len(), states.len()),
            )
            .with_report(&report)),
        }
    }

    /// Writes dead letters. What cannot be set aside has failed.
    async fn set_aside(
        &self,
        payload: &Bytes,
        entries: &[Entry],
        states: &mut [State],
        context: &Context,
        deadline: Instant,
    ) {
        let sender = Sender {
            function: &self.function,
            request_id: &context.request_id,
            at: self.clock.now(),
        };
        let mut letters = Vec::new();
        let mut dead = Vec::new();
        for (n, state) in states.iter().enumerate() {
            if let State::Dead(refused) = state {
                letters.push(Letter::of(sender, &entries[n], refused, payload));
                dead.push(n);
                let Rejected { cause, reason, .. } = refused;
                let sequence_number = &entries[n].sequence_text;
                let reason = report::without_data(refused.status, reason);
                let code = refused.status;
                warn!(sequence_number, code, cause, reason, "a record can never be indexed");
            }
        }
        if dead.is_empty() {
            return;
        }
        if !self.dead_letters.is_configured() {
            error!(n = dead.len(), "there is no place for dead letters; set DLQ_URL");
            for n in dead {
                states[n] = State::Failed("it can never be indexed, and DLQ_URL is not set".into());
            }
            return;
        }
        let safe = self.dead_letters.send(&letters, deadline).await;
        for (n, is_safe) in dead.into_iter().zip(safe) {
            states[n] = if is_safe {
                State::DeadLettered
            } else {
                State::Failed("its dead letter was not taken".to_owned())
            };
        }
    }
}

impl State {
    fn of(fate: Fate) -> State {
        match fate {
            Fate::Written(op) => State::Written { deleted: op == opensearch::Op::Delete },
            Fate::Superseded => State::Superseded,
            Fate::Rejected(refused) => State::Dead(refused),
            Fate::SetAside => State::DeadLettered,
            Fate::Unsettled(reason) => State::Failed(reason),
        }
    }
}

/// Until when to do what.
#[derive(Clone, Copy, Debug)]
struct Times {
    write_by: Instant,
    letters_by: Instant,
}

impl Times {
    fn of(left: Duration, dead_letters: &DeadLetters) -> Times {
        let left = left.saturating_sub(ANSWER_TIME.min(left / 2));
        let for_letters =
            if dead_letters.is_configured() { LETTER_TIME.min(left / 4) } else { Duration::ZERO };
        let letters_by = Instant::now() + left;
        Times { write_by: letters_by - for_letters, letters_by }
    }
}
