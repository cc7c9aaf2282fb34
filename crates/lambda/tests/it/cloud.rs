//! The program in somebody else's cloud: MiniStack, with table, trigger and REST API, and the emulator
//! of cargo-lambda. Both write into an OpenSearch endpoint of ours.
//!
//! They are Python and live in a virtual environment that `cargo xtask clients` makes, from the
//! versions in `clients/requirements.txt`. `cargo xtask test` makes it as well, and names its Python
//! in `STREAMDEX_CLOUD_PYTHON`: then a cloud that cannot run is a failure. By itself, `cargo test`
//! uses the environment if it is there, and else says how to get it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use local::{clock::Clock, opensearch::OpenSearch};
use tokio::process::Command;

/// How long a cloud may take. It takes ten seconds, on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_mins(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walk_through_holds_on_ministack() {
    run("walk_through.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
async fn the_emulator_of_cargo_lambda_is_content() {
    run("emulator.py", &[&here().join("tests/events")]).await;
}

/// The address of an OpenSearch endpoint of ours, with nothing in it.
pub(crate) async fn opensearch() -> String {
    let opensearch = OpenSearch::open(None, Clock::default()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = opensearch.router();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn run(script: &str, more: &[&Path]) {
    let Some(python) = python() else {
        eprintln!("{script} was not run; `cargo xtask clients` installs the cloud it needs");
        return;
    };
    let address = opensearch().await;
    let mut command = Command::new(python);
    command
        .arg(here().join("tests/clients").join(script))
        .args([env!("CARGO_BIN_EXE_bootstrap"), &address])
        .args(more)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .kill_on_drop(true);
    let ran = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends in time");
    let ran = ran.unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{script}: {}\n{said}", ran.status);
}

/// The Python that has the clouds.
fn python() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("STREAMDEX_CLOUD_PYTHON") {
        return Some(given.into());
    }
    let python = here().join("../../target/clients/cloud/bin/python");
    python.exists().then_some(python)
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
