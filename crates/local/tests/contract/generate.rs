//! Random items, expressions and requests, all from one seed. Most are sound, some nearly.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Few names, so that expressions meet what is there.
const NAMES: [&str; 5] = ["a", "b", "c", "m", "l"];
const STRINGS: [&str; 6] = ["", "a", "ab", "b", "é", "10"];
const NUMBERS: [&str; 17] = [
    "0",
    "-0",
    "1",
    "1.0",
    "-1",
    "2",
    "9",
    "10",
    "0.1",
    "1e2",
    "1E-3",
    "007",
    "123456789012345678901234567890",
    "99999999999999999999999999999999999999",
    "-1e-130",
    "9.9e125",
    "0.00",
];
const NO_NUMBERS: [&str; 8] =
    ["", "x", "1e126", "1e-131", "1234567890123456789012345678901234567890.1", "1..2", "--1", "1e"];
const BINARIES: [&str; 4] = ["", "AA==", "AQI=", "gA=="];
const COMPARATORS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

pub(crate) struct Request {
    pub(crate) call: &'static str,
    pub(crate) body: Value,
}

/// Makes requests about one item, or the items of one partition.
pub(crate) struct Generator {
    pub(crate) random: Rng,
    values: Map<String, Value>,
    names: Map<String, Value>,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Generator {
        Generator { random: Rng::with_seed(seed), values: Map::new(), names: Map::new() }
    }

    /// An item without its key.
    pub(crate) fn item(&mut self) -> Map<String, Value> {
        let mut item = Map::new();
        for name in ["a", "b", "c"] {
            if self.chance(70) {
                item.insert(name.to_owned(), self.value(1));
            }
        }
        if self.chance(70) {
            item.insert("m".to_owned(), json!({ "M": self.map(1) }));
        }
        if self.chance(70) {
            item.insert("l".to_owned(), json!({ "L": self.list(1) }));
        }
        item
    }

    /// The key of an item of the partition.
    pub(crate) fn key(&mut self, partition: &str) -> Map<String, Value> {
        let number = ["0", "1", "2", "3", "-1", "1.5", "10"];
        let mut key = Map::new();
        key.insert("id".to_owned(), json!({ "S": partition }));
        key.insert("r".to_owned(), json!({ "N": self.one(&number) }));
        key
    }

    pub(crate) fn request(&mut self, partition: &str) -> Request {
        self.values.clear();
        self.names.clear();
        let mut body = Map::new();
        body.insert("TableName".to_owned(), "fuzz".into());
        let key = self.key(partition);
        let call = match self.random.u8(0..10) {
            0..4 => {
                body.insert("Key".to_owned(), key.into());
                let update = self.update();
                self.add(&mut body, "UpdateExpression", update);
                if self.chance(30) {
                    let condition = self.condition(2);
                    self.add(&mut body, "ConditionExpression", condition);
                }
                let returned = ["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"];
                body.insert("ReturnValues".to_owned(), self.one(&returned).into());
                "UpdateItem"
            }
            4..6 => {
                let mut item = self.item();
                if self.chance(10) {
                    item.insert("a".to_owned(), self.odd_value());
                }
                item.extend(key);
                body.insert("Item".to_owned(), item.into());
                let condition = self.condition(3);
                self.add(&mut body, "ConditionExpression", condition);
                "PutItem"
            }
            6 => {
                body.insert("Key".to_owned(), key.into());
                let condition = self.condition(3);
                self.add(&mut body, "ConditionExpression", condition);
                "DeleteItem"
            }
            7 => {
                body.insert("Key".to_owned(), key.into());
                let projection = self.projection();
                self.add(&mut body, "ProjectionExpression", projection);
                "GetItem"
            }
            _ => {
                let condition = self.key_condition(partition);
                self.add(&mut body, "KeyConditionExpression", condition);
                if self.chance(50) {
                    let filter = self.condition(2);
                    self.add(&mut body, "FilterExpression", filter);
                }
                if self.chance(30) {
                    let projection = self.projection();
                    self.add(&mut body, "ProjectionExpression", projection);
                }
                if self.chance(30) {
                    body.insert("Limit".to_owned(), self.random.u8(1..4).into());
                }
                body.insert("ScanIndexForward".to_owned(), self.random.bool().into());
                "Query"
            }
        };
        if self.chance(2) {
            self.values.insert(":unused".to_owned(), json!({ "S": "x" }));
        }
        for (name, entries) in
            [("ExpressionAttributeValues", &self.values), ("ExpressionAttributeNames", &self.names)]
        {
            if !entries.is_empty() {
                body.insert(name.to_owned(), entries.clone().into());
            }
        }
        Request { call, body: body.into() }
    }

