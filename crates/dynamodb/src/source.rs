//! The source itself: finds the tables, loads them and follows their streams, side by side.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws::{Access, AwsConfig, Environment};
use coordination::{LeaseStore, worker_name};
use pipeline::{Clock, Outlet, Source, SourceError, Stop};
use tokio::task::JoinSet;
use tracing::warn;

use crate::{
    Config, TableConfig, View,
    config::AwsBlock,
    follow::Following,
    gaps::wish_for_load,
    loader::Loader,
    ready::Ready,
    table::{Shared, TableReader, failed, prefix_of},
};

/// How long to wait before going on with a load that could not go on, at first and at most.
const RETRY_WAIT: Duration = Duration::from_secs(2);
const RETRY_WAIT_MAX: Duration = Duration::from_mins(2);

/// Reads tables: what they hold, and what changes.
pub struct DynamoDbSource {
    config: Config,
    environment: Environment,
    shared: Shared,
    /// By region. Tables of one region share what was fetched.
    access: BTreeMap<String, Access>,
}

impl std::fmt::Debug for DynamoDbSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tables = self.config.tables.iter().map(|it| &it.table_arn.text);
        f.debug_tuple("DynamoDbSource").field(&tables.collect::<Vec<_>>()).finish()
    }
}

impl DynamoDbSource {
    /// The source that `config` describes. Nothing is asked of AWS yet.
    pub fn new(
        config: Config,
        environment: Environment,
        pipeline: &str,
        store: Arc<dyn LeaseStore>,
        clock: Clock,
    ) -> DynamoDbSource {
        let shared = Shared {
            store,
            owner: worker_name(pipeline),
            pipeline: pipeline.to_owned(),
            clock,
            view: View::default(),
            s3_endpoint: config.aws.as_ref().and_then(|it| it.s3_endpoint.clone()),
        };
        let mut source = DynamoDbSource { config, environment, shared, access: BTreeMap::new() };
        for region in source.regions() {
            let access = Access::new(source.aws(&region), source.environment.clone());
            source.access.insert(region, access);
        }
        source
    }

    /// Shows how far it is in `view`, too.
    #[must_use]
    pub fn shown_in(mut self, view: &View) -> DynamoDbSource {
        self.shared.view = view.clone();
        self
    }

    /// Makes sure that the tables are there and can be read as configured, so that a mistake is known
    /// before anything runs.
    ///
    /// # Errors
    ///
    /// When DynamoDB or S3 cannot be reached, or what they have is not what the settings say.
    pub async fn check(&self) -> Result<(), SourceError> {
        for config in &self.config.tables {
            let table = Box::pin(self.find(config)).await?;
            Box::pin(table.check()).await?;
        }
        Ok(())
    }

    /// Has its tables loaded once more, beside their streams, by whichever worker is first to look; says
    /// which. A load that is under way comes to its end before.
    ///
    /// # Errors
    ///
    /// When none of the tables has a way to be loaded, or the wish cannot be written down.
    pub async fn load_again(&self) -> Result<Vec<String>, SourceError> {
        let Shared { store, owner, pipeline, clock, .. } = &self.shared;
        let tables =
            self.config.tables.iter().filter(|it| it.export.is_some() || it.scan.is_some());
        let mut wanted = Vec::new();
        for table in tables {
            let prefix = prefix_of(pipeline, &table.table_arn);
            wish_for_load(&**store, owner, &prefix, clock.now()).await.map_err(failed)?;
            wanted.push(table.table_arn.table.clone());
        }
        if wanted.is_empty() {
            return Err(SourceError(
                "no table has a way to be loaded; write `export: { s3_bucket: … }` or `scan: {}`"
                    .to_owned(),
            ));
        }
        Ok(wanted)
    }

    fn aws(&self, region: &str) -> AwsConfig {
        let AwsBlock { sts_role_arn, sts_external_id, endpoint, .. } =
            self.config.aws.clone().unwrap_or_default();
        AwsConfig { region: Some(region.to_owned()), sts_role_arn, sts_external_id, endpoint }
    }

    fn region(&self, table: &TableConfig) -> String {
        let region = self.config.aws.as_ref().and_then(|it| it.region.clone());
        region.unwrap_or_else(|| table.table_arn.region.clone())
    }

    fn bucket_region(&self, table: &TableConfig) -> String {
        let region = table.export.as_ref().and_then(|it| it.s3_region.clone());
        region.unwrap_or_else(|| self.region(table))
    }

    fn regions(&self) -> Vec<String> {
        let tables = self.config.tables.iter();
        tables.flat_map(|it| [self.region(it), self.bucket_region(it)]).collect()
    }

    async fn find(&self, config: &TableConfig) -> Result<TableReader, SourceError> {
        let access = &self.access[&self.region(config)];
        let s3_access = &self.access[&self.bucket_region(config)];
        TableReader::find(&self.shared, config, access, s3_access).await
    }
}

#[async_trait]
impl Source for DynamoDbSource {
    async fn run(self: Box<Self>, outlet: Outlet, stop: Stop) -> Result<(), SourceError> {
        let ready = Ready::new(&outlet);
        let mut streams = Vec::new();
        let mut loading = JoinSet::new();
        for config in &self.config.tables {
            let table = Arc::new(Box::pin(self.find(config)).await?);
            let loader = table.loader().await?;
            // The stream first, then the load: what changes in between comes by the stream. And whoever
            // reads the stream must know of the load, to keep deletes.
            loader.announce().await.map_err(failed)?;
            streams.extend(table.begin().await?);
            let (outlet, stop) = (outlet.clone(), stop.clone());
            loading.spawn(async move { load(&loader, &outlet, stop).await });
        }
        let followed = if streams.is_empty() {
            ready.note();
            Ok(())
        } else {
            let following = Following::new(&self.shared, streams, ready);
            Box::pin(following.run(&outlet, stop)).await
        };
        if followed.is_err() {
            loading.shutdown().await;
        }
        while loading.join_next().await.is_some() {}
        followed
    }
}

/// Loads a table. Whatever goes wrong with that, the stream goes on.
async fn load(loader: &Loader, outlet: &Outlet, mut stop: Stop) {
    let mut wait = RETRY_WAIT;
    while let Err(error) = loader.run(outlet, stop.clone()).await {
        warn!(%error, wait_s = wait.as_secs(), "the load of the table cannot go on, trying again");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = &mut stop => return,
        }
        wait = (wait * 2).min(RETRY_WAIT_MAX);
    }
}
