//! Any text as a pipeline file: it is read, or every mistake is told.

#![no_main]

use std::{env, fs, process};

use engine::file::{Dialect, Reading, Secrets};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let path = env::temp_dir().join(format!("fuzz-{}.yaml", process::id()));
    fs::write(&path, text).expect("a temporary file can be written");
    let environment = |name: &str| (name == "HOME").then(|| "/root".to_owned());
    let is_osis = text.len() % 2 == 1;
    let dialect = if is_osis { Dialect::Osis } else { Dialect::DataPrepper };
    let reading = Reading { dialect, environment: &environment, secrets: Secrets::StandIn };
    match engine::file::load(&[path], &reading) {
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