    /// Adds an expression, now and then with a letter too few or a word too many.
    fn add(&mut self, body: &mut Map<String, Value>, name: &str, expression: String) {
        let mut expression = expression;
        if self.chance(3) && !expression.is_empty() {
            let letters: Vec<char> = expression.chars().collect();
            let at = self.random.usize(0..letters.len());
            let mut changed: String = letters[..at].iter().collect();
            if self.chance(50) {
                changed.push_str(self.one(&[" ", ",", "(", ")", ".", "[", "AND ", "SET ", "-"]));
                changed.push(letters[at]);
            }
            changed.extend(&letters[at + 1..]);
            expression = changed;
        }
        body.insert(name.to_owned(), expression.into());
    }

    fn value(&mut self, depth: u8) -> Value {
        let most = if depth == 0 { 8 } else { 10 };
        match self.random.u8(0..most) {
            0 | 1 => json!({ "S": self.one(&STRINGS) }),
            2 | 3 => json!({ "N": self.one(&NUMBERS) }),
            4 => json!({ "BOOL": self.random.bool() }),
            5 => json!({ "NULL": true }),
            6 => json!({ "B": self.one(&BINARIES) }),
            7 => self.set(),
            8 => json!({ "L": self.list(depth - 1) }),
            _ => json!({ "M": self.map(depth - 1) }),
        }
    }

    /// What is no value, most often.
    fn odd_value(&mut self) -> Value {
        match self.random.u8(0..8) {
            0..3 => json!({ "N": self.one(&NO_NUMBERS) }),
            3 => json!({ "SS": [] }),
            4 => json!({ "SS": ["a", "a"] }),
            5 => json!({ "NS": ["1", "1.0"] }),
            6 => json!({ "S": "a", "N": "1" }),
            _ => json!({}),
        }
    }

    fn set(&mut self) -> Value {
        match self.random.u8(0..3) {
            0 => json!({ "SS": self.some(&["a", "b", "ab"]) }),
            1 => json!({ "NS": self.some(&["1", "2", "-3.5"]) }),
            _ => json!({ "BS": self.some(&["AA==", "AQI="]) }),
        }
    }

    fn list(&mut self, depth: u8) -> Value {
        (0..self.random.usize(0..4)).map(|_| self.value(depth)).collect()
    }

    fn map(&mut self, depth: u8) -> Value {
        let names = self.some(&["a", "b", "x"]);
        let entries: Map<String, Value> =
            names.into_iter().map(|it| (it.to_owned(), self.value(depth))).collect();
        entries.into()
    }

    fn path(&mut self) -> String {
        let mut path = match self.random.u8(0..60) {
            0 => self.named("size"),
            1 => self.named("a.b"),
            2 => "name".to_owned(),
            3 => "#missing".to_owned(),
            _ => {
                let name = self.one(&NAMES);
                if self.chance(20) { self.named(name) } else { name.to_owned() }
            }
        };
        while self.chance(30) {
            if self.chance(50) {
                path.push_str(self.one(&[".a", ".b", ".x"]));
            } else {
                path.push_str(self.one(&["[0]", "[1]", "[5]"]));
            }
        }
        path
    }

    /// A name that stands for another.
    fn named(&mut self, name: &str) -> String {
        let short = format!("#n{}", self.names.len());
        self.names.insert(short.clone(), name.into());
        short
    }

    /// A word that stands for a value.
    fn given(&mut self) -> String {
        if self.chance(1) {
            return ":missing".to_owned();
        }
        let value = if self.chance(2) { self.odd_value() } else { self.value(1) };
        self.given_value(value)
    }

    fn given_value(&mut self, value: Value) -> String {
        let short = format!(":v{}", self.values.len());
        self.values.insert(short.clone(), value);
        short
    }

    /// What stands on one side of a comparison. Never on both: dynalite takes two things that are
    /// missing for equal.
    fn operand(&mut self) -> String {
        match self.random.u8(0..10) {
            0..8 => self.path(),
            _ => format!("size({})", self.path()),
        }
    }

