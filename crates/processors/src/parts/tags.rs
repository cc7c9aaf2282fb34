//! `tags_on_failure`: what an event is marked with when a processor could not work with it. Pure.

use pipeline::{Event, Flow, ProcessError};
use serde::Deserialize;

/// Some tags; none by default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tags(Vec<String>);

impl Tags {
    /// The event goes on: after a failure with the tags, or, if there are none, as an error.
    pub(crate) fn settle(
        &self,
        event: &mut Event,
        result: Result<(), ProcessError>,
    ) -> Result<Flow, ProcessError> {
        match result {
            Err(error) if self.0.is_empty() => return Err(error),
            Err(_) => self.mark(event),
            Ok(()) => {}
        }
        Ok(Flow::Keep)
    }

    /// Adds those the event does not have yet.
    pub(crate) fn mark(&self, event: &mut Event) {
        for tag in &self.0 {
            if !event.tags.contains(tag) {
                event.tags.push(tag.clone());
            }
        }
    }

    /// The tags of a setting that has some by default.
    pub(crate) fn of(tag: &str) -> Tags {
        Tags(vec![tag.to_owned()])
    }
}
