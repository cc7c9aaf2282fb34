//! What a processor with a memory does with an event that comes alone, with nothing behind it. Pure.

use std::mem;

use pipeline::{Event, Flow, ProcessError, Stateful, Taken, Timestamp};

/// Shows it the event, and then takes all that it kept.
pub(crate) fn alone(
    stateful: &dyn Stateful,
    event: &mut Event,
    now: Timestamp,
) -> Result<Flow, ProcessError> {
    let Taken { mut events, mut failed, .. } = stateful.take(vec![mem::take(event)], &[], now);
    if let Some((unchanged, error)) = failed.pop() {
        *event = unchanged;
        return Err(error);
    }
    for mut released in stateful.release(now, true) {
        events.append(&mut released.events);
    }
    Ok(match events.len() {
        0 => Flow::Drop,
        1 => {
            *event = events.remove(0);
            Flow::Keep
        }
        _ => Flow::Replace(events),
    })
}
