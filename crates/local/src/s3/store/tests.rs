//! What the files look like, and what is left when a process dies between two of them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    listing::{Item, Wanted},
    record::Description,
    *,
};
use crate::s3::{
    condition::Conditions,
    error::{ApiError, Code},
    page::{Mark, common_prefix},
};

#[test]
fn an_object_and_a_folder_may_have_one_name() {
    let (folder, store) = store();
    for (key, paths, when) in [
        ("a", &["a"][..], "an object"),
        ("a/b", &["a%object", "a/b"], "it steps aside for a folder"),
        ("a/b/c", &["a%object", "a/b%object", "a/b/c"], "and again"),
        ("a", &["a%object", "a/b%object", "a/b/c"], "it is replaced where it is"),
        ("a/b/", &["a%object", "a/b%object", "a/b/%empty", "a/b/c"], "the folder itself"),
    ] {
        put(&store, key, key);
        assert_eq!(files(&folder.path().join("books")), paths, "{when}");
        assert_eq!(get(&store, key).unwrap(), key, "{when}");
    }
    for key in ["a/b/c", "a/b/", "a/b"] {
        store.delete("books", key, &Conditions::default()).unwrap();
    }
    assert_eq!(files(&folder.path().join("books")), ["a%object"]);
    assert_eq!(get(&store, "a").unwrap(), "a");
}

#[test]
fn a_process_may_die_between_the_two_files() {
    let (folder, store) = store();
    put(&store, "a", "old");
    let object = folder.path().join("books/a");
    let before = store.object("books", "a").unwrap().record;

    // Died before the rename: the sidecar is new, the object is not.
    let old = folder.path().join("old");
    fs::rename(&object, &old).unwrap();
    fs::copy(&old, &object).unwrap();
    let modified = fs::metadata(&old).unwrap().modified().unwrap();
    File::options().write(true).open(&object).unwrap().set_modified(modified).unwrap();
    put(&store, "a", "newer");
    let after = store.object("books", "a").unwrap().record;
    assert_eq!(after.description.metadata["text"], "newer");
    fs::rename(&old, &object).unwrap();
    assert_eq!(store.object("books", "a").unwrap().record, before, "the old one is whole");

    // Died before there was ever a sidecar, or it is damaged: the bytes speak for themselves.
    let sidecar = files(&folder.path().join(".s3/about/books"));
    fs::write(folder.path().join(".s3/about/books").join(&sidecar[0]), "{").unwrap();
    let alone = store.object("books", "a").unwrap().record;
    assert_eq!(alone.content.etag, before.content.etag);
    assert_eq!(alone.description, Description::default());
}

#[test]
fn a_start_removes_what_was_never_finished() {
    let (folder, store) = store();
    let draft = store.draft(None).unwrap();
    assert_eq!(files(&folder.path().join(".s3/drafts")).len(), 1);
    std::mem::forget(draft);
    drop(store);
    Store::open(folder.path(), Clock::default()).unwrap();
    assert!(files(&folder.path().join(".s3/drafts")).is_empty());
}

#[test]
fn a_draft_that_is_dropped_leaves_nothing() {
    let (folder, store) = store();
    drop(store.draft(None).unwrap());
    assert!(files(&folder.path().join(".s3/drafts")).is_empty());
}

#[test]
fn files_that_are_no_objects_keep_their_bucket() {
    let (folder, store) = store();
    fs::create_dir_all(folder.path().join("books/empty/folder")).unwrap();
    fs::write(folder.path().join("books/100%"), "not our spelling").unwrap();
    assert!(keys(&store, "", None, 10).is_empty());
    assert!(store.delete_bucket("books").unwrap_err().is(Code::BucketNotEmpty));
    fs::remove_file(folder.path().join("books/100%")).unwrap();
    store.delete_bucket("books").unwrap();
    assert!(store.object("books", "a").unwrap_err().is(Code::NoSuchBucket));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the keys, the pages of a listing are what a sorted set of them would give.
    #[test]
    fn a_listing_is_a_sorted_set(
        keys in proptest::collection::btree_set(any_key(), 0..16),
        prefix in prop_oneof![Just(String::new()), any_key()],
        delimiter in prop_oneof![Just(None), Just(Some("/")), Just(Some("b"))],
        page in 1..6usize,
    ) {
        check_a_listing_is_a_sorted_set(&keys, &prefix, delimiter, page)?;
    }
}

fn check_a_listing_is_a_sorted_set(
    all: &BTreeSet<String>,
    prefix: &str,
    delimiter: Option<&str>,
    page: usize,
) -> Result<(), TestCaseError> {
    let (_folder, store) = store();
    for key in all {
        put(&store, key, key);
    }
    let rolled_up = |key: &String| {
        common_prefix(key, prefix, delimiter).map_or_else(|| key.clone(), str::to_owned)
    };
    let mut expected: Vec<String> =
        all.iter().filter(|it| it.starts_with(prefix)).map(rolled_up).collect();
    expected.dedup();
    prop_assert_eq!(keys(&store, prefix, delimiter, page), expected);
    for key in all {
        prop_assert_eq!(get(&store, key).ok(), Some(key.clone()));
    }
    Ok(())
}

/// Keys that are in each other's way: of few segments, some of them long.
fn any_key() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => "[ab.]{0,2}",
        1 => Just("%".to_owned()),
        1 => Just("é".to_owned()),
        1 => (235..240usize, "[a-bé]{0,2}").prop_map(|(n, end)| "y".repeat(n) + &end),
    ];
    let key = proptest::collection::vec(segment, 1..4).prop_map(|it| it.join("/"));
    key.prop_filter("a key has a letter", |it| !it.is_empty())
}

/// A store with one bucket.
fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Clock::default()).unwrap();
    store.create_bucket("books", None).unwrap();
    (folder, store)
}

fn put(store: &Store, key: &str, text: &str) {
    let mut draft = store.draft(None).unwrap();
    draft.write(text.as_bytes()).unwrap();
    let mut description = Description::default();
    description.metadata.insert("text".to_owned(), text.to_owned());
    let conditions = Conditions::default();
    store.commit("books", key, draft.finish(), description, &conditions).unwrap();
}

fn get(store: &Store, key: &str) -> Result<String, ApiError> {
    Ok(io::read_to_string(store.object("books", key)?.file)?)
}

/// Keys and common prefixes of all pages.
fn keys(store: &Store, prefix: &str, delimiter: Option<&str>, items_max: usize) -> Vec<String> {
    let mut keys = Vec::new();
    let mut after: Option<Mark> = None;
    loop {
        let wanted = Wanted {
            prefix: prefix.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            after,
            items_max,
        };
        let page = store.list("books", &wanted).unwrap();
        keys.extend(page.items.into_iter().map(|it| match it {
            Item::Object(key, _) | Item::Prefix(key) => key,
        }));
        match page.next {
            Some(next) => after = Some(next),
            None => return keys,
        }
    }
}

/// The paths of all files below a folder, in order.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()).into_iter().map(|it| format!("{name}/{it}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}
