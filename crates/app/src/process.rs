//! What a process owes the system: logs, signals, listening sockets.

use std::{
    future::pending,
    io::{IsTerminal, Write},
    net::SocketAddr,
};

use pipeline::Stop;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// Sends log lines to standard error.
pub(crate) fn log(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| LogLines)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// Log lines on standard error. Where a live line stands on the terminal they take its place; it is
/// written again below them.
struct LogLines;

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut out = std::io::stderr().lock();
        if crate::status::is_live() {
            out.write_all(b"\r\x1b[2K")?;
        }
        out.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Prints a line that the command was asked for. Where nobody reads any more, as behind `head`, there
/// is nothing left to do.
pub(crate) fn say(line: &dyn std::fmt::Display) {
    if writeln!(std::io::stdout().lock(), "{line}").is_err() {
        std::process::exit(0);
    }
}

/// Resolves when the process is asked to end: by SIGTERM, or Control-C.
pub(crate) fn stop_on_signal() -> Stop {
    let (stopper, stop) = Stop::pair();
    tokio::spawn(async move {
        let terminated = async {
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(mut signal) => signal.recv().await,
                Err(_) => pending().await,
            }
        };
        tokio::select! {
            _ = terminated => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        stopper.stop();
    });
    stop
}

/// Listens at `address`, which `option` set. Other machines are let in only where `is_guarded`: who
/// comes from there needs a password.
///
/// # Errors
///
/// When other machines could come in and need none, or the address is taken.
pub(crate) async fn listen(
    option: &str,
    address: SocketAddr,
    is_guarded: bool,
) -> Result<TcpListener, Failure> {
    if !address.ip().is_loopback() && !is_guarded {
        let remedy = match option {
            "--api" => {
                "set a password, `authentication: {http_basic: {username: …, password: …}}`, in \
                        the file that `--config` of `streamdex run` names, or "
            }
            _ => "",
        };
        return Err(Failure::wrong(format!(
            "{option} {address} would be open to other machines, and nothing protects it; {remedy}use \
             an address that begins with 127., and a proxy in front of it"
        )));
    }
    TcpListener::bind(address).await.map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("another program is using it; stop that one, or choose another port with {option} 127.0.0.1:0")
            }
            std::io::ErrorKind::PermissionDenied => {
                format!("only the administrator may use it; choose a port above 1023 with {option}")
            }
            _ => error.to_string(),
        };
        Failure::failed(format!("cannot listen at {address}: {remedy}"))
    })
}
