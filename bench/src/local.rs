//! The embedded DynamoDB over HTTP: how fast items of 1 KB come in while the stream is on, how fast
//! they are scanned and the stream is read, and how much memory they take; in memory, and on disk.
//!
//! The load comes from threads of this process and shares its cores. Another server is measured in the
//! same way if `STREAMDEX_BENCH_DYNAMODB_URL` gives its address; `STREAMDEX_BENCH_ITEMS` says how many
//! items are written.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context;
use axum::serve::ListenerExt;
use local::{clock::Clock, dynamodb::DynamoDb};
use tokio::{net::TcpListener, time::Instant};

use crate::convert::{mega, per_second};

/// How many items are written unless told otherwise: they take about 2.5 GB.
const ITEMS: usize = 2_000_000;
/// And with a data directory, and to another server.
const ITEMS_ON_DISK: usize = 500_000;
const ITEMS_ELSEWHERE: usize = 100_000;
/// How many items one request writes.
const BATCH: usize = 25;
const CONNECTIONS: usize = 4;
/// How often the rate is taken while items are written, to see a slope.
const PARTS: usize = 5;

pub(crate) fn run(runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
    let n_items = match std::env::var("STREAMDEX_BENCH_ITEMS") {
        Ok(text) => Some(text.parse().context("STREAMDEX_BENCH_ITEMS is not a number")?),
        Err(_) => None,
    };
    println!(
        "## The embedded DynamoDB: 1 KB items over HTTP, stream on, {CONNECTIONS} connections, load included"
    );
    ours(runtime, "in memory", None, n_items.unwrap_or(ITEMS))?;
    let dir = tempfile::tempdir()?;
    ours(runtime, "on disk", Some(dir.path()), n_items.unwrap_or(ITEMS_ON_DISK))?;
    if let Ok(url) = std::env::var("STREAMDEX_BENCH_DYNAMODB_URL") {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        println!("{url}:");
        measure(address, n_items.unwrap_or(ITEMS_ELSEWHERE))?;
        let mut control = Client::connect(address)?;
        control.call("DynamoDB_20120810.DeleteTable", br#"{"TableName":"load"}"#)?;
    }
    println!();
    Ok(())
}

fn ours(
    runtime: &tokio::runtime::Runtime,
    name: &str,
    dir: Option<&Path>,
    n_items: usize,
) -> anyhow::Result<()> {
    let db = DynamoDb::open(dir, Clock::default()).map_err(|error| anyhow::anyhow!("{error}"))?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?.to_string();
    let listener = listener.tap_io(|stream| {
        // A small answer must not wait for the next one.
        let _ = stream.set_nodelay(true);
    });
    let router = db.router();
    let serving = runtime.spawn(async move { axum::serve(listener, router).await });
    println!("{name}, {n_items} items:");
    let before = resident()?;
    let done = measure(&address, n_items);
    let n_bytes = (resident()? - before) * 1024.0 * 1024.0;
    let each = n_bytes / per_second(n_items as u64, Duration::from_secs(1));
    // What an earlier run has left is used again and not seen here.
    if dir.is_none() {
        println!("  memory per item      {each:.0} B, its stream record included");
    }
    serving.abort();
    done
}

fn measure(address: &str, n_items: usize) -> anyhow::Result<()> {
    let mut control = Client::connect(address)?;
    control.call("DynamoDB_20120810.CreateTable", br#"{"TableName":"load","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"BillingMode":"PAY_PER_REQUEST","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}}"#)?;
    write(address, n_items)?;
    scan(address)?;
    read_stream(address)
}

fn write(address: &str, n_items: usize) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let reached = Mutex::new(Vec::new());
    let began = Instant::now();
    workers(|_| {
        let mut client = Client::connect(address)?;
        let mut batch = Batch::new();
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if n_items <= first {
                return Ok(());
            }
            client.call("DynamoDB_20120810.BatchWriteItem", batch.number(first))?;
            if (first + BATCH) % (n_items / PARTS).max(BATCH) < BATCH {
                reached.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push(began.elapsed());
            }
        }
    })?;
    let time = began.elapsed();
    println!("  BatchWriteItem       {:>9.0} items/s", per_second(n_items as u64, time));
    let mut reached = reached.into_inner().map_err(|_| anyhow::anyhow!("poisoned"))?;
    reached.sort();
    let mut last = Duration::ZERO;
    let mut rates = Vec::new();
    for time in reached {
        rates.push(format!(
            "{:.0}",
            per_second((n_items / PARTS) as u64, time.saturating_sub(last))
        ));
        last = time;
    }
    println!("    fifth by fifth     {}", rates.join(", "));
    Ok(())
}

