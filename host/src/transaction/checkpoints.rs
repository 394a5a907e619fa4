//! Checkpoints on disk: what the plugins noted of the state before, to go back to.
//!
//! One file each, `NUMBER-ORIGIN.json`: how old it is and whose stands in its name, so that room is made without reading any.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::effects::Effects;
use super::state_dir::{Bounds, Namespace, StateDir, write_durably};
use super::undoers::{PluginUndo, release};
use crate::contract::exports::op_dbus::plugin::state::CheckpointData;
use crate::timing;

/// How many checkpoints that applies left behind are kept; those made by hand are kept until they are deleted.
const KEPT: usize = 10;

/// Who made a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// `op-dbus checkpoint create`: it holds everything that the plugins see.
    Hand,
    /// An apply, before its changes: it holds what the apply concerned.
    Apply,
}

impl Origin {
    /// As the name of a file has it.
    fn word(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Apply => "apply",
        }
    }
}

/// What one plugin noted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// The plugin's name.
    pub plugin: String,
    /// What it noted.
    pub checkpoint: CheckpointData,
}

/// A checkpoint over all plugins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Version of this form.
    pub version: u32,
    /// Counts up; later checkpoints have higher numbers.
    pub id: u64,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub created: u64,
    /// Who made it.
    pub origin: Origin,
    /// A word of whoever made it; of an apply, the transaction.
    pub comment: String,
    /// In the order in which the plugins applied; going back runs the other way.
    pub plugins: Vec<Noted>,
    /// The network namespace that it is of. Its directory may be another's after a restart of the machine: the kernel counts namespaces anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// Of an apply: all that it did, to be undone as if it had failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<Effects>,
}

/// Where a checkpoint is.
#[derive(Clone, Debug)]
struct Place {
    origin: Origin,
    path: PathBuf,
}

/// The checkpoints of one network namespace.
pub struct Checkpoints {
    directory: PathBuf,
    bounds: Bounds,
    namespace: Namespace,
}

impl Checkpoints {
    /// Those in a state directory.
    pub fn of(state: &StateDir) -> Self {
        Self {
            directory: state.checkpoints(),
            bounds: state.bounds().clone(),
            namespace: state.namespace().clone(),
        }
    }

    /// All, oldest first.
    ///
    /// # Errors
    /// When the directory or a checkpoint cannot be read.
    pub fn list(&self) -> anyhow::Result<Vec<Checkpoint>> {
        let files = self.files()?;
        files.values().map(|place| read(&place.path)).collect()
    }

    /// The checkpoint of that number, or the newest one.
    ///
    /// # Errors
    /// When there is none; the error lists those that are there.
    pub fn get(&self, id: Option<u64>) -> anyhow::Result<Checkpoint> {
        read(&self.place(id)?.1.path)
    }

    /// Number and place of that checkpoint, or of the newest one.
    fn place(&self, id: Option<u64>) -> anyhow::Result<(u64, Place)> {
        let files = self.files()?;
        let found = match id {
            Some(id) => files.get_key_value(&id),
            None => files.last_key_value(),
        };
        match (found, id) {
            (Some((id, place)), _) => Ok((*id, place.clone())),
            (None, None) => bail!(
                "there is no checkpoint to go back to; every apply leaves one, `op-dbus checkpoint create` makes one"
            ),
            (None, Some(id)) if files.is_empty() => {
                bail!("there is no checkpoint {id}, nor any other")
            }
            (None, Some(id)) => {
                let ids: Vec<_> = files.keys().map(u64::to_string).collect();
                bail!("there is no checkpoint {id}; there are {}", ids.join(", "))
            }
        }
    }

