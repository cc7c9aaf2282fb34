//! Serves the OpenSearch endpoint alone, or measures it: `opensearch_load serve 9200 [DIR]`,
//! `opensearch_load bulk DOCUMENTS CLIENTS [DIR]`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use local::{clock::Clock, opensearch::OpenSearch};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Documents in one request.
const BATCH: usize = 1000;

fn main() {
    let args: Vec<String> = env::args().collect();
    let number = |n: usize| args[n].parse::<usize>().unwrap();
    match args.get(1).map(String::as_str) {
        Some("serve") => {
            let port = u16::try_from(number(2)).unwrap();
            let (address, _) = serve(port, args.get(3).map(Path::new));
            println!("http://{address}");
            loop {
                thread::park();
            }
        }
        Some("bulk") => bulk(number(2), number(3), args.get(4).map(Path::new)),
        _ => println!("opensearch_load serve PORT [DIR] | bulk DOCUMENTS CLIENTS [DIR]"),
    }
}

fn serve(port: u16, folder: Option<&Path>) -> (SocketAddr, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let endpoint = OpenSearch::open(folder, Clock::default()).unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", port))).unwrap();
    let address = listener.local_addr().unwrap();
    let router = endpoint.router();
    runtime.spawn(async move { axum::serve(listener, router).await });
    (address, runtime)
}

fn bulk(n_documents: usize, n_clients: usize, folder: Option<&Path>) {
    println!("idle, nothing open:      {} KB", resident_kb());
    let (address, _runtime) = serve(0, folder);
    call(address, "PUT", "/books", b"{}");
    thread::sleep(Duration::from_millis(500));
    println!("idle, an empty index:    {} KB", resident_kb());
    let began = Instant::now();
    let per_client = n_documents / n_clients;
    let clients: Vec<_> = (0..n_clients)
        .map(|client| thread::spawn(move || load(address, client * per_client, per_client)))
        .collect();
    let busy: Duration = clients.into_iter().map(|it| it.join().unwrap()).sum();
    let took = began.elapsed();
    let n = per_client * n_clients;
    println!(
        "bulk: {n} documents by {n_clients} clients in {took:.2?}: {:.0} docs/s, of it waiting for answers {busy:.2?}",
        n as f64 / took.as_secs_f64()
    );
    println!("after it:                {} KB", resident_kb());
    let stats = call(address, "POST", "/books/_refresh", b"");
    assert!(stats.contains("failed"), "{stats}");
    let mut times: Vec<Duration> = (0..100)
        .map(|n| {
            let document = format!(r#"{{"author":"Dan Brown {n}","title":"one more","year":{n}}}"#);
            call(address, "PUT", &format!("/books/_doc/extra-{n}"), document.as_bytes());
            let began = Instant::now();
            call(address, "POST", "/books/_refresh", b"");
            began.elapsed()
        })
        .collect();
    times.sort();
    println!("refresh after one write: p50 {:.2?}, p99 {:.2?}", times[50], times[98]);
    for body in [
        r#"{"query":{"match":{"title":"davinci"}}}"#,
        r#"{"query":{"term":{"author.keyword":"Dan Brown 7"}}}"#,
        r#"{"query":{"range":{"year":{"gte":1990,"lt":2000}}},"sort":[{"year":"desc"}]}"#,
    ] {
        let mut times: Vec<Duration> = (0..50)
            .map(|_| {
                let began = Instant::now();
                call(address, "POST", "/books/_search", body.as_bytes());
                began.elapsed()
            })
            .collect();
        times.sort();
        println!("search {body}: p50 {:.2?}", times[25]);
    }
    println!(
        "{}",
        call(
            address,
            "GET",
            "/books/_stats?filter_path=_all.primaries,indices.*.primaries.segments",
            b""
        )
    );
    thread::sleep(Duration::from_secs(12));
    println!("idle again:              {} KB", resident_kb());
}

/// Sends documents, and says how long it waited for answers.
fn load(address: SocketAddr, from: usize, n: usize) -> Duration {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut waited = Duration::ZERO;
    for start in (from..from + n).step_by(BATCH) {
        let mut body = Vec::new();
        for id in start..(start + BATCH).min(from + n) {
            writeln!(body, r#"{{"index":{{"_id":"author {id}|title {id}","version":{id},"version_type":"external"}}}}"#).unwrap();
            let (year, shelf) = (1950 + id % 70, id % 500);
            writeln!(body, r#"{{"author":"Dan Brown {shelf}","title":"The DaVinci code volume {id}","year":{year},"price":{}.99,"isbn":"978-0-{id}","inStock":true,"summary":"A murder inside the Louvre and clues in paintings lead to the discovery of a religious mystery protected by a secret society number {shelf}"}}"#, id % 40).unwrap();
        }
        let began = Instant::now();
        let answer = exchange(&mut stream, "POST", "/books/_bulk", &body);
        waited += began.elapsed();
        assert!(answer.contains("\"errors\":false"), "{answer:.300}");
    }
    waited
}

fn call(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> String {
    exchange(&mut TcpStream::connect(address).unwrap(), method, path, body)
}

fn exchange(stream: &mut TcpStream, method: &str, path: &str, body: &[u8]) -> String {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut reader = BufReader::new(stream);
    let mut n_bytes = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            n_bytes = length.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut answer = vec![0; n_bytes];
    reader.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    // Without mapped files, which the system takes back when it needs the memory.
    let line = status.lines().find_map(|it| it.strip_prefix("RssAnon:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}
