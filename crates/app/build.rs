//! Collects what plugins say about their settings, for `streamdex reference`: names, types, defaults
//! and comments, out of the very structs that read them. So the reference cannot say anything else.
//!
//! The result is one JSON file, which `src/reference.rs` shows.

#[path = "build/read.rs"]
mod read;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::read::Source;

fn main() {
    let crates = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    let mut plugins = vec![
        plugin("source", "dynamodb", &crates.join("dynamodb/src"), &["config.rs", "config"]),
        plugin("sink", "opensearch", &crates.join("opensearch/src"), &["config.rs", "config"]),
    ];
    plugins.extend(processors(&crates.join("processors/src")));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("settings.json");
    fs::write(&out, Value::Array(plugins).to_string()).expect("the folder is ours");
}

/// A plugin whose settings are in some files of its crate.
fn plugin(kind: &str, name: &str, folder: &Path, parts: &[&str]) -> Value {
    let mut source = Source::default();
    for part in parts {
        let path = folder.join(part);
        println!("cargo::rerun-if-changed={}", path.display());
        for file in files(&path) {
            source.add(&fs::read_to_string(file).expect("it was listed"));
        }
    }
    describe(kind, name, &source)
}

/// Every processor: a file with a name, an example and settings.
fn processors(folder: &Path) -> Vec<Value> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut shared = Source::default();
    for file in files(&folder.join("parts")) {
        shared.add(&fs::read_to_string(file).expect("it was listed"));
    }
    let mut described = Vec::new();
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the crate is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .collect();
    paths.sort();
    for path in paths {
        let mut source = Source::default();
        source.add(&fs::read_to_string(&path).expect("it was listed"));
        let Some(name) = source.constant("NAME") else { continue };
        for file in files(&path.with_extension("")) {
            source.add(&fs::read_to_string(file).expect("it was listed"));
        }
        source.add_types_of(&shared);
        described.push(describe("processor", &name, &source));
    }
    described
}

fn describe(kind: &str, name: &str, source: &Source) -> Value {
    json!({
        "kind": kind,
        "name": name,
        "about": source.about,
        "example": source.constant("EXAMPLE"),
        "types": source.types,
    })
}

/// A Rust file, or those in a folder and below, but for tests.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_test = path.file_stem().is_some_and(|it| it == "tests");
        let is_rust = path.extension().is_some_and(|it| it == "rs");
        if !is_test && (path.is_dir() || is_rust) {
            found.extend(files(&path));
        }
    }
    found.sort();
    found
}
