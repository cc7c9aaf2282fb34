//! What the index will never take, kept with everything needed to send it again.
//!
//! One JSON object a line, in a file of the data directory.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use pipeline::{Event, Timestamp};
use wire::json::write_string;

/// One event that could not be written, and why.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// The event.
    pub event: &'a Event,
    /// When we gave up.
    pub at: Timestamp,
    /// Which index it was for, as far as known.
    pub index: &'a str,
    /// What was to be done.
    pub action: &'a str,
    /// OpenSearch's status; 0 if it was not even sent.
    pub status: u16,
    /// The reason.
    pub reason: &'a str,
}

/// The dead letters of one pipeline.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    pipeline: Arc<str>,
    path: Arc<Path>,
    /// Opened when the first letter comes.
    file: Arc<Mutex<Option<File>>>,
}

impl DeadLetters {
    /// Those of `pipeline`, in a file of `folder`. Nothing is created yet.
    pub fn in_folder(folder: &Path, pipeline: &str) -> DeadLetters {
        let path: PathBuf = folder.join(format!("{pipeline}.jsonl"));
        DeadLetters {
            pipeline: pipeline.into(),
            path: path.into(),
            file: Arc::new(Mutex::new(None)),
        }
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds letters. They are on the disk when it returns. Blocks while writing.
    ///
    /// # Errors
    ///
    /// When the file cannot be written. Then the letters are not safe.
    pub fn add(&self, letters: &[DeadLetter<'_>]) -> io::Result<()> {
        let mut lines = Vec::new();
        for letter in letters {
            write_line(&self.pipeline, letter, &mut lines);
        }
        let mut file = self.file.lock().expect("no panics while locked");
        if file.is_none() {
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            *file = Some(OpenOptions::new().create(true).append(true).open(&self.path)?);
        }
        let file = file.as_mut().expect("opened above");
        file.write_all(&lines)?;
        file.sync_data()
    }
}

/// The names of Data Prepper's dead letters, and beyond them what it takes to send one again.
fn write_line(pipeline: &str, letter: &DeadLetter<'_>, out: &mut Vec<u8>) {
    let text = |name: &str, value: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        write_string(value, out);
    };
    let event = letter.event;
    out.extend_from_slice(b"{\"pluginId\":\"opensearch\",\"pluginName\":\"opensearch\"");
    text("pipelineName", pipeline, out);
    out.extend_from_slice(format!(",\"timestampMs\":{}", letter.at.0).as_bytes());
    text("index", letter.index, out);
    text("action", letter.action, out);
    out.extend_from_slice(format!(",\"status\":{}", letter.status).as_bytes());
    text("message", letter.reason, out);
    for name in pipeline::Origin::NAMES {
        if let Ok(Some(value)) = event.metadata(name) {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            value.write_json(out);
        }
    }
    let mut document = Vec::new();
    if event.write_document(&mut document).is_ok() {
        out.extend_from_slice(b",\"document\":");
        out.extend_from_slice(&document);
    }
    if let Some(origin) = &event.origin {
        if let Some(number) = origin.sequence_number() {
            text("sequenceNumber", &number.to_string(), out);
        }
        // As text: it may be just what is wrong with it.
        text("record", &String::from_utf8_lossy(origin.whole()), out);
    }
    out.extend_from_slice(b"}\n");
}
