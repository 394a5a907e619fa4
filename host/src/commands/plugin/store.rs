//! Components that `op-dbus plugin add` has put down, each with the signatures that came with it and a record of what was decided.
//!
//! ```text
//! /var/lib/op-dbus/plugins/                     0700
//!   edge-2cf24dba5fb0a30e.wasm                  by name and digest: another version is another file
//!   edge-2cf24dba5fb0a30e.wasm.added.json       the record
//!   edge-2cf24dba5fb0a30e.wasm.0.minisig        signatures, see crate::trust::evidence
//! ```
//! What counts is the configuration, which names the file and pins it. The record is for comparing: what was granted then and is now, which
//! version and which reference a plugin came from.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::gate::grant::Grant;
use crate::transaction::record::Who;
use crate::transaction::state_dir::{create, sync_directory, write_durably};
use crate::trust::evidence::{Evidence, files_beside};

const RECORD: &str = "added.json";

/// What was decided when a plugin was added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The plugin's name in the configuration.
    pub name: String,
    /// Where it came from: an absolute path, or a reference with a digest.
    pub source: String,
    /// The version that the plugin says it has.
    pub version: String,
    /// What it asked for.
    pub asked: Grant,
    /// What it was granted.
    pub granted: Grant,
    /// RFC 3339, UTC.
    pub time: String,
    /// Who added it.
    pub who: Who,
}

/// The directory of components.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    /// Held as long as the store is: one `add` or `remove` at a time.
    _lock: File,
}

impl Store {
    /// Opens the directory under the state directory, makes it where it is missing, and waits until nobody else changes it.
    ///
    /// # Errors
    /// When it cannot be made, or others may write to it.
    pub fn open(state: &Path) -> io::Result<Self> {
        let directory = state.join("plugins");
        create(&directory)?;
        let lock = File::open(&directory)?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(Self {
            directory,
            _lock: lock,
        })
    }

    /// Puts a component down. Until the configuration names it, nothing has changed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(
        &self,
        component: &[u8],
        evidence: &Evidence,
        record: &Record,
    ) -> io::Result<PathBuf> {
        let digest = Digest::of(component).hex();
        let path = self
            .directory
            .join(format!("{}-{}.wasm", record.name, &digest[..16]));
        // Signatures of an earlier time; the component itself is the same, by its name.
        for stale in files_beside(&path)? {
            fs::remove_file(stale)?;
        }
        for (ending, content) in evidence.files() {
            write_durably(&beside(&path, &ending), &content)?;
        }
        let json = serde_json::to_vec_pretty(record)?;
        write_durably(&beside(&path, &format!(".{RECORD}")), &json)?;
        write_durably(&path, component)?;
        Ok(path)
    }

    /// Removes a component and what lies beside it, if it is one of this directory's.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn discard(&self, component: &Path) -> io::Result<()> {
        if component.parent() != Some(&self.directory) {
            return Ok(());
        }
        for path in files_beside(component)?
            .iter()
            .map(PathBuf::as_path)
            .chain([component])
        {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        sync_directory(&self.directory)
    }
}

/// The record beside a component; none where it was not added by `op-dbus plugin add`.
///
/// # Errors
/// When there is one and it cannot be read.
pub fn record(component: &Path) -> io::Result<Option<Record>> {
    match fs::read(beside(component, &format!(".{RECORD}"))) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn beside(component: &Path, ending: &str) -> PathBuf {
    let mut path = component.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record_of(name: &str) -> Record {
        Record {
            name: name.to_owned(),
            source: "/srv/edge.wasm".to_owned(),
            version: "1.0.0".to_owned(),
            asked: Grant::default(),
            granted: Grant::default(),
            time: "2026-01-01T00:00:00Z".to_owned(),
            who: Who::default(),
        }
    }

    #[test]
    fn a_component_is_put_down_with_its_evidence_and_goes_with_it() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        let evidence = Evidence {
            minisign: vec!["one".into(), "two".into()],
            cosign: vec!["{}".into(), "c2ln".into()],
            manifest: Some(b"{}".to_vec()),
            simple_signing: Vec::new(),
        };
        let path = store
            .put(b"component", &evidence, &record_of("edge"))
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"component");
        assert_eq!(record(&path).unwrap(), Some(record_of("edge")));
        let mut found = Evidence::beside(&path).unwrap();
        found.cosign.sort_by_key(|text| !text.starts_with('{'));
        assert_eq!(found, evidence);
        // A version of its own, and a plugin whose name begins alike, stay.
        let other = store
            .put(b"another", &Evidence::default(), &record_of("edge"))
            .unwrap();
        store.discard(&path).unwrap();
        assert!(!path.exists() && record(&path).unwrap().is_none());
        assert!(other.exists() && record(&other).unwrap().is_some());
    }

    #[test]
    fn a_file_elsewhere_is_never_removed() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        let own = state.path().join("own.wasm");
        fs::write(&own, b"component").unwrap();
        store.discard(&own).unwrap();
        assert!(own.exists());
    }
}
