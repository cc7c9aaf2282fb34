//! The load of a table, as a value: from the wish for it until all of it is safe. Pure: no network,
//! no clock, no tasks.
//!
//! ```text
//!           ┌──────────────── failed, vanished, files gone ────────────────┐
//!           ↓                                                              │
//!  export: Wanted ─ARN→ Exporting ─completed, manifests read→ Loading ─────┤
//!  scan:   Wanted ──────────────── its moment has come ─────→ Loading ─────┤
//!                                                                          │ all parts safe,
//!                                                                          ↓ or given up
//!                         Done or Failed ←─deletes sent again── Reapplying ┘
//! ```
//!
//! The stream is read all the while. Deletes that it brings before the load is through are remembered,
//! and sent again at the end: OpenSearch forgets a delete after a minute, and a late row must not bring
//! the item back.
//!
//! What is durable is the [`Record`]; a machine is made of it again after a crash, at any line. The
//! driver feeds in what happened ([`Input`]) and does what comes out ([`Action`]), in order.

use std::time::Duration;

use pipeline::Timestamp;
use serde::{Deserialize, Serialize};

/// How many exports to ask for before giving up; the next start of the program tries again.
const EXPORTS_MAX: u32 = 3;
/// How long to wait at most, for whatever. Who waits longer had its clock set back.
pub const WAIT_MAX: Duration = Duration::from_mins(10);
/// For how many looks a load is announced before it begins where others read the stream already; and
/// for how many, which must be fewer, a worker trusts what it saw when it looked last. So whoever reads
/// a delete that was made after the load began, knows of the load.
const ANNOUNCED_LOOKS: u32 = 3;
const TRUSTED_LOOKS: u32 = 2;

/// How often to look at what is going on.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How far an export is; and how long to wait before another try, at first.
    pub poll: Duration,
    /// What other workers have done for a load, and whether there are gaps.
    pub look: Duration,
}

/// For which load a worker keeps deletes, as far as it knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// 0 if there is none.
    load: u32,
    looked: Option<Timestamp>,
}

/// What must be known to go on with a load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Counts the loads of a table: the first, and one for each gap that is healed.
    pub generation: u32,
    /// By which way.
    pub method: Method,
    /// When it was wished for, in milliseconds since the epoch.
    pub wanted_ms: u64,
    /// How long whoever leads it waits before it begins. A moment would be of somebody else's clock.
    #[serde(default)]
    pub wait_ms: u64,
    /// Counts the exports that were asked for.
    pub attempt: u32,
    /// How far it is.
    pub stage: Stage,
}

/// By which way a table is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// By an export to S3.
    Export,
    /// By a parallel scan.
    Scan,
}

/// How far a load is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Nothing has come of it yet. An export may have been asked for.
    Wanted,
    /// The export with this ARN is being made.
    Exporting(String),
    /// The parts are being read.
    Loading(Parts),
    /// Deletes are being sent again; then it has failed, if there is a reason.
    Reapplying(Option<String>),
    /// Everything is safe.
    Done,
    /// It was given up.
    Failed(String),
}

/// What a load consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// The moment whose state it is, in milliseconds since the epoch.
    pub read_ms: u64,
    /// How many files or segments.
    pub n: u32,
    /// How many items, if that is known.
    pub items: Option<u64>,
    /// Where the list of files is.
    pub files_key: String,
    /// How the files are written.
    pub is_ion: bool,
}

/// What DynamoDB says of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Described {
    /// It is being made.
    InProgress,
    /// It is there, and its summary has this key.
    Completed(String),
    /// It came to nothing.
    Failed(String),
    /// DynamoDB does not know it.
    Vanished,
}

/// What may help where something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same again, later.
    Wait,
    /// Another export.
    Anew,
    /// Nothing that we can do.
    None,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The moment that was waited for has come.
    Waited,
    /// An export was begun; this is its ARN.
    Requested(String),
    /// What DynamoDB says of the export.
    Described(Described),
    /// The manifests were read.
    Planned(Parts),
    /// Something was refused, or could not be read.
    Refused(String, Remedy),
    /// All parts are safe.
    Loaded,
    /// The deletes are safe, too.
    Reapplied,
}

