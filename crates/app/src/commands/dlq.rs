//! `streamdex dlq`: what the index would not take, and how to send it again.

mod again;

use std::{collections::BTreeMap, path::Path};

use aws::Environment;
use engine::file::Loaded;
use opensearch::{Filter, Letter, Store, StoredLetters, moment};
use pipeline::Timestamp;
use serde_json::{Value, json};

use crate::{
    cli::{Dlq, DlqCommand, DlqPlace},
    failure::Failure,
    plugins::stores,
    service::Files,
};

pub(super) async fn run(args: Dlq) -> Result<(), Failure> {
    match args.command {
        DlqCommand::List(place) => {
            let (_, kept) = read(&place).await?;
            list(&kept, place.json);
            Ok(())
        }
        DlqCommand::Show { name, place } => {
            let (_, kept) = read(&place).await?;
            show(&kept, name.as_deref())
        }
        DlqCommand::Redrive(args) => again::redrive(&args).await,
    }
}

/// Letters, and where they are kept.
struct Kept {
    store: Store,
    stored: Vec<StoredLetters>,
}

/// Reads the letters that are meant.
async fn read(place: &DlqPlace) -> Result<(Loaded, Vec<Kept>), Failure> {
    let environment = Environment::of_process();
    let loaded = match &place.files[..] {
        [] => Loaded::default(),
        files => Files::at(files, false).load(&environment).await?,
    };
    let filter = filter(place)?;
    let mut kept = Vec::new();
    for store in stores_of(place, &loaded, &environment)? {
        let mut stored = Vec::new();
        for name in store.places().await.map_err(Failure::failed)? {
            let mut letters = store.read(&name).await.map_err(Failure::failed)?;
            letters.letters.retain(|it| filter.takes(it));
            warn_unreadable(&letters);
            stored.push(letters);
        }
        kept.push(Kept { store, stored });
    }
    Ok((loaded, kept))
}

#[expect(clippy::print_stderr, reason = "the answer itself goes to the other stream")]
fn warn_unreadable(letters: &StoredLetters) {
    if 0 < letters.n_unreadable {
        eprintln!("warning: {} lines of {} are no letters", letters.n_unreadable, letters.place);
    }
}

fn stores_of(
    place: &DlqPlace,
    loaded: &Loaded,
    environment: &Environment,
) -> Result<Vec<Store>, Failure> {
    if let Some(path) = &place.letters {
        return Ok(vec![store_at(path)?]);
    }
    let mut all = Vec::new();
    for spec in &loaded.pipelines {
        all.extend(stores(spec, environment)?);
    }
    let folder = place.data_dir.join("dead-letters");
    if folder.is_dir() {
        all.push(store_at(&folder)?);
    }
    Ok(all)
}

fn store_at(path: &Path) -> Result<Store, Failure> {
    let failed = |error| Failure::failed(format!("cannot read {}: {error}", path.display()));
    std::fs::metadata(path).and_then(|_| Store::at(path)).map_err(failed)
}

fn filter(place: &DlqPlace) -> Result<Filter, Failure> {
    let read = |name: &str, text: &Option<String>| -> Result<Option<Timestamp>, Failure> {
        let Some(text) = text else { return Ok(None) };
        let problem = || {
            let problem =
                format!("`{text}` is no moment; write --{name} 2026-01-31 or …T12:34:56Z");
            Failure::wrong(problem)
        };
        moment(text).map(Some).ok_or_else(problem)
    };
    Ok(Filter {
        cause: place.cause.clone(),
        index: place.index.clone(),
        pipeline: place.pipeline.clone(),
        since: read("since", &place.since)?,
        until: read("until", &place.until)?,
    })
}

/// Letters of one cause for one index.
#[derive(Default)]
struct Group<'a> {
    n: u64,
    first: Option<&'a Letter>,
    last: Option<&'a Letter>,
}

#[expect(clippy::print_stdout, reason = "it is what the command is asked for")]
fn list(kept: &[Kept], as_json: bool) {
    let mut groups: BTreeMap<(&str, &str, &str), Group<'_>> = BTreeMap::new();
    for letter in letters(kept) {
        let key = (letter.pipeline.as_str(), letter.cause.as_str(), letter.index.as_str());
        let group = groups.entry(key).or_default();
        group.n += 1;
        if group.first.is_none_or(|it| letter.at < it.at) {
            group.first = Some(letter);
        }
        if group.last.is_none_or(|it| it.at <= letter.at) {
            group.last = Some(letter);
        }
    }
    if as_json {
        let groups: Vec<Value> = groups
            .iter()
            .map(|((pipeline, cause, index), group)| {
                json!({
                    "pipeline": pipeline, "cause": cause, "index": index, "count": group.n,
                    "first_ms": group.first.map(|it| it.at.0), "last_ms": group.last.map(|it| it.at.0),
                    "example": group.last.map(|it| it.id.as_str()),
                    "reason": group.last.map(|it| it.reason.as_str()),
                })
            })
            .collect();
        println!("{}", json!({ "groups": groups }));
        return;
    }
    if groups.is_empty() {
        println!("no dead letters");
        return;
    }
    for ((pipeline, cause, index), group) in &groups {
        let Group { n, last, .. } = group;
        let index = if index.is_empty() { "(index unknown)" } else { index };
        println!("{n:>7}  {cause}  {pipeline} → {index}");
        if let Some(last) = last {
            println!(
                "         {}  for example: streamdex dlq show --name {}",
                last.reason, last.id
            );
        }
    }
}

#[expect(clippy::print_stdout, reason = "it is what the command is asked for")]
fn show(kept: &[Kept], name: Option<&str>) -> Result<(), Failure> {
    let mut n = 0;
    for letter in letters(kept).filter(|it| name.is_none_or(|name| it.id.starts_with(name))) {
        n += 1;
        // As it was written: a number that went through `Value` might lose digits.
        println!("{}\t{}", letter.id, letter.text);
    }
    match (n, name) {
        (0, Some(name)) => Err(Failure::failed(format!(
            "there is no dead letter `{name}`; `streamdex dlq list` shows what there is"
        ))),
        _ => Ok(()),
    }
}

fn letters(kept: &[Kept]) -> impl Iterator<Item = &Letter> {
    kept.iter().flat_map(|it| &it.stored).flat_map(|it| &it.letters)
}
