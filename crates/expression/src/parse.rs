//! Words in, a tree out: operators by their binding power. Pure.
//!
//! `and` and `or` bind alike, from left to right, and `not` binds tighter than a comparison: so it
//! is in Data Prepper, and so it must stay. What that misleads people to write, `lint` points out.

use std::ops::Range;

use pipeline::{Decimal, nearest};

use crate::{
    error::ParseError,
    functions,
    lexer::{self, Quotes, Token, unescape},
    pointer::Pointer,
    regex,
    tree::{Calculation, Comparison, Kind, Literal, Node, Pattern, Type},
};

/// Longer texts are no expressions anybody wrote.
const LENGTH_MAX: usize = 64 << 10;
/// How deep parentheses may be nested. The parser recurses, and so does evaluation.
const DEPTH_MAX: usize = 100;
/// How many operators may stand in a row; each is one level of the tree.
const CHAIN_MAX: usize = 400;

/// How tightly operators bind, loosest first. A step lower for the side that may hold its like.
const OR: u8 = 1;
const EQUAL: u8 = 2;
const MATCH: u8 = 3;
const LESS: u8 = 4;
const IN: u8 = 5;
const NOT: u8 = 6;
const ADD: u8 = 7;
const MULTIPLY: u8 = 8;
const MINUS: u8 = 9;

/// Reads an expression.
pub(crate) fn parse(text: &str, quotes: Quotes) -> Result<Node, ParseError> {
    if LENGTH_MAX < text.len() {
        let problem = format!("the expression is longer than {LENGTH_MAX} bytes");
        return Err(ParseError::new(0..text.len(), problem));
    }
    let tokens = lexer::tokens(text, quotes)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, n_operators: 0 };
    if parser.peek().kind == lexer::Kind::End {
        return Err(ParseError::new(0..text.len(), "the expression is empty"));
    }
    let node = parser.expression(0)?;
    match parser.peek() {
        Token { kind: lexer::Kind::End, .. } => Ok(node),
        token => Err(parser.unexpected(&token)),
    }
}

struct Parser<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    depth: usize,
    n_operators: usize,
}