/// Something to do. All but `Save` and `End` lead to an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make this durable before anything else.
    Save(Record),
    /// Wait until then.
    Wait(Timestamp),
    /// Ask for an export, in such a way that asking twice makes one.
    Request,
    /// Ask how far the export is, but not before then.
    Describe(String, Timestamp),
    /// Read the manifests, beginning with the summary.
    Plan(String, String),
    /// Have the parts read, by whoever is there.
    Load(Parts),
    /// Send the deletes again.
    Reapply,
    /// There is nothing left to do.
    End,
}

/// A load under way.
#[derive(Debug)]
pub struct Load {
    record: Record,
    pace: Pace,
    /// For how long to wait before asking again for what was refused.
    wait: Duration,
    /// Until when to wait before it begins, by the clock of this worker.
    begins: Option<Timestamp>,
}

impl Pace {
    /// How long a load is announced, so that everyone who reads the stream knows of it.
    pub fn announcement(&self) -> Duration {
        self.look * ANNOUNCED_LOOKS
    }
}

impl Known {
    /// What a look showed that was begun at `now`.
    pub fn at(now: Timestamp, load: u32) -> Known {
        Known { load, looked: Some(now) }
    }

    /// The load to keep deletes for, 0 for none; or nothing if that must be looked up again.
    pub fn load(&self, now: Timestamp, pace: Pace) -> Option<u32> {
        let looked = self.looked?;
        (looked <= now && now <= looked.after(pace.look * TRUSTED_LOOKS)).then_some(self.load)
    }
}

impl Record {
    /// The wish for a load.
    pub fn wanted(generation: u32, method: Method, now: Timestamp, wait: Duration) -> Record {
        let (stage, wait_ms) = (Stage::Wanted, in_ms(wait));
        Record { generation, method, wanted_ms: now.0, wait_ms, attempt: 1, stage }
    }

    /// Whether something is to be done for it.
    pub fn is_under_way(&self) -> bool {
        !matches!(self.stage, Stage::Done | Stage::Failed(_))
    }

    /// What tells the parts of this attempt from all others.
    pub fn name(&self) -> String {
        format!("{}-{}", self.generation, self.attempt)
    }

    /// How far it is, in a word or two.
    pub fn stage_name(&self) -> &'static str {
        match self.stage {
            Stage::Wanted => "wanted",
            Stage::Exporting(_) => "exporting",
            Stage::Loading(_) => "loading",
            Stage::Reapplying(_) => "sending deletes again",
            Stage::Done => "done",
            Stage::Failed(_) => "failed",
        }
    }
}

impl Load {
    /// Goes on with a load; says what to do first. One that was given up is tried once more.
    pub fn resume(mut record: Record, pace: Pace, now: Timestamp) -> (Load, Vec<Action>) {
        let mut actions = Vec::new();
        if let Stage::Failed(_) = record.stage {
            // Nobody keeps deletes for it any more.
            let (attempt, wait_ms) = (record.attempt + 1, in_ms(pace.announcement()));
            record = Record { attempt, wait_ms, stage: Stage::Wanted, ..record };
            actions.push(Action::Save(record.clone()));
        }
        let wait = Duration::from_millis(record.wait_ms);
        let begins = (!wait.is_zero()).then(|| now.after(wait));
        let load = Load { record, pace, wait: pace.poll, begins };
        actions.push(load.next(now));
        (load, actions)
    }

    /// What is durable, or about to be.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What to do at this stage.
    fn next(&self, now: Timestamp) -> Action {
        match &self.record.stage {
            Stage::Wanted => match (self.begins, self.record.method) {
                (Some(begins), _) => Action::Wait(begins),
                (None, Method::Scan) => Action::Wait(now),
                (None, Method::Export) => Action::Request,
            },
            Stage::Exporting(arn) => Action::Describe(arn.clone(), now),
            Stage::Loading(parts) => Action::Load(parts.clone()),
            Stage::Reapplying(_) => Action::Reapply,
            Stage::Done | Stage::Failed(_) => Action::End,
        }
    }

