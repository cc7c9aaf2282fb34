//! What a comparison came to. Pure.

use std::fmt;

use serde::Serialize;

use crate::{Address, Difference};

/// How many findings are told one by one.
pub const FINDINGS_MAX: usize = 1000;
/// And on the terminal.
const SHOWN_MAX: usize = 20;

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The table has the item, the index not the document.
    Missing,
    /// The document says something else.
    Different,
    /// Nothing in the table becomes this document.
    Orphaned,
}

/// One document that is not as it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// The document.
    #[serde(flatten)]
    pub address: Address,
    /// The key of the item in DynamoDB JSON, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where it differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// Whether it was repaired, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repaired: Option<bool>,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Serialize for Difference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        // Every digit of a number is kept, which a number in JSON does not promise.
        let text = |it: &Option<pipeline::Value>| it.as_ref().map(ToString::to_string);
        let mut fields = serializer.serialize_struct("Difference", 3)?;
        fields.serialize_field("path", &self.path)?;
        fields.serialize_field("expected", &text(&self.expected))?;
        fields.serialize_field("found", &text(&self.found))?;
        fields.end()
    }
}

/// The whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Items read from the tables.
    pub items: u64,
    /// Documents that are as they should be.
    pub equal: u64,
    /// Documents the index lacks.
    pub missing: u64,
    /// Documents that say something else.
    pub different: u64,
    /// Documents of no item.
    pub orphaned: u64,
    /// Documents that kept changing while they were looked at.
    pub in_flight: u64,
    /// Documents of which it cannot be told, because a script writes them.
    pub not_comparable: u64,
    /// Items that the pipeline does not write.
    pub filtered: u64,
    /// Items that the pipeline would set aside.
    pub dead_lettered: u64,
    /// Why, for the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
    /// Documents that were repaired.
    pub repaired: u64,
    /// Documents listed in the index.
    pub listed: u64,
    /// Fields that the pipeline makes anew each time, which were not compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<String>,
    /// The findings, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many documents are not as they should be and were not repaired.
    pub fn n_wrong(&self) -> u64 {
        (self.missing + self.different + self.orphaned).saturating_sub(self.repaired)
    }

    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        match finding.kind {
            Kind::Missing => self.missing += 1,
            Kind::Different => self.different += 1,
            Kind::Orphaned => self.orphaned += 1,
        }
        self.repaired += u64::from(finding.repaired == Some(true));
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_shown = self.findings.len().min(SHOWN_MAX);
        for finding in &self.findings[..n_shown] {
            writeln!(f, "{finding}")?;
        }
        let n_more = self.missing + self.different + self.orphaned - n_shown as u64;
        if 0 < n_more {
            writeln!(f, "… and {n_more} more; --json tells up to {FINDINGS_MAX}")?;
        }
        for field in &self.not_compared {
            writeln!(f, "not compared: {field}, which the pipeline makes anew each time")?;
        }
        if let Some(reason) = &self.dead_letter {
            writeln!(f, "{} items would be dead letters, such as: {reason}", self.dead_lettered)?;
        }
        let parts = [
            (self.equal, "equal"),
            (self.missing, "missing"),
            (self.different, "different"),
            (self.orphaned, "orphaned"),
            (self.in_flight, "in flight"),
            (self.not_comparable, "written by scripts"),
            (self.repaired, "repaired"),
        ];
        let told: Vec<String> = parts
            .iter()
            .enumerate()
            .filter(|(n, (count, _))| *n < 4 || 0 < *count)
            .map(|(_, (count, name))| format!("{count} {name}"))
            .collect();
        write!(f, "{} items: {}", self.items, told.join(", "))?;
        if 0 < self.filtered {
            write!(f, "; {} filtered", self.filtered)?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Missing => "missing",
            Kind::Different => "different",
            Kind::Orphaned => "orphaned",
        };
        write!(f, "{kind:<10} {}/{}", self.address.index, self.address.id)?;
        for it in &self.differences {
            let text = |value: &Option<pipeline::Value>| {
                value.as_ref().map_or("nothing".to_owned(), ToString::to_string)
            };
            write!(f, "\n           {}: {} in the table, ", it.path, text(&it.expected))?;
            write!(f, "{} in the index", text(&it.found))?;
        }
        match (self.repaired, &self.problem) {
            (Some(true), _) => write!(f, "  repaired"),
            (_, Some(problem)) => write!(f, "  not repaired: {problem}"),
            _ => Ok(()),
        }
    }
}
