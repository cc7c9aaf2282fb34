//! Updates: what becomes of an item. Pure.
//!
//! Every value is computed from the item as it was, before anything is changed.

use wire::{
    attribute_value::{AttributeValue, Attributes},
    number::NumberError,
};

use super::{
    ExpressionError, Placeholders, Role,
    ast::{Call, Operand, Path, Sections, Sign, Step},
    bind::check_disjoint,
    operands::{arguments, check_function, place},
    parser,
};

const MISSING: &str =
    "The provided expression refers to an attribute that does not exist in the item";
const WRONG_TYPE: &str = "An operand in the update expression has an incorrect data type";
const WRONG_PATH: &str =
    "The document path provided in the update expression is invalid for update";

/// An update, bound to its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    set: Vec<(Path, Formula)>,
    remove: Vec<Path>,
    add: Vec<(Path, AttributeValue)>,
    delete: Vec<(Path, AttributeValue)>,
}

/// How a value is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Formula {
    Path(Path),
    Literal(AttributeValue),
    Sum(Box<Formula>, Sign, Box<Formula>),
    IfNotExists(Path, Box<Formula>),
    ListAppend(Box<Formula>, Box<Formula>),
}

impl Update {
    /// Reads an update expression.
    ///
    /// # Errors
    ///
    /// When it is none, changes a place twice, or has operands that no item could make fit.
    pub(crate) fn parse(
        text: &str,
        placeholders: &mut Placeholders,
    ) -> Result<Update, ExpressionError> {
        let role = Role::Update;
        let Sections { set, remove, add, delete } = parser::sections(text)?;
        let mut pairs = |pairs: Vec<(Path, String)>, operator: &str, fits: fn(&_) -> bool| {
            pairs
                .into_iter()
                .map(|(path, name)| {
                    let path = placeholders.path(role, path)?;
                    let value = placeholders.value(role, name)?;
                    if !fits(&value) {
                        return Err(role.invalid(format_args!(
                            "Incorrect operand type for operator or function; operator: {operator}, operand type: {}, typeSet: ALLOWED_FOR_{operator}_OPERAND",
                            long_type_name(&value)
                        )));
                    }
                    Ok((path, value))
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let add = pairs(add, "ADD", |it| is_set(it) || matches!(it, AttributeValue::N(_)))?;
        let delete = pairs(delete, "DELETE", is_set)?;
        let mut bound = Vec::new();
        for (path, operand) in set {
            let path = placeholders.path(role, path)?;
            bound.push((path, Formula::bind(operand, placeholders)?));
        }
        let remove = remove
            .into_iter()
            .map(|path| placeholders.path(role, path))
            .collect::<Result<_, _>>()?;
        let update = Update { set: bound, remove, add, delete };
        check_disjoint(role, &update.paths())?;
        Ok(update)
    }

    /// An update of whole attributes.
    pub(crate) fn of(
        set: Vec<(Path, AttributeValue)>,
        remove: Vec<Path>,
        add: Vec<(Path, AttributeValue)>,
        delete: Vec<(Path, AttributeValue)>,
    ) -> Update {
        let set = set.into_iter().map(|(path, value)| (path, Formula::Literal(value))).collect();
        Update { set, remove, add, delete }
    }

    /// Whether it does nothing to an item that does not exist, as long as nobody insists.
    pub(crate) fn only_takes(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && !self.paths().is_empty()
    }

    /// Every place that it changes.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        let set = self.set.iter().map(|(path, _)| path);
        let pairs = self.add.iter().chain(&self.delete).map(|(path, _)| path);
        set.chain(&self.remove).chain(pairs).collect()
    }

    /// Changes `item`.
    ///
    /// # Errors
    ///
    /// When a value is missing or of the wrong type, or a place to change cannot exist. The item is
    /// of no use then.
    pub(crate) fn apply(&self, item: &mut Attributes) -> Result<(), ExpressionError> {
        let mut values = Vec::new();
        for (path, formula) in &self.set {
            values.push((path, formula.value(item)?));
        }
        for (path, value) in &self.add {
            let sum = match find(item, path) {
                None => value.clone(),
                Some(old) => added(old, value)?,
            };
            values.push((path, sum));
        }
        let mut removed: Vec<&Path> = self.remove.iter().collect();
        for (path, value) in &self.delete {
            match find(item, path) {
                None => check_parent(item, path)?,
                Some(old) => match without(old, value)? {
                    Some(rest) => values.push((path, rest)),
                    None => removed.push(path),
                },
            }
        }
        // Places behind the end of a list are filled in the order of their indices.
        values.sort_by_key(|(path, _)| *path);
        for (path, value) in values {
            set(item, path, value)?;
        }
        // From the back, so that indices keep their meaning.
        removed.sort_by(|a, b| b.cmp(a));
        removed.into_iter().try_for_each(|path| remove(item, path))
    }
}

impl Formula {
    fn bind(operand: Operand, placeholders: &mut Placeholders) -> Result<Formula, ExpressionError> {
        let role = Role::Update;
        match operand {
            Operand::Path(path) => placeholders.path(role, path).map(Formula::Path),
            Operand::Value(name) => placeholders.value(role, name).map(Formula::Literal),
            Operand::Sum(left, sign, right) => {
                let left = Formula::bind(*left, placeholders)?;
                let right = Formula::bind(*right, placeholders)?;
                let operator = if sign == Sign::Plus { "+" } else { "-" };
                for side in [&left, &right] {
                    side.expect_type(operator, |it| matches!(it, AttributeValue::N(_)))?;
                }
                Ok(Formula::Sum(Box::new(left), sign, Box::new(right)))
            }
            Operand::Call(call) => Formula::function(call, placeholders),
        }
    }

    fn function(call: Call, placeholders: &mut Placeholders) -> Result<Formula, ExpressionError> {
        let role = Role::Update;
        check_function(role, &call)?;
        if call.function == "if_not_exists" {
            let [path, otherwise] = arguments(role, call)?;
            let path = place(role, "if_not_exists", path, placeholders)?;
            let otherwise = Formula::bind(otherwise, placeholders)?;
            return Ok(Formula::IfNotExists(path, Box::new(otherwise)));
        }
        let [first, second] = arguments(role, call)?;
        let first = Formula::bind(first, placeholders)?;
        let second = Formula::bind(second, placeholders)?;
        for list in [&first, &second] {
            list.expect_type("list_append", |it| matches!(it, AttributeValue::L(_)))?;
        }
        Ok(Formula::ListAppend(Box::new(first), Box::new(second)))
    }

    fn expect_type(
        &self,
        operator: &str,
        fits: fn(&AttributeValue) -> bool,
    ) -> Result<(), ExpressionError> {
        match self {
            Formula::Literal(value) if !fits(value) => Err(Role::Update.invalid(format_args!(
                "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {}",
                value.type_name()
            ))),
            _ => Ok(()),
        }
    }

    fn value(&self, item: &Attributes) -> Result<AttributeValue, ExpressionError> {
        match self {
            Formula::Literal(value) => Ok(value.clone()),
            Formula::Path(path) => {
                find(item, path).cloned().ok_or_else(|| ExpressionError::new(MISSING))
            }
            Formula::IfNotExists(path, otherwise) => match find(item, path) {
                Some(value) => Ok(value.clone()),
                None => otherwise.value(item),
            },
            Formula::Sum(left, sign, right) => match (left.value(item)?, right.value(item)?) {
                (AttributeValue::N(a), AttributeValue::N(b)) => {
                    let sum = if *sign == Sign::Plus { a.checked_add(b) } else { a.checked_sub(b) };
                    sum.map(AttributeValue::N).map_err(arithmetic)
                }
                _ => Err(ExpressionError::new(WRONG_TYPE)),
            },
            Formula::ListAppend(first, second) => match (first.value(item)?, second.value(item)?) {
                (AttributeValue::L(mut list), AttributeValue::L(more)) => {
                    list.extend(more);
                    Ok(AttributeValue::L(list))
                }
                _ => Err(ExpressionError::new(WRONG_TYPE)),
            },
        }
    }
}

fn find<'a>(item: &'a Attributes, path: &Path) -> Option<&'a AttributeValue> {
    let (_, rest) = path.0.split_first()?;
    rest.iter().try_fold(item.get(path.attribute())?, |value, step| match (value, step) {
        (AttributeValue::M(members), Step::Name(name)) => members.get(name),
        (AttributeValue::L(values), Step::Index(index)) => values.get(*index),
        _ => None,
    })
}

