//! An expression as a tree, and how it is written down again. Pure.

use std::{fmt, ops::Range};

use fancy_regex::Regex;
use pipeline::Decimal;

use crate::{functions::Function, lexer::escape, pointer::Pointer};

/// A part of an expression, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Literal(Literal),
    /// The value of a field. `bare` if it is written without quotes: some functions insist.
    Field {
        pointer: Pointer,
        bare: bool,
    },
    /// Literals in braces.
    Set(Vec<Literal>),
    Not(Box<Node>),
    Minus(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    Calculate(Calculation, Box<Node>, Box<Node>),
    Matches {
        text: Box<Node>,
        pattern: Pattern,
        wanted: bool,
    },
    IsOneOf {
        value: Box<Node>,
        set: Vec<Literal>,
        wanted: bool,
    },
    HasType(Box<Node>, Type),
    Call {
        name: String,
        function: Option<&'static Function>,
        arguments: Vec<Node>,
    },
}

/// A value written down.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
}

/// The right-hand side of `=~`.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// Written down, and compiled unless it is no regular expression.
    Fixed { source: String, regex: Option<Regex> },
    /// The value of a field, compiled each time.
    Field(Pointer),
}

macro_rules! operators {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $text:literal)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($variant),* }

        impl $name {
            pub(crate) const ALL: &[($name, &str)] = &[$(($name::$variant, $text)),*];

            pub(crate) fn named(text: &str) -> Option<$name> {
                $name::ALL.iter().find(|(_, name)| *name == text).map(|(it, _)| *it)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $($name::$variant => f.write_str($text)),* }
            }
        }
    };
}

operators! {
    /// What gives true or false.
    Comparison { Equal "==" Unequal "!=" Less "<" LessOrEqual "<=" Greater ">" GreaterOrEqual ">=" }
}

operators! {
    /// What gives a number, or joins two texts.
    Calculation { Add "+" Subtract "-" Multiply "*" Divide "/" Remainder "%" }
}

operators! {
    /// What `typeof` knows. `number` is ours.
    Type {
        Integer "integer" Boolean "boolean" BigDecimal "big_decimal" Long "long" Double "double"
        String "string" Map "map" Array "array"
    }
}

impl Node {
    /// Whether its value, if it has one, is true or false and nothing else.
    pub(crate) fn is_condition(&self) -> bool {
        match &self.kind {
            Kind::Literal(literal) => matches!(literal, Literal::Bool(_)),
            Kind::Not(_) | Kind::And(..) | Kind::Or(..) | Kind::Compare(..) => true,
            Kind::Matches { .. } | Kind::IsOneOf { .. } | Kind::HasType(..) => true,
            Kind::Field { .. } | Kind::Set(_) | Kind::Call { .. } => false,
            Kind::Minus(_) | Kind::Calculate(..) => false,
        }
    }

    /// Whether it always has a value, whatever the event.
    pub(crate) fn never_fails(&self) -> bool {
        match &self.kind {
            Kind::Literal(_) | Kind::Field { .. } | Kind::Set(_) => true,
            Kind::Not(inner) | Kind::HasType(inner, _) => inner.never_fails(),
            Kind::And(a, b) | Kind::Or(a, b) | Kind::Compare(_, a, b) => {
                a.never_fails() && b.never_fails()
            }
            Kind::Matches { text, .. } => text.never_fails(),
            Kind::IsOneOf { value, set, .. } => value.never_fails() && !is_mixed(set),
            Kind::Minus(_) | Kind::Calculate(..) | Kind::Call { .. } => false,
        }
    }

    /// Calls `visit` with this node and all below it.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Node)) {
        visit(self);
        match &self.kind {
            Kind::Literal(_) | Kind::Field { .. } | Kind::Set(_) => {}
            Kind::Not(inner) | Kind::Minus(inner) | Kind::HasType(inner, _) => inner.walk(visit),
            Kind::Matches { text: inner, .. } | Kind::IsOneOf { value: inner, .. } => {
                inner.walk(visit);
            }
            Kind::And(a, b)
            | Kind::Or(a, b)
            | Kind::Compare(_, a, b)
            | Kind::Calculate(_, a, b) => {
                a.walk(visit);
                b.walk(visit);
            }
            Kind::Call { arguments, .. } => arguments.iter().for_each(|it| it.walk(visit)),
        }
    }
}

