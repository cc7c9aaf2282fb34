//! Any pattern of a date, on the first line, to read and to write, and any text behind it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipeline::Value;

fuzz_target!(|input: &str| {
    let (pattern, text) = input.split_once('\n').unwrap_or((input, "2025-06-05 04:03:02"));
    let pattern = Value::from(pattern);
    let epochs = "epoch_second, epoch_milli, epoch_micro, epoch_nano";
    for settings in [
        format!("{{match: [{{key: t, patterns: [{pattern}, {epochs}]}}], destination: d}}"),
        format!(
            "{{match: [{{key: t, patterns: [{epochs}]}}], destination: d, output_format: {pattern}}}"
        ),
    ] {
        if let Some(processor) = fuzz::processor("date", &settings) {
            fuzz::process(processor.as_ref(), fuzz::text(text));
            fuzz::process(processor.as_ref(), fuzz::text("-99999999999"));
        }
    }
});
