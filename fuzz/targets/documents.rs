//! Any document through every example of every processor.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use pipeline::{Processor, Settings, Value};

static PROCESSORS: OnceLock<Vec<Box<dyn Processor>>> = OnceLock::new();

fuzz_target!(|text: &str| {
    let processors = PROCESSORS.get_or_init(|| {
        let mut processors = Vec::new();
        for factory in processors::ALL {
            let example = Settings::from_yaml(factory.example).expect("an example is YAML");
            let items = example.items();
            for case in if items.is_empty() { vec![example] } else { items } {
                let settings = case.get("settings").expect("an example has settings");
                // One that names a file does not find it from here.
                processors.extend((factory.build)(&settings).ok());
            }
        }
        processors
    });
    let line = text.lines().next().unwrap_or_default();
    let Ok(Value::Map(mut fields)) = Value::from_json(line.as_bytes()) else { return };
    if let Some(Value::Map(document)) = fields.get("document") {
        fields = document.clone();
    }
    for processor in processors {
        fuzz::process(processor.as_ref(), fuzz::fields(fields.clone()));
    }
});
