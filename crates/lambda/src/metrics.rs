//! Metrics as a line of the log, in `CloudWatch`'s embedded metric format. Pure.

use pipeline::Timestamp;
use serde_json::{Map, Value, json};

/// A name, its unit and its value.
pub type Metric = (&'static str, &'static str, i64);

/// Where `CloudWatch` shows them.
const NAMESPACE: &str = "Streamdex";

/// The line that tells `CloudWatch` of `metrics`.
pub fn line(function: &str, request_id: &str, at: Timestamp, metrics: &[Metric]) -> String {
    let described: Vec<Value> =
        metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.0,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["FunctionName"]],
                "Metrics": described,
            }],
        }),
    );
    line.insert("FunctionName".to_owned(), function.into());
    line.insert("RequestId".to_owned(), request_id.into());
    for (name, _, value) in metrics {
        line.insert((*name).to_owned(), (*value).into());
    }
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_described_and_given() {
        let metrics = [("Indexed", "Count", 2), ("LagMs", "Milliseconds", 7)];
        let line: Value = serde_json::from_str(&line("f", "r", Timestamp(5), &metrics)).unwrap();
        assert_eq!(line["Indexed"], 2);
        assert_eq!(line["_aws"]["Timestamp"], 5);
        let told = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(told["Metrics"][1], json!({ "Name": "LagMs", "Unit": "Milliseconds" }));
        assert_eq!(line[told["Dimensions"][0][0].as_str().unwrap()], "f");
    }
}
