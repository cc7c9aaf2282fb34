//! Pipeline files in, what each pipeline is made of out; every mistake in all of them at once.
//!
//! A file goes through [`find`] (which files are meant), `document` (what is a pipeline in it, and
//! what is not), `reference` (values from the environment and from files), `spec` (the parts of a
//! pipeline) and `connect` (which pipelines feed which). Only [`find`] and [`load`] touch the disk.
//!
//! What a plugin's own settings mean is not known here: they stay [`pipeline::Settings`].

mod connect;
mod document;
mod extension;
mod find;
mod osis;
mod problems;
mod read;
mod reference;
mod spec;

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use pipeline::{ConfigError, Place, Settings, SourceText};

use self::{document::Document, problems::Found};
pub use self::{
    extension::{Extension, SecretSpec},
    problems::{Problems, Warnings},
    spec::{Buffer, ForwardSpec, PipelineSpec, PluginSpec, RouteSpec, SinkSpec},
};

/// What the files say.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// All pipelines, in the order of the files.
    pub pipelines: Vec<PipelineSpec>,
    /// What the files say about all pipelines: `extension`, or `pipeline_configurations`.
    pub extension: Extension,
    /// Where a stand-in was put in for a secret: what is said of it there is not worth telling.
    pub stand_ins: Vec<Place>,
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

/// What gives an environment variable by its name.
pub type ReadVariable<'a> = &'a dyn Fn(&str) -> Option<String>;
/// What gives a secret by its id and the key in it, or says why it cannot.
pub type ReadSecret<'a> = &'a dyn Fn(&str, Option<&str>) -> Result<String, String>;

/// How files are read: by whose rules, and where their references lead.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// Whose rules they must keep.
    pub dialect: Dialect,
    /// The environment.
    pub environment: ReadVariable<'a>,
    /// The secrets.
    pub secrets: Secrets<'a>,
}

/// What is put in for `${{aws_secrets:id:key}}`.
#[derive(Clone, Copy)]
pub enum Secrets<'a> {
    /// Nothing: who reads such a setting is told that it is not known.
    Unknown,
    /// A value that may do, to check everything else. See [`Loaded::stand_ins`].
    StandIn,
    /// The secret itself.
    Known(ReadSecret<'a>),
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reading({:?})", self.dialect)
    }
}

impl std::fmt::Debug for Secrets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Secrets::Unknown => "Unknown",
            Secrets::StandIn => "StandIn",
            Secrets::Known(_) => "Known",
        })
    }
}

/// Reads pipeline files. A folder stands for the `.yaml` and `.yml` files in it.
///
/// `${file:…}` is read from the disk, relative to the file it stands in.
///
/// # Errors
///
/// When anything is wrong with any of the files. All mistakes are told, each with its place.
pub fn load(paths: &[PathBuf], reading: &Reading<'_>) -> Result<Loaded, Problems> {
    let mut found = Found::default();
    let mut files = Vec::new();
    for path in find::files(paths, &mut found) {
        let Some(settings) = read_file(&path, &mut found) else { continue };
        files.push((settings, path.parent().unwrap_or(Path::new("")).to_owned()));
    }
    complete(&files, reading, found)
}

/// Reads the text of a pipeline file that is no file. `${file:…}` is relative to where we run.
///
/// # Errors
///
/// As [`load`].
pub fn load_text(text: SourceText, reading: &Reading<'_>) -> Result<Loaded, Problems> {
    let mut found = Found::default();
    let (settings, error) = Settings::parse(text);
    found.errors.extend(error);
    let files: Vec<_> = settings.into_iter().map(|it| (it, PathBuf::new())).collect();
    complete(&files, reading, found)
}

fn complete(
    files: &[(Settings, PathBuf)],
    reading: &Reading<'_>,
    mut found: Found,
) -> Result<Loaded, Problems> {
    let mut documents = Vec::new();
    let mut stand_ins = Vec::new();
    for (settings, folder) in files {
        let read_file = |name: &str| read_reference(&folder.join(name));
        let settings =
            reference::resolve(settings, reading, &read_file, &mut stand_ins, &mut found);
        documents.push(Document::read(&settings, reading.dialect, &mut found));
    }
    let extension = document::extension(&documents, &mut found);
    let extension = Extension::read(extension.as_ref(), &mut found);
    let mut pipelines: Vec<PipelineSpec> =
        documents.into_iter().flat_map(|document| document.pipelines).collect();
    for pipeline in &mut pipelines {
        extension.complete(pipeline);
    }
    connect::check(&pipelines, reading.dialect, &mut found);
    if reading.dialect == Dialect::Osis {
        osis::check(&pipelines, &mut found);
    }
    if pipelines.is_empty() && found.errors.is_empty() {
        let names: Vec<String> =
            files.iter().map(|(it, _)| it.place().source.name.clone()).collect();
        let problem = ConfigError::new(names.join(", "), "no pipeline is defined");
        found.error(problem.with_help("write `name:` with a `source` and a `sink`"));
    }
    found.finish(|warnings| Loaded { pipelines, extension, stand_ins, warnings })
}

impl Loaded {
    /// The pipelines, each after those it feeds.
    pub fn fed_first(&self) -> Vec<&PipelineSpec> {
        connect::fed_first(&self.pipelines)
    }
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
