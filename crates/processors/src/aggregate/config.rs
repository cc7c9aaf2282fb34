//! The actions of `aggregate`, and their settings. Pure.

use std::time::Duration;

use pipeline::{ConfigError, Decimal, Settings, Shape, Value};
use serde::{Deserialize, de::DeserializeOwned};

use crate::parts::{Condition, Key, WhenExceeds};

const NAMES: [&str; 9] = [
    "append",
    "count",
    "histogram",
    "percent_sampler",
    "put_all",
    "rate_limiter",
    "remove_duplicates",
    "sum",
    "tail_sampler",
];
/// How many buckets a histogram may have.
const BUCKETS_MAX: usize = 1000;
/// What becomes of the events of a group.
#[derive(Debug)]
pub(super) enum Action {
    RemoveDuplicates,
    PutAll,
    Append(Append),
    Count(Counting),
    Sum(Sum),
    Histogram(Box<Histogram>),
    PercentSampler(Percent),
    RateLimiter(RateLimiter),
    TailSampler(TailSampler),
}

/// Settings of an action that has none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Settings of `append`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Append {
    /// The fields to append; without it, all.
    #[serde(default)]
    pub(super) keys_to_append: Vec<String>,
}

/// How a group is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Output {
    /// As a metric of OpenTelemetry.
    #[default]
    OtelMetrics,
    /// As plain fields.
    Raw,
}

/// Settings of `count`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counting {
    #[serde(default = "count_key")]
    pub(super) count_key: String,
    #[serde(default = "start_time_key")]
    pub(super) start_time_key: String,
    #[serde(default = "end_time_key")]
    pub(super) end_time_key: String,
    #[serde(default)]
    pub(super) output_format: Output,
    #[serde(default = "count_name")]
    pub(super) metric_name: String,
    /// Counts one of all events with the same values of these.
    #[serde(default)]
    pub(super) unique_keys: Vec<Key>,
}

/// Settings of `sum`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sum {
    pub(super) key: Key,
    #[serde(default)]
    pub(super) output_format: Output,
    #[serde(default = "sum_name")]
    pub(super) metric_name: String,
    #[serde(default = "count_key")]
    pub(super) count_key: String,
}

/// Settings of `histogram`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Histogram {
    pub(super) key: Key,
    pub(super) units: String,
    #[serde(default)]
    pub(super) record_minmax: bool,
    /// Their bounds, upwards. A value that is a bound is in the bucket above it.
    pub(super) buckets: Vec<Value>,
    #[serde(default = "prefix")]
    pub(super) generated_key_prefix: String,
    #[serde(default = "histogram_name")]
    pub(super) metric_name: String,
    #[serde(default)]
    pub(super) output_format: Output,
    #[serde(skip)]
    pub(super) bounds: Vec<Decimal>,
}

/// Settings of `percent_sampler`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Percent {
    pub(super) percent: Value,
    #[serde(skip)]
    pub(super) millionths: u64,
}

/// Settings of `rate_limiter`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateLimiter {
    pub(super) events_per_second: u64,
    #[serde(default = "block")]
    pub(super) when_exceeds: WhenExceeds,
}

/// Settings of `tail_sampler`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TailSampler {
    pub(super) percent: Value,
    #[serde(deserialize_with = "pipeline::duration")]
    pub(super) wait_period: Duration,
    /// One event for which it is true lets all of its group go on.
    #[serde(alias = "error_condition")]
    pub(super) condition: Option<Condition>,
    #[serde(skip)]
    pub(super) millionths: u64,
}

fn count_key() -> String {
    "aggr._count".to_owned()
}

pub(super) fn start_time_key() -> String {
    "aggr._start_time".to_owned()
}

pub(super) fn end_time_key() -> String {
    "aggr._end_time".to_owned()
}

fn prefix() -> String {
    "aggr._".to_owned()
}

fn count_name() -> String {
    "count".to_owned()
}

fn sum_name() -> String {
    "sum".to_owned()
}

fn histogram_name() -> String {
    "histogram".to_owned()
}