fn scan(address: &str) -> anyhow::Result<()> {
    let (n_items, n_bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    workers(|segment| {
        let mut client = Client::connect(address)?;
        let mut start = String::new();
        loop {
            let body = format!(
                r#"{{"TableName":"load","Segment":{segment},"TotalSegments":{CONNECTIONS}{start}}}"#
            );
            let page = client.call("DynamoDB_20120810.Scan", body.as_bytes())?;
            n_bytes.fetch_add(page.len(), Ordering::Relaxed);
            // The counts stand at the ends; the items need not be looked at.
            let count = between(&page, b"\"ScannedCount\":").context("no count")?;
            n_items.fetch_add(count.parse()?, Ordering::Relaxed);
            match object(&page, b"\"LastEvaluatedKey\":") {
                None => return Ok(()),
                Some(key) => start = format!(",\"ExclusiveStartKey\":{key}"),
            }
        }
    })?;
    let time = began.elapsed();
    println!(
        "  Scan, {CONNECTIONS} segments     {:>9.0} items/s {:>6.0} MB/s",
        per_second(n_items.load(Ordering::Relaxed) as u64, time),
        mega(n_bytes.load(Ordering::Relaxed)) / time.as_secs_f64(),
    );
    Ok(())
}

fn read_stream(address: &str) -> anyhow::Result<()> {
    let mut control = Client::connect(address)?;
    let ask =
        |client: &mut Client, call: &str, body: String| -> anyhow::Result<serde_json::Value> {
            Ok(serde_json::from_slice(&client.call(call, body.as_bytes())?)?)
        };
    let table =
        ask(&mut control, "DynamoDB_20120810.DescribeTable", r#"{"TableName":"load"}"#.to_owned())?;
    let arn = table["Table"]["LatestStreamArn"].as_str().context("no stream")?.to_owned();
    let stream = ask(
        &mut control,
        "DynamoDBStreams_20120810.DescribeStream",
        format!(r#"{{"StreamArn":"{arn}"}}"#),
    )?;
    let shards = stream["StreamDescription"]["Shards"].as_array().cloned().unwrap_or_default();
    let (next, n_bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    workers(|_| {
        let mut client = Client::connect(address)?;
        while let Some(shard) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
            let iterator = ask(
                &mut client,
                "DynamoDBStreams_20120810.GetShardIterator",
                format!(
                    r#"{{"StreamArn":"{arn}","ShardId":{},"ShardIteratorType":"TRIM_HORIZON"}}"#,
                    shard["ShardId"]
                ),
            )?;
            let mut iterator =
                iterator["ShardIterator"].as_str().context("no iterator")?.to_owned();
            loop {
                let body = format!(r#"{{"ShardIterator":"{iterator}"}}"#);
                let page = client.call("DynamoDBStreams_20120810.GetRecords", body.as_bytes())?;
                n_bytes.fetch_add(page.len(), Ordering::Relaxed);
                let is_empty = memchr::memmem::find(&page, b"\"eventID\"").is_none();
                match between(&page, b"\"NextShardIterator\":\"").filter(|_| !is_empty) {
                    Some(next) => next.clone_into(&mut iterator),
                    None => break,
                }
            }
        }
        Ok(())
    })?;
    let time = began.elapsed();
    println!(
        "  GetRecords           {:>9} {:>13.0} MB/s",
        "",
        mega(n_bytes.load(Ordering::Relaxed)) / time.as_secs_f64()
    );
    Ok(())
}

/// A request whose items get other numbers without being written anew.
struct Batch {
    body: Vec<u8>,
    /// Where the numbers are, of ten digits each.
    places: Vec<usize>,
}

impl Batch {
    fn new() -> Batch {
        let mut body = br#"{"RequestItems":{"load":["#.to_vec();
        let mut places = Vec::new();
        for n in 0..BATCH {
            if n != 0 {
                body.push(b',');
            }
            body.extend_from_slice(br#"{"PutRequest":{"Item":{"id":{"S":"item-"#);
            places.push(body.len());
            body.extend_from_slice(br#"0000000000"},"author":{"S":"Dan Brown"},"title":{"S":"The DaVinci code"},"price":{"N":"7.99"},"year":{"N":"2003"},"tags":{"SS":["crime","novel","rome"]},"stock":{"M":{"paris":{"N":"12"},"london":{"N":"7"}}},"parts":{"L":[{"S":"one"},{"S":"two"}]},"sold":{"BOOL":true},"text":{"S":""#);
            body.extend_from_slice(TEXT.as_bytes());
            body.extend_from_slice(br#""}}}}"#);
        }
        body.extend_from_slice(b"]}}");
        Batch { body, places }
    }

    fn number(&mut self, first: usize) -> &[u8] {
        for (at, place) in self.places.iter().enumerate() {
            let mut rest = first + at;
            for digit in self.body[*place..place + 10].iter_mut().rev() {
                *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
        }
        &self.body
    }
}

const TEXT: &str = "The harbour lay silent under an amber winter sky, and the lantern on the copper engine threw its violet signal across the river. Paper, stone and cloud, said the keeper, are all that a meadow needs; the rest is orbit and quartz. Nobody believed him, yet everyone came back the next morning to hear the same sentence again, spoken a little slower, until even the gulls above the quay had learned it by heart and would not stop repeating it to the ships that came in from the north, laden with salt, timber and news of other harbours. And so it went on, year after year after year.";

fn workers(work: impl Fn(usize) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..CONNECTIONS).map(|at| scope.spawn(move || work(at))).collect();
        threads
            .into_iter()
            .try_for_each(|it| it.join().map_err(|_| anyhow::anyhow!("a worker panicked"))?)
    })
}

/// What follows `before`, up to a quote, comma or brace. It is looked for at both ends.
fn between<'a>(page: &'a [u8], before: &[u8]) -> Option<&'a str> {
    let end = 2000.min(page.len());
    let at = memchr::memmem::find(&page[..end], before).map_or_else(
        || memchr::memmem::rfind(&page[page.len() - end..], before).map(|at| page.len() - end + at),
        Some,
    )?;
    let rest = &page[at + before.len()..];
    let end = rest.iter().position(|it| matches!(it, b'"' | b',' | b'}'))?;
    std::str::from_utf8(&rest[..end]).ok()
}

/// The object that follows `before` near the end: `{"id":{"S":"x"}}`.
fn object<'a>(page: &'a [u8], before: &[u8]) -> Option<&'a str> {
    let tail = &page[page.len() - 1000.min(page.len())..];
    let rest = &tail[memchr::memmem::rfind(tail, before)? + before.len()..];
    let end = memchr::memmem::find(rest, b"}}")? + 2;
    std::str::from_utf8(&rest[..end]).ok()
}

/// Resident memory of this process in MB.
fn resident() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let kilobytes: f64 = line.unwrap_or("0").trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024.0)
}

struct Client {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Client {
    fn connect(address: &str) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::with_capacity(1 << 18, stream), request: Vec::new() })
    }

    fn call(&mut self, target: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.request.clear();
        write!(
            self.request,
            "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.0\r\nAuthorization: AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0f\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        self.request.extend_from_slice(body);
        self.stream.get_mut().write_all(&self.request)?;
        let (mut line, mut n_bytes, mut is_ok) = (String::new(), 0, false);
        loop {
            line.clear();
            anyhow::ensure!(self.stream.read_line(&mut line)? != 0, "the connection was closed");
            let text = line.trim_end();
            if text.starts_with("HTTP/1.1") {
                is_ok = text.starts_with("HTTP/1.1 200");
            } else if let Some((name, length)) = text.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                n_bytes = length.parse()?;
            } else if text.is_empty() {
                break;
            }
        }
        let mut body = vec![0; n_bytes];
        self.stream.read_exact(&mut body)?;
        anyhow::ensure!(is_ok, "{}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}
