//! Measures an endpoint over HTTP: `dynamodb_load ADDRESS [ITEMS] [CONNECTIONS]`.
//!
//! Writes 1 KB items with BatchWriteItem while the stream is on, scans them, and reads the stream.
//! The requests are built beforehand, so that what is measured is the endpoint and the sockets.

#![expect(clippy::print_stdout, reason = "it prints its results")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::{
    error::Error,
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize, default: usize| -> Outcome<usize> {
        arguments.get(at).map_or(Ok(default), |it| Ok(it.parse()?))
    };
    let address = arguments.first().ok_or("usage: dynamodb_load ADDRESS [ITEMS] [CONNECTIONS]")?;
    let (n_items, n_connections) = (argument(1, 200_000)?, argument(2, 2)?);

    let mut control = Client::connect(address)?;
    control.call("DynamoDB_20120810.DeleteTable", r#"{"TableName":"load"}"#).ok();
    control.call("DynamoDB_20120810.CreateTable", r#"{"TableName":"load","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"BillingMode":"PAY_PER_REQUEST","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}}"#)?;

    write(address, n_items, n_connections)?;
    scan(address, n_connections)?;
    read_stream(address, n_connections)
}

fn write(address: &str, n_items: usize, n_connections: usize) -> Outcome<()> {
    // A few bodies only, with numbers put in where keys are, keep the generator out of the way.
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    workers(n_connections, |_| {
        let mut client = Client::connect(address)?;
        loop {
            let first = next.fetch_add(25, Ordering::Relaxed);
            if n_items <= first {
                return Ok(());
            }
            let body = batch(first);
            client.call("DynamoDB_20120810.BatchWriteItem", &body)?;
        }
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "BatchWriteItem  {:>9.0} items/s  ({n_items} items, {seconds:.1} s)",
        rate(n_items, seconds)
    );
    Ok(())
}

fn batch(first: usize) -> String {
    let mut body = String::with_capacity(30_000);
    body.push_str(r#"{"RequestItems":{"load":["#);
    for n in first..first + 25 {
        let comma = if n == first { "" } else { "," };
        // About 1 KB: ten attributes of several types and one long text.
        let _ = write!(
            body,
            r#"{comma}{{"PutRequest":{{"Item":{{"id":{{"S":"item-{n:010}"}},"author":{{"S":"Dan Brown {n}"}},"title":{{"S":"The DaVinci code"}},"price":{{"N":"{}.99"}},"year":{{"N":"2003"}},"tags":{{"SS":["crime","novel","rome"]}},"stock":{{"M":{{"paris":{{"N":"{n}"}},"london":{{"N":"7"}}}}}},"parts":{{"L":[{{"S":"one"}},{{"S":"two"}}]}},"sold":{{"BOOL":true}},"text":{{"S":"{TEXT}"}}}}}}}}"#,
            n % 100
        );
    }
    body.push_str("]}}");
    body
}

const TEXT: &str = "While in Paris, Harvard symbologist Robert Langdon is awakened by a phone call in the dead of the night. The elderly curator of the Louvre has been murdered inside the museum, his body covered in baffling symbols. As Langdon and gifted French cryptologist Sophie Neveu sort through the bizarre riddles, they are stunned to discover a trail of clues hidden in the works of Leonardo, clues visible for all to see and yet ingeniously disguised by the painter. The late curator was involved in the Priory, an actual secret society, and has guarded a breathtaking historical secret";

fn scan(address: &str, n_segments: usize) -> Outcome<()> {
    let (n_items, n_bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = Instant::now();
    workers(n_segments, |segment| {
        let mut client = Client::connect(address)?;
        let mut start = String::new();
        loop {
            let body = format!(
                r#"{{"TableName":"load","Segment":{segment},"TotalSegments":{n_segments}{start}}}"#
            );
            let page = client.call("DynamoDB_20120810.Scan", &body)?;
            n_bytes.fetch_add(page.len(), Ordering::Relaxed);
            let count = between(&page, "\"ScannedCount\":", "}").ok_or("no count")?;
            n_items.fetch_add(count.parse()?, Ordering::Relaxed);
            match between(&page, "\"LastEvaluatedKey\":", ",\"ScannedCount\"") {
                None => return Ok(()),
                Some(key) => start = format!(",\"ExclusiveStartKey\":{key}"),
            }
        }
    })?;
    report("Scan", "items", n_items.into_inner(), n_bytes.into_inner(), begun);
    Ok(())
}

fn read_stream(address: &str, n_connections: usize) -> Outcome<()> {
    let mut control = Client::connect(address)?;
    let table = control.call("DynamoDB_20120810.DescribeTable", r#"{"TableName":"load"}"#)?;
    let arn = between(&table, "\"LatestStreamArn\":\"", "\"").ok_or("no stream")?.to_owned();
    let stream = control
        .call("DynamoDBStreams_20120810.DescribeStream", &format!(r#"{{"StreamArn":"{arn}"}}"#))?;
    let shards: Vec<&str> =
        stream.split("\"ShardId\":\"").skip(1).filter_map(|it| it.split('"').next()).collect();
    let (next, n_records, n_bytes) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = Instant::now();
    workers(n_connections, |_| {
        let mut client = Client::connect(address)?;
        while let Some(shard) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
            let answer = client.call(
                "DynamoDBStreams_20120810.GetShardIterator",
                &format!(r#"{{"StreamArn":"{arn}","ShardId":"{shard}","ShardIteratorType":"TRIM_HORIZON"}}"#),
            )?;
            let mut iterator =
                between(&answer, "\"ShardIterator\":\"", "\"").ok_or("no iterator")?.to_owned();
            loop {
                let page = client.call(
                    "DynamoDBStreams_20120810.GetRecords",
                    &format!(r#"{{"ShardIterator":"{iterator}"}}"#),
                )?;
                let count = page.matches("\"eventID\"").count();
                n_records.fetch_add(count, Ordering::Relaxed);
                n_bytes.fetch_add(page.len(), Ordering::Relaxed);
                match between(&page, "\"NextShardIterator\":\"", "\"").filter(|_| 0 < count) {
                    Some(next) => iterator = next.to_owned(),
                    None => break,
                }
            }
        }
        Ok(())
    })?;
    report("GetRecords", "records", n_records.into_inner(), n_bytes.into_inner(), begun);
    Ok(())
}

fn report(what: &str, unit: &str, n: usize, n_bytes: usize, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    let megabytes = rate(n_bytes, seconds) / 1e6;
    println!(
        "{what:15} {:>9.0} {unit}/s  {megabytes:.0} MB/s  ({n} {unit}, {seconds:.1} s)",
        rate(n, seconds)
    );
}

#[expect(clippy::cast_precision_loss, reason = "it is printed in whole numbers")]
fn rate(n: usize, seconds: f64) -> f64 {
    n as f64 / seconds
}

fn workers(n: usize, work: impl Fn(usize) -> Outcome<()> + Sync) -> Outcome<()> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..n).map(|at| scope.spawn(move || work(at))).collect();
        threads.into_iter().try_for_each(|it| it.join().map_err(|_| "a worker panicked")?)
    })
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.rfind(before)? + before.len();
    text[start..].find(after).map(|end| &text[start..start + end])
}

struct Client {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Client {
    fn connect(address: &str) -> Outcome<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::with_capacity(1 << 16, stream), request: Vec::new() })
    }

    fn call(&mut self, target: &str, body: &str) -> Outcome<String> {
        self.request.clear();
        write!(
            self.request,
            "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        self.stream.get_mut().write_all(&self.request)?;
        let (mut line, mut n_bytes, mut is_ok) = (String::new(), 0, false);
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("the connection was closed".into());
            }
            let text = line.trim_end();
            if text.starts_with("HTTP/1.1") {
                is_ok = text.starts_with("HTTP/1.1 200");
            } else if let Some(length) = text.strip_prefix("content-length: ") {
                n_bytes = length.parse()?;
            } else if text.is_empty() {
                break;
            }
        }
        let mut body = vec![0; n_bytes];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8(body)?;
        if is_ok { Ok(body) } else { Err(body.into()) }
    }
}
