//! All indices together: made, found by name, deleted, and there again after a restart.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    catalog::{AliasAction, Catalog, Options, Resolved, check_index_name},
    error::{Failure, Result},
    index::{Index, write_durably},
};

/// The indices, aliases and templates of one data directory.
#[derive(Debug)]
pub struct Node {
    root: Option<PathBuf>,
    state: RwLock<State>,
    /// Held while the catalog changes, which waits for the disk; readers do not wait.
    changes: Mutex<()>,
    ids: Ids,
}

#[derive(Debug, Default)]
struct State {
    catalog: Arc<Catalog>,
    indices: BTreeMap<String, Arc<Index>>,
}

const CATALOG: &str = "catalog.json";
const INDICES: &str = "indices";

impl Node {
    /// Opens what lies in `root`, or begins with nothing; without `root` nothing is kept. Returns
    /// what could not be read.
    ///
    /// # Errors
    ///
    /// When something is there that cannot be opened; the reason says what to do.
    pub fn open(root: Option<&Path>, now_ms: u64) -> Result<(Node, Vec<String>)> {
        let mut node = Node {
            root: root.map(Path::to_owned),
            state: RwLock::default(),
            changes: Mutex::default(),
            ids: Ids::new(now_ms),
        };
        let mut problems = Vec::new();
        if let Some(root) = root {
            fs::create_dir_all(root.join(INDICES))?;
            let catalog = match fs::read(root.join(CATALOG)) {
                Ok(text) => serde_json::from_slice(&text).map_err(|it| {
                    Failure::internal(format!(
                        "{} cannot be read: {it}; move it away to start with no indices",
                        root.join(CATALOG).display()
                    ))
                })?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => Catalog::default(),
                Err(error) => return Err(error.into()),
            };
            let state = node.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            for (name, folder) in &catalog.indices {
                let (index, found) = Index::open(&root.join(INDICES).join(folder), now_ms)?;
                problems.extend(found);
                state.indices.insert(name.clone(), Arc::new(index));
            }
            // Folders of indices that were being made or deleted when the process died.
            for entry in fs::read_dir(root.join(INDICES))? {
                let entry = entry?;
                if !catalog.indices.values().any(|it| entry.file_name() == it.as_str()) {
                    fs::remove_dir_all(entry.path())?;
                }
            }
            state.catalog = Arc::new(catalog);
        }
        Ok((node, problems))
    }

