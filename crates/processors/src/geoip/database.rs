//! A `MaxMind` file, and the fields it has for an address.

use std::net::IpAddr;

use maxminddb::Reader;
use pipeline::{Map, Value};

use crate::parts::Key;

/// A file, held in memory.
pub(super) struct Database(Reader<Vec<u8>>);

/// Which field stands where in the file.
const PLACES: [(&str, &str); 26] = [
    ("continent_code", "continent/code"),
    ("continent_name", "continent/names/en"),
    ("country_name", "country/names/en"),
    ("country_iso_code", "country/iso_code"),
    ("country_confidence", "country/confidence"),
    ("is_country_in_european_union", "country/is_in_european_union"),
    ("registered_country_name", "registered_country/names/en"),
    ("registered_country_iso_code", "registered_country/iso_code"),
    ("represented_country_name", "represented_country/names/en"),
    ("represented_country_iso_code", "represented_country/iso_code"),
    ("represented_country_type", "represented_country/type"),
    ("city_name", "city/names/en"),
    ("city_confidence", "city/confidence"),
    ("latitude", "location/latitude"),
    ("longitude", "location/longitude"),
    ("location_accuracy_radius", "location/accuracy_radius"),
    ("metro_code", "location/metro_code"),
    ("time_zone", "location/time_zone"),
    ("postal_code", "postal/code"),
    ("postal_code_confidence", "postal/confidence"),
    ("least_specified_subdivision_name", "subdivisions/0/names/en"),
    ("least_specified_subdivision_iso_code", "subdivisions/0/iso_code"),
    ("least_specified_subdivision_confidence", "subdivisions/0/confidence"),
    ("asn", "autonomous_system_number"),
    ("asn_organization", "autonomous_system_organization"),
    ("network", "network"),
];

/// Which field of the last subdivision stands where in it.
const SUBDIVISION: [(&str, &str); 3] = [
    ("most_specified_subdivision_name", "names/en"),
    ("most_specified_subdivision_iso_code", "iso_code"),
    ("most_specified_subdivision_confidence", "confidence"),
];

impl Database {
    /// Reads a file, all of it.
    pub(super) fn read(path: &str) -> Result<Database, String> {
        Reader::open_readfile(path)
            .map(Database)
            .map_err(|error| format!("`{path}` cannot be used: {error}"))
    }

    /// Adds what the file knows of an address and what is not known yet.
    pub(super) fn add(&self, address: IpAddr, known: &mut Map) -> Result<(), String> {
        let problem = |error: maxminddb::MaxMindDbError| format!("the geoip file: {error}");
        let found = self.0.lookup(address).map_err(problem)?;
        let Some(Value::Map(record)) = found.decode::<Value>().map_err(problem)? else {
            return Ok(());
        };
        let mut add = |name: &str, value: Value| {
            known.entry(name.to_owned()).or_insert(value);
        };
        if let Ok(network) = found.network() {
            add("network", Value::String(network.to_string()));
        }
        for (name, place) in PLACES {
            if let Some(value) = find(place, &record) {
                add(name, value);
            }
        }
        if let Some(Value::List(subdivisions)) = record.get("subdivisions")
            && let Some(Value::Map(last)) = subdivisions.last()
        {
            for (name, place) in SUBDIVISION {
                if let Some(value) = find(place, last) {
                    add(name, value);
                }
            }
        }
        let (lat, lon) = (find("location/latitude", &record), find("location/longitude", &record));
        if let (Some(lat), Some(lon)) = (lat, lon) {
            let location = [("lat".to_owned(), lat), ("lon".to_owned(), lon)];
            add("location", Value::Map(Map::from_iter(location)));
        }
        Ok(())
    }
}

fn find(place: &str, record: &Map) -> Option<Value> {
    Key::parse(place).ok()?.get(record).cloned()
}
