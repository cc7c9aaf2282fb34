//! Pipeline files in, what each pipeline is made of out; every mistake in all of them at once.
//!
//! A file goes through [`find`] (which files are meant), `document` (what is a pipeline in it, and
//! what is not), `reference` (values from the environment and from files), `spec` (the parts of a
//! pipeline) and `connect` (which pipelines feed which). Only [`find`] and [`load`] touch the disk.
//!
//! What a plugin's own settings mean is not known here: they stay [`pipeline::Settings`].

mod connect;
mod document;
mod find;
mod problems;
mod read;
mod reference;
mod spec;

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use pipeline::{ConfigError, Settings, SourceText};

use self::{document::Document, problems::Found};
pub use self::{
    problems::{Problems, Warnings},
    spec::{Buffer, ForwardSpec, PipelineSpec, PluginSpec, RouteSpec, SinkSpec},
};

/// What the files say.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// All pipelines, in the order of the files.
    pub pipelines: Vec<PipelineSpec>,
    /// What the files say about all pipelines: `extension`, or `pipeline_configurations`.
    pub extension: Option<Settings>,
    /// What is allowed, but probably not meant, or will not be for ever.
    pub warnings: Warnings,
}

/// Whose rules a file must keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Those of Data Prepper.
    #[default]
    DataPrepper,
    /// Those of Amazon OpenSearch Ingestion as well, which allows less.
    Osis,
}

/// How large a file of pipelines, or one it refers to, may be.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Reads pipeline files. A folder stands for the `.yaml` and `.yml` files in it.
///
/// `environment` gives the value of an environment variable; `${file:…}` is read from the disk,
/// relative to the file it stands in.
///
/// # Errors
///
/// When anything is wrong with any of the files. All mistakes are told, each with its place.
pub fn load(
    paths: &[PathBuf],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Problems> {
    load_as(Dialect::DataPrepper, paths, environment)
}

/// As [`load`], by the rules of `dialect`.
///
/// # Errors
///
/// As [`load`].
pub fn load_as(
    dialect: Dialect,
    paths: &[PathBuf],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Problems> {
    let mut found = Found::default();
    let mut documents = Vec::new();
    for path in find::files(paths, &mut found) {
        let Some(settings) = read_file(&path, &mut found) else { continue };
        let folder = path.parent().unwrap_or(Path::new(""));
        let read = |name: &str| read_reference(&folder.join(name));
        let settings = reference::resolve(&settings, environment, &read, &mut found);
        documents.push(Document::read(&settings, dialect, &mut found));
    }
    let extension = document::extension(&documents, &mut found);
    let pipelines: Vec<PipelineSpec> =
        documents.into_iter().flat_map(|document| document.pipelines).collect();
    connect::check(&pipelines, dialect, &mut found);
    if pipelines.is_empty() && found.errors.is_empty() {
        let problem = "no pipeline is defined";
        found.error(
            ConfigError::new("", problem).with_help("write `name:` with a `source` and a `sink`"),
        );
    }
    found.finish(|warnings| Loaded { pipelines, extension, warnings })
}

fn read_file(path: &Path, found: &mut Found) -> Option<Settings> {
    let name = path.display().to_string();
    let text = read_text(path).map_err(|problem| ConfigError::new(&name, problem));
    let (settings, error) = Settings::parse(SourceText { text: found.note(text)?, name });
    found.errors.extend(error);
    settings
}

fn read_text(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let n_bytes = fs::metadata(path).map_err(cannot)?.len();
    if FILE_BYTES_MAX < n_bytes {
        return Err(format!("is larger than {} MiB", FILE_BYTES_MAX >> 20));
    }
    let bytes = fs::read(path).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|it| *it == b'\n').count();
        format!("line {line} is not UTF-8; save the file as UTF-8")
    })
}

/// What `${file:…}` stands for. Editors end a file with a line break that is no part of a password.
fn read_reference(path: &Path) -> Result<String, String> {
    let text = read_text(path).map_err(|problem| format!("`{}` {problem}", path.display()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests;
