//! A server that does as it is told: takes bulk requests like OpenSearch, and fails on demand.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// How many requests are kept for a look at them.
const REQUESTS_MAX: usize = 1_000;

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is answered like this, and not carried out.
    Answer(u16, &'static str, &'static str),
    /// Every so many documents are refused with a status and a type of error.
    Items(usize, u16, &'static str),
    /// It is carried out, and the connection breaks.
    ResetAfter,
    /// It is carried out, and only half of the answer arrives.
    CutShort,
    /// It is carried out, and the answer is this.
    Malformed(&'static str),
    /// It is carried out, but later.
    Slow(Duration),
    /// It is refused if it has more bytes.
    TooLarge(usize),
}

/// A document as it stands in the index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) version: u64,
    /// `None` if it was deleted.
    pub(crate) document: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    faults: VecDeque<Fault>,
    always: Option<Fault>,
    /// What every other request gets, and whether the next one does.
    every_other: Option<(Fault, bool)>,
    documents: BTreeMap<String, Stored>,
    /// How often each document was written.
    n_writes: BTreeMap<String, usize>,
    requests: Vec<String>,
    /// Every operation that documents came with.
    ops: BTreeSet<String>,
    under_way: usize,
    most_under_way: usize,
    /// What other paths answer: method and path, status, body.
    pages: Vec<(String, u16, String)>,
}

impl State {
    /// What an update with these lines makes of the document that is there.
    fn merged(&self, id: &str, lines: Option<String>) -> Option<String> {
        let there = self.documents.get(id).and_then(|it| it.document.as_deref());
        let mut whole: Value = serde_json::from_str(there.unwrap_or("{}")).unwrap();
        let update: Value = serde_json::from_str(&lines?).unwrap();
        let changes = update["doc"].as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(changes);
        Some(whole.to_string())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server { address, state: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = serving.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        server
    }

    /// What the next requests get, one after the other.
    pub(crate) fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lock().faults.extend(faults);
    }

    /// What every request gets that has nothing else.
    pub(crate) fn always(&self, fault: Option<Fault>) {
        self.lock().always = fault;
    }

    /// What every other request gets, beginning with the next.
    pub(crate) fn every_other(&self, fault: Fault) {
        self.lock().every_other = Some((fault, true));
    }

    /// Answers `GET /path` and the like; what is said last counts.
    pub(crate) fn page(&self, what: &str, status: u16, body: &str) {
        self.lock().pages.push((what.to_owned(), status, body.to_owned()));
    }

    pub(crate) fn stored(&self, id: &str) -> Option<Stored> {
        self.lock().documents.get(id).cloned()
    }

    pub(crate) fn n_alive(&self) -> usize {
        self.lock().documents.values().filter(|it| it.document.is_some()).count()
    }

    pub(crate) fn n_writes(&self, id: &str) -> usize {
        self.lock().n_writes.get(id).copied().unwrap_or(0)
    }

    /// Method, path and headers of every request so far, and bodies of those that are no bulk.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    pub(crate) fn ops(&self) -> Vec<String> {
        self.lock().ops.iter().cloned().collect()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.lock().most_under_way
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn serve(&self, mut stream: TcpStream) {
        while let Some((head, body)) = read_request(&mut stream).await {
            {
                let mut state = self.lock();
                state.under_way += 1;
                state.most_under_way = state.most_under_way.max(state.under_way);
            }
            let goes_on = self.answer(&mut stream, &head, &body).await;
            self.lock().under_way -= 1;
            if !goes_on {
                return;
            }
        }
    }

