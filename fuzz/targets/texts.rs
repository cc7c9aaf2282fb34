//! Any text through every processor that takes texts apart.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use pipeline::Processor;

const SETTINGS: [(&str, &str); 19] = [
    ("parse_json", "{source: t, destination: d}"),
    ("parse_json", "{source: t, pointer: a/0, depth: 2, normalize_keys: true}"),
    ("parse_ion", "{source: t, destination: d}"),
    ("parse_xml", "{source: t, destination: d}"),
    ("csv", "{source: t, multiline: true, column_names: [a]}"),
    ("key_value", "{source: t}"),
    ("key_value", "{source: t, recursive: true, value_grouping: true, remove_brackets: true}"),
    ("user_agent", "{source: t}"),
    ("decompress", "{keys: [t], type: gzip}"),
    (
        "grok",
        "{match: {t: ['%{COMBINEDAPACHELOG}', '%{SYSLOGLINE}', '%{URI:u}', '%{IP:i}']}, break_on_match: false}",
    ),
    ("dissect", "{map: {t: '%{+a/2} %{+a/1->} %{?k}=%{&k};%{}'}}"),
    (
        "obfuscate",
        "{source: t, patterns: ['%{EMAIL_ADDRESS}', '%{CREDIT_CARD_NUMBER}', '%{IP_ADDRESS_V4}']}",
    ),
    ("truncate", "{entries: [{source_keys: [t], start_at: 2, length: 3}]}"),
    ("split_string", "{entries: [{source: t, delimiter: ','}]}"),
    ("split_event", "{field: t, delimiter: ','}"),
    ("translate", "{mappings: [{source: t, targets: [{target: d, map: {'1-9': a, 'x,y': b}}]}]}"),
    ("convert_type", "{coerce_strings: {time_formats: [\"yyyy-MM-dd'T'HH:mm:ss\"]}}"),
    ("convert_type", "{key: t, type: big_decimal, scale: 3}"),
    ("convert_type", "{key: t, type: double}"),
];

static PROCESSORS: OnceLock<Vec<Box<dyn Processor>>> = OnceLock::new();

fuzz_target!(|text: &str| {
    let processors = PROCESSORS.get_or_init(|| {
        let built = |(name, settings): &(&str, &str)| {
            fuzz::processor(name, settings).unwrap_or_else(|| panic!("{name} {settings}"))
        };
        SETTINGS.iter().map(built).collect()
    });
    for processor in processors {
        fuzz::process(processor.as_ref(), fuzz::text(text));
    }
});
