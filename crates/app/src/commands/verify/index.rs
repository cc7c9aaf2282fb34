//! The indices of all sinks, as the comparison asks for them.

use async_trait::async_trait;
use aws::Environment;
use opensearch::{Cluster, Config, DocumentPlace, Got};
use pipeline::{Clock, SinkError};
use serde_json::json;
use verify::{Address, EndError, Found, Guard, Index, Listed, Place, Repair, Stamp};

use crate::failure::Failure;

/// The clusters, by the numbers of the sinks.
pub(super) struct Indices {
    clusters: Vec<Cluster>,
    places: Vec<Place>,
}

impl Indices {
    /// Those of these sinks.
    ///
    /// # Errors
    ///
    /// When a certificate or key cannot be read.
    pub(super) fn new(
        sinks: &[Config],
        environment: &Environment,
        clock: &Clock,
    ) -> Result<Indices, Failure> {
        let cluster = |config: &Config| Cluster::new(config, environment.clone(), clock.clone());
        let clusters = sinks.iter().map(cluster).collect::<Result<_, _>>();
        let clusters = clusters.map_err(|error| Failure::wrong(error.to_string()))?;
        let places = sinks.iter().enumerate().filter_map(|(sink, config)| {
            // Two sinks that write to one index are listed once, by the first.
            let index = pattern(&config.index);
            let is_second = sinks[..sink]
                .iter()
                .any(|it| it.hosts == config.hosts && pattern(&it.index) == index);
            let is_told = index.chars().any(char::is_alphanumeric);
            (is_told && !is_second).then_some(Place { sink, index })
        });
        Ok(Indices { clusters, places: places.collect() })
    }

    /// Whether the documents of a sink have the versions that the pipeline gives them.
    pub(super) fn has_external_versions(&self, sink: usize) -> bool {
        self.clusters[sink].has_external_versions()
    }
}

/// The pattern of all names that a template of names may give: `${/type}` and `%{yyyy}` become a star.
fn pattern(index: &str) -> String {
    let mut out = String::new();
    let mut rest = index;
    while let Some((plain, tail)) = rest.split_once(['$', '%']) {
        out.push_str(plain);
        match tail.strip_prefix('{').and_then(|it| it.split_once('}')) {
            Some((_, tail)) => {
                out.push('*');
                rest = tail;
            }
            None => rest = tail,
        }
    }
    out.push_str(rest);
    out
}

fn problem(error: SinkError) -> EndError {
    EndError(error.0)
}

fn stamp(got: &Got) -> Stamp {
    Stamp { version: got.version, seq_no: got.seq_no, primary_term: got.primary_term }
}

#[async_trait]
impl Index for Indices {
    async fn get(&self, addresses: &[Address]) -> Result<Vec<(String, Option<Found>)>, EndError> {
        let mut all = vec![(String::new(), None); addresses.len()];
        for (sink, cluster) in self.clusters.iter().enumerate() {
            let wanted: Vec<usize> =
                (0..addresses.len()).filter(|it| addresses[*it].sink == sink).collect();
            let places: Vec<DocumentPlace> = wanted
                .iter()
                .map(|n| {
                    let Address { index, id, routing, .. } = addresses[*n].clone();
                    DocumentPlace { index, id, routing }
                })
                .collect();
            let got = cluster.get(&places).await.map_err(problem)?;
            for (n, got) in wanted.into_iter().zip(got) {
                let stamp = stamp(&got);
                let found = got.source.map(|it| {
                    let json = Box::<str>::from(it).into_string().into_bytes();
                    Found { stamp, json }
                });
                all[n] = (got.index, found);
            }
        }
        Ok(all)
    }

    async fn list(
        &self,
        place: &Place,
        cursor: Option<String>,
    ) -> Result<(Vec<Listed>, Option<String>), EndError> {
        let (got, next) =
            self.clusters[place.sink].list(&place.index, cursor).await.map_err(problem)?;
        let listed = got.into_iter().map(|it| Listed {
            stamp: stamp(&it),
            address: Address { sink: place.sink, index: it.index, id: it.id, routing: it.routing },
        });
        Ok((listed.collect(), next))
    }

    async fn repair(&self, repairs: &[Repair]) -> Result<Vec<Option<String>>, EndError> {
        let mut all = vec![Some("the cluster did not answer for it".to_owned()); repairs.len()];
        for (sink, cluster) in self.clusters.iter().enumerate() {
            let wanted: Vec<usize> =
                (0..repairs.len()).filter(|it| repairs[*it].address.sink == sink).collect();
            let lines: String = wanted.iter().map(|n| lines(&repairs[*n])).collect();
            let outcomes = cluster.write(lines).await.map_err(problem)?;
            for (n, outcome) in wanted.into_iter().zip(outcomes) {
                all[n] = outcome;
            }
        }
        Ok(all)
    }

    fn places(&self) -> Vec<Place> {
        self.places.clone()
    }
}

/// The lines of a `_bulk` request for one repair.
fn lines(repair: &Repair) -> String {
    let Address { index, id, routing, .. } = &repair.address;
    let mut about = json!({ "_index": index, "_id": id });
    if let Some(routing) = routing {
        about["routing"] = json!(routing);
    }
    let mut op = if repair.json.is_some() { "index" } else { "delete" };
    match repair.guard {
        Guard::External(version) => {
            about["version"] = json!(version);
            about["version_type"] = json!("external");
        }
        Guard::Unchanged(stamp) => {
            about["if_seq_no"] = json!(stamp.seq_no);
            about["if_primary_term"] = json!(stamp.primary_term);
        }
        Guard::Absent => op = "create",
    }
    let document = repair.json.as_deref().map(String::from_utf8_lossy);
    let document = document.map(|it| format!("{it}\n")).unwrap_or_default();
    format!("{}\n{document}", json!({ op: about }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_in_a_name_becomes_a_star() {
        for (index, expected) in [
            ("books", "books"),
            ("books-${/type}", "books-*"),
            ("${/type}", "*"),
            ("logs-%{yyyy.MM.dd}-x", "logs-*-x"),
            ("a$b%", "ab"),
        ] {
            assert_eq!(pattern(index), expected, "{index}");
        }
    }

    #[test]
    fn a_repair_says_what_it_must_not_overwrite() {
        let address = Address { sink: 0, index: "b".into(), id: "1".into(), routing: None };
        let stamp = Stamp { version: 1, seq_no: 2, primary_term: 3 };
        for (json, guard, expected) in [
            (
                Some("{\"a\":1.50}"),
                Guard::External(7),
                "{\"index\":{\"_id\":\"1\",\"_index\":\"b\",\"version\":7,\"version_type\":\"external\"}}\n{\"a\":1.50}\n",
            ),
            (
                None,
                Guard::Unchanged(stamp),
                "{\"delete\":{\"_id\":\"1\",\"_index\":\"b\",\"if_primary_term\":3,\"if_seq_no\":2}}\n",
            ),
            (Some("{}"), Guard::Absent, "{\"create\":{\"_id\":\"1\",\"_index\":\"b\"}}\n{}\n"),
        ] {
            let json = json.map(|it| it.as_bytes().to_vec());
            let repair = Repair { address: address.clone(), json, guard };
            assert_eq!(lines(&repair), expected);
        }
    }
}
