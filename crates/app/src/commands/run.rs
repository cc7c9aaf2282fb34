//! `streamdex run`: pipelines as a service.

use aws::Environment;
use pipeline::{Clock, Stop};
use tracing::info;

use super::{load_files, write_addresses};
use crate::{
    api::Api,
    cli::Run,
    endpoints::{address_of, serve},
    failure::Failure,
    leases,
    process::{listen, stop_on_signal},
    service::Service,
};

pub(super) async fn run(args: Run) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let loaded = load_files(&args.files, &environment)?;
    let listener = listen("--api", args.api.api).await?;
    let coordination = leases::choose(&args)?;
    let leases = leases::open(coordination, &args.data_dir, environment.clone()).await?;
    let service = Service::build(&loaded, &args.data_dir, leases, environment)?;
    service.check().await?;

    let (stopper, shutdown) = Stop::pair();
    let api = format!("http://{}", address_of(&listener)?);
    let router = Api::new(&service.pipelines(), service.meters(), Clock::real(), stopper).router();
    let (serving, end_serving) = Stop::pair();
    let server = serve(listener, router, end_serving);
    info!(%api, data_dir = %args.data_dir.display(), "running; /health/ready and /metrics tell how it goes");
    write_addresses(args.api.addresses.as_deref(), &[("api", api)])?;

    service.run(either(stop_on_signal(), shutdown)).await;
    serving.stop();
    server.abort();
    Ok(())
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
