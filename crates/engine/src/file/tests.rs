//! Pipeline files, good and bad. What is said about a bad one stands beside it, word by word.

use std::{collections::BTreeMap, fs};

use super::*;

/// Where the files of these tests are. Each bad one has its messages in a `.txt` beside it; to write
/// them anew, run the tests with `UPDATE_MESSAGES=1` and read what has changed.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    files
}

/// What these tests have in their environment.
fn environment(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("http://localhost:9200".to_owned()),
        "STAGE" => Some("test".to_owned()),
        "PORT" => Some("0".to_owned()),
        _ => None,
    }
}

fn reading() -> Reading<'static> {
    let dialect = Dialect::DataPrepper;
    Reading { dialect, environment: &environment, secrets: Secrets::Unknown }
}

fn load_one(path: &Path) -> Result<Loaded, Problems> {
    let is_osis = path.file_name().unwrap().to_string_lossy().starts_with("osis-");
    let dialect = if is_osis { Dialect::Osis } else { Dialect::DataPrepper };
    load(&[path.to_owned()], &Reading { dialect, ..reading() })
}

/// The messages with the folders left out, which differ from machine to machine.
fn without_folders(text: &str, path: &Path) -> String {
    text.replace(&format!("{}/", path.parent().unwrap().display()), "")
}

#[track_caller]
fn check_messages(path: &Path, found: &str, expected: &Path) {
    let found = without_folders(found, path) + "\n";
    if std::env::var_os("UPDATE_MESSAGES").is_some() {
        fs::write(expected, &found).unwrap();
    }
    let expected = fs::read_to_string(expected).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}

#[test]
fn good_files_are_read() {
    for path in files("valid") {
        let loaded = load_one(&path).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(!loaded.pipelines.is_empty(), "{}", path.display());
        let expected = path.with_extension("txt");
        if !loaded.warnings.is_empty() || expected.exists() {
            check_messages(&path, &loaded.warnings.to_string(), &expected);
        }
    }
}

#[test]
fn bad_files_are_told_everything_that_is_wrong_with_them() {
    let files = files("invalid");
    for path in &files {
        let problems = load_one(path).map(|_| path.display().to_string()).unwrap_err();
        check_messages(path, &problems.to_string(), &path.with_extension("txt"));
        for problem in problems.iter() {
            assert!(problem.help.is_some(), "what to write instead? {problem}");
        }
    }
    assert!(30 < files.len(), "where have all the files gone?");
}

fn loaded(text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    fs::write(&path, text).unwrap();
    load(&[path], &reading()).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn everything_about_a_pipeline_is_found() {
    let Loaded { pipelines, extension, warnings, .. } = loaded(
        r#"
version: "2"
pipeline_configurations: {aws: {configurations: {default: {region: eu-west-1}}}}
books:
  workers: "4"
  delay: 100
  buffer: {bounded_blocking: {buffer_size: 1000, batch_size: 10}}
  source: {dynamodb: {tables: []}}
  processor:
    - drop_events: {drop_when: "/x == 1"}
    - no-op:
    - no-op
  route:
    - big: "/pages > 500"
  sink:
    - opensearch:
        hosts: [a]
        routes: [big, _default]
        tags_target_key: tags
        include_keys: [a]
        forward_to: {pipelines: [receipts], with_data: {n: 1.50}}
    - stdout
receipts:
  sink: [stdout: ]
"#,
    );
    assert!(warnings.is_empty(), "{warnings}");
    assert!(extension.secrets.is_empty());
    let [books, receipts] = &pipelines[..] else { panic!("{pipelines:?}") };
    assert_eq!((books.name.as_str(), receipts.name.as_str()), ("books", "receipts"));
    assert_eq!(books.workers.unwrap().get(), 4);
    assert_eq!(books.delay, Some(std::time::Duration::from_millis(100)));
    assert_eq!(books.buffer.unwrap().n_events.unwrap().get(), 1000);
    let source = books.source.as_ref().unwrap();
    assert_eq!(source.name, "dynamodb");
    assert_eq!(source.settings.get("aws.region").unwrap().text(), Some("eu-west-1"));
    let names: Vec<_> = books.processors.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["drop_events", "no-op", "no-op"]);
    assert_eq!(books.routes[0].name, "big");
    assert_eq!(books.routes[0].condition.to_string(), "/pages > 500");
    let [opensearch, stdout] = &books.sinks[..] else { panic!("{:?}", books.sinks) };
    assert_eq!(opensearch.routes, ["big", SinkSpec::UNROUTED]);
    assert_eq!(opensearch.tags_target_key.as_deref(), Some("tags"));
    assert_eq!(opensearch.include_keys, ["a"]);
    let forward = opensearch.forward_to.as_ref().unwrap();
    assert_eq!(forward.pipelines, ["receipts"]);
    assert_eq!(forward.with_data["n"].to_string(), "1.50");
    let own: Vec<String> =
        opensearch.own_settings().entries().iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(own, ["hosts"]);
    assert_eq!(opensearch.plugin.settings.entries().len(), 5, "all of them");
    assert_eq!(stdout.plugin.name, "stdout");
    assert!(receipts.source.is_none());
}

