use std::fs;

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::*;

fn read(path: &Path) -> (Vec<Vec<u8>>, Vec<Damage>) {
    let mut records = Vec::new();
    let (_, damages) = Journal::open(path, |record| records.push(record.to_vec())).unwrap();
    (records, damages)
}

fn write(path: &Path, records: &[Vec<u8>]) {
    let (mut journal, _) = Journal::open(path, |_| ()).unwrap();
    for record in records {
        journal.append(record).unwrap();
    }
    journal.flush().unwrap();
}

#[test]
fn what_was_appended_is_replayed_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let records = vec![b"one".to_vec(), Vec::new(), vec![7; 3 << 20]];

    write(&path, &records[..2]);
    write(&path, &records[2..]);

    assert_eq!(read(&path), (records, Vec::new()));
}

#[test]
fn a_cleared_journal_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = Journal::open(&path, |_| ()).unwrap();
    journal.append(b"old").unwrap();
    journal.clear().unwrap();
    journal.append(b"new").unwrap();
    journal.sync().unwrap();

    assert_eq!(read(&path).0, [b"new".to_vec()]);
}

proptest! {
    /// Cut anywhere, a journal still holds every record that was whole before the cut, and nothing else.
    #[test]
    fn a_cut_costs_only_the_last_record(records in some_records(), cut in any::<prop::sample::Index>()) {
        check_a_cut_costs_only_the_last_record(&records, cut)?;
    }

    /// One damaged byte costs one record, wherever it lies, and says so.
    #[test]
    fn damage_costs_only_the_record_it_touches(records in some_records(), at in any::<prop::sample::Index>()) {
        check_damage_costs_only_the_record_it_touches(&records, at)?;
    }
}

fn some_records() -> impl Strategy<Value = Vec<Vec<u8>>> {
    // Bytes of the magic, so that payloads look like headers now and then.
    let byte = prop_oneof![prop::sample::select(MAGIC.to_vec()), any::<u8>()];
    prop::collection::vec(prop::collection::vec(byte, 0..40), 1..8)
}

fn check_a_cut_costs_only_the_last_record(
    records: &[Vec<u8>],
    cut: prop::sample::Index,
) -> TestCaseResult {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    write(&path, records);
    let bytes = fs::read(&path).unwrap();
    let cut = cut.index(bytes.len() + 1);
    fs::write(&path, &bytes[..cut]).unwrap();

    let mut end = 0;
    let whole = records.iter().take_while(|it| {
        end += HEADER_BYTES + it.len();
        end <= cut
    });
    prop_assert_eq!(read(&path), (whole.cloned().collect(), Vec::new()));
    // And it can be written to again.
    write(&path, &[b"after".to_vec()]);
    let (records, _) = read(&path);
    prop_assert_eq!(records.last().map(Vec::as_slice), Some(b"after".as_slice()));
    Ok(())
}

fn check_damage_costs_only_the_record_it_touches(
    records: &[Vec<u8>],
    at: prop::sample::Index,
) -> TestCaseResult {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut all = records.to_vec();
    all.push(b"last".to_vec());
    write(&path, &all);
    let mut bytes = fs::read(&path).unwrap();
    let at = at.index(bytes.len() - HEADER_BYTES - 4);
    bytes[at] ^= 0xFF;
    fs::write(&path, &bytes).unwrap();

    let mut start = 0;
    let (mut kept, mut lost) = (Vec::new(), 0..0);
    for record in all {
        let end = start + HEADER_BYTES + record.len();
        if (start..end).contains(&at) {
            lost = start as u64..end as u64;
        } else {
            kept.push(record);
        }
        start = end;
    }
    prop_assert_eq!(read(&path), (kept, vec![Damage { bytes: lost }]));
    Ok(())
}
