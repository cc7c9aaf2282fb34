//! Serves an embedded DynamoDB until it is killed: `dynamodb [ADDRESS] [DATA_DIR]`.

#![expect(clippy::print_stdout, reason = "whoever starts it must learn the address")]

use std::{error::Error, path::Path};

use local::{clock::Clock, dynamodb::DynamoDb};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let dir = arguments.next();
    let db = DynamoDb::open(dir.as_deref().map(Path::new), Clock::default())?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, db.router()).await?;
    Ok(())
}
