//! The program as a process: its size on disk, its start, and its memory idle and under load.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::rig::Rig;

const STARTS: usize = 20;
const LOAD: u64 = 100_000;

pub(crate) async fn run() -> anyhow::Result<()> {
    println!("## Process: `streamdex run` on the second how-to project's pipeline");
    let program = program()?;
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    let size = std::fs::metadata(&program)?.len() as f64 / 1e6;
    println!("size of the program      {size:.1} MB");
    let rig = Rig::start(None).await?;
    rig.create_table().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("pipeline.yaml");
    std::fs::write(&file, pipeline(&rig))?;

    let mut starts = Vec::new();
    for n in 0..STARTS {
        let began = tokio::time::Instant::now();
        let mut child = start(&program, folder.path(), &file, &format!("data-{n}"))?;
        wait_ready(folder.path(), &rig).await?;
        starts.push(began.elapsed());
        child.0.kill()?;
        child.0.wait()?;
    }
    starts.sort();
    println!(
        "start to ready           p50 {} ms   max {} ms",
        starts[STARTS / 2].as_millis(),
        starts[STARTS - 1].as_millis()
    );

    let child = start(&program, folder.path(), &file, "data")?;
    wait_ready(folder.path(), &rig).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("resident memory, idle    {:.1} MB", resident(child.0.id(), "VmRSS:")?);
    rig.fill(LOAD).await?;
    let mut peak = 0.0f64;
    for _ in 0..200 {
        peak = peak.max(resident(child.0.id(), "VmRSS:")?);
        let counted =
            rig.search(http::Method::GET, "/books/_count", &serde_json::Value::Null).await?;
        if counted["count"] == LOAD {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("resident memory, loaded  {peak:.1} MB while {LOAD} records of 1 KB pass");
    println!();
    Ok(())
}

/// A process that ends with this.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program beside this one.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("streamdex");
    anyhow::ensure!(program.exists(), "it is built by `cargo xtask bench`");
    Ok(program)
}

pub(crate) fn start(
    program: &Path,
    folder: &Path,
    file: &Path,
    data: &str,
) -> anyhow::Result<Killed> {
    let _ = std::fs::remove_file(folder.join("addresses"));
    let child = Command::new(program)
        .arg("run")
        .arg(file)
        .args(["--log", "warn", "--api", "127.0.0.1:0", "--addresses"])
        .arg(folder.join("addresses"))
        .arg("--data-dir")
        .arg(folder.join(data))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    Ok(Killed(child))
}

async fn wait_ready(folder: &Path, rig: &Rig) -> anyhow::Result<()> {
    for _ in 0..10_000 {
        if let Ok(text) = std::fs::read_to_string(folder.join("addresses")) {
            let addresses: serde_json::Value = serde_json::from_str(&text)?;
            let api = addresses["api"].as_str().unwrap_or_default();
            let request =
                http::Request::get(format!("{api}/health/ready")).body(bytes::Bytes::new())?;
            if rig.http.send(request, Duration::from_secs(1)).await.is_ok_and(|it| it.status == 200)
            {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    anyhow::bail!("it did not become ready")
}

/// The memory of a process in MB, as the system counts it under `name`.
pub(crate) fn resident(process: u32, name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|it| it.strip_prefix(name));
    let kilobytes: f64 = line.unwrap_or("0").trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024.0)
}

fn pipeline(rig: &Rig) -> String {
    include_str!("../../crates/app/tests/it/zero-etl.yaml")
        .replace("{dynamodb}", &rig.dynamodb_address)
        .replace("{opensearch}", &rig.opensearch_address)
}
