//! The pages of the reference, in Markdown. Pure.

use std::fmt::Write;

use engine::metrics::documented;
use pipeline::{BYTES_IN_FLIGHT, BYTES_IN_FLIGHT_MAX, Metric, MetricKind};

use super::{Plugin, parity, plugins};

/// What stands at the top of each page.
const MADE: &str = "<!-- Made by `streamdex reference`; change the code it is made of. -->";

/// Every page: the name of its file, and its text.
pub(crate) fn pages() -> Vec<(&'static str, String)> {
    let plugins = plugins();
    vec![
        ("pipeline-files.md", include_str!("pipeline-files.md").replace("{made}", MADE)),
        ("source-and-sink.md", ends(&plugins)),
        ("processors.md", processors_page(&plugins)),
        ("expressions.md", expressions()),
        ("metrics.md", metrics_page()),
        ("parity.md", parity::page(&plugins, MADE)),
    ]
}

fn ends(plugins: &[Plugin]) -> String {
    let mut text = format!("{MADE}\n\n# The source and the sink\n");
    for kind in ["source", "sink"] {
        for plugin in plugins.iter().filter(|it| it.kind == kind) {
            let _ = write!(text, "\n## `{}`, a {kind}\n", plugin.name);
            if let Some(config) = plugin.types.get("Config") {
                let _ = write!(text, "\n{}\n", config.about);
            }
            write_settings(&mut text, plugin);
        }
    }
    text
}

fn processors_page(plugins: &[Plugin]) -> String {
    let mut text = format!(
        "{MADE}\n\n# Processors\n\n\
         They change events on their way, in the order in which they stand in the file.\n\
         One that fails on an event gives it the tags in `tags_on_failure`, if there are any; without \
         them the event becomes a dead letter. Nothing is dropped silently.\n"
    );
    for plugin in plugins.iter().filter(|it| it.kind == "processor") {
        let (about, differs) = plugin.about_and_differences();
        let about = about.split_once(": ").map_or(about.as_str(), |(_, it)| it);
        let mut letters = about.chars();
        let first = letters.next().map(|it| it.to_uppercase().to_string()).unwrap_or_default();
        let _ = write!(text, "\n## `{}`\n\n{first}{}\n", plugin.name, letters.as_str());
        if let Some(differs) = differs {
            let _ = write!(text, "\n*Differs from Data Prepper:* {differs}\n");
        }
        write_settings(&mut text, plugin);
        if let Some(example) = &plugin.example {
            let _ = write!(text, "\nTried by a test:\n\n```yaml\n{}\n```\n", example.trim());
        }
    }
    text
}

fn write_settings(text: &mut String, plugin: &Plugin) {
    let settings = plugin.settings();
    if settings.is_empty() {
        text.push_str("\nIt has no settings.\n");
        return;
    }
    text.push_str("\n| Setting | Is | Default | Says |\n| --- | --- | --- | --- |\n");
    for (path, setting) in settings {
        let default = match plugin.default_of(&setting) {
            Some(default) => format!("`{default}`"),
            None if setting.needed => "*needed*".to_owned(),
            None => "–".to_owned(),
        };
        let mut about = setting.about.clone();
        for it in plugin.choices(&setting.kind) {
            let _ = write!(about, " `{}`: {}", it.name, it.about);
        }
        for alias in &setting.aliases {
            let _ = write!(about, " Formerly `{alias}`.");
        }
        let about = about.replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(
            text,
            "| `{path}` | {} | {} | {about} |",
            plugin.words(&setting.kind).replace('|', "\\|"),
            default.replace('|', "\\|"),
        );
    }
}

fn expressions() -> String {
    let mut text = include_str!("expressions.md").replace("{made}", MADE);
    text.push_str("\n## Functions\n\n| Function | Gives | Example |\n| --- | --- | --- |\n");
    for function in expression::functions() {
        let (example, document, value) = function.example;
        let document = if document == "{}" { String::new() } else { format!(" of `{document}`") };
        let _ = writeln!(
            text,
            "| `{}({})` | {} | `{}`{} is `{}` |",
            function.name,
            function.arguments,
            function.about.replace('|', "\\|"),
            example.replace('|', "\\|"),
            document.replace('|', "\\|"),
            value.replace('|', "\\|"),
        );
    }
    text
}

fn metrics_page() -> String {
    let mut text = format!(
        "{MADE}\n\n# Metrics\n\n\
         `/metrics`, `/metrics/prometheus` and `/metrics/sys` on port 4900 show all of them.\n\n\
         ## Accounts\n\n\
         What became of every event, each with the label `pipeline`. Read and added are as many as all \
         the others together; the difference is `unaccounted_records`.\n\n\
         | Metric | Says |\n| --- | --- |\n"
    );
    for (name, help) in documented() {
        let _ = writeln!(text, "| `{name}` | {help} |");
    }
    text.push_str(
        "\n## What plugins count\n\n\
         Named as in Data Prepper, after pipeline and plugin: \
         `books_drop_events_recordsIn_total`.\n\n| Metric | Kind | Says |\n| --- | --- | --- |\n",
    );
    let of_processors: [&Metric; 5] = [
        &engine::RECORDS_IN,
        &engine::RECORDS_OUT,
        &engine::RECORDS_FAILED,
        &engine::TIME_ELAPSED,
        &engine::UNROUTED_EVENTS,
    ];
    for metric in of_processors {
        let plugin = if metric.name == "unroutedEvents" { "pipeline" } else { "*processor*" };
        write_metric(&mut text, plugin, metric);
    }
    for metric in &dynamodb::METRICS {
        write_metric(&mut text, "dynamodb", metric);
    }
    for metric in engine::TIMES {
        write_metric(&mut text, "pipeline", metric);
    }
    for metric in opensearch::documented() {
        write_metric(&mut text, "opensearch", metric);
    }
    text.push_str(
        "\n## Memory\n\n\
         Of the whole process, without the name of a pipeline: `buffer_bytesInFlight`.\n\n\
         | Metric | Kind | Says |\n| --- | --- | --- |\n",
    );
    for Metric { name, about, .. } in [&BYTES_IN_FLIGHT, &BYTES_IN_FLIGHT_MAX] {
        let _ = writeln!(text, "| `buffer_{name}` | gauge | {about} |");
    }
    text
}

fn write_metric(text: &mut String, plugin: &str, metric: &Metric) {
    let (kind, ending) = match metric.kind {
        MetricKind::Counter => ("counter", "_total"),
        MetricKind::Gauge => ("gauge", ""),
        MetricKind::Summary => ("summary", ""),
        MetricKind::Timer => ("timer", "_seconds"),
        MetricKind::Histogram => ("histogram", "_seconds"),
    };
    let label = metric.label.map_or(String::new(), |it| format!("`{{{it}}}`"));
    let (name, about) = (metric.name, metric.about);
    let _ = writeln!(text, "| *pipeline*`_`{plugin}`_{name}{ending}`{label} | {kind} | {about} |");
}
