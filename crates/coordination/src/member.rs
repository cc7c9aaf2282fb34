//! One worker among those that share a pipeline: shows that it is alive, looks at the others, and
//! says what its share is.
//!
//! Its sign of life is a lease of its own, `.workers/PIPELINE/HOST-…`. While that is renewed all its
//! leases count as held, so a shard where nothing happens costs no writes at all.

use std::{
    collections::BTreeSet,
    fmt::{self, Write},
    sync::Arc,
    time::Duration,
};

use pipeline::Timestamp;
use tracing::{info, warn};

use crate::{Balance, Lease, LeaseError, LeaseStore, Moves, Seen, View};

/// How many times in a term a worker shows that it is alive.
const ROUNDS_PER_TERM: u32 = 3;
/// Where the signs of life of a pipeline's workers are. No pipeline's name begins like this.
pub fn workers(pipeline: &str) -> String {
    format!(".workers/{pipeline}/")
}

/// Where the sign of life of the worker called `name` is; its pipeline is part of its name.
fn presence(name: &str) -> String {
    format!(".workers/{name}")
}

/// How often the traffic is told.
const TRAFFIC_EVERY_MS: u64 = 60_000;

/// A worker of one pipeline.
pub struct Member {
    store: Arc<dyn LeaseStore>,
    pipeline: String,
    name: String,
    presence: Option<Lease>,
    balance: Balance,
    told: Option<(Timestamp, Traffic)>,
    n_done: usize,
    abandoned: Vec<Lease>,
}

/// How many calls a store has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Calls that read.
    pub reads: u64,
    /// Calls that write.
    pub writes: u64,
}

/// What a look around showed.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The leases of the pipeline.
    pub seen: Vec<Seen>,
    /// Who is alive.
    pub workers: BTreeSet<String>,
    /// Whether partitions were finished since the last look, by whomever. What comes after them may
    /// not be known yet.
    pub finished_some: bool,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({})", self.name)
    }
}

/// A name for a worker of `pipeline` that no other worker has, on whichever machine.
pub fn worker_name(pipeline: &str) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let host: String = host
        .trim()
        .chars()
        .filter(|it| it.is_ascii_alphanumeric() || *it == '-')
        .take(40)
        .collect();
    let mut name = format!("{pipeline}/{host}-{}", std::process::id());
    // In containers every process has the number 1, and often the same host name.
    let _ = write!(name, "-{:08x}", fastrand::u32(..));
    name
}

impl Member {
    /// A worker called `name` that shares `pipeline` with others through `store`. Nothing is written
    /// yet.
    pub fn new(store: Arc<dyn LeaseStore>, pipeline: &str, name: &str) -> Member {
        Member {
            store,
            pipeline: pipeline.to_owned(),
            name: name.to_owned(),
            presence: None,
            balance: Balance::default(),
            told: None,
            n_done: 0,
            abandoned: Vec::new(),
        }
    }

    /// How often to look around.
    pub fn every(&self) -> Duration {
        self.store.term() / ROUNDS_PER_TERM
    }

    /// Shows that this worker is alive, and looks at everybody's leases.
    ///
    /// # Errors
    ///
    /// When the store does not work.
    pub async fn look_around(&mut self, now: Timestamp) -> Result<Survey, LeaseError> {
        self.show(now).await?;
        while let Some(lease) = self.abandoned.pop() {
            ignore_lost(self.store.release(lease).await)?;
        }
        let signs = self.store.survey(&workers(&self.pipeline), now).await?;
        let mut workers = BTreeSet::from([self.name.clone()]);
        for Seen { lease, available } in signs {
            if !available {
                workers.insert(lease.owner);
            } else if lease.owner != self.name {
                info!(worker = %lease.owner, "has been silent for too long; its partitions are free");
                // Others may be doing the same, or it may have come back just now.
                ignore_lost(self.store.remove(lease).await)?;
            }
        }
        let seen = self.store.survey(&format!("{}/", self.pipeline), now).await?;
        self.tell_traffic(&seen, now);
        let n_done = seen.iter().filter(|it| it.lease.done).count();
        let finished_some = self.n_done < n_done;
        self.n_done = n_done;
        Ok(Survey { seen, workers, finished_some })
    }

    /// What to take up and what to let go, given a survey, the partitions whose turn has come, and
    /// those being read. To be asked once per round.
    pub fn moves(
        &mut self,
        survey: &Survey,
        ready: &[String],
        reading: &BTreeSet<String>,
    ) -> Moves {
        let Survey { seen, workers, .. } = survey;
        let view = View { me: &self.name, workers, seen, ready, reading };
        let moves = self.balance.round(&view);
        self.abandoned.clone_from(&moves.abandoned);
        moves
    }

    /// Lets go of everything, so that others need not wait. To be called when nothing is read any
    /// more; what goes wrong now, goes wrong without consequences: the leases lapse.
    pub async fn leave(&mut self) {
        if let Err(error) = self.try_leave().await {
            warn!(%error, "could not let go of the leases; others take them once they lapse");
        }
    }

    async fn try_leave(&mut self) -> Result<(), LeaseError> {
        for lease in self.store.list(&format!("{}/", self.pipeline)).await? {
            if lease.owner == self.name && !lease.free && !lease.done {
                ignore_lost(self.store.release(lease).await)?;
            }
        }
        match self.presence.take() {
            Some(presence) => ignore_lost(self.store.remove(presence).await),
            None => Ok(()),
        }
    }

    /// The sign of life.
    async fn show(&mut self, now: Timestamp) -> Result<(), LeaseError> {
        if let Some(presence) = &mut self.presence {
            match self.store.save(presence, now).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_lost() => warn!(%error, "was taken for dead"),
                Err(error) => return Err(error),
            }
        }
        let partition = presence(&self.name);
        self.presence = self.store.acquire(&partition, &self.name, now).await?;
        if let Some(presence) = &mut self.presence {
            presence.passing = true;
        }
        Ok(())
    }

    /// Tells from time to time what the leases cost.
    fn tell_traffic(&mut self, seen: &[Seen], now: Timestamp) {
        let Some(traffic) = self.store.traffic() else { return };
        let Some((at, before)) = self.told else {
            self.told = Some((now, traffic));
            return;
        };
        let passed_ms = now.0.saturating_sub(at.0);
        if passed_ms < TRAFFIC_EVERY_MS {
            return;
        }
        self.told = Some((now, traffic));
        let n_held = seen.iter().filter(|it| it.lease.owner == self.name && !it.available);
        let n_held = n_held.filter(|it| !it.lease.done).count();
        let per_minute = |n: u64| n.saturating_mul(60_000) / passed_ms;
        let (reads, writes) =
            (per_minute(traffic.reads - before.reads), per_minute(traffic.writes - before.writes));
        info!(
            partitions = n_held,
            reads_per_minute = reads,
            writes_per_minute = writes,
            writes_per_partition_and_minute = per_partition(writes, n_held),
            "lease traffic"
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn per_partition(writes: u64, n_partitions: usize) -> String {
    format!("{:.2}", writes as f64 / n_partitions.max(1) as f64)
}

fn ignore_lost(done: Result<(), LeaseError>) -> Result<(), LeaseError> {
    match done {
        Err(error) if !error.is_lost() => Err(error),
        _ => Ok(()),
    }
}
