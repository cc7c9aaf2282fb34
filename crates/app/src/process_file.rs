//! Data Prepper's process file, `data-prepper-config.yaml`: what makes sense here is carried out, what
//! does not is told, and what would only seem to be carried out is refused.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use coordination::Coordination;
use pipeline::{ByteCount, ConfigError, Period, Settings, SourceText, Value, nearest};
use serde::Deserialize;

use crate::{
    failure::{Failure, warn_of},
    tls::Tls,
};

/// How many tags metrics may have, as in Data Prepper.
const TAGS_MAX: usize = 3;
/// What has no effect, and why none is needed. `_` stands for capitals, too: `metricRegistries`.
const WITHOUT_EFFECT: [(&str, &str); 11] = [
    ("circuit_breakers", "every queue here is bounded, so memory is, too"),
    ("disabled_metrics", "leave metrics out where they are collected"),
    ("emf_metrics", "collect `/metrics/prometheus`"),
    ("event", "fields are found without a cache"),
    ("experimental", "there are no experimental plugins"),
    ("extensions", "write `extension` into the pipeline file"),
    ("metric_registries", "collect `/metrics/prometheus`"),
    ("metric_tag_filters", "use `metric_tags`, which all metrics get"),
    ("peer_forwarder", "workers share the table by leases, and send each other nothing"),
    ("pipeline_shutdown", "a pipeline that fails is started again, and the others go on"),
    ("retain_events_after_shutdown", "what is not safe is read again"),
];
/// What has an effect.
const WITH_EFFECT: [&str; 12] = [
    "authentication",
    "key_store_file_path",
    "key_store_password",
    "metric_tags",
    "private_key_password",
    "processor_shutdown_timeout",
    "server_port",
    "sink_shutdown_timeout",
    "source_coordination",
    "ssl",
    "ssl_certificate_file",
    "ssl_key_file",
];
/// How files of Java's key stores end, which only Java reads.
const KEY_STORES: [&str; 4] = [".jks", ".keystore", ".p12", ".pfx"];
/// What to write for TLS.
const TLS_HELP: &str =
    "write `ssl_certificate_file: api.pem` and `ssl_key_file: api.key`, two PEM files";

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct ProcessFile {
    /// Where leases are kept.
    pub(crate) coordination: Coordination,
    /// The port of the API.
    pub(crate) port: Option<u16>,
    /// Who may use the API, if not everyone on this machine.
    pub(crate) basic: Option<Basic>,
    /// What the API shows of itself, if it speaks TLS.
    pub(crate) tls: Option<Tls>,
    /// How long what is on its way may take when the process stops.
    pub(crate) drain_max: Option<Duration>,
    /// Added to every metric.
    pub(crate) tags: Vec<(String, String)>,
}

/// A name and password.
#[derive(Clone, Deserialize)]
pub(crate) struct Basic {
    pub(crate) username: String,
    pub(crate) password: String,
}

/// The password is shown to nobody.
impl std::fmt::Debug for Basic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Basic({})", self.username)
    }
}

/// `circuit_breakers`, which is checked though it has no effect.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only whether it makes sense is checked")]
struct CircuitBreakers {
    heap: Option<Heap>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only whether it makes sense is checked")]
struct Heap {
    usage: ByteCount,
    reset: Option<Period>,
    check_interval: Option<Period>,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    file: ProcessFile,
    ssl: Option<bool>,
    certificate: Option<(PathBuf, Settings)>,
    key: Option<(PathBuf, Settings)>,
    key_store: Option<(PathBuf, Settings)>,
    errors: Vec<ConfigError>,
    warnings: Vec<ConfigError>,
}

impl ProcessFile {
    /// Reads the file at `path`, and tells what has no effect.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or there is a mistake in it. All are told.
    pub(crate) fn read(path: &Path) -> Result<ProcessFile, Failure> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::failed(format!("cannot read {name}: {error}")))?;
        let (file, warnings) = ProcessFile::parse(SourceText { name, text })
            .map_err(|errors| Failure::mistakes(&errors.into_iter().collect()))?;
        warn_of(&warnings.into_iter().collect());
        Ok(file)
    }

    fn parse(source: SourceText) -> Result<(ProcessFile, Vec<ConfigError>), Vec<ConfigError>> {
        let settings = Settings::from_source(source).map_err(ConfigError::each)?;
        let mut found = Found::default();
        for (key, value) in settings.entries() {
            found.read(&snake_case(key), &value);
        }
        found.tls(&settings);
        if found.errors.is_empty() { Ok((found.file, found.warnings)) } else { Err(found.errors) }
    }
}

