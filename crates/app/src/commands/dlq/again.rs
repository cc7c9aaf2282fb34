//! `streamdex dlq redrive`: sends dead letters again, and takes away those that are safe.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use aws::Environment;
use bytes::Bytes;
use opensearch::{Letter, Record, Redrive, Redriven, plan};
use pipeline::{Document, Event, Origin, Outcome, Path, Table};
use serde_json::{Value, json};
use wire::json::Cursor;

use super::{Kept, read};
use crate::{
    cli::DlqRedrive,
    failure::Failure,
    plugins::{Built, Surroundings},
    service::build_all,
};

/// How many letters go at once.
const LETTERS_MAX: usize = 500;

/// What became of all letters.
#[derive(Debug, Default)]
struct Count {
    written: u64,
    superseded: u64,
    refused: u64,
}

#[expect(clippy::print_stdout, reason = "it is what the command is asked for")]
pub(super) async fn redrive(args: &DlqRedrive) -> Result<(), Failure> {
    if args.place.files.is_empty() {
        return Err(Failure::wrong("name the pipeline file, whose sink the letters are sent to"));
    }
    let (loaded, kept) = read(&args.place).await?;
    let surroundings = Surroundings {
        dead_letters: args.place.data_dir.join("dead-letters"),
        ..Surroundings::without_place(Environment::of_process())
    };
    let built = build_all(&loaded, &surroundings)?;
    let mut count = Count::default();
    let mut reasons: HashMap<String, u64> = HashMap::new();
    for Kept { store, stored } in &kept {
        for letters in stored {
            for part in letters.letters.chunks(LETTERS_MAX) {
                if args.dry_run {
                    for it in part {
                        tell(it, &planned(it, args.from_table));
                    }
                    continue;
                }
                let became = send(part, &built, args).await?;
                let mut done = HashSet::new();
                for (letter, became) in part.iter().zip(became) {
                    match &became {
                        Redriven::Written => count.written += 1,
                        Redriven::Superseded => count.superseded += 1,
                        Redriven::Refused(reason) => {
                            count.refused += 1;
                            *reasons.entry(reason.clone()).or_default() += 1;
                            continue;
                        }
                    }
                    done.insert(letter.id.clone());
                }
                // Only now: what is not noted is sent once more, which changes nothing.
                store.take_away(letters, &done).await.map_err(Failure::failed)?;
            }
        }
    }
    if args.dry_run {
        return Ok(());
    }
    let Count { written, superseded, refused } = count;
    println!("{written} written, {superseded} superseded, {refused} kept");
    for (reason, n) in &reasons {
        println!("{n:>7}  {reason}");
    }
    if refused == 0 { Ok(()) } else { Err(Failure::failed("some letters could not be sent again")) }
}

#[expect(clippy::print_stdout, reason = "it is what the command is asked for")]
fn tell(letter: &Letter, plan: &Planned) {
    let id = letter.document_id.as_deref().unwrap_or("(no id)");
    let index = if letter.index.is_empty() { "(index unknown)" } else { &letter.index };
    let what = match plan {
        Planned::Lines => "would be sent as it is".to_owned(),
        Planned::Pipeline => "its record would go through the pipeline again".to_owned(),
        Planned::Table => "its item would be read from the table again".to_owned(),
        Planned::Not(why) => format!("would be kept: {why}"),
    };
    println!("{}  {index}/{id}  {what}", letter.id);
}

/// What a document is made of.
#[derive(Debug)]
enum Content {
    /// Of the images in its record.
    OfRecord,
    /// Of what the table has now.
    Now(Bytes),
    /// Of nothing: the table has it no more.
    Gone,
}

/// By which way a letter goes.
#[derive(Debug, PartialEq, Eq)]
enum Planned {
    Lines,
    Pipeline,
    Table,
    Not(String),
}

fn planned(letter: &Letter, from_table: bool) -> Planned {
    if from_table {
        return match &letter.record {
            Some(_) => Planned::Table,
            None => Planned::Not("it holds no key of the table".to_owned()),
        };
    }
    match plan(letter) {
        Redrive::Lines { .. } => Planned::Lines,
        Redrive::Record => Planned::Pipeline,
        Redrive::Not(why) => Planned::Not(why),
    }
}

