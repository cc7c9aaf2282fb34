//! The Lambda function beside the usual ones: the same events, the same sink, one run.
//!
//! Each is a process behind a Runtime API of ours: our `bootstrap`, a handler in Python as tutorials
//! have it, and npm's `dynamodb-stream-elasticsearch`. They write to a sink that takes everything at
//! once, so that what is measured is theirs.

use std::{
    collections::VecDeque,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use flate2::{Compression, write::DeflateEncoder};
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, Notify, mpsc},
    time::Instant,
};

/// How often each is started.
const STARTS: usize = 9;
/// Batches of so many records, and how many of each are measured.
const BATCHES: [(u64, usize); 3] = [(1, 1_000), (100, 150), (1_000, 30)];
/// How many come before, unmeasured.
const WARM_UP: usize = 5;
/// How long one event may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// What Lambda's own runtimes bring along, so that nobody packs it.
const IN_THE_RUNTIME: [&str; 7] =
    ["boto3", "botocore", "s3transfer", "jmespath", "dateutil", "pip", "setuptools"];

/// A function that is measured.
struct Contestant {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<PathBuf>,
    modules: Option<PathBuf>,
    package_bytes: u64,
}

/// What was seen of one.
#[derive(Default)]
struct Seen {
    first_question: Vec<Duration>,
    first_answer: Vec<Duration>,
    /// Time and CPU of a batch of each size.
    batches: Vec<(Duration, Duration)>,
    resident_kib: u64,
}

pub(crate) async fn run() -> anyhow::Result<()> {
    let sink = serve(Router::new().fallback(take)).await?;
    let contestants = contestants()?;
    let mut all: Vec<Seen> = contestants.iter().map(|_| Seen::default()).collect();
    let one = event(1);
    for _ in 0..STARTS {
        for (contestant, seen) in contestants.iter().zip(&mut all) {
            let running = Running::start(contestant, &sink).await?;
            seen.first_question.push(running.first_question);
            running.invoke(&one).await?;
            seen.first_answer.push(running.began.elapsed());
        }
    }
    for (contestant, seen) in contestants.iter().zip(&mut all) {
        let running = Running::start(contestant, &sink).await?;
        for (n_records, n_batches) in BATCHES {
            let event = event(n_records);
            for _ in 0..WARM_UP {
                running.invoke(&event).await?;
            }
            let (began, cpu) = (Instant::now(), running.cpu()?);
            for _ in 0..n_batches {
                running.invoke(&event).await?;
            }
            let n = u32::try_from(n_batches)?;
            seen.batches.push((began.elapsed() / n, running.cpu()?.saturating_sub(cpu) / n));
        }
        seen.resident_kib = running.resident_kib()?;
    }
    println!("lambda: {STARTS} starts each in turn, then batches; medians, and means of batches");
    for (contestant, seen) in contestants.iter().zip(&mut all) {
        print(contestant, seen);
    }
    for ((contestant, seen), ours) in
        contestants.iter().zip(&all).skip(1).zip(std::iter::repeat(&all[0]))
    {
        let times = |n: usize| seen.batches[n].1.as_secs_f64() / ours.batches[n].1.as_secs_f64();
        println!(
            "ours takes 1/{:.0} of the CPU of {} per batch of 1, 1/{:.0} per 100, 1/{:.0} per 1,000",
            times(0),
            contestant.name,
            times(1),
            times(2)
        );
    }
    Ok(())
}

fn print(contestant: &Contestant, seen: &mut Seen) {
    let mut median = |what: fn(&mut Seen) -> &mut Vec<Duration>| {
        let times = what(seen);
        times.sort_unstable();
        times[times.len() / 2]
    };
    let first_question = median(|it| &mut it.first_question);
    let first_answer = median(|it| &mut it.first_answer);
    println!(
        "{:<28} first question {first_question:>9.1?}, first answer {first_answer:>9.1?}, resident {:>6} KiB, package {:>9} bytes zipped",
        contestant.name, seen.resident_kib, contestant.package_bytes
    );
    for ((n_records, _), (took, cpu)) in BATCHES.iter().zip(&seen.batches) {
        println!("{n_records:>40} records: {took:>9.2?}, {cpu:>9.2?} of CPU");
    }
}

