//! The grammar of expressions: text in, syntax out. Pure.

use super::{
    ExpressionError, Role,
    ast::{Call, Comparator, Logic, Operand, Path, Sections, Sign, Step},
    lexer::{Kind, Token, tokens},
    reserved,
};

/// The longest expression.
const EXPRESSION_BYTES_MAX: usize = 4096;
/// How many operators and functions an expression may have.
const OPERATORS_MAX: usize = 300;
/// How deep parentheses may be nested before we stop counting with them.
const NESTING_MAX: usize = 300;
/// How many steps a path may have.
const STEPS_MAX: usize = 32;
/// The largest index into a list that is worth looking up.
const INDEX_MAX: usize = i32::MAX as usize;

type Result<T> = std::result::Result<T, ExpressionError>;

/// Reads a condition, a filter or a key condition.
pub(crate) fn logic(role: Role, text: &str) -> Result<Logic> {
    let mut parser = Parser::new(role, text)?;
    let logic = parser.or()?;
    parser.end()?;
    Ok(logic)
}

/// Reads a list of paths.
pub(crate) fn paths(role: Role, text: &str) -> Result<Vec<Path>> {
    let mut parser = Parser::new(role, text)?;
    let mut paths = vec![parser.path()?];
    while parser.takes(",") {
        paths.push(parser.path()?);
    }
    parser.end()?;
    Ok(paths)
}

/// Reads an update.
pub(crate) fn sections(text: &str) -> Result<Sections> {
    let mut parser = Parser::new(Role::Update, text)?;
    let mut sections = Sections::default();
    let mut repeated = None;
    loop {
        let keyword = ["SET", "REMOVE", "ADD", "DELETE"]
            .into_iter()
            .find(|keyword| parser.takes_word(keyword))
            .ok_or_else(|| parser.unexpected())?;
        let is_new = match keyword {
            "SET" => parser.list(&mut sections.set, Parser::assignment)?,
            "REMOVE" => parser.list(&mut sections.remove, Parser::path)?,
            "ADD" => parser.list(&mut sections.add, Parser::path_and_value)?,
            _ => parser.list(&mut sections.delete, Parser::path_and_value)?,
        };
        if !is_new {
            repeated = repeated.or(Some(keyword));
        }
        if parser.peek().kind == Kind::End {
            break;
        }
    }
    parser.end()?;
    match repeated {
        None => Ok(sections),
        Some(keyword) => Err(Role::Update.invalid(format_args!(
            "The \"{keyword}\" section can only be used once in an update expression;"
        ))),
    }
}

struct Parser<'a> {
    role: Role,
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    n_operators: usize,
    nesting: usize,
    /// The first mistake that is not one of grammar. Those of grammar come first.
    mistake: Option<ExpressionError>,
}

/// What stood in parentheses, or did not.
enum Primary {
    Logic(Logic),
    Operand(Operand),
}

