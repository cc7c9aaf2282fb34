//! `clients`: installs what the endpoints are tried with: Python with real clients, an independent
//! DynamoDB to compare ours with, and a cloud for the Lambda function. Below `target`, and only once.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail, ensure};

use crate::shell::{Misused, root, shown};

/// Where the versions of the Python packages stand.
const REQUIREMENTS: &str = "crates/local/tests/clients/requirements.txt";
/// Where the versions of the cloud's Python packages stand. They want other versions of the same.
const CLOUD: &str = "crates/lambda/tests/clients/requirements.txt";
/// Where the version of the other DynamoDB stands.
const ORACLE: &str = "crates/local/tests/oracle";

/// What was installed.
pub(crate) struct Clients {
    /// The Python that has the clients.
    python: PathBuf,
    /// The Python that has the cloud.
    cloud: PathBuf,
    /// The program of the other DynamoDB, for Node.js.
    oracle: PathBuf,
}

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    if let [other, ..] = arguments {
        return Err(Misused(format!("`clients` takes no `{other}`")).into());
    }
    let Clients { python, cloud, oracle } = Clients::install()?;
    println!("{}\n{}\n{}", python.display(), cloud.display(), oracle.display());
    Ok(ExitCode::SUCCESS)
}

impl Clients {
    /// Installs both, unless they are there.
    pub(crate) fn install() -> anyhow::Result<Clients> {
        let root = fs::canonicalize(root()).context("cannot find the repository")?;
        let target = root.join("target/clients");
        let clients = target.join("python");
        Ok(Clients {
            python: python(&root, REQUIREMENTS, "awscli, boto3, opensearchpy, pynamodb", &clients)?,
            cloud: python(&root, CLOUD, "boto3, ministack", &target.join("cloud"))?,
            oracle: oracle(&root, &target)?,
        })
    }

    /// Tells the tests of `command` where to find them.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env("STREAMDEX_CLIENTS_PYTHON", &self.python);
        command.env("STREAMDEX_CLOUD_PYTHON", &self.cloud);
        command.env("STREAMDEX_ORACLE", &self.oracle);
    }
}

/// The Python of a virtual environment in `folder` with these packages, of which it can import some.
pub(crate) fn python(
    root: &Path,
    requirements: &str,
    imports: &str,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    let wanted = fs::read_to_string(root.join(requirements)).context(requirements.to_owned())?;
    let requirements = root.join(requirements);
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let stamp = folder.join("installed");
    // A Python that was upgraded under its environment no longer runs.
    let script = format!("import {imports}");
    let runs = || quiet(Command::new(&python).args(["-c", &script]));
    if fs::read_to_string(&stamp).is_ok_and(|it| it == wanted) && runs() {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let system = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let mut create = Command::new(&system);
    done(create.args(["-m", "venv"]).arg(folder)).context(
        "the clients need Python 3.10 or later with its module venv (on Debian: python3-venv); PYTHON names another",
    )?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    done(install.args(["--require-hashes", "--requirement"]).arg(&requirements))
        .context("cannot install the clients; the first time it takes a network")?;
    fs::write(stamp, wanted)?;
    Ok(python)
}

fn oracle(root: &Path, target: &Path) -> anyhow::Result<PathBuf> {
    let folder = target.join("oracle");
    let program = folder.join("node_modules/dynalite/cli.js");
    let stamp = folder.join("installed");
    let lock = fs::read_to_string(root.join(ORACLE).join("package-lock.json"))?;
    if fs::read_to_string(&stamp).is_ok_and(|it| it == lock) && program.exists() {
        return Ok(program);
    }
    fs::create_dir_all(&folder)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(root.join(ORACLE).join(name), folder.join(name))?;
    }
    let mut install = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    done(install.current_dir(&folder)).context(
        "the DynamoDB that ours is compared with needs Node.js 20 or later with npm, and the first time a network",
    )?;
    ensure!(program.exists(), "npm has not installed {}", program.display());
    fs::write(stamp, lock)?;
    Ok(program)
}

fn quiet(command: &mut Command) -> bool {
    command.output().is_ok_and(|it| it.status.success())
}

pub(crate) fn done(command: &mut Command) -> anyhow::Result<()> {
    println!("── {}", shown(command));
    let status = command.status().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed", shown(command));
    }
    Ok(())
}