    /// The names, as they are now.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).catalog)
    }

    /// The index of this very name.
    pub fn index(&self, name: &str) -> Option<Arc<Index>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).indices.get(name).cloned()
    }

    /// The indices that `expression` stands for.
    ///
    /// # Errors
    ///
    /// As [`Catalog::resolve`].
    pub fn resolve(&self, expression: &str, options: Options) -> Result<Vec<Arc<Index>>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let names = state.catalog.resolve(expression, options)?;
        Ok(names.iter().filter_map(|it| state.indices.get(it).cloned()).collect())
    }

    /// Every index.
    pub fn indices(&self) -> Vec<Arc<Index>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.indices.values().cloned().collect()
    }

    /// Makes an index, with what templates and `asked` say.
    ///
    /// # Errors
    ///
    /// When there is one of that name, the name cannot be one, or the disk refuses.
    pub fn create(&self, name: &str, asked: &serde_json::Value, now_ms: u64) -> Result<Arc<Index>> {
        check_index_name(name)?;
        let _one_at_a_time = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut catalog = (*self.catalog()).clone();
        if let Some(index) = self.index(name) {
            return Err(Failure::new(
                400,
                "resource_already_exists_exception",
                format!("index [{name}/{}] already exists", index.uuid),
            )
            .with("index", name)
            .with("index_uuid", index.uuid.as_str()));
        }
        if catalog.aliases.contains_key(name) {
            return Err(Failure::new(
                400,
                "invalid_index_name_exception",
                format!("Invalid index name [{name}], already exists as alias"),
            ));
        }
        let mut resolved = catalog.templates.resolve(name)?;
        resolved.add(asked)?;
        let Resolved { mut settings, mapping, aliases } = resolved;
        settings.0.entry("index.number_of_shards".into()).or_insert_with(|| "1".into());
        settings.0.entry("index.number_of_replicas".into()).or_insert_with(|| "1".into());
        let uuid = self.ids.next();
        catalog.indices.insert(name.to_owned(), uuid.clone());
        for (alias, how) in &aliases {
            catalog.add_alias(name, alias, how)?;
        }
        let folder = self.root.as_ref().map(|it| it.join(INDICES).join(&uuid));
        if let Some(folder) = &folder {
            fs::create_dir_all(folder)?;
        }
        let index = Index::create(name, &uuid, folder.as_deref(), settings, mapping, now_ms)?;
        let index = Arc::new(index);
        self.publish(catalog, |indices| {
            indices.insert(name.to_owned(), Arc::clone(&index));
        })?;
        Ok(index)
    }

    /// The index that a write to `name` goes to; it is made, if there is none.
    ///
    /// # Errors
    ///
    /// As [`Node::create`] and [`Catalog::write_target`].
    pub fn index_for_write(&self, name: &str, now_ms: u64) -> Result<Arc<Index>> {
        let catalog = self.catalog();
        let target = catalog.write_target(name)?;
        if let Some(index) = self.index(target) {
            return Ok(index);
        }
        match self.create(target, &serde_json::Value::Null, now_ms) {
            // Somebody else was quicker.
            Err(failure) if failure.kind == "resource_already_exists_exception" => {
                self.index(target).ok_or_else(|| Failure::no_such_index(target, "index_expression"))
            }
            other => other,
        }
    }

    /// Deletes indices.
    ///
    /// # Errors
    ///
    /// When one of them is not there or is an alias; then none is deleted.
    pub fn delete(&self, names: &[String]) -> Result<()> {
        let actions: Vec<AliasAction> =
            names.iter().cloned().map(AliasAction::RemoveIndex).collect();
        self.change(|catalog| catalog.apply(&actions).map(drop))
    }

    /// Changes names, aliases or templates. Indices that are no longer in the catalog are deleted.
    ///
    /// # Errors
    ///
    /// Those of `change`, after which nothing has changed; and when the disk refuses.
    pub fn change<T>(&self, change: impl FnOnce(&mut Catalog) -> Result<T>) -> Result<T> {
        let _one_at_a_time = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut catalog = (*self.catalog()).clone();
        let result = change(&mut catalog)?;
        let gone: Vec<Arc<Index>> = self
            .indices()
            .into_iter()
            .filter(|it| !catalog.indices.contains_key(&it.name))
            .collect();
        self.publish(catalog, |indices| {
            for index in &gone {
                indices.remove(&index.name);
            }
        })?;
        for index in gone {
            index.shut();
            if let Some(root) = &self.root {
                // Left over at worst, and then removed when we start again.
                let _ = fs::remove_dir_all(root.join(INDICES).join(&index.uuid));
            }
        }
        Ok(result)
    }

    fn publish(
        &self,
        catalog: Catalog,
        change: impl FnOnce(&mut BTreeMap<String, Arc<Index>>),
    ) -> Result<()> {
        if let Some(root) = &self.root {
            let text = serde_json::to_vec(&catalog).map_err(io::Error::other)?;
            write_durably(&root.join(CATALOG), &text)?;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.catalog = Arc::new(catalog);
        change(&mut state.indices);
        Ok(())
    }

    /// Makes everything durable, for a clean end.
    ///
    /// # Errors
    ///
    /// With the first index that could not be; the others were all the same.
    pub fn close(&self, now_ms: u64) -> Result<()> {
        let results: Vec<Result<()>> =
            self.indices().iter().map(|it| it.checkpoint(now_ms)).collect();
        results.into_iter().collect()
    }

    /// A new id for a document or an index.
    pub fn new_id(&self) -> String {
        self.ids.next()
    }
}

/// Ids that nobody else makes: random, and counted.
#[derive(Debug)]
struct Ids {
    salt: u64,
    next: AtomicU64,
}

impl Ids {
    fn new(now_ms: u64) -> Ids {
        use std::hash::{BuildHasher, RandomState};
        Ids { salt: RandomState::new().hash_one(now_ms), next: AtomicU64::new(now_ms << 20) }
    }

    /// Twenty characters that need no escaping anywhere.
    fn next(&self) -> String {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut bits = (u128::from(count) << 56) | u128::from(self.salt >> 8);
        let mut id = String::with_capacity(20);
        for _ in 0..20 {
            id.push(char::from(LETTERS[usize::try_from(bits & 63).expect("six bits")]));
            bits >>= 6;
        }
        // A name must not begin with what an option or an exclusion begins with.
        if id.starts_with(['-', '_']) {
            id.replace_range(0..1, "x");
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_do_not_repeat() {
        let ids = Ids::new(1_700_000_000_000);
        let all: HashSet<String> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(all.len(), 10_000);
        assert!(all.iter().all(|it| it.len() == 20));
    }
}
