//! Conditions and filters: whether an item is as it must be. Pure.

use wire::attribute_value::AttributeValue;

use super::{
    ExpressionError, Placeholders, Role,
    ast::{Call, Comparator, Logic, Path},
    document,
    operands::{Term, arguments, check_bounds, check_function, compare, is_ordered, place},
    parser,
};

/// How many values `IN` may be given.
const IN_OPERANDS_MAX: usize = 100;
/// The names that `attribute_type` knows.
const TYPE_NAMES: [&str; 10] = ["BOOL", "SS", "BS", "M", "S", "B", "NULL", "N", "L", "NS"];

/// Something that is true of an item, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Or(Box<Condition>, Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare(Term, Comparator, Term),
    Between(Term, Term, Term),
    In(Term, Vec<Term>),
    Exists(Path),
    NotExists(Path),
    HasType(Path, String),
    BeginsWith(Term, Term),
    Contains(Term, Term),
}

impl Condition {
    /// Reads a condition or filter.
    ///
    /// # Errors
    ///
    /// When it is none, or makes no sense.
    pub(crate) fn parse(
        role: Role,
        text: &str,
        placeholders: &mut Placeholders,
    ) -> Result<Condition, ExpressionError> {
        bind(parser::logic(role, text)?, role, placeholders)
    }

    /// Whether it is true of `item`, given as canonical JSON; of an item that does not exist, `{}`.
    pub(crate) fn holds(&self, item: &[u8]) -> bool {
        match self {
            Condition::Or(a, b) => a.holds(item) || b.holds(item),
            Condition::And(a, b) => a.holds(item) && b.holds(item),
            Condition::Not(it) => !it.holds(item),
            Condition::Compare(a, comparator, b) => match (a.value(item), b.value(item)) {
                (Some(a), Some(b)) => compare(&a, *comparator, &b),
                // What is not there differs from everything that is.
                (None, Some(_)) | (Some(_), None) => *comparator == Comparator::NotEqual,
                (None, None) => false,
            },
            Condition::Between(it, low, high) => {
                let (Some(it), Some(low), Some(high)) =
                    (it.value(item), low.value(item), high.value(item))
                else {
                    return false;
                };
                compare(&it, Comparator::GreaterOrEqual, &low)
                    && compare(&it, Comparator::LessOrEqual, &high)
            }
            Condition::In(it, list) => it
                .value(item)
                .is_some_and(|it| list.iter().any(|other| other.value(item).as_ref() == Some(&it))),
            Condition::Exists(path) => document::find_text(item, path).is_some(),
            Condition::NotExists(path) => document::find_text(item, path).is_none(),
            Condition::HasType(path, name) => {
                document::find(item, path).is_some_and(|it| it.type_name() == name)
            }
            Condition::BeginsWith(whole, start) => match (whole.value(item), start.value(item)) {
                (Some(whole), Some(start)) => begins_with(&whole, &start),
                _ => false,
            },
            Condition::Contains(whole, part) => match (whole.value(item), part.value(item)) {
                (Some(whole), Some(part)) => contains(&whole, &part),
                _ => false,
            },
        }
    }

    /// Calls `look` with every place that it looks at.
    pub(crate) fn visit_paths(&self, look: &mut impl FnMut(&Path)) {
        fn of_term(term: &Term, look: &mut impl FnMut(&Path)) {
            match term {
                Term::Path(path) => look(path),
                Term::Size(of) => of_term(of, look),
                Term::Literal(_) => {}
            }
        }
        match self {
            Condition::Or(a, b) | Condition::And(a, b) => {
                a.visit_paths(look);
                b.visit_paths(look);
            }
            Condition::Not(it) => it.visit_paths(look),
            Condition::Compare(a, _, b)
            | Condition::BeginsWith(a, b)
            | Condition::Contains(a, b) => {
                of_term(a, look);
                of_term(b, look);
            }
            Condition::Between(a, b, c) => [a, b, c].into_iter().for_each(|it| of_term(it, look)),
            Condition::In(a, list) => {
                of_term(a, look);
                list.iter().for_each(|it| of_term(it, look));
            }
            Condition::Exists(path) | Condition::NotExists(path) | Condition::HasType(path, _) => {
                look(path);
            }
        }
    }
}

