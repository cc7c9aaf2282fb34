//! What becomes of the events of a group. Pure.

use std::{collections::HashSet, mem, time::Duration};

use pipeline::{Decimal, Document, Event, Map, ProcessError, Timestamp, Value};

pub(super) use super::config::Action;
use super::config::{
    Append, Counting, Histogram, Output, Percent, RateLimiter, Sum, end_time_key, start_time_key,
};
use crate::parts::{Key, Second, date::utc, describe, open};

/// How many different values `unique_keys` remembers in a group.
const UNIQUE_MAX: usize = 100_000;
/// How many events `tail_sampler` keeps of a group; the others follow its decision with them.
const KEPT_MAX: usize = 100_000;

/// What is known of a group; each action uses what it needs.
#[derive(Debug, Default)]
pub(super) struct Memory {
    n: u64,
    n_passed: u64,
    second: Second,
    seen: HashSet<String>,
    /// The last event, with the fields of all.
    event: Option<Event>,
    events: Vec<Event>,
    is_wanted: bool,
    sum: Option<Decimal>,
    min: Option<Decimal>,
    max: Option<Decimal>,
    buckets: Vec<u64>,
}

/// What becomes of one event.
pub(super) enum Verdict {
    GoesOn(Event, Duration),
    Ends,
    Kept,
    Failed(Event, ProcessError),
}

impl Action {
    /// How long after its last event a group ends, if that is what ends it.
    pub(super) fn wait_period(&self) -> Option<Duration> {
        match self {
            Action::TailSampler(sampler) => Some(sampler.wait_period),
            _ => None,
        }
    }

    /// Whether events become part of their group, rather than go on or end at once.
    pub(super) fn keeps(&self) -> bool {
        !matches!(
            self,
            Action::RemoveDuplicates | Action::PercentSampler(_) | Action::RateLimiter(_)
        )
    }

    /// What becomes of an event, which is open.
    pub(super) fn take(&self, mut event: Event, memory: &mut Memory, now: Timestamp) -> Verdict {
        let key = match self {
            Action::Sum(Sum { key, .. }) => Some(key),
            Action::Histogram(it) => Some(&it.key),
            _ => None,
        };
        let number = match key.map(|key| (key, number(key, &mut event))) {
            None => Decimal::ZERO,
            Some((_, Ok(Some(number)))) => number,
            Some((_, Ok(None))) => return Verdict::GoesOn(event, Duration::ZERO),
            Some((key, Err(problem))) => {
                let error = ProcessError(format!("`{key}` is {problem}, not a number"));
                return Verdict::Failed(event, error);
            }
        };
        memory.n += 1;
        match self {
            Action::RemoveDuplicates => match memory.n {
                1 => Verdict::GoesOn(event, Duration::ZERO),
                _ => Verdict::Ends,
            },
            Action::PutAll => memory.keep(event, Extend::extend),
            Action::Append(append) => memory.keep(event, |old, new| append.append(old, new)),
            Action::Count(count) => {
                if !count.unique_keys.is_empty()
                    && let Ok(fields) = open(&mut event)
                {
                    let values = count.unique_keys.iter().map(|it| it.get(fields).cloned());
                    let values = values.map(Option::unwrap_or_default).collect();
                    let is_new = memory.seen.len() < UNIQUE_MAX
                        && memory.seen.insert(Value::List(values).to_string());
                    memory.n -= u64::from(!is_new);
                }
                Verdict::Kept
            }
            Action::Sum(_) => match memory.add(number) {
                Ok(()) => Verdict::Kept,
                Err(error) => Verdict::Failed(event, error),
            },
            Action::Histogram(histogram) => match memory.add(number) {
                Ok(()) => {
                    memory.buckets.resize(histogram.bounds.len() + 1, 0);
                    let bucket = histogram.bounds.iter().take_while(|it| **it <= number).count();
                    memory.buckets[bucket] += 1;
                    Verdict::Kept
                }
                Err(error) => Verdict::Failed(event, error),
            },
            Action::PercentSampler(Percent { millionths, .. }) => {
                let share = u128::from(memory.n_passed + 1) * 1_000_000;
                if share <= u128::from(*millionths) * u128::from(memory.n) {
                    memory.n_passed += 1;
                    Verdict::GoesOn(event, Duration::ZERO)
                } else {
                    Verdict::Ends
                }
            }
            Action::RateLimiter(RateLimiter { events_per_second, when_exceeds }) => {
                match memory.second.admit(*events_per_second, *when_exceeds, now) {
                    Some(wait) => Verdict::GoesOn(event, wait),
                    None => Verdict::Ends,
                }
            }
            Action::TailSampler(sampler) => {
                if KEPT_MAX <= memory.events.len() {
                    memory.n -= 1;
                    let error = format!("its group has {KEPT_MAX} events already");
                    return Verdict::Failed(event, ProcessError(error));
                }
                memory.is_wanted |= match &sampler.condition {
                    Some(condition) => condition.holds(&mut event).unwrap_or(false),
                    None => false,
                };
                memory.events.push(event);
                Verdict::Kept
            }
        }
    }

