//! `geoip`: adds where an address is, from `MaxMind` files.
//!
//! Differs from Data Prepper: the files are named here, in `databases`, and are read when the
//! pipeline starts; none is downloaded. An address that is not in them gets no target.

mod database;

use std::{collections::HashMap, net::IpAddr};

use pipeline::{
    ConfigError, Configured, Event, Factory, Flow, Map, ProcessError, Processor, Settings, Value,
};
use serde::Deserialize;

use self::database::Database;
use crate::parts::{Condition, FirstError, Key, Tags, all, open};

pub(crate) const FACTORY: Factory = Factory::of::<Geoip>();

/// What can be in the target.
const FIELDS: [&str; 31] = [
    "ip",
    "network",
    "continent_code",
    "continent_name",
    "country_name",
    "country_iso_code",
    "country_confidence",
    "is_country_in_european_union",
    "registered_country_name",
    "registered_country_iso_code",
    "represented_country_name",
    "represented_country_iso_code",
    "represented_country_type",
    "city_name",
    "city_confidence",
    "location",
    "latitude",
    "longitude",
    "location_accuracy_radius",
    "metro_code",
    "time_zone",
    "postal_code",
    "postal_code_confidence",
    "most_specified_subdivision_name",
    "most_specified_subdivision_iso_code",
    "most_specified_subdivision_confidence",
    "least_specified_subdivision_name",
    "least_specified_subdivision_iso_code",
    "least_specified_subdivision_confidence",
    "asn",
    "asn_organization",
];

/// Settings of `geoip`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What to look up.
    entries: Vec<EntryConfig>,
    /// The paths of the files, by what is in them: `city`, `country`, `asn`, `enterprise`.
    #[serde(default)]
    databases: HashMap<String, String>,
    /// Looks private and local addresses up, too.
    #[serde(default)]
    lookup_private_addresses: bool,
    /// What an event is marked with if the source is no public address.
    #[serde(default)]
    tags_on_no_valid_ip: Tags,
    /// What it is marked with if the address is in none of the files.
    #[serde(default)]
    tags_on_ip_not_found: Tags,
    /// What it is marked with if a file is damaged.
    #[serde(default)]
    tags_on_engine_failure: Tags,
    /// Only for these events.
    #[serde(default)]
    geoip_when: Condition,
}

/// One address to look up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryConfig {
    /// The field. If it is missing, nothing happens.
    source: Key,
    /// Where the result goes.
    #[serde(default = "geo")]
    target: Key,
    /// What is wanted of it; by default all there is.
    include_fields: Option<Vec<String>>,
    /// What is not wanted of it.
    exclude_fields: Option<Vec<String>>,
}

fn geo() -> Key {
    Key::top("geo")
}

struct Geoip {
    entries: Vec<Entry>,
    databases: Vec<Database>,
    private: bool,
    on_no_ip: Tags,
    on_not_found: Tags,
    on_failure: Tags,
    when: Condition,
}

struct Entry {
    source: Key,
    target: Key,
    wanted: Vec<&'static str>,
}

/// What came of one look-up.
enum Answer {
    Nothing,
    NoIp,
    NotFound,
    Found(Map),
}

impl Configured for Geoip {
    const NAME: &'static str = "geoip";
    const EXAMPLE: &'static str = r"
settings:
  entries: [{ source: client_ip, include_fields: [country_name, city_name, location] }]
  databases: { city: tests/data/city.mmdb }
  tags_on_ip_not_found: [unknown_place]
before: { client_ip: 81.2.69.160, path: / }
after:
  - client_ip: 81.2.69.160
    path: /
    geo: { country_name: United Kingdom, city_name: London, location: { lat: 51.5142, lon: -0.0931 } }
";
    type Config = Config;

    fn build(config: Config, settings: &Settings) -> Result<Self, ConfigError> {
        if config.entries.is_empty() {
            return Err(settings.problem("entries", "there are none").with_help("add one"));
        }
        if config.databases.is_empty() {
            return Err(settings
                .problem("databases", "no file is named")
                .with_help("download one from MaxMind and name its path: `databases: {city: …}`"));
        }
        let entries = config.entries.into_iter().enumerate();
        let entries =
            all(entries.map(|(n, it)| Entry::build(it, settings, &format!("entries[{n}]"))))?;
        let mut databases = Vec::new();
        // What is in several files is taken from the first.
        for kind in ["enterprise", "city", "country", "asn"] {
            if let Some(path) = config.databases.get(kind) {
                let database = Database::read(path);
                let at = format!("databases.{kind}");
                databases.push(database.map_err(|problem| settings.problem(&at, problem))?);
            }
        }
        if databases.len() < config.databases.len() {
            let problem = "there are only `city`, `country`, `asn` and `enterprise`";
            return Err(settings.problem("databases", problem));
        }
        Ok(Geoip {
            entries,
            databases,
            private: config.lookup_private_addresses,
            on_no_ip: config.tags_on_no_valid_ip,
            on_not_found: config.tags_on_ip_not_found,
            on_failure: config.tags_on_engine_failure,
            when: config.geoip_when,
        })
    }
}

