//! Starts `streamdex` as a user would, and ends it as a user or a power cut would.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// How long anything may take before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running `streamdex`. Killed when dropped.
pub(crate) struct Program {
    child: Child,
    addresses: BTreeMap<String, String>,
    log: PathBuf,
}

impl Program {
    /// Starts it with `args` and waits until it has written its addresses into `dir`.
    pub(crate) async fn start(dir: &Path, args: &[&str]) -> Program {
        Program::start_in(dir, args, &[]).await
    }

    /// The same, with more in its environment.
    pub(crate) async fn start_in(
        dir: &Path,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Program {
        let name = args[0];
        let addresses = dir.join(format!("{name}.addresses"));
        let _ = std::fs::remove_file(&addresses);
        let log = dir.join(format!("{name}.log"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_streamdex"))
            .args(args)
            .args(free_s3_port(args))
            .args(["--addresses", addresses.to_str().unwrap()])
            .env_remove("AWS_PROFILE")
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut program = Program { child, addresses: BTreeMap::new(), log };
        eventually("the program writes its addresses", async || {
            if let Some(status) = program.child.try_wait().unwrap() {
                panic!("it ended with {status}:\n{}", program.log());
            }
            let text = std::fs::read_to_string(&addresses).ok()?;
            program.addresses = serde_json::from_str(&text).unwrap();
            Some(())
        })
        .await;
        program
    }

    /// The address of one of its endpoints.
    pub(crate) fn address(&self, name: &str) -> &str {
        &self.addresses[name]
    }

    /// What it has printed and logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it as a power cut would, only that the disk is spared.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal: `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let (signal, pid) = (format!("-{name}"), self.pid().to_string());
        assert!(Command::new("kill").args([&signal, &pid]).status().unwrap().success());
    }

    /// Waits until it has ended by itself; returns how.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        eventually("the program ends", async || self.child.try_wait().unwrap()).await
    }

    /// Ends it as an operator would; returns how it ended and how long that took.
    pub(crate) async fn terminate(mut self) -> (ExitStatus, Duration) {
        let began = tokio::time::Instant::now();
        self.signal("TERM");
        let status = eventually("the program ends", async || self.child.try_wait().unwrap()).await;
        (status, began.elapsed())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// Few tests ask for S3, and no two may want the same port.
fn free_s3_port(args: &[&str]) -> &'static [&'static str] {
    let has_endpoints = args.first().is_some_and(|it| ["demo", "local"].contains(it));
    if has_endpoints && !args.contains(&"--s3") { &["--s3", "127.0.0.1:0"] } else { &[] }
}

/// Runs it to its end; returns the exit code, and what it printed and complained of.
pub(crate) fn run(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_streamdex"))
        .args(args)
        .args(free_s3_port(args))
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Waits until `look` finds something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = tokio::time::Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain: {what}");
}