    /// What a group gives at its end.
    pub(super) fn conclude(
        &self,
        name: &str,
        keys: Map,
        memory: Memory,
        started: Timestamp,
        now: Timestamp,
    ) -> Vec<Event> {
        if memory.n == 0 {
            return Vec::new();
        }
        let fields = match self {
            Action::RemoveDuplicates | Action::PercentSampler(_) | Action::RateLimiter(_) => {
                return Vec::new();
            }
            Action::PutAll | Action::Append(_) => return memory.event.into_iter().collect(),
            Action::TailSampler(sampler) => {
                let goes_on = memory.is_wanted || hash(name) % 1_000_000 < sampler.millionths;
                return if goes_on { memory.events } else { Vec::new() };
            }
            Action::Count(count) => count.fields(keys, &memory, started, now),
            Action::Sum(sum) => sum.fields(keys, &memory, started, now),
            Action::Histogram(histogram) => histogram.fields(keys, &memory, started, now),
        };
        vec![Event { document: Document::Fields(fields), ..Event::default() }]
    }
}

impl Memory {
    fn keep(&mut self, mut event: Event, merge: impl FnOnce(&mut Map, Map)) -> Verdict {
        if let Some(mut before) = self.event.take()
            && let (Ok(old), Ok(new)) = (open(&mut before), open(&mut event))
        {
            let fields = mem::take(new);
            merge(old, fields);
            mem::swap(old, new);
        }
        self.event = Some(event);
        Verdict::Kept
    }

    fn add(&mut self, number: Decimal) -> Result<(), ProcessError> {
        let Some(sum) = self.sum.unwrap_or(Decimal::ZERO).plus(number) else {
            self.n -= 1;
            return Err(ProcessError("the sum has more than 38 digits".to_owned()));
        };
        self.sum = Some(sum);
        self.min = Some(self.min.map_or(number, |it| it.min(number)));
        self.max = Some(self.max.map_or(number, |it| it.max(number)));
        Ok(())
    }
}

impl Append {
    fn append(&self, old: &mut Map, new: Map) {
        let is_meant =
            |name: &String| self.keys_to_append.is_empty() || self.keys_to_append.contains(name);
        for (name, value) in new.into_iter().filter(|(name, _)| is_meant(name)) {
            match (old.get_mut(&name), value) {
                (None, _) => {}
                (Some(Value::List(values)), Value::List(more)) => values.extend(more),
                (Some(Value::List(values)), one) => values.push(one),
                (Some(there), one) if *there == one => {}
                (Some(there), Value::List(more)) => {
                    let first = mem::take(there);
                    *there = Value::List([first].into_iter().chain(more).collect());
                }
                (Some(there), one) => *there = Value::List(vec![mem::take(there), one]),
            }
        }
    }
}

impl Counting {
    fn fields(&self, keys: Map, memory: &Memory, started: Timestamp, now: Timestamp) -> Map {
        let mut fields = keys;
        if self.output_format == Output::Raw {
            set(&mut fields, &self.count_key, memory.n.into());
            set(&mut fields, &self.start_time_key, time(started));
            set(&mut fields, &self.end_time_key, time(now));
            return fields;
        }
        let value = Decimal::from(memory.n);
        metric(&mut fields, &self.metric_name, "Number of events", "SUM", "1", started, now);
        set(&mut fields, "isMonotonic", true.into());
        set(&mut fields, "value", double(value));
        fields
    }
}