impl Entry {
    fn build(config: EntryConfig, settings: &Settings, at: &str) -> Result<Entry, ConfigError> {
        let (names, setting) = match (&config.include_fields, &config.exclude_fields) {
            (Some(_), Some(_)) => {
                let problem = "exactly one of `include_fields` and `exclude_fields` may be there";
                return Err(settings.problem(&format!("{at}.exclude_fields"), problem));
            }
            (Some(names), None) => (names.as_slice(), "include_fields"),
            (None, Some(names)) => (names.as_slice(), "exclude_fields"),
            (None, None) => (&[][..], ""),
        };
        if let Some(name) = names.iter().find(|name| !FIELDS.contains(&name.as_str())) {
            let help = pipeline::nearest(name, FIELDS).map(|it| format!("did you mean `{it}`?"));
            let help = help.unwrap_or_else(|| format!("there are {}", FIELDS.join(", ")));
            let problem = format!("there is no `{name}`");
            return Err(settings.problem(&format!("{at}.{setting}"), problem).with_help(help));
        }
        let is_listed = |field: &&str| names.iter().any(|it| it == field);
        let wanted = FIELDS.into_iter().filter(|field| match setting {
            "include_fields" => is_listed(field),
            _ => !is_listed(field),
        });
        Ok(Entry { source: config.source, target: config.target, wanted: wanted.collect() })
    }
}

impl Processor for Geoip {
    fn process(&self, event: &mut Event) -> Result<Flow, ProcessError> {
        if !self.when.holds(event)? {
            return Ok(Flow::Keep);
        }
        let mut errors = FirstError::default();
        for entry in &self.entries {
            match self.look_up(entry, open(event)?) {
                Ok(Answer::Nothing) => {}
                Ok(Answer::NoIp) => self.on_no_ip.mark(event),
                Ok(Answer::NotFound) => self.on_not_found.mark(event),
                Ok(Answer::Found(map)) => {
                    errors.note(entry.target.put(open(event)?, Value::Map(map)));
                }
                Err(error) => errors.note(self.on_failure.settle(event, Err(error)).map(|_| ())),
            }
        }
        errors.result().map(|()| Flow::Keep)
    }
}

impl Geoip {
    fn look_up(&self, entry: &Entry, fields: &Map) -> Result<Answer, ProcessError> {
        let address = match entry.source.get(fields) {
            None | Some(Value::Null) => return Ok(Answer::Nothing),
            Some(Value::String(text)) => text.trim().parse::<IpAddr>().ok(),
            Some(_) => None,
        };
        let Some(address) = address.filter(|it| self.private || is_public(it)) else {
            return Ok(Answer::NoIp);
        };
        let mut known = Map::default();
        for database in &self.databases {
            database.add(address, &mut known).map_err(ProcessError)?;
        }
        if known.is_empty() {
            return Ok(Answer::NotFound);
        }
        known.insert("ip".to_owned(), Value::String(address.to_string()));
        let wanted = entry.wanted.iter();
        Ok(Answer::Found(wanted.filter_map(|name| known.shift_remove_entry(*name)).collect()))
    }
}

fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => {
            !(it.is_private() || it.is_loopback() || it.is_link_local() || it.is_unspecified())
        }
        IpAddr::V6(it) => {
            let first = it.segments()[0];
            let (is_local, is_unique_local) = (first & 0xffc0 == 0xfe80, first & 0xfe00 == 0xfc00);
            !(it.is_loopback() || it.is_unspecified() || is_local || is_unique_local)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::check::{problem, run, tags};

    #[test]
    fn what_is_not_found_is_marked() {
        let settings = "{entries: [{source: a}], databases: {city: tests/data/city.mmdb}, \
                        tags_on_no_valid_ip: [no_ip], tags_on_ip_not_found: [not_found]}";
        for (address, tag) in [
            ("x", "no_ip"),
            ("10.0.0.1", "no_ip"),
            ("127.0.0.1", "no_ip"),
            ("::1", "no_ip"),
            ("fd00::1", "no_ip"),
            ("8.8.8.8", "not_found"),
            ("2001:db8::1", "not_found"),
        ] {
            let before = format!(r#"{{"a":"{address}"}}"#);
            assert_eq!(tags(&FACTORY, settings, &before), [tag], "{address}");
        }
        assert_eq!(run(&FACTORY, settings, "{}").unwrap(), "{}");
        let excluding = "{entries: [{source: a, target: t/g, exclude_fields: [ip, network, location]}], \
                         databases: {city: tests/data/city.mmdb}}";
        let after = run(&FACTORY, excluding, r#"{"a":"81.2.69.160"}"#).unwrap();
        assert!(
            after.contains(r#""t":{"g":{"#) && after.contains(r#""latitude":51.5142"#),
            "{after}"
        );
        assert!(!after.contains("location\":"), "{after}");
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        const CITY: &str = "databases: {city: tests/data/city.mmdb}";
        for (settings, at) in [
            ("{entries: [{source: a}]}".to_owned(), "databases"),
            (format!("{{entries: [], {CITY}}}"), "entries"),
            ("{entries: [{source: a}], databases: {city: /nowhere}}".to_owned(), "databases.city"),
            (
                "{entries: [{source: a}], databases: {city: Cargo.toml}}".to_owned(),
                "databases.city",
            ),
            ("{entries: [{source: a}], databases: {town: x}}".to_owned(), "databases"),
            (
                format!("{{entries: [{{source: a, include_fields: [city]}}], {CITY}}}"),
                "entries[0].include_fields",
            ),
            (
                format!(
                    "{{entries: [{{source: a, include_fields: [], exclude_fields: []}}], {CITY}}}"
                ),
                "entries[0].exclude_fields",
            ),
        ] {
            assert_eq!(problem(&FACTORY, &settings).at, at, "{settings}");
        }
    }
}
