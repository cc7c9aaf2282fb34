//! What is compared: tables, the pipeline between, and an index. Whoever calls says how to reach them.

use async_trait::async_trait;

use crate::{Address, Expected, Found, Listed, Row, Stamp};

/// Why the comparison could not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EndError(pub String);

impl From<std::io::Error> for EndError {
    fn from(error: std::io::Error) -> EndError {
        EndError(format!("the temporary files of the comparison: {error}"))
    }
}

/// A page of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Its items.
    pub rows: Vec<Row>,
    /// Where the next page begins, in DynamoDB JSON; nothing at the end.
    pub next: Option<String>,
}

/// The tables of the pipelines.
#[async_trait]
pub trait Tables: Send + Sync {
    /// How many there are.
    fn n(&self) -> usize;

    /// Reads a page of one segment of a table.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    async fn page(
        &self,
        table: usize,
        segment: u32,
        segments: u32,
        after: Option<&str>,
    ) -> Result<Page, EndError>;

    /// Reads items by their keys, as they are now, not as they were.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    async fn rows(&self, table: usize, keys: &[String]) -> Result<Vec<Option<Row>>, EndError>;

    /// The time of the tables' own clock, in milliseconds since the epoch: what is written to them
    /// after this bears no earlier time.
    ///
    /// # Errors
    ///
    /// When the service does not answer.
    async fn now_ms(&self) -> Result<u64, EndError>;

    /// The keys under which the item of a document might be, by the fields that bear the names of the
    /// keys; none where it has no such fields.
    fn keys_of(&self, document: &[u8]) -> Vec<(usize, String)>;
}

/// What becomes of an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Planned {
    /// It becomes these documents.
    Documents(Vec<Expected>),
    /// It is not written.
    Filtered,
    /// It would be a dead letter, for this reason.
    DeadLetter(String),
}

/// The pipeline itself, writing nothing.
#[async_trait]
pub trait Through: Send + Sync {
    /// What would be written of each item.
    ///
    /// # Errors
    ///
    /// When the pipeline fails as a whole.
    async fn planned(&self, rows: &[Row]) -> Result<Vec<Planned>, EndError>;
}

/// Where the documents of a sink are: an index, an alias or a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which sink.
    pub sink: usize,
    /// Its index, or a pattern of all it may write to.
    pub index: String,
}

/// What to do about one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Repair {
    /// Which document.
    pub address: Address,
    /// What it should say; it is deleted if nothing.
    pub json: Option<Vec<u8>>,
    /// So that nothing newer is overwritten.
    pub guard: Guard,
}

/// What must be so for a repair to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// No version is newer than this one, which the document then has.
    External(u64),
    /// It is still in this state.
    Unchanged(Stamp),
    /// It is not there.
    Absent,
}

/// The indices of the pipelines' sinks.
#[async_trait]
pub trait Index: Send + Sync {
    /// Reads documents by id, each with the name of the index it is in, which an alias does not say.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    async fn get(&self, addresses: &[Address]) -> Result<Vec<(String, Option<Found>)>, EndError>;

    /// Lists what is in a place, page after page; the first without a cursor.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    async fn list(
        &self,
        place: &Place,
        cursor: Option<String>,
    ) -> Result<(Vec<Listed>, Option<String>), EndError>;

    /// Carries out repairs, and says of each why it was not done.
    ///
    /// # Errors
    ///
    /// When the index cannot be written to at all.
    async fn repair(&self, repairs: &[Repair]) -> Result<Vec<Option<String>>, EndError>;

    /// Where the documents of all sinks are.
    fn places(&self) -> Vec<Place>;
}

/// All of it.
pub struct Ends<'a> {
    /// The tables.
    pub tables: &'a dyn Tables,
    /// What is between.
    pub through: &'a dyn Through,
    /// The indices.
    pub index: &'a dyn Index,
}
