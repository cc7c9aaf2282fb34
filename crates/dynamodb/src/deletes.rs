//! Keeps deletes while a table is being loaded, and sends them again when it is.

use std::sync::{Arc, Mutex};

use coordination::{Lease, LeaseError, LeaseStore, acquire_again};
use pipeline::{Clock, Event, Lane, Outcome, Timestamp};

use crate::{
    Conversion, View, ViewOnRemove,
    load::{Known, Pace, Record},
    notes,
};

/// Where deletes are kept: in texts of limited length, in the lease store, below the name of their
/// table, shard and holder of the shard. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Deletes {
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) clock: Clock,
    pub(crate) owner: String,
    /// Of the table's entries in the store.
    pub(crate) prefix: String,
    pub(crate) table: String,
    pub(crate) view: View,
    pub(crate) view_on_remove: ViewOnRemove,
    /// The load that is under way, or about to begin.
    pub(crate) known: Arc<Mutex<Known>>,
    pub(crate) pace: Pace,
}

/// Why deletes could not be sent again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReapplyError {
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error("the pipeline did not take them")]
    NotTaken,
}

/// Keeps the deletes of one shard, for as long as one worker holds it.
pub(crate) struct ShardDeletes {
    deletes: Deletes,
    /// `shard/token`: nobody else writes below it.
    holder: String,
    /// The load for which they are kept.
    load: u32,
    n_texts: u32,
}

impl Deletes {
    /// For the shard that is held by `lease`.
    pub(crate) fn of_shard(&self, shard: &str, lease: &Lease) -> ShardDeletes {
        let holder = format!("{shard}/{:08}", lease.token);
        ShardDeletes { deletes: self.clone(), holder, load: 0, n_texts: 0 }
    }

    /// Takes in which load is under way, 0 for none, as a look showed that was begun at `now`.
    pub(crate) fn keep_for(&self, now: Timestamp, load: u32) {
        *self.known.lock().expect("no panics while locked") = Known::at(now, load);
    }

    /// The load that is under way. Looks again if the last look was so long ago that another may have
    /// begun since.
    async fn load(&self) -> Result<u32, LeaseError> {
        let now = self.clock.now();
        let known = self.known.lock().expect("no panics while locked").load(now, self.pace);
        if let Some(load) = known {
            return Ok(load);
        }
        let lease = self.store.list(&record_name(&self.prefix)).await?.into_iter().next();
        let text = lease.and_then(|it| it.checkpoint);
        let record = text.and_then(|it| serde_json::from_str::<Record>(&it).ok());
        let load = record.filter(Record::is_under_way).map_or(0, |it| it.generation);
        self.keep_for(now, load);
        Ok(load)
    }

    /// Where everybody is noted who keeps deletes for a load.
    fn holders(&self, load: u32) -> String {
        format!("{}deleted/{load}/", self.prefix)
    }

    fn text(&self, load: u32, holder: &str, n: u32) -> String {
        format!("{}deletes/{load}/{holder}/{n:08}/", self.prefix)
    }

    /// Writes `text` under a name that nobody else uses.
    async fn put(&self, partition: &str, text: Option<String>) -> Result<(), LeaseError> {
        let now = self.clock.now();
        if let Some(mut lease) = acquire_again(&*self.store, partition, &self.owner, now).await? {
            lease.checkpoint = text;
            self.store.release(lease).await?;
        }
        Ok(())
    }

    /// Sends everything that is kept for `load` down `lane`, and forgets it. Sending something twice
    /// is no harm: it has its version.
    pub(crate) async fn send_again(
        &self,
        load: u32,
        lane: &mut Lane,
        conversion: &Conversion,
    ) -> Result<(), ReapplyError> {
        let prefix = self.holders(load);
        for holder in self.store.list(&prefix).await? {
            let name = &holder.partition[prefix.len()..];
            let mut texts = Vec::new();
            for n in 0.. {
                let partition = self.text(load, name, n);
                let Some(kept) = self.store.list(&partition).await?.into_iter().next() else {
                    break;
                };
                let events = kept.checkpoint.map(|it| notes::events(&it, conversion));
                let events = events.unwrap_or_default();
                texts.push(partition);
                if events.is_empty() {
                    continue;
                }
                let n_events = events.len() as u64;
                let delivery = lane.send(events).await.map_err(|_| ReapplyError::NotTaken)?;
                if delivery.await == Outcome::Failed {
                    return Err(ReapplyError::NotTaken);
                }
                self.view.change(&self.table, |it| it.deletes_sent_again += n_events);
            }
            // From the last to the first, so that after a crash those that are left are found.
            for partition in texts.iter().rev() {
                self.forget(partition).await?;
            }
            self.forget(&holder.partition).await?;
        }
        Ok(())
    }

    async fn forget(&self, partition: &str) -> Result<(), LeaseError> {
        let now = self.clock.now();
        if let Some(lease) = acquire_again(&*self.store, partition, &self.owner, now).await? {
            self.store.remove(lease).await?;
        }
        Ok(())
    }
}