/// The value that holds the last step of a path longer than one.
fn parent<'a>(
    item: &'a mut Attributes,
    path: &Path,
) -> Result<&'a mut AttributeValue, ExpressionError> {
    let wrong = || ExpressionError::new(WRONG_PATH);
    let middle = path.0.get(1..path.0.len() - 1).unwrap_or_default();
    let first = item.get_mut(path.attribute()).ok_or_else(wrong)?;
    middle
        .iter()
        .try_fold(first, |value, step| match (value, step) {
            (AttributeValue::M(members), Step::Name(name)) => members.get_mut(name),
            (AttributeValue::L(values), Step::Index(index)) => values.get_mut(*index),
            _ => None,
        })
        .ok_or_else(wrong)
}

fn check_parent(item: &mut Attributes, path: &Path) -> Result<(), ExpressionError> {
    if path.0.len() == 1 {
        return Ok(());
    }
    match (parent(item, path)?, path.0.last()) {
        (AttributeValue::M(_), Some(Step::Name(_)))
        | (AttributeValue::L(_), Some(Step::Index(_))) => Ok(()),
        _ => Err(ExpressionError::new(WRONG_PATH)),
    }
}

fn set(item: &mut Attributes, path: &Path, value: AttributeValue) -> Result<(), ExpressionError> {
    if path.0.len() == 1 {
        item.insert(path.attribute().to_owned(), value);
        return Ok(());
    }
    match (parent(item, path)?, path.0.last()) {
        (AttributeValue::M(members), Some(Step::Name(name))) => {
            members.insert(name.clone(), value);
        }
        (AttributeValue::L(values), Some(Step::Index(index))) => match values.get_mut(*index) {
            Some(element) => *element = value,
            None => values.push(value),
        },
        _ => return Err(ExpressionError::new(WRONG_PATH)),
    }
    Ok(())
}