fn block() -> WhenExceeds {
    WhenExceeds::Block
}

impl Action {
    /// Reads `action`: a map with one name and its settings, which may be empty.
    pub(super) fn read(settings: &Settings) -> Result<Action, ConfigError> {
        let help = || format!("write one of {}", NAMES.join(", "));
        let Some(action) = settings.get("action") else {
            return Err(settings.problem("action", "it is missing").with_help(help()));
        };
        let entries = action.entries();
        let [(name, inner)] = entries.as_slice() else {
            let problem = "it must be a map with the name of one action";
            return Err(settings.problem("action", problem).with_help(help()));
        };
        let at = format!("action.{name}");
        Ok(match *name {
            "remove_duplicates" => read::<Nothing>(inner).map(|_| Action::RemoveDuplicates)?,
            "put_all" => read::<Nothing>(inner).map(|_| Action::PutAll)?,
            "append" => Action::Append(read(inner)?),
            "count" => Action::Count(read(inner)?),
            "sum" => Action::Sum(read(inner)?),
            "histogram" => {
                let mut histogram: Histogram = read(inner)?;
                histogram.bounds = bounds(&histogram.buckets)
                    .map_err(|problem| settings.problem(&format!("{at}.buckets"), problem))?;
                Action::Histogram(Box::new(histogram))
            }
            "percent_sampler" => {
                let mut sampler: Percent = read(inner)?;
                sampler.millionths = millionths(&sampler.percent)
                    .map_err(|problem| settings.problem(&format!("{at}.percent"), problem))?;
                Action::PercentSampler(sampler)
            }
            "rate_limiter" => {
                let limiter: RateLimiter = read(inner)?;
                if limiter.events_per_second == 0 {
                    return Err(settings.problem(&format!("{at}.events_per_second"), "it is 0"));
                }
                Action::RateLimiter(limiter)
            }
            "tail_sampler" => {
                let mut sampler: TailSampler = read(inner)?;
                sampler.millionths = millionths(&sampler.percent)
                    .map_err(|problem| settings.problem(&format!("{at}.percent"), problem))?;
                Action::TailSampler(sampler)
            }
            name => {
                let near = pipeline::nearest(name, NAMES);
                let help = near.map_or_else(help, |it| format!("did you mean `{it}`?"));
                let problem = format!("there is no action `{name}`");
                return Err(settings.problem(&at, problem).with_help(help));
            }
        })
    }
}

/// Reads settings that may be left empty.
fn read<T: DeserializeOwned>(settings: &Settings) -> Result<T, ConfigError> {
    if settings.shape() != Shape::Empty {
        return settings.read();
    }
    let empty = Settings::from_yaml("{}")?;
    empty.read().map_err(|error| settings.problem("", error.to_string()))
}

/// Bounds of buckets, upwards.
fn bounds(buckets: &[Value]) -> Result<Vec<Decimal>, String> {
    if buckets.is_empty() || BUCKETS_MAX < buckets.len() {
        return Err(format!("it must have 1 to {BUCKETS_MAX} bounds"));
    }
    let read = |it: &Value| match it {
        Value::Number(number) => Decimal::parse(number.as_str()),
        _ => None,
    };
    let bounds: Option<Vec<Decimal>> = buckets.iter().map(read).collect();
    let mut bounds = bounds.ok_or("each must be a number")?;
    bounds.sort_unstable();
    bounds.dedup();
    Ok(bounds)
}

/// A percentage, more than 0 and less than 100.
fn millionths(percent: &Value) -> Result<u64, String> {
    let Value::Number(number) = percent else { return Err("it must be a number".to_owned()) };
    let hundred = Decimal::from(100u64);
    let percent = Decimal::parse(number.as_str()).filter(|it| Decimal::ZERO < *it && *it < hundred);
    let percent = percent.ok_or("it must be more than 0 and less than 100")?;
    let millionths = percent.times(Decimal::from(10_000u64)).map(Decimal::to_f64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is more than 0 and less than a million"
    )]
    Ok(millionths.unwrap_or_default() as u64)
}