impl Found {
    fn read(&mut self, key: &str, value: &Settings) {
        match key {
            "source_coordination" => {
                if let Some((coordination, warnings)) = self.note(Coordination::read(value)) {
                    self.file.coordination = coordination;
                    self.warnings.extend(warnings);
                }
            }
            "server_port" => self.file.port = self.port(value),
            "authentication" => self.authentication(value),
            "processor_shutdown_timeout" | "sink_shutdown_timeout" => {
                if let Some(Period(timeout)) = self.note(value.read()) {
                    let longest = self.file.drain_max.unwrap_or_default().max(timeout);
                    self.file.drain_max = Some(longest);
                }
            }
            "metric_tags" => self.tags(value),
            "ssl" => self.ssl = self.note(value.read()),
            "ssl_certificate_file" => self.certificate = self.file(value),
            "ssl_key_file" => self.key = self.file(value),
            "key_store_file_path" => self.key_store = self.file(value),
            "key_store_password" | "private_key_password" => {
                if value.text().is_some_and(|it| !it.is_empty()) {
                    let problem =
                        format!("`{key}` has no effect: keys are read from PEM files, decrypted");
                    let warning = ConfigError::new("", problem).with_place(value.key_place());
                    self.warnings.push(warning.with_help("remove it"));
                }
            }
            key => self.other(key, value),
        }
    }

    fn port(&mut self, value: &Settings) -> Option<u16> {
        let help = "write a port, such as 4900";
        let port: Option<i64> = self.note(value.read().map_err(|it| it.with_help(help)));
        let port = port?;
        match u16::try_from(port) {
            Ok(port) if port != 0 => Some(port),
            _ => {
                self.refuse(value, format!("{port} is not a port"), help);
                None
            }
        }
    }

    /// A path, from where the file of settings is.
    fn file(&mut self, value: &Settings) -> Option<(PathBuf, Settings)> {
        let path: String = self.note(value.read())?;
        if path.is_empty() {
            return None;
        }
        let folder = Path::new(&value.place().source.name).parent().map(Path::to_owned);
        Some((folder.unwrap_or_default().join(path), value.clone()))
    }

    /// Brings together what the file says about TLS.
    fn tls(&mut self, settings: &Settings) {
        if let Some((path, at)) = &self.key_store
            && KEY_STORES.iter().any(|it| path.to_string_lossy().to_lowercase().ends_with(it))
        {
            let problem = "this is a key store of Java, which is not read here";
            let help = "make PEM of it: `openssl pkcs12 -in keystore.p12 -nodes -out api.pem`, and name that";
            self.errors.push(at.problem("", problem).with_help(help));
            return;
        }
        // A PEM file may hold both.
        let store = self.key_store.take();
        let certificate = self.certificate.take().or_else(|| store.clone());
        let key = self.key.take().or(store);
        match (self.ssl, certificate, key) {
            (Some(false) | None, None, None) => {}
            (Some(false), certificate, key) => {
                for (_, at) in certificate.into_iter().chain(key) {
                    let problem = "it has no effect with `ssl: false`";
                    let warning = ConfigError::new("", problem).with_place(at.key_place());
                    self.warnings.push(warning.with_help("remove one of the two"));
                }
            }
            (_, Some((certificate, at)), Some((key, _))) => match Tls::read(&certificate, &key) {
                Ok(tls) => self.file.tls = Some(tls),
                Err(problem) => self.errors.push(at.problem("", problem).with_help(TLS_HELP)),
            },
            (_, certificate, key) => {
                let (at, missing) = match (certificate, key) {
                    (Some((_, at)), None) => (at, "the key is missing"),
                    (None, Some((_, at))) => (at, "the certificate is missing"),
                    _ => (
                        settings.get("ssl").unwrap_or_else(|| settings.clone()),
                        "TLS needs a certificate",
                    ),
                };
                self.errors.push(
                    at.problem("", missing).with_help(format!("{TLS_HELP}; or `ssl: false`")),
                );
            }
        }
    }

    fn authentication(&mut self, value: &Settings) {
        for (key, inner) in value.entries() {
            match key {
                "http_basic" => self.file.basic = self.note(inner.read()),
                "unauthenticated" => {}
                _ => {
                    let problem = format!("there is no authentication `{key}`");
                    let help =
                        "write `http_basic: {username: …, password: …}`, or `unauthenticated:`";
                    self.refuse(&inner, problem, help);
                }
            }
        }
    }

    fn tags(&mut self, value: &Settings) {
        let Some(Value::Map(tags)) = self.note(value.read()) else { return };
        if TAGS_MAX < tags.len() {
            let problem = format!("metrics can have {TAGS_MAX} tags at most");
            self.refuse(value, problem, "keep the most useful ones");
        }
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        self.file.tags = tags.into_iter().map(|(name, value)| (name, text(value))).collect();
    }

    fn other(&mut self, key: &str, value: &Settings) {
        if key == "circuit_breakers" {
            let help = "sizes are written `6gb`, `512mb`";
            self.note(value.read::<CircuitBreakers>().map_err(|it| match it.help {
                Some(_) => it,
                None => it.with_help(help),
            }));
        }
        let about = |problem: String| ConfigError::new("", problem).with_place(value.key_place());
        if let Some((_, why)) = WITHOUT_EFFECT.iter().find(|(name, _)| *name == key) {
            self.warnings.push(about(format!("`{key}` has no effect")).with_help(*why));
            return;
        }
        let known = WITHOUT_EFFECT.iter().map(|(name, _)| *name).chain(WITH_EFFECT);
        let help = match nearest(key, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "remove it".to_owned(),
        };
        self.errors.push(about(format!("there is no setting `{key}`")).with_help(help));
    }

