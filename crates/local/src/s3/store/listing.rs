//! One page of a bucket's objects.

use super::{Store, record::Record, walk::Walk};
use crate::s3::{
    error::ApiError,
    page::{Mark, common_prefix},
};

/// Which page is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    /// Where the page before ended.
    pub(crate) after: Option<Mark>,
    pub(crate) items_max: usize,
}

/// A line of a listing.
#[derive(Debug)]
pub(crate) enum Item {
    Object(String, Record),
    /// Many keys that begin alike.
    Prefix(String),
}

/// A page of a listing.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) items: Vec<Item>,
    /// Where the next one begins, if there is one.
    pub(crate) next: Option<Mark>,
}

impl Store {
    /// Lists objects.
    ///
    /// # Errors
    ///
    /// When there is no such bucket.
    pub(crate) fn list(&self, bucket: &str, wanted: &Wanted) -> Result<Page, ApiError> {
        let folder = self.folder_of(bucket)?;
        let Wanted { prefix, delimiter, after, items_max } = wanted;
        let mut page = Page::default();
        if *items_max == 0 {
            return Ok(page);
        }
        let mut walk = Walk::new(&folder, prefix, after.as_ref().map(Mark::text));
        if let Some(Mark::Prefix(prefix)) = after {
            walk.skip(prefix);
        }
        let mut last = None;
        while let Some((key, place)) = walk.next()? {
            let common = common_prefix(&key, prefix, delimiter.as_deref()).map(str::to_owned);
            let item = match common {
                Some(common) => Item::Prefix(common),
                None => match self.object_at(bucket, &key, &place)? {
                    Some(object) => Item::Object(key, object.record),
                    // It has just been replaced, or deleted.
                    None => match self.object(bucket, &key) {
                        Ok(object) => Item::Object(key, object.record),
                        Err(_) => continue,
                    },
                },
            };
            if page.items.len() == *items_max {
                page.next = last;
                return Ok(page);
            }
            last = Some(match &item {
                Item::Object(key, _) => Mark::Key(key.clone()),
                Item::Prefix(prefix) => {
                    walk.skip(prefix);
                    Mark::Prefix(prefix.clone())
                }
            });
            page.items.push(item);
        }
        Ok(page)
    }
}