    /// The checkpoints to undo, newest first, in order to stand at `id`: applies that came after it, and it.
    ///
    /// # Errors
    /// As [`Checkpoints::get`]; when one on the way is of another namespace.
    pub fn way_back(&self, id: Option<u64>) -> anyhow::Result<Vec<Checkpoint>> {
        let (target, place) = self.place(id)?;
        let files = self.files()?;
        let later = files.range(target + 1..).rev();
        let applies = later.filter(|(_, place)| place.origin == Origin::Apply);
        let way = applies.map(|(_, place)| place).chain([&place]);
        way.map(|place| self.of_here(read(&place.path)?)).collect()
    }

    /// Refuses a checkpoint of another namespace. The host's own, and a tenant's, are known by more than the kernel's count.
    fn of_here(&self, checkpoint: Checkpoint) -> anyhow::Result<Checkpoint> {
        let here = &self.namespace;
        match &checkpoint.namespace {
            Some(of) if !here.host && self.bounds.tenant.is_none() && !of.is(here) => bail!(
                "checkpoint {0} is of a network namespace that is gone, since the machine was restarted: it says nothing of this one. \
                 `op-dbus checkpoint delete {0}` removes it",
                checkpoint.id
            ),
            _ => Ok(checkpoint),
        }
    }

    /// Keeps a new checkpoint.
    ///
    /// # Errors
    /// When it cannot be written, or would be one too many.
    pub fn add(
        &self,
        origin: Origin,
        comment: String,
        plugins: Vec<Noted>,
    ) -> anyhow::Result<Checkpoint> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)?;
        if let Some(most) = self.bounds.checkpoints
            && origin == Origin::Hand
        {
            let all = self.files()?;
            let by_hand = all
                .values()
                .filter(|one| one.origin == Origin::Hand)
                .count();
            // One for applies is always free: of theirs the oldest goes once the new state holds.
            if all.len() >= most || by_hand + 1 >= most {
                bail!(
                    "there are {} checkpoints, and the quota `checkpoints` allows {most}, one of them of an apply: delete one with \
                     `op-dbus checkpoint delete ID`",
                    all.len()
                );
            }
        }
        let files = self.files()?;
        let id = files
            .keys()
            .next_back()
            .map_or(0, |id| id + 1)
            .max(self.next()?);
        let created = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let checkpoint = Checkpoint {
            version: 1,
            id,
            created,
            origin,
            comment,
            plugins,
            namespace: Some(self.namespace.clone()),
            effects: None,
        };
        write(
            &self.directory.join("next"),
            (id + 1).to_string().as_bytes(),
        )?;
        self.keep(&self.path(id, origin), &checkpoint)?;
        Ok(checkpoint)
    }

    /// Adds what an apply did to its checkpoint.
    ///
    /// # Errors
    /// When it cannot be written; then the checkpoint is as it was.
    pub fn set_effects(&self, id: u64, effects: Effects) -> anyhow::Result<()> {
        let (_, place) = self.place(Some(id))?;
        let checkpoint = Checkpoint {
            effects: Some(effects),
            ..read(&place.path)?
        };
        self.keep(&place.path, &checkpoint)
    }

    fn keep(&self, path: &Path, checkpoint: &Checkpoint) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec(checkpoint)?;
        self.bounds.room.take(bytes.len() as u64)?;
        write(path, &bytes)
    }

    /// Discards the oldest ones of applies, so that the newest remain. Returns what went wrong with that and does no harm.
    ///
    /// # Errors
    /// As [`Checkpoints::discard`].
    pub async fn make_room(&self, plugins: &dyn PluginUndo) -> anyhow::Result<Vec<String>> {
        let mut notes = Vec::new();
        for place in self.surplus()? {
            notes.extend(self.discard(&read(&place.path)?, plugins).await?);
        }
        Ok(notes)
    }

    /// Discards the checkpoint that an apply made before it was undone: there is nothing to go back to.
    ///
    /// # Errors
    /// As [`Checkpoints::discard`].
    pub async fn forget(
        &self,
        transaction: &str,
        plugins: &dyn PluginUndo,
    ) -> anyhow::Result<Vec<String>> {
        let files = self.files()?;
        let mut applies = files.values().filter(|place| place.origin == Origin::Apply);
        // It made the newest one, or none.
        let Some(newest) = applies.next_back() else {
            return Ok(Vec::new());
        };
        let checkpoint = read(&newest.path)?;
        match checkpoint.comment == transaction {
            true => self.discard(&checkpoint, plugins).await,
            false => Ok(Vec::new()),
        }
    }

    /// Removes a checkpoint, and [releases](release) what the plugins noted in it.
    ///
    /// # Errors
    /// When there is none of that number any more, or it cannot be removed.
    pub async fn discard(
        &self,
        checkpoint: &Checkpoint,
        plugins: &dyn PluginUndo,
    ) -> anyhow::Result<Vec<String>> {
        let notes = release(plugins, &checkpoint.plugins).await;
        self.delete(checkpoint.id)?;
        Ok(notes)
    }

    /// Removes a checkpoint.
    ///
    /// # Errors
    /// When there is none of that number, or it cannot be removed.
    fn delete(&self, id: u64) -> anyhow::Result<()> {
        let (_, place) = self.place(Some(id))?;
        fs::remove_file(place.path).with_context(|| format!("checkpoint {id} cannot be removed"))
    }

    fn path(&self, id: u64, origin: Origin) -> PathBuf {
        self.directory.join(format!("{id}-{}.json", origin.word()))
    }

    /// The number that the next checkpoint gets at least: a number is never used twice, or `rollback ID` could go to another state than
    /// the one that somebody wrote down.
    fn next(&self) -> anyhow::Result<u64> {
        match fs::read_to_string(self.directory.join("next")) {
            Ok(text) => Ok(text.trim().parse().unwrap_or(1)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(1),
            Err(error) => Err(error.into()),
        }
    }

    fn files(&self) -> anyhow::Result<BTreeMap<u64, Place>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeMap::new());
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("{} cannot be read", self.directory.display()));
            }
        };
        let mut files = BTreeMap::new();
        for entry in entries {
            let path = entry?.path();
            let named = path.file_name().and_then(|name| {
                let (id, origin) = name.to_str()?.strip_suffix(".json")?.split_once('-')?;
                let mut origins = [Origin::Hand, Origin::Apply].into_iter();
                let origin = origins.find(|known| known.word() == origin)?;
                Some((id.parse().ok()?, origin))
            });
            files.extend(named.map(|(id, origin)| (id, Place { origin, path })));
        }
        Ok(files)
    }

    /// Those of applies that are more than are kept, oldest first.
    fn surplus(&self) -> anyhow::Result<Vec<Place>> {
        let mut old: Vec<_> = self.files()?.into_values().collect();
        let all = old.len();
        old.retain(|place| place.origin == Origin::Apply);
        let by_hand = all - old.len();
        let most = self.bounds.checkpoints;
        let kept = most.map_or(KEPT, |most| most.saturating_sub(by_hand).clamp(1, KEPT));
        let surplus = old.len().saturating_sub(kept);
        old.truncate(surplus);
        Ok(old)
    }
}

