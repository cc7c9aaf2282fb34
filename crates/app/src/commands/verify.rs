//! `streamdex verify`: table and index, item by item, through the pipeline itself.

mod index;
mod tables;
mod through;

use std::{io::IsTerminal, time::Duration};

use aws::Environment;
use pipeline::{Clock, NotAPeriod, Period};
use tokio::time::Instant;
use verify::{Ends, Options, Progress};

use self::{index::Indices, tables::Scanned, through::Rehearsed};
use crate::{
    cli::Verify,
    failure::{Failure, warn_of},
    plugins::Surroundings,
    rehearsal::Rehearsal,
    service::{Files, build_all},
};

/// How often the line on the terminal changes.
const TELL_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn run(args: Verify) -> Result<(), Failure> {
    let wrong = |error: NotAPeriod| {
        Failure::wrong(format!("--lag {}: {error}; write it like 10s", args.lag))
    };
    let Period(lag) = args.lag.parse().map_err(wrong)?;
    let environment = Environment::of_process();
    let loaded = Files::at(&args.files.files, args.files.osis).load(&environment).await?;
    warn_of(&loaded.warnings);
    let rehearsal = Rehearsal::default();
    let surroundings = Surroundings {
        rehearsal: Some(rehearsal.clone()),
        ..Surroundings::without_place(environment.clone())
    };
    let built = build_all(&loaded, &surroundings)?;
    let tables = Scanned::of(&built, args.max_rcu).await?;
    let index = Indices::new(&rehearsal.sinks(), &environment, &Clock::real())?;
    let through = Rehearsed::new(&built, &tables, rehearsal, &index);
    let keys = args.key.iter().map(|it| tables.key(it)).collect::<Result<_, Failure>>()?;
    let options = Options {
        lag,
        repair: args.repair && !args.dry_run,
        orphans: !args.no_orphans,
        segments: args.segments,
        sample: args.sample.map(|it| it.div_ceil(u64::from(args.segments.max(1)))),
        keys,
    };
    let ends = Ends { tables: &tables, through: &through, index: &index };
    let mut line = Line::new(tables.n_items());
    let report = verify::verify(&ends, &options, |progress| line.show(progress)).await;
    line.end();
    let report = report.map_err(|error| Failure::failed(error.to_string()))?;
    print(&report, args.json)?;
    if report.n_wrong() == 0 { Ok(()) } else { Err(Failure::differing()) }
}

#[expect(clippy::print_stdout, reason = "it is what the command is asked for")]
fn print(report: &verify::Report, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let json = serde_json::to_string(report);
        println!("{}", json.map_err(|error| Failure::failed(error.to_string()))?);
    } else {
        println!("{report}");
    }
    Ok(())
}

/// One line on the terminal that changes; none where nobody looks.
struct Line {
    /// About as many items as there are.
    n_items: u64,
    began: Instant,
    shown: Option<Instant>,
}

#[expect(clippy::print_stderr, reason = "the report goes to the other stream")]
impl Line {
    fn new(n_items: u64) -> Line {
        Line { n_items, began: Instant::now(), shown: None }
    }

    fn show(&mut self, progress: Progress) {
        let is_early = self.shown.is_some_and(|it| it.elapsed() < TELL_EVERY);
        if is_early || !std::io::stderr().is_terminal() {
            return;
        }
        self.shown = Some(Instant::now());
        let Progress { items, listed, wrong } = progress;
        eprint!(
            "\r\x1b[K{items} items, {listed} documents listed, {wrong} wrong{}",
            self.left(items)
        );
    }

    /// How much longer reading the table will take, if it can be told.
    fn left(&self, items: u64) -> String {
        if items == 0 || self.n_items <= items {
            return String::new();
        }
        let left = self.began.elapsed().as_secs() * (self.n_items - items) / items;
        format!("; about {} s more for the table", left + 1)
    }

    fn end(&self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}
