//! A table as `_cat` shows it: `v` for the names of the columns, `h` to choose, `s` to sort. Pure.

use search::{Failure, Result, matches_wildcard};
use serde_json::{Map, Value};

use super::super::{answer::Answer, call::Call};

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    name: &'static str,
    short: &'static str,
    /// Numbers stand at the right.
    is_right: bool,
}

/// A column of text.
pub(super) const fn left(name: &'static str, short: &'static str) -> Column {
    Column { name, short, is_right: false }
}

/// A column of numbers.
pub(super) const fn right(name: &'static str, short: &'static str) -> Column {
    Column { name, short, is_right: true }
}

/// Columns and rows.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[Column]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        assert_eq!(N, self.columns.len(), "a row has a cell for each column");
        self.rows.push(cells.into());
    }

    /// As `call` wants it.
    pub(super) fn answer(mut self, call: &Call) -> Result<Answer> {
        if call.flag("help", false)? {
            let lines =
                self.columns.iter().map(|it| format!("{} | {} | {}\n", it.name, it.short, it.name));
            return Ok(Answer::text(lines.collect()));
        }
        if let Some(order) = call.param("s") {
            self.sort(order)?;
        }
        let chosen = match call.param("h") {
            None => (0..self.columns.len()).collect(),
            Some(names) => self.choose(names),
        };
        match call.param("format") {
            Some("json") => {
                let rows: Vec<Map<String, Value>> = self
                    .rows
                    .iter()
                    .map(|row| {
                        let cells = chosen.iter().map(|it| {
                            (self.columns[*it].name.to_owned(), Value::from(row[*it].as_str()))
                        });
                        cells.collect()
                    })
                    .collect();
                Ok(Answer::json(&rows))
            }
            None | Some("text") => Ok(Answer::text(self.text(&chosen, call.flag("v", false)?))),
            Some(other) => Err(Failure::illegal_argument(format!(
                "[format] [{other}] is not supported by this endpoint; use text or json"
            ))),
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|it| it.name == name || it.short == name && !name.is_empty())
    }

    fn choose(&self, names: &str) -> Vec<usize> {
        let names = names.split(',');
        let chosen = names.flat_map(|name| if let Some(at) = self.find(name) { vec![at] } else {
            let all = 0..self.columns.len();
            all.filter(|it| {
                name.contains('*') && matches_wildcard(name, self.columns[*it].name)
            })
            .collect()
        });
        chosen.collect()
    }

    fn sort(&mut self, order: &str) -> Result<()> {
        let mut keys = Vec::new();
        for part in order.split(',') {
            let (name, direction) = part.split_once(':').unwrap_or((part, "asc"));
            let at = self.find(name).ok_or_else(|| {
                Failure::new(
                    500,
                    "unsupported_operation_exception",
                    format!("Unable to sort by unknown sort key `{name}`"),
                )
            })?;
            keys.push((at, direction == "desc"));
        }
        self.rows.sort_by(|left, right| {
            let by_keys = keys.iter().map(|(at, descending)| {
                let order = match (left[*at].parse::<f64>(), right[*at].parse::<f64>()) {
                    (Ok(left), Ok(right)) => left.total_cmp(&right),
                    _ => left[*at].cmp(&right[*at]),
                };
                if *descending { order.reverse() } else { order }
            });
            by_keys.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        Ok(())
    }

    fn text(&self, chosen: &[usize], with_names: bool) -> String {
        let names: Vec<String> = self.columns.iter().map(|it| it.name.to_owned()).collect();
        let rows: Vec<&Vec<String>> =
            with_names.then_some(&names).into_iter().chain(&self.rows).collect();
        let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = chosen.iter().map(|it| width(*it)).collect();
        let mut out = String::new();
        for row in rows {
            let cells: Vec<String> = chosen
                .iter()
                .zip(&widths)
                .map(|(at, width)| if self.columns[*at].is_right { format!("{:>width$}", row[*at]) } else { format!("{:<width$}", row[*at]) })
                .collect();
            out.push_str(&cells.join(" "));
            out.push('\n');
        }
        out
    }
}

/// Bytes as people read them, or in the unit that was asked for.
pub(super) fn size(bytes: u64, unit: Option<&str>) -> String {
    let divisor = match unit {
        None => return human(bytes),
        Some("b") => 1,
        Some("k" | "kb") => 1 << 10,
        Some("m" | "mb") => 1 << 20,
        _ => 1 << 30,
    };
    (bytes / divisor).to_string()
}

fn human(bytes: u64) -> String {
    for (unit, size) in [("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
        if size <= bytes {
            let tenths = bytes * 10 / size;
            return if tenths.is_multiple_of(10) {
                format!("{}{unit}", tenths / 10)
            } else {
                format!("{}.{}{unit}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{bytes}b")
}

#[cfg(test)]
mod tests {
    use super::super::super::{answer::Body, call};
    use super::*;

    fn shown(query: &str) -> String {
        let mut table = Table::new(&[left("index", "i"), right("docs.count", "dc")]);
        table.row(["books".into(), "12".into()]);
        table.row(["cars".into(), "3".into()]);
        let call = Call { params: call::params(query), ..Call::default() };
        match table.answer(&call).unwrap().body {
            Body::Text(text) | Body::Json(text) => text,
            Body::Empty => String::new(),
        }
    }

    #[test]
    fn a_table_is_shown_as_asked() {
        for (query, text) in [
            ("", "books 12\ncars   3\n"),
            ("v", "index docs.count\nbooks         12\ncars           3\n"),
            ("h=dc,i", "12 books\n 3 cars \n"),
            ("s=dc&h=index", "cars \nbooks\n"),
            ("s=index:desc&h=i", "cars \nbooks\n"),
            ("format=json&h=i", r#"[{"index":"books"},{"index":"cars"}]"#),
        ] {
            assert_eq!(shown(query), text, "{query}");
        }
    }

    #[test]
    fn sizes_are_rounded_for_people() {
        for (bytes, unit, text) in [
            (208, None, "208b"),
            (1536, None, "1.5kb"),
            (2 << 20, None, "2mb"),
            (1536, Some("b"), "1536"),
            (1536, Some("kb"), "1"),
        ] {
            assert_eq!(size(bytes, unit), text);
        }
    }
}
