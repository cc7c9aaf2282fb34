//! Pipelines that feed each other, and sinks that forward what they have written.

use super::*;
use crate::{Forward, Noting};

#[tokio::test]
async fn pipelines_feed_each_other_and_wait_until_all_is_safe() {
    let (ours, theirs) = (FlakyIndex::default(), steady_index());
    let down = Pipeline::from(parts("down", vec![Fate], &theirs));
    let mut up = parts("up", Vec::new(), &ours);
    up.targets.push(Target {
        to: Destination::Pipeline(down.clone()),
        wants: Wants::Everything,
        forward: None,
    });
    let up = Pipeline::from(up);
    let events = || ["b", "drop", "double", "a"].map(event).to_vec();

    assert_eq!(up.deliver_now(events()).await, Outcome::Failed, "our own index failed");
    assert_eq!(up.deliver_now(events()).await, Outcome::Failed, "theirs failed");
    ours.writes.store(1, Ordering::Relaxed);
    assert_eq!(up.deliver_now(events()).await, Outcome::Delivered);

    let (ours, theirs) = (ours.written.lock().unwrap(), theirs.written.lock().unwrap());
    assert_eq!(ours[ours.len() - 4..], *events(), "untouched by the processors of the other");
    assert_eq!(theirs[theirs.len() - 4..], ["b", "double", "double", "a"].map(event));
    let mut account = up.accounts().now();
    account.delivered_at = None;
    let expected =
        Account { read: 12, added: 12, returned: 16, indexed: 4, passed: 4, ..Account::default() };
    assert_eq!(account, expected);
    assert_eq!(account.unaccounted(), 0);
    assert_eq!(down.accounts().now().unaccounted(), 0);
    assert_eq!(down.accounts().now().filtered, 3);
}

/// Gives up on events called `bad`.
struct Picky(Arc<dyn DeadLetterQueue>);

#[async_trait]
impl Sink for Picky {
    async fn write(&self, events: Vec<Event>) -> Result<Tally, SinkError> {
        let (bad, good): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|it| it.fields() == event("bad").fields());
        let tally = Tally {
            indexed: good.len() as u64,
            dead_lettered: bad.len() as u64,
            ..Tally::default()
        };
        let failure = Failure { plugin: "picky".into(), reason: "no".into() };
        let letter = |event| DeadLetter::of_failed(event, failure.clone(), Timestamp(0));
        self.0.add(bad.into_iter().map(letter).collect()).await?;
        Ok(tally)
    }
}

#[tokio::test]
async fn what_was_written_is_forwarded_and_what_was_set_aside_is_not() {
    let (letters, theirs) = (Arc::new(Letters::default()), steady_index());
    let receipts = Pipeline::from(parts("receipts", Vec::new(), &theirs));
    let noting = Arc::new(Noting::new(letters.clone()));
    let forward = Forward {
        pipelines: vec![receipts],
        data: [("state".to_owned(), "indexed".into())].into_iter().collect(),
        metadata: [("from".to_owned(), "test".into())].into_iter().collect(),
        letters: noting.clone(),
    };
    let sink: Box<dyn Sink> = Box::new(Picky(noting));
    let target = Target { forward: Some(forward), ..sink.into() };
    let parts = Parts::named("test", Clock::at(Timestamp(0)));
    let pipeline = Pipeline::from(Parts { targets: vec![target], ..parts });

    let events = ["a", "bad", "b"].map(event).to_vec();
    assert_eq!(pipeline.deliver_now(events).await, Outcome::Delivered);

    let theirs = theirs.written.lock().unwrap();
    let documents: Vec<String> =
        theirs.iter().map(|it| Value::Map(it.fields().unwrap().clone()).to_string()).collect();
    assert_eq!(
        documents,
        [r#"{"name":"a","state":"indexed"}"#, r#"{"name":"b","state":"indexed"}"#]
    );
    assert_eq!(Value::Map(theirs[0].metadata.clone()).to_string(), r#"{"from":"test"}"#);
    assert_eq!(letters.kept.lock().unwrap()[0].event, event("bad"), "without a number");
    check_accounts(
        &pipeline,
        &Account { read: 3, indexed: 2, dead_lettered: 1, ..Account::default() },
    );
}
