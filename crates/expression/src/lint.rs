//! What is an expression, but probably not the one that was meant. Pure.

use pipeline::nearest;

use crate::{
    error::ParseError,
    functions, regex,
    tree::{Kind, Literal, Node, Pattern, is_mixed},
};

/// Everything suspicious, in the order it stands there.
pub(crate) fn warnings(root: &Node, text: &str) -> Vec<ParseError> {
    let mut warnings = Vec::new();
    root.walk(&mut |node| warnings.extend(warning(node, text)));
    warnings.sort_by_key(|warning| warning.span.start);
    warnings
}

fn warning(node: &Node, text: &str) -> Option<ParseError> {
    let warn = |problem: String| Some(ParseError::new(node.span.clone(), problem));
    match &node.kind {
        Kind::Call { name, function: None, .. } => {
            let error = warn(format!("there is no function `{name}`"))?;
            let near = nearest(name, functions::names());
            Some(ParseError { help: near.map(|it| format!("did you mean `{it}`?")), ..error })
        }
        Kind::Call { function: Some(function), arguments, .. } => {
            function.refuses(arguments.len()).and_then(warn)
        }
        Kind::And(left, right) | Kind::Or(left, right) => {
            let is_and = matches!(node.kind, Kind::And(..));
            let is_other = |side: &Node| match side.kind {
                Kind::And(..) => !is_and && !is_in_parentheses(side, text),
                Kind::Or(..) => is_and && !is_in_parentheses(side, text),
                _ => false,
            };
            if !is_other(left) && !is_other(right) {
                return None;
            }
            let error = warn("`and` and `or` bind alike, from left to right".to_owned())?;
            Some(error.with_help("put one of them in parentheses"))
        }
        Kind::Matches { pattern: Pattern::Fixed { source, regex: None }, .. } => {
            let reason = regex::complaint(source);
            warn(format!(
                "`{source}` is not a regular expression, and so matches nothing: {reason}"
            ))
        }
        Kind::IsOneOf { set, .. } if is_mixed(set) => {
            warn("a set that mixes texts, numbers or booleans is never searched".to_owned())
        }
        Kind::Compare(_, left, _) | Kind::IsOneOf { value: left, .. } => {
            let Kind::Not(inner) = &left.kind else { return None };
            if is_in_parentheses(left, text) || inner.is_condition() {
                return None;
            }
            let error = warn("`not` applies only to what follows it directly".to_owned())?;
            Some(error.with_help("put the comparison in parentheses: `not (…)`, or write `not in`"))
        }
        Kind::Not(inner) if matches!(&inner.kind, Kind::Literal(it) if !matches!(it, Literal::Bool(_))) => {
            warn("`not` of what is neither true nor false is false".to_owned())
        }
        _ => None,
    }
}

/// A part in parentheses has them in its span.
fn is_in_parentheses(node: &Node, text: &str) -> bool {
    text.get(node.span.clone()).is_some_and(|text| text.starts_with('('))
        && !matches!(&node.kind, Kind::And(left, _) | Kind::Or(left, _) if left.span.start == node.span.start)
}
