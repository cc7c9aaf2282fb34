//! Any bytes as an answer to a `_bulk` request: every document is in one account, or it is refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use opensearch::{Bulk, Config, Shape};
use pipeline::{Map, Settings};

fuzz_target!(|answer: &[u8]| {
    let settings = Settings::from_yaml("{hosts: ['http://localhost:9200'], index: i}");
    let settings = settings.expect("it is YAML");
    let (config, _) = Config::read(&settings).expect("the settings are good");
    let shape = Shape::new(&config, &settings).expect("the settings are good");
    let events = vec![fuzz::fields(Map::new()); 2];
    let bulk = Bulk::fill(&shape, &events, &mut 0, usize::MAX, &mut Vec::new());
    let _ = bulk.settle(&bulk.body, answer, false);
});