    /// Says whether the connection goes on.
    async fn answer(&self, stream: &mut TcpStream, head: &str, body: &[u8]) -> bool {
        let line = head.lines().next().unwrap_or_default().to_owned();
        let is_bulk = line.contains("/_bulk");
        let noted = if is_bulk {
            head.to_owned()
        } else {
            format!("{head}{}", String::from_utf8_lossy(body))
        };
        {
            let mut state = self.lock();
            if state.requests.len() < REQUESTS_MAX {
                state.requests.push(noted);
            }
        }
        if !is_bulk {
            let (status, text) = self.page_of(&line);
            let text = if line.starts_with("HEAD") { String::new() } else { text };
            return write(stream, status, "", &text).await;
        }
        let fault = {
            let mut state = self.lock();
            let next = state.faults.pop_front().or_else(|| state.always.clone());
            let every_other = state.every_other.as_mut().and_then(|(fault, comes)| {
                *comes = !*comes;
                (!*comes).then(|| fault.clone())
            });
            next.or(every_other)
        };
        match fault {
            None => write(stream, 200, "", &self.apply(body, None)).await,
            Some(Fault::Answer(status, headers, text)) => {
                write(stream, status, headers, text).await
            }
            Some(Fault::Items(every, status, kind)) => {
                write(stream, 200, "", &self.apply(body, Some((every, status, kind)))).await
            }
            Some(Fault::ResetAfter) => {
                self.apply(body, None);
                false
            }
            Some(Fault::CutShort) => {
                let text = self.apply(body, None);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
                let half = &text[..text.len() / 2];
                let _ = stream.write_all(format!("{head}{half}").as_bytes()).await;
                false
            }
            Some(Fault::Malformed(text)) => {
                self.apply(body, None);
                write(stream, 200, "", text).await
            }
            Some(Fault::Slow(wait)) => {
                tokio::time::sleep(wait).await;
                write(stream, 200, "", &self.apply(body, None)).await
            }
            Some(Fault::TooLarge(most)) if most < body.len() => {
                write(stream, 413, "", r#"{"Message":"Request size exceeded"}"#).await
            }
            Some(Fault::TooLarge(_)) => write(stream, 200, "", &self.apply(body, None)).await,
        }
    }

    fn page_of(&self, line: &str) -> (u16, String) {
        let state = self.lock();
        let found = state.pages.iter().rev().find(|(what, ..)| line.starts_with(what.as_str()));
        let id = line.split(' ').nth(1).and_then(|it| it.split("/_doc/").nth(1));
        match found {
            Some((_, status, body)) => (*status, body.clone()),
            None if id.is_some() => {
                let stored = id.and_then(|it| state.documents.get(it)?.document.as_ref());
                let source: Option<Value> = stored.map(|it| serde_json::from_str(it).unwrap());
                (200, json!({ "found": source.is_some(), "_source": source }).to_string())
            }
            None if line.starts_with("GET / ") => {
                (200, r#"{"version":{"number":"2.19.0","distribution":"opensearch"}}"#.to_owned())
            }
            None => (200, "{}".to_owned()),
        }
    }

    /// Carries a request out, but for every so many documents.
    fn apply(&self, body: &[u8], refuse: Option<(usize, u16, &str)>) -> String {
        let text = String::from_utf8_lossy(body);
        let mut lines = text.lines();
        let mut items = Vec::new();
        let mut state = self.lock();
        while let Some(line) = lines.next() {
            let action: Value = serde_json::from_str(line).unwrap();
            let (op, about) = action.as_object().unwrap().iter().next().unwrap();
            let document = (op != "delete").then(|| lines.next().unwrap().to_owned());
            let id = about["_id"].as_str().unwrap_or_default().to_owned();
            state.ops.insert(op.clone());
            let n = items.len() + 1;
            if let Some((_, status, kind)) = refuse.filter(|(every, ..)| n % every == 0) {
                let error =
                    json!({ "type": kind, "reason": format!("no permissions for [{kind}]") });
                items.push(json!({ op: { "status": status, "error": error } }));
                continue;
            }
            let version = about["version"].as_u64();
            let there = state.documents.get(&id).map_or(0, |it| it.version);
            let conflict = version.is_some_and(|it| it <= there)
                || op == "create"
                    && state.documents.get(&id).is_some_and(|it| it.document.is_some());
            if conflict {
                let error =
                    json!({ "type": "version_conflict_engine_exception", "reason": "newer" });
                items.push(json!({ op: { "status": 409, "error": error } }));
                continue;
            }
            let document = if op == "update" { state.merged(&id, document) } else { document };
            *state.n_writes.entry(id.clone()).or_default() += 1;
            let was_there = state.documents.get(&id).is_some_and(|it| it.document.is_some());
            let status = match (op.as_str(), was_there) {
                ("delete", false) => 404,
                (_, true) => 200,
                (_, false) => 201,
            };
            let version = version.unwrap_or(there + 1);
            state.documents.insert(id, Stored { version, document });
            items.push(json!({ op: { "status": status } }));
        }
        json!({ "errors": true, "items": items }).to_string()
    }
}

async fn write(stream: &mut TcpStream, status: u16, headers: &str, body: &str) -> bool {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.is_ok()
}

/// Head and body; `None` at the end.
async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    let end = loop {
        if let Some(at) = all.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => all.extend_from_slice(&chunk[..n]),
        }
        // Someone speaks TLS.
        if all[0] == 0x16 {
            write(stream, 400, "", "").await;
            return None;
        }
    };
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let length = head
        .lines()
        .find_map(|it| it.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned))
        .map_or(0, |it| it.trim().parse::<usize>().unwrap());
    let mut body = all.split_off(end);
    while body.len() < length {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => body.extend_from_slice(&chunk[..n]),
        }
    }
    if head.to_ascii_lowercase().contains("content-encoding: gzip") {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&body[..]), &mut plain)
            .unwrap();
        body = plain;
    }
    Some((head, body))
}
