//! `streamdex run`: pipelines as a service.

use std::{sync::Arc, time::Duration};

use aws::Environment;
use pipeline::Stop;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tracing::{error, info, warn};

use super::write_addresses;
use crate::{
    api::Api,
    cli::Run,
    endpoints::{address_of, serve, serve_on},
    failure::{Failure, warn_of},
    leases,
    process::{listen, stop_on_signal},
    process_file::ProcessFile,
    service::{Files, NotDone, Service},
};

/// How long the last answers of the API may take when everything else has stopped.
const LAST_ANSWERS_MAX: Duration = Duration::from_millis(500);

pub(super) async fn run(args: Run) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let files = Files::at(&args.files.files, args.files.osis);
    let loaded = files.load(&environment).await?;
    warn_of(&loaded.warnings);
    let process = args.config.as_deref().map(ProcessFile::read).transpose()?.unwrap_or_default();
    let mut address = args.api.api;
    address.set_port(process.port.unwrap_or(address.port()));
    let listener = listen("--api", address, process.basic.is_some()).await?;
    let coordination = leases::choose(&args, process.coordination)?;
    let leases = leases::open(coordination, &args.data_dir, environment.clone()).await?;
    let memory = args.event_memory.map(|it| usize::try_from(it.0).unwrap_or(usize::MAX));
    let service = Service::build(&loaded, files, &args.data_dir, leases, environment, memory)?;
    let service = Arc::new(service);
    if let Some(drain_max) = process.drain_max {
        service.set_drain_max(drain_max);
    }
    service.check().await?;

    let (stopper, shutdown) = Stop::pair();
    let address = address_of(&listener)?;
    let router = Api::of(Arc::clone(&service), stopper);
    let router = router.with_tags(process.tags).with_basic(process.basic).router();
    let (serving, end_serving) = Stop::pair();
    let (scheme, server) = match process.tls {
        Some(tls) => {
            let listener = tls.listen(listener).map_err(|it| Failure::failed(it.to_string()))?;
            ("https", serve_on(listener, router, end_serving))
        }
        None => ("http", serve(listener, router, end_serving)),
    };
    if scheme == "http" && !address.ip().is_loopback() {
        warn!(%address, "the API's password goes over the network as it is; set `ssl_certificate_file`");
    }
    let api = format!("{scheme}://{address}");
    info!(%api, data_dir = %args.data_dir.display(), "running; /health/ready and /metrics tell how it goes");
    write_addresses(args.api.addresses.as_deref(), &[("api", api)])?;

    tokio::select! {
        () = service.run(either(stop_on_signal(), shutdown)) => {}
        () = reload_on_signal(&service) => {}
        () = service.refresh_secrets() => {}
    }
    serving.stop();
    end(server).await;
    Ok(())
}

/// Ends a server that was asked to, once it has answered what it was asked: whoever shut us down waits
/// for that.
pub(super) async fn end(mut server: JoinHandle<()>) {
    if tokio::time::timeout(LAST_ANSWERS_MAX, &mut server).await.is_err() {
        server.abort();
    }
}

/// Reads the files again at every SIGHUP. Never ends.
async fn reload_on_signal(service: &Service) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        return std::future::pending().await;
    };
    while hangups.recv().await.is_some() {
        match service.reload(None).await {
            Ok(names) if names.is_empty() => info!("nothing has changed in the files"),
            Ok(_) => {}
            Err(NotDone::Refused(problem)) => {
                error!("the files cannot be run, everything goes on as before:\n{problem}");
            }
            Err(NotDone::Unknown) => {}
        }
    }
    std::future::pending::<()>().await;
}

/// Resolves when one of the two does.
pub(super) fn either(one: Stop, other: Stop) -> Stop {
    let (stopper, stop) = Stop::pair();
    tokio::spawn(async move {
        tokio::select! {
            () = one => {}
            () = other => {}
        }
        stopper.stop();
    });
    stop
}