#[test]
fn geoip_finds_its_files_in_the_extension() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/valid/geoip-service.yaml");
    let loaded = load_one(&file).unwrap_or_else(|problems| panic!("{problems}"));
    let databases: Vec<String> = loaded.pipelines[0]
        .processors
        .iter()
        .map(|it| it.settings.get("databases").unwrap().masked().to_string())
        .collect();
    let (shared, own) = (r#"{"city":"/var/lib/geoip/city.mmdb"}"#, r#"{"asn":"/asn.mmdb"}"#);
    assert_eq!(databases, [shared, own]);
    let secret = &loaded.extension.secrets[0];
    assert_eq!(secret.refresh_interval, Some(std::time::Duration::from_mins(10)));
}

#[test]
fn pipelines_that_feed_each_other_know_it() {
    let text = "
up: {source: {dynamodb: {}}, sink: [{pipeline: {name: down}}]}
down: {source: {pipeline: {name: up}}, sink: [stdout]}
";
    let Loaded { pipelines, .. } = loaded(text);
    assert_eq!(pipelines[0].sinks[0].downstream().as_deref(), Some("down"));
    assert_eq!(pipelines[1].upstream().as_deref(), Some("up"));
    assert_eq!(pipelines[0].upstream(), None);
}

#[test]
fn references_are_followed_where_they_are_none_to_fields() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("secrets")).unwrap();
    fs::write(folder.path().join("secrets/password"), "hunter2\n").unwrap();
    let path = folder.path().join("p.yaml");
    let text = r#"
p:
  source: {dynamodb: {}}
  sink:
    - opensearch:
        hosts: ["${HOST}", "${env:HOST}/x", "${MISSING:-http://b}"]
        index: "${STAGE_}-${env:STAGE}-${tenant}-${getMetadata(\"x\")}"
        password: ${file:secrets/password}
        port: ${PORT}
        cert: "$${HOST} ${lower} ${unclosed"
        bulk_size: ${env:BULK_SIZE:-5}
        script: {params: {k: "${PK}"}}
"#;
    fs::write(&path, text).unwrap();
    let loaded = load(&[path], &reading()).unwrap_or_else(|it| panic!("{it}"));
    let settings = &loaded.pipelines[0].sinks[0].plugin.settings;
    let found: BTreeMap<&str, Vec<String>> = settings
        .entries()
        .into_iter()
        .map(|(key, value)| match value.shape() {
            pipeline::Shape::List => {
                (key, value.items().iter().map(|it| it.text().unwrap().to_owned()).collect())
            }
            pipeline::Shape::Map => {
                (key, vec![value.get("params.k").unwrap().text().unwrap().to_owned()])
            }
            _ => (key, vec![value.text().unwrap().to_owned()]),
        })
        .collect();
    let expected = [
        ("hosts", vec!["http://localhost:9200", "http://localhost:9200/x", "http://b"]),
        ("index", vec!["${STAGE_}-test-${tenant}-${getMetadata(\"x\")}"]),
        ("password", vec!["hunter2"]),
        ("port", vec!["0"]),
        ("cert", vec!["${HOST} ${lower} ${unclosed"]),
        ("bulk_size", vec!["5"]),
        ("script", vec!["${PK}"]),
    ];
    for (key, expected) in expected {
        assert_eq!(found[key], expected, "{key}");
    }
    let error = settings.get("password").unwrap().read::<u32>().unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn secrets_are_recognised_and_cannot_be_read_yet() {
    let loaded = loaded(
        "
extension: {aws: {secrets: {host: {secret_id: prod/host}}}}
p:
  source: {dynamodb: {}}
  sink: [{opensearch: {hosts: ['${{aws_secrets:host:url}}']}}]
",
    );
    let settings = &loaded.pipelines[0].sinks[0].plugin.settings;
    let error = settings.get("hosts").unwrap().read::<Vec<String>>().unwrap_err();
    assert!(error.problem.contains("`${{aws_secrets:host:url}}` has not been resolved"), "{error}");
}

