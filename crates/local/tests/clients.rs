//! Real clients, unmodified, against the embedded endpoints: boto3, pynamodb, the AWS CLI.
//!
//! They are Python and live in a virtual environment that `cargo xtask clients` makes, from the
//! versions in `clients/requirements.txt`. `cargo xtask test` makes it as well, and names its Python
//! in `STREAMDEX_CLIENTS_PYTHON`: then a client that cannot run is a failure. By itself,
//! `cargo test` uses the environment if it is there, and else says how to get it.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and say why")]

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use local::{clock::Clock, dynamodb::DynamoDb, s3::S3};

/// How long a client may take. The slowest takes some seconds, on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often to look whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[test]
fn boto3_works_with_tables() {
    run("dynamodb_boto3.py", &[]);
}

#[test]
fn boto3_works_with_objects_and_its_transfer_manager() {
    run("s3_boto3.py", &[]);
}

#[test]
fn an_object_mapper_works() {
    run("pynamodb_model.py", &[]);
}

#[test]
fn the_walkthrough_works_with_the_aws_cli() {
    run("aws_cli.py", &[&here().join("../../README.md")]);
}

/// Runs a client against endpoints of its own, and fails if it does.
#[track_caller]
fn run(script: &str, arguments: &[&Path]) {
    let Some(python) = python() else {
        eprintln!("{script} was not run; `cargo xtask clients` installs what it takes");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (dynamodb, s3) = {
        let _context = runtime.enter();
        let dynamodb = DynamoDb::open(None, Clock::default()).unwrap();
        let s3 = S3::open(&folder.path().join("s3"), Clock::default()).unwrap();
        dynamodb.export_to(Arc::new(s3.clone()));
        (dynamodb.router(), s3.router())
    };
    let serve = |router: axum::Router| {
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        address
    };
    let log = folder.path().join("log");
    let output = File::create(&log).unwrap();
    // Whatever the developer has configured for AWS is not for this.
    let foreign = std::env::vars_os().map(|(name, _)| name);
    let foreign = foreign.filter(|it| it.to_string_lossy().starts_with("AWS_"));
    let mut command = Command::new(&python);
    foreign.for_each(|it| {
        command.env_remove(it);
    });
    let mut client = command
        .arg(here().join("tests/clients").join(script))
        .args(arguments)
        .env("HOME", folder.path())
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("PYTHONUTF8", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("STREAMDEX_DYNAMODB", serve(dynamodb))
        .env("STREAMDEX_S3", serve(s3))
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", python.display()));
    let mut waited = Duration::ZERO;
    let status = loop {
        match client.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if PATIENCE < waited => break None,
            None => std::thread::sleep(LOOK_EVERY),
        }
        waited += LOOK_EVERY;
    };
    if status.is_none() {
        let _ = client.kill();
        let _ = client.wait();
    }
    let log = std::fs::read_to_string(&log).unwrap_or_default();
    assert!(status.is_some_and(|it| it.success()), "{script}: {status:?}\n{log}");
}

/// The Python that has the clients.
fn python() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("STREAMDEX_CLIENTS_PYTHON") {
        return Some(given.into());
    }
    let python = here().join("../../target/clients/python/bin/python");
    python.exists().then_some(python)
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
