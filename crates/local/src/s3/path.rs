//! Where an object lies: keys as paths below a bucket's folder, and back. Pure.
//!
//! A key is cut at its slashes, and each segment becomes a name. What a name cannot hold, or would
//! mean something else as a name, is written `%XX`. Three words begin with a `%` that is no escape:
//!
//! | Name | Stands for |
//! | --- | --- |
//! | `%empty` | a segment without letters, as in `a//b` or `a/` |
//! | `…%more` | a folder that goes on within a segment too long for one name |
//! | `…%object` | the object `a`, where `a` is a folder as well |
//!
//! A file whose name is not how we would write its key is not an object. So no two files are the
//! same object, and no key leads out of the folder.

use super::percent;

/// A segment is cut as soon as its name has this many bytes. A name of 255 is what most file
/// systems hold; the words above and a last letter of several bytes must still fit.
const CUT_BYTES: usize = 237;
const EMPTY: &str = "%empty";
const MORE: &str = "%more";
const OBJECT: &str = "%object";

/// The names on the way from a bucket's folder to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectPath {
    /// Outermost first.
    pub(crate) folders: Vec<String>,
    /// The file.
    pub(crate) name: String,
}

impl ObjectPath {
    /// The path of the object `key`.
    pub(crate) fn of(key: &str) -> ObjectPath {
        let mut folders: Vec<String> = key.split('/').flat_map(names).collect();
        let name = folders.pop().expect("even an empty segment has a name");
        ObjectPath { folders, name }
    }

    /// What the file is called while there is a folder of its name.
    pub(crate) fn name_beside_folder(&self) -> String {
        beside_folder(&self.name)
    }
}

/// What a file is called while there is a folder of its name.
pub(crate) fn beside_folder(name: &str) -> String {
    format!("{name}{OBJECT}")
}

/// What a file of this name adds to the key. `None` if it is no object.
pub(crate) fn key_of_file(name: &str) -> Option<String> {
    let name = name.strip_suffix(OBJECT).unwrap_or(name);
    let segment = segment_of(name)?;
    (names(&segment) == [name]).then_some(segment)
}

/// What a folder of this name adds to the keys of the objects in it. `None` if they are none.
pub(crate) fn key_of_folder(name: &str) -> Option<String> {
    if let Some(piece) = name.strip_suffix(MORE) {
        let piece = segment_of(piece)?;
        return (names(&piece) == [name, EMPTY]).then_some(piece);
    }
    let mut segment = segment_of(name)?;
    let is_ours = names(&segment) == [name];
    segment.push('/');
    is_ours.then_some(segment)
}

/// The names of a segment: one, or more if it is long.
fn names(segment: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    for letter in segment.chars() {
        if fits(letter) {
            name.push(letter);
        } else {
            // Only ASCII does not fit.
            percent::push(&mut name, letter as u8);
        }
        if CUT_BYTES <= name.len() {
            name.push_str(MORE);
            names.push(std::mem::take(&mut name));
        }
    }
    names.push(match name.as_str() {
        "" => EMPTY.to_owned(),
        // Here and the folder above, to any file system.
        "." => "%2E".to_owned(),
        ".." => "%2E.".to_owned(),
        _ => name,
    });
    names
}

/// Whether a name can hold this letter.
fn fits(letter: char) -> bool {
    // A backslash is a slash to some systems, so we never write one.
    let is_ours = matches!(letter, '%' | '\\' | '/') || letter.is_ascii_control();
    let is_windows = cfg!(windows) && matches!(letter, '<' | '>' | ':' | '"' | '|' | '?' | '*');
    !is_ours && !is_windows
}

