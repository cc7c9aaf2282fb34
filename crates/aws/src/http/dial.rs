//! Connections, directly or through a proxy: plain requests are handed to it, for `https` it is asked
//! for a tunnel.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower_service::Service;

/// A proxy's answer to `CONNECT` is no longer.
const ANSWER_BYTES_MAX: usize = 8 << 10;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Opens connections.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    pub(super) tcp: HttpConnector,
    pub(super) proxy: Option<Uri>,
}

/// A connection.
pub(super) struct Link {
    io: TokioIo<TcpStream>,
    /// Whether a proxy reads the requests, which wants whole addresses in them.
    is_proxied: bool,
}

impl Service<Uri> for Dial {
    type Response = Link;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Link, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Some(proxy) = self.proxy.clone() else {
            let connecting = self.tcp.call(to);
            return Box::pin(async move { Ok(Link { io: connecting.await?, is_proxied: false }) });
        };
        let connecting = self.tcp.call(proxy.clone());
        Box::pin(async move {
            let reached = connecting.await;
            let mut io =
                reached.map_err(|error| format!("the proxy {proxy} cannot be reached: {error}"))?;
            let needs_tunnel = to.scheme_str() == Some("https");
            if needs_tunnel {
                let mut stream = io.into_inner();
                tunnel(&mut stream, &to)
                    .await
                    .map_err(|error| format!("the proxy {proxy}: {error}"))?;
                io = TokioIo::new(stream);
            }
            Ok(Link { io, is_proxied: !needs_tunnel })
        })
    }
}

async fn tunnel(stream: &mut TcpStream, to: &Uri) -> Result<(), String> {
    let host = to.host().unwrap_or_default();
    let to = format!("{host}:{}", to.port_u16().unwrap_or(443));
    let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    let failed = |error: io::Error| error.to_string();
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if ANSWER_BYTES_MAX < answer.len() {
            return Err("its answer does not end".to_owned());
        }
        // One by one: what comes behind the answer belongs to the tunnel.
        answer.push(stream.read_u8().await.map_err(failed)?);
    }
    let answer = String::from_utf8_lossy(&answer);
    let line = answer.lines().next().unwrap_or_default();
    match line.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        _ => Err(format!("it opens no tunnel to {to}: {line}")),
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.is_proxied)
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, into)
    }
}

impl Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
