//! What an expression says, with its placeholders still in place. Pure.
//!
//! Printing gives a text with the same meaning.

use std::fmt;

/// A place in an item: `a.b[2]`. Before binding its names may be placeholders, `#a`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(pub(crate) Vec<Step>);

/// One step of a path. The first is always a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Name(String),
    Index(usize),
}

impl Path {
    /// The attribute it begins with.
    pub(crate) fn attribute(&self) -> &str {
        match self.0.first() {
            Some(Step::Name(name)) => name,
            _ => "",
        }
    }

    /// As DynamoDB's messages write it: `[a, b, [2]]`.
    pub(crate) fn listed(&self) -> String {
        let steps: Vec<String> = self
            .0
            .iter()
            .map(|step| match step {
                Step::Name(name) => name.clone(),
                Step::Index(index) => format!("[{index}]"),
            })
            .collect();
        format!("[{}]", steps.join(", "))
    }
}

/// Something that has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Path(Path),
    /// `:v`.
    Value(String),
    Call(Call),
    /// `a + b`, `a - b`: only in updates.
    Sum(Box<Operand>, Sign, Box<Operand>),
}

/// A function and what it is called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) function: String,
    pub(crate) arguments: Vec<Operand>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Plus,
    Minus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Comparator::Equal => "=",
            Comparator::NotEqual => "<>",
            Comparator::Less => "<",
            Comparator::LessOrEqual => "<=",
            Comparator::Greater => ">",
            Comparator::GreaterOrEqual => ">=",
        }
    }

    pub(crate) fn of_symbol(symbol: &str) -> Option<Comparator> {
        Some(match symbol {
            "=" => Comparator::Equal,
            "<>" => Comparator::NotEqual,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            _ => return None,
        })
    }
}

/// Something that is true or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Logic {
    Or(Box<Logic>, Box<Logic>),
    And(Box<Logic>, Box<Logic>),
    Not(Box<Logic>),
    Compare(Operand, Comparator, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Call(Call),
}

/// The four parts of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sections {
    pub(crate) set: Vec<(Path, Operand)>,
    pub(crate) remove: Vec<Path>,
    pub(crate) add: Vec<(Path, String)>,
    pub(crate) delete: Vec<(Path, String)>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Name(name) if at == 0 => write!(f, "{name}")?,
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Path(path) => write!(f, "{path}"),
            Operand::Value(name) => write!(f, "{name}"),
            Operand::Call(call) => write!(f, "{call}"),
            Operand::Sum(left, sign, right) => {
                let nested = |it: &Operand| match it {
                    Operand::Sum(..) => format!("({it})"),
                    _ => it.to_string(),
                };
                let sign = if *sign == Sign::Plus { '+' } else { '-' };
                write!(f, "{} {sign} {}", nested(left), nested(right))
            }
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.function, listed(&self.arguments))
    }
}

impl fmt::Display for Logic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parentheses where the grammar needs them: around what binds less tightly.
        let nested = |it: &Logic, outer: u8, is_right: bool| {
            let inner = it.tightness();
            if inner < outer || (is_right && inner == outer) {
                format!("({it})")
            } else {
                it.to_string()
            }
        };
        match self {
            Logic::Or(a, b) => write!(f, "{} OR {}", nested(a, 0, false), nested(b, 0, true)),
            Logic::And(a, b) => write!(f, "{} AND {}", nested(a, 1, false), nested(b, 1, true)),
            Logic::Not(it) => write!(f, "NOT {}", nested(it, 2, false)),
            Logic::Compare(a, comparator, b) => write!(f, "{a} {} {b}", comparator.symbol()),
            Logic::Between(it, low, high) => write!(f, "{it} BETWEEN {low} AND {high}"),
            Logic::In(it, list) => write!(f, "{it} IN ({})", listed(list)),
            Logic::Call(call) => write!(f, "{call}"),
        }
    }
}

impl Logic {
    fn tightness(&self) -> u8 {
        match self {
            Logic::Or(..) => 0,
            Logic::And(..) => 1,
            Logic::Not(..) => 2,
            _ => 3,
        }
    }
}

impl fmt::Display for Sections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sections { set, remove, add, delete } = self;
        let pairs = |keyword: &str, pairs: &[(Path, String)]| {
            let pairs: Vec<_> =
                pairs.iter().map(|(path, value)| format!("{path} {value}")).collect();
            (!pairs.is_empty()).then(|| format!("{keyword} {}", pairs.join(", ")))
        };
        let set: Vec<_> = set.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        let sections = [
            (!set.is_empty()).then(|| format!("SET {}", set.join(", "))),
            (!remove.is_empty()).then(|| format!("REMOVE {}", listed(remove))),
            pairs("ADD", add),
            pairs("DELETE", delete),
        ];
        write!(f, "{}", sections.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

fn listed(parts: &[impl fmt::Display]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
