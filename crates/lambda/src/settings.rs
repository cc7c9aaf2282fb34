//! What the function's environment variables say. Pure.
//!
//! | Variable | Says | Without it |
//! | --- | --- | --- |
//! | `HOST` | the domain: a name, or an address with `https://`, a port or a slash at its end | an error |
//! | `ES_INDEX` | the index; `{table}` in it stands for the table's name in small letters | an error |
//! | `DB_HASH_KEY` | the table's partition key | an error, unless `ES_INDEX` has `{table}` |
//! | `DB_SORT_KEY` | the table's sort key | the table has none |
//! | `API_STAGE` | the stage in the address of the API, where the event does not say it | the event says it |
//! | `BASE_PATH` | the base path that a custom domain puts before ours | there is none |
//! | `MODE` | `auto`, `stream` or `proxy`: which events are handled | `auto` |
//! | `PROXY_MODE` | `off`, `read`, `console` or `admin`: which requests are passed on | `read` |
//! | `DLQ_URL` | where dead letters go: an SQS queue, `s3://bucket/prefix`, or both with a comma | the batch fails instead |
//! | `TTL_DELETE` | `delete` or `keep` what a time to live removed | `delete` |
//! | `AUTH` | `aws`, `basic` or `none`: how we show who we are | `aws`, or `basic` with a name |
//! | `OPENSEARCH_USERNAME`, `OPENSEARCH_PASSWORD` | the name and password for `basic` | |
//! | `PARTIAL_BATCH_RESPONSE` | whether the trigger has `ReportBatchItemFailures` | `true` |
//! | `RENAME_FIELDS` | whether names OpenSearch refuses (`_id`, `a..b`) are changed | `false` |
//! | `DROP_ATTRIBUTES` | attributes left out, `aws:rep:*` for instance | none |
//!
//! `STREAMDEX_PIPELINE` is a whole pipeline file, or says where it is: then that says what becomes of
//! records, and `HOST` is only for requests. `ES_INDEX`, `RENAME_FIELDS` and `DROP_ATTRIBUTES` are
//! refused beside it; the keys are taken in the order of their names unless `DB_HASH_KEY` is set.

use std::fmt;

use crate::proxy::rules::ProxyMode;

/// What gives a variable by its name.
pub type ReadVariable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the function is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which events it handles.
    pub mode: Mode,
    /// The address of the domain, without a slash at its end.
    pub host: String,
    /// How we show the domain who we are.
    pub auth: Auth,
    /// How records are indexed; there unless only requests are handled.
    pub stream: Option<StreamSettings>,
    /// How requests are passed on; there unless only records are handled.
    pub proxy: Option<ProxySettings>,
}

/// Which events are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whatever comes.
    Auto,
    /// Only batches of a stream.
    Stream,
    /// Only requests.
    Proxy,
}

/// How we show the domain who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// By signing with the function's role.
    Aws {
        /// Whether it is a collection of OpenSearch Serverless.
        serverless: bool,
    },
    /// By name and password.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// Not at all.
    None,
}

/// How records are indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// The index, or its pattern.
    pub index: IndexName,
    /// The table's keys; `None` takes them from the record, in the order of their names.
    pub keys: Option<KeyNames>,
    /// Whether what a time to live removed is deleted from the index.
    pub deletes_by_ttl: bool,
    /// Where dead letters go.
    pub dead_letters: Vec<DeadLetterPlace>,
    /// Whether the trigger understands `batchItemFailures`.
    pub partial_response: bool,
    /// Whether names that OpenSearch refuses are changed.
    pub rename_fields: bool,
    /// Attributes to leave out; a `*` at the end stands for anything.
    pub drop_attributes: Vec<String>,
}

/// The names of a table's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyNames {
    /// The partition key.
    pub partition: String,
    /// The sort key, if the table has one.
    pub sort: Option<String>,
}

/// Which index a record goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexName {
    /// Always this one.
    Fixed(String),
    /// This one, with `{table}` replaced.
    OfTable(String),
    /// The pipeline file says so.
    InFile,
}

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetterPlace {
    /// An SQS queue, by its address.
    Queue(String),
    /// S3.
    Bucket {
        /// The bucket.
        bucket: String,
        /// What the keys begin with; empty, or with a slash at its end.
        prefix: String,
    },
}

/// How requests are passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySettings {
    /// The stage, if it was said.
    pub stage: Option<String>,
    /// What a custom domain puts before our paths: empty, or `/search`.
    pub base_path: String,
    /// Which requests are passed on.
    pub mode: ProxyMode,
}

/// All that is wrong with the variables, at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(pub Vec<String>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for SettingsError {}