    /// Takes in what happened; `segments` is how many parts a scan has.
    pub fn handle(&mut self, now: Timestamp, segments: u32, input: Input) -> Vec<Action> {
        if input == Input::Waited {
            self.begins = None;
        }
        match (&self.record.stage, input) {
            (Stage::Wanted, Input::Waited) if self.record.method == Method::Scan => {
                let files_key = String::new();
                let parts =
                    Parts { read_ms: now.0, n: segments, items: None, files_key, is_ion: false };
                self.enter(now, Stage::Loading(parts))
            }
            (Stage::Wanted, Input::Waited) => vec![self.next(now)],
            (Stage::Wanted, Input::Requested(arn)) => self.enter(now, Stage::Exporting(arn)),
            (Stage::Exporting(arn), Input::Waited | Input::Described(Described::InProgress)) => {
                vec![Action::Describe(arn.clone(), now.after(self.pace.poll))]
            }
            (Stage::Exporting(arn), Input::Described(Described::Completed(key))) => {
                vec![Action::Plan(arn.clone(), key)]
            }
            (Stage::Exporting(_), Input::Described(Described::Failed(reason))) => {
                self.anew(now, &format!("the export failed: {reason}"))
            }
            (Stage::Exporting(_), Input::Described(Described::Vanished)) => {
                self.anew(now, "the export vanished: DynamoDB no longer knows it")
            }
            // A table without items has no files, or empty ones; it is loaded at once.
            (Stage::Exporting(_), Input::Planned(parts)) => self.enter(now, Stage::Loading(parts)),
            (Stage::Loading(_), Input::Waited) => vec![self.next(now)],
            (Stage::Loading(_), Input::Loaded) => self.enter(now, Stage::Reapplying(None)),
            (Stage::Reapplying(_), Input::Waited) => vec![self.next(now)],
            (Stage::Reapplying(None), Input::Reapplied) => self.enter(now, Stage::Done),
            (Stage::Reapplying(Some(reason)), Input::Reapplied) => {
                let failed = Stage::Failed(reason.clone());
                self.enter(now, failed)
            }
            (_, Input::Refused(_, Remedy::Wait)) => {
                let until = now.after(self.wait);
                self.wait = (self.wait * 2).min(WAIT_MAX);
                vec![Action::Wait(until)]
            }
            (_, Input::Refused(reason, Remedy::Anew)) => self.anew(now, &reason),
            (_, Input::Refused(reason, Remedy::None)) => self.give_up(now, reason),
            (stage, input) => unreachable!("{input:?} at {stage:?}"),
        }
    }

    /// Makes the stage durable, then goes on from there.
    fn enter(&mut self, now: Timestamp, stage: Stage) -> Vec<Action> {
        self.record.stage = stage;
        self.wait = self.pace.poll;
        vec![Action::Save(self.record.clone()), self.next(now)]
    }

    /// Begins again with another export, unless there were enough.
    fn anew(&mut self, now: Timestamp, reason: &str) -> Vec<Action> {
        if EXPORTS_MAX <= self.record.attempt || self.record.method == Method::Scan {
            let n = self.record.attempt;
            return self.give_up(now, format!("{reason}; {n} exports were tried"));
        }
        self.record.attempt += 1;
        // What made the last one fail may need a moment to pass.
        self.record.wait_ms = in_ms(self.wait);
        self.begins = Some(now.after(self.wait));
        self.enter(now, Stage::Wanted)
    }

    /// What was loaded by then may still have to be deleted again.
    fn give_up(&mut self, now: Timestamp, reason: String) -> Vec<Action> {
        self.enter(now, Stage::Reapplying(Some(reason)))
    }
}

fn in_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
