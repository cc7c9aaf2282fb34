//! What can be typed behind `streamdex`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use pipeline::ByteCount;

/// Keeps an OpenSearch index equal to a DynamoDB table, and proves it.
#[derive(Debug, Parser)]
#[command(name = "streamdex", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to log: error, warn, info, debug, or per part as in `info,dynamodb=debug`. By default
    /// info; warn for a demo on a terminal, which shows one live line
    #[arg(long, global = true, env = "STREAMDEX_LOG", value_name = "LEVEL")]
    pub(crate) log: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// What to log, where nobody said it.
    pub(crate) fn log(&self, on_terminal: bool) -> &str {
        match (&self.log, &self.command) {
            (Some(level), _) => level,
            (None, Command::Demo(_)) if on_terminal => "warn",
            // Whoever asks for one line wants no other.
            (
                None,
                Command::Plan(_)
                | Command::Evaluate(_)
                | Command::Reference(_)
                | Command::Verify(_),
            ) => "warn",
            (None, _) => "info",
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All of it on this machine: DynamoDB and OpenSearch endpoints, a table of books, a pipeline
    Demo(Demo),
    /// Only the endpoints, for your own table, index and tests
    Local(Local),
    /// Run the pipelines of one or more files, as a service
    Run(Run),
    /// Check pipeline files: says the line, the column and what to write instead
    Validate(Validate),
    /// Show what a pipeline would do with some records; writes nothing
    Plan(Plan),
    /// Try an expression on an event: one line of JSON
    Evaluate(Evaluate),
    /// Write down every setting, function and metric
    Reference(Reference),
    /// Compare table and index, item by item; exit code 3 if they differ
    Verify(Verify),
    /// Dead letters: what the index would not take, and how to send it again
    Dlq(Dlq),
    /// The Lambda function on this machine: on one event, or behind an address
    Lambda(Lambda),
}

/// Where the endpoints listen, and what they keep.
#[derive(Clone, Debug, Args)]
pub(crate) struct EndpointArgs {
    /// Address of the DynamoDB endpoint; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    pub(crate) dynamodb: SocketAddr,

    /// Address of the OpenSearch endpoint
    #[arg(long, default_value = "127.0.0.1:9200", value_name = "ADDRESS")]
    pub(crate) opensearch: SocketAddr,

    /// Address of the S3 endpoint
    #[arg(long, default_value = "127.0.0.1:9090", value_name = "ADDRESS")]
    pub(crate) s3: SocketAddr,

    /// Keep everything here across restarts; without it a temporary folder is used
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

/// Where the API listens, and where addresses are written to.
#[derive(Clone, Debug, Args)]
pub(crate) struct ApiArgs {
    /// Address of health checks and metrics
    #[arg(long, default_value = "127.0.0.1:4900", value_name = "ADDRESS")]
    pub(crate) api: SocketAddr,

    /// Write the addresses here, as JSON, once all of them answer
    #[arg(long, value_name = "FILE")]
    pub(crate) addresses: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) endpoints: EndpointArgs,

    /// How many books to write at first
    #[arg(long, default_value_t = 300, value_name = "N")]
    pub(crate) books: u32,

    /// How many changes of books to make every second after that
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) writes_per_second: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Local {
    #[command(flatten)]
    pub(crate) endpoints: EndpointArgs,
}

/// Pipeline files.
#[derive(Clone, Debug, Args)]
pub(crate) struct FileArgs {
    /// Pipeline files, or folders of them
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Refuse what Amazon OpenSearch Ingestion refuses, too
    #[arg(long)]
    pub(crate) osis: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) files: FileArgs,

    /// Where checkpoints and dead letters are kept
    #[arg(long, env = "STREAMDEX_DATA_DIR", default_value = "streamdex-data", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,

    /// Keep leases and checkpoints in a DynamoDB table, so that several processes share the work:
    /// `dynamodb://TABLE?region=eu-west-1`
    #[arg(long, env = "STREAMDEX_LEASES", value_name = "ADDRESS")]
    pub(crate) leases: Option<String>,

    /// Data Prepper's process file, `data-prepper-config.yaml`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// How much memory events on their way may take, such as `64mb`: with 32mb, the default, the
    /// process stays below 128 MB
    #[arg(long, env = "STREAMDEX_EVENT_MEMORY", value_name = "SIZE")]
    pub(crate) event_memory: Option<ByteCount>,

    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Pipeline files, or folders of them
    #[arg(required_unless_present = "config", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Refuse what Amazon OpenSearch Ingestion refuses, too
    #[arg(long)]
    pub(crate) osis: bool,

    /// Data Prepper's process file, `data-prepper-config.yaml`, to check as well
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print the IAM policy that allows what these files need, and nothing else
    #[arg(long)]
    pub(crate) permissions: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) files: FileArgs,

    /// A file with one record a line, as `GetRecords` or Lambda deliver them, or lines of an export;
    /// `-` for standard input
    #[arg(long, value_name = "RECORDS", conflicts_with = "sample")]
    pub(crate) records: Option<PathBuf>,

    /// Take this many items from the table instead
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<u32>,

    /// Which pipeline, if several have a source
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,

    /// The table's keys, `partition` or `partition,sort`, where the records do not show them
    #[arg(long, value_name = "NAMES")]
    pub(crate) keys: Option<String>,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each can be typed by itself")]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) files: FileArgs,

    /// Write what differs into the index, never over something newer
    #[arg(long)]
    pub(crate) repair: bool,

    /// With --repair: say what would be done, and do nothing
    #[arg(long, requires = "repair")]
    pub(crate) dry_run: bool,

    /// How far behind the pipeline may be: what differs is looked at again after this long, and told
    /// only if it has not changed
    #[arg(long, default_value = "10s", value_name = "DURATION")]
    pub(crate) lag: String,

    /// Read no more than this many read units a second from each table
    #[arg(long, value_name = "N")]
    pub(crate) max_rcu: Option<u32>,

    /// Only about this many items, from all over the table; looks for no orphans
    #[arg(long, value_name = "N", conflicts_with = "key")]
    pub(crate) sample: Option<u64>,

    /// Only the item of this key, in DynamoDB JSON: `{"id": {"S": "x"}}`; may be given several times
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Vec<String>,

    /// Do not look for documents of no item, for an index that others write to as well
    #[arg(long)]
    pub(crate) no_orphans: bool,

    /// In how many parts to read each table at the same time
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(crate) segments: u32,

    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The expression, or with `--mode format` a text with `${…}` in it
    #[arg(allow_hyphen_values = true)]
    pub(crate) expression: String,

    /// The document, a JSON object; `-` for standard input. By default an empty one
    #[arg(long, value_name = "FILE")]
    pub(crate) event: Option<PathBuf>,

    /// The metadata, a JSON object
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata: Option<PathBuf>,

    /// The event's tags
    #[arg(long, value_delimiter = ',', value_name = "TAGS")]
    pub(crate) tags: Vec<String>,

    /// Where the event comes from, for `getEventType()`
    #[arg(long, value_enum, default_value = "event", value_name = "TYPE")]
    pub(crate) event_type: EventType,

    /// What to do with it
    #[arg(long, value_enum, default_value = "evaluate", value_name = "MODE")]
    pub(crate) mode: Mode,
}

