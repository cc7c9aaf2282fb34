//! One page of a query or scan: which items, and what is shown of them. Pure.

use crate::dynamodb::{
    answer::{Answer, write_list},
    error::ApiError,
    expression::{Condition, Projection},
    item::Item,
};

/// How much a page may hold.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// Items, in the order asked for, and whether they stop before the end.
#[derive(Debug, Default)]
pub(crate) struct Page {
    items: Vec<Item>,
    size_bytes: usize,
    stops_early: bool,
}

impl Page {
    /// Takes items up to `limit`, or as many as fit. It may stop exactly at the end and not know.
    pub(crate) fn of<'a>(items: impl Iterator<Item = &'a Item>, limit: Option<usize>) -> Page {
        let mut page = Page::default();
        for item in items {
            if !page.items.is_empty() && PAGE_BYTES_MAX < page.size_bytes + item.size_bytes() {
                page.stops_early = true;
                break;
            }
            page.size_bytes += item.size_bytes();
            page.items.push(item.clone());
            if limit == Some(page.items.len()) {
                page.stops_early = true;
                break;
            }
        }
        page
    }

    /// What it cost to read.
    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The answer, as far as query and scan have it in common.
    pub(crate) fn answer(&self, shown: &Shown) -> Answer {
        let passes = |item: &&Item| shown.filter.as_ref().is_none_or(|it| it.holds(item.json()));
        let items: Vec<&Item> = self.items.iter().filter(passes).collect();
        let mut answer = Answer::new();
        answer.value("Count", items.len());
        if !shown.only_count {
            answer.member("Items", |out| {
                out.reserve(self.items.iter().map(|it| it.json().len() + 1).sum());
                write_list(out, &items, |item, out| match &shown.projection {
                    None => out.extend_from_slice(item.json()),
                    Some(projection) => {
                        projection.write(item.json(), out);
                    }
                });
            });
        }
        if let Some(last) = self.items.last().filter(|_| self.stops_early) {
            answer.member("LastEvaluatedKey", |out| match &shown.last_key {
                None => last.write_key(out),
                Some(key) => {
                    key.write(last.json(), out);
                }
            });
        }
        answer.value("ScannedCount", self.items.len());
        answer
    }
}

/// What is shown of the items of a page.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) filter: Option<Condition>,
    pub(crate) projection: Option<Projection>,
    pub(crate) only_count: bool,
    /// Which attributes say where to go on; the primary key if none are given.
    pub(crate) last_key: Option<Projection>,
}

/// Whether only items are to be counted; refuses what does not go together.
pub(crate) fn only_count(
    select: Option<&str>,
    has_projection: bool,
    has_index: bool,
) -> Result<bool, ApiError> {
    let names = ["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"];
    let select = super::parameters::one_of(select, "select", &names)?;
    let cannot = |what| {
        Err(ApiError::validation(format!(
            "Cannot specify the ProjectionExpression when choosing to get {what}"
        )))
    };
    match select {
        Some("SPECIFIC_ATTRIBUTES") if !has_projection => Err(ApiError::validation(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        )),
        Some("ALL_ATTRIBUTES") if has_projection => cannot("ALL_ATTRIBUTES"),
        Some("COUNT") if has_projection => cannot("only the Count"),
        Some("ALL_PROJECTED_ATTRIBUTES") if has_projection => cannot("ALL_PROJECTED_ATTRIBUTES"),
        Some("ALL_PROJECTED_ATTRIBUTES") if !has_index => Err(ApiError::validation(
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        )),
        select => Ok(select == Some("COUNT")),
    }
}