#[test]
fn secrets_are_put_in_where_they_are_known_and_stood_in_for_where_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    let text = "
extension: {aws: {secrets: {search: {secret_id: prod/search, region: eu-west-1}}}}
p:
  source: {dynamodb: {}}
  sink:
    - opensearch:
        hosts: ['${{aws_secrets:search:url}}']
        port: '${{aws_secrets:search}}'
";
    fs::write(&path, text).unwrap();
    let read =
        |secrets: Secrets<'_>| load(&[&path].map(Clone::clone), &Reading { secrets, ..reading() });
    let known = |id: &str, key: Option<&str>| match key {
        Some(key) => Ok(format!("http://{id}.{key}")),
        None => Ok("9200".to_owned()),
    };
    let loaded = read(Secrets::Known(&known)).unwrap();
    let settings = &loaded.pipelines[0].sinks[0].plugin.settings;
    assert_eq!(settings.get("hosts[0]").unwrap().text(), Some("http://search.url"));
    assert_eq!(settings.get("port").unwrap().read::<u16>().unwrap(), 9200);
    assert_eq!(
        loaded.pipelines[0].settings.masked().to_string(),
        r#"{"source":{"dynamodb":{}},"sink":[{"opensearch":{"hosts":["***"],"port":"***"}}]}"#
    );
    assert_eq!(loaded.extension.secrets[0].secret_id, "prod/search");
    assert_eq!(
        loaded.extension.secrets[0].refresh_interval,
        Some(std::time::Duration::from_hours(1))
    );

    let loaded = read(Secrets::StandIn).unwrap();
    assert_eq!(loaded.stand_ins.len(), 2);
    assert_eq!(loaded.stand_ins[0].to_string(), format!("{}:7:17", path.display()));

    let refused = |_: &str, _: Option<&str>| Err("it has no key `url`".to_owned());
    let problems = read(Secrets::Known(&refused)).unwrap_err().to_string();
    assert!(problems.contains("p.yaml:7:17: error: it has no key `url`"), "{problems}");
}

#[test]
fn a_folder_stands_for_the_files_in_it_and_each_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = |name: &str| format!("{name}: {{source: {{dynamodb: {{}}}}, sink: [stdout]}}\n");
    for (file, text) in [
        ("b.yaml", pipeline("b")),
        ("a.yml", pipeline("a")),
        (".hidden.yaml", "[".to_owned()),
        ("notes.txt", "[".to_owned()),
    ] {
        fs::write(folder.path().join(file), text).unwrap();
    }
    let paths = [folder.path().join("b.yaml"), folder.path().to_owned()];
    let loaded = load(&paths, &reading()).unwrap_or_else(|it| panic!("{it}"));
    let names: Vec<_> = loaded.pipelines.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
}

#[test]
fn what_cannot_be_read_at_all_is_told_with_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("latin1.yaml"), b"a: b\nc: \xE4\n").unwrap();
    fs::write(folder.path().join("large.yaml"), vec![b'#'; 5 << 20]).unwrap();
    fs::write(folder.path().join("bad.yaml"), "p: [").unwrap();
    let paths = ["missing.yaml", "empty", "latin1.yaml", "large.yaml", "bad.yaml"]
        .map(|it| folder.path().join(it));
    let problems = load(&paths, &reading()).unwrap_err().to_string();
    let problems = problems.replace(&format!("{}/", folder.path().display()), "");
    for expected in [
        "error: missing.yaml: there is no such file or folder; check the path",
        "error: empty: the folder holds no `.yaml` or `.yml` file; name a file",
        "error: latin1.yaml: line 2 is not UTF-8; save the file as UTF-8",
        "error: large.yaml: is larger than 4 MiB",
        "bad.yaml:1:4: error: this is not YAML",
    ] {
        assert!(problems.contains(expected), "{problems}");
    }
}