/// Where a table's load is noted.
pub(crate) fn record_name(prefix: &str) -> String {
    format!("{prefix}load/")
}

impl ShardDeletes {
    /// Counts a page of changes.
    pub(crate) fn count(&self, n_changes: u64) {
        self.deletes.view.change(&self.deletes.table, |it| {
            it.changes += n_changes;
            it.pages += 1;
        });
    }

    /// Makes the deletes among `events` durable, if a load is under way.
    pub(crate) async fn keep(&mut self, events: &[Event]) -> Result<(), LeaseError> {
        if !events.iter().any(notes::is_delete) {
            return Ok(());
        }
        let load = self.deletes.load().await?;
        if load == 0 {
            return Ok(());
        }
        for (text, n) in notes::texts(events, self.deletes.view_on_remove) {
            if load != self.load {
                (self.load, self.n_texts) = (load, 0);
                let holder = format!("{}{}", self.deletes.holders(load), self.holder);
                self.deletes.put(&holder, None).await?;
            }
            let partition = self.deletes.text(load, &self.holder, self.n_texts);
            self.deletes.put(&partition, Some(text)).await?;
            self.n_texts += 1;
            self.deletes.view.change(&self.deletes.table, |it| it.deletes_remembered += n);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use coordination::MemoryLeases;
    use futures::StreamExt;
    use pipeline::{Outlet, Table};

    use super::*;
    use crate::{Versions, convert};

    fn deletes(store: &Arc<MemoryLeases>) -> Deletes {
        Deletes {
            store: Arc::<MemoryLeases>::clone(store),
            clock: Clock::at(Timestamp(0)),
            owner: "me".to_owned(),
            prefix: "t/".to_owned(),
            table: "books".to_owned(),
            view: View::default(),
            view_on_remove: ViewOnRemove::NewImage,
            known: Arc::default(),
            pace: Pace { poll: Duration::from_secs(20), look: Duration::from_secs(5) },
        }
    }

    fn conversion() -> Conversion {
        let (name, partition_key) = ("books".to_owned(), "k".to_owned());
        let table = Arc::new(Table { name, partition_key, sort_key: None });
        Conversion { table, view_on_remove: ViewOnRemove::NewImage, not_before_ms: 0 }
    }

    fn delete(key: &str) -> Vec<Event> {
        let body = format!(
            r#"{{"Records":[{{"eventName":"REMOVE","dynamodb":{{"Keys":{{"k":{{"S":"{key}"}}}},"SequenceNumber":"7"}}}}]}}"#
        );
        convert(&Bytes::from(body), &conversion(), &mut Versions::default()).unwrap().events
    }

    /// What comes down the pipeline when the deletes of `load` are sent again; `deliver` is how many
    /// batches are taken before the pipeline fails.
    async fn sent(deletes: &Deletes, load: u32, deliver: usize) -> Vec<String> {
        let (outlet, mut queues) = Outlet::with_room(4);
        let mut lane = outlet.lane().unwrap();
        let taking = async {
            let mut keys = Vec::new();
            let Some(mut queue) = queues.next().await else { return keys };
            while let Some(batch) = queue.next().await {
                let key = batch.events[0].metadata("primary_key").unwrap().unwrap();
                keys.push(key.to_string());
                if deliver < keys.len() {
                    return keys;
                }
                pipeline::Ack::delivered(batch.ack);
            }
            keys
        };
        let conversion = conversion();
        let sending = async {
            let _ = deletes.send_again(load, &mut lane, &conversion).await;
            drop(lane);
        };
        futures::join!(taking, sending).0
    }

    #[tokio::test]
    async fn deletes_are_kept_while_a_load_is_under_way_and_sent_again_once() {
        let store = Arc::new(MemoryLeases::default());
        let deletes = deletes(&store);
        let lease = |token| Lease { token, ..Lease::default() };
        let mut first = deletes.of_shard("a", &lease(1));
        first.keep(&delete("before")).await.unwrap();
        deletes.keep_for(Timestamp(0), 1);
        first.keep(&delete("x")).await.unwrap();
        first.keep(&delete("y")).await.unwrap();
        // Somebody else takes the shard over.
        deletes.of_shard("a", &lease(2)).keep(&delete("z")).await.unwrap();
        deletes.of_shard("b", &lease(1)).keep(&delete("w")).await.unwrap();

        assert_eq!(sent(&deletes, 1, 2).await, [r#""x""#, r#""y""#, r#""z""#], "then it fails");
        assert_eq!(sent(&deletes, 1, 9).await, [r#""z""#, r#""w""#], "what was taken is forgotten");
        assert!(store.list("t/").await.unwrap().is_empty());
        assert!(sent(&deletes, 1, 9).await.is_empty());

        deletes.keep_for(Timestamp(0), 2);
        first.keep(&delete("v")).await.unwrap();
        assert!(sent(&deletes, 1, 9).await.is_empty());
        assert_eq!(sent(&deletes, 2, 9).await, [r#""v""#], "of the next load");
        let view = &deletes.view.tables()["books"];
        assert_eq!((view.deletes_remembered, view.deletes_sent_again), (5, 5));
    }
}