/// Whether a set holds values of different kinds, which Data Prepper refuses when it evaluates it.
pub(crate) fn is_mixed(set: &[Literal]) -> bool {
    let mut kinds = set.iter().filter_map(|literal| match literal {
        Literal::Null => None,
        Literal::Bool(_) => Some('b'),
        Literal::Number(_) => Some('n'),
        Literal::Text(_) => Some('t'),
    });
    let first = kinds.next();
    kinds.any(|kind| Some(kind) != first)
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("null"),
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Number(number) => write!(f, "{}", Written(*number)),
            Literal::Text(text) => {
                let quotes = if text.starts_with('/') { "\"\"\"" } else { "\"" };
                f.write_str(quotes)?;
                escape(text, f)?;
                f.write_str(quotes)
            }
        }
    }
}

/// A number as the language writes it: an exponent needs a fraction before it.
struct Written(Decimal);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.0.to_string();
        match plain.split_once('E') {
            None => f.write_str(&plain),
            Some((digits, exponent)) => {
                write!(f, "{digits}.0E{}", exponent.strip_prefix('+').unwrap_or(exponent))
            }
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = |wanted: bool| if wanted { "" } else { "not " };
        match &self.kind {
            Kind::Literal(literal) => write!(f, "{literal}"),
            Kind::Field { pointer, bare: true } => write!(f, "{pointer}"),
            Kind::Field { pointer, bare: false } => write_quoted_pointer(pointer, f),
            Kind::Set(literals) => write_set(literals, f),
            Kind::Not(inner) => write!(f, "not {}", Part(inner)),
            Kind::Minus(inner) => write!(f, "-{}", Part(inner)),
            Kind::And(a, b) => write!(f, "{} and {}", Part(a), Part(b)),
            Kind::Or(a, b) => write!(f, "{} or {}", Part(a), Part(b)),
            Kind::Compare(how, a, b) => write!(f, "{} {how} {}", Part(a), Part(b)),
            Kind::Calculate(how, a, b) => write!(f, "{} {how} {}", Part(a), Part(b)),
            Kind::Matches { text, pattern, wanted } => {
                let operator = if *wanted { "=~" } else { "!~" };
                write!(f, "{} {operator} {pattern}", Part(text))
            }
            Kind::IsOneOf { value, set, wanted: is } => {
                write!(f, "{} {}in ", Part(value), wanted(*is))?;
                write_set(set, f)
            }
            Kind::HasType(inner, kind) => write!(f, "{} typeof {kind}", Part(inner)),
            Kind::Call { name, arguments, .. } => {
                write!(f, "{name}(")?;
                let arguments: Vec<Argument<'_>> = arguments.iter().map(Argument).collect();
                write_list(&arguments, f)?;
                f.write_str(")")
            }
        }
    }
}

/// An argument. A quoted pointer by itself would be read as a text.
struct Argument<'a>(&'a Node);

impl fmt::Display for Argument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Field { bare: false, .. } => write!(f, "({})", self.0),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// A part of a larger expression, in parentheses unless it needs none anywhere.
struct Part<'a>(&'a Node);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Literal(Literal::Number(number)) if *number < Decimal::ZERO => {
                write!(f, "({})", self.0)
            }
            Kind::Literal(_) | Kind::Field { .. } | Kind::Set(_) | Kind::Call { .. } => {
                write!(f, "{}", self.0)
            }
            _ => write!(f, "({})", self.0),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Fixed { source, .. } if source.starts_with('/') => {
                write!(f, "\"\"\"{source}\"\"\"")
            }
            Pattern::Fixed { source, .. } => write!(f, "\"{source}\""),
            Pattern::Field(pointer) => write!(f, "{pointer}"),
        }
    }
}

fn write_quoted_pointer(pointer: &Pointer, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    escape(&pointer.to_string(), f)?;
    f.write_str("\"")
}

fn write_set(literals: &[Literal], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("{")?;
    write_list(literals, f)?;
    f.write_str("}")
}

fn write_list<T: fmt::Display>(items: &[T], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    items
        .iter()
        .enumerate()
        .try_for_each(|(n, item)| write!(f, "{}{item}", if n == 0 { "" } else { ", " }))
}
