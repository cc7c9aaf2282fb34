//! Table against index: what the pipeline would write, beside what the index has; and how to mend it.
//!
//! `compare`, `judge`, `address` and `report` decide, `ledger` remembers on disk, and `run` and `check`
//! ask the [`Ends`], which whoever calls provides.

mod address;
mod check;
mod compare;
mod ends;
mod judge;
mod ledger;
mod report;
mod run;

pub use crate::{
    address::{Address, Expected, Found, Listed, Row, Stamp},
    compare::{Comparison, Difference, Sets},
    ends::{EndError, Ends, Guard, Index, Page, Place, Planned, Repair, Tables, Through},
    report::{FINDINGS_MAX, Finding, Kind, Report},
    run::{Options, Progress, verify},
};
