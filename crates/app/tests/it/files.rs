//! Pipeline files that must be taken and such that must be refused, with the messages word by word.
//!
//! What is said of a file stands beside it in a `.txt`; to write them anew, run the tests with
//! `UPDATE_MESSAGES=1` and read what has changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::program::run;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "yaml")).collect();
    files.sort();
    files
}

/// The exit code, and what is said on standard error without folders.
fn validate(path: &Path) -> (i32, String) {
    let text = fs::read_to_string(path).unwrap();
    let mut args = vec!["validate", path.to_str().unwrap()];
    if text.lines().next().is_some_and(|it| it.contains("OSIS only")) {
        args.push("--osis");
    }
    let (code, _, stderr) = run(&args);
    (code, stderr.replace(&format!("{}/", path.parent().unwrap().display()), ""))
}

#[test]
fn bad_process_files_are_refused() {
    for (text, says) in [
        ("ssl: false\nserver_port: -1\n", "process.yaml:2:14: error: -1 is not a port"),
        ("circuit_breakers:\n  heap:\n    usage: \"6442450944\"\n", "process.yaml:3:12: error: "),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("process.yaml");
        fs::write(&path, text).unwrap();
        let (code, _, stderr) = run(&["validate", "--config", path.to_str().unwrap()]);
        assert!(code == 2 && stderr.contains(says), "{code}: {stderr}");
    }
}

/// What is said of a file, if that is not what should be said.
fn difference(path: &Path, said: &str) -> Option<String> {
    let expected = path.with_extension("txt");
    if std::env::var_os("UPDATE_MESSAGES").is_some() {
        if said.is_empty() {
            let _ = fs::remove_file(&expected);
        } else {
            fs::write(&expected, said).unwrap();
        }
    }
    let expected = fs::read_to_string(expected).unwrap_or_default();
    (said != expected).then(|| format!("{}:\n{said}\ninstead of\n{expected}", path.display()))
}

#[test]
fn good_files_are_taken() {
    let mut wrong = Vec::new();
    for path in files("valid") {
        let (code, said) = validate(&path);
        if code != 0 {
            wrong.push(format!("{}: {said}", path.display()));
        }
        wrong.extend(difference(&path, &said));
        let is_old = path.to_string_lossy().contains("deprecated");
        assert!(
            !is_old || said.contains("old spelling"),
            "nothing is said of old spellings: {said}"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn bad_files_are_refused_and_what_to_write_is_said() {
    let files = files("invalid");
    let mut wrong = Vec::new();
    for path in &files {
        let (code, said) = validate(path);
        let name = path.file_name().unwrap().to_str().unwrap();
        if code != 2 || !said.contains(&format!("{name}:")) || !said.contains("error: ") {
            wrong.push(format!("{name}: {code}: {said}"));
        }
        wrong.extend(difference(path, &said));
    }
    assert!(20 < files.len(), "where have all the files gone?");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_help_of_every_command_is_as_it_was_read_last() {
    let commands = [
        "",
        "demo",
        "local",
        "run",
        "validate",
        "plan",
        "evaluate",
        "verify",
        "dlq",
        "lambda",
        "reference",
    ]
    .map(str::to_owned);
    let help = |command: &String| {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        format!("$ streamdex {}\n\n{}", args.join(" "), run(&args).1)
    };
    let all = commands.iter().map(help).collect::<Vec<_>>().join("\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/help.yaml");
    if let Some(wrong) = difference(&path, &all) {
        panic!("{wrong}");
    }
}

#[test]
fn the_reference_is_what_the_code_says() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, stderr) = run(&["reference", "--out", dir.path().to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let mut names = Vec::new();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_owned();
        let (new, old) =
            (fs::read_to_string(&path).unwrap(), fs::read_to_string(committed.join(&name)));
        if old.ok().as_deref() != Some(&new) {
            names.push(name);
        }
    }
    assert!(names.is_empty(), "stale: {names:?}; run `cargo run -p app -- reference`");
}

/// A small part of JSON Schema: what our schema is made of. Says where a value does not fit.
fn misfit(schema: &Value, root: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(path) = schema["$ref"].as_str() {
        return misfit(root.pointer(path.trim_start_matches('#')).unwrap(), root, value, at);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let misfits: Vec<_> = choices.iter().map(|it| misfit(it, root, value, at)).collect();
        return misfits.iter().all(Option::is_some).then(|| misfits[0].clone()).flatten();
    }
    if let Some(choices) = schema["enum"].as_array() {
        return (!choices.contains(value)).then(|| format!("{at}: {value} is none of {choices:?}"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(it) if it.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let fits = kinds.contains(&kind) || kind == "integer" && kinds.contains(&"number");
    if !kinds.is_empty() && !fits {
        return Some(format!("{at}: {value} is not {kinds:?}"));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        let mut items = values.iter().map(|it| misfit(items, root, it, at));
        return items.find(Option::is_some).flatten();
    }
    let fields = value.as_object()?;
    let mut needed = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = needed.find(|it| !fields.contains_key(*it)) {
        return Some(format!("{at}: {missing} is missing"));
    }
    for (name, value) in fields {
        let at = format!("{at}.{name}");
        let inner = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
        match inner {
            Some(Value::Bool(false)) => return Some(format!("{at} is unknown")),
            Some(inner) => {
                if let Some(wrong) = misfit(inner, root, value, &at) {
                    return Some(wrong);
                }
            }
            None => {}
        }
    }
    None
}

/// Good files fit the schema, so that no editor marks what runs.
#[test]
fn the_schema_takes_what_is_taken() {
    let (code, stdout, stderr) = run(&["reference", "--schema"]);
    assert_eq!(code, 0, "{stderr}");
    let schema: Value = serde_json::from_str(&stdout).unwrap();
    for path in files("valid") {
        let text = fs::read_to_string(&path).unwrap();
        let settings = pipeline::Settings::from_yaml(&text).unwrap();
        let value: pipeline::Value = settings.read().unwrap();
        let value: Value = serde_json::from_str(&value.to_string()).unwrap();
        assert_eq!(misfit(&schema, &schema, &value, ""), None, "{}", path.display());
    }
    let wrong = serde_json::json!({ "p": { "sink": [{ "opensearch": { "host": [] } }] } });
    assert!(misfit(&schema, &schema, &wrong, "").unwrap().contains("hosts is missing"));
}
