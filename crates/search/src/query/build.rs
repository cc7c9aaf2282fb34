//! A query for tantivy, by the mapping of one index.

use std::{net::IpAddr, ops::Bound};

use serde_json::Value;
use tantivy::{
    Searcher, Term,
    query::{
        AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery,
        ExistsQuery, Occur, PhraseQuery, Query as TantivyQuery, RangeQuery, TermQuery,
        TermSetQuery,
    },
    schema::IndexRecordOption,
};

use super::{Bool, Kind, Match, Query, Range};
use crate::{
    date::{self, Formats, Rounding},
    document,
    error::{Failure, Result},
    fields::{Fields, Leaf, column},
    mapping::{Field, Kind as FieldKind, Mapping},
};

type Built = Box<dyn TantivyQuery>;

/// How many fields a query without one may be spread over.
const SPREAD_MAX: usize = 1024;

/// What a query is built with.
pub(crate) struct Builder<'a> {
    pub mapping: &'a Mapping,
    pub fields: &'a Fields,
    pub searcher: &'a Searcher,
    pub index: &'a str,
    pub now_ms: u64,
}

impl Builder<'_> {
    /// Builds `query`.
    ///
    /// # Errors
    ///
    /// When it does not fit the mapping, such as words where a number belongs.
    pub(crate) fn build(&self, query: &Query) -> Result<Built> {
        let built: Built = match &query.kind {
            Kind::All => Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0)),
            Kind::Nothing => Box::new(EmptyQuery),
            Kind::Match(with) => self.matching(with)?,
            Kind::Phrase { field, text, slop } => self.phrase(field, text, *slop)?,
            Kind::Multi { fields, with, is_phrase } => self.multi(fields, with, *is_phrase)?,
            Kind::Term { field, value, ignores_case } => self.term(field, value, *ignores_case)?,
            Kind::Terms { field, values } => self.terms(field, values)?,
            Kind::Range(range) => self.range(range)?,
            Kind::Exists(field) => self.exists(field),
            Kind::Ids(ids) => self.ids(ids.iter().map(String::as_str)),
            Kind::Prefix { field, value, ignores_case } => {
                self.prefix(field, value, *ignores_case)?
            }
            Kind::Bool(bool) => self.bool(bool)?,
            Kind::Constant(inner) => Box::new(ConstScoreQuery::new(self.build(inner)?, 1.0)),
            Kind::Best(each) => {
                let each = each.iter().map(|it| self.build(it)).collect::<Result<_>>()?;
                Box::new(DisjunctionMaxQuery::new(each))
            }
        };
        let is_plain = (query.boost - 1.0).abs() < f32::EPSILON;
        Ok(if is_plain { built } else { Box::new(BoostQuery::new(built, query.boost)) })
    }

    fn bool(&self, bool: &Bool) -> Result<Built> {
        let mut clauses: Vec<(Occur, Built)> = Vec::new();
        for query in &bool.must {
            clauses.push((Occur::Must, self.build(query)?));
        }
        for query in &bool.filter {
            let filter = ConstScoreQuery::new(self.build(query)?, 0.0);
            clauses.push((Occur::Must, Box::new(filter)));
        }
        for query in &bool.must_not {
            clauses.push((Occur::MustNot, self.build(query)?));
        }
        let required = !bool.must.is_empty() || !bool.filter.is_empty();
        let n_should = bool.should.len();
        let minimum = match bool.minimum {
            Some(minimum) => minimum.of(n_should),
            None => usize::from(!required && n_should != 0),
        };
        for query in &bool.should {
            clauses.push((Occur::Should, self.build(query)?));
        }
        if clauses.is_empty() {
            return Ok(Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0)));
        }
        if n_should < minimum {
            return Ok(Box::new(EmptyQuery));
        }
        if !required && n_should == 0 || !required && minimum == 0 {
            // Nothing but exclusions: everything else, without a score.
            let all = ConstScoreQuery::new(Box::new(AllQuery), 0.0);
            clauses.push((Occur::Must, Box::new(all)));
        }
        Ok(Box::new(BooleanQuery::with_minimum_required_clauses(clauses, minimum)))
    }

    fn matching(&self, with: &Match) -> Result<Built> {
        if with.field == "_id" {
            return Ok(self.ids([with.text.as_str()]));
        }
        let Some(field) = self.mapping.field(&with.field) else { return Ok(Box::new(EmptyQuery)) };
        if let FieldKind::Text = field.kind {
            return self.words(field, with);
        }
        match self.exact(field, &Value::from(with.text.as_str())) {
            Err(_) if with.lenient => Ok(Box::new(EmptyQuery)),
            other => other,
        }
    }

    fn words(&self, field: &Field, with: &Match) -> Result<Built> {
        let into = self.slot(field)?;
        let analyzer = field.search_analyzer.unwrap_or(field.analyzer);
        let words = analyzer.terms(&with.text);
        if words.is_empty() {
            return Ok(Box::new(EmptyQuery));
        }
        let occur = if with.all { Occur::Must } else { Occur::Should };
        let n_words = words.len();
        let mut clauses: Vec<(Occur, Built)> = words
            .iter()
            .map(|word| {
                let term = Term::from_field_text(into, word);
                let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
                (occur, Box::new(query) as Built)
            })
            .collect();
        if n_words == 1 {
            return Ok(clauses.remove(0).1);
        }
        let minimum = match (with.all, with.minimum) {
            (true, _) => 0,
            (false, None) => 1,
            (false, Some(minimum)) => minimum.of(n_words).clamp(1, n_words),
        };
        Ok(Box::new(BooleanQuery::with_minimum_required_clauses(clauses, minimum)))
    }

    fn phrase(&self, name: &str, text: &str, slop: u32) -> Result<Built> {
        let Some(field) = self.mapping.field(name) else { return Ok(Box::new(EmptyQuery)) };
        if !matches!(field.kind, FieldKind::Text) {
            return self.exact(field, &Value::from(text));
        }
        let slot = self.slot(field)?;
        let words = field.search_analyzer.unwrap_or(field.analyzer).terms(text);
        let mut terms: Vec<Term> =
            words.iter().map(|word| Term::from_field_text(slot, word)).collect();
        Ok(match terms.len() {
            0 => Box::new(EmptyQuery),
            1 => Box::new(TermQuery::new(terms.remove(0), IndexRecordOption::WithFreqs)),
            _ => {
                let mut phrase = PhraseQuery::new(terms);
                phrase.set_slop(slop);
                Box::new(phrase)
            }
        })
    }

    fn multi(&self, fields: &[(String, f32)], with: &Match, is_phrase: bool) -> Result<Built> {
        let mut each: Vec<Built> = Vec::new();
        let everywhere = [("*".to_owned(), 1.0)];
        let fields = if fields.is_empty() { &everywhere[..] } else { fields };
        for (pattern, boost) in fields {
            let is_pattern = pattern.contains('*');
            for field in self.mapping.matching(pattern) {
                if !field.kind.is_searchable() || !field.index {
                    continue;
                }
                let lenient = with.lenient || is_pattern;
                let name = field.path.to_string();
                let built = if is_phrase {
                    self.phrase(&name, &with.text, 0)
                } else {
                    self.matching(&Match { field: name, lenient, ..with.clone() })
                };
                match built {
                    Ok(built) => each.push(Box::new(BoostQuery::new(built, *boost))),
                    Err(_) if lenient => {}
                    Err(failure) => return Err(failure),
                }
                if SPREAD_MAX < each.len() {
                    return Err(Failure::illegal_argument(format!(
                        "field expansion matches too many fields, limit: {SPREAD_MAX}"
                    )));
                }
            }
        }
        Ok(Box::new(DisjunctionMaxQuery::new(each)))
    }

    fn term(&self, name: &str, value: &Value, ignores_case: bool) -> Result<Built> {
        match name {
            "_id" => return Ok(self.ids([text(value).as_str()])),
            "_index" => {
                let built: Built = if crate::raw::matches_wildcard(&text(value), self.index) {
                    Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0))
                } else {
                    Box::new(EmptyQuery)
                };
                return Ok(built);
            }
            _ => {}
        }
        let Some(field) = self.mapping.field(name) else { return Ok(Box::new(EmptyQuery)) };
        if ignores_case {
            return Err(self.cannot(format!(
                "[term] queries with [case_insensitive] are not supported by this endpoint yet, on field [{name}]"
            )));
        }
        self.exact(field, value)
    }

    /// A value of `field`, as a document may have it.
    fn exact(&self, field: &Field, value: &Value) -> Result<Built> {
        if let FieldKind::Text = field.kind {
            let term = Term::from_field_text(self.slot(field)?, &text(value));
            return Ok(Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)));
        }
        self.check(field)?;
        if field.kind.is_date() {
            // A day is a term too: it matches every moment of it.
            let whole = Range {
                field: field.path.to_string(),
                from: Bound::Included(value.clone()),
                to: Bound::Included(value.clone()),
                format: None,
            };
            return self.range(&whole);
        }
        if let (FieldKind::Ip, Some((address, bits))) = (&field.kind, text(value).split_once('/')) {
            return self.network(field, address, bits);
        }
        let Some(leaf) = self.leaf(field, value)? else { return Ok(Box::new(EmptyQuery)) };
        let term = self.fields.term(&field.path, &leaf);
        let score = match leaf {
            Leaf::Str(_) => self.rarity(&term)?,
            _ => 1.0,
        };
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        Ok(Box::new(ConstScoreQuery::new(Box::new(query), score)))
    }

    fn leaf(&self, field: &Field, value: &Value) -> Result<Option<Leaf>> {
        // How long a value may be and what stands for null is a matter of documents.
        let field = Field { ignore_above: None, coerce: true, ..field.clone() };
        // A number with a fraction equals no whole number.
        if let (FieldKind::Integer(_) | FieldKind::UnsignedLong, Ok(number)) =
            (&field.kind, text(value).parse::<f64>())
            && number.fract() != 0.0
        {
            return Ok(None);
        }
        match document::leaf(&field, &value.to_string()) {
            Err(failure) if failure.kind == "input_coercion_exception" => Ok(None),
            Err(failure) if failure.reason.contains("is out of range") => Ok(None),
            other => other.map_err(|it| {
                self.cannot(format!("failed to create query: {}", it.reason)).caused_by(it)
            }),
        }
    }

    fn terms(&self, name: &str, values: &[Value]) -> Result<Built> {
        if name == "_id" {
            let ids: Vec<String> = values.iter().map(text).collect();
            return Ok(self.ids(ids.iter().map(String::as_str)));
        }
        if name == "_index" {
            let each: Vec<Built> =
                values.iter().map(|it| self.term(name, it, false)).collect::<Result<_>>()?;
            return Ok(Box::new(DisjunctionMaxQuery::new(each)));
        }
        let Some(field) = self.mapping.field(name) else { return Ok(Box::new(EmptyQuery)) };
        self.check(field)?;
        if field.kind.is_date() || matches!(field.kind, FieldKind::Ip) {
            let each = values.iter().map(|it| self.exact(field, it)).collect::<Result<_>>()?;
            let any = BooleanQuery::union(each);
            return Ok(Box::new(ConstScoreQuery::new(Box::new(any), 1.0)));
        }
        let mut terms = Vec::with_capacity(values.len());
        for value in values {
            if let FieldKind::Text = field.kind {
                terms.push(Term::from_field_text(self.slot(field)?, &text(value)));
            } else if let Some(leaf) = self.leaf(field, value)? {
                terms.push(self.fields.term(&field.path, &leaf));
            }
        }
        Ok(Box::new(ConstScoreQuery::new(Box::new(TermSetQuery::new(terms)), 1.0)))
    }

    fn ids<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Built {
        let terms = ids.into_iter().map(|id| Term::from_field_text(self.fields.id, id));
        Box::new(ConstScoreQuery::new(Box::new(TermSetQuery::new(terms)), 1.0))
    }

    fn exists(&self, name: &str) -> Built {
        if matches!(name, "_id" | "_index" | "_source" | "_version" | "_seq_no") {
            return Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0));
        }
        let fields = self.mapping.matching(name);
        let each: Vec<Built> = fields
            .into_iter()
            .filter(|field| field.kind.is_searchable())
            .map(|field| -> Built {
                if let FieldKind::Text = field.kind {
                    let term = Term::from_field_text(self.fields.present, &field.path);
                    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
                } else {
                    Box::new(ExistsQuery::new(column(&field.path), false))
                }
            })
            .collect();
        Box::new(ConstScoreQuery::new(Box::new(BooleanQuery::union(each)), 1.0))
    }

    fn prefix(&self, name: &str, value: &str, ignores_case: bool) -> Result<Built> {
        if name.contains('*') {
            let fields = self.mapping.matching(name);
            let each = fields
                .into_iter()
                .filter(|it| matches!(it.kind, FieldKind::Text | FieldKind::Keyword) && it.index)
                .map(|it| self.prefix(&it.path, value, ignores_case))
                .collect::<Result<_>>()?;
            return Ok(Box::new(DisjunctionMaxQuery::new(each)));
        }
        let Some(field) = self.mapping.field(name) else { return Ok(Box::new(EmptyQuery)) };
        if ignores_case && !field.lowercase && !matches!(field.kind, FieldKind::Text) {
            return Err(self.cannot(format!(
                "[prefix] queries with [case_insensitive] are not supported by this endpoint yet, on field [{name}]"
            )));
        }
        let make: Box<dyn Fn(&str) -> Term> = match field.kind {
            FieldKind::Text => {
                let slot = self.slot(field)?;
                Box::new(move |text| Term::from_field_text(slot, text))
            }
            FieldKind::Keyword => {
                self.check(field)?;
                Box::new(|text| self.fields.bound(&field.path, &Leaf::Str(text.into())))
            }
            _ => {
                return Err(self.cannot(format!(
                    "Can only use prefix queries on keyword, text and wildcard fields - not on [{name}] which is of type [{}]",
                    field.kind.name()
                )));
            }
        };
        let lower = document::normalize(field, value);
        let from = Bound::Included(make(&lower));
        let to = match after_prefix(&lower) {
            Some(after) => Bound::Excluded(make(&after)),
            None => Bound::Unbounded,
        };
        Ok(Box::new(ConstScoreQuery::new(Box::new(RangeQuery::new(from, to)), 1.0)))
    }

    fn range(&self, range: &Range) -> Result<Built> {
        let Some(field) = self.mapping.field(&range.field) else { return Ok(Box::new(EmptyQuery)) };
        if let (Bound::Unbounded, Bound::Unbounded) = (&range.from, &range.to) {
            return Ok(self.exists(&field.path));
        }
        self.check(field)?;
        let formats = match &range.format {
            Some(format) => Some(Formats::new(format).map_err(|it| {
                Failure::illegal_argument(format!("Invalid format: [{it}]: Unknown pattern letter"))
            })?),
            None => None,
        };
        let formats = formats.as_ref().unwrap_or(&field.formats);
        let bound = |bound: &Bound<Value>, is_from: bool| -> Result<Bound<Term>> {
            let (value, included) = match bound {
                Bound::Unbounded => return Ok(Bound::Unbounded),
                Bound::Included(value) => (value, true),
                Bound::Excluded(value) => (value, false),
            };
            let term = self.bound(field, value, formats, is_from == included)?;
            Ok(if included { Bound::Included(term) } else { Bound::Excluded(term) })
        };
        let query = RangeQuery::new(bound(&range.from, true)?, bound(&range.to, false)?);
        Ok(Box::new(ConstScoreQuery::new(Box::new(query), 1.0)))
    }

    fn bound(&self, field: &Field, value: &Value, formats: &Formats, down: bool) -> Result<Term> {
        let text = text(value);
        let leaf = match &field.kind {
            FieldKind::Text => return Ok(Term::from_field_text(self.slot(field)?, &text)),
            FieldKind::Keyword => Leaf::Str(document::normalize(field, &text).as_ref().into()),
            FieldKind::Date | FieldKind::DateNanos => {
                let now = i64::try_from(self.now_ms).unwrap_or(i64::MAX);
                let rounding = if down { Rounding::Down } else { Rounding::Up };
                let millis = date::resolve(&text, formats, now, rounding).ok_or_else(|| {
                    Failure::new(
                        400,
                        "parse_exception",
                        format!(
                            "failed to parse date field [{text}] with format [{}]",
                            formats.as_str()
                        ),
                    )
                })?;
                Leaf::I64(millis)
            }
            FieldKind::Integer(_) | FieldKind::UnsignedLong => match text.parse::<i64>() {
                Ok(number) => Leaf::I64(number),
                Err(_) => match text.parse::<u64>() {
                    Ok(number) => Leaf::U64(number),
                    Err(_) => Leaf::F64(self.number(&text)?),
                },
            },
            FieldKind::Ip | FieldKind::Boolean => match self.leaf(field, value)? {
                Some(leaf) => leaf,
                None => return Err(self.cannot(format!("failed to create query: [{text}]"))),
            },
            _ => Leaf::F64(self.number(&text)?),
        };
        if let Leaf::Bool(_) = leaf {
            return Err(self.cannot(format!(
                "[range] queries on boolean fields are not supported by this endpoint yet, on field [{}]",
                field.path
            )));
        }
        Ok(self.fields.bound(&field.path, &leaf))
    }

    fn number(&self, text: &str) -> Result<f64> {
        text.parse::<f64>().ok().filter(|it| !it.is_nan()).ok_or_else(|| {
            let cause = Failure::new(
                400,
                "number_format_exception",
                format!("For input string: \"{text}\""),
            );
            self.cannot(format!("failed to create query: {}", cause.reason)).caused_by(cause)
        })
    }

    /// All addresses that begin with the same bits.
    fn network(&self, field: &Field, address: &str, bits: &str) -> Result<Built> {
        let bad = || {
            self.cannot(format!(
                "failed to create query: '{address}/{bits}' is not an IP string literal."
            ))
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits: u32 = bits.parse().map_err(|_| bad())?;
        let (number, bits) = match address {
            IpAddr::V4(it) => (u128::from(it.to_ipv6_mapped()), bits + 96),
            IpAddr::V6(it) => (u128::from(it), bits),
        };
        if 128 < bits {
            return Err(bad());
        }
        let rest = u128::MAX.checked_shr(bits).unwrap_or(0);
        let term = |number: u128| {
            self.fields.bound(&field.path, &Leaf::Str(format!("{number:032x}").into()))
        };
        let query = RangeQuery::new(
            Bound::Included(term(number & !rest)),
            Bound::Included(term(number | rest)),
        );
        Ok(Box::new(ConstScoreQuery::new(Box::new(query), 1.0)))
    }

    /// What finding a keyword says, by how few documents have it.
    #[expect(clippy::cast_precision_loss, reason = "a score has 24 bits")]
    fn rarity(&self, term: &Term) -> Result<f32> {
        let n_with = self.searcher.doc_freq(term)? as f32;
        let segments = self.searcher.segment_readers().iter();
        let n_all: f32 = segments.map(|it| it.max_doc() as f32).sum();
        Ok((1.0 + (n_all - n_with + 0.5) / (n_with + 0.5)).ln())
    }

    fn slot(&self, field: &Field) -> Result<tantivy::schema::Field> {
        self.check(field)?;
        let slot = field.slot.and_then(|it| self.fields.slots.get(usize::from(it)));
        slot.copied().ok_or_else(|| Failure::internal("a text field has no slot"))
    }

    fn check(&self, field: &Field) -> Result<()> {
        if !field.kind.is_searchable() {
            return Err(self.cannot(format!(
                "field [{}] of type [{}] cannot be searched by this endpoint",
                field.path,
                field.kind.name()
            )));
        }
        if !field.index {
            return Err(self.cannot(format!(
                "failed to create query: Cannot search on field [{}] since it is not indexed.",
                field.path
            )));
        }
        Ok(())
    }

    fn cannot(&self, reason: String) -> Failure {
        Failure::new(400, "query_shard_exception", reason).with("index", self.index)
    }
}

/// The least text that comes after everything that begins with `prefix`.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