/// A word between two values.
enum Operator {
    And,
    Or,
    Compare(Comparison),
    Calculate(Calculation),
    Matches(bool),
    In(bool),
    TypeOf,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens[self.at.min(self.tokens.len() - 1)].clone()
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn expression(&mut self, binding_min: u8) -> Result<Node, ParseError> {
        self.depth += 1;
        if DEPTH_MAX < self.depth {
            let problem = format!("the expression is nested deeper than {DEPTH_MAX} levels");
            return Err(ParseError::new(self.peek().span, problem));
        }
        let mut left = self.prefix()?;
        while let Some((operator, binding)) = self.operator()? {
            if binding < binding_min {
                break;
            }
            self.n_operators += 1;
            if CHAIN_MAX < self.n_operators {
                let problem = format!("the expression has more than {CHAIN_MAX} operators");
                return Err(ParseError::new(self.peek().span, problem));
            }
            let word = self.next();
            left = self.infix(left, &operator, binding, &word)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    /// The operator that comes next, and how tightly it binds; `None` where the expression ends.
    fn operator(&self) -> Result<Option<(Operator, u8)>, ParseError> {
        let token = self.peek();
        let operator = match token.kind {
            lexer::Kind::Symbol(symbol) => match (Comparison::named(symbol), symbol) {
                (Some(Comparison::Equal | Comparison::Unequal), _) => {
                    Comparison::named(symbol).map(|it| (Operator::Compare(it), EQUAL))
                }
                (Some(comparison), _) => Some((Operator::Compare(comparison), LESS)),
                (None, "=~" | "!~") => Some((Operator::Matches(symbol == "=~"), MATCH)),
                (None, _) => Calculation::named(symbol).map(|calculation| {
                    let is_sum = matches!(calculation, Calculation::Add | Calculation::Subtract);
                    (Operator::Calculate(calculation), if is_sum { ADD } else { MULTIPLY })
                }),
            },
            lexer::Kind::Name(name) => match name {
                "and" => Some((Operator::And, OR)),
                "or" => Some((Operator::Or, OR)),
                "in" => Some((Operator::In(true), IN)),
                "not" => Some((Operator::In(false), IN)),
                "typeof" => Some((Operator::TypeOf, IN)),
                _ => None,
            },
            _ => None,
        };
        if operator.is_some()
            && matches!(token.kind, lexer::Kind::Name(_))
            && token.apart != (true, true)
        {
            let problem = format!("{} needs a space on both sides", token.kind);
            return Err(ParseError::new(token.span, problem));
        }
        Ok(operator)
    }

    fn infix(
        &mut self,
        left: Node,
        operator: &Operator,
        binding: u8,
        word: &Token<'a>,
    ) -> Result<Node, ParseError> {
        let start = left.span.start;
        let kind = match *operator {
            Operator::And => {
                let (left, right) = self.sides(left, binding)?;
                Kind::And(left, right)
            }
            Operator::Or => {
                let (left, right) = self.sides(left, binding)?;
                Kind::Or(left, right)
            }
            Operator::Compare(how) => {
                let (left, right) = self.sides(left, binding)?;
                Kind::Compare(how, left, right)
            }
            Operator::Calculate(how) => {
                let (left, right) = self.sides(left, binding)?;
                can_be_calculated(&left, how)?;
                can_be_calculated(&right, how)?;
                Kind::Calculate(how, left, right)
            }
            Operator::Matches(wanted) => {
                let is_pattern =
                    matches!(left.kind, Kind::Field { .. } | Kind::Literal(Literal::Text(_)));
                if !is_pattern {
                    let problem = format!("{} needs a field or a text on its left", word.kind);
                    return Err(ParseError::new(left.span, problem).with_help(
                        "put `not` and calculations outside of it: `not (/a =~ \"x\")`",
                    ));
                }
                Kind::Matches { text: Box::new(left), pattern: self.pattern(word)?, wanted }
            }
            Operator::In(wanted) => {
                if !wanted {
                    self.the_word_in(word)?;
                }
                let set = self.set_after(word)?;
                Kind::IsOneOf { value: Box::new(left), set, wanted }
            }
            Operator::TypeOf => {
                if !matches!(left.kind, Kind::Field { bare: true, .. }) {
                    let problem = "`typeof` needs a field on its left";
                    return Err(ParseError::new(left.span, problem).with_help(
                        "write `/name typeof string`, and `not` around it in parentheses",
                    ));
                }
                Kind::HasType(Box::new(left), self.type_name()?)
            }
        };
        Ok(Node { kind, span: start..self.end() })
    }

    fn sides(&mut self, left: Node, binding: u8) -> Result<(Box<Node>, Box<Node>), ParseError> {
        let right = self.expression(binding + 1)?;
        Ok((Box::new(left), Box::new(right)))
    }

    /// Where the last word read ends.
    fn end(&self) -> usize {
        self.tokens[self.at.saturating_sub(1).min(self.tokens.len() - 1)].span.end
    }

    fn prefix(&mut self) -> Result<Node, ParseError> {
        let token = self.next();
        let start = token.span.start;
        let kind = match token.kind {
            lexer::Kind::Number(text) => Kind::Literal(number(text, &token.span)?),
            lexer::Kind::Text(inside) => {
                Kind::Literal(Literal::Text(unescape(inside, quoted_start(&token))?))
            }
            lexer::Kind::Pointer(text) => Kind::Field { pointer: Pointer::parse(text), bare: true },
            lexer::Kind::QuotedPointer(inside) => {
                let text = unescape(inside, quoted_start(&token))?;
                Kind::Field { pointer: Pointer::parse(&text), bare: false }
            }
            lexer::Kind::Name(name) => self.name(name, &token)?,
            lexer::Kind::Symbol("(") => {
                let node = self.expression(0)?;
                self.expect(")", &token)?;
                return Ok(Node { span: start..self.end(), ..node });
            }
            lexer::Kind::Symbol("{") => Kind::Set(self.set(&token)?),
            lexer::Kind::Symbol("-") => {
                let node = self.expression(MINUS)?;
                can_be_calculated(&node, Calculation::Subtract)?;
                Kind::Minus(Box::new(node))
            }
            lexer::Kind::Symbol(_) | lexer::Kind::End => return Err(self.unexpected(&token)),
        };
        Ok(Node { kind, span: start..self.end() })
    }

    fn name(&mut self, name: &str, token: &Token<'_>) -> Result<Kind, ParseError> {
        Ok(match name {
            "true" => Kind::Literal(Literal::Bool(true)),
            "false" => Kind::Literal(Literal::Bool(false)),
            "null" => Kind::Literal(Literal::Null),
            "not" if token.apart.1 => Kind::Not(Box::new(self.expression(NOT)?)),
            "not" => {
                let error = ParseError::new(token.span.clone(), "`not` needs a space behind it");
                return Err(error);
            }
            _ if self.peek().kind == lexer::Kind::Symbol("(") => self.call(name)?,
            _ => {
                let known = functions::names().chain(["true", "false", "null", "and", "or", "not"]);
                let help = match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write `/{name}` for the field, `\"{name}\"` for the text"),
                };
                let problem = format!("`{name}` has no meaning here");
                return Err(ParseError::new(token.span.clone(), problem).with_help(help));
            }
        })
    }

    fn call(&mut self, name: &str) -> Result<Kind, ParseError> {
        let open = self.next();
        let mut arguments = Vec::new();
        if self.peek().kind == lexer::Kind::Symbol(")") {
            self.next();
        } else {
            loop {
                arguments.push(self.argument()?);
                if self.peek().kind != lexer::Kind::Symbol(",") {
                    break;
                }
                self.next();
            }
            self.expect(")", &open)?;
        }
        Ok(Kind::Call { name: name.to_owned(), function: functions::named(name), arguments })
    }

    /// One argument. A quoted pointer by itself is a text: `getMetadata("/key")`.
    fn argument(&mut self) -> Result<Node, ParseError> {
        let token = self.peek();
        let node = self.expression(0)?;
        match token.kind {
            lexer::Kind::QuotedPointer(inside) if node.span == token.span => {
                let text = unescape(inside, quoted_start(&token))?;
                Ok(Node { kind: Kind::Literal(Literal::Text(text)), span: node.span })
            }
            _ => Ok(node),
        }
    }

    /// What `=~` is followed by. A quoted text is a regular expression, even if it begins with `/`.
    fn pattern(&mut self, word: &Token<'_>) -> Result<Pattern, ParseError> {
        let token = self.next();
        match token.kind {
            lexer::Kind::Text(source) | lexer::Kind::QuotedPointer(source) => {
                Ok(Pattern::Fixed { source: source.to_owned(), regex: regex::whole(source).ok() })
            }
            lexer::Kind::Pointer(text) => Ok(Pattern::Field(Pointer::parse(text))),
            _ => {
                let problem = format!("{} needs a text or a field on its right", word.kind);
                Err(ParseError::new(token.span, problem).with_help("write a pattern: `\"[0-9]+\"`"))
            }
        }
    }

    fn the_word_in(&mut self, not: &Token<'_>) -> Result<(), ParseError> {
        let token = self.next();
        match (token.kind, token.apart) {
            (lexer::Kind::Name("in"), (true, true)) => Ok(()),
            (lexer::Kind::Name("in"), _) => {
                Err(ParseError::new(token.span, "`in` needs a space on both sides"))
            }
            _ => Err(ParseError::new(not.span.clone(), "`not` cannot stand between two values")
                .with_help("write `not in`, or `and not`")),
        }
    }

    fn set_after(&mut self, word: &Token<'_>) -> Result<Vec<Literal>, ParseError> {
        let token = self.next();
        if token.kind == lexer::Kind::Symbol("{") {
            return self.set(&token);
        }
        let problem = format!("{} needs a set on its right", word.kind);
        Err(ParseError::new(token.span, problem).with_help("write `{200, 201}`"))
    }

    /// What stands between braces; the opening one is read.
    fn set(&mut self, open: &Token<'_>) -> Result<Vec<Literal>, ParseError> {
        let mut literals = Vec::new();
        loop {
            literals.push(self.literal()?);
            if self.peek().kind != lexer::Kind::Symbol(",") {
                break;
            }
            self.next();
        }
        self.expect("}", open)?;
        Ok(literals)
    }

    fn literal(&mut self) -> Result<Literal, ParseError> {
        let token = self.next();
        Ok(match token.kind {
            lexer::Kind::Number(text) => number(text, &token.span)?,
            lexer::Kind::Text(inside) | lexer::Kind::QuotedPointer(inside) => {
                Literal::Text(unescape(inside, quoted_start(&token))?)
            }
            lexer::Kind::Name("true") => Literal::Bool(true),
            lexer::Kind::Name("false") => Literal::Bool(false),
            lexer::Kind::Name("null") => Literal::Null,
            lexer::Kind::Symbol("-") => match self.next() {
                Token { kind: lexer::Kind::Number(text), span, .. } => match number(text, &span)? {
                    Literal::Number(number) => Literal::Number(number.negated()),
                    literal => literal,
                },
                token => return Err(self.unexpected(&token)),
            },
            lexer::Kind::Symbol("," | "}") | lexer::Kind::End => {
                return Err(self.unexpected(&token));
            }
            _ => {
                let problem = format!("{} cannot be in a set", token.kind);
                return Err(ParseError::new(token.span, problem)
                    .with_help("a set holds texts, numbers, `true`, `false` and `null`"));
            }
        })
    }

    fn type_name(&mut self) -> Result<Type, ParseError> {
        let token = self.next();
        let name = match token.kind {
            lexer::Kind::Name(name) => name,
            _ => "",
        };
        Type::named(name).ok_or_else(|| {
            let names: Vec<_> = Type::ALL.iter().map(|(_, name)| *name).collect();
            let help = match nearest(name, names.iter().copied()) {
                Some(near) if !name.is_empty() => format!("did you mean `{near}`?"),
                _ => format!("types are {}", names.join(", ")),
            };
            ParseError::new(token.span, format!("{} is not a type", token.kind)).with_help(help)
        })
    }

    fn expect(&mut self, symbol: &'static str, open: &Token<'_>) -> Result<(), ParseError> {
        let token = self.next();
        match token.kind {
            lexer::Kind::Symbol(found) if found == symbol => Ok(()),
            lexer::Kind::End => {
                let problem = format!("{} is never closed", open.kind);
                Err(ParseError::new(open.span.clone(), problem)
                    .with_help(format!("add `{symbol}`")))
            }
            _ => Err(self.unexpected(&token)),
        }
    }

    fn unexpected(&self, token: &Token<'_>) -> ParseError {
        let at_end = token.kind == lexer::Kind::End;
        let before = self
            .tokens
            .iter()
            .rev()
            .find(|it| it.span.end <= token.span.start && it.span != token.span);
        let problem = match before {
            Some(before) if at_end => format!("something is missing after {}", before.kind),
            Some(before) => format!("{} cannot follow {}", token.kind, before.kind),
            None => format!("an expression cannot begin with {}", token.kind),
        };
        let error = ParseError::new(token.span.clone(), problem);
        match (before.map(|it| it.kind), token.kind) {
            (Some(lexer::Kind::Number(_) | lexer::Kind::Pointer(_)), lexer::Kind::Pointer(_)) => {
                error.with_help("to divide, write a space behind the `/`")
            }
            (_, lexer::Kind::Symbol("+")) => error.with_help("leave a `+` before a number away"),
            (Some(lexer::Kind::Symbol(",")), _) => error.with_help("remove the last comma"),
            _ => error,
        }
    }
}

fn quoted_start(token: &Token<'_>) -> usize {
    let length = match token.kind {
        lexer::Kind::Text(inside) | lexer::Kind::QuotedPointer(inside) => inside.len(),
        _ => 0,
    };
    token.span.start + (token.span.len() - length) / 2
}

fn number(text: &str, span: &Range<usize>) -> Result<Literal, ParseError> {
    Decimal::parse(text).map(Literal::Number).ok_or_else(|| {
        ParseError::new(span.clone(), "this number has more than 38 digits")
            .with_help("compare it as a text")
    })
}

fn can_be_calculated(node: &Node, how: Calculation) -> Result<(), ParseError> {
    let what = match &node.kind {
        _ if node.is_condition() => "a condition",
        Kind::Set(_) => "a set",
        Kind::Literal(Literal::Null) => "`null`",
        Kind::Literal(Literal::Text(_)) if how != Calculation::Add => "a text",
        _ => return Ok(()),
    };
    Err(ParseError::new(node.span.clone(), format!("`{how}` does not work with {what}")))
}