/// A password is shown to nobody.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Auth::Aws { serverless } => write!(f, "Aws {{ serverless: {serverless} }}"),
            Auth::Basic { username, .. } => write!(f, "Basic {{ username: {username:?} }}"),
            Auth::None => f.write_str("None"),
        }
    }
}

impl IndexName {
    /// The index for records of `table`.
    pub fn of(&self, table: &str) -> String {
        match self {
            IndexName::Fixed(name) => name.clone(),
            IndexName::InFile => String::new(),
            IndexName::OfTable(pattern) => pattern.replace("{table}", &table.to_lowercase()),
        }
    }
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When a variable is missing or makes no sense. Names all of them, and what to write.
    pub fn read(environment: ReadVariable<'_>) -> Result<Settings, SettingsError> {
        let mut problems = Problems(Vec::new());
        let has_file = environment("STREAMDEX_PIPELINE").is_some();
        let modes = [("auto", Mode::Auto), ("stream", Mode::Stream), ("proxy", Mode::Proxy)];
        let mode = problems.choice(environment, "MODE", &modes).unwrap_or(Mode::Auto);
        let host = match environment("HOST") {
            Some(host) => problems.take(address(&host)),
            // The file says where to write. Without a host, requests are passed on nowhere.
            None if has_file && mode != Mode::Proxy => None,
            None => problems.add("HOST is not set; write the endpoint of the OpenSearch domain"),
        };
        let passes_on = mode != Mode::Stream && (host.is_some() || !has_file);
        let host = host.unwrap_or_default();
        let auth = problems.auth(environment, &host);
        let stream = (mode != Mode::Proxy).then(|| problems.stream(environment, has_file));
        let proxy = passes_on.then(|| problems.proxy(environment));
        if problems.0.is_empty() {
            Ok(Settings { mode, host, auth, stream: stream.flatten(), proxy })
        } else {
            Err(SettingsError(problems.0))
        }
    }
}

/// What has been found wrong so far.
struct Problems(Vec<String>);

impl Problems {
    fn add<T>(&mut self, problem: impl Into<String>) -> Option<T> {
        self.0.push(problem.into());
        None
    }

    fn take<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    fn choice<T: Copy>(
        &mut self,
        environment: ReadVariable<'_>,
        name: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let text = environment(name)?;
        let found = choices.iter().find(|(it, _)| it.eq_ignore_ascii_case(text.trim()));
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(it, _)| *it).collect();
            self.0.push(format!("{name} is `{text}`; write one of {}", names.join(", ")));
        }
        found.map(|(_, it)| *it)
    }

    fn yes_or_no(&mut self, environment: ReadVariable<'_>, name: &str, default: bool) -> bool {
        self.choice(environment, name, &[("true", true), ("false", false)]).unwrap_or(default)
    }

    fn auth(&mut self, environment: ReadVariable<'_>, host: &str) -> Auth {
        let username = environment("OPENSEARCH_USERNAME");
        let password = environment("OPENSEARCH_PASSWORD");
        let kinds = [("aws", 0), ("basic", 1), ("none", 2)];
        let default = i32::from(username.is_some());
        match self.choice(environment, "AUTH", &kinds).unwrap_or(default) {
            0 => Auth::Aws { serverless: host.contains(".aoss.") },
            1 => {
                if let (Some(username), Some(password)) = (username, password) {
                    return Auth::Basic { username, password };
                }
                let problem = "OPENSEARCH_USERNAME and OPENSEARCH_PASSWORD go together; set both";
                self.add(problem).unwrap_or(Auth::None)
            }
            _ => Auth::None,
        }
    }

    fn stream(&mut self, environment: ReadVariable<'_>, has_file: bool) -> Option<StreamSettings> {
        for name in ["ES_INDEX", "RENAME_FIELDS", "DROP_ATTRIBUTES"] {
            if has_file && environment(name).is_some() {
                self.add::<()>(format!(
                    "{name} has no effect with STREAMDEX_PIPELINE; write it into the pipeline file"
                ));
            }
        }
        let index = match environment("ES_INDEX") {
            _ if has_file => Some(IndexName::InFile),
            Some(index) => self.take(index_name(&index)),
            None => self.add("ES_INDEX is not set; write the name of the index, `books`"),
        };
        let by_table = matches!(index, Some(IndexName::OfTable(_) | IndexName::InFile));
        let sort = environment("DB_SORT_KEY");
        let keys = match (environment("DB_HASH_KEY"), &sort) {
            (Some(partition), _) => Some(KeyNames { partition, sort }),
            (None, None) if by_table => None,
            _ => self.add("DB_HASH_KEY is not set; write the name of the table's partition key"),
        };
        if keys.as_ref().is_some_and(|it| it.sort.as_ref() == Some(&it.partition)) {
            self.0.push("DB_SORT_KEY is the same as DB_HASH_KEY; leave it out".to_owned());
        }
        let ttl = self.choice(environment, "TTL_DELETE", &[("delete", true), ("keep", false)]);
        let dead_letters = environment("DLQ_URL").unwrap_or_default();
        let dead_letters =
            list(&dead_letters).filter_map(|it| self.take(dead_letter_place(it))).collect();
        Some(StreamSettings {
            index: index?,
            keys,
            deletes_by_ttl: ttl.unwrap_or(true),
            dead_letters,
            partial_response: self.yes_or_no(environment, "PARTIAL_BATCH_RESPONSE", true),
            rename_fields: self.yes_or_no(environment, "RENAME_FIELDS", false),
            drop_attributes: list(&environment("DROP_ATTRIBUTES").unwrap_or_default())
                .map(str::to_owned)
                .collect(),
        })
    }

    fn proxy(&mut self, environment: ReadVariable<'_>) -> ProxySettings {
        let stage = environment("API_STAGE").map(|it| it.trim_matches('/').to_owned());
        let is_stage = |it: &String| {
            it == "$default"
                || it.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
        };
        if let Some(stage) = stage.as_ref().filter(|it| !is_stage(it)) {
            self.0.push(format!("API_STAGE is `{stage}`; write the name of the stage, `dev`"));
        }
        let base_path = environment("BASE_PATH").unwrap_or_default();
        let base_path = base_path.trim_matches('/');
        ProxySettings {
            stage: stage.filter(|it| !it.is_empty()),
            base_path: if base_path.is_empty() { String::new() } else { format!("/{base_path}") },
            mode: self
                .choice(environment, "PROXY_MODE", &ProxyMode::NAMES)
                .unwrap_or(ProxyMode::Read),
        }
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|it| !it.is_empty())
}

