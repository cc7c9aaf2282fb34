//! From files to pipelines: read, with their secrets, and built in the order in which they feed each
//! other.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use aws::{Environment, KnownSecrets, SecretPlace};
use engine::{
    Pipeline,
    file::{Dialect, Loaded, Problems, Reading, Secrets, Warnings, load},
};
use pipeline::ConfigError;

use crate::{
    failure::{Failure, warn_of},
    plugins::{Built, Surroundings, build},
};

/// Pipeline files, and how they are to be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) dialect: Dialect,
}

impl Files {
    /// Those at `paths`.
    pub(crate) fn at(paths: &[PathBuf], osis: bool) -> Files {
        let dialect = if osis { Dialect::Osis } else { Dialect::DataPrepper };
        Files { paths: paths.to_vec(), dialect }
    }

    /// Reads them, with something in place of each secret: nobody is asked.
    ///
    /// # Errors
    ///
    /// When there is a mistake in them.
    pub(crate) fn read(&self, environment: &Environment) -> Result<Loaded, Failure> {
        self.read_with(environment, Secrets::StandIn)
    }

    /// Reads them, with their secrets.
    ///
    /// # Errors
    ///
    /// When there is a mistake in them, or a secret cannot be had.
    pub(crate) async fn load(&self, environment: &Environment) -> Result<Loaded, Failure> {
        let loaded = self.read(environment)?;
        if loaded.stand_ins.is_empty() {
            return Ok(loaded);
        }
        let places: Vec<SecretPlace<'_>> = loaded
            .extension
            .secrets
            .iter()
            .map(|it| SecretPlace {
                id: &it.id,
                secret_id: &it.secret_id,
                region: it.region.as_deref(),
                sts_role_arn: it.sts_role_arn.as_deref(),
            })
            .collect();
        let known = KnownSecrets::fetch(&places, environment).await;
        let read = |id: &str, key: Option<&str>| known.get(id, key);
        self.read_with(environment, Secrets::Known(&read))
    }

    fn read_with(
        &self,
        environment: &Environment,
        secrets: Secrets<'_>,
    ) -> Result<Loaded, Failure> {
        let variable = |name: &str| environment.get(name);
        let reading = Reading { dialect: self.dialect, environment: &variable, secrets };
        load(&self.paths, &reading).map_err(|problems| Failure::mistakes(&problems))
    }
}

/// How often to read again the secret that is to be read again most often.
pub(super) fn refresh_interval(loaded: &Loaded) -> Option<Duration> {
    loaded.extension.secrets.iter().filter_map(|it| it.refresh_interval).min()
}

/// Builds every pipeline, and tells every mistake of all of them. In the order of the files.
///
/// # Errors
///
/// When there is one.
pub(crate) fn build_all(
    loaded: &Loaded,
    surroundings: &Surroundings,
) -> Result<Vec<Built>, Failure> {
    let (built, warnings) = build_quietly(loaded, surroundings)?;
    warn_of(&warnings);
    Ok(built)
}

/// The same, with the warnings for whoever knows whether they are news.
pub(super) fn build_quietly(
    loaded: &Loaded,
    surroundings: &Surroundings,
) -> Result<(Vec<Built>, Warnings), Failure> {
    let mut built: BTreeMap<&str, Built> = BTreeMap::new();
    let mut pipelines: BTreeMap<&str, Pipeline> = BTreeMap::new();
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for spec in loaded.fed_first() {
        match build(spec, &pipelines, surroundings) {
            Ok(it) => {
                warnings.extend(it.warnings.clone());
                pipelines.insert(&spec.name, it.pipeline.clone());
                built.insert(&spec.name, it);
            }
            Err(more) => errors.extend(more),
        }
    }
    let errors: Problems = errors.into_iter().filter_map(|it| about_files(it, loaded)).collect();
    if errors.iter().next().is_some() {
        return Err(Failure::mistakes(&errors));
    }
    let warnings = warnings.into_iter().filter_map(|it| about_files(it, loaded)).collect();
    let in_order = loaded.pipelines.iter().filter_map(|it| built.remove(it.name.as_str()));
    Ok((in_order.collect(), warnings))
}

/// What is said of a value that stands in for a secret is not worth telling.
fn about_files(error: ConfigError, loaded: &Loaded) -> Option<ConfigError> {
    let is_ours =
        |it: &ConfigError| it.place.as_ref().is_none_or(|place| !loaded.stand_ins.contains(place));
    ConfigError::all(error.each().into_iter().filter(is_ours))
}