impl Sum {
    fn fields(&self, keys: Map, memory: &Memory, started: Timestamp, now: Timestamp) -> Map {
        let mut fields = keys;
        let sum = memory.sum.unwrap_or(Decimal::ZERO);
        if self.output_format == Output::Raw {
            set(&mut fields, "aggr._sum", exact(sum));
            set(&mut fields, &self.count_key, memory.n.into());
            set(&mut fields, &start_time_key(), time(started));
            set(&mut fields, &end_time_key(), time(now));
            return fields;
        }
        metric(&mut fields, &self.metric_name, "Sum of the events", "SUM", "1", started, now);
        set(&mut fields, "isMonotonic", true.into());
        set(&mut fields, "value", double(sum));
        fields
    }
}

impl Histogram {
    fn fields(&self, keys: Map, memory: &Memory, started: Timestamp, now: Timestamp) -> Map {
        let mut fields = keys;
        let sum = memory.sum.unwrap_or(Decimal::ZERO);
        let counts: Vec<Value> = memory.buckets.iter().map(|it| (*it).into()).collect();
        let bounds: Vec<Value> = self.bounds.iter().map(|it| double(*it)).collect();
        let key = Value::from(self.key.to_string());
        let min_max = [("min", memory.min), ("max", memory.max)];
        let min_max = min_max.into_iter().filter(|_| self.record_minmax);
        if self.output_format == Output::Raw {
            let mut add = |name: &str, value: Value| {
                set(&mut fields, &format!("{}{name}", self.generated_key_prefix), value);
            };
            add("key", key);
            add("buckets", Value::List(bounds));
            add("bucket_counts", Value::List(counts));
            add("count", memory.n.into());
            add("sum", exact(sum));
            min_max.for_each(|(name, it)| add(name, it.map_or(Value::Null, exact)));
            add("startTime", time(started));
            add("endTime", time(now));
            return fields;
        }
        let description = format!("Histogram of {} in the events", self.key);
        metric(
            &mut fields,
            &self.metric_name,
            &description,
            "HISTOGRAM",
            &self.units,
            started,
            now,
        );
        set(&mut fields, "key", key);
        set(&mut fields, "count", memory.n.into());
        set(&mut fields, "sum", double(sum));
        min_max.for_each(|(name, it)| set(&mut fields, name, it.map_or(Value::Null, double)));
        set(&mut fields, "bucketCounts", (counts.len() as u64).into());
        set(&mut fields, "bucketCountsList", Value::List(counts));
        set(&mut fields, "explicitBoundsCount", (bounds.len() as u64).into());
        set(&mut fields, "explicitBounds", Value::List(bounds));
        fields
    }
}

/// What all metrics have.
fn metric(
    fields: &mut Map,
    name: &str,
    description: &str,
    kind: &str,
    unit: &str,
    started: Timestamp,
    now: Timestamp,
) {
    set(fields, "name", name.into());
    set(fields, "description", description.into());
    set(fields, "kind", kind.into());
    set(fields, "unit", unit.into());
    set(fields, "aggregationTemporality", "AGGREGATION_TEMPORALITY_DELTA".into());
    set(fields, "startTime", time(started));
    set(fields, "time", time(now));
}

fn set(fields: &mut Map, name: &str, value: Value) {
    fields.insert(name.to_owned(), value);
}

fn time(at: Timestamp) -> Value {
    Value::String(utc(at).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// All its digits.
fn exact(number: Decimal) -> Value {
    number.to_string().parse().map_or(Value::Null, Value::Number)
}

/// All its digits, and a point.
fn double(number: Decimal) -> Value {
    let text = number.to_string();
    let text = if text.contains(['.', 'e', 'E']) { text } else { format!("{text}.0") };
    text.parse().map_or(Value::Null, Value::Number)
}

/// The number of a field; `None` if it is missing or null; `Err` with what it is.
fn number(key: &Key, event: &mut Event) -> Result<Option<Decimal>, &'static str> {
    let fields = open(event).map_err(|_| "in a document that cannot be read")?;
    match key.get(fields) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            Decimal::parse(number.as_str()).map(Some).ok_or("a number of more than 38 digits")
        }
        Some(Value::String(text)) => Decimal::parse(text.trim()).map(Some).ok_or("a text"),
        Some(other) => Err(describe(other)),
    }
}

/// FNV-1a: the same on every machine and after every restart.
fn hash(text: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    text.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