    fn refuse(&mut self, value: &Settings, problem: impl Into<String>, help: &str) {
        self.errors.push(value.problem("", problem).with_help(help));
    }

    fn note<T>(&mut self, read: Result<T, ConfigError>) -> Option<T> {
        read.map_err(|error| self.errors.extend(error.each())).ok()
    }
}

/// `serverPort` as `server_port`.
fn snake_case(key: &str) -> String {
    let mut out = String::new();
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(ProcessFile, Vec<String>), Vec<String>> {
        let source = SourceText { name: "process.yaml".to_owned(), text: text.to_owned() };
        let shown = |errors: Vec<ConfigError>| errors.iter().map(ToString::to_string).collect();
        match ProcessFile::parse(source) {
            Ok((file, warnings)) => Ok((file, shown(warnings))),
            Err(errors) => Err(shown(errors)),
        }
    }

    #[test]
    fn what_makes_sense_is_carried_out() {
        let (file, warnings) = parse(
            "ssl: false\nserverPort: '4901'\nauthentication: {http_basic: {username: ada, password: x}}\n\
             processor_shutdown_timeout: 10s\nsink_shutdown_timeout: PT20S\nmetricTags: {stage: test}\n\
             circuit_breakers: {heap: {usage: 6gb}}\nkey_store_file_path: ''\n",
        )
        .unwrap();
        assert_eq!((file.port, file.drain_max), (Some(4901), Some(Duration::from_secs(20))));
        assert_eq!(file.basic.unwrap().username, "ada");
        assert_eq!(file.tags, [("stage".to_owned(), "test".to_owned())]);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("`circuit_breakers` has no effect"), "{warnings:?}");
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let errors = parse(
            "ssl: true\nserver_port: -1\ncircuit_breakers: {heap: {usage: 6442450944}}\n\
             metric_tags: {a: 1, b: 2, c: 3, d: 4}\nkey_store_file_path: keystore.p12\nsever_port: 1\n\
             authentication: {oauth: {}}\n",
        )
        .unwrap_err();
        for (n, says) in [
            "process.yaml:2:14: -1 is not a port",
            "process.yaml:3:",
            "process.yaml:4:1: metrics can have 3 tags",
            "process.yaml:6:1: there is no setting `sever_port`; did you mean `server_port`?",
            "process.yaml:7:18: there is no authentication `oauth`",
            "process.yaml:5:22: this is a key store of Java",
        ]
        .iter()
        .enumerate()
        {
            assert!(errors[n].contains(says), "{says}: {errors:#?}");
        }
    }

    fn certificates() -> String {
        format!("{}/../opensearch/tests/it/tls", env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn tls_needs_a_certificate_and_its_key() {
        let dir = certificates();
        let pair =
            format!("ssl_certificate_file: {dir}/good.pem\nssl_key_file: {dir}/server.key\n");
        let folder = tempfile::tempdir().unwrap();
        let both = folder.path().join("api.pem");
        let text = ["good.pem", "server.key"]
            .map(|it| std::fs::read_to_string(format!("{dir}/{it}")).unwrap());
        std::fs::write(&both, text.concat()).unwrap();
        for (text, speaks, n_warnings) in [
            (pair.clone(), true, 0),
            (format!("ssl: true\n{pair}"), true, 0),
            (format!("ssl: false\n{pair}"), false, 2),
            (format!("key_store_file_path: {}\nkey_store_password: x\n", both.display()), true, 1),
            ("server_port: 4900\n".to_owned(), false, 0),
        ] {
            let (file, warnings) = parse(&text).unwrap_or_else(|it| panic!("{text}: {it:?}"));
            assert_eq!((file.tls.is_some(), warnings.len()), (speaks, n_warnings), "{text}");
        }
        for (text, says) in [
            ("ssl: true\n".to_owned(), "1:6: TLS needs a certificate; write `ssl_certificate_file"),
            (format!("ssl_key_file: {dir}/server.key\n"), "the certificate is missing"),
            (format!("ssl_certificate_file: {dir}/good.pem\n"), "the key is missing"),
            (pair.replace("good.pem", "server.key"), "no `BEGIN CERTIFICATE`"),
            (pair.replace("server.key", "client.key"), "cannot be used together"),
            (pair.replace("server.key", "good.pem"), "no `BEGIN PRIVATE KEY`"),
            (pair.replace("server.key", "none.key"), "cannot be read"),
        ] {
            let errors = parse(&text).unwrap_err();
            assert!(errors.len() == 1 && errors[0].contains(says), "{says}: {errors:?}");
        }
    }
}
