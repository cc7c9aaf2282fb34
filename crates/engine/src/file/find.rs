//! Which files are meant by the paths somebody gave.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use pipeline::ConfigError;

use super::problems::Found;

/// The files, each once, in the order given; those of a folder by name.
pub(super) fn files(paths: &[PathBuf], found: &mut Found) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for path in paths {
        let Some(these) = found.note(files_at(path)) else { continue };
        for file in these {
            let real = fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
            if seen.insert(real) {
                files.push(file);
            }
        }
    }
    files
}

fn files_at(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let wrong = |problem: &str| ConfigError::new(path.display().to_string(), problem);
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(wrong("there is no such file or folder").with_help("check the path"))
        }
        Err(error) => Err(wrong(&format!("cannot be read: {error}"))),
        Ok(about) if about.is_dir() => {
            let files =
                yaml_files(path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
            if files.is_empty() {
                let help = "name a file, or give its name the ending `.yaml`";
                return Err(wrong("the folder holds no `.yaml` or `.yml` file").with_help(help));
            }
            Ok(files)
        }
        Ok(_) => Ok(vec![path.to_owned()]),
    }
}

fn yaml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_yaml = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
        if is_yaml && !is_hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
