//! Notes of changes that DynamoDB dropped before they were read.

use std::sync::Arc;

use coordination::{LeaseError, LeaseStore, acquire_again};
use pipeline::{Clock, Timestamp};
use tracing::error;

use crate::{OnGap, View};

/// Below which name the wishes of operators are noted, among the gaps.
const ASKED: &str = "gap/asked/";

/// Notes that somebody wants the table with this `prefix` loaded once more. Heals what is missing, as
/// it does for a gap.
pub(crate) async fn wish_for_load(
    store: &dyn LeaseStore,
    owner: &str,
    prefix: &str,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let partition = format!("{prefix}{ASKED}{}/", now.0);
    if let Some(lease) = acquire_again(store, &partition, owner, now).await? {
        store.release(lease).await?;
    }
    Ok(())
}

/// Whether `partition` is such a wish for the table with this `prefix`.
pub(crate) fn is_wish(partition: &str, prefix: &str) -> bool {
    partition.strip_prefix(prefix).is_some_and(|it| it.starts_with(ASKED))
}

/// Where gaps of one table are noted, until somebody heals them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gaps {
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) clock: Clock,
    pub(crate) owner: String,
    /// Of the table's entries in the store.
    pub(crate) prefix: String,
    pub(crate) table: String,
    pub(crate) view: View,
    pub(crate) on_gap: OnGap,
}

impl Gaps {
    /// Makes durable that changes are missing behind `place` of `part`, a shard or a stream.
    pub(crate) async fn note(&self, part: &str, place: &str, why: &str) -> Result<(), LeaseError> {
        let consequence = match self.on_gap {
            OnGap::Continue => {
                "items that changed in between differ in the index until `verify --repair` finds them"
            }
            OnGap::Rescan | OnGap::Export => "the table will be read again",
        };
        error!(table = self.table, part, place, why, "changes are missing: {consequence}");
        self.view.change(&self.table, |it| it.gaps += 1);
        let partition = format!("{}gap/{part}/{place}/", self.prefix);
        let now = self.clock.now();
        let lease = acquire_again(&*self.store, &partition, &self.owner, now).await?;
        if let Some(mut lease) = lease {
            lease.checkpoint = Some(why.to_owned());
            lease.done = self.on_gap == OnGap::Continue;
            self.store.release(lease).await?;
        }
        Ok(())
    }
}