    fn condition(&mut self, depth: u8) -> String {
        let most = if depth == 0 { 8 } else { 12 };
        match self.random.u8(0..most) {
            0..3 => {
                let comparator = self.one(&COMPARATORS);
                let (first, second) = (self.operand(), self.given());
                if self.chance(80) {
                    format!("{first} {comparator} {second}")
                } else {
                    format!("{second} {comparator} {first}")
                }
            }
            3 => format!("{} BETWEEN {} AND {}", self.operand(), self.given(), self.given()),
            4 => {
                let n_values = self.random.usize(1..4);
                let values: Vec<String> = (0..n_values).map(|_| self.given()).collect();
                format!("{} IN ({})", self.operand(), values.join(", "))
            }
            5 => {
                let function = self.one(&["attribute_exists", "attribute_not_exists"]);
                format!("{function}({})", self.path())
            }
            6 => {
                let function = self.one(&["begins_with", "contains"]);
                // dynalite finds only these in a list.
                let value = match self.random.u8(0..5) {
                    0 => json!({ "N": self.one(&NUMBERS) }),
                    1 => json!({ "B": self.one(&BINARIES) }),
                    _ => json!({ "S": self.one(&STRINGS) }),
                };
                let value = self.given_value(value);
                format!("{function}({}, {value})", self.path())
            }
            7 => {
                // No S, B and BOOL: dynalite does not see values that are empty or false.
                let kind = self.one(&["N", "SS", "NS", "BS", "L", "M", "NULL", "X"]);
                let kind = self.given_value(json!({ "S": kind }));
                format!("attribute_type({}, {kind})", self.path())
            }
            8 => {
                let condition = self.condition(depth - 1);
                // A second NOT is more than dynalite's grammar has; AWS's has it.
                let not = if condition.starts_with("NOT") { "" } else { "NOT " };
                format!("{not}{condition}")
            }
            9 => format!("({})", self.condition(depth - 1)),
            10 => format!("{} AND {}", self.condition(depth - 1), self.condition(depth - 1)),
            _ => format!("{} OR {}", self.condition(depth - 1), self.condition(depth - 1)),
        }
    }

    fn update(&mut self) -> String {
        let mut clauses = Vec::new();
        for _ in 0..self.random.usize(1..3) {
            let kind = self.random.u8(0..6);
            let actions: Vec<String> =
                (0..self.random.usize(1..3)).map(|_| self.action(kind)).collect();
            let name = ["SET", "SET", "SET", "REMOVE", "ADD", "DELETE"][usize::from(kind)];
            clauses.push(format!("{name} {}", actions.join(", ")));
        }
        clauses.join(" ")
    }

    fn action(&mut self, kind: u8) -> String {
        let path = self.path();
        match kind {
            0..3 => {
                // Nothing is copied into what it is copied from: dynalite does not survive it.
                let is_nested = path.contains(['.', '[']);
                let first = if is_nested { self.given() } else { self.set_operand() };
                if is_nested {
                    return format!("{path} = {first}");
                }
                match self.random.u8(0..6) {
                    0 => format!("{path} = {first} + {}", self.set_operand()),
                    1 => format!("{path} = {first} - {}", self.set_operand()),
                    _ => format!("{path} = {first}"),
                }
            }
            3 => path,
            4 => {
                let value =
                    if self.chance(50) { self.set() } else { json!({ "N": self.one(&NUMBERS) }) };
                let value = if self.chance(10) { self.value(1) } else { value };
                format!("{path} {}", self.given_value(value))
            }
            _ => {
                let value = if self.chance(10) { self.value(1) } else { self.set() };
                format!("{path} {}", self.given_value(value))
            }
        }
    }

    fn set_operand(&mut self) -> String {
        match self.random.u8(0..12) {
            0..4 => self.path(),
            4..7 => self.given(),
            7 | 8 => {
                let number = json!({ "N": self.one(&NUMBERS) });
                self.given_value(number)
            }
            9 => format!("if_not_exists({}, {})", self.path(), self.given()),
            10 => {
                let list = json!({ "L": self.list(1) });
                let list = self.given_value(list);
                format!("list_append({}, {list})", self.path())
            }
            _ => format!("list_append({}, {})", self.path(), self.given()),
        }
    }

    fn projection(&mut self) -> String {
        let paths: Vec<String> = (0..self.random.usize(1..4)).map(|_| self.path()).collect();
        paths.join(", ")
    }

    fn key_condition(&mut self, partition: &str) -> String {
        let id = self.given_value(json!({ "S": partition }));
        let mut parts = vec![format!("id = {id}")];
        if self.chance(70) {
            let number = |it: &mut Generator| {
                let value =
                    if it.chance(90) { json!({ "N": it.one(&NUMBERS) }) } else { it.value(1) };
                it.given_value(value)
            };
            parts.push(match self.random.u8(0..8) {
                0..5 => format!("r {} {}", self.one(&COMPARATORS), number(self)),
                5 | 6 => format!("r BETWEEN {} AND {}", number(self), number(self)),
                _ => format!("begins_with(r, {})", number(self)),
            });
        }
        if self.chance(3) {
            let path = self.path();
            parts.push(format!("{path} = {}", self.given()));
        }
        if self.chance(30) {
            parts.reverse();
        }
        parts.join(if self.chance(98) { " AND " } else { " OR " })
    }

    fn some(&mut self, of: &[&'static str]) -> Vec<&'static str> {
        let n = self.random.usize(1..=of.len());
        self.random.choose_multiple(of.iter().copied(), n)
    }

    fn one(&mut self, of: &[&'static str]) -> &'static str {
        of[self.random.usize(0..of.len())]
    }

    /// Yes in so many cases of a hundred.
    fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(0..100) < percent
    }
}