fn remove(item: &mut Attributes, path: &Path) -> Result<(), ExpressionError> {
    if path.0.len() == 1 {
        item.remove(path.attribute());
        return Ok(());
    }
    match (parent(item, path)?, path.0.last()) {
        (AttributeValue::M(members), Some(Step::Name(name))) => {
            members.remove(name);
        }
        (AttributeValue::L(values), Some(Step::Index(index))) => {
            if *index < values.len() {
                values.remove(*index);
            }
        }
        _ => return Err(ExpressionError::new(WRONG_PATH)),
    }
    Ok(())
}

fn added(old: &AttributeValue, value: &AttributeValue) -> Result<AttributeValue, ExpressionError> {
    Ok(match (old, value) {
        (AttributeValue::N(a), AttributeValue::N(b)) => {
            AttributeValue::N(a.checked_add(*b).map_err(arithmetic)?)
        }
        (AttributeValue::Ss(a), AttributeValue::Ss(b)) => AttributeValue::Ss(a | b),
        (AttributeValue::Ns(a), AttributeValue::Ns(b)) => AttributeValue::Ns(a | b),
        (AttributeValue::Bs(a), AttributeValue::Bs(b)) => AttributeValue::Bs(a | b),
        _ => return Err(ExpressionError::new(WRONG_TYPE)),
    })
}

/// What is left of a set; `None` when nothing is, for there are no empty sets.
fn without(
    old: &AttributeValue,
    value: &AttributeValue,
) -> Result<Option<AttributeValue>, ExpressionError> {
    Ok(match (old, value) {
        (AttributeValue::Ss(a), AttributeValue::Ss(b)) => {
            Some(a - b).filter(|it| !it.is_empty()).map(AttributeValue::Ss)
        }
        (AttributeValue::Ns(a), AttributeValue::Ns(b)) => {
            Some(a - b).filter(|it| !it.is_empty()).map(AttributeValue::Ns)
        }
        (AttributeValue::Bs(a), AttributeValue::Bs(b)) => {
            Some(a - b).filter(|it| !it.is_empty()).map(AttributeValue::Bs)
        }
        _ => return Err(ExpressionError::new(WRONG_TYPE)),
    })
}

fn is_set(value: &AttributeValue) -> bool {
    matches!(value, AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn arithmetic(error: NumberError) -> ExpressionError {
    ExpressionError::new(error.to_string())
}

/// `ADD` and `DELETE` spell types out in their messages.
fn long_type_name(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::S(_) => "STRING",
        AttributeValue::N(_) => "NUMBER",
        AttributeValue::B(_) => "BINARY",
        AttributeValue::Bool(_) => "BOOLEAN",
        AttributeValue::M(_) => "MAP",
        AttributeValue::L(_) => "LIST",
        other => other.type_name(),
    }
}
