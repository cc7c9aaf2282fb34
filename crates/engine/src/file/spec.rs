//! The parts of a pipeline as its file names them. Pure.

use std::{num::NonZeroUsize, time::Duration};

use expression::Expression;
use pipeline::{Map, Place, Settings};

use crate::Wants;

/// One pipeline.
#[derive(Clone, Debug)]
pub struct PipelineSpec {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// All that the file says about it.
    pub settings: Settings,
    /// Where its events come from; nowhere if only others forward to it.
    pub source: Option<PluginSpec>,
    /// What changes the events, in this order.
    pub processors: Vec<PluginSpec>,
    /// The conditions that sinks refer to by name.
    pub routes: Vec<RouteSpec>,
    /// Where its events go; at least one.
    pub sinks: Vec<SinkSpec>,
    /// How many batches may be worked on at a time, if the file says so.
    pub workers: Option<NonZeroUsize>,
    /// How long to wait for a batch to fill up, if the file says so.
    pub delay: Option<Duration>,
    /// How much may wait between source and processors, if the file says so.
    pub buffer: Option<Buffer>,
}

/// A plugin and what the user wants of it.
#[derive(Clone, Debug)]
pub struct PluginSpec {
    /// Its name: `dynamodb`.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// Its settings. They know their places as well.
    pub settings: Settings,
}

/// A condition with a name.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// What sinks call it.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// When it is true, the event goes to the sinks that name it.
    pub condition: Expression,
}

/// A sink, with what every sink understands whatever plugin it is.
#[derive(Clone, Debug)]
pub struct SinkSpec {
    /// The plugin, with all settings as they stand there. A plugin that reads them refuses
    /// what is not its own, so that nothing is forgotten: see [`SinkSpec::own_settings`].
    pub plugin: PluginSpec,
    /// An event goes here if one of these is true of it, or if there are none.
    /// [`SinkSpec::UNROUTED`] stands for “none is true”.
    pub routes: Vec<String>,
    /// The field that gets the event's tags, if any.
    pub tags_target_key: Option<String>,
    /// Only these fields are written, unless there are none.
    pub include_keys: Vec<String>,
    /// These fields are not written.
    pub exclude_keys: Vec<String>,
    /// Who gets the event once it is written.
    pub forward_to: Option<ForwardSpec>,
}

/// Pipelines that get an event once it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardSpec {
    /// Their names; at least one.
    pub pipelines: Vec<String>,
    /// Fields to add.
    pub with_data: Map,
    /// Metadata to add.
    pub with_metadata: Map,
}

/// What a `buffer` block asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    /// How many events may wait.
    pub n_events: Option<NonZeroUsize>,
    /// How many go on together at most.
    pub n_batch_events: Option<NonZeroUsize>,
}

/// The plugin, at either end, that stands for another pipeline.
const CONNECTOR: &str = "pipeline";

impl PipelineSpec {
    /// The pipeline that gets what every other fails to deliver.
    pub const FAILURE: &str = "dlq_pipeline";

    /// The pipeline that feeds this one, if its source is one.
    pub fn upstream(&self) -> Option<String> {
        self.source.as_ref().and_then(PluginSpec::connects_to)
    }
}

impl PluginSpec {
    /// Whether it stands for another pipeline instead of a plugin.
    pub fn is_connector(&self) -> bool {
        self.name == CONNECTOR
    }

    fn connects_to(&self) -> Option<String> {
        let name = self.settings.get("name").filter(|_| self.is_connector())?;
        name.text().map(str::to_owned)
    }
}

impl SinkSpec {
    /// The name in `routes` for events of which no route is true.
    pub const UNROUTED: &str = "_default";

    /// The settings that every sink understands, whatever plugin it is.
    pub const COMMON: [&str; 5] =
        ["routes", "tags_target_key", "include_keys", "exclude_keys", "forward_to"];

    /// The settings without [`SinkSpec::COMMON`]: for whoever carries those out.
    pub fn own_settings(&self) -> Settings {
        self.plugin.settings.without(&SinkSpec::COMMON)
    }

    /// Which events it wants, by the places of its routes. That they exist was checked with the
    /// file.
    pub fn wants(&self, routes: &[RouteSpec]) -> Wants {
        if self.routes.is_empty() {
            return Wants::Everything;
        }
        let place = |name: &String| routes.iter().position(|it| it.name == *name);
        Wants::Routes {
            any_of: self.routes.iter().filter_map(place).collect(),
            unrouted: self.routes.iter().any(|it| it == SinkSpec::UNROUTED),
        }
    }

    /// The pipeline it feeds, if it is one.
    pub fn downstream(&self) -> Option<String> {
        self.plugin.connects_to()
    }
}
