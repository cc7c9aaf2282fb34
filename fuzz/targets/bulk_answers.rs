//! Any bytes as an answer to a `_bulk` request: every document is in one account, or it is refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use opensearch::{Bulk, Config, Policy, Shape};
use pipeline::{Map, Settings};

fuzz_target!(|answer: &[u8]| {
    let settings = Settings::from_yaml("{hosts: ['http://localhost:9200'], index: i}");
    let settings = settings.expect("it is YAML");
    let (config, _) = Config::read(&settings).expect("the settings are good");
    let shape = Shape::new(&config, &settings).expect("the settings are good");
    let events = vec![fuzz::fields(Map::default()); 2];
    let bulk = Bulk::fill(&shape, &events, &mut 0, usize::MAX, &mut Vec::new());
    for external in [false, true] {
        let policy = Policy { external, ..Policy::default() };
        if let Some(account) = bulk.account(answer, policy) {
            assert_eq!(account.iter().sum::<u64>(), 2, "{account:?}");
        }
    }
});
