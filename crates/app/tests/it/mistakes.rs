//! What people get wrong, and what they are told: one clear text, and an exit code.

use aws_sdk_dynamodb::types::StreamViewType;

use crate::{
    endurance::write_pipeline,
    program::{Program, run},
    table::{client, create_books},
};

const ANY: [&str; 7] =
    ["local", "--dynamodb", "127.0.0.1:0", "--opensearch", "127.0.0.1:0", "--api", "127.0.0.1:0"];

#[track_caller]
fn check(args: &[&str], code: i32, says: &[&str]) {
    let (actual, _, stderr) = run(args);
    assert_eq!(actual, code, "{args:?}: {stderr}");
    for it in says {
        assert!(stderr.contains(it), "{args:?} does not say `{it}`: {stderr}");
    }
    for noise in ["panicked", "backtrace", "RUST_BACKTRACE"] {
        assert!(!stderr.contains(noise), "{args:?}: {stderr}");
    }
}

#[tokio::test]
async fn a_mistake_in_the_file_is_shown_with_its_place_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pipeline.yaml");
    let path = file.to_str().unwrap();
    let good = include_str!("zero-etl.yaml");
    for (from, to, says) in [
        ("hosts:", "host:", &["pipeline.yaml:20:", "did you mean `hosts`?"][..]),
        ("index_type: custom", "index_type: costum", &["pipeline.yaml:22:", "custom"]),
        ("table_arn:", "table-arn:", &["pipeline.yaml:7:", "table_arn"]),
        ("table/books", "table/books/stream/2026", &["pipeline.yaml:7:", "is not a table ARN"]),
        ("  sink:", "  sinks:", &["pipeline.yaml:18:", "sink"]),
        ("dynamodb:\n      ack", "dinamodb:\n      ack", &["pipeline.yaml:4:", "dynamodb"]),
        ("LATEST", "EARLIEST", &["pipeline.yaml:9:", "LATEST"]),
        ("books:\n  source", "books: [\n  source", &["pipeline.yaml:"]),
    ] {
        assert!(good.contains(from), "{from}");
        std::fs::write(&file, good.replace(from, to)).unwrap();
        check(&["validate", path], 2, says);
        check(&["run", path, "--api", "127.0.0.1:0"], 2, says);
    }
    let missing = dir.path().join("none.yaml");
    check(&["validate", missing.to_str().unwrap()], 2, &["none.yaml"]);
    std::fs::write(
        &file,
        good.replace("{dynamodb}", "http://127.0.0.1:8000")
            .replace("{opensearch}", "http://127.0.0.1:9200"),
    )
    .unwrap();
    let (code, stdout, stderr) = run(&["validate", path]);
    assert_eq!((code, stdout.as_str()), (0, "valid: books\n"), "{stderr}");
    assert!(!stderr.contains("export"), "{stderr}");
}

#[tokio::test]
async fn what_is_missing_outside_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let local = Program::start(dir.path(), &ANY).await;
    let dynamodb = client(local.address("dynamodb"));
    let file = write_pipeline(dir.path(), &local);
    let data = dir.path().join("worker");
    let args = ["run", &file, "--api", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    check(&args, 1, &["there is no table `books`", "table_arn"]);

    create_books(&dynamodb, None).await;
    check(&args, 1, &["table `books` has no stream", "NEW_AND_OLD_IMAGES"]);
    dynamodb.delete_table().table_name("books").send().await.unwrap();

    create_books(&dynamodb, Some(StreamViewType::KeysOnly)).await;
    check(&args, 1, &["KEYS_ONLY", "NEW_AND_OLD_IMAGES"]);
    dynamodb.delete_table().table_name("books").send().await.unwrap();

    create_books(&dynamodb, Some(StreamViewType::NewImage)).await;
    let yaml = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, yaml.replace(local.address("opensearch"), "http://127.0.0.1:9")).unwrap();
    check(&args, 1, &["cannot reach http://127.0.0.1:9", "hosts"]);
    std::fs::write(&file, yaml.replace(local.address("dynamodb"), "http://127.0.0.1:9")).unwrap();
    check(&args, 1, &["cannot take on the role", "pipeline-role", "Connection refused"]);
    let without_role = yaml.lines().filter(|it| !it.contains("sts_role_arn")).collect::<Vec<_>>();
    let without_role = without_role.join("\n");
    std::fs::write(&file, without_role.replace(local.address("dynamodb"), "http://127.0.0.1:9"))
        .unwrap();
    check(&args, 1, &["cannot reach http://127.0.0.1:9"]);
    std::fs::write(&file, &yaml).unwrap();

    let taken = local.address("api").trim_start_matches("http://");
    let mut busy = args;
    busy[3] = taken;
    check(&busy, 1, &["cannot listen at", "another program is using it", "--api"]);
    busy[3] = "0.0.0.0:0";
    check(&busy, 2, &["open to other machines"]);

    // Nobody may write into a file.
    let mut unwritable = args;
    let inside_a_file = format!("{file}/data");
    unwritable[5] = &inside_a_file;
    check(&unwritable, 1, &["cannot write to the data directory", "--data-dir"]);
}

#[tokio::test]
async fn a_place_for_leases_that_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let local = Program::start(dir.path(), &ANY).await;
    let dynamodb = client(local.address("dynamodb"));
    create_books(&dynamodb, Some(StreamViewType::NewImage)).await;
    let file = write_pipeline(dir.path(), &local);
    let data = dir.path().join("worker");
    let args = ["run", &file, "--api", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let with =
        |more: &[&str], code: i32, says: &[&str]| check(&[&args[..], more].concat(), code, says);

    with(&["--leases", "books"], 2, &["`books` is no place for leases", "dynamodb://TABLE"]);
    let endpoint = local.address("dynamodb");
    let not_ours = format!("dynamodb://books?region=us-east-1&endpoint={endpoint}");
    with(&["--leases", &not_ours], 1, &["dynamodb table `books`", "its keys are `author`"]);
    let missing = format!("dynamodb://none?region=us-east-1&create=false&endpoint={endpoint}");
    with(&["--leases", &missing], 1, &["there is no such table", "skip_table_creation"]);

    let config = dir.path().join("data-prepper-config.yaml");
    let config = config.to_str().unwrap();
    with(&["--config", config], 1, &["cannot read", "data-prepper-config.yaml"]);
    let bad = "source_coordination:\n  store:\n    dynamodb:\n      table_nam: leases\n";
    std::fs::write(config, bad).unwrap();
    with(&["--config", config], 2, &["data-prepper-config.yaml:4:", "did you mean `table_name`"]);
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_an_error_of_usage() {
    check(&["rnu"], 2, &["unrecognized subcommand", "--help"]);
    check(&[], 2, &["Usage"]);
    check(&["run"], 2, &["FILE"]);
    check(&["demo", "--dynamodb", "nowhere"], 2, &["--dynamodb"]);
}
