//! A text in a request that is always the same, or made of the event. Pure.

use expression::Template;
use pipeline::{Clock, ConfigError, Event, Settings, Value};
use wire::json::write_escaped;

/// A text that is always the same, or made of the event.
#[derive(Debug)]
pub(super) enum Text {
    /// As it stands inside a JSON string.
    Same(Vec<u8>),
    /// `${getMetadata("primary_key")}`: the fast and usual way.
    PrimaryKey,
    /// `${getMetadata("document_version")}`: likewise.
    Version,
    Made(Template),
}

impl Text {
    pub(super) fn parse(
        settings: &Settings,
        name: &str,
        source: &str,
    ) -> Result<Text, ConfigError> {
        let template =
            Template::parse(source).map_err(|error| settings.problem(name, error.to_string()))?;
        Ok(Text::of(template))
    }

    pub(super) fn of(template: Template) -> Text {
        match (template.literal(), template.as_metadata()) {
            (Some(literal), _) => {
                let mut escaped = Vec::new();
                write_escaped(literal, &mut escaped);
                Text::Same(escaped)
            }
            (_, Some("primary_key")) => Text::PrimaryKey,
            (_, Some("document_version")) => Text::Version,
            _ => Text::Made(template),
        }
    }

    pub(super) fn with_clock(self, clock: &Clock) -> Text {
        match self {
            Text::Made(template) => Text::Made(template.with_clock(clock.clone())),
            other => other,
        }
    }

    pub(super) fn uses_fields(&self) -> bool {
        matches!(self, Text::Made(template) if template.uses_fields())
    }

    /// Writes the text as it stands inside a JSON string.
    pub(super) fn write(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), String> {
        match (self, &event.origin) {
            (Text::Same(escaped), _) => out.extend_from_slice(escaped),
            (Text::PrimaryKey, Some(origin)) if event.metadata.is_empty() => {
                origin
                    .write_primary_key(out)
                    .map_err(|error| format!("its keys cannot be read: {error}"))?;
            }
            (Text::Version, Some(origin)) if event.metadata.is_empty() => {
                write_digits(origin.version, out);
            }
            (Text::PrimaryKey, _) => write_metadata("primary_key", event, out)?,
            (Text::Version, _) => write_metadata("document_version", event, out)?,
            (Text::Made(template), _) => {
                let mut made = String::new();
                template.render(event, &mut made).map_err(|error| error.to_string())?;
                write_escaped(&made, out);
            }
        }
        Ok(())
    }
}

fn write_metadata(name: &str, event: &Event, out: &mut Vec<u8>) -> Result<(), String> {
    match event.metadata(name).map_err(|error| error.to_string())? {
        Some(Value::String(text)) => write_escaped(&text, out),
        Some(value) => write_escaped(&value.to_string(), out),
        None => return Err(format!("it has no metadata `{name}`")),
    }
    Ok(())
}

fn write_digits(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).expect("one digit");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