fn read(path: &Path) -> anyhow::Result<Checkpoint> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))
}

/// Puts a file in place whole and on disk.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let started = Instant::now();
    write_durably(path, bytes)?;
    timing::took("journal", started);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::state_dir::tests::namespace;

    fn checkpoints_in(root: &tempfile::TempDir) -> Checkpoints {
        Checkpoints::of(&StateDir::open(root.path(), namespace(1)).unwrap())
    }

    fn made(checkpoints: &Checkpoints, origin: Origin) -> u64 {
        checkpoints
            .add(origin, String::new(), Vec::new())
            .unwrap()
            .id
    }

    fn ids(checkpoints: &Checkpoints) -> Vec<u64> {
        checkpoints
            .list()
            .unwrap()
            .iter()
            .map(|checkpoint| checkpoint.id)
            .collect()
    }

    #[test]
    fn a_checkpoint_of_a_namespace_before_a_restart_is_no_way_back() {
        let root = tempfile::tempdir().unwrap();
        made(&checkpoints_in(&root), Origin::Hand);
        let later = |host: bool| Namespace {
            host,
            boot_id: "a later boot".into(),
            ..namespace(1)
        };
        let here = Checkpoints {
            namespace: later(false),
            ..checkpoints_in(&root)
        };
        let error = here.way_back(None).unwrap_err().to_string();
        assert!(error.contains("op-dbus checkpoint delete 1"), "{error}");
        // The host's own namespace is the same one after a restart.
        let host = Checkpoints {
            namespace: later(true),
            ..checkpoints_in(&root)
        };
        assert_eq!(host.way_back(None).unwrap().len(), 1);
    }

    #[test]
    fn keeps_the_last_ten_of_applies_and_all_made_by_hand() {
        let directory = tempfile::tempdir().unwrap();
        let checkpoints = checkpoints_in(&directory);
        assert_eq!(made(&checkpoints, Origin::Hand), 1);
        for _ in 0..12 {
            made(&checkpoints, Origin::Apply);
            for surplus in checkpoints.surplus().unwrap() {
                fs::remove_file(surplus.path).unwrap();
            }
        }
        assert_eq!(ids(&checkpoints), [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    }

    #[test]
    fn a_quota_keeps_fewer_of_applies_and_refuses_one_too_many_by_hand() {
        let root = tempfile::tempdir().unwrap();
        let bounds = Bounds {
            checkpoints: Some(2),
            ..Bounds::default()
        };
        let state = StateDir::of_tenant(root.path(), namespace(1), bounds).unwrap();
        let checkpoints = Checkpoints::of(&state);
        for _ in 0..3 {
            made(&checkpoints, Origin::Apply);
        }
        let surplus = checkpoints.surplus().unwrap();
        let surplus: Vec<_> = surplus
            .iter()
            .map(|one| read(&one.path).unwrap().id)
            .collect();
        assert_eq!(surplus, [1]);
        let one_too_many = checkpoints.add(Origin::Hand, String::new(), Vec::new());
        let error = one_too_many.unwrap_err().to_string();
        assert!(error.contains("checkpoint delete"), "{error}");
    }

    #[test]
    fn room_is_made_without_reading_those_that_stay() {
        let root = tempfile::tempdir().unwrap();
        let checkpoints = checkpoints_in(&root);
        for _ in 0..=KEPT {
            made(&checkpoints, Origin::Apply);
        }
        for id in 2..=KEPT as u64 + 1 {
            fs::write(checkpoints.path(id, Origin::Apply), "damaged").unwrap();
        }
        let surplus = checkpoints.surplus().unwrap();
        assert_eq!(surplus.len(), 1);
        assert_eq!(read(&surplus[0].path).unwrap().id, 1);
    }

    #[test]
    fn a_number_is_never_used_twice() {
        let directory = tempfile::tempdir().unwrap();
        let checkpoints = checkpoints_in(&directory);
        made(&checkpoints, Origin::Apply);
        checkpoints.delete(1).unwrap();
        assert_eq!(made(&checkpoints, Origin::Apply), 2);
        assert!(
            checkpoints
                .delete(1)
                .unwrap_err()
                .to_string()
                .contains("there are 2")
        );
    }

    #[test]
    fn the_way_back_passes_every_later_apply_and_no_later_checkpoint_made_by_hand() {
        let directory = tempfile::tempdir().unwrap();
        let checkpoints = checkpoints_in(&directory);
        for origin in [Origin::Apply, Origin::Hand, Origin::Apply, Origin::Apply] {
            made(&checkpoints, origin);
        }
        let way = |id| -> Vec<u64> {
            checkpoints
                .way_back(id)
                .unwrap()
                .iter()
                .map(|checkpoint| checkpoint.id)
                .collect()
        };
        assert_eq!(way(None), [4]);
        assert_eq!(way(Some(2)), [4, 3, 2]);
        assert_eq!(way(Some(1)), [4, 3, 1]);
    }
}
