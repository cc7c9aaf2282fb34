//! What the targets have in common: how a processor is built and an event is made.

use pipeline::{Document, Event, Map, Processor, Settings, Value};

/// A processor with these settings, if it takes them.
pub fn processor(name: &str, settings: &str) -> Option<Box<dyn Processor>> {
    let settings = Settings::from_yaml(settings).ok()?;
    (processors::find(name)?.build)(&settings).ok()
}

/// An event with a text in `t`.
pub fn text(text: &str) -> Event {
    fields(Map::from_iter([("t".to_owned(), Value::from(text))]))
}

/// An event with these fields.
pub fn fields(fields: Map) -> Event {
    Event { document: Document::Fields(fields), ..Event::default() }
}

/// Runs a processor; what it leaves behind must be a document that can be written and read.
pub fn process(processor: &dyn Processor, mut event: Event) {
    let _ = processor.process(&mut event);
    let mut out = Vec::new();
    if event.write_document(&mut out).is_ok() {
        Value::from_json(&out).expect("what is written is JSON");
    }
}
