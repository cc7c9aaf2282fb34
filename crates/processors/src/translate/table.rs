//! What to set for which value. Pure.

use std::{collections::HashMap, sync::Arc};

use pipeline::{ProcessError, Value, compare_numbers};

use crate::parts::{Pattern, Type, convert, text_of};

/// Single values, ranges of numbers, and patterns; asked in this order.
#[derive(Default)]
pub(super) struct Table {
    single: HashMap<String, Arc<Value>>,
    ranges: Vec<Range>,
    patterns: Vec<(Pattern, Value, bool)>,
}

struct Range {
    from: String,
    to: String,
    value: Arc<Value>,
}

impl Table {
    /// Adds a value for `a`, for each of `a,b`, or for the numbers in `10-20`.
    pub(super) fn add(&mut self, keys: &str, value: &Arc<Value>) -> Result<(), String> {
        for key in keys.split(',').map(str::trim) {
            match range(key) {
                Some((from, to)) => {
                    if compare_numbers(from, to).is_none_or(std::cmp::Ordering::is_gt) {
                        return Err(format!("the range `{key}` ends before it begins"));
                    }
                    let overlaps = |it: &Range| {
                        compare_numbers(from, &it.to).is_some_and(std::cmp::Ordering::is_le)
                            && compare_numbers(&it.from, to).is_some_and(std::cmp::Ordering::is_le)
                    };
                    if let Some(other) = self.ranges.iter().find(|it| overlaps(it)) {
                        let (from, to) = (&other.from, &other.to);
                        return Err(format!("the ranges `{key}` and `{from}-{to}` overlap"));
                    }
                    let (from, to) = (from.to_owned(), to.to_owned());
                    self.ranges.push(Range { from, to, value: Arc::clone(value) });
                }
                None => {
                    if self.single.insert(key.to_owned(), Arc::clone(value)).is_some() {
                        return Err(format!("`{key}` is there twice"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds a value for what matches a pattern, all of it if `exact`.
    pub(super) fn add_pattern(
        &mut self,
        pattern: &str,
        value: Value,
        exact: bool,
    ) -> Result<(), String> {
        let pattern = Pattern::new(pattern)?;
        let pattern = if exact { pattern.whole()? } else { pattern };
        self.patterns.push((pattern, value, exact));
        Ok(())
    }

    /// What to set for `source`.
    pub(super) fn find(&self, source: &str, to: Type) -> Result<Option<Value>, ProcessError> {
        if let Some(value) = self.single.get(source) {
            return Ok(Some(Value::clone(value)));
        }
        let within = |it: &&Range| {
            compare_numbers(&it.from, source).is_some_and(std::cmp::Ordering::is_le)
                && compare_numbers(source, &it.to).is_some_and(std::cmp::Ordering::is_le)
        };
        if let Some(range) = self.ranges.iter().find(within) {
            return Ok(Some(Value::clone(&range.value)));
        }
        for (pattern, value, exact) in &self.patterns {
            if *exact {
                if pattern.is_match(source)? {
                    return Ok(Some(value.clone()));
                }
                continue;
            }
            let replaced = pattern.replace(source, |_, out| out.push_str(&text_of(value)))?;
            if let Some(text) = replaced {
                return convert(&Value::String(text), to, 0).map(Some).map_err(ProcessError);
            }
        }
        Ok(None)
    }
}

/// The two numbers of `10-20`, also of `-1.5--1`.
fn range(key: &str) -> Option<(&str, &str)> {
    let middle = 1 + key.get(1..)?.find('-')?;
    let (from, to) = (&key[..middle], &key[middle + 1..]);
    let is_number = |text: &str| text.parse::<pipeline::Number>().is_ok();
    (is_number(from) && is_number(to)).then_some((from, to))
}
