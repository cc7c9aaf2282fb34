//! Stub.
#![allow(missing_docs)]
use pipeline::{ConfigError, Settings};
pub struct PluginSpec {
    pub name: String,
    pub settings: Settings,
}
pub struct SinkSpec {
    pub plugin: PluginSpec,
}
pub struct PipelineSpec {
    pub name: String,
    pub source: Option<PluginSpec>,
    pub processors: Vec<PluginSpec>,
    pub sinks: Vec<SinkSpec>,
}
pub struct Loaded {
    pub pipelines: Vec<PipelineSpec>,
    pub warnings: Vec<String>,
}
pub struct Problems(Vec<ConfigError>);
impl From<Vec<ConfigError>> for Problems {
    fn from(v: Vec<ConfigError>) -> Self {
        Problems(v)
    }
}
impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for e in &self.0 {
            writeln!(f, "{e}")?;
        }
        Ok(())
    }
}
pub fn load(
    paths: &[std::path::PathBuf],
    _env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Problems> {
    let mut pipelines = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Problems(vec![ConfigError::new(path.display().to_string(), e.to_string())])
        })?;
        let s = Settings::from_yaml(&text).map_err(|e| Problems(vec![e]))?;
        for (name, p) in s.entries() {
            if name == "version" {
                continue;
            }
            let one = |s: &Settings| {
                let e = s.entries();
                let (n, v) = e.into_iter().next().unwrap();
                PluginSpec { name: n.to_owned(), settings: v }
            };
            pipelines.push(PipelineSpec {
                name: name.to_owned(),
                source: p.get("source").map(|s| one(&s)),
                processors: vec![],
                sinks: p
                    .get("sink")
                    .map(|s| s.items().iter().map(|i| SinkSpec { plugin: one(i) }).collect())
                    .unwrap_or_default(),
            });
        }
    }
    Ok(Loaded { pipelines, warnings: vec![] })
}
