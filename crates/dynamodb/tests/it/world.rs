//! The source between the fake endpoints and an index, with crashes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws::Environment;
use coordination::{LeaseStore, MemoryLeases};
use dynamodb::{Config, DynamoDbSource, View};
use futures::StreamExt;
use pipeline::{Ack, Batch, Clock, Event, Outlet, Settings, Source, Stop, Stopper};
use tokio::task::JoinHandle;

use crate::fake::Fake;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An index as OpenSearch keeps it, except that it forgets a delete at once.
#[derive(Clone, Default)]
pub(crate) struct Index(Arc<Mutex<Content>>);

#[derive(Default)]
pub(crate) struct Content {
    /// By id: the version, and the document.
    pub(crate) documents: BTreeMap<String, (u64, String)>,
    pub(crate) dead_letters: Vec<String>,
    pub(crate) n_deletes: u64,
    pub(crate) n_events: u64,
    pub(crate) n_written: u64,
    pub(crate) n_superseded: u64,
}

impl Index {
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut Content) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    fn write(&self, event: &Event) {
        let metadata = |name: &str| event.metadata(name).unwrap().map(|it| it.to_string());
        let mut document = Vec::new();
        let written = event.write_document(&mut document);
        self.look(|it| {
            it.n_events += 1;
            if let Some(failure) = &event.failure {
                return it.dead_letters.push(failure.reason.clone());
            }
            written.unwrap();
            let id = metadata("primary_key").unwrap().trim_matches('"').to_owned();
            let version: u64 = metadata("document_version").unwrap().parse().unwrap();
            if it.documents.get(&id).is_some_and(|(known, _)| version <= *known) {
                it.n_superseded += 1;
                return;
            }
            it.n_written += 1;
            if metadata("opensearch_action").unwrap().contains("delete") {
                it.n_deletes += 1;
                it.documents.remove(&id);
            } else {
                it.documents.insert(id, (version, String::from_utf8(document).unwrap()));
            }
        });
    }

    /// The value `v` of every document, by id.
    pub(crate) fn values(&self) -> BTreeMap<String, u64> {
        let value = |text: &str| {
            let document: serde_json::Value = serde_json::from_str(text).unwrap();
            document["v"].as_u64().unwrap()
        };
        self.look(|it| {
            it.documents.iter().map(|(id, (_, text))| (id.clone(), value(text))).collect()
        })
    }
}

/// Everything that outlives a crash of the program.
pub(crate) struct World {
    pub(crate) fake: Fake,
    pub(crate) index: Index,
    pub(crate) view: View,
    pub(crate) leases: Arc<MemoryLeases>,
    config: String,
}

/// A running program.
pub(crate) struct Running {
    stopper: Option<Stopper>,
    source: JoinHandle<Result<(), pipeline::SourceError>>,
    pub(crate) outlet: Outlet,
    lanes: JoinHandle<()>,
    /// How many events it handed over, and of how many it knows what became.
    account: Arc<Account>,
    index: Index,
}

/// What became of the events of one start.
#[derive(Default)]
pub(crate) struct Account {
    read: AtomicU64,
    settled: AtomicU64,
}

impl World {
    /// A source of the table `books` with these settings of the table.
    pub(crate) async fn new(table: &str) -> World {
        let table_arn = "arn:aws:dynamodb:us-east-1:000000000000:table/books";
        World::of_tables(&format!("[{{table_arn: '{table_arn}', {table}}}]")).await
    }

    pub(crate) async fn of_tables(tables: &str) -> World {
        let fake = Fake::new();
        let address = fake.serve().await;
        let config = format!(
            "tables: {tables}\naws: {{region: us-east-1, endpoint: '{address}', s3_endpoint: '{address}'}}"
        );
        World {
            fake,
            index: Index::default(),
            view: View::default(),
            // Who has crashed is soon taken for dead.
            leases: Arc::new(MemoryLeases::with_term(Duration::from_millis(400))),
            config,
        }
    }

    pub(crate) fn source(&self, leases: Arc<dyn LeaseStore>) -> DynamoDbSource {
        let (config, _) = Config::read(&Settings::from_yaml(&self.config).unwrap()).unwrap();
        DynamoDbSource::new(config, Environment::of([]), "p", leases, Clock::real())
            .shown_in(&self.view)
    }

    pub(crate) fn start(&self) -> Running {
        // A process of its own has seen nothing of the others yet.
        self.start_with(Arc::new(self.leases.for_another_worker()))
    }

    pub(crate) fn start_with(&self, leases: Arc<dyn LeaseStore>) -> Running {
        let source = Box::new(self.source(leases));
        let (outlet, mut queues) = Outlet::with_room(16);
        let (stopper, stop) = Stop::pair();
        let index = self.index.clone();
        let account: Arc<Account> = Arc::default();
        let booked = Arc::clone(&account);
        let lanes = tokio::spawn(async move {
            let mut lanes = tokio::task::JoinSet::new();
            while let Some(mut queue) = queues.next().await {
                let (index, booked) = (index.clone(), Arc::clone(&booked));
                lanes.spawn(async move {
                    while let Some(Batch { events, ack }) = queue.next().await {
                        let n_events = events.len() as u64;
                        booked.read.fetch_add(n_events, Ordering::AcqRel);
                        for event in &events {
                            index.write(event);
                        }
                        tokio::task::yield_now().await;
                        booked.settled.fetch_add(n_events, Ordering::AcqRel);
                        Ack::delivered(ack);
                    }
                });
            }
            while lanes.join_next().await.is_some() {}
        });
        let running = tokio::spawn(source.run(outlet.clone(), stop));
        Running {
            stopper: Some(stopper),
            source: running,
            outlet,
            lanes,
            account,
            index: self.index.clone(),
        }
    }

    pub(crate) fn table(&self) -> dynamodb::TableView {
        self.view.tables().get("books").cloned().unwrap_or_default()
    }
}

impl Running {
    /// As a power cut ends it.
    pub(crate) async fn kill(self) {
        self.source.abort();
        self.lanes.abort();
        let _ = self.source.await;
        let _ = self.lanes.await;
    }

    /// As a user ends it.
    pub(crate) async fn stop(mut self) {
        drop(self.stopper.take());
        tokio::time::timeout(PATIENCE, &mut self.source).await.unwrap().unwrap().unwrap();
        self.lanes.abort();
        let _ = (&mut self.lanes).await;
        self.check_accounts();
    }

    /// Of every event that was read it is known what became: it is in the index, superseded there, or
    /// a dead letter.
    fn check_accounts(&self) {
        let Account { read, settled } = &*self.account;
        let (read, settled) = (read.load(Ordering::Acquire), settled.load(Ordering::Acquire));
        assert_eq!(read, settled, "unaccounted events");
        self.index.look(|it| {
            let known = it.n_written + it.n_superseded + it.dead_letters.len() as u64;
            assert_eq!(it.n_events, known, "unaccounted events");
            assert!(read <= it.n_events, "events that never arrived");
        });
    }

    pub(crate) async fn ended(&mut self) -> Result<(), pipeline::SourceError> {
        let ended = tokio::time::timeout(PATIENCE, &mut self.source).await.unwrap().unwrap();
        self.check_accounts();
        ended
    }
}

/// Waits until it is so.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "waited in vain: {what}");
}
