//! `streamdex local`: only the endpoints.

use pipeline::Stop;

use super::{run::either, write_addresses};
use crate::{
    api::Api,
    cli::{EndpointArgs, Local},
    endpoints::{Endpoints, address_of, serve},
    failure::Failure,
    process::{listen, stop_on_signal},
};

#[expect(clippy::print_stdout, reason = "the addresses are what the command is asked for")]
pub(super) async fn run(args: Local) -> Result<(), Failure> {
    let EndpointArgs { data_dir, api, .. } = &args.endpoints;
    let (stopper, shutdown) = Stop::pair();
    let stop = either(stop_on_signal(), shutdown);
    let listener = listen("--api", api.api, false).await?;
    let endpoints = Endpoints::start(&args.endpoints, data_dir.as_deref(), &stop).await?;
    let api_address = format!("http://{}", address_of(&listener)?);
    let router = Api::without_pipelines(stopper).router();
    let server = serve(listener, router, stop.clone());

    let addresses = [
        ("dynamodb", format!("http://{}", endpoints.dynamodb)),
        ("opensearch", format!("http://{}", endpoints.opensearch)),
        ("s3", format!("http://{}", endpoints.s3)),
        ("api", api_address),
    ];
    for (name, address) in &addresses {
        println!("{name:<12} {address}");
    }
    match data_dir {
        Some(dir) => println!("{:<12} {}", "data", dir.display()),
        None => println!("{:<12} gone when this ends; keep it with --data-dir DIR", "data"),
    }
    write_addresses(api.addresses.as_deref(), &addresses)?;
    stop.await;
    server.abort();
    endpoints.close().await;
    Ok(())
}
