//! `iterate_on`: the same for every object in a list. Pure.

use pipeline::{Document, Event, Map, ProcessError, Value};

use super::{Key, describe, failed, open};

/// Lets `act` see `element` as if it were the whole document.
pub(crate) fn on_element<T>(
    event: &mut Event,
    element: &mut Map,
    act: impl FnOnce(&mut Event) -> T,
) -> T {
    let fields = Document::Fields(std::mem::take(element));
    let document = std::mem::replace(&mut event.document, fields);
    let result = act(event);
    if let Document::Fields(fields) = std::mem::replace(&mut event.document, document) {
        *element = fields;
    }
    result
}

/// Does `act` with every object in the list at `key`, which is out of the event meanwhile. All of
/// them, or after an error none.
pub(crate) fn each_element(
    event: &mut Event,
    key: &Key,
    mut act: impl FnMut(&mut Event, &mut Map) -> Result<(), ProcessError>,
) -> Result<(), ProcessError> {
    let Some(value) = key.get(open(event)?) else { return Ok(()) };
    let Value::List(values) = value else {
        return match value {
            Value::Null => Ok(()),
            other => failed(format!("`{key}` is {}, not a list of objects", describe(other))),
        };
    };
    let mut values = values.clone();
    for value in &mut values {
        let Value::Map(element) = value else {
            return failed(format!("`{key}` holds {}, not only objects", describe(value)));
        };
        act(event, element)?;
    }
    key.put(open(event)?, Value::List(values))
}
