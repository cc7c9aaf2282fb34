//! Names of indices: which OpenSearch takes, and how others are made acceptable. Pure.

/// OpenSearch takes no longer name.
const BYTES_MAX: usize = 255;
/// What stands in no name.
const REFUSED: [char; 12] = ['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'];

/// Says what OpenSearch would say about a name, before it is asked.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn check(name: &str) -> Result<(), String> {
    if name.chars().any(char::is_uppercase) {
        let lower = name.to_lowercase();
        return Err(format!(
            "`{name}` has capital letters, which no index may have; write `{lower}`"
        ));
    }
    if let Some(letter) = name.chars().find(|it| REFUSED.contains(it)) {
        return Err(format!("`{name}` has a `{letter}` in it, which no index may have"));
    }
    if name.starts_with(['_', '-', '+']) {
        return Err(format!("`{name}` begins with a character that no index may begin with"));
    }
    if name == "." || name == ".." {
        return Err(format!("`{name}` is not the name of an index"));
    }
    if BYTES_MAX < name.len() {
        return Err(format!(
            "the name is {} bytes long; OpenSearch takes at most {BYTES_MAX}",
            name.len()
        ));
    }
    Ok(())
}

/// What `normalize_index` makes of a name: lower case, without what Data Prepper leaves out.
pub(super) fn normalized(name: &str) -> String {
    const LEFT_OUT: [char; 12] = [':', '"', '*', '+', '/', '\\', '|', '?', '#', '>', '<', ' '];
    let kept: String =
        name.chars().filter(|it| !LEFT_OUT.contains(it) && !it.is_control()).collect();
    kept.to_lowercase().trim_start_matches(['_', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opensearch_refuses_is_known_beforehand() {
        for (name, problem) in [
            ("books", None),
            (".hidden", None),
            ("books-2026.01.31", None),
            ("Books", Some("write `books`")),
            ("a b", Some("` `")),
            ("a,b", Some("`,`")),
            ("_books", Some("begin")),
            ("..", Some("not the name")),
            (&"a".repeat(256), Some("256 bytes")),
        ] {
            match (check(name), problem) {
                (Ok(()), None) => {}
                (Err(told), Some(part)) => assert!(told.contains(part), "{name}: {told}"),
                (told, _) => panic!("{name}: {told:?}"),
            }
        }
    }

    #[test]
    fn names_are_made_acceptable() {
        for (name, made) in
            [("Dan:Brown*", "danbrown"), ("_-a/b", "ab"), ("a-b_c", "a-b_c"), ("__", "")]
        {
            assert_eq!(normalized(name), made);
        }
    }
}