/// Ours first, then those that are installed.
fn contestants() -> anyhow::Result<Vec<Contestant>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = std::env::current_exe()?.with_file_name("bootstrap");
    let program = std::env::var_os("STREAMDEX_BOOTSTRAP").map_or(program, PathBuf::from);
    ensure!(
        program.exists(),
        "there is no {}; `cargo build --release -p lambda` makes it",
        program.display()
    );
    let package_bytes = zipped(&fs::read(&program)?)?;
    let mut all = vec![Contestant {
        name: "bootstrap (ours)",
        program,
        arguments: Vec::new(),
        modules: None,
        package_bytes,
    }];
    match std::env::var_os("STREAMDEX_BENCH_PYTHON").map(PathBuf::from) {
        Some(python) => {
            let script = here.join("lambda/usual.py");
            let packages = packages_of(&python)?;
            let package_bytes = zipped(&fs::read(&script)?)? + zipped_folder(&packages)?;
            all.push(Contestant {
                name: "Python, opensearch-py",
                program: python,
                arguments: vec![script],
                modules: None,
                package_bytes,
            });
        }
        None => println!("python: left out; `cargo xtask bench lambda` installs what it takes"),
    }
    match std::env::var_os("STREAMDEX_BENCH_NODE_MODULES").map(PathBuf::from) {
        Some(modules) => {
            let script = here.join("lambda/usual.cjs");
            let package_bytes = zipped(&fs::read(&script)?)? + zipped_folder(&modules)?;
            all.push(Contestant {
                name: "npm dynamodb-stream-e…",
                program: "node".into(),
                arguments: vec![script],
                modules: Some(modules),
                package_bytes,
            });
        }
        None => println!("npm: left out; `cargo xtask bench lambda` installs what it takes"),
    }
    Ok(all)
}

/// Where a virtual environment keeps its packages.
fn packages_of(python: &Path) -> anyhow::Result<PathBuf> {
    let script = "import sysconfig; print(sysconfig.get_paths()['purelib'])";
    let asked = Command::new(python).args(["-c", script]).output()?;
    Ok(String::from_utf8(asked.stdout)?.trim().into())
}

fn zipped(bytes: &[u8]) -> anyhow::Result<u64> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len() as u64)
}

