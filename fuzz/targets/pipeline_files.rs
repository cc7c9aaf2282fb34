//! Any text as a pipeline file: it is read, or every mistake is told.

#![no_main]

use std::{env, fs, process};

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let path = env::temp_dir().join(format!("fuzz-{}.yaml", process::id()));
    fs::write(&path, text).expect("a temporary file can be written");
    match engine::file::load(&[path], &|name| (name == "HOME").then(|| "/root".to_owned())) {
        Ok(loaded) => {
            for plugin in loaded.pipelines.iter().flat_map(|it| &it.processors) {
                if let Some(factory) = processors::find(&plugin.name) {
                    let _ = (factory.build)(&plugin.settings);
                }
            }
        }
        Err(problems) => drop(problems.to_string()),
    }
});
