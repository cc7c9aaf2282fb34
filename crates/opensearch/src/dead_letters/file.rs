//! Dead letters in a file, one JSON object a line.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use pipeline::{DeadLetter, DeadLetterQueue, SinkError};

use crate::letter;

/// The dead letters of one pipeline, in a file that only grows.
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
        DeadLetters::in_file(&folder.join(format!("{pipeline}.jsonl")), pipeline)
    }

    /// Those of `pipeline`, in the file at `path`.
    pub fn in_file(path: &Path, pipeline: &str) -> DeadLetters {
        let path = PathBuf::from(path);
        DeadLetters { pipeline: pipeline.into(), path: path.into(), file: Arc::default() }
    }

    /// Adds lines. They are on the disk when it returns. Blocks while writing.
    fn append(&self, lines: &[u8]) -> io::Result<()> {
        let mut file = self.file.lock().expect("no panics while locked");
        if file.is_none() {
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            *file = Some(OpenOptions::new().create(true).append(true).open(&self.path)?);
        }
        let file = file.as_mut().expect("opened above");
        file.write_all(lines)?;
        file.sync_data()
    }
}

#[async_trait]
impl DeadLetterQueue for DeadLetters {
    async fn add(&self, letters: Vec<DeadLetter>) -> Result<(), SinkError> {
        let this = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut lines = Vec::new();
            for it in &letters {
                letter::write(&this.pipeline, it, &mut lines);
                lines.push(b'\n');
            }
            this.append(&lines)
        });
        let problem = match written.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        Err(SinkError(format!("cannot write dead letters to {}: {problem}", self.path.display())))
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}
