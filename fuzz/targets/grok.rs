//! Any pattern of grok, on the first line, and any text behind it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipeline::Value;

fuzz_target!(|input: &str| {
    let (pattern, text) = input.split_once('\n').unwrap_or((input, "10.0.0.1 GET /a?b=c 42"));
    let settings = format!(r#"{{"match":{{"t":[{}]}}}}"#, Value::from(pattern));
    if let Some(processor) = fuzz::processor("grok", &settings) {
        fuzz::process(processor.as_ref(), fuzz::text(text));
    }
    let settings = format!(r#"{{"map":{{"t":{}}}}}"#, Value::from(pattern));
    if let Some(processor) = fuzz::processor("dissect", &settings) {
        fuzz::process(processor.as_ref(), fuzz::text(text));
    }
});