impl<'a> Parser<'a> {
    fn new(role: Role, text: &'a str) -> Result<Parser<'a>> {
        if text.is_empty() {
            return Err(role.invalid("The expression can not be empty;"));
        }
        if EXPRESSION_BYTES_MAX < text.len() {
            return Err(role.invalid(format_args!(
                "Expression size has exceeded the maximum allowed size; expression size: {}",
                text.len()
            )));
        }
        let (tokens, mistake) = (tokens(text), None);
        Ok(Parser { role, text, tokens, at: 0, n_operators: 0, nesting: 0, mistake })
    }

    fn or(&mut self) -> Result<Logic> {
        let mut left = self.and()?;
        while self.takes_word("OR") {
            self.operator()?;
            left = Logic::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Logic> {
        let mut left = self.not()?;
        while self.takes_word("AND") {
            self.operator()?;
            left = Logic::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Logic> {
        if self.takes_word("NOT") {
            self.operator()?;
            return Ok(Logic::Not(Box::new(self.not()?)));
        }
        match self.primary()? {
            Primary::Logic(logic) => Ok(logic),
            Primary::Operand(operand) => self.comparison(operand),
        }
    }

    fn primary(&mut self) -> Result<Primary> {
        if !self.takes("(") {
            return self.operand().map(Primary::Operand);
        }
        self.nest()?;
        let is_doubled = self.peek_text() == "(";
        // `(a = :v)` is a condition, `(a) = :v` an operand: which one shows behind the operand.
        let inner = match self.peek_text() {
            "(" => self.primary()?,
            word if word.eq_ignore_ascii_case("NOT") => Primary::Logic(self.or()?),
            _ => Primary::Operand(self.operand()?),
        };
        let closes_at_once = self.peek_text() == ")";
        let inner = match inner {
            Primary::Operand(operand) if closes_at_once && !matches!(operand, Operand::Call(_)) => {
                Primary::Operand(operand)
            }
            Primary::Operand(operand) => {
                let first = self.comparison(operand)?;
                Primary::Logic(self.rest_of_or(first)?)
            }
            Primary::Logic(first) => Primary::Logic(self.rest_of_or(first)?),
        };
        if is_doubled && closes_at_once {
            self.remember("The expression has redundant parentheses;");
        }
        self.expect(")")?;
        self.nesting -= 1;
        Ok(inner)
    }

    /// What may follow a condition inside parentheses.
    fn rest_of_or(&mut self, first: Logic) -> Result<Logic> {
        let mut left = self.rest_of_and(first)?;
        while self.takes_word("OR") {
            self.operator()?;
            left = Logic::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn rest_of_and(&mut self, first: Logic) -> Result<Logic> {
        let mut left = first;
        while self.takes_word("AND") {
            self.operator()?;
            left = Logic::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn comparison(&mut self, left: Operand) -> Result<Logic> {
        if let Some(comparator) = Comparator::of_symbol(self.peek_text()) {
            self.at += 1;
            self.operator()?;
            return Ok(Logic::Compare(left, comparator, self.operand_or_parenthesised()?));
        }
        if self.takes_word("BETWEEN") {
            self.operator()?;
            let low = self.operand_or_parenthesised()?;
            if !self.takes_word("AND") {
                return Err(self.unexpected());
            }
            return Ok(Logic::Between(left, low, self.operand_or_parenthesised()?));
        }
        if self.takes_word("IN") {
            self.operator()?;
            self.expect("(")?;
            let list = self.operands()?;
            return Ok(Logic::In(left, list));
        }
        match left {
            Operand::Call(call) => Ok(Logic::Call(call)),
            _ => Err(self.unexpected()),
        }
    }

    fn operand_or_parenthesised(&mut self) -> Result<Operand> {
        if !self.takes("(") {
            return self.operand();
        }
        self.nest()?;
        let operand = self.operand_or_parenthesised()?;
        self.expect(")")?;
        self.nesting -= 1;
        Ok(operand)
    }

    fn operand(&mut self) -> Result<Operand> {
        let token = self.peek().clone();
        match token.kind {
            Kind::Value => {
                self.at += 1;
                Ok(Operand::Value(self.text[token.span].to_owned()))
            }
            Kind::Word if self.text_at(self.at + 1) == "(" => {
                self.at += 2;
                self.operator()?;
                self.nest()?;
                let function = self.text[token.span].to_owned();
                let arguments = self.operands()?;
                self.nesting -= 1;
                Ok(Operand::Call(Call { function, arguments }))
            }
            _ => self.path().map(Operand::Path),
        }
    }

    /// What stands between parentheses, up to the closing one.
    fn operands(&mut self) -> Result<Vec<Operand>> {
        let mut operands = vec![self.operand()?];
        while self.takes(",") {
            operands.push(self.operand()?);
        }
        self.expect(")")?;
        Ok(operands)
    }

    fn assignment(&mut self) -> Result<(Path, Operand)> {
        let path = self.path()?;
        self.expect("=")?;
        Ok((path, self.sum()?))
    }

    fn sum(&mut self) -> Result<Operand> {
        let left = self.term()?;
        let sign = match self.peek_text() {
            "+" => Sign::Plus,
            "-" => Sign::Minus,
            _ => return Ok(left),
        };
        self.at += 1;
        self.operator()?;
        Ok(Operand::Sum(Box::new(left), sign, Box::new(self.term()?)))
    }

    fn term(&mut self) -> Result<Operand> {
        if !self.takes("(") {
            return self.operand();
        }
        self.nest()?;
        let sum = self.sum()?;
        self.expect(")")?;
        self.nesting -= 1;
        Ok(sum)
    }

    fn path_and_value(&mut self) -> Result<(Path, String)> {
        let path = self.path()?;
        let token = self.peek().clone();
        if token.kind != Kind::Value {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok((path, self.text[token.span].to_owned()))
    }

    fn path(&mut self) -> Result<Path> {
        let mut steps = vec![self.name()?];
        loop {
            if self.takes(".") {
                steps.push(self.name()?);
            } else if self.takes("[") {
                steps.push(self.index()?);
                self.expect("]")?;
            } else {
                break;
            }
        }
        if STEPS_MAX < steps.len() {
            self.remember(&format!(
                "The document path has too many nesting elements; nesting levels: {}",
                steps.len()
            ));
        }
        Ok(Path(steps))
    }

    fn name(&mut self) -> Result<Step> {
        let token = self.peek().clone();
        let name = &self.text[token.span];
        match token.kind {
            Kind::Name => {}
            Kind::Word if reserved::is_reserved(name) => self.remember(&format!(
                "Attribute name is a reserved keyword; reserved keyword: {name}"
            )),
            Kind::Word => {}
            _ => return Err(self.unexpected()),
        }
        // What follows a keyword tells a mistake of grammar from a bad name.
        if token.kind == Kind::Word && is_operator(name) {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(Step::Name(name.to_owned()))
    }

    fn index(&mut self) -> Result<Step> {
        let token = self.peek().clone();
        if token.kind != Kind::Digits {
            return Err(self.unexpected());
        }
        self.at += 1;
        let digits = &self.text[token.span];
        let index = digits.parse().ok().filter(|index| *index <= INDEX_MAX).unwrap_or_else(|| {
            self.remember(&format!(
                "List index is not within the allowable range; index: [{digits}]"
            ));
            0
        });
        Ok(Step::Index(index))
    }

    /// Reads one or more, separated by commas; says whether there were none before.
    fn list<T>(
        &mut self,
        list: &mut Vec<T>,
        read: fn(&mut Parser<'a>) -> Result<T>,
    ) -> Result<bool> {
        let is_new = list.is_empty();
        list.push(read(self)?);
        while self.takes(",") {
            list.push(read(self)?);
        }
        Ok(is_new)
    }

    fn end(&mut self) -> Result<()> {
        if self.peek().kind != Kind::End {
            return Err(self.unexpected());
        }
        self.mistake.take().map_or(Ok(()), Err)
    }

    fn operator(&mut self) -> Result<()> {
        self.n_operators += 1;
        if OPERATORS_MAX < self.n_operators {
            return Err(self.role.invalid(format_args!(
                "The expression contains too many operators; operator count: {}",
                self.n_operators
            )));
        }
        Ok(())
    }

    fn nest(&mut self) -> Result<()> {
        self.nesting += 1;
        if NESTING_MAX < self.nesting {
            return Err(self.role.invalid("The expression has redundant parentheses;"));
        }
        Ok(())
    }

    fn remember(&mut self, why: &str) {
        if self.mistake.is_none() {
            self.mistake = Some(self.role.invalid(why));
        }
    }

    fn peek(&self) -> &Token {
        // The last token is the end, and nothing passes it.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn peek_text(&self) -> &'a str {
        self.text_at(self.at)
    }

    fn text_at(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |token| &self.text[token.span.clone()])
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let takes = self.peek().kind == Kind::Symbol && self.peek_text() == symbol;
        self.at += usize::from(takes);
        takes
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let takes = self.peek().kind == Kind::Word && self.peek_text().eq_ignore_ascii_case(word);
        self.at += usize::from(takes);
        takes
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.takes(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The token here, with its neighbours, as a syntax error.
    #[cold]
    fn unexpected(&self) -> ExpressionError {
        let at = self.at.min(self.tokens.len() - 1);
        let start = match at.checked_sub(1) {
            Some(before) => self.tokens[before].span.start,
            None if self.tokens[at].kind == Kind::End => 0,
            None => self.tokens[at].span.start,
        };
        let end = self.tokens.get(at + 1).unwrap_or(&self.tokens[at]).span.end;
        let token = match self.tokens[at].kind {
            Kind::End => "<EOF>",
            _ => self.text_at(at),
        };
        let near = &self.text[start..end];
        self.role.invalid(format_args!("Syntax error; token: \"{token}\", near: \"{near}\""))
    }
}

/// Words that join conditions and can never begin a path.
fn is_operator(word: &str) -> bool {
    ["AND", "OR", "NOT", "BETWEEN", "IN"].iter().any(|it| it.eq_ignore_ascii_case(word))
}
