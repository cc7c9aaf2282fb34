//! What is a pipeline in a file, and what is not. Pure.

use pipeline::{ConfigError, Settings, Shape};

use super::{Dialect, PipelineSpec, problems::Found, read};

/// Names that Data Prepper keeps for itself.
const RESERVED: [&str; 3] = ["data-prepper", "dataPrepper", "core"];
/// What all pipelines share; OpenSearch Ingestion has a longer name for it.
const EXTENSION: [&str; 2] = ["extension", "pipeline_configurations"];
/// The version of the format we read.
const VERSION: u64 = 2;

/// What one file holds.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) pipelines: Vec<PipelineSpec>,
    extensions: Vec<Settings>,
}

impl Document {
    /// Reads the keys of a file.
    pub(super) fn read(file: &Settings, dialect: Dialect, found: &mut Found) -> Document {
        let mut document = Document { pipelines: Vec::new(), extensions: Vec::new() };
        if !matches!(file.shape(), Shape::Map | Shape::Empty) {
            let problem = format!("expected pipelines by name, found {}", file.describe());
            found.error(file.problem("", problem).with_help("begin with `my-pipeline:`"));
        }
        let mut has_version = false;
        for (key, value) in file.entries() {
            match key {
                "version" => {
                    has_version = true;
                    if let Err(error) = check_version(&value, dialect) {
                        found.error(error);
                    }
                }
                key if EXTENSION.contains(&key) => document.extensions.push(value),
                key if RESERVED.contains(&key) => {
                    let problem = format!("a pipeline cannot be called `{key}`");
                    let error = ConfigError::new("", problem).with_place(value.key_place());
                    found.error(error.with_help("this name is reserved; choose another"));
                }
                key => document.pipelines.extend(read::pipeline(key, &value, dialect, found)),
            }
        }
        if dialect == Dialect::Osis && !has_version {
            let error = file.problem("", "OpenSearch Ingestion needs a version");
            found.error(error.with_help("add `version: \"2\"` at the top"));
        }
        document
    }
}

/// The one extension of all files. If there is one, everything must be in its file.
pub(super) fn extension(documents: &[Document], found: &mut Found) -> Option<Settings> {
    let mut extensions = documents.iter().flat_map(|document| &document.extensions);
    let first = extensions.next()?;
    for second in extensions {
        let problem = format!("there is an extension already, at {}", first.key_place());
        let error = ConfigError::new("", problem).with_place(second.key_place());
        found.error(error.with_help("put everything into one block"));
    }
    let elsewhere =
        |document: &&Document| document.extensions.is_empty() && !document.pipelines.is_empty();
    if let Some(pipeline) = documents.iter().find(elsewhere).and_then(|it| it.pipelines.first()) {
        let problem = format!("pipelines are defined in another file as well: {}", pipeline.place);
        let error = ConfigError::new("", problem).with_place(first.key_place());
        found.error(error.with_help("with an extension, put all pipelines into its file"));
    }
    Some(first.clone())
}

/// `2`, `"2"`, `2.x`; and what is older.
fn check_version(version: &Settings, dialect: Dialect) -> Result<(), ConfigError> {
    let help = "write `version: \"2\"`";
    let text = version.text().unwrap_or_default();
    let (major, minor) = match text.split_once('.') {
        Some((major, minor)) => (major, Some(minor)),
        None => (text, None),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if !is_digits(major) || !minor.is_none_or(is_digits) {
        let problem = format!("{} is not a version of the format", version.describe());
        return Err(version.problem("", problem).with_help(help));
    }
    if !major.parse::<u64>().is_ok_and(|major| major <= VERSION) {
        let problem = format!("version {text} of the format is newer than this program");
        return Err(version.problem("", problem).with_help(help));
    }
    if dialect == Dialect::Osis && text != "2" {
        let problem = format!("OpenSearch Ingestion knows no version {text}");
        return Err(version.problem("", problem).with_help(help));
    }
    Ok(())
}
