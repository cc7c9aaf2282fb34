//! How the tests of a processor run it.

use pipeline::{ConfigError, Document, Event, Factory, Flow, Settings, Value};

/// What becomes of a document, as JSON; several are separated by a space.
pub(crate) fn run(factory: &Factory, settings: &str, before: &str) -> Result<String, String> {
    let mut event = event(before);
    let settings = Settings::from_yaml(settings).unwrap();
    let processor = (factory.build)(&settings).unwrap_or_else(|error| panic!("{error}"));
    let texts = |events: Vec<Event>| {
        let texts: Vec<_> = events.iter().map(text).collect();
        texts.join(" ")
    };
    match processor.process(&mut event) {
        Ok(Flow::Keep) => Ok(text(&event)),
        Ok(Flow::Drop) => Ok(String::new()),
        Ok(Flow::Replace(events)) => Ok(texts(events)),
        Err(error) => {
            assert_eq!(text(&event), before, "an event that failed is left as it was");
            Err(error.to_string())
        }
    }
}

/// The tags an event has afterwards.
pub(crate) fn tags(factory: &Factory, settings: &str, before: &str) -> Vec<String> {
    let mut event = event(before);
    let processor = (factory.build)(&Settings::from_yaml(settings).unwrap()).unwrap();
    processor.process(&mut event).unwrap();
    assert_eq!(text(&event), before, "an event that failed is left as it was");
    event.tags
}

/// What is wrong with the settings.
pub(crate) fn problem(factory: &Factory, settings: &str) -> ConfigError {
    match (factory.build)(&Settings::from_yaml(settings).unwrap()) {
        Ok(_) => panic!("{settings} is accepted"),
        Err(error) => error,
    }
}

/// An event with these fields.
pub(crate) fn event(json: &str) -> Event {
    let Value::Map(fields) = Value::from_json(json.as_bytes()).unwrap() else { panic!("{json}") };
    Event { document: Document::Fields(fields), ..Event::default() }
}

fn text(event: &Event) -> String {
    Value::Map(event.fields().unwrap().clone()).to_string()
}
