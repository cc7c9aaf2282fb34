//! What others answer differently, and the page that says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use serde::Deserialize;

use crate::suite::cases;

/// Cases that someone answers differently, all for one reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    pub(crate) reason: String,
    pub(crate) cases: Vec<String>,
}

/// By the name of whoever answers differently.
pub(crate) fn differences() -> BTreeMap<String, Vec<Difference>> {
    serde_json::from_str(include_str!("differences.json")).expect("differences.json")
}

#[test]
fn the_page_lists_what_was_compared() {
    let page = page();
    let path = "../../docs/reference/dynamodb-compatibility.md";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if fs::read_to_string(&path).unwrap_or_default() != page {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, page).unwrap();
        panic!("{} was out of date; it is right now, run the tests again", path.display());
    }
}

#[test]
fn every_case_has_one_name_and_every_difference_a_case() {
    let mut names = BTreeSet::new();
    for (_, cases) in &cases() {
        for case in cases {
            assert!(names.insert(case.name.clone()), "twice: {}", case.name);
        }
    }
    for (who, differences) in differences() {
        for Difference { reason, cases } in differences {
            assert!(!reason.is_empty(), "{who} differs for no reason");
            for case in cases {
                assert!(names.contains(&case), "{who}: there is no case `{case}`");
            }
        }
    }
}

fn page() -> String {
    let cases = cases();
    let n_cases: usize = cases.iter().map(|(_, cases)| cases.len()).sum();
    let mut page = String::from(include_str!("page.md"));
    let _ = writeln!(page, "\n## The suite\n\n{n_cases} cases:\n");
    for (subject, cases) in &cases {
        let _ = writeln!(page, "* {}: {subject}", cases.len());
    }
    for (who, differences) in differences() {
        let n_differing: usize = differences.iter().map(|it| it.cases.len()).sum();
        let _ = writeln!(page, "\n## {who}\n");
        if differences.is_empty() {
            let _ = writeln!(page, "Answers all of them as expected.");
            continue;
        }
        let _ = writeln!(page, "Answers {} of {n_cases} as expected.", n_cases - n_differing);
        for Difference { reason, cases } in differences {
            let _ = writeln!(page, "\n{reason}\n");
            for case in cases {
                let _ = writeln!(page, "* {case}");
            }
        }
    }
    page
}
