//! Dead letters that are kept somewhere: read, and taken away when they have been sent again.
//!
//! A letter is taken away only after it is safe elsewhere, and in a way that a crash in between
//! leaves it there: then it is sent once more, which its version makes harmless.
//!
//! ```text
//! file     books.jsonl        only grows, a running pipeline may be writing to it
//!          books.redriven     the names of letters that were sent again, one a line
//! bucket   …-uuid.json        written anew without them, or deleted when none is left
//! ```

use std::{
    collections::HashSet,
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use aws::Environment;

use super::s3::Bucket;
use crate::{
    config::DlqS3,
    letter::{self, Letter},
};

/// Where letters are kept.
#[derive(Debug)]
pub enum Store {
    /// In files, of which each ends in `.jsonl` or `.json`.
    Files(Vec<PathBuf>),
    /// In the objects of a bucket below a prefix.
    Bucket(Box<S3Store>),
}

/// The objects of a bucket below a prefix.
#[derive(Debug)]
pub struct S3Store {
    bucket: Bucket,
    prefix: String,
}

/// The letters of one file or object.
#[derive(Debug)]
pub struct StoredLetters {
    /// The path or key.
    pub place: String,
    /// Those that have not been sent again.
    pub letters: Vec<Letter>,
    /// How many lines are no letters.
    pub n_unreadable: usize,
}

impl Store {
    /// Every file of letters in a folder, or one file.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn at(path: &Path) -> io::Result<Store> {
        if !path.is_dir() {
            return Ok(Store::Files(vec![path.to_owned()]));
        }
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let file = entry?.path();
            let ending = file.extension().and_then(|it| it.to_str()).unwrap_or_default();
            if matches!(ending, "json" | "jsonl") {
                files.push(file);
            }
        }
        files.sort();
        Ok(Store::Files(files))
    }

    /// The objects that a `dlq.s3` block is about.
    pub fn in_bucket(settings: &DlqS3, environment: Environment) -> Store {
        let prefix = settings.key_path_prefix.as_deref().unwrap_or_default();
        // Up to the first date: it was another one every day.
        let prefix = prefix.split("%{").next().unwrap_or_default().to_owned();
        let bucket = Bucket::new(settings, environment);
        Store::Bucket(Box::new(S3Store { bucket, prefix }))
    }

    /// The names of its files or objects.
    ///
    /// # Errors
    ///
    /// When it cannot be listed.
    pub async fn places(&self) -> Result<Vec<String>, String> {
        match self {
            Store::Files(files) => Ok(files
                .iter()
                .filter(|it| it.exists())
                .map(|it| it.display().to_string())
                .collect()),
            Store::Bucket(store) => store.keys().await,
        }
    }

    /// Reads the letters of one file or object.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub async fn read(&self, place: &str) -> Result<StoredLetters, String> {
        let (text, done) = match self {
            Store::Files(_) => {
                let failed = |error: io::Error| format!("cannot read {place}: {error}");
                let text = std::fs::read_to_string(place).map_err(failed)?;
                (text, redriven(Path::new(place)).map_err(failed)?)
            }
            Store::Bucket(store) => {
                let text = store.get(place).await?;
                (text, HashSet::new())
            }
        };
        let (mut letters, n_unreadable) = letter::read(&text);
        letters.retain(|it| !done.contains(&it.id));
        Ok(StoredLetters { place: place.to_owned(), letters, n_unreadable })
    }

    /// Takes letters away: they are safe elsewhere.
    ///
    /// # Errors
    ///
    /// When that cannot be noted. They would be sent again then.
    pub async fn take_away(
        &self,
        stored: &StoredLetters,
        done: &HashSet<String>,
    ) -> Result<(), String> {
        if done.is_empty() {
            return Ok(());
        }
        match self {
            Store::Files(_) => note(Path::new(&stored.place), done)
                .map_err(|error| format!("cannot note what was sent again: {error}")),
            Store::Bucket(store) => store.take_away(&stored.place, done).await,
        }
    }
}

impl S3Store {
    async fn keys(&self) -> Result<Vec<String>, String> {
        let s3 = self.bucket.s3().await.map_err(|error| error.to_string())?;
        let (mut keys, mut next) = (Vec::new(), None);
        loop {
            let page = s3.list(&self.bucket.name, &self.prefix, next.as_deref()).await;
            let page = page.map_err(|error| error.to_string())?;
            let letters = page.objects.into_iter().map(|it| it.key);
            // As they are written, in small letters.
            let is_letters =
                |it: &String| it.contains("dlq-v") && it.rsplit('.').next() == Some("json");
            keys.extend(letters.filter(is_letters));
            match page.next {
                Some(it) => next = Some(it),
                None => return Ok(keys),
            }
        }
    }

    async fn get(&self, key: &str) -> Result<String, String> {
        let s3 = self.bucket.s3().await.map_err(|error| error.to_string())?;
        let body = s3.get(&self.bucket.name, key).await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Writes the object anew without them, or deletes it when nothing is left.
    async fn take_away(&self, key: &str, done: &HashSet<String>) -> Result<(), String> {
        let (letters, n_unreadable) = letter::read(&self.get(key).await?);
        let left: Vec<&str> =
            letters.iter().filter(|it| !done.contains(&it.id)).map(|it| it.text.as_str()).collect();
        let told = |error: aws::S3Error| error.to_string();
        let s3 = self.bucket.s3().await.map_err(told)?;
        if left.is_empty() && n_unreadable == 0 {
            return s3.delete(&self.bucket.name, key).await.map_err(told);
        }
        if 0 < n_unreadable {
            // What we cannot read we do not throw away.
            return Ok(());
        }
        let body = format!("{{\"dlqObjects\":[{}]}}", left.join(","));
        self.bucket.put(key, body.into()).await.map_err(told)
    }
}

/// The file beside the letters that says which were sent again.
fn notes(path: &Path) -> PathBuf {
    path.with_extension("redriven")
}

fn redriven(path: &Path) -> io::Result<HashSet<String>> {
    match std::fs::read_to_string(notes(path)) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashSet::new()),
        Err(error) => Err(error),
    }
}

fn note(path: &Path, done: &HashSet<String>) -> io::Result<()> {
    let mut lines: Vec<&str> = done.iter().map(String::as_str).collect();
    lines.sort_unstable();
    let mut file = OpenOptions::new().create(true).append(true).open(notes(path))?;
    // A line that a crash cut short names no letter; begin behind it.
    file.write_all(format!("\n{}\n", lines.join("\n")).as_bytes())?;
    file.sync_data()
}