/// Sends letters again, each by its way.
async fn send(
    letters: &[Letter],
    all: &[Built],
    args: &DlqRedrive,
) -> Result<Vec<Redriven>, Failure> {
    let from_table = args.from_table;
    // Letters of Data Prepper come from a pipeline that may have had another name.
    let takes_all = all.len() == 1 && args.place.letters.is_some();
    let mut became: Vec<Option<Redriven>> = vec![None; letters.len()];
    for built in all {
        let of_pipeline = |it: &Letter| takes_all || it.pipeline == built.pipeline.name();
        let lines: Vec<usize> = (0..letters.len())
            .filter(|n| became[*n].is_none() && of_pipeline(&letters[*n]))
            .filter(|n| planned(&letters[*n], from_table) == Planned::Lines)
            .collect();
        let chosen: Vec<Letter> = lines.iter().map(|n| letters[*n].clone()).collect();
        if let Some(sink) = built.sinks().first().filter(|_| !chosen.is_empty()) {
            let sent = sink.redrive(&chosen).await;
            let sent = sent.map_err(|error| Failure::failed(error.to_string()))?;
            lines.into_iter().zip(sent).for_each(|(n, it)| became[n] = Some(it));
        }
        for (n, letter) in letters.iter().enumerate() {
            if became[n].is_some() || !of_pipeline(letter) {
                continue;
            }
            became[n] = Some(match planned(letter, from_table) {
                Planned::Pipeline => through(built, letter, Content::OfRecord).await,
                Planned::Table => match item(built, letter).await {
                    Ok(item) => through(built, letter, item).await,
                    Err(why) => Redriven::Refused(why),
                },
                Planned::Not(why) => Redriven::Refused(why),
                Planned::Lines => continue,
            });
        }
    }
    let nobody = |letter: &Letter| {
        let name = &letter.pipeline;
        Redriven::Refused(format!("the files have no pipeline `{name}`, which wrote the letter"))
    };
    Ok(became
        .into_iter()
        .zip(letters)
        .map(|(it, letter)| it.unwrap_or_else(|| nobody(letter)))
        .collect())
}

/// Takes the record of a letter through its pipeline.
async fn through(built: &Built, letter: &Letter, content: Content) -> Redriven {
    let event = letter.record.as_ref().ok_or("it holds no record".to_owned());
    let event = match event.and_then(|record| event_of(record, letter.version, &content)) {
        Ok(event) => event,
        Err(why) => return Redriven::Refused(why),
    };
    let before = built.pipeline.accounts().now();
    let outcome = built.pipeline.deliver_now(vec![event]).await;
    let after = built.pipeline.accounts().now();
    if outcome != Outcome::Delivered {
        let why = after.problem.unwrap_or_else(|| "it could not be delivered".to_owned());
        return Redriven::Refused(why);
    }
    // A letter that came to nothing again stands in the dead letters anew, with the new reason.
    if before.superseded < after.superseded { Redriven::Superseded } else { Redriven::Written }
}

/// The event of a record, with the version it had.
fn event_of(record: &Record, version: Option<u64>, content: &Content) -> Result<Event, String> {
    let body = Bytes::from(record.text.clone());
    let read = wire::stream::record(&mut Cursor::new(&body));
    let found = read.map_err(|error| format!("its record cannot be read: {error}"))?;
    let table = Table {
        name: record.table.clone(),
        partition_key: record.partition_key.clone(),
        sort_key: record.sort_key.clone(),
    };
    let path = if record.is_export { Path::Export } else { Path::Stream };
    let version = version.ok_or("it holds no version")?;
    let mut event = Event::default();
    let image = |range: &std::ops::Range<usize>| body.slice(range.clone());
    let document = match content {
        Content::Now(item) => item.clone(),
        _ if !found.new_image.is_empty() => image(&found.new_image),
        _ if !found.old_image.is_empty() => image(&found.old_image),
        _ => image(&found.keys),
    };
    event.document = Document::Item(document);
    let action = match content {
        Content::OfRecord => None,
        Content::Now(_) => Some("index"),
        Content::Gone => Some("delete"),
    };
    if let Some(action) = action {
        event.metadata.insert("opensearch_action".to_owned(), action.into());
    }
    event.origin = Some(Origin { table: Arc::new(table), body, record: found, path, version });
    Ok(event)
}

/// What the table has now under the key of a letter.
async fn item(built: &Built, letter: &Letter) -> Result<Content, String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Got<'a> {
        #[serde(borrow, default)]
        item: Option<&'a serde_json::value::RawValue>,
    }
    let record = letter.record.as_ref().ok_or("it holds no record")?;
    let whole: Value = serde_json::from_str(&record.text).map_err(|error| error.to_string())?;
    let keys = whole.pointer("/dynamodb/Keys").ok_or("its record has no keys")?;
    let service = built.dynamodb().await?;
    let ask = json!({ "TableName": record.table, "Key": keys, "ConsistentRead": true });
    let answer = service.call("GetItem", ask.to_string()).await.map_err(|it| it.to_string())?;
    let got: Got<'_> = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    Ok(got.item.map_or(Content::Gone, |it| Content::Now(Bytes::from(it.get().to_owned()))))
}
