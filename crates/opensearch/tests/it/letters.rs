//! Dead letters on disk and in a bucket: written, read, sent again, taken away.

use std::{collections::HashSet, sync::Arc};

use aws::Environment;
use local::{clock::Clock as EndpointClock, s3::S3};
use opensearch::{Config, Letter, OpenSearchSink, Redriven, Store, queue_of};
use pipeline::{Clock, DeadLetterQueue, Settings, Sink};

use crate::{
    rig::{USUAL, change, items},
    server::{Fault, Server},
};

struct Rig {
    sink: OpenSearchSink,
    letters: Arc<dyn DeadLetterQueue>,
    server: Server,
}

async fn rig(folder: &std::path::Path, more: &str) -> Rig {
    let server = Server::start().await;
    let yaml = format!("hosts: ['{}']\n{USUAL}{more}", server.address);
    let settings = Settings::from_yaml(&yaml).unwrap();
    let (config, _) = Config::read(&settings).unwrap();
    let (environment, clock) = (Environment::of([]), Clock::real());
    let letters = queue_of(&config, &settings, folder, "p", &environment, &clock).unwrap();
    let sink = OpenSearchSink::new(config, &settings, environment, Arc::clone(&letters), clock);
    Rig { sink: sink.unwrap(), letters, server }
}

async fn all(store: &Store) -> Vec<Letter> {
    let mut all = Vec::new();
    for place in store.places().await.unwrap() {
        all.extend(store.read(&place).await.unwrap().letters);
    }
    all
}

/// Writes letters, sends one half again, then the other.
async fn check_letters(rig: Rig, reopen: impl Fn() -> Store) {
    let Rig { sink, letters, server } = rig;
    server.next([Fault::Items(2, 400, "mapper_parsing_exception")]);
    let tally = sink.write(items(8, 5)).await.unwrap();
    assert_eq!((tally.indexed, tally.dead_lettered), (4, 4), "{}", letters.place());
    // Something newer came for one of them, and one is refused again.
    sink.write(vec![change("id-1", 50, Some(r#"{"n":"newer"}"#))]).await.unwrap();
    let store = reopen();
    let waiting = all(&store).await;
    assert_eq!(waiting.len(), 4);

    let became = sink.redrive(&waiting[..2]).await.unwrap();
    assert_eq!(became, [Redriven::Superseded, Redriven::Written]);
    assert!(server.stored("id-1").unwrap().document.unwrap().contains("newer"), "never older");
    assert_eq!(server.stored("id-3").unwrap().version, 10, "it carries the version it had");
    let done: HashSet<String> = waiting[..2].iter().map(|it| it.id.clone()).collect();
    for place in store.places().await.unwrap() {
        let stored = store.read(&place).await.unwrap();
        store.take_away(&stored, &done).await.unwrap();
    }
    let left = all(&reopen()).await;
    assert_eq!(left.len(), 2, "only those that are safe are taken away");

    // A crash before they were taken away: they are sent again, and nothing changes.
    let again = sink.redrive(&waiting[..2]).await.unwrap();
    assert_eq!(again, [Redriven::Superseded, Redriven::Superseded]);

    server.next([Fault::Items(2, 400, "mapper_parsing_exception")]);
    let became = sink.redrive(&left).await.unwrap();
    assert_eq!(became[0], Redriven::Written);
    let Redriven::Refused(reason) = &became[1] else { panic!("{became:?}") };
    assert!(reason.contains("mapper_parsing_exception"), "{reason}");
    let done: HashSet<String> = left[..1].iter().map(|it| it.id.clone()).collect();
    let store = reopen();
    for place in store.places().await.unwrap() {
        let stored = store.read(&place).await.unwrap();
        store.take_away(&stored, &done).await.unwrap();
    }
    assert_eq!(all(&reopen()).await.len(), 1);
}

#[tokio::test]
async fn letters_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    check_letters(rig(&path, "").await, || Store::at(&path).unwrap()).await;
    let names: Vec<_> =
        std::fs::read_dir(&path).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(names.contains(&"p.jsonl".into()) && names.contains(&"p.redriven".into()), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_in_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let s3 = S3::open(folder.path(), EndpointClock::default()).unwrap();
    std::fs::create_dir(folder.path().join("dead-letters")).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, s3.router()).await });
    let more = format!(
        "dlq: {{ s3: {{ bucket: dead-letters, key_path_prefix: 'a/%{{yyyy}}', region: eu-west-1, endpoint: '{endpoint}' }} }}"
    );
    let reopen = || {
        let settings = Settings::from_yaml(&format!("hosts: ['http://h']\n{USUAL}{more}")).unwrap();
        let dlq = Config::read(&settings).unwrap().0.dlq.unwrap();
        Store::in_bucket(&dlq.s3, Environment::of([]))
    };
    check_letters(rig(folder.path(), &more).await, reopen).await;
    let places = reopen().places().await.unwrap();
    assert_eq!(places.len(), 1);
    assert!(
        places[0].starts_with("a/2") && places[0].contains("/dlq-v2-p-opensearch-"),
        "{places:?}"
    );
}

#[tokio::test]
async fn a_bucket_that_is_not_there_fails_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let s3 = S3::open(folder.path(), EndpointClock::default()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, s3.router()).await });
    let more =
        format!("dlq: {{ s3: {{ bucket: missing, region: eu-west-1, endpoint: '{endpoint}' }} }}");
    let rig = rig(folder.path(), &more).await;
    rig.server.next([Fault::Items(2, 400, "mapper_parsing_exception")]);
    let error = rig.sink.write(items(4, 5)).await.unwrap_err().to_string();
    assert!(error.contains("NoSuchBucket") && error.contains("s3:PutObject"), "{error}");
}
