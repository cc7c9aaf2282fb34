//! What OpenSearch Ingestion refuses in plugins: it has no disk, and writes to AWS only. Pure.

use pipeline::{Settings, Shape};

use super::{PipelineSpec, PluginSpec, SinkSpec, problems::Found};

/// Settings that name a file on the disk, and whether an `s3://` address is as good.
const FILES: [(&str, bool); 9] = [
    ("cert", false),
    ("database_path", false),
    ("dlq_file", false),
    ("file", false),
    ("file_path", false),
    ("ism_policy_file", true),
    ("patterns_directories", false),
    ("patterns_files", false),
    ("template_file", true),
];
/// Processors that keep events back.
const STATEFUL: [&str; 3] = ["aggregate", "anomaly_detector", "service_map"];
/// How addresses of OpenSearch Service and Serverless end.
const AWS_DOMAINS: [&str; 4] = [".amazonaws.com", ".amazonaws.com.cn", ".on.aws", ".api.aws"];

/// Checks the plugins of all pipelines.
pub(super) fn check(pipelines: &[PipelineSpec], found: &mut Found) {
    for pipeline in pipelines {
        let sinks = pipeline.sinks.iter().map(|it| &it.plugin);
        for plugin in pipeline.source.iter().chain(&pipeline.processors).chain(sinks) {
            check_files(&plugin.settings, found);
            check_region(plugin, found);
        }
        for sink in &pipeline.sinks {
            check_hosts(sink, found);
        }
        check_acknowledgments(pipeline, found);
        check_tables(pipeline, found);
    }
}

fn check_files(settings: &Settings, found: &mut Found) {
    for (key, value) in settings.entries() {
        match FILES.iter().find(|(name, _)| *name == key) {
            Some((_, s3_too)) => {
                let is_in_s3 = value.text().is_some_and(|it| it.starts_with("s3://"));
                if !(is_in_s3 && *s3_too) {
                    let problem = format!("OpenSearch Ingestion has no disk, so no `{key}`");
                    let help = if *s3_too {
                        "put the file into a bucket, and write `s3://bucket/key`"
                    } else {
                        "remove the line"
                    };
                    found.error(settings.problem(key, problem).with_help(help));
                }
            }
            None => check_files(&value, found),
        }
    }
    for item in settings.items() {
        check_files(&item, found);
    }
}

fn check_region(plugin: &PluginSpec, found: &mut Found) {
    if let Some(aws) = plugin.settings.get("aws").filter(|it| it.shape() == Shape::Map)
        && aws.get("region").is_none()
    {
        let problem = "OpenSearch Ingestion needs a region in every `aws` block";
        found.error(aws.problem("", problem).with_help("add `region: us-east-1`"));
    }
}

fn check_hosts(sink: &SinkSpec, found: &mut Found) {
    if sink.plugin.name != "opensearch" {
        return;
    }
    let settings = &sink.plugin.settings;
    for (n, host) in settings.get("hosts").iter().flat_map(Settings::items).enumerate() {
        let text = host.text().unwrap_or_default().trim_end_matches('/');
        let name = text.rsplit_once(':').map_or(text, |(name, port)| {
            if port.bytes().all(|it| it.is_ascii_digit()) { name } else { text }
        });
        if !AWS_DOMAINS.iter().any(|it| name.ends_with(it)) {
            let problem = "OpenSearch Ingestion writes to domains and collections of AWS only";
            let help = "write the address of one, `https://search-….us-east-1.es.amazonaws.com`";
            found.error(settings.problem(&format!("hosts[{n}]"), problem).with_help(help));
        }
    }
}

fn check_acknowledgments(pipeline: &PipelineSpec, found: &mut Found) {
    let Some(source) = &pipeline.source else { return };
    let asks = source.settings.get("acknowledgments").is_some_and(|it| it.text() == Some("true"));
    let stateful = pipeline.processors.iter().find(|it| STATEFUL.contains(&it.name.as_str()));
    if let (true, Some(processor)) = (asks, stateful) {
        let problem =
            format!("OpenSearch Ingestion allows no `acknowledgments` with `{}`", processor.name);
        let help = "remove one of the two";
        found.error(source.settings.problem("acknowledgments", problem).with_help(help));
    }
}

fn check_tables(pipeline: &PipelineSpec, found: &mut Found) {
    let Some(source) = pipeline.source.as_ref().filter(|it| it.name == "dynamodb") else { return };
    if let [_, second, ..] =
        &source.settings.get("tables").iter().flat_map(Settings::items).collect::<Vec<_>>()[..]
    {
        let problem = "OpenSearch Ingestion reads one table in a pipeline";
        found.error(second.problem("", problem).with_help("write a pipeline for each table"));
    }
}
