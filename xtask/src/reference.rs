//! The servers of others that `test --reference` compares us with. They lie beside the repository,
//! are fetched by their own scripts, and run as processes of their own.

use std::{
    env,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, bail};

use crate::shell::root;

/// Names the folder of the scripts, if it is elsewhere.
const FOLDER: &str = "STREAMDEX_REFERENCE_SERVERS";
/// Tells the tests where a search server listens.
const SEARCH: &str = "STREAMDEX_TEST_OPENSEARCH_URL";
/// Amazon's DynamoDB Local has a licence that only the person at the keyboard can accept.
const ACCEPT: &str = "STREAMDEX_ACCEPT_DYNAMODB_LOCAL_LICENSE";

/// Servers that run until this is dropped.
#[derive(Default)]
pub(crate) struct Servers {
    running: Vec<Child>,
    /// What the tests are told.
    addresses: Vec<(&'static str, String)>,
}

impl Servers {
    /// Starts the search server, and DynamoDB Local if its licence was accepted.
    pub(crate) fn start() -> anyhow::Result<Servers> {
        let folder = env::var_os(FOLDER)
            .map_or_else(|| root().join("../shared/reference-servers"), PathBuf::from);
        let mut servers = Servers::default();
        servers.add(&folder.join("search-server"), SEARCH)?;
        if env::var(ACCEPT).is_ok_and(|it| it == "yes") {
            servers.add(&folder.join("dynamodb-server"), "STREAMDEX_TEST_DYNAMODB_URL")?;
        } else {
            println!(
                "── reference: left out DynamoDB Local; read its licence, and if you may use it set {ACCEPT}=yes"
            );
        }
        Ok(servers)
    }

    /// Starts the search server if `STREAMDEX_REFERENCE_SERVERS` says where it is and there is a Java to
    /// run it, unless the tests are told of another cluster. What CI does where both are installed.
    pub(crate) fn if_there() -> anyhow::Result<Servers> {
        let mut servers = Servers::default();
        let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return Ok(servers) };
        if env::var_os(SEARCH).is_some() {
            return Ok(servers);
        }
        let java = Command::new("java").arg("-version").output();
        if java.is_ok_and(|it| it.status.success()) {
            servers.add(&folder.join("search-server"), SEARCH)?;
        } else {
            println!("── reference: left out the search server; there is no `java` to run it");
        }
        Ok(servers)
    }

    /// Tells the tests of `command` where the servers listen.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.envs(self.addresses.iter().map(|(name, address)| (name, address)));
    }

    fn add(&mut self, script: &Path, variable: &'static str) -> anyhow::Result<()> {
        println!("── reference: {}", script.display());
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut server = Command::new(script)
            .args(["--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!("cannot start {}; {FOLDER} names its folder", script.display())
            })?;
        let output = server.stdout.take().context("it was piped")?;
        self.running.push(server);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let Some(address) = line.trim().strip_prefix("READY ") else {
            bail!("{} did not start; it says why above", script.display());
        };
        println!("── reference: {variable}={address}");
        self.addresses.push((variable, address.to_owned()));
        Ok(())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.running {
            // They clean up when they are asked to end.
            let asked = Command::new("kill").arg(server.id().to_string()).status();
            if !asked.is_ok_and(|it| it.success()) {
                let _ = server.kill();
            }
            let _ = server.wait();
        }
    }
}