#[derive(Debug, Args)]
pub(crate) struct Reference {
    /// The folder to write the pages to
    #[arg(long, default_value = "docs/reference", value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Print the JSON Schema of pipeline files instead, for editors
    #[arg(long)]
    pub(crate) schema: bool,
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventType {
    /// Nowhere in particular
    Event,
    /// The stream of a table
    Stream,
    /// An export of a table
    Export,
}

/// What to do with an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// As a condition: what has no value is false
    Conditional,
    /// Its value
    Evaluate,
    /// Only whether it is an expression
    Parse,
    /// A text in which `${…}` stands for fields and expressions
    Format,
}

#[derive(Debug, Args)]
pub(crate) struct Dlq {
    #[command(subcommand)]
    pub(crate) command: DlqCommand,
}

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// How many there are, by cause and index
    List(DlqPlace),
    /// The letters themselves, as JSON
    Show {
        /// The name of one, or its beginning; all without it
        #[arg(long = "name", value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        place: DlqPlace,
    },
    /// Send them again; never makes an index older
    Redrive(DlqRedrive),
}

/// Which dead letters are meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct DlqPlace {
    /// Pipeline files, for the buckets and files that their sinks name
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Where the pipelines keep their state
    #[arg(long, env = "STREAMDEX_DATA_DIR", default_value = "streamdex-data", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,

    /// A file or folder of letters, ours or Data Prepper's, instead of those of the pipelines
    #[arg(long, value_name = "PATH")]
    pub(crate) letters: Option<PathBuf>,

    /// Only those of this cause
    #[arg(long, value_name = "CAUSE")]
    pub(crate) cause: Option<String>,

    /// Only those for this index
    #[arg(long, value_name = "INDEX")]
    pub(crate) index: Option<String>,

    /// Only those of this pipeline
    #[arg(long, value_name = "PIPELINE")]
    pub(crate) pipeline: Option<String>,

    /// Only those written at this moment or later: 2026-01-31, or 2026-01-31T12:34:56Z
    #[arg(long, value_name = "MOMENT")]
    pub(crate) since: Option<String>,

    /// Only those written before this moment
    #[arg(long, value_name = "MOMENT")]
    pub(crate) until: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DlqRedrive {
    #[command(flatten)]
    pub(crate) place: DlqPlace,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Read the items from the table again, and send what they are now
    #[arg(long)]
    pub(crate) from_table: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Lambda {
    #[command(subcommand)]
    pub(crate) command: LambdaCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LambdaCommand {
    /// Handle one event, and print the answer; the settings are the variables of the function
    Invoke(Invoke),
    /// Pass requests on as behind a stage of API Gateway: `/dev/_dashboards/app/dev_tools`
    Serve(Serve),
}

#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The event, in JSON; `-` reads it from the standard input
    #[arg(value_name = "EVENT")]
    pub(crate) event: PathBuf,

    /// After how many seconds the function must have answered
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,

    /// Write the address here, as JSON, once it answers
    #[arg(long, value_name = "FILE")]
    pub(crate) addresses: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }
}