/// `HOST`, as an address.
fn address(host: &str) -> Result<String, String> {
    let host = host.trim();
    let (scheme, rest) = match host.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => ("https".to_owned(), host),
    };
    let name = rest.trim_end_matches('/');
    let is_name = !name.is_empty()
        && name.bytes().all(|it| {
            it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'_' | b':' | b'[' | b']')
        });
    if !is_name || !matches!(scheme.as_str(), "http" | "https") {
        return Err(format!(
            "HOST is `{host}`; write only the domain's name, or its address without a path: \
             `search-books.us-east-1.es.amazonaws.com`"
        ));
    }
    Ok(format!("{scheme}://{}", name.to_ascii_lowercase()))
}

/// OpenSearch takes small letters only, and none of the characters that mean something elsewhere.
fn index_name(name: &str) -> Result<IndexName, String> {
    let plain = name.replace("{table}", "table");
    let is_name = !plain.starts_with(['-', '_', '+'])
        && !matches!(plain.as_str(), "." | "..")
        && plain.len() <= 255
        && !plain.contains(|it: char| it.is_whitespace() || it.is_control())
        && !plain.contains(['\\', '/', '*', '?', '"', '<', '>', '|', ',', '#', ':', '{', '}'])
        && plain.to_lowercase() == plain;
    if !is_name {
        return Err(format!(
            "ES_INDEX is `{name}`; an index has small letters, no spaces, none of \\ / * ? \" < > | , \
             # : and begins with none of - _ +"
        ));
    }
    Ok(if name.contains("{table}") {
        IndexName::OfTable(name.to_owned())
    } else {
        IndexName::Fixed(name.to_owned())
    })
}

fn dead_letter_place(text: &str) -> Result<DeadLetterPlace, String> {
    if let Some(rest) = text.strip_prefix("s3://") {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_safe = |it: &str| {
            it.bytes()
                .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_' | b'/'))
        };
        if !bucket.is_empty() && is_safe(bucket) && is_safe(prefix) {
            let prefix = prefix.trim_matches('/');
            let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
            return Ok(DeadLetterPlace::Bucket { bucket: bucket.to_owned(), prefix });
        }
    }
    let is_queue = text.split_once("://").is_some_and(|(scheme, rest)| {
        matches!(scheme, "http" | "https") && rest.contains('/') && !rest.contains(' ')
    });
    if is_queue {
        return Ok(DeadLetterPlace::Queue(text.to_owned()));
    }
    Err(format!(
        "DLQ_URL has `{text}`; write the address of a queue \
         (`https://sqs.us-east-1.amazonaws.com/111122223333/dead`), `s3://bucket/prefix`, or both \
         with a comma between them"
    ))
}

#[cfg(test)]
mod tests;