/// The files of a folder, each packed by itself, as in a zip.
fn zipped_folder(folder: &Path) -> anyhow::Result<u64> {
    let mut n_bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
        let brought = IN_THE_RUNTIME.iter().any(|it| {
            name.strip_prefix(it).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        if brought || name == "__pycache__" {
            continue;
        }
        n_bytes += if path.is_dir() { zipped_folder(&path)? } else { zipped(&fs::read(&path)?)? };
    }
    Ok(n_bytes)
}

/// A batch as the trigger brings it.
fn event(n_records: u64) -> Bytes {
    let page = crate::records::get_records(n_records);
    let mut page: Value = serde_json::from_slice(&page).expect("it was written as JSON");
    let mut records = page["Records"].take();
    for record in records.as_array_mut().expect("it is a list") {
        record["eventSourceARN"] =
            "arn:aws:dynamodb:us-east-1:111122223333:table/books/stream/2026-01-15T00:00:00.000"
                .into();
    }
    Bytes::from(json!({ "Records": records }).to_string())
}

/// A process, and the Runtime API it asks.
struct Running {
    child: Child,
    desk: Arc<Desk>,
    events: mpsc::Sender<Bytes>,
    answers: Mutex<mpsc::Receiver<bool>>,
    began: Instant,
    first_question: Duration,
}

/// What the Runtime API knows.
struct Desk {
    events: Mutex<mpsc::Receiver<Bytes>>,
    answers: mpsc::Sender<bool>,
    asked: Notify,
}

impl Running {
    async fn start(contestant: &Contestant, sink: &str) -> anyhow::Result<Running> {
        let (events, to_hand_out) = mpsc::channel(1);
        let (answers, answered) = mpsc::channel(1);
        let desk = Desk { events: Mutex::new(to_hand_out), answers, asked: Notify::new() };
        let desk = Arc::new(desk);
        let api = serve(Router::new().fallback(runtime_api).with_state(Arc::clone(&desk))).await?;
        let began = Instant::now();
        let mut command = Command::new(&contestant.program);
        command
            .args(&contestant.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", api.trim_start_matches("http://")),
                ("AWS_LAMBDA_FUNCTION_NAME", "books-to-search"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", "example"),
                ("AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE", "1"),
                ("HOST", sink),
                ("ES_INDEX", "books"),
                ("DB_HASH_KEY", "author"),
                ("DB_SORT_KEY", "bookTitle"),
            ])
            .stdout(Stdio::null());
        if let Some(modules) = &contestant.modules {
            command.env("NODE_PATH", modules);
        }
        let child = command.spawn().with_context(|| contestant.name)?;
        let mut running = Running {
            child,
            desk,
            events,
            answers: Mutex::new(answered),
            began,
            first_question: Duration::ZERO,
        };
        tokio::time::timeout(PATIENCE, running.desk.asked.notified())
            .await
            .with_context(|| format!("{} does not ask for an event", contestant.name))?;
        running.first_question = began.elapsed();
        Ok(running)
    }

    /// Hands an event in, and waits for the answer.
    async fn invoke(&self, event: &Bytes) -> anyhow::Result<()> {
        self.events.send(event.clone()).await?;
        let mut answers = self.answers.lock().await;
        match tokio::time::timeout(PATIENCE, answers.recv()).await {
            Ok(Some(true)) => Ok(()),
            Ok(_) => bail!("the event was not handled"),
            Err(_elapsed) => bail!("no answer"),
        }
    }

    /// The CPU time it took so far.
    fn cpu(&self) -> anyhow::Result<Duration> {
        // In nanoseconds, and of all threads; `stat` counts ticks of 10 ms.
        let mut cpu = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let ns = text.split(' ').next().context("it begins with a number")?.parse()?;
            cpu += Duration::from_nanos(ns);
        }
        Ok(cpu)
    }

    /// The most memory it ever held.
    fn resident_kib(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn runtime_api(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    if request.uri().path().ends_with("/invocation/next") {
        desk.asked.notify_one();
        // Whoever asked may be gone when there is an event again.
        let Some(event) = desk.events.lock().await.recv().await else {
            return Response::new(Body::empty());
        };
        let deadline = pipeline::Clock::real().now().after(PATIENCE);
        let response = Response::builder()
            .header("lambda-runtime-aws-request-id", "r")
            .header("lambda-runtime-deadline-ms", deadline.0.to_string());
        return response.body(Body::from(event)).expect("these are headers");
    }
    let is_answer = request.uri().path().ends_with("/response");
    // Nobody waits for it any more when the measurement is over.
    let _ = desk.answers.send(is_answer).await;
    Response::builder().status(202).body(Body::from("{}")).expect("it is a status")
}

/// A sink that takes everything: it finds the actions, and answers each with 201.
async fn take(request: Request) -> Response {
    let is_bulk = request.uri().path().ends_with("/_bulk");
    let Ok(body) = axum::body::to_bytes(request.into_body(), 64 << 20).await else {
        return Response::new(Body::empty());
    };
    let answer = if is_bulk {
        let mut items = VecDeque::new();
        for line in body.split(|it| *it == b'\n') {
            for op in ["index", "delete"] {
                let begin = format!("{{\"{op}\":{{\"_");
                if line.starts_with(begin.as_bytes()) {
                    items.push_back(format!(
                        r#"{{"{op}":{{"_index":"books","_id":"x","status":201}}}}"#
                    ));
                }
            }
        }
        format!(r#"{{"took":1,"errors":false,"items":[{}]}}"#, Vec::from(items).join(","))
    } else {
        r#"{"version":{"number":"7.10.2","build_flavor":"default"},"tagline":"You Know, for Search"}"#
            .to_owned()
    };
    let response = Response::builder().header("content-type", "application/json");
    response.body(Body::from(answer)).expect("these are headers")
}

async fn serve(router: Router) -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}
