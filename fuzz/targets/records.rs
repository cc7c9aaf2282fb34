//! Any bytes as an answer of `GetRecords`.

#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use dynamodb::{Conversion, Versions, ViewOnRemove, convert};
use libfuzzer_sys::fuzz_target;
use pipeline::Table;

fuzz_target!(|bytes: &[u8]| {
    let table = Table {
        name: "t".to_owned(),
        partition_key: "a".to_owned(),
        sort_key: Some("b".to_owned()),
    };
    let (table, view_on_remove) = (Arc::new(table), ViewOnRemove::NewImage);
    let conversion = Conversion { table, view_on_remove, not_before_ms: 0 };
    let body = Bytes::copy_from_slice(bytes);
    let Ok(page) = convert(&body, &conversion, &mut Versions::default()) else { return };
    for mut event in page.events {
        for name in ["primary_key", "dynamodb_timestamp", "opensearch_action", "ttl_delete"] {
            let _ = event.metadata(name);
        }
        let _ = event.write_document(&mut Vec::new());
        let _ = event.open();
    }
});
