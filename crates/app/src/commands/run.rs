//! `streamdex run`: pipelines as a service.

use std::sync::Arc;

use aws::Environment;
use pipeline::Stop;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

use super::write_addresses;
use crate::{
    api::Api,
    cli::Run,
    endpoints::{address_of, serve},
    failure::{Failure, warn_of},
    leases,
    process::{listen, stop_on_signal},
    process_file::ProcessFile,
    service::{Files, NotDone, Service},
};

pub(super) async fn run(args: Run) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let files = Files::at(&args.files.files, args.files.osis);
    let loaded = files.load(&environment).await?;
    warn_of(&loaded.warnings);
    let process = args.config.as_deref().map(ProcessFile::read).transpose()?.unwrap_or_default();
    let mut address = args.api.api;
    address.set_port(process.port.unwrap_or(address.port()));
    let listener = listen("--api", address).await?;
    let files = files.refreshed_for(&loaded);
    let coordination = leases::choose(&args, process.coordination)?;
    let leases = leases::open(coordination, &args.data_dir, environment.clone()).await?;
    let memory = args.event_memory.map(|it| usize::try_from(it.0).unwrap_or(usize::MAX));
    let service = Service::build(&loaded, files, &args.data_dir, leases, environment, memory)?;
    let service = Arc::new(service.with_drain_max(process.drain_max));
    service.check().await?;

    let (stopper, shutdown) = Stop::pair();
    let api = format!("http://{}", address_of(&listener)?);
    let router = Api::of(Arc::clone(&service), stopper);
    let router = router.with_tags(process.tags).with_basic(process.basic).router();
    let (serving, end_serving) = Stop::pair();
    let server = serve(listener, router, end_serving);
    info!(%api, data_dir = %args.data_dir.display(), "running; /health/ready and /metrics tell how it goes");
    write_addresses(args.api.addresses.as_deref(), &[("api", api)])?;

    tokio::select! {
        () = service.run(either(stop_on_signal(), shutdown)) => {}
        () = reload_on_signal(&service) => {}
        () = service.refresh_secrets() => {}
    }
    serving.stop();
    server.abort();
    Ok(())
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