fn bind(
    logic: Logic,
    role: Role,
    placeholders: &mut Placeholders,
) -> Result<Condition, ExpressionError> {
    let mut pair = |a: Logic, b: Logic| -> Result<_, ExpressionError> {
        let a = bind(a, role, placeholders)?;
        Ok((Box::new(a), Box::new(bind(b, role, placeholders)?)))
    };
    match logic {
        Logic::Or(a, b) => pair(*a, *b).map(|(a, b)| Condition::Or(a, b)),
        Logic::And(a, b) => pair(*a, *b).map(|(a, b)| Condition::And(a, b)),
        Logic::Not(it) => Ok(Condition::Not(Box::new(bind(*it, role, placeholders)?))),
        Logic::Compare(a, comparator, b) => {
            let a = Term::bind(a, role, placeholders)?;
            let b = Term::bind(b, role, placeholders)?;
            let symbol = comparator.symbol();
            if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
                let operator = format!("operator or function: {symbol}");
                a.expect_type(role, &operator, is_ordered)?;
                b.expect_type(role, &operator, is_ordered)?;
            }
            b.distinct_from(role, symbol, &a)?;
            Ok(Condition::Compare(a, comparator, b))
        }
        Logic::Between(it, low, high) => {
            let it = Term::bind(it, role, placeholders)?;
            let low = Term::bind(low, role, placeholders)?;
            let high = Term::bind(high, role, placeholders)?;
            for term in [&it, &low, &high] {
                term.expect_type(role, "operator or function: BETWEEN", is_ordered)?;
            }
            check_bounds(role, &low, &high)?;
            low.distinct_from(role, "BETWEEN", &it)?;
            high.distinct_from(role, "BETWEEN", &it)?;
            Ok(Condition::Between(it, low, high))
        }
        Logic::In(it, list) => {
            if IN_OPERANDS_MAX < list.len() {
                return Err(role.invalid(format_args!(
                    "The IN operator is provided with too many operands; number of operands: {}",
                    list.len() + 1
                )));
            }
            let it = Term::bind(it, role, placeholders)?;
            let mut terms = Vec::new();
            for operand in list {
                let term = Term::bind(operand, role, placeholders)?;
                term.distinct_from(role, "IN", &it)?;
                terms.push(term);
            }
            Ok(Condition::In(it, terms))
        }
        Logic::Call(call) => function(call, role, placeholders),
    }
}

fn function(
    call: Call,
    role: Role,
    placeholders: &mut Placeholders,
) -> Result<Condition, ExpressionError> {
    check_function(role, &call)?;
    let name = call.function.clone();
    match name.as_str() {
        "attribute_exists" | "attribute_not_exists" => {
            let [path] = arguments(role, call)?;
            let path = place(role, &name, path, placeholders)?;
            Ok(if name == "attribute_exists" {
                Condition::Exists(path)
            } else {
                Condition::NotExists(path)
            })
        }
        "attribute_type" => {
            let [path, kind] = arguments(role, call)?;
            let path = place(role, &name, path, placeholders)?;
            let kind = Term::bind(kind, role, placeholders)?;
            kind.distinct_from(role, &name, &Term::Path(path.clone()))?;
            has_type(path, &kind, role)
        }
        "begins_with" | "contains" => {
            let [whole, part] = arguments(role, call)?;
            let whole = Term::bind(whole, role, placeholders)?;
            let part = Term::bind(part, role, placeholders)?;
            part.distinct_from(role, &name, &whole)?;
            if name == "contains" {
                return Ok(Condition::Contains(whole, part));
            }
            for term in [&whole, &part] {
                term.expect_type(role, "operator or function: begins_with", |it| {
                    matches!(it, AttributeValue::S(_) | AttributeValue::B(_))
                })?;
            }
            Ok(Condition::BeginsWith(whole, part))
        }
        _ => Err(role.invalid(format_args!(
            "The function is not allowed to be used this way in an expression; function: {name}"
        ))),
    }
}

fn has_type(path: Path, kind: &Term, role: Role) -> Result<Condition, ExpressionError> {
    kind.expect_type(role, "operator or function: attribute_type", |it| {
        matches!(it, AttributeValue::S(_))
    })?;
    match kind {
        Term::Literal(AttributeValue::S(kind)) if TYPE_NAMES.contains(&kind.as_str()) => {
            Ok(Condition::HasType(path, kind.clone()))
        }
        Term::Literal(AttributeValue::S(kind)) => Err(role.invalid(format_args!(
            "Invalid attribute type name found; type: {kind}, valid types: {{{}}}",
            TYPE_NAMES.join(",")
        ))),
        _ => Err(role.invalid(
            "Operator or function requires a value; operator or function: attribute_type",
        )),
    }
}

fn begins_with(whole: &AttributeValue, start: &AttributeValue) -> bool {
    match (whole, start) {
        (AttributeValue::S(whole), AttributeValue::S(start)) => whole.starts_with(start),
        (AttributeValue::B(whole), AttributeValue::B(start)) => whole.starts_with(start),
        _ => false,
    }
}

fn contains(whole: &AttributeValue, part: &AttributeValue) -> bool {
    match (whole, part) {
        (AttributeValue::S(whole), AttributeValue::S(part)) => whole.contains(part),
        (AttributeValue::B(whole), AttributeValue::B(part)) => {
            part.is_empty() || whole.windows(part.len()).any(|it| it == part)
        }
        (AttributeValue::Ss(set), AttributeValue::S(part)) => set.contains(part),
        (AttributeValue::Ns(set), AttributeValue::N(part)) => set.contains(part),
        (AttributeValue::Bs(set), AttributeValue::B(part)) => set.contains(part),
        (AttributeValue::L(list), part) => list.contains(part),
        _ => false,
    }
}
