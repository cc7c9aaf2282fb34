//! What many processors are made of: conditions, keys, formats, types, tags.

mod alone;
#[cfg(test)]
pub(crate) mod check;
mod condition;
mod convert;
pub(crate) mod date;
mod digits;
mod elements;
mod format;
mod key;
pub(crate) mod parsed;
mod pattern;
mod rate;
mod replacement;
mod split;
mod tags;

use pipeline::{ConfigError, Event, Map, ProcessError, Value};

pub(crate) use self::{
    alone::alone,
    condition::Condition,
    convert::{Type, convert},
    digits::Digits,
    elements::{each_element, on_element},
    format::Format,
    key::{Key, Target},
    pattern::Pattern,
    rate::{Second, WhenExceeds},
    replacement::Replacement,
    split::{delimiter, split},
    tags::Tags,
};

/// All parts of a setting, or every mistake in them.
pub(crate) fn all<T>(
    parts: impl IntoIterator<Item = Result<T, ConfigError>>,
) -> Result<Vec<T>, ConfigError> {
    let (mut good, mut errors) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Ok(part) => good.push(part),
            Err(error) => errors.push(error),
        }
    }
    ConfigError::all(errors).map_or(Ok(good), Err)
}

/// The fields of an event, opened if they were not.
pub(crate) fn open(event: &mut Event) -> Result<&mut Map, ProcessError> {
    event.open().map_err(|error| ProcessError(format!("the document cannot be read: {error}")))
}

/// Why an event could not be processed.
pub(crate) fn failed<T>(problem: impl Into<String>) -> Result<T, ProcessError> {
    Err(ProcessError(problem.into()))
}

/// What a value is, for a message.
pub(crate) fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    }
}

/// A value as a text inside another: nothing for null, numbers without an exponent, objects and
/// lists as JSON.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => Digits::of(number).plain(),
        Value::String(text) => text.clone(),
        Value::List(_) | Value::Map(_) => value.to_string(),
    }
}

/// Changes a text, or every text in a list.
pub(crate) fn change_texts(key: &Key, fields: &mut Map, change: &dyn Fn(&mut String)) {
    match key.get_mut(fields) {
        Some(Value::String(text)) => change(text),
        Some(Value::List(values)) => {
            for value in values {
                if let Value::String(text) = value {
                    change(text);
                }
            }
        }
        _ => {}
    }
}

/// Replaces what `from` matches in a text, or in every text of a list.
pub(crate) fn replace_all(
    event: &mut Event,
    when: &Condition,
    source: &Key,
    from: &Pattern,
    to: &Replacement,
) -> Result<(), ProcessError> {
    if !when.holds(event)? {
        return Ok(());
    }
    let replaced = |value: &Value| match value {
        Value::String(text) => from.replace(text, |found, out| to.write(found, out)),
        _ => Ok(None),
    };
    match source.get_mut(open(event)?) {
        Some(Value::List(values)) => {
            let texts: Vec<_> = values.iter().map(replaced).collect::<Result<_, _>>()?;
            for (value, text) in values.iter_mut().zip(texts) {
                if let Some(text) = text {
                    *value = Value::String(text);
                }
            }
        }
        Some(value) => {
            if let Some(text) = replaced(value)? {
                *value = Value::String(text);
            }
        }
        None => {}
    }
    Ok(())
}

/// The first of several results that went wrong; all of them have been tried.
#[derive(Debug, Default)]
pub(crate) struct FirstError(Option<ProcessError>);

impl FirstError {
    pub(crate) fn note(&mut self, result: Result<(), ProcessError>) {
        if let Err(error) = result {
            self.0.get_or_insert(error);
        }
    }

    pub(crate) fn result(self) -> Result<(), ProcessError> {
        self.0.map_or(Ok(()), Err)
    }
}