/// What stands in a name. Says nothing about whether it is the right name for it.
fn segment_of(name: &str) -> Option<String> {
    if name == EMPTY { Some(String::new()) } else { percent::decode(name) }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_have_readable_paths() {
        for (key, path, when) in [
            ("a", "a", "plain"),
            ("a/b.json.gz", "a/b.json.gz", "a folder"),
            ("2026-11-22T10:00:00Z é.json", "2026-11-22T10:00:00Z é.json", "times, other letters"),
            ("100%", "100%25", "our own sign"),
            ("a\\..\\b\n\0", "a%5C..%5Cb%0A%00", "what systems trip over"),
            ("../../etc/passwd", "%2E./%2E./etc/passwd", "a way out"),
            ("./...", "%2E/...", "three dots are a name"),
            ("/a//b/", "%empty/a/%empty/b/%empty", "empty segments"),
            ("a%empty", "a%25empty", "our own word"),
        ] {
            assert_eq!(joined(&ObjectPath::of(key)), path, "{when}");
        }
    }

    #[test]
    fn a_long_segment_takes_several_names() {
        let key = "x".repeat(500);
        let path = ObjectPath::of(&key);
        assert_eq!(path.folders, vec![format!("{}%more", "x".repeat(237)); 2]);
        assert_eq!(path.name, "x".repeat(26));
        assert_eq!(ObjectPath::of(&"x".repeat(237)).name, "%empty");
    }

    #[test]
    fn other_files_are_no_objects() {
        for (name, when) in [
            ("100%.txt", "a sign that we would escape"),
            ("%2e", "small digits"),
            ("%41", "an escape that is not needed"),
            ("a%more", "a file is never the beginning of one"),
            ("%empty%more", "a folder's word on a file"),
            (".", "here"),
            ("%FF", "not UTF-8"),
        ] {
            assert_eq!(key_of_file(name), None, "{when}");
        }
        for (name, when) in [("a%more", "too short to be cut"), ("%2", "half an escape")] {
            assert_eq!(key_of_folder(name), None, "{when}");
        }
        assert_eq!(key_of_file("a%object"), Some("a".to_owned()));
    }

    proptest! {
        /// Every key has one path, which leads nowhere but down, and back to the key.
        #[test]
        fn a_path_leads_back_to_its_key(key in any_key()) {
            check_a_path_leads_back_to_its_key(&key)?;
        }

        /// Two keys never share a path, and a name that is read is the name that would be written.
        #[test]
        fn a_name_is_read_as_it_is_written(name in any_key()) {
            check_a_name_is_read_as_it_is_written(&name)?;
        }
    }

    fn check_a_path_leads_back_to_its_key(key: &str) -> Result<(), TestCaseError> {
        let path = ObjectPath::of(key);
        let mut read: String = path.folders.iter().filter_map(|it| key_of_folder(it)).collect();
        read.push_str(&key_of_file(&path.name).unwrap_or_default());
        prop_assert_eq!(&read, key);
        prop_assert_eq!(key_of_file(&path.name), key_of_file(&path.name_beside_folder()));

        let joined = joined(&path);
        let n_names = path.folders.len() + 1;
        let n_normal = Path::new(&joined)
            .components()
            .filter(|it| matches!(it, Component::Normal(name) if name.len() <= 255 - OBJECT.len()))
            .count();
        prop_assert_eq!(n_normal, n_names, "{}", joined);
        Ok(())
    }

    fn check_a_name_is_read_as_it_is_written(name: &str) -> Result<(), TestCaseError> {
        if let Some(segment) = key_of_file(name) {
            prop_assert!(!segment.contains('/'), "{:?}", segment);
            let path = ObjectPath::of(&segment);
            prop_assert!(path.name == name || path.name_beside_folder() == name);
            prop_assert!(path.folders.is_empty());
        }
        Ok(())
    }

    /// Keys made of what is hard about keys.
    fn any_key() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("/".to_owned()),
            Just("..".to_owned()),
            Just("%".to_owned()),
            Just("%object".to_owned()),
            Just("%more".to_owned()),
            Just("%empty".to_owned()),
            Just("%2E".to_owned()),
            Just("\\".to_owned()),
            (230..245usize).prop_map(|n| "y".repeat(n)),
            any::<char>().prop_map(String::from),
            "[a-z.]{1,3}",
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|it| it.concat())
    }

    fn joined(path: &ObjectPath) -> String {
        let names: Vec<&str> =
            path.folders.iter().chain([&path.name]).map(String::as_str).collect();
        names.join("/")
    }
}
